"""How one table is saved: deltas of what changed, pages in rotation, and what of it must be deleted when.

Store keys, below the prefix of the table (bucket and family)::

    'd' seq(8) chunk(2)     delta: rows that commit ``seq`` changed
    'p' page(4) part(2)     page: rows [page_rows * page, …)

Invariant: all pages, then the deltas in order of their seq, each row only where the seq of the delta is higher
than the seq of the page that holds the row, make the committed table. So a delta that should have been deleted
does no harm, and nothing depends on a tombstone having been seen.

Cost: a commit writes its dirty rows once as a delta and about as many rows again as pages, never more: the pages
are rewritten in rotation, and when the rotation comes round, the deltas from before its start are deleted.
Small tables, and those of which most has changed, are written as pages only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from streamframe.core.errors import StoreCorrupted
from streamframe.state.blobs import BlobHead, BlobKind, Selection, open_blob, read_body, seal_blob
from streamframe.state.column_bytes import CHUNK_BYTES
from streamframe.state.columns import ColumnSpec
from streamframe.state.key_words import Int64s, Rows
from streamframe.state.table import Table

PAGE_ROWS: Final = 8192
_ROTATE_ROWS: Final = 512
"""Page rows that even the smallest commit pays for: it bounds the number of live deltas."""
_REWRITE_PAGES: Final = 32
"""A table of up to this many pages is written as pages when half of it has changed."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Sizes that tests make small: rows of a page, and bytes of a blob."""

    page_rows: int = PAGE_ROWS
    chunk_bytes: int = CHUNK_BYTES
    rotate_rows: int = _ROTATE_ROWS


DEFAULT_LAYOUT: Final = Layout()


@dataclass(slots=True)
class Written:
    """Records of one commit: values to put and keys to delete."""

    puts: list[tuple[bytes, bytes]]
    deletes: list[bytes]


