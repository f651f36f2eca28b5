"""Looking into the stores of a running worker, from another thread, without disturbing it.

The local stores hold what has been committed and nothing else, so what is read there is committed state. Each answer
reads stores as they were at one moment and says when the last commit was.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from streamframe.app.stored_rows import aggregate_place, open_aggregate, rows_of_key, store_places
from streamframe.core.errors import ConfigError, StateError, StoreUnavailable
from streamframe.core.time import MICROS_PER_SECOND
from streamframe.engine.snapshot import Snapshot
from streamframe.plan.nodes import Aggregate
from streamframe.plan.topology import Topology
from streamframe.state.namespace import NamespaceReader
from streamframe.storage.state_dir import StateDirectory

TABLE_BYTES_MAX: Final = 256 << 20
"""A table without windows that is larger is not looked into from a worker: it would be decoded beside the work."""

ROWS_MAX: Final = 1_000

ANY_KEY: Final = "key"
"""Names the key column of a store that has one only."""

WINDOW: Final = "window_start"
"""Asks for one window only: nothing else is read then."""


class StoreQueries:
    """Answers for the stores of one worker.

    Args:
        topology: The program.
        stores: Its local stores.
        latest: Returns the last snapshot: which tasks process, and when the last commit was.
    """

    def __init__(self, topology: Topology, stores: StateDirectory, latest: Callable[[], Snapshot | None]) -> None:
        self._topology = topology
        self._stores = stores
        self._latest = latest
        self._places = store_places(topology)
        self._one_at_a_time = threading.Lock()

    def rows(self, store: str, key: Mapping[str, str]) -> Mapping[str, Any]:
        """Return the rows of one key in the tasks of this worker.

        Args:
            store: Name of the store.
            key: Values of key columns; ``key`` stands for the only one. ``window_start`` asks for one window.

        Raises:
            ConfigError: There is no such store or key, no key was given, or a text is no value of its column.
            StoreUnavailable: Not now: somebody else is asking, or the store is being restored.
            StateError: The store is too large for this.
        """
        snapshot = self._latest()
        if snapshot is None:
            raise StoreUnavailable("the worker has not started yet")
        start = key.get(WINDOW)
        columns = self._columns(store, {name: value for name, value in key.items() if name != WINDOW})
        running = {task.task for task in snapshot.tasks if task.state == "running"}
        size = max((each.memory_bytes for each in snapshot.stores if each.store == store), default=0)
        if size > TABLE_BYTES_MAX and not self._places[store].declaration.windowed:
            raise StateError(
                "the store is too large to be looked into here",
                hint="streamframe state get reads the changelog instead",
                store=store,
                bytes=size,
            )
        if not self._one_at_a_time.acquire(blocking=False):
            raise StoreUnavailable("somebody else is looking into a store", hint="ask again")
        try:
            rows, looked_into = self._read(store, columns, running, None if start is None else _moment(start))
        finally:
            self._one_at_a_time.release()
        restoring = [each.partition for each in snapshot.stores if each.store == store and each.remaining is not None]
        at = snapshot.measured.commit_at
        return {
            "store": store,
            "key": columns,
            "rows": rows[:ROWS_MAX],
            "more": len(rows) > ROWS_MAX,
            "partitions": looked_into,
            "restoring": restoring,
            "committed_at": at / MICROS_PER_SECOND if at else None,
            "age_seconds": max(0.0, time.time() - at / MICROS_PER_SECOND) if at else None,
        }

    def _columns(self, store: str, key: Mapping[str, str]) -> dict[str, str]:
        columns = dict(key)
        place = self._places.get(store)
        node = None if place is None else place.declaration.node
        if isinstance(node, Aggregate) and ANY_KEY in columns and ANY_KEY not in node.keys and len(node.keys) == 1:
            columns = {node.keys[0]: columns.pop(ANY_KEY), **columns}
        aggregate_place(self._places, store, columns)
        assert isinstance(node, Aggregate)
        missing = [column for column in node.keys if column not in columns]
        if missing:
            raise ConfigError("a key column has no value", hint=f"add ?{missing[0]}=VALUE", column=missing[0])
        return columns

    def _read(
        self, store: str, columns: Mapping[str, str], running: set[str], start: int | None
    ) -> tuple[list[dict[str, object]], list[int]]:
        place, node = aggregate_place(self._places, store, columns)
        rows: list[dict[str, object]] = []
        looked_into: list[int] = []
        with self._stores.frozen() as readers:
            for task, reader in sorted(readers.items()):
                if task.sub_topology == place.sub.id and str(task) in running:
                    state = open_aggregate(self._topology, place, NamespaceReader(reader, store))
                    rows += islice(rows_of_key(state, node, columns, start), ROWS_MAX + 1)
                    looked_into.append(task.partition)
        return rows, looked_into


def _moment(text: str) -> int:
    """Return a moment that was written as ISO 8601, without a zone in UTC, as microseconds since the epoch.

    Example:
        >>> _moment("1970-01-01T00:00:10")
        10000000
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            "this is no moment", hint="for example window_start=2026-11-25T02:51:00", given=text
        ) from error
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * MICROS_PER_SECOND + since.microseconds
