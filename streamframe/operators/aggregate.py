"""The stage that owns the state of an aggregate: folds rows, merges partial aggregates, closes windows, emits."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streamframe.core.errors import RecordError
from streamframe.core.metrics import PARTIALS_DROPPED, PARTIALS_MERGED, ROWS_EMITTED, WINDOWS_CLOSED
from streamframe.core.time import MAX_TIME, MIN_TIME
from streamframe.operators.aggregators.accumulator import StateColumns, Target
from streamframe.operators.emission import Groups, Presenter, WindowReader
from streamframe.operators.folding import WHOLE, BucketId, Folding
from streamframe.operators.leaving import Leaving
from streamframe.operators.quarantine import Quarantine
from streamframe.operators.rows import Rows
from streamframe.operators.turn import Turn
from streamframe.operators.watermarks import Watermark
from streamframe.plan.topology import Stage
from streamframe.state.buckets import BucketState, Sealed, StoreSpec, read_meta
from streamframe.state.meta import SourceTime
from streamframe.state.store import StoreReader

Int64Array = npt.NDArray[np.int64]

_RESULT_COLUMN_BYTES: Final = 24
"""Of a result, encoded, for each column, about; headers and key included."""

_SEALED_SLICE_ROWS: Final = 65_536
"""What is left at the commit leaves in such slices: they bound the memory that encoding takes."""


@dataclass(frozen=True, slots=True)
class Partials:
    """Partial aggregates of other tasks.

    Attributes:
        panes: Start of the pane (0 without windows) of each.
        variants: How many of the pane's windows were closed for the rows in it.
        keys: Key columns.
        columns: State columns.
    """

    panes: Int64Array
    variants: Int64Array
    keys: list[pa.Array]
    columns: StateColumns

    def at(self, rows: Int64Array) -> tuple[list[pa.Array], dict[str, npt.NDArray[np.generic]]]:
        """Return keys and state columns of some of them."""
        index = pa.array(rows)
        return [key.take(index) for key in self.keys], {name: column[rows] for name, column in self.columns.items()}


class AggregateState:
    """The state of one aggregate in one task.

    Args:
        stage: The stage.
        reader: Its store.
        quarantine: Takes rows that cannot be folded.
        lane: Lane of the results.
        signature: What the state means, as text; state of another meaning is refused.
    """

    def __init__(
        self, stage: Stage, reader: StoreReader, quarantine: Quarantine, lane: int, signature: str = ""
    ) -> None:
        assert stage.store is not None
        self.stage = stage
        self.folding = Folding(stage, quarantine)
        self.name = stage.store
        fold = self.folding.fold
        meaning = f"{signature}\n  buckets: {self.folding.panes or 'one'}"
        spec = StoreSpec(self.name, self.folding.key_types, fold.specs, fold.families, meaning)
        self.state = BucketState(spec, reader, read_meta(reader, spec))
        self._quarantine = quarantine
        self._closed_until = self.state.meta.closed_until
        self._saved_sources = self.state.meta.sources
        self._presenter = Presenter(self.folding, lane)
        self._panes = self.folding.panes
        self._reader = None if self._panes is None else WindowReader(self._panes, self.folding, self.state)
        # Not a method of ours: in a cycle with it, the tables of a task that went elsewhere would stay in memory until
        # the collector looks at old objects, which is hardly ever.
        self._leaving = Leaving(self._presenter, partial(_window, self._reader, self.state))
        self._touched: dict[BucketId, int] = {}
        # A changed row is written in a delta, and pages of as many rows go with it.
        self._row_bytes = 2 * sum(24 + 8 * len(table.columns) for table in spec.tables())
        if self.folding.node.emit == "changes":
            self._row_bytes += _RESULT_COLUMN_BYTES * len(self.folding.node.schema)

    @property
    def key_types(self) -> Sequence[pa.DataType]:
        """Types of the key columns as they are stored."""
        return self.folding.key_types

    @property
    def sources(self) -> tuple[SourceTime, ...]:
        """Watermarks of the senders as of the last commit."""
        return self._saved_sources

    @property
    def nbytes(self) -> int:
        """Bytes of state in memory."""
        return self.state.nbytes

    @property
    def changed_bytes(self) -> int:
        """Bytes that the next seal will write to the changelog and, where changes are emitted, as results, about."""
        return self._row_bytes * sum(min(rows, len(self.state.table(at))) for at, rows in self._touched.items())

    def process(self, rows: Rows, turn: Turn) -> None:
        """Fold rows."""
        for bucket in self.folding.process(rows, self._closed_until, self._target, turn):
            self._touched[bucket] = self._touched.get(bucket, 0) + len(rows)

    def merge(self, partials: Partials, turn: Turn) -> None:
        """Merge partial aggregates; those for windows that are closed already are dropped and counted."""
        for bucket, rows in _by_bucket(partials):
            if self._is_closed(bucket):
                turn.count(PARTIALS_DROPPED, self.stage.node.name, len(rows))
                continue
            keys, columns = partials.at(rows)
            target = self._target(bucket)
            refused = self.folding.fold.merge(target, target.table.slots(keys), columns)
            lost = 0 if refused is None else int(np.count_nonzero(refused))
            if lost and self._quarantine.fails:
                raise RecordError(
                    "the sum of a group leaves the range of int64",
                    hint="cast the column to float64 before it is summed, or set on_error='skip'",
                    step=self.stage.node.name,
                )
            turn.count(PARTIALS_DROPPED, self.stage.node.name, lost)
            turn.count(PARTIALS_MERGED, self.stage.node.name, len(rows) - lost)
            self._touched[bucket] = self._touched.get(bucket, 0) + len(rows)

    def release(self, watermark: Watermark, turn: Turn, slice_rows: int) -> None:
        """Emit some of what is over at ``watermark``, before the commit; results of changes wait for it.

        Args:
            watermark: The watermark.
            turn: Takes the rows.
            slice_rows: Emit about so many, more when much is left.
        """
        if self._panes is None or self.folding.node.emit != "final":
            return
        self._begin_closing(self._closing_time(watermark), turn)
        if self._leaving:
            left = self.leaving_rows
            self._leave(min(max(slice_rows, left // 8), 4 * slice_rows), turn)

    @property
    def leaving_rows(self) -> int:
        """Rows of windows that are over and have not left yet, about: a window of panes counts each of them."""
        if not self._leaving:
            return 0
        assert self._panes is not None
        buckets = self.state.ids()
        rows = self._leaving.rows_left
        for start in self._leaving.waiting:
            end = bisect_left(buckets, (start + (1 if self._panes.direct else self._panes.size), 0))
            rows += sum(self.state.rows_of(bucket) for bucket in buckets[bisect_left(buckets, (start, 0)) : end])
        return rows

    @property
    def open_rows(self) -> int:
        """Rows of windows that are not over and would be emitted by a flush, about."""
        if self._panes is None or self.folding.node.emit != "final":
            return 0
        return sum(self.state.rows_of(bucket) for bucket in self.state.ids() if not self._is_closed(bucket))

    def close(self, watermark: Watermark, turn: Turn) -> None:
        """Emit what is due at ``watermark`` and forget the windows that are over."""
        if self.folding.node.emit == "changes":
            self._emit(self._presenter.rows(self._changed_groups()), turn)
        if self._panes is None:
            return
        self._begin_closing(self._closing_time(watermark), turn)
        while self._leaving:
            self._leave(_SEALED_SLICE_ROWS, turn)

    def _closing_time(self, watermark: Watermark) -> int:
        if not watermark.flushed:
            return watermark.time
        # Everything that is open closes, and nothing beyond: a later run goes on with later windows.
        return max([self._closed_until, *(self._last_closing(bucket) for bucket in self.state.ids()[-1:])])

    def _begin_closing(self, time: int, turn: Turn) -> None:
        """Close what is over at ``time``: from now on no row changes it."""
        if time <= self._closed_until:
            return
        assert self._reader is not None
        assert self._panes is not None
        over = self._panes.closed_until(time)
        closing = self._reader.windows(self.state.ids(), self._first_open(), over)
        turn.count(WINDOWS_CLOSED, self.stage.node.name, len(closing))
        self._closed_until = time
        if self.folding.node.emit == "final":
            self._leaving.add(closing)
        if not self._leaving:
            self._forget_closed()

    def _leave(self, limit: int, turn: Turn) -> None:
        self._emit(self._leaving.take(limit), turn)
        self._forget_closed()

    def _forget_closed(self) -> None:
        """Forget the buckets whose windows have all left."""
        assert self._panes is not None
        until = self._leaving.first
        for bucket in self.state.ids():
            if not self._is_closed(bucket) or (until is not None and self._last_window(bucket) >= until):
                break
            self.state.expire(bucket)
            self._touched.pop(bucket, None)

    def seal(self, sources: tuple[SourceTime, ...] = ()) -> Sealed | None:
        """Return what changed since the last call, or ``None``."""
        self._touched.clear()
        if not self.state.is_dirty and sources == self._saved_sources:
            return None
        self._saved_sources = sources
        return self.state.seal(closed_until=self._closed_until, sources=sources)

    def earliest_closing(self) -> int | None:
        """Return the watermark at which the next window closes, or ``None`` when none is open."""
        buckets = self.state.ids()
        if self._panes is None or not buckets:
            return None
        first = max(self._first_open(), int(self._panes.first_window(buckets[0][0])))
        return self._panes.closing_time(first)

    def present(self) -> Rows | None:
        """Return all groups of the state as result rows, windows that are still open included; for looking at it."""
        if self._reader is None:
            table = self.state.table(WHOLE)
            return self._presenter.rows([Groups(table, np.arange(len(table)), None)])
        buckets = self.state.ids()
        windows = self._reader.windows(buckets, self._first_open(), MAX_TIME)
        return self._presenter.rows([self._reader.groups(start, buckets) for start in windows])

    def look_up(self, key: Sequence[pa.Array], start: int | None = None) -> Iterator[Rows]:
        """Yield the result rows of one key, window by window; no more than a window is in memory at a time.

        For a state that is only looked at: what a window needs is dropped when its row was made.

        Args:
            key: Arrays of length 1, of the types of the key columns.
            start: Only the window that starts then: nothing else is read.
        """
        if self._reader is None:
            yield from self._found(Groups(self.state.table(WHOLE), np.arange(0), None), key)
            return
        buckets = self.state.ids()
        begin, end = (self._first_open(), MAX_TIME) if start is None else (start, start + 1)
        for window in self._reader.windows(buckets, max(begin, self._first_open()), end):
            yield from self._found(self._reader.groups(window, buckets), key)
            self.state.evict(0)

    def _found(self, groups: Groups, key: Sequence[pa.Array]) -> list[Rows]:
        slots = groups.table.keys.find(key)
        rows = self._presenter.rows([Groups(groups.table, slots[slots >= 0], groups.start)])
        return [] if rows is None else [rows]

    def _target(self, bucket: BucketId) -> Target:
        families = self.state.spec.families
        return Target(
            self.state.table(bucket),
            {family.name: self.state.table(bucket, number) for number, family in enumerate(families, start=1)},
        )

    def _first_open(self) -> int:
        assert self._panes is not None
        return MIN_TIME if self._closed_until == MIN_TIME else self._panes.closed_until(self._closed_until)

    def _last_window(self, bucket: BucketId) -> int:
        assert self._panes is not None
        return bucket[0] if self._panes.direct else int(self._panes.last_window(bucket[0]))

    def _last_closing(self, bucket: BucketId) -> int:
        assert self._panes is not None
        return self._panes.closing_time(self._last_window(bucket))

    def _is_closed(self, bucket: BucketId) -> bool:
        return self._panes is not None and self._last_closing(bucket) <= self._closed_until

    def _changed_groups(self) -> list[Groups]:
        if self._reader is None:
            if WHOLE not in self._touched:
                return []
            table = self.state.table(WHOLE)
            return [Groups(table, table.dirty_slots(), None)]
        touched = sorted(self._touched)
        buckets = self.state.ids()
        windows = self._reader.windows(touched, self._first_open(), MAX_TIME)
        return [self._reader.groups(start, buckets, dirty=True) for start in windows]

    def _emit(self, rows: Rows | None, turn: Turn) -> None:
        if rows is not None:
            turn.count(ROWS_EMITTED, self.stage.node.name, len(rows))
            turn.emit(self.stage.index, rows)


def _window(reader: WindowReader | None, state: BucketState, start: int) -> Groups:
    assert reader is not None
    return reader.groups(start, state.ids())


def _by_bucket(partials: Partials) -> list[tuple[BucketId, Int64Array]]:
    order = np.lexsort((partials.variants, partials.panes))
    panes, variants = partials.panes[order], partials.variants[order]
    border = (panes[1:] != panes[:-1]) | (variants[1:] != variants[:-1])
    cuts = [0, *(np.flatnonzero(border) + 1).tolist(), len(order)]
    return [
        ((int(panes[begin]), int(variants[begin])), order[begin:end]) for begin, end in pairwise(cuts) if begin < end
    ]
