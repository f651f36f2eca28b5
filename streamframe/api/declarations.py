"""The one thing that is not frozen: the sinks and topics that a program has declared so far.

Every frame of a program refers to its ``Declarations``; ``to_topic``, ``for_each_batch`` and ``print`` add a
sink to it. That is the only side effect of writing a program.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from streamframe.core.errors import PlanError
from streamframe.plan.nodes import Aggregate, Late, Node, Sink, Source

HeadReader = Callable[[Node, int], pd.DataFrame]
"""Reads a few real rows that leave a node; the app provides it."""


class Declarations:
    """What belongs to one program.

    Attributes:
        sinks: The sinks, in the order in which they were declared.
        sources: The declared topics by name.
        late: The late rows of each aggregate that somebody asked for: one node, however often it is asked.
        read_head: Reads the first rows of a frame, or ``None``: frames of this program cannot be looked into.
    """

    __slots__ = ("_names", "late", "read_head", "sinks", "sources")

    def __init__(self) -> None:
        self.sinks: list[Sink] = []
        self.sources: dict[str, Source] = {}
        self.late: dict[Aggregate, Late] = {}
        self.read_head: HeadReader | None = None
        self._names: set[str] = set()

    def add(self, sink: Sink) -> None:
        """Remember a sink."""
        self.sinks.append(sink)

    def unused_name(self, name: str) -> str:
        """Return the name of a stateless step: ``name``, or with a number when a step has it already.

        Only steps without state may be numbered: nothing that is stored depends on their names.
        """
        number, unused = 1, name
        while unused in self._names:
            number += 1
            unused = f"{name}-{number}"
        self._names.add(unused)
        return unused

    def head(self, node: Node, count: int) -> pd.DataFrame:
        """Return the first rows that leave ``node``.

        Raises:
            PlanError: The program has no reader.
        """
        if self.read_head is None:
            raise PlanError(
                "this frame belongs to no app that could read its topic",
                hint="make frames with app.topic(...)",
                frame=node.name,
            )
        return self.read_head(node, count)
