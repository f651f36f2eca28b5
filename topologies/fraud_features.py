"""Finance: what a card has done lately, always up to date, for a model that scores its next payment.

    payments ──> authorised ──> per card, 10 min windows, every minute ──> card-features
        │                                    └── too late ──> late-payments
        └──── cannot be read ──────────────────────────────> payments-dead-letters

Each payment belongs to ten windows. A scorer must not wait until a window is over, so this program emits changes:
after each commit, the present features of every card and window that a payment has touched. The record key is the
card and the start of the window, so `card-features` can be a compacted topic::

    kafka-topics --create --topic card-features --partitions 4 --config cleanup.policy=compact
"""

import streamframe as sf

WINDOW = sf.hopping("10min", every="1min", grace="30s")

app = sf.App("fraud-features", dead_letters="payments-dead-letters")

payments = app.topic(
    "payments",
    schema={
        "card": "string",
        "merchant": "string",
        "country": "string",
        "home_country": "string",
        "cents": "int64",  # money is counted in the smallest unit: integers add up exactly
        "status": "string",
        "at": "timestamp[ms]",
    },
    event_time="at",
    key="card",
    # A terminal whose clock is an hour ahead must not close the windows of everybody else: its payments are
    # set aside with the dead letters.
    max_ahead="5min",
)

features = (
    payments.query("status == 'authorised' and cents > 0")
    .assign(abroad=lambda df: df["country"] != df["home_country"])
    .groupby("card")
    .window(WINDOW)
    .agg(
        payments="size",
        spent=("cents", "sum"),
        largest=("cents", "max"),
        typical=("cents", "mean"),
        spread=("cents", "std"),
        merchants=("merchant", "nunique"),
        countries=("country", "nunique"),
        abroad=("abroad", "any"),
        newest=("at", "max"),
        name="card-features",
    )
)

features.to_topic("card-features", emit="changes")

# A payment that was reported hours later is in no feature any more, but an auditor wants to see it. Its window and
# how late it was are columns of the row.
features.late.to_topic("late-payments", key="card")

if __name__ == "__main__":
    app.run()
