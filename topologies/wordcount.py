"""The number of times each word has been seen: one row becomes many, and a table counts them.

    lines ──> words ──> (repartition by word) ──> count ──> word-counts

The words of a line are anywhere, so the rows must move to the partition of their word before they can be counted.
StreamFrame makes the topic for that, and sends one row per word and commit through it instead of one per occurrence.
"""

import streamframe as sf

app = sf.App("wordcount")

lines = app.topic("lines", value=sf.string())  # no schema: the record's text is the column `value`

counts = (
    lines.assign(word=lambda df: df["value"].str.lower().str.findall(r"\w+"))
    .explode("word")
    .query("word == word")  # a line without words explodes to one row without a word
    .groupby("word")
    .agg(n="size", name="counts")
)

# Without a window an aggregate is a table: the new count of each word that changed, once per commit. Make the topic
# compacted (cleanup.policy=compact) and it always holds the count of every word.
counts.to_topic("word-counts")

if __name__ == "__main__":
    app.run()
