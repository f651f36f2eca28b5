"""The measured programs with Quix Streams: tumbling, changes, map, repartition.

quix_peer.py CASE BOOTSTRAP INPUT OUTPUT GROUP STATE
"""

import sys

from quixstreams import Application  # type: ignore[import-not-found]
from quixstreams.dataframe.windows import Count, Max, Min, Sum  # type: ignore[import-not-found]


def main() -> None:
    case, bootstrap, source, output, group, state = sys.argv[1:]
    app = Application(
        broker_address=bootstrap,
        consumer_group=group,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=1.0,
        state_dir=state,
        loglevel="WARNING",
        producer_extra_config={"compression.type": "lz4"},
    )
    clicks = app.topic(source, value_deserializer="json", timestamp_extractor=lambda value, *_: value["ts"])
    results = app.topic(output, value_serializer="json")
    frame = app.dataframe(clicks)
    if case == "map":
        frame = frame[frame["amount"] >= 25]
        frame["cost"] = frame["amount"] * 1.19
        frame = frame[["user", "page", "country", "cost", "ts"]]
    else:
        frame = windows(frame, case)
    frame.to_topic(results)
    app.run()


def windows(frame, case: str):
    """Count, sum, minimum and maximum in ten seconds."""
    if case == "repartition":
        frame = frame.group_by(lambda row: f"{row['country']}|{row['category']}", name="place")
    totals = frame.tumbling_window(10_000, grace_ms=2_000)
    totals = totals.agg(n=Count(), total=Sum("amount"), low=Min("amount"), high=Max("amount"))
    # By default a window closes when its key is seen again: for most keys too late.
    totals = totals.current() if case == "changes" else totals.final(closing_strategy="partition")

    def shaped(value, key, _timestamp, _headers):
        text = key.decode() if isinstance(key, bytes) else key
        country, _, category = text.partition("|")
        keys = {"country": country, "category": category} if category else {"user": text}
        values = {name: value[name] for name in ("n", "total", "low", "high")}
        return {**keys, "window_start": value["start"], **values}

    return totals.apply(shaped, metadata=True)


if __name__ == "__main__":
    main()
