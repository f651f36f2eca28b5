"""Clients that only look, or write back: what librdkafka says goes through logging."""

import subprocess
import sys

import pytest
from confluent_kafka import Producer

from streamframe.core.errors import Unavailable
from streamframe.core.ids import Offset, TopicPartition
from streamframe.core.settings import KafkaSettings
from streamframe.engine.ports import Bounds
from streamframe.kafka.reading import read_first
from tests.kafka.mock_cluster import MockCluster

SETUP = """\
import logging, os

class Heard(logging.Handler):
    def emit(self, record):
        if "Connection refused" in record.getMessage():
            os._exit(0)

logging.getLogger("streamframe.kafka").addHandler(Heard())

from streamframe.core.ids import TopicPartition
from streamframe.core.settings import KafkaSettings, Limits
from streamframe.engine.ports import Bounds
from streamframe.kafka.reading import read_first
from streamframe.kafka.writing_back import WholeRecord, write_back

settings = KafkaSettings(bootstrap="127.0.0.1:1")
"""
READING = 'list(read_first(settings, TopicPartition("clicks", 0), Bounds(begin=0, end=1)))'
WRITING = 'write_back(settings, Limits(), [WholeRecord(topic="clicks", partition=0, key=None, value=b"1")])'


@pytest.mark.parametrize("work", [READING, WRITING], ids=["reading", "writing back"])
def test_lines_of_the_client_go_through_logging_and_not_to_stderr(work):
    ended = subprocess.run(
        [sys.executable, "-c", SETUP + work], capture_output=True, text=True, timeout=30, check=False
    )

    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_broker_that_goes_away_is_said_and_not_waited_for():
    with MockCluster() as cluster:
        cluster.create_topic("t")
        producer = Producer({"bootstrap.servers": cluster.bootstrap})
        for _ in range(1_000):
            producer.produce("t", b"x")
        assert producer.flush(20) == 0
        settings = KafkaSettings(bootstrap=cluster.bootstrap, request_timeout_ms=1_000)
        batches = read_first(settings, TopicPartition("t", 0), Bounds(Offset(0), Offset(2_000)))
        read = len(next(batches))
        cluster.end()
        with pytest.raises(Unavailable, match="cannot be read"):
            read += sum(map(len, batches))
    assert read > 0