class TableLog:
    """What of a table is in the store.

    Args:
        prefix: Store key prefix of the table.
        born: Sequence number of the commit that will create, or created, the table.
        layout: Sizes.
    """

    __slots__ = (
        "_born",
        "_credit",
        "_deltas",
        "_garbage",
        "_layout",
        "_next_page",
        "_parts",
        "_prefix",
        "_rotation_began",
        "saved",
    )

    def __init__(self, prefix: bytes, *, born: int, layout: Layout = DEFAULT_LAYOUT) -> None:
        self._prefix = prefix
        self._born = born
        self._layout = layout
        self._parts: list[int] = []
        self._deltas: list[tuple[int, bytes]] = []
        self._garbage: list[bytes] = []
        self._next_page = 0
        self._rotation_began = 0
        self._credit = 0
        self.saved = 0

    def is_dirty(self, table: Table) -> bool:
        """Whether the table has something that is not saved."""
        return table.is_dirty or len(table) > self.saved

    def live_keys(self) -> list[bytes]:
        """Return every store key of the table that may hold a value."""
        pages = [self._page_key(page, part) for page, parts in enumerate(self._parts) for part in range(parts)]
        return [*pages, *(key for _, key in self._deltas), *self._garbage]

    def seal(self, table: Table, seq: int) -> Written:
        """Return what must be written for the changes of ``table``, and forget that they are dirty."""
        rows = len(table)
        written = Written(puts=[], deletes=self._garbage)
        self._garbage = []
        if rows > self.saved:
            table.touch(np.arange(self.saved, rows, dtype=np.intp))
        dirty = table.dirty_slots()
        self._credit += max(len(dirty), self._layout.rotate_rows)
        most_changed = 2 * len(dirty) >= rows and rows <= _REWRITE_PAGES * self._layout.page_rows
        if rows <= self._credit or most_changed:
            self._write_pages_only(table, dirty, seq, written)
        else:
            self._write_delta(table, dirty, seq, written)
            self._rotate(table, seq, written)
        table.clear_dirty()
        self.saved = rows
        return written

    def _page_key(self, page: int, part: int) -> bytes:
        return self._prefix + b"p" + page.to_bytes(4, "big") + part.to_bytes(2, "big")

    def _page_count(self, rows: int) -> int:
        return -(-rows // self._layout.page_rows)

    def _write_pages_only(self, table: Table, dirty: Rows, seq: int, written: Written) -> None:
        # Deltas can only go when every page is newer than they are.
        if self._deltas:
            pages = range(self._page_count(len(table)))
        else:
            pages = np.unique(dirty // self._layout.page_rows).tolist()
        for page in pages:
            self._write_page(table, page, seq, written)
        written.deletes += [key for _, key in self._deltas]
        self._deltas = []
        self._next_page, self._rotation_began, self._credit = 0, seq, 0

    def _write_delta(self, table: Table, dirty: Rows, seq: int, written: Written) -> None:
        new = len(dirty) - int(np.searchsorted(dirty, self.saved))
        selection = Selection.take(table, dirty, new=new)
        runs = selection.chunks(self._layout.chunk_bytes)
        for chunk, (begin, end) in enumerate(runs):
            key = self._prefix + b"d" + seq.to_bytes(8, "big") + chunk.to_bytes(2, "big")
            first, keys = selection.new_keys(begin, end)
            head = BlobHead(
                kind=BlobKind.DELTA,
                rows=end - begin,
                first=first,
                keys=keys,
                part=chunk,
                parts=len(runs),
                born=self._born,
                seq=seq,
            )
            sections = selection.parts(begin, end, with_slots=True)
            written.puts.append((key, seal_blob(key, head, sections)))
            self._deltas.append((seq, key))

    def _rotate(self, table: Table, seq: int, written: Written) -> None:
        """Rewrite the next pages, as many rows as there is credit for."""
        while True:
            if self._next_page >= self._page_count(len(table)):
                written.deletes += [key for written_at, key in self._deltas if written_at <= self._rotation_began]
                self._deltas = [entry for entry in self._deltas if entry[0] > self._rotation_began]
                self._next_page, self._rotation_began = 0, seq
            begin = self._next_page * self._layout.page_rows
            cost = min(self._layout.page_rows, len(table) - begin)
            if cost > self._credit:
                return
            self._write_page(table, self._next_page, seq, written)
            self._next_page += 1
            self._credit -= cost

    def _write_page(self, table: Table, page: int, seq: int, written: Written) -> None:
        begin = page * self._layout.page_rows
        slots = np.arange(begin, min(begin + self._layout.page_rows, len(table)), dtype=np.intp)
        selection = Selection.take(table, slots, new=len(slots))
        runs = selection.chunks(self._layout.chunk_bytes)
        for part, (low, high) in enumerate(runs):
            key = self._page_key(page, part)
            head = BlobHead(
                kind=BlobKind.PAGE,
                rows=high - low,
                first=begin + low,
                keys=high - low,
                part=part,
                parts=len(runs),
                born=self._born,
                seq=seq,
            )
            written.puts.append((key, seal_blob(key, head, selection.parts(low, high, with_slots=False))))
        while len(self._parts) <= page:
            self._parts.append(0)
        written.deletes += [self._page_key(page, part) for part in range(len(runs), self._parts[page])]
        self._parts[page] = len(runs)

    # Loading.

    @classmethod
    def load(
        cls,
        prefix: bytes,
        items: Sequence[tuple[bytes, bytes]],
        types: Sequence[pa.DataType],
        specs: Sequence[ColumnSpec],
        layout: Layout = DEFAULT_LAYOUT,
    ) -> tuple[Table, TableLog]:
        """Rebuild a table from its blobs.

        Args:
            prefix: Store key prefix of the table.
            items: All keys below the prefix and their values, in key order; at least one.
            types: Key types of the table.
            specs: Accumulator columns of the table.
            layout: Sizes with which it was written.

        Raises:
            StoreCorrupted: A blob is damaged or missing.
            StoreIncompatible: A blob has another format version.
        """
        heads = [(key, open_blob(key, blob), blob) for key, blob in items]
        born = max(head.born for _, head, _ in heads)
        log = cls(prefix, born=born, layout=layout)
        log._garbage = [key for key, head, _ in heads if head.born < born]
        current = [entry for entry in heads if entry[1].born == born]
        pages, page_seqs = log._current_pages([e for e in current if e[1].kind is BlobKind.PAGE])
        deltas = [entry for entry in current if entry[1].kind is BlobKind.DELTA]
        log._deltas = [(head.seq, key) for key, head, _ in deltas]
        log._rotation_began = max((head.seq for _, head, _ in deltas), default=0)
        table = _assemble([*pages, *deltas], page_seqs, types, specs, layout)
        log.saved = len(table)
        return table, log

    def _current_pages(
        self, entries: Sequence[tuple[bytes, BlobHead, bytes]]
    ) -> tuple[list[tuple[bytes, BlobHead, bytes]], Int64s]:
        """Choose the newest parts of every page; note the others for deletion."""
        by_page: dict[int, list[tuple[bytes, BlobHead, bytes]]] = {}
        for entry in entries:
            by_page.setdefault(entry[1].first // self._layout.page_rows, []).append(entry)
        chosen: list[tuple[bytes, BlobHead, bytes]] = []
        self._parts = [0] * (max(by_page, default=-1) + 1)
        seqs = np.zeros(len(self._parts), np.int64)
        for page, parts in by_page.items():
            seq = max(head.seq for _, head, _ in parts)
            newest = [entry for entry in parts if entry[1].seq == seq]
            self._garbage += [key for key, head, _ in parts if head.seq < seq]
            if [head.part for _, head, _ in newest] != list(range(newest[0][1].parts)):
                raise StoreCorrupted("a part of a page is missing", page=page, prefix=self._prefix)
            chosen += newest
            self._parts[page], seqs[page] = len(newest), seq
        return chosen, seqs


def _assemble(
    entries: Sequence[tuple[bytes, BlobHead, bytes]],
    page_seqs: Int64s,
    types: Sequence[pa.DataType],
    specs: Sequence[ColumnSpec],
    layout: Layout,
) -> Table:
    """Put pages, then deltas in order, into a new table."""
    table = Table(types, specs)
    bodies = [(key, head, read_body(blob, head, table.keys.types, specs)) for key, head, blob in entries]
    _load_keys(table, [(head.first, body.keys) for _, head, body in bodies if head.keys])
    rows = len(table)
    seq_of_page = np.zeros(rows // layout.page_rows + 1, np.int64)
    seq_of_page[: len(page_seqs)] = page_seqs[: len(seq_of_page)]
    heads_by_seq: dict[int, list[BlobHead]] = {}
    needed: dict[int, None] = {}
    for key, head, body in bodies:
        if body.slots is None:
            for spec, values in zip(specs, body.values, strict=True):
                table.columns[spec.name][head.first : head.first + head.rows] = values
            continue
        if int(body.slots.max(initial=-1)) >= rows:
            raise StoreCorrupted("a delta changes rows that do not exist", key=key, rows=rows)
        newer = seq_of_page.take(body.slots // layout.page_rows) < head.seq
        heads_by_seq.setdefault(head.seq, []).append(head)
        if newer.any():
            needed[head.seq] = None
        slots = body.slots[newer]
        for spec, values in zip(specs, body.values, strict=True):
            table.columns[spec.name][slots] = values[newer]
    for seq in needed:
        # A delta of which every row is in a newer page may be half deleted; any other must be whole.
        heads = heads_by_seq[seq]
        if [head.part for head in heads] != list(range(heads[0].parts)):
            raise StoreCorrupted("a part of a delta is missing", seq=seq)
    return table


def _load_keys(table: Table, runs: Sequence[tuple[int, list[pa.Array]]]) -> None:
    """Append the keys of overlapping runs of slots in slot order, each slot once."""
    pieces: list[list[pa.Array]] = []
    end = 0
    for first, keys in sorted(runs, key=lambda run: run[0]):
        count = len(keys[0])
        if first > end:
            raise StoreCorrupted("the keys of some rows are missing", first_row=end, rows=first - end)
        if first + count > end:
            pieces.append([column.slice(end - first) for column in keys])
            end = first + count
    if pieces:
        table.keys.append([pa.concat_arrays(column) for column in zip(*pieces, strict=True)])
        table.make_room()
