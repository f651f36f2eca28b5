"""One commit at a time: decided, in flight, answered, by sequence number.

What is sealed belongs to the commit in flight; work that happens between the decision and the answer
belongs to the next one. (A boolean ``dirty`` that the answer clears would forget that work.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from streamframe.core.ids import TaskId, TopicPartition
from streamframe.engine import commands as cmd
from streamframe.engine.positions import UNDELIVERED, CommitRequest, Committed
from streamframe.engine.task import Task
from streamframe.engine.versions import with_versions
from streamframe.operators.program import SealedTask

LEAVING_MAX: Final = 32_768
"""Results of windows that are over and may leave in the commit itself; when there are more, it waits for them."""

WAITS_MAX: Final = 128
"""How often a commit waits for results to leave: an end, whatever becomes over meanwhile."""


@dataclass(slots=True)
class CommitCycle:
    """The commit that is in flight, if any.

    Attributes:
        sequence: Number of the last commit that was decided.
        in_flight: The sequence that has not been answered, or ``None``.
        sealed: What each task contributed to it.
        request: What was asked for.
        started_at: Wall clock of the decision, microseconds.
        leaving_max: ``LEAVING_MAX``, for tests.
        waits: How often the next commit has waited.
        flushing: A flush is on its way: the next commit is the one that ends it.
    """

    sequence: int = 0
    in_flight: int | None = None
    sealed: dict[TaskId, SealedTask] = field(default_factory=dict)
    request: CommitRequest | None = None
    started_at: int = 0
    leaving_max: int = LEAVING_MAX
    waits: int = 0
    flushing: bool = False

    def waits_for(self, tasks: Sequence[Task], *, flush: bool = False) -> Task | None:
        """Return the task of which results should leave before the next commit; ``None``: it may be decided.

        A window of a million groups that left in the commit would stall the loop for a second. So a commit that is due
        waits, slice by slice, while the loop goes on.

        Args:
            tasks: Running tasks, in the order of their ids.
            flush: The commit closes all their windows. Nothing more comes, so it may wait as long as it takes.
        """
        programs = {task.id: task.active_program for task in tasks}
        left = {id_: each.leaving_rows + (each.open_rows if flush else 0) for id_, each in programs.items()}
        if (self.waits >= WAITS_MAX and not flush) or sum(left.values()) <= self.leaving_max:
            return None
        self.flushing = flush
        self.waits += 1
        return max(tasks, key=lambda task: left[task.id])

    def decide(
        self,
        tasks: Sequence[Task],
        now: int,
        *,
        flush: AbstractSet[TaskId] = frozenset(),
        marks: Mapping[TaskId, str] = MappingProxyType({}),
    ) -> list[cmd.Command]:
        """Seal every running task and return the commands that make it all count.

        Args:
            tasks: Running tasks, in the order of their ids.
            now: Wall clock, microseconds.
            flush: Tasks that close all windows now.
            marks: Text to add to the committed offsets of tasks, behind what says that batches are undelivered.
        """
        assert self.in_flight is None, "one commit at a time"
        self.sequence += 1
        self.in_flight = self.sequence
        self.started_at = now
        self.waits, self.flushing = 0, False
        self.sealed = {}
        outputs: list[cmd.Command] = []
        offsets: dict[TopicPartition, Committed] = {}
        changelog: dict[TopicPartition, list[tuple[bytes, bytes | None]]] = {}
        for task in tasks:
            sealed = task.active_program.seal(now, flush=task.id in flush)
            self.sealed[task.id] = sealed
            outputs += [cmd.Produce(batch=batch) for batch in sealed.outputs if len(batch)]
            names = {restore.store: tp for tp, restore in task.restores.items()}
            for store in sealed.stores:
                if store.records:
                    changelog[names[store.name]] = store.records
                # Should this commit fail, the task reads back what its offsets say.
                task.versions[store.name] = store.seq
            mark = (UNDELIVERED if sealed.undelivered else "") + marks.get(task.id, "")
            for tp, position in task.positions.items():
                if position >= 0:
                    text = with_versions(sealed.metadata.get(tp, ""), task.versions)
                    offsets[tp] = Committed(position, text + mark)
        self.request = CommitRequest(offsets=offsets, changelog=changelog)
        return [*outputs, cmd.Commit(sequence=self.sequence, request=self.request)]

    def answered(self, sequence: int) -> CommitRequest | None:
        """Return the request that was answered, or ``None`` for an answer to a stale question."""
        if sequence != self.in_flight:
            return None
        self.in_flight = None
        request, self.request = self.request, None
        return request

    def drop(self) -> None:
        """Forget the commit in flight: it was rolled back."""
        self.in_flight = None
        self.request = None
        self.flushing = False
        self.sealed = {}
