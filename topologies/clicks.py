"""What each user spends, in windows of ten seconds. This is the program that ``streamframe demo`` runs.

    clicks ──> amount > 0 ──> euro ──> per user, 10 s windows ──> click-totals
                                                  └── too late ──> late-clicks
       └──── cannot be read ───────────────────────────────────> clicks-dead-letters

Run it against your own broker, once the topics are there::

    streamframe run topologies/clicks.py -b localhost:9092 --workers 2
"""

import streamframe as sf

app = sf.App("clicks", dead_letters="clicks-dead-letters")

clicks = app.topic(
    "clicks",
    schema={"user": "string", "page": "string", "amount": "float64", "ts": "timestamp[ms]"},
    event_time="ts",
    # A promise: whoever writes the topic uses the user as the message key. All clicks of a user are then in one
    # partition already, and grouping by user needs no repartition topic.
    key="user",
)

totals = (
    clicks.query("amount > 0")
    .assign(euro=lambda df: df["amount"] * 0.92)  # plain pandas, on a batch of rows
    .groupby("user")
    .window(sf.tumbling("10s", grace="2s"))
    .agg(total=("euro", "sum"), n=("euro", "count"), name="totals")  # the name decides where the state lives
)

totals.to_topic("click-totals", key="user")  # each user and window once, when the window is over
totals.late.to_topic("late-clicks")  # late rows are a frame like any other

if __name__ == "__main__":
    app.run()
