"""Looking at committed state: the changelog topics, read to their ends without joining anything.

The changelog holds all of it, whoever owns the task now; workers are not disturbed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from streamframe.app.application import App
from streamframe.app.stored_rows import StorePlace, aggregate_place, open_aggregate, rows_of, rows_of_key, store_places
from streamframe.core.errors import ConfigError, StateError
from streamframe.core.ids import TopicPartition
from streamframe.core.settings import Settings
from streamframe.kafka.admin import TopicAdmin
from streamframe.kafka.client_log import ClientLog
from streamframe.kafka.reading import read_first
from streamframe.operators.aggregate import AggregateState
from streamframe.plan.nodes import Aggregate
from streamframe.plan.topology import Topology
from streamframe.state.changelog import apply_records
from streamframe.state.memory import MemoryStore


class StateView:
    """The committed state of an application.

    Args:
        topology: The program.
        settings: Connection.
        admin: Tells which changelog topics exist.
    """

    def __init__(self, topology: Topology, settings: Settings, admin: TopicAdmin) -> None:
        self._topology = topology
        self._settings = settings
        self._admin = admin
        self._places = store_places(topology)
        self._counts = {
            facts.name: facts.partition_count
            for facts in admin.describe([p.declaration.changelog for p in self._places.values()]).values()
        }

    def check(self) -> None:
        """Raise ``StoreIncompatible`` when what is stored is of another program."""
        for place in self._places.values():
            for partition in range(self._counts.get(place.declaration.changelog, 0)):
                if isinstance(place.declaration.node, Aggregate):
                    self._aggregate(place, partition)

    def stores(self) -> Iterator[Mapping[str, object]]:
        """Yield one row per store and task: how much it holds."""
        for name, place in sorted(self._places.items()):
            for partition in range(self._counts.get(place.declaration.changelog, 0)):
                store = self._content(place, partition)
                row: dict[str, object] = {
                    "store": name,
                    "task": f"{place.sub.id}_{partition}",
                    "changelog": f"{place.declaration.changelog}[{partition}]",
                    "entries": len(store.content()),
                    "bytes": sum(len(key) + len(value) for key, value in store.content().items()),
                }
                if isinstance(place.declaration.node, Aggregate):
                    state = self._aggregate(place, partition, store)
                    rows = state.present()
                    row["rows"] = 0 if rows is None else len(rows)
                    if rows is not None and place.declaration.windowed:
                        row["windows"] = len(rows.columns["window_start"].unique())
                yield row

    def verify(self) -> Iterator[Mapping[str, object]]:
        """Yield one row per store and task: whether everything in its changelog can be read, and fits the program."""
        for name, place in sorted(self._places.items()):
            for partition in range(self._counts.get(place.declaration.changelog, 0)):
                row: dict[str, object] = {"store": name, "task": f"{place.sub.id}_{partition}", "rows": None}
                try:
                    store = self._content(place, partition)
                    row["entries"] = len(store.content())
                    if isinstance(place.declaration.node, Aggregate):
                        rows = self._aggregate(place, partition, store).present()
                        row["rows"] = 0 if rows is None else len(rows)
                    row["problem"] = None
                except StateError as error:
                    row["entries"] = row.get("entries")
                    row["problem"] = error.message
                yield row

    def contents(self, store: str) -> Iterator[tuple[StorePlace, MemoryStore]]:
        """Yield what each task has of a store, as it is stored.

        Raises:
            ConfigError: There is no such store, or it holds no rows that can be shown.
        """
        place, _ = aggregate_place(self._places, store, {})
        for partition in range(self._counts.get(place.declaration.changelog, 0)):
            yield place, self._content(place, partition)

    def scan(self, store: str) -> Iterator[Mapping[str, object]]:
        """Yield the result rows of a store, open windows included.

        Raises:
            ConfigError: There is no such store, or it holds no rows that can be shown.
        """
        place, node = aggregate_place(self._places, store, {})
        for partition in range(self._counts.get(place.declaration.changelog, 0)):
            yield from rows_of(self._aggregate(place, partition), node)

    def get(self, store: str, key: Mapping[str, str]) -> Iterator[Mapping[str, object]]:
        """Yield the rows of one key: one per window, or one.

        Raises:
            ConfigError: As ``scan``, or there is no such key column, or one has no value.
        """
        place, node = aggregate_place(self._places, store, key)
        missing = [column for column in node.keys if column not in key]
        if missing:
            raise ConfigError("a key column has no value", hint=f"add {missing[0]}=VALUE", column=missing[0])
        for partition in range(self._counts.get(place.declaration.changelog, 0)):
            yield from rows_of_key(self._aggregate(place, partition), node, key)

    def _content(self, place: StorePlace, partition: int) -> MemoryStore:
        changelog = TopicPartition(place.declaration.changelog, partition)
        store = MemoryStore()
        for batch in read_first(self._settings.kafka, changelog, self._admin.bounds([changelog])[changelog]):
            keys = [key or b"" for key in batch.keys()]  # noqa: SIM118 - a batch is no mapping
            store.write(apply_records(zip(keys, batch.values(), strict=True)))
        return store

    def _aggregate(self, place: StorePlace, partition: int, store: MemoryStore | None = None) -> AggregateState:
        return open_aggregate(self._topology, place, store or self._content(place, partition))


@contextmanager
def open_topology_state(topology: Topology, settings: Settings) -> Iterator[StateView]:
    """Open the committed state of a topology for reading.

    Raises:
        Unavailable: The broker does not answer.
    """
    admin = TopicAdmin(settings.kafka, ClientLog(logging.getLogger("streamframe.kafka")))
    admin.connect()
    try:
        yield StateView(topology, settings, admin)
    finally:
        admin.close()


@contextmanager
def open_state(app: App, settings: Settings) -> Iterator[StateView]:
    """Open the committed state of an app for reading; see ``StateView``."""
    with open_topology_state(app.topology(), settings) as view:
        yield view
