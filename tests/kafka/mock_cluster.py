"""librdkafka's own mock cluster, with errors planted into its answers.

It knows no fencing and no `read_committed`, so it proves nothing about exactly-once; it is here to show what
a given answer of a broker turns into. Its interface is reached in the library that the binding has loaded.
"""

import ctypes
from pathlib import Path
from types import TracebackType
from typing import Self

import confluent_kafka
from confluent_kafka import Producer

PRODUCE, LIST_OFFSETS, TXN_OFFSET_COMMIT, END_TXN = 0, 2, 28, 26
INIT_PRODUCER_ID, ADD_PARTITIONS_TO_TXN, ADD_OFFSETS_TO_TXN = 22, 24, 25
OFFSET_FETCH, CONSUMER_GROUP_HEARTBEAT = 9, 68


def _library() -> ctypes.CDLL:
    package = Path(confluent_kafka.__file__).parent
    (found,) = [*package.parent.glob("confluent_kafka.libs/librdkafka*"), *package.glob(".dylibs/librdkafka*")]
    return ctypes.CDLL(str(found.resolve()))


class MockCluster:
    """One broker inside this process."""

    def __init__(self) -> None:
        self._library = _library()
        self._library.rd_kafka_handle_mock_cluster.restype = ctypes.c_void_p
        self._library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
        self._owner: Producer | None = Producer(
            {"bootstrap.servers": "localhost", "test.mock.num.brokers": 1, "log_level": 0}
        )
        # The handle is the first field of the binding's object.
        handle = ctypes.c_void_p.from_address(id(self._owner) + object.__basicsize__)
        self._cluster = ctypes.c_void_p(self._library.rd_kafka_handle_mock_cluster(handle))
        assert self._cluster.value
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, ctypes.c_int32(0))
        self._library.rd_kafka_mock_set_group_consumer_heartbeat_interval_ms(self._cluster, ctypes.c_int(100))

    @property
    def bootstrap(self) -> str:
        found = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster)
        assert isinstance(found, bytes)
        return found.decode()

    def create_topic(self, name: str, partitions: int = 1) -> None:
        failed = self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)
        assert failed == 0

    def elect(self, topic: str, partition: int = 0) -> None:
        """Let the partition have a leader of a later epoch: the same broker, there is no other."""
        failed = self._library.rd_kafka_mock_partition_set_leader(
            self._cluster, topic.encode(), ctypes.c_int32(partition), ctypes.c_int32(1)
        )
        assert failed == 0

    def plant(self, request: int, *errors: int) -> None:
        """Answer the next requests of this kind with these errors."""
        array = (ctypes.c_int * len(errors))(*errors)
        count = ctypes.c_size_t(len(errors))
        failed = self._library.rd_kafka_mock_push_request_errors_array(
            self._cluster, ctypes.c_int16(request), count, array
        )
        assert failed == 0

    def delay(self, milliseconds: int) -> None:
        """Answer everything this much later."""
        failed = self._library.rd_kafka_mock_broker_set_rtt(self._cluster, ctypes.c_int32(1), milliseconds)
        assert failed == 0

    def end(self) -> None:
        """Go away: nothing is answered any more."""
        self._owner = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._owner = None
