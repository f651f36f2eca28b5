"""The stores of a topology, and the rows of an aggregate as its store holds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from streamframe.core.errors import ConfigError
from streamframe.core.suggest import did_you_mean
from streamframe.operators.aggregate import AggregateState
from streamframe.operators.quarantine import Quarantine
from streamframe.operators.rows import Rows
from streamframe.plan.nodes import Aggregate
from streamframe.plan.signature import store_signature
from streamframe.plan.topology import Role, Stage, StoreDeclaration, SubTopology, Topology
from streamframe.serde.pandas_frames import to_pandas
from streamframe.state.store import StoreReader


@dataclass(frozen=True, slots=True)
class StorePlace:
    """One store of the topology."""

    sub: SubTopology
    declaration: StoreDeclaration

    @property
    def stage(self) -> Stage:
        """The stage that owns the store."""
        return next(stage for stage in self.sub.stages if stage.store == self.declaration.name)


def store_places(topology: Topology) -> dict[str, StorePlace]:
    """Return the stores of a topology by name."""
    return {d.name: StorePlace(sub, d) for sub in topology.sub_topologies for d in sub.stores}


def aggregate_place(
    places: Mapping[str, StorePlace], store: str, key: Mapping[str, str]
) -> tuple[StorePlace, Aggregate]:
    """Return the place of a store that holds rows with these key columns.

    Raises:
        ConfigError: There is no such store, or it holds no rows that can be shown, or no such key column.
    """
    place = places.get(store)
    if place is None:
        hint = did_you_mean(store, list(places)) or f"stores: {', '.join(places) or 'none'}"
        raise ConfigError("the program has no such store", hint=hint, store=store)
    node = place.declaration.node
    if not isinstance(node, Aggregate):
        raise ConfigError("the store holds batches to be delivered, not rows", store=store)
    for column in key:
        if column not in node.keys:
            raise ConfigError("not a key of the store", hint=f"keys: {', '.join(node.keys)}", column=column)
    return place, node


def open_aggregate(topology: Topology, place: StorePlace, content: StoreReader) -> AggregateState:
    """Return the state of an aggregate as its store holds it.

    Raises:
        StoreIncompatible: What is stored is of another program.
    """
    stage = place.stage
    assert stage.role is Role.AGGREGATE
    quarantine = Quarantine(stage.node.name, "fail", topology)
    return AggregateState(stage, content, quarantine, 0, store_signature(place.sub, stage))


def rows_of(state: AggregateState, node: Aggregate) -> list[dict[str, object]]:
    """Return the result rows of a state, open windows included."""
    rows = state.present()
    return [] if rows is None else _records(node, rows)


def rows_of_key(
    state: AggregateState, node: Aggregate, key: Mapping[str, str], start: int | None = None
) -> Iterator[dict[str, object]]:
    """Yield the result rows of one key: one per open window, or one.

    Args:
        state: The state.
        node: Its aggregate.
        key: A text for each group key.
        start: Only the window that starts then, microseconds.

    Raises:
        ConfigError: A text is no value of its column.
    """
    arrays = [
        _value(node, column, key[column], dtype) for column, dtype in zip(node.keys, state.key_types, strict=True)
    ]
    for rows in state.look_up(arrays, start):
        yield from _records(node, rows)


def _records(node: Aggregate, rows: Rows) -> list[dict[str, object]]:
    frame = to_pandas({name: rows.columns[name] for name in node.schema.names}, node.schema)
    return frame.to_dict("records")  # type: ignore[return-value]


def _value(node: Aggregate, column: str, text: str, dtype: pa.DataType) -> pa.Array:
    declared = node.schema.field(column).type
    try:
        return pc.cast(pc.cast(pa.array([text]), declared), dtype)
    except pa.ArrowInvalid as error:
        raise ConfigError(
            "this is no value of the key column", hint=f"its type is {declared}", column=column, given=text
        ) from error
