"""Questions and orders to the broker that need no membership: topics, bounds, groups, purging.

Every call waits for its answer within ``request_timeout_ms``, except ``purge``.

Errors of all of them: ``Unavailable`` without an answer in time, ``ConfigError`` where it is not allowed,
``TopologyMismatch`` where a topic is missing.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import confluent_kafka.admin
from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
)
from confluent_kafka import TopicPartition as ClientPartition

from streamframe.core.errors import ConfigError, Unavailable
from streamframe.core.ids import NO_OFFSET, Offset, TopicPartition
from streamframe.core.settings import KafkaSettings
from streamframe.engine.ports import EARLIEST, Bounds, ChangelogBounds, Committed
from streamframe.kafka.client_config import client_properties, masked
from streamframe.kafka.client_log import ClientErrors, ClientLog
from streamframe.kafka.consumer import client_offsets
from streamframe.kafka.deadline import Deadline
from streamframe.kafka.errors import as_error, facts_of
from streamframe.kafka.offsets import NEWS_SECONDS, SLACK_SECONDS, OffsetReader
from streamframe.kafka.topics import TopicFacts, TopicSpec

Answer = TypeVar("Answer")

# Half of its names are not declared as exported, and its functions are not typed.
_client: Any = confluent_kafka.admin
EARLIEST_SPEC: Final[Any] = _client.OffsetSpec.earliest()
LATEST_SPEC: Final[Any] = _client.OffsetSpec.latest()

LEADERS_MS: Final = 10_000
"""How long the client remembers who leads a partition: a question to an earlier leader is refused, and it does not look
again because of that. So the ends that nobody waits for, and what is purged, are behind for as long at most."""

LOOK_SECONDS: Final = 1.0
"""One look for the broker; between two, the client's errors are read."""

