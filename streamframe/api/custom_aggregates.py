"""Aggregates of one's own: a few columns of state, and functions over whole columns.

They are tried when ``agg`` is declared, on a batch of sample rows in two groups.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from streamframe.api.column_types import check_columns, column_type, names_of
from streamframe.api.dry_run import sample_frame
from streamframe.core.errors import PlanError
from streamframe.core.schema import inner_type
from streamframe.plan.nodes import Aggregation, CustomAggregate
from streamframe.serde.pandas_frames import schema_of

StateValue = int | float | bool | str | bytes

_STATE_DTYPES: Final[dict[type, str]] = {int: "int64", float: "float64", bool: "bool", str: "str", bytes: "object"}
_GROUP: Final = "group"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Aggregate:
    """An aggregate of one's own. It sees all groups of a batch at once, as columns.

    Attributes:
        columns: The column or columns that it reads.
        init: State of an empty group: column -> ``int``, ``float``, ``bool``, ``str`` or ``bytes``. The Python
            type decides the type of the state column, so a column of floats starts with ``0.0``.
        update: ``(state, batch) -> state``. ``state`` has one row for each group of the batch; ``batch`` has
            the rows with their columns and ``group``, the row of ``state`` that each belongs to. The result
            has the rows and columns of ``state``.
        finish: ``state -> Series``: the output of each group.
        merge: ``(left, right) -> state``: combines two states row by row. Without it, rows change partition
            one by one instead of pre-aggregated.
        type: Type of the output, or ``None`` to take it from the trial.

    Example:
        A weighted mean::

            def update(state, batch):
                weighted = (batch["price"] * batch["volume"]).groupby(batch["group"]).sum()
                return state.assign(
                    total=state["total"].add(weighted, fill_value=0.0),
                    weight=state["weight"].add(batch.groupby("group")["volume"].sum(), fill_value=0.0),
                )

            vwap = sf.Aggregate(
                columns=["price", "volume"],
                init={"total": 0.0, "weight": 0.0},
                update=update,
                merge=lambda left, right: left + right,
                finish=lambda state: state["total"] / state["weight"],
            )
            trades.groupby("symbol").window(sf.tumbling("1min")).agg(vwap=vwap)
    """

    columns: str | Sequence[str]
    init: Mapping[str, StateValue]
    update: Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame]
    finish: Callable[[pd.DataFrame], Any]
    merge: Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame] | None = None
    type: str | pa.DataType | type | None = None


def custom_aggregation(aggregate: Aggregate, output: str, schema: pa.Schema, *, step: str) -> Aggregation:
    """Return the plan's form of an aggregate of one's own, after a trial.

    Raises:
        PlanError: A column is unknown, the state is empty or of other types, or a function failed.
    """
    columns = names_of(aggregate.columns)
    check_columns(columns, schema, step=step)
    if not columns:
        raise PlanError("an Aggregate reads at least one column", step=step, output=output)
    if _GROUP in columns:
        raise PlanError(
            "an Aggregate cannot read a column named 'group'",
            hint="rename it: the batch has a column of that name, which says where each row belongs",
            step=step,
            output=output,
        )
    _check_init(aggregate.init, step=step, output=output)
    declared = None if aggregate.type is None else column_type(aggregate.type, column=output, step=step)
    found = _trial(aggregate, columns, schema, step=step, output=output)
    custom = CustomAggregate(
        columns=columns,
        init=dict(aggregate.init),
        update=aggregate.update,
        finish=aggregate.finish,
        merge=aggregate.merge,
        type=declared,
    )
    kind = declared if declared is not None else found
    if kind is None:
        raise PlanError(
            "the type of an aggregate cannot be told", hint="declare it: sf.Aggregate(..., type='float64')",
            step=step, output=output,
        )  # fmt: skip
    return Aggregation(output=output, function="custom", inputs=columns, custom=custom, type=kind)


def _check_init(init: Mapping[str, StateValue], *, step: str, output: str) -> None:
    if not init:
        raise PlanError(
            "an Aggregate needs a state", hint="init={'total': 0.0} names its columns", step=step, output=output
        )
    for name, value in init.items():
        if type(value) not in _STATE_DTYPES:
            raise PlanError(
                "a state column starts with an int, float, bool, str or bytes",
                step=step,
                output=output,
                column=name,
                value=value,
            )


def _trial(
    aggregate: Aggregate, columns: Sequence[str], schema: pa.Schema, *, step: str, output: str
) -> pa.DataType | None:
    """Update, merge and finish two groups of sample rows; return the type of the result."""
    batch = sample_frame(pa.schema([schema.field(column) for column in columns]), repeat=2)
    if batch is None:
        return None
    batch[_GROUP] = pd.Series([0, 1, 0, 1], dtype="int64")
    facts = {"step": step, "output": output}
    start = _initial(aggregate.init)
    state = _called("update", aggregate.update, start.copy(), batch, **facts)
    _check_state("update", state, start, **facts)
    if aggregate.merge is not None:
        state = _called("merge", aggregate.merge, state.copy(), state.copy(), **facts)
        _check_state("merge", state, start, **facts)
    result = _called("finish", aggregate.finish, state.copy(), **facts)
    if not isinstance(result, pd.Series) or len(result) != len(start):
        raise PlanError(
            "finish must return a Series with one value for each row of the state",
            returned=type(result).__name__,
            **facts,
        )
    if result.dtype != object:
        return schema_of(result.to_frame(name=output)).field(0).type
    return None if result.isna().all() else inner_type(pa.array(result.tolist()).type)


def _initial(init: Mapping[str, StateValue]) -> pd.DataFrame:
    return pd.DataFrame(
        {name: pd.Series([value, value], dtype=_STATE_DTYPES[type(value)]) for name, value in init.items()}
    )


def _called(what: str, function: Callable[..., Any], *frames: pd.DataFrame, step: str, output: str) -> Any:
    try:
        return function(*frames)
    except Exception as error:
        raise PlanError(
            f"{what} of an Aggregate failed on sample rows",
            hint="an Aggregate is tried on four rows in two groups when it is declared",
            step=step,
            output=output,
            error=f"{type(error).__name__}: {error}",
        ) from error


def _check_state(what: str, state: object, start: pd.DataFrame, *, step: str, output: str) -> None:
    facts: dict[str, Any] = {"step": step, "output": output}
    if not isinstance(state, pd.DataFrame):
        raise PlanError(f"{what} of an Aggregate must return a DataFrame", returned=type(state).__name__, **facts)
    if set(state.columns) != set(start.columns) or len(state) != len(start):
        raise PlanError(
            f"{what} of an Aggregate must return the rows and columns of its state",
            hint="start from the state you get: return state.assign(...)",
            columns=[str(name) for name in state.columns],
            expected=list(start.columns),
            rows=len(state),
            expected_rows=len(start),
            **facts,
        )
    for name in start.columns:
        if _kind(state[name]) != _kind(start[name]):
            raise PlanError(
                f"{what} of an Aggregate changed the type of a state column",
                hint="let init have the type that the state shall keep: 0.0 for floats, 0 for integers",
                column=name,
                before=str(start[name].dtype),
                after=str(state[name].dtype),
                **facts,
            )


def _kind(values: pd.Series[Any]) -> str:
    """What a state column can hold; a nullable integer is as good as a plain one."""
    if pd.api.types.is_bool_dtype(values.dtype):
        return "bool"
    if pd.api.types.is_integer_dtype(values.dtype):
        return "int"
    if pd.api.types.is_float_dtype(values.dtype):
        return "float"
    return str(values.dtype)
