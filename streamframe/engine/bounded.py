"""Bounded runs: ``run(until="now")`` stops by itself.

The topology is finished depth by depth. A depth is finished when the *whole group* has committed up to
the ends captured for it, so several workers agree without talking to each other: Kafka's committed
offsets are the shared truth. Only then are the ends of the next depth's repartition topics captured,
because only then does nobody write to them any more. Those are log ends, never last stable offsets.

What was committed for functions of ``for_each_batch`` must have been taken by them, too.

With ``flush`` every task of a depth closes its windows once it has read to its end; the commit that
does so carries a token in its offsets' text, and the depth is finished when every partition has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from streamframe.core.ids import NO_OFFSET, Offset, TopicPartition
from streamframe.engine import commands as cmd
from streamframe.engine.positions import UNDELIVERED, Bounds, Committed
from streamframe.engine.task import Task
from streamframe.plan.topology import Topology


@dataclass(slots=True)
class BoundedRun:
    """Progress of a bounded run, as one worker sees it.

    Attributes:
        topology: What runs.
        partition_counts: Partitions of every topic it reads.
        flush: Close all windows at the end.
        token: Names this run; equal for all its workers.
    """

    topology: Topology
    partition_counts: Mapping[str, int]
    flush: bool
    token: str
    depth: int = 0
    targets: dict[TopicPartition, Offset] = field(default_factory=dict)
    begins: dict[TopicPartition, Offset] = field(default_factory=dict)
    asked: bool = False
    finished: bool = False

    @property
    def depth_max(self) -> int:
        """Depth of the deepest sub-topology."""
        return max(sub.depth for sub in self.topology.sub_topologies)

    def partitions(self) -> tuple[TopicPartition, ...]:
        """All input partitions of the present depth, owned by anybody."""
        topics = [t for sub in self.topology.sub_topologies if sub.depth == self.depth for t in sub.topics]
        return tuple(
            TopicPartition(topic, p) for topic in dict.fromkeys(topics) for p in range(self.partition_counts[topic])
        )

    def start(self) -> list[cmd.Command]:
        """Ask where the present depth ends."""
        self.targets, self.begins, self.asked = {}, {}, False
        # Everything that the depth above has committed is in front of the log end, but perhaps not yet of the last
        # stable offset: markers come after the answer, and a dead worker's open transaction hides what is behind it.
        return [cmd.FetchBounds(partitions=self.partitions(), appended=self.depth > 0)]

    def bounds_fetched(self, bounds: Mapping[TopicPartition, Bounds]) -> None:
        """The ends of the present depth are known."""
        if set(bounds) != set(self.partitions()):
            return
        self.targets = {tp: b.end for tp, b in bounds.items()}
        self.begins = {tp: b.begin for tp, b in bounds.items()}

    def reached(self, tp: TopicPartition, position: Offset) -> bool:
        """Whether a partition of the present depth has been read to its end."""
        if tp not in self.targets:
            return False
        return max(position, self.begins[tp]) >= self.targets[tp]

    def at_end(self, task: Task) -> bool:
        """Whether a running task has read all its inputs to their ends."""
        return all(self.reached(tp, task.positions[tp]) for tp in task.inputs)

    def flushed(self, task: Task) -> bool:
        """Whether the texts of a task's offsets say that its windows were closed by this run."""
        return all(task.metadata.get(tp, "").endswith(self.mark) for tp in task.inputs)

    def ask(self) -> list[cmd.Command]:
        """Ask what the whole group has committed, unless that question is open."""
        if self.asked or not self.targets:
            return []
        self.asked = True
        return [cmd.FetchProgress(partitions=self.partitions())]

    def progress_fetched(self, committed: Mapping[TopicPartition, Committed]) -> list[cmd.Command]:
        """Go one depth deeper, or finish, when the whole group is through with this one."""
        self.asked = False
        if set(committed) != set(self.targets) or not all(map(self._through, committed.items())):
            return []
        if self.depth < self.depth_max:
            self.depth += 1
            return self.start()
        self.finished = True
        return []

    def _through(self, item: tuple[TopicPartition, Committed]) -> bool:
        tp, found = item
        if UNDELIVERED in found.metadata:
            # Its owner may have died between the commit and the function: the next one calls it.
            return False
        if self.flush and not found.metadata.endswith(self.mark):
            return False
        position = found.offset if found.offset != NO_OFFSET else self.begins[tp]
        return self.reached(tp, position)

    @property
    def mark(self) -> str:
        """Text that a flushed task adds to its committed offsets."""
        return f"|flushed:{self.token}"


def without_mark(metadata: str) -> str:
    """Return the text of a committed offset without what the engine has added to the program's."""
    return metadata.partition("|")[0]
