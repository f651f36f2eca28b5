"""What a consumer group and its topics look like from outside: members, committed offsets, open transactions."""

from __future__ import annotations

from streamframe.core.ids import TopicPartition
from streamframe.kafka.admin import TopicAdmin
from tests.campaign.asking import Asker


class GroupView:
    """Looks at a group and its topics, and changes nothing.

    Args:
        bootstrap: The broker.
        group: The consumer group: the name of the app.
        ask: Asks the broker; by default a process of this view's own.
    """

    def __init__(self, bootstrap: str, group: str, ask: Asker | None = None) -> None:
        self._ask = ask or Asker(bootstrap)
        self._group = group

    def members(self) -> dict[str, int]:
        """Return the members with the number of their partitions; nobody while the group is not stable."""
        facts = self._ask(TopicAdmin.group, self._group)
        if facts.state != "STABLE":
            return {}
        return {member.member_id: len(member.partitions) for member in facts.members}

    def names(self) -> dict[str, str]:
        """Return the members with the names of their clients, also while the group is not stable."""
        return {member.member_id: member.client_id for member in self._ask(TopicAdmin.group, self._group).members}

    def __str__(self) -> str:
        """The group in a line: its state, and the partitions of each member."""
        facts = self._ask(TopicAdmin.group, self._group)
        owned = {f"{each.client_id} {each.member_id}": sorted(map(str, each.partitions)) for each in facts.members}
        return f"{self._group} {facts.state} {owned}"

    def is_empty(self) -> bool:
        """Whether the group has no members."""
        return not self._ask(TopicAdmin.group, self._group).members

    def committed(self) -> dict[TopicPartition, int]:
        """Return the committed offset of each partition, the unknown ones left out."""
        found = self._ask(TopicAdmin.committed, self._group)
        return {partition: int(each.offset) for partition, each in found.items() if each.offset >= 0}

    def progress(self) -> int:
        """Return a number that grows with every commit."""
        return sum(self.committed().values())

    def lag(self, *topics: str) -> int:
        """Return how many offsets of these topics, and of the group's repartition topics, are not committed."""
        repartitions = {each.topic for each in self.committed() if each.topic.endswith("-repartition")}
        partitions = self.partitions(*topics, *sorted(repartitions))
        ends = self._ask(TopicAdmin.log_ends, partitions)
        committed = self.committed()
        return sum(int(ends[each]) - committed.get(each, 0) for each in partitions)

    def is_drained(self, *topics: str) -> bool:
        """Whether everything in these topics is committed."""
        return self.lag(*topics) == 0

    def is_decided(self, *topics: str) -> bool:
        """Whether no transaction is open in these topics."""
        return not self.undecided(*topics)

    def undecided(self, *topics: str) -> dict[TopicPartition, int]:
        """Return the partitions in which a transaction is open, with the offsets that it hides."""
        partitions = self.partitions(*topics)
        ends = self._ask(TopicAdmin.log_ends, partitions)
        bounds = self._ask(TopicAdmin.bounds, partitions)
        hidden = {each: int(ends[each]) - int(bounds[each].end) for each in partitions}
        return {each: count for each, count in hidden.items() if count}

    def partitions(self, *topics: str) -> list[TopicPartition]:
        """Return all partitions of topics."""
        facts = self._ask(TopicAdmin.describe, list(topics))
        return [TopicPartition(each.name, number) for each in facts.values() for number in range(each.partition_count)]
