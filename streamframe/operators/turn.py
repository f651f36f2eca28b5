"""One call of a program: the rows under way between its stages, and all that the call gives back."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from streamframe.core.batch import OutputBatch
from streamframe.core.metrics import counter
from streamframe.operators.rows import Rows
from streamframe.plan.topology import Edge, Port


@dataclass(slots=True, kw_only=True)
class Turn:
    """What the stages share during one call.

    Attributes:
        now: Wall clock, microseconds.
        outputs: Records to write, in order.
        counts: What was counted, by ``core.metrics.counter``.
    """

    now: int
    outputs: list[OutputBatch] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _flows: dict[Edge, list[Rows]] = field(default_factory=lambda: defaultdict(list))

    def emit(self, stage: int, rows: Rows, port: Port = "rows") -> None:
        """Hand rows to the stages behind ``stage``."""
        if len(rows):
            self._flows[Edge(stage, port)].append(rows)

    def taken(self, edge: Edge) -> list[Rows]:
        """Return the rows that came along an edge, in order."""
        return self._flows.get(edge, [])

    def count(self, what: str, step: str, number: int) -> None:
        """Add to a counter."""
        if number:
            self.counts[counter(what, step)] += number

    def write(self, batch: OutputBatch) -> None:
        """Write records."""
        if len(batch):
            self.outputs.append(batch)
