"""Settings: five small frozen groups. Every field has a unit, a default and one line.

Settings are values. Whatever does work (a clock, a store, a log) is passed as an argument and is
never a field here. The command line, ``STREAMFRAME_*`` variables and TOML files all end in these
groups; ``docs/configuration.md`` is generated from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from streamframe.core.time import MICROS_PER_MS, MICROS_PER_SECOND

Guarantee = Literal["exactly_once", "at_least_once"]
GroupProtocol = Literal["auto", "consumer", "classic"]

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSettings:
    """Connection and group.

    Attributes:
        bootstrap: Broker addresses, ``host:port[,host:port]``.
        client: Further librdkafka properties for every client (security and the like).
        consumer: Further properties for consumers only.
        producer: Further properties for producers only.
        group_protocol: ``consumer`` (KIP-848), ``classic``, or ``auto``: the newest the broker has.
        instance: Name of this installation in member and transactional ids; default: the host name and a hash
            of the path of the state directory.
        static_membership: Keep the assignment over a restart (``group.instance.id``).
        session_timeout_ms: How long a silent member keeps its partitions (classic protocol only).
        transaction_timeout_ms: After this long an unfinished transaction is aborted by the broker.
        request_timeout_ms: Limit of every call to the broker before it counts as unavailable.
        replication_factor: Of internal topics that are created; -1: the broker's default.
    """

    bootstrap: str = "localhost:9092"
    client: Mapping[str, str] = field(default_factory=dict)
    consumer: Mapping[str, str] = field(default_factory=dict)
    producer: Mapping[str, str] = field(default_factory=dict)
    group_protocol: GroupProtocol = "auto"
    instance: str = ""
    static_membership: bool = False
    session_timeout_ms: int = 45_000
    transaction_timeout_ms: int = 60_000
    request_timeout_ms: int = 30_000
    replication_factor: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitSettings:
    """When inputs, outputs and state are made to count together.

    Attributes:
        guarantee: ``exactly_once`` (one transaction per commit) or ``at_least_once``.
        interval: Microseconds between commits while there is something to commit.
        changed_bytes_max: Commit earlier once so many bytes wait to be written, changed state and changed results.
            It bounds how long a commit stalls the loop.
    """

    guarantee: Guarantee = "exactly_once"
    interval: int = MICROS_PER_SECOND
    changed_bytes_max: int = 8 * MEBIBYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSettings:
    """Where state lives and how much memory it may take.

    Attributes:
        directory: Directory of the local stores; each application has its own below it.
        memory: Bytes that the tables of one worker may hold after a commit; cold windows beyond that
            are dropped from memory and reloaded from RocksDB when touched.
    """

    directory: str = ""
    memory: int = 1024 * MEBIBYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Every bound of the engine.

    Attributes:
        poll_records_max: Records taken from the consumer at once; larger batches are cheaper per
            row, smaller ones fairer and easier on the cache.
        poll_wait: Microseconds that an idle worker waits for records.
        prefetch_kib: KiB of records that the consumer may hold ready: back-pressure by bytes. On the native path for
            each partition, with more than four a share of four times that, at least 512.
        output_queue_kib: KiB of output that may wait for the broker before processing waits. A commit waits for all of
            it, so this bounds how long it stalls the loop, too.
        restore_records_max: Changelog records applied between two looks at the inputs.
        watchdog: Microseconds after which a call of the client that does not return ends the worker.
    """

    poll_records_max: int = 10_000
    poll_wait: int = 100 * MICROS_PER_MS
    prefetch_kib: int = 4 * 1024
    output_queue_kib: int = 16 * 1024
    restore_records_max: int = 500
    watchdog: int = 90 * MICROS_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySettings:
    """What is shown.

    Attributes:
        interval: Microseconds between two snapshots of the counters.
        log_format: ``text`` or ``json``.
        log_level: ``debug``, ``info``, ``warning`` or ``error``.
        metrics: ``info``, or ``debug``: the statistics of the Kafka clients as well.
        http: Serve a status page, metrics and health, from each worker and over all of them.
        host: Address to serve at; ``0.0.0.0`` lets other machines in.
        port: Port of the page over all workers, the next ones are the workers'; 0: free ones are picked.
        token: What visitors must know (bearer token, or password of HTTP Basic); empty: nothing.
        targets_file: File kept with the addresses of the workers, for Prometheus' ``file_sd_configs``.
    """

    interval: int = MICROS_PER_SECOND
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    metrics: Literal["info", "debug"] = "info"
    http: bool = True
    host: str = "127.0.0.1"
    port: int = 0
    token: str = ""
    targets_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All groups together."""

    kafka: KafkaSettings = field(default_factory=KafkaSettings)
    commit: CommitSettings = field(default_factory=CommitSettings)
    state: StateSettings = field(default_factory=StateSettings)
    limits: Limits = field(default_factory=Limits)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
