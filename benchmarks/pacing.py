"""Writes records at a steady rate, and remembers when each was handed to the client.

    python -m benchmarks.pacing BOOTSTRAP TOPIC RATE SECONDS USERS FILE

``FILE`` becomes a numpy archive: ``user``, ``ts`` (ms) and ``sent`` (microseconds of the wall clock).
"""

from __future__ import annotations

import sys
import time

import numpy as np
from confluent_kafka import Producer

TURN_SECONDS = 0.002


def main() -> int:
    bootstrap, topic, rate, seconds, users, file = sys.argv[1:]
    total = int(rate) * int(seconds)
    user = np.random.default_rng(5).integers(0, int(users), total)
    names = [f"u{number:06d}" for number in range(int(users))]
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": 5,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    sent = np.zeros(total, np.int64)
    stamps = np.zeros(total, np.int64)
    started = time.time()
    done = 0
    while done < total:
        due = min(total, int((time.time() - started) * int(rate)))
        for number in range(done, due):
            now = time.time_ns()
            ms = now // 1_000_000
            name = names[user[number]]
            value = (
                f'{{"user":"{name}","page":"/p/1","amount":1.5,"country":"DE",'
                f'"category":"c3","ts":{ms},"number":{number}}}'
            )
            producer.produce(topic, value, name)
            sent[number], stamps[number] = now // 1_000, ms
        done = due
        producer.poll(0)
        time.sleep(TURN_SECONDS)
    assert producer.flush(30) == 0
    np.savez(file, user=user, ts=stamps, sent=sent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
