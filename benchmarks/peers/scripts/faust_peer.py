"""The measured programs with Faust: tumbling, changes, map, repartition, and a pandas function on batches.

faust_peer.py CASE BOOTSTRAP INPUT OUTPUT GROUP STATE
"""

import sys

import faust
import pandas as pd

SIZE_SECONDS, GRACE_SECONDS = 10.0, 2.0
BATCH, BATCH_SECONDS = 5_000, 0.5


class Click(faust.Record, serializer="json"):  # type: ignore[misc, call-arg]
    user: str
    page: str
    amount: float
    country: str
    category: str
    ts: int


case, bootstrap, source, output, group, state = sys.argv[1:]
app = faust.App(
    group,
    broker=f"kafka://{bootstrap}",
    datadir=state,
    processing_guarantee="exactly_once",
    broker_commit_interval=1.0,
    broker_max_poll_records=5_000,
    stream_buffer_maxsize=32_768,
    consumer_auto_offset_reset="earliest",
    producer_compression_type="lz4",
    topic_partitions=4,
    topic_allow_declare=True,
    web_enabled=False,
)
clicks = app.topic(source, value_type=Click, key_type=bytes, key_serializer="raw")
results = app.topic(output, value_serializer="json", key_type=bytes, key_serializer="raw")


def row(keys: dict, window_start: float, totals: list) -> dict:
    n, total, low, high = totals
    start = round(window_start) * 1_000
    return {**keys, "window_start": start, "n": n, "total": total, "low": low, "high": high}


def added(totals: list, amount: float) -> list:
    n, total, low, high = totals
    return [n + 1, total + amount, min(low, amount), max(high, amount)]


def keys_of(text: str) -> dict:
    country, _, category = text.partition("|")
    return {"country": country, "category": category} if category else {"user": text}


def closed(key: tuple, totals: list) -> None:
    text, (start, _) = key
    results.send_soon(key=text.encode(), value=row(keys_of(text), start, totals))


def table():
    made = app.Table(
        "totals",
        default=lambda: [0, 0.0, float("inf"), float("-inf")],
        partitions=4,
        on_window_close=None if case == "changes" else closed,
    )
    return made.tumbling(SIZE_SECONDS, expires=GRACE_SECONDS).relative_to_field(Seconds.seconds)


class Seconds:
    """Event time of a record, in the seconds that windows count in."""

    class seconds:  # noqa: N801 - a field descriptor, as Faust asks for it
        @staticmethod
        def getattr(record: Click) -> float:
            return record.ts / 1_000


if case in ("tumbling", "changes", "repartition"):
    totals = table()

if case == "map":

    @app.agent(clicks)
    async def mapped(stream):
        async for click in stream:
            if click.amount >= 25:
                made = {name: getattr(click, name) for name in ("user", "page", "country", "ts")}
                await results.send(key=click.user.encode(), value={**made, "cost": click.amount * 1.19})

elif case == "pandas-function":

    @app.agent(clicks)
    async def scored(stream):
        async for batch in stream.take(BATCH, within=BATCH_SECONDS):
            rows = pd.DataFrame(
                [{name: getattr(c, name) for name in ("user", "amount", "country", "ts")} for c in batch]
            )
            rows["score"] = (rows["amount"] - 50.0).clip(lower=0.0) * rows["country"].isin(["DE", "FR"]) + 1.0
            rows["big"] = rows["amount"] > 90.0
            for made in rows[["user", "amount", "country", "score", "big", "ts"]].to_dict("records"):
                await results.send(key=made["user"].encode(), value=made)

elif case == "repartition":

    @app.agent(clicks)
    async def moved(stream):
        places = stream.group_by(lambda click: f"{click.country}|{click.category}", name="place")
        async for click in places:
            place = f"{click.country}|{click.category}"
            totals[place] = added(totals[place].value(), click.amount)

else:

    @app.agent(clicks)
    async def counted(stream):
        async for click in stream:
            totals[click.user] = sums = added(totals[click.user].value(), click.amount)
            if case == "changes":
                start = click.ts // 10_000 * 10
                await results.send(key=click.user.encode(), value=row({"user": click.user}, start, sums))


if __name__ == "__main__":
    sys.argv = [sys.argv[0], "worker", "--loglevel", "warn"]
    app.main()