SETTLE_SECONDS: Final = 0.02
"""Between two looks whether a topic has appeared or gone, or an offset has moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMember:
    """A member of a group and what it owns."""

    member_id: str
    instance: str
    client_id: str
    host: str
    partitions: tuple[TopicPartition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFacts:
    """A consumer group.

    Attributes:
        state: The broker's word: ``STABLE``, ``EMPTY``, ``DEAD`` (no such group) and so on.
        protocol: ``consumer`` (KIP-848) or ``classic``.
        members: Who is in it.
    """

    state: str
    protocol: str
    members: tuple[GroupMember, ...]


class TopicAdmin:
    """The administrative client.

    Args:
        settings: Connection and limits.
        log: Takes the client's log lines.
        client_id: Name that the broker sees.
    """

    def __init__(self, settings: KafkaSettings, log: ClientLog, client_id: str = "streamframe-admin") -> None:
        self._bootstrap = settings.bootstrap
        self._timeout = settings.request_timeout_ms / 1000
        self._errors = ClientErrors()
        self._purges: list[Future[Any]] = []
        self.purge_failures = 0
        properties = {"metadata.max.age.ms": LEADERS_MS, **client_properties(settings, client_id)}
        try:
            self._client = _client.AdminClient({**properties, "error_cb": self._errors.record}, logger=log)
        except KafkaException as error:
            raise refused_properties(error, properties) from error
        self._offsets = OffsetReader(self._client, self._timeout)

    def connect(self) -> None:
        """Wait until the broker answers.

        Raises:
            Unavailable: It does not, within the limit; the last error of the client is the hint.
            ConfigError: It refuses us, or its name cannot be resolved.
        """
        deadline = Deadline(self._timeout)
        while True:
            try:
                self._client.list_topics(timeout=max(0.1, min(LOOK_SECONDS, deadline.remaining())))
            except KafkaException as error:
                self._client.poll(0)
                hint = self._errors.last or facts_of(error).text
                if self._errors.refused or (deadline.passed and self._errors.unresolved):
                    raise ConfigError("cannot connect to the broker", hint=hint, bootstrap=self._bootstrap) from error
                if deadline.passed:
                    raise Unavailable("no answer from the broker", hint=hint, bootstrap=self._bootstrap) from error
            else:
                self._errors.clear()
                return

    # --- topics -----------------------------------------------------------------------------------

    def describe(self, topics: Sequence[str]) -> dict[str, TopicFacts]:
        """Return the topics that exist, of those asked for."""
        found: dict[str, TopicFacts] = {}
        if not topics:
            return found
        futures = self._client.describe_topics(TopicCollection(list(topics)), request_timeout=self._timeout)
        for name, future in futures.items():
            try:
                topic = future.result(self._timeout + SLACK_SECONDS)
            except KafkaException as error:
                if facts_of(error).code == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    continue
                raise as_error(error, "cannot describe a topic", topic=name) from error
            topic_id = base64.urlsafe_b64decode(str(topic.topic_id) + "==")
            found[name] = TopicFacts(name=name, topic_id=topic_id, partition_count=len(topic.partitions))
        return found

    def missing(self, topics: Sequence[str]) -> list[str]:
        """Return which of these topics cannot be used, after giving brokers a moment to hear of new ones."""
        deadline = Deadline(min(self._timeout, NEWS_SECONDS))
        while True:
            known = self._metadata()
            absent = sorted({name for name in topics if name not in known or not _usable(known[name])})
            if not absent or deadline.passed:
                return absent
            deadline.pause(SETTLE_SECONDS)

    def configs(self, topics: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return the configuration of existing topics, defaults included."""
        return {name: self._config(_client.ResourceType.TOPIC, name) for name in topics}

    def broker_config(self) -> dict[str, str]:
        """Return the configuration of one broker, defaults included; secrets are empty."""
        cluster = self._answer(self._client.describe_cluster(request_timeout=self._timeout), "describe the cluster")
        return self._config(_client.ResourceType.BROKER, str(cluster.nodes[0].id))

    def create(self, specs: Sequence[TopicSpec]) -> list[str]:
        """Create the topics that do not exist, wait until they can be used; return the names of the new ones.

        Two workers that do this at once both succeed. An existing topic is left as it is: comparing it with
        what it should be is the caller's business.
        """
        if not specs:
            return []
        new = [
            _client.NewTopic(
                spec.name,
                num_partitions=spec.partition_count,
                replication_factor=spec.replication_factor,
                config=dict(spec.config),
            )
            for spec in specs
        ]
        created = []
        for name, future in self._client.create_topics(new, request_timeout=self._timeout).items():
            try:
                future.result(self._timeout + SLACK_SECONDS)
                created.append(name)
            except KafkaException as error:
                if facts_of(error).code != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise as_error(error, "cannot create a topic", topic=name) from error
        self._await_topics([spec.name for spec in specs], present=True)
        return created

    def delete(self, topics: Sequence[str]) -> None:
        """Delete topics, wait until they are gone; those that do not exist are left out."""
        if not topics:
            return
        for name, future in self._client.delete_topics(list(topics), request_timeout=self._timeout).items():
            try:
                future.result(self._timeout + SLACK_SECONDS)
            except KafkaException as error:
                if facts_of(error).code != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise as_error(error, "cannot delete a topic", topic=name) from error
        self._await_topics(topics, present=False)

    # --- offsets ----------------------------------------------------------------------------------

    def bounds(self, partitions: Iterable[TopicPartition], *, appended: bool = False) -> dict[TopicPartition, Bounds]:
        """Return first and last stable offsets: what a ``read_committed`` reader can get.

        Args:
            partitions: What is asked for.
            appended: Return the high watermark in place of the last stable offset.
        """
        asked = list(partitions)
        begins = self._offsets.read(asked, EARLIEST_SPEC, IsolationLevel.READ_COMMITTED)
        ends = (
            self.log_ends(asked) if appended else self._offsets.read(asked, LATEST_SPEC, IsolationLevel.READ_COMMITTED)
        )
        return {each: Bounds(begins[each], ends[each]) for each in asked}

    def ask_ends(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, Future[Any]]:
        """Ask for last stable offsets without waiting: each future gives an answer with an ``offset``, or raises."""
        return self._offsets.ask(partitions, LATEST_SPEC, IsolationLevel.READ_COMMITTED)

    def resolve(self, partitions: Sequence[TopicPartition], logical: Offset) -> dict[TopicPartition, Offset]:
        """Return where ``EARLIEST`` or ``LATEST`` (the last stable offset) is at this moment."""
        which = EARLIEST_SPEC if logical == EARLIEST else LATEST_SPEC
        return self._offsets.read(partitions, which, IsolationLevel.READ_COMMITTED)

    def log_ends(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, Offset]:
        """Return high watermarks: what was appended, undecided transactions included."""
        return self._offsets.read(list(partitions), LATEST_SPEC, IsolationLevel.READ_UNCOMMITTED)

    def offsets_at(self, partitions: Iterable[TopicPartition], time_ms: int) -> dict[TopicPartition, Offset]:
        """Return the first offset whose timestamp is not before ``time_ms``; the end where there is none."""
        asked = list(partitions)
        found = self._offsets.read(asked, _client.OffsetSpec.for_timestamp(time_ms), IsolationLevel.READ_COMMITTED)
        beyond = [each for each in asked if found[each] < 0]
        return found | (self._offsets.read(beyond, LATEST_SPEC, IsolationLevel.READ_COMMITTED) if beyond else {})

    def changelog_bounds(self, changelog: TopicPartition) -> ChangelogBounds:
        """Return identity, first offset and log end of a changelog partition."""
        news = Deadline(min(self._timeout, NEWS_SECONDS))
        while (facts := self.describe([changelog.topic]).get(changelog.topic)) is None:
            if news.passed:
                missing = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
                raise as_error(missing, "a changelog topic is missing", topic=changelog.topic)
            news.pause(SETTLE_SECONDS)
        begin = self._offsets.read([changelog], EARLIEST_SPEC, IsolationLevel.READ_UNCOMMITTED)[changelog]
        return ChangelogBounds(facts.topic_id, begin, self.log_ends([changelog])[changelog])

    def purge(self, before: Mapping[TopicPartition, Offset]) -> None:
        """Order the deletion of records before these offsets; failures are counted, nobody waits.

        A purge that fails is made good by the next one: each deletes everything before its offset.
        """
        self._reap_purges()
        asked = [
            ClientPartition(each.topic, each.partition, int(offset)) for each, offset in before.items() if offset > 0
        ]
        if asked:
            self._purges += self._client.delete_records(asked, request_timeout=self._timeout).values()

    def await_visible(self, topics: Iterable[str], timeout: float) -> None:
        """Return when everything appended to these topics so far can be read by a ``read_committed`` reader.

        Raises:
            Unavailable: Somebody's transaction stays undecided for ``timeout`` seconds.
        """
        deadline = Deadline(timeout)
        facts = self.describe(sorted(topics))
        partitions = [TopicPartition(each.name, n) for each in facts.values() for n in range(each.partition_count)]
        appended = self.log_ends(partitions)
        hidden = partitions
        while True:
            stable = self._offsets.read(hidden, LATEST_SPEC, IsolationLevel.READ_COMMITTED)
            hidden = [each for each in hidden if stable[each] < appended[each]]
            if not hidden:
                return
            if deadline.passed:
                raise Unavailable(
                    "committed records stay invisible",
                    hint="a transaction of another producer is open in front of them; the broker ends it in time",
                    partition=str(hidden[0]),
                )
            deadline.pause(SETTLE_SECONDS)

    # --- groups -----------------------------------------------------------------------------------

    def group(self, group: str) -> GroupFacts:
        """Return state and members of a group; an unknown one is ``DEAD``."""
        future = self._client.describe_consumer_groups([group], request_timeout=self._timeout)[group]
        found = self._answer(future, "describe the group")
        members = tuple(
            GroupMember(
                member_id=member.member_id,
                instance=member.group_instance_id or "",
                client_id=member.client_id,
                host=member.host,
                partitions=tuple(
                    sorted(TopicPartition(each.topic, each.partition) for each in member.assignment.topic_partitions)
                ),
            )
            for member in found.members
        )
        return GroupFacts(state=found.state.name, protocol=found.type.name.lower(), members=members)

    def committed(self, group: str) -> dict[TopicPartition, Committed]:
        """Return every offset that a group has committed."""
        asked = [ConsumerGroupTopicPartitions(group)]
        future = self._client.list_consumer_group_offsets(asked, request_timeout=self._timeout)[group]
        found = self._answer(future, "read committed offsets")
        return {
            TopicPartition(each.topic, each.partition): Committed(
                Offset(each.offset) if each.offset >= 0 else NO_OFFSET, each.metadata or ""
            )
            for each in found.topic_partitions or ()
        }

    def reset(self, group: str, offsets: Mapping[TopicPartition, Committed]) -> None:
        """Set the committed offsets of a group that has no members."""
        asked = [ConsumerGroupTopicPartitions(group, client_offsets(offsets))]
        future = self._client.alter_consumer_group_offsets(asked, request_timeout=self._timeout)[group]
        answer = self._answer(future, "set committed offsets")
        for each in answer.topic_partitions or ():
            if each.error is not None:
                raise as_error(each.error, "cannot set a committed offset", partition=f"{each.topic}[{each.partition}]")

    def delete_group(self, group: str) -> None:
        """Forget a group that has no members, with its offsets; an unknown one is fine."""
        future = self._client.delete_consumer_groups([group], request_timeout=self._timeout)[group]
        try:
            future.result(self._timeout + SLACK_SECONDS)
        except KafkaException as error:
            if facts_of(error).code != KafkaError.GROUP_ID_NOT_FOUND:
                raise as_error(error, "cannot delete the group", group=group) from error

    def close(self) -> None:
        """Take note of purges that are done; the client ends with its last reference."""
        self._reap_purges()

    # --- inside -----------------------------------------------------------------------------------

    def _config(self, kind: Any, name: str) -> dict[str, str]:
        resource = _client.ConfigResource(kind, name)
        (future,) = self._client.describe_configs([resource], request_timeout=self._timeout).values()
        entries = self._answer(future, "read a configuration", resource=name)
        return {entry.name: entry.value or "" for entry in entries.values()}

    def _answer(self, future: Future[Answer], what: str, **where: object) -> Any:
        try:
            return future.result(self._timeout + SLACK_SECONDS)
        except (KafkaException, TimeoutError) as error:
            raise as_error(error, f"cannot {what}", **where) from error

    def _await_topics(self, topics: Sequence[str], *, present: bool) -> None:
        deadline = Deadline(self._timeout)
        while True:
            known = self._metadata()
            there = [name for name in topics if name in known and _usable(known[name])]
            if len(there) == (len(set(topics)) if present else 0):
                return
            if deadline.passed:
                word = "appear" if present else "disappear"
                raise Unavailable(f"topics do not {word}", topics=", ".join(topics))
            deadline.pause(SETTLE_SECONDS)

    def _metadata(self) -> Mapping[str, Any]:
        try:
            topics: Mapping[str, Any] = self._client.list_topics(timeout=self._timeout).topics
        except KafkaException as error:
            raise as_error(error, "cannot list topics") from error
        return topics

    def _reap_purges(self) -> None:
        done = [future for future in self._purges if future.done()]
        self.purge_failures += sum(future.exception() is not None for future in done)
        self._purges = [future for future in self._purges if not future.done()]


def refused_properties(error: KafkaException, properties: Mapping[str, object]) -> ConfigError:
    """Return the error of a client that cannot be made from its properties."""
    return ConfigError(
        "the client refuses a property",
        hint=facts_of(error).text,
        properties=" ".join(f"{name}={value}" for name, value in masked(properties).items() if name != "logger"),
    )


def _usable(topic: Any) -> bool:
    return topic.error is None and topic.partitions and all(each.leader >= 0 for each in topic.partitions.values())
