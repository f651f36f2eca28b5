"""The client's error numbers that mean something to us, and the groups that we treat alike.

librdkafka's own (negative) numbers are spelt with an underscore in the binding although they are its public
names; here they get names without.
"""

from __future__ import annotations

from typing import Final

from confluent_kafka import KafkaError

ALL_BROKERS_DOWN: Final = KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001
ASSIGNMENT_LOST: Final = KafkaError._ASSIGNMENT_LOST  # noqa: SLF001
AUTHENTICATION: Final = KafkaError._AUTHENTICATION  # noqa: SLF001
AUTO_OFFSET_RESET: Final = KafkaError._AUTO_OFFSET_RESET  # noqa: SLF001
FATAL: Final = KafkaError._FATAL  # noqa: SLF001
FENCED: Final = KafkaError._FENCED  # noqa: SLF001
GAPLESS_GUARANTEE: Final = KafkaError._GAPLESS_GUARANTEE  # noqa: SLF001
INVALID_ARG: Final = KafkaError._INVALID_ARG  # noqa: SLF001
LOG_TRUNCATION: Final = KafkaError._LOG_TRUNCATION  # noqa: SLF001
PARTITION_EOF: Final = KafkaError._PARTITION_EOF  # noqa: SLF001
QUEUE_FULL: Final = KafkaError._QUEUE_FULL  # noqa: SLF001
RESOLVE: Final = KafkaError._RESOLVE  # noqa: SLF001
SSL: Final = KafkaError._SSL  # noqa: SLF001
STATE: Final = KafkaError._STATE  # noqa: SLF001
TRANSPORT: Final = KafkaError._TRANSPORT  # noqa: SLF001
UNKNOWN_PARTITION: Final = KafkaError._UNKNOWN_PARTITION  # noqa: SLF001
UNKNOWN_TOPIC: Final = KafkaError._UNKNOWN_TOPIC  # noqa: SLF001
UNSUPPORTED_FEATURE: Final = KafkaError._UNSUPPORTED_FEATURE  # noqa: SLF001

FENCED_CODES: Final = frozenset(
    {
        FATAL,
        FENCED,
        GAPLESS_GUARANTEE,
        STATE,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
        KafkaError.TRANSACTION_COORDINATOR_FENCED,
    }
)

PERMISSION_CODES: Final = frozenset(
    {
        AUTHENTICATION,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)

SETTING_CODES: Final = frozenset(
    {
        INVALID_ARG,
        KafkaError.INVALID_CONFIG,
        KafkaError.INVALID_GROUP_ID,
        KafkaError.INVALID_PARTITIONS,
        KafkaError.INVALID_REPLICATION_FACTOR,
        KafkaError.INVALID_SESSION_TIMEOUT,
        KafkaError.INVALID_TRANSACTION_TIMEOUT,
        KafkaError.POLICY_VIOLATION,
        KafkaError.UNSUPPORTED_ASSIGNOR,
        UNSUPPORTED_FEATURE,
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError.INCONSISTENT_GROUP_PROTOCOL,
    }
)

TOO_LARGE_CODES: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})

MISSING_TOPIC_CODES: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
        UNKNOWN_TOPIC,
        UNKNOWN_PARTITION,
    }
)

LEADER_CODES: Final = frozenset(
    {
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        TRANSPORT,
    }
)
"""Whoever was asked does not lead the partition, does not lead it yet, or went away: the leader will answer."""

STALE_MEMBER_CODES: Final = frozenset(
    {
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.FENCED_MEMBER_EPOCH,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError.UNKNOWN_MEMBER_ID,
        ASSIGNMENT_LOST,
    }
)
"""The group has moved on: whoever gets one of these does not own what it thinks it owns."""

WRONG_CREDENTIALS: Final = frozenset(
    {
        AUTHENTICATION,
        SSL,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.ILLEGAL_SASL_STATE,
    }
)
"""Errors of a connection that will not go away by waiting."""
