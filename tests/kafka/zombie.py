"""A group member that is stopped in the middle of a transaction, and does not poll when it wakes up.

    python -m tests.kafka.zombie BOOTSTRAP PROTOCOL TOPIC OUTPUT

It prints ``ready`` once its transaction is open, then waits for a line on its standard input. Then it tries to commit
with the group metadata of that moment and prints ``committed`` or ``refused``.
"""

from __future__ import annotations

import sys

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

MEMBER: dict[str, dict[str, str | int]] = {
    "consumer": {"group.protocol": "consumer", "group.remote.assignor": "range"},
    "classic": {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500},
}


def main(bootstrap: str, protocol: str, topic: str, output: str) -> None:
    settings: dict[str, str | int | bool] = {
        "bootstrap.servers": bootstrap,
        "group.id": f"{topic}-group",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
    }
    consumer = Consumer(settings | MEMBER[protocol])
    assigned: list[int] = []
    consumer.subscribe([topic], on_assign=lambda _consumer, partitions: assigned.append(len(partitions)))
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"{topic}-zombie"})
    producer.init_transactions(20)
    while not assigned:
        consumer.poll(0.1)
    producer.begin_transaction()
    producer.produce(output, b"work of a zombie")
    producer.flush(10)
    _say("ready")
    sys.stdin.readline()
    try:
        producer.send_offsets_to_transaction([TopicPartition(topic, 0, 1)], consumer.consumer_group_metadata(), 10)
        producer.commit_transaction(10)
        _say("committed")
    except KafkaException as error:
        _say(f"refused {error.args[0].name()}")


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
