"""A worker that is meant to be killed: folds numbered batches, commits to a log file, then to RocksDB.

The log file plays the changelog topic: a commit is appended as a whole with a checksum, and a torn end is ignored
like an aborted transaction. The number of the next batch travels in the meta record, as input offsets travel in the
transaction.
"""

from __future__ import annotations

import pickle
import sys
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa

from streamframe.core.ids import TaskId
from streamframe.state.buckets import BucketState, StoreSpec, read_meta
from streamframe.state.changelog import POSITION_KEY, LocalPosition, apply_records
from streamframe.state.columns import ColumnSpec
from streamframe.state.meta import SourceTime
from streamframe.state.store import Changes
from streamframe.state.table_log import Layout
from streamframe.storage.state_dir import StateDirectory

TASK = TaskId(0, 0)
TOPIC_ID = bytes(16)
LAYOUT = Layout(page_rows=256, chunk_bytes=8_000, rotate_rows=64)
BATCHES_PER_WINDOW = 40
ROWS = 300
SPEC = StoreSpec(
    "totals",
    (pa.string(),),
    (ColumnSpec("count", "int64"), ColumnSpec("total", "float64"), ColumnSpec("last", "string")),
)


class FileLog:
    """Commits in a file; ``offset`` is a position in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._end = max((end for end, _ in self.read(0)), default=0)

    def append(self, records) -> int:
        body = pickle.dumps(records)
        with self.path.open("ab") as file:
            file.truncate(self._end)
            file.write(len(body).to_bytes(8, "little") + zlib.crc32(body).to_bytes(4, "little") + body)
            self._end = file.tell()
        return self._end

    def read(self, offset: int):
        """Yield the offset behind each whole commit from ``offset`` on, and its records."""
        content = self.path.read_bytes() if self.path.exists() else b""
        while len(content) - offset >= 12:
            size = int.from_bytes(content[offset : offset + 8], "little")
            body = content[offset + 12 : offset + 12 + size]
            if len(body) < size or zlib.crc32(body) != int.from_bytes(content[offset + 8 : offset + 12], "little"):
                return
            offset += 12 + size
            yield offset, pickle.loads(body)


def batch(number: int):
    """Keys, values and windows of one batch, the same whenever it is asked for."""
    random = np.random.default_rng(number)
    keys = [f"user-{key}" for key in random.integers(0, 4000, ROWS).tolist()]
    values = random.integers(0, 1000, ROWS).astype(float)
    return keys, values, number // BATCHES_PER_WINDOW + random.integers(0, 2, ROWS)


def fold(state: BucketState, number: int) -> None:
    keys, values, windows = batch(number)
    names = np.array(keys, object)
    for window in np.unique(windows).tolist():
        rows = windows == window
        table = state.table((window, 0))
        slots = table.slots([pa.array(names[rows])])
        np.add.at(table.columns["count"], slots, 1)
        np.add.at(table.columns["total"], slots, values[rows])
        table.columns["last"][slots] = np.array([f"batch {number}"] * len(slots), object)
        table.touch(slots)
    for bucket in state.ids():
        if bucket[0] < number // BATCHES_PER_WINDOW - 1:
            state.expire(bucket)


def restore(store, log: FileLog, *, purged: bool):
    """Bring a local store to the end of the log and return its state and the number of the next batch.

    ``purged``: as a compacted topic long after: only the last value of each key, and no tombstones at all.
    """
    stored = store.get(POSITION_KEY)
    offset = LocalPosition.decode(stored).offset if stored else 0
    commits = list(log.read(offset))
    if purged and commits:
        last = {key: value for _, records in commits for key, value in records}
        commits = [(commits[-1][0], [(key, value) for key, value in last.items() if value is not None])]
    for end, records in commits:
        changes = apply_records(records)
        position = (POSITION_KEY, LocalPosition(TOPIC_ID, end).encode())
        store.write(Changes(puts=[*changes.puts, position], deletes=changes.deletes))
    meta = read_meta(store, SPEC)
    following = meta.sources[0].stream_time if meta.sources else 0
    return BucketState(SPEC, store, meta, layout=LAYOUT), following


def main(directory: Path, log: FileLog, seed: int) -> None:
    random = np.random.default_rng(seed)
    with StateDirectory(directory, "crash") as stores:
        store = stores.open(TASK)
        state, number = restore(store, log, purged=bool(random.integers(0, 2)))
        while True:
            for _ in range(int(random.choice((1, 2, 5)))):
                fold(state, number)
                number += 1
            sealed = state.seal(closed_until=number, sources=[SourceTime("input", 0, number, False)])
            end = log.append(sealed.records)
            position = (POSITION_KEY, LocalPosition(TOPIC_ID, end).encode())
            changes = sealed.changes
            store.write(Changes(puts=[*changes.puts, position], deletes=changes.deletes, ranges=changes.ranges))
            if random.random() < 0.1:
                store.flush()
            if random.random() < 0.2:
                state.evict(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), FileLog(Path(sys.argv[2])), int(sys.argv[3]))
