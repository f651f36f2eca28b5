"""Writes clicks for ``topologies/clicks.py``: some late, some unusable, so that there is something to see.

    python deploy/generate_clicks.py --bootstrap localhost:9092 --rate 2000

SIGTERM and Ctrl-C end it; what was written is flushed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import signal
import time
from threading import Event

from confluent_kafka import Producer

PAGES = ("home", "search", "item", "basket", "pay")
TURN_SECONDS = 0.1


def click(chance: random.Random, now_ms: int, args: argparse.Namespace) -> tuple[bytes, bytes]:
    """Return key and value of one record."""
    user = f"user-{chance.randrange(args.users)}"
    if chance.random() < args.unusable:
        return user.encode(), b'{"user": "' + user.encode()
    lateness = 60_000 if chance.random() < args.late else chance.randrange(500)
    amount = round(chance.uniform(-1, 9), 2)
    row = {"user": user, "page": chance.choice(PAGES), "amount": amount, "ts": now_ms - lateness}
    return user.encode(), json.dumps(row).encode()


def main() -> None:
    """Write until somebody says stop."""
    parser = argparse.ArgumentParser(description="Write clicks for topologies/clicks.py.")
    parser.add_argument("--bootstrap", default="localhost:9092", help="broker addresses (default: %(default)s)")
    parser.add_argument("--topic", default="clicks", help="default: %(default)s")
    parser.add_argument("--rate", type=int, default=1_000, help="records per second (default: %(default)s)")
    parser.add_argument("--users", type=int, default=500, help="different keys (default: %(default)s)")
    parser.add_argument("--late", type=float, default=0.002, help="share that is a minute late (default: %(default)s)")
    parser.add_argument(
        "--unusable", type=float, default=0.0005, help="share that cannot be read (default: %(default)s)"
    )
    args = parser.parse_args()

    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    # Java's partitioner: the program was promised that all clicks of a user are in one partition.
    producer = Producer({"bootstrap.servers": args.bootstrap, "partitioner": "murmur2_random", "linger.ms": 20})
    chance = random.Random(7)
    for _ in itertools.count():
        began = time.monotonic()
        now_ms = time.time_ns() // 1_000_000
        for _ in range(max(1, int(args.rate * TURN_SECONDS))):
            key, value = click(chance, now_ms, args)
            producer.produce(args.topic, value, key)
        producer.poll(0)
        if stop.wait(max(0.0, TURN_SECONDS - (time.monotonic() - began))):
            break
    producer.flush(30)


if __name__ == "__main__":
    main()
