"""What a program gives back: to be produced, committed, written to stores and delivered by others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from streamframe.core.batch import OutputBatch
from streamframe.core.ids import TopicPartition
from streamframe.state.store import Changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Produced:
    """What came of one batch.

    Attributes:
        outputs: Records to write in the running transaction, in order.
        counts: What was counted, by ``core.metrics.counter``.
        micros: Microseconds by step, when the program was given a stopwatch.
    """

    outputs: list[OutputBatch] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    micros: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedStore:
    """The changes of one store.

    Attributes:
        name: The store.
        changes: For the local store, once the transaction has committed.
        records: For its changelog, in order.
        seq: Number of this commit of the store.
    """

    name: str
    changes: Changes
    records: list[tuple[bytes, bytes | None]]
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Rows for a user's function, to be called after the commit that made them count.

    Attributes:
        step: The step.
        batch_id: The same for the same rows, however often they are delivered.
        function: ``function(frame, batch_id)``.
        frame: The rows.
    """

    step: str
    batch_id: str
    function: Callable[..., Any]
    frame: pd.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedTask:
    """One commit of a task.

    Attributes:
        outputs: Records to write in the running transaction, in order.
        stores: Changes of the stores, in the order of their names; stores without changes are left out.
        metadata: Text to commit with the offset of each external input partition.
        deliveries: Calls to make after the commit, in order.
        undelivered: Whether the stores hold batches that no function is known to have taken, those of ``deliveries``
            and of commits before.
        prints: Texts to print after the commit.
        counts: What was counted.
        micros: Microseconds by step, when the program was given a stopwatch.
    """

    outputs: list[OutputBatch]
    stores: tuple[SealedStore, ...]
    metadata: Mapping[TopicPartition, str]
    deliveries: list[Delivery]
    prints: list[str]
    counts: dict[str, int]
    micros: dict[str, int] = field(default_factory=dict)
    undelivered: bool = False
