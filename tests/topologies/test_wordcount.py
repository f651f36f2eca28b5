"""Words are counted wherever their lines are."""

from collections import Counter

from streamframe.testing import TopologyTest
from topologies.wordcount import app

LINES = [b"The dog and the cat", b"", b"the END, the end!", b"  ", b"Caf\xc3\xa9 caf\xc3\xa9"]
COUNTS = {"the": 4, "dog": 1, "and": 1, "cat": 1, "end": 2, "café": 2}


def newest(rows):
    """The last count of each word: what a compacted topic keeps."""
    return dict(rows.drop_duplicates("word", keep="last")[["word", "n"]].itertuples(index=False))


def test_every_word_is_counted_once():
    with TopologyTest(app) as t:
        t.send("lines", LINES)
        assert newest(t.read("word-counts")) == COUNTS


def test_lines_of_all_partitions_count_together():
    with TopologyTest(app, partitions={"lines": 3, "word-counts": 2}, workers=2) as t:
        for partition in range(3):
            t.send("lines", LINES, partition=partition)
        assert newest(t.read("word-counts")) == {word: 3 * n for word, n in COUNTS.items()}


def test_only_words_that_changed_are_written_again():
    with TopologyTest(app) as t:
        t.send("lines", LINES)
        t.read("word-counts")
        t.send("lines", [b"a dog"])
        assert newest(t.read("word-counts")) == {"a": 1, "dog": 2}


def test_crashes_and_new_workers_count_nothing_twice():
    with TopologyTest(app, partitions=2, workers=2) as t:
        told: Counter[str] = Counter()
        for number in range(6):
            t.send("lines", LINES, partition=number % 2)
            told.update(COUNTS)
            t.commit()
            t.crash(wipe=number == 3)
            t.rebalance(workers=1 + number % 3)
        assert newest(t.read("word-counts")) == dict(told)
