"""An endless seeded stream of clicks in blocks of ten seconds of event time, and what windows over it must be.

Users come and go: each block knows some that no earlier one had. A few rows are far too late.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from benchmarks.workload import Workload, click_records, write

BLOCK_MS = 10_000
GRACE_MS = 2_000
LATE_MS = 25_000
NEW_USERS = 20


def produce(bootstrap: str, frame: pd.DataFrame, *, partitions: int) -> None:
    """Write clicks to the topic ``clicks``; the partition of a row is ``user % partitions``."""
    write(bootstrap, "clicks", click_records(frame, frame["user"] % partitions))


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """The stream.

    Attributes:
        records: Records of a block.
        users: Users of a block.
        partitions: Partitions of the topic; a user's is ``user % partitions``.
        late_share: Share of rows that are far too late.
        seed: Of everything.
    """

    records: int = 50_000
    users: int = 500
    partitions: int = 4
    late_share: float = 0.001
    seed: int = 1

    def frame(self, number: int) -> pd.DataFrame:
        """Return the rows of a block, in the order in which they are produced."""
        workload = Workload(
            records=self.records, users=self.users, partitions=self.partitions, span_s=BLOCK_MS // 1_000
        )
        frame = replace(workload, seed=self.seed * 1_000_003 + number).frame()
        rng = np.random.default_rng((self.seed, number))
        frame["user"] += NEW_USERS * number
        frame["ts"] += BLOCK_MS * number - LATE_MS * (rng.random(self.records) < self.late_share)
        return frame


@dataclass(slots=True, kw_only=True)
class Expected:
    """Folds blocks in the order of the stream into what must come out; plain pandas.

    Attributes:
        blocks: The stream.
        late: Rows that were late for their window.
        rows: Rows in all.
    """

    blocks: Blocks
    late: int = 0
    rows: int = 0
    _stream_time: pd.Series = field(init=False)
    _users: list[pd.DataFrame] = field(default_factory=list)
    _groups: list[pd.DataFrame] = field(default_factory=list)
    _pages: list[pd.DataFrame] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stream_time = pd.Series(0, index=range(self.blocks.partitions), dtype="int64")

    def add(self, frame: pd.DataFrame) -> None:
        """Take the next block."""
        partition = frame["user"] % self.blocks.partitions
        before = partition.map(self._stream_time)
        observed = frame["ts"].groupby(partition).cummax().clip(lower=before)
        self._stream_time = observed.groupby(partition).max().reindex(self._stream_time.index).fillna(self._stream_time)
        frame = frame.assign(amount=frame["cents"] / 100, window_start=frame["ts"] // BLOCK_MS * BLOCK_MS)
        on_time = observed < frame["window_start"] + BLOCK_MS + GRACE_MS
        self.rows += len(frame)
        self.late += int((~on_time).sum())
        self._users.append(_partial(frame[on_time], ["user", "window_start"]))
        self._groups.append(_partial(frame[on_time], ["country", "category", "window_start"]))
        self._pages.append(frame.groupby("page")["amount"].agg(n="count", total="sum").reset_index())

    def users(self) -> pd.DataFrame:
        """Return the final windows by user: closed by the stream time of the user's partition."""
        merged = _merged(self._users, ["user", "window_start"])
        closed_by = (merged["user"] % self.blocks.partitions).map(self._stream_time)
        return merged[merged["window_start"] + BLOCK_MS + GRACE_MS <= closed_by]

    def groups(self) -> pd.DataFrame:
        """Return the final windows by country and category: closed by the slowest partition."""
        merged = _merged(self._groups, ["country", "category", "window_start"])
        return merged[merged["window_start"] + BLOCK_MS + GRACE_MS <= self._stream_time.min()]

    def pages(self) -> pd.DataFrame:
        """Return the last state of the table by page."""
        return pd.concat(self._pages).groupby("page").sum().reset_index()


def _partial(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    return frame.groupby(keys)["amount"].agg(n="count", total="sum", low="min", high="max").reset_index()


def _merged(parts: list[pd.DataFrame], keys: list[str]) -> pd.DataFrame:
    grouped = pd.concat(parts).groupby(keys, sort=True)
    return grouped.agg(n=("n", "sum"), total=("total", "sum"), low=("low", "min"), high=("high", "max")).reset_index()
