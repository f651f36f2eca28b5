"""A user's own aggregate: its functions see the states of all groups of a batch as one pandas frame.

``update`` runs before anything of the batch is folded, on a copy of the states: when it raises, the rows
to blame are found and set aside, and no other accumulator has seen them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from streamframe.core.errors import UserFunctionError
from streamframe.operators.aggregators.accumulator import StateColumns, Target
from streamframe.operators.aggregators.values import AnyArray, FoldInput, Int64Array, Slots
from streamframe.operators.rows import to_frame
from streamframe.plan.nodes import CustomAggregate
from streamframe.state.columns import ColumnKind, ColumnSpec

_KINDS: Mapping[type, ColumnKind] = {int: "int64", float: "float64", bool: "bool", str: "string", bytes: "binary"}


class Custom:
    """State of a user's own aggregate.

    Args:
        output: Name of the output column, which keeps the state columns of two aggregates apart.
        custom: The user's functions.
        step: The step, for error messages.
        schema: Columns of the rows.
    """

    def __init__(self, output: str, custom: CustomAggregate, step: str, schema: pa.Schema) -> None:
        self.name = f"custom({output})"
        self._custom = custom
        self._step = step
        self._schema = schema
        self._state_names = tuple(custom.init)
        self.specs: Sequence[ColumnSpec] = tuple(
            ColumnSpec(f"{self.name}.{name}", _KINDS[type(initial)], initial) for name, initial in custom.init.items()
        )
        self._prepared: dict[int, tuple[FoldInput, Slots, pd.DataFrame]] = {}

    @property
    def mergeable(self) -> bool:
        """Whether two states can be combined."""
        return self._custom.merge is not None

    def prepare(self, target: Target, slots: Slots, rows: FoldInput) -> None:
        """Compute the new states of the groups of a batch without storing them; ``fold`` stores them.

        Raises:
            UserFunctionError: ``update`` returned something that is no state.
            Exception: Whatever ``update`` raised.
        """
        touched, groups = np.unique(slots, return_inverse=True)
        columns = {name: rows.arrow(name) for name in dict.fromkeys(self._custom.columns)}
        batch = to_frame(columns, self._schema, len(rows))
        batch["group"] = groups.astype(np.int64, copy=False)
        state = self._call("update", self._custom.update, self.states(target.columns, touched), batch)
        self._prepared[id(rows)] = (rows, touched, state)

    def fold(self, target: Target, slots: Slots, rows: FoldInput) -> None:
        if id(rows) not in self._prepared:
            self.prepare(target, slots, rows)
        _, touched, state = self._prepared.pop(id(rows))
        self._store(target.columns, touched, state)

    def forget(self) -> None:
        """Drop what was prepared and will not be folded."""
        self._prepared.clear()

    def merge(self, target: Target, slots: Slots, columns: StateColumns) -> None:
        assert self._custom.merge is not None, "the plan never asks for it"
        # A group may occur several times: the n-th occurrences are merged in the n-th round.
        for positions in _rounds(slots):
            touched = slots[positions]
            left = self.states(target.columns, touched)
            right = self.states(columns, positions)
            self._store(target.columns, touched, self._call("merge", self._custom.merge, left, right))

    def finish(self, columns: StateColumns, slots: Slots) -> Any:
        """Return the result of each group, whatever the user's function made of its state."""
        states = self.states(columns, slots)
        result = self._custom.finish(states)
        if not isinstance(result, pd.Series) or len(result) != len(slots):
            raise self._wrong("finish", "a Series with one value per group", result)
        return result

    def states(self, columns: StateColumns, slots: Slots | Int64Array) -> pd.DataFrame:
        """Return the states at ``slots`` as a frame with a RangeIndex."""
        return pd.DataFrame({name: columns[f"{self.name}.{name}"][slots] for name in self._state_names})

    def _call(self, what: str, function: Callable[..., Any], *frames: pd.DataFrame) -> pd.DataFrame:
        state = function(*frames)
        rows = len(frames[0])
        if not isinstance(state, pd.DataFrame) or len(state) != rows or not set(self._state_names) <= set(state):
            raise self._wrong(what, f"a DataFrame of {rows} rows with {', '.join(self._state_names)}", state)
        return state

    def _store(self, columns: dict[str, AnyArray], slots: Slots, state: pd.DataFrame) -> None:
        for spec, name in zip(self.specs, self._state_names, strict=True):
            values = state[name]
            if spec.dtype.hasobject:
                columns[spec.name][slots] = values.astype(object).where(values.notna(), None).to_numpy()
            else:
                columns[spec.name][slots] = values.to_numpy(spec.dtype)

    def _wrong(self, what: str, wanted: str, got: object) -> UserFunctionError:
        shape = f"{type(got).__name__} of {len(got)}" if isinstance(got, pd.Series | pd.DataFrame) else repr(got)[:80]
        return UserFunctionError(
            f"{what} of an aggregate must return {wanted}", step=self._step, aggregate=self.name, returned=shape
        )


def _rounds(slots: Slots) -> list[Int64Array]:
    """Cut positions into rounds within which no slot repeats; the occurrences of a slot keep their order."""
    order = np.argsort(slots, kind="stable")
    sorted_slots = slots[order]
    begins = np.flatnonzero(np.r_[True, sorted_slots[1:] != sorted_slots[:-1]])
    lengths = np.diff(np.r_[begins, len(slots)])
    turn = np.arange(len(slots)) - np.repeat(begins, lengths)
    return [np.sort(order[turn == number]) for number in range(int(lengths.max(initial=0)))]
