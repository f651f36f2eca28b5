"""What ``agg`` accepts: named functions with their type rules, and aggregates of one's own.

The rules are strict where pandas would quietly change a type: a sum of integers stays an integer, and what
does not fit into one is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.types as pat

from streamframe.api.column_types import check_columns, is_key_type, is_number, is_text
from streamframe.api.custom_aggregates import Aggregate, custom_aggregation
from streamframe.core.errors import PlanError
from streamframe.core.suggest import did_you_mean
from streamframe.plan.nodes import Aggregation, Node

AggregationLike = str | tuple[str, str] | Aggregate
"""``("column", "function")``, ``"size"`` or an ``Aggregate``."""

_SIZE: Final = "size"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """Which columns a function takes and what it makes of them.

    Attributes:
        takes: Whether it takes a column of a type.
        gives: The type of the result, ``None`` for the type of the column.
        wants: The types it takes, in words.
        hint: What to do with a column of another type.
    """

    takes: Callable[[pa.DataType], bool]
    gives: Callable[[pa.DataType], pa.DataType]
    wants: str
    hint: str


def _number_or_boolean(kind: pa.DataType) -> bool:
    return is_number(kind) or bool(pat.is_boolean(kind))


def _summable(kind: pa.DataType) -> bool:
    return _number_or_boolean(kind) and not pat.is_uint64(kind)


def _plain(kind: pa.DataType) -> bool:
    comparable = is_number(kind) or is_text(kind)
    return comparable or any(test(kind) for test in (pat.is_boolean, pat.is_timestamp, pat.is_date, pat.is_duration))


def _hashable(kind: pa.DataType) -> bool:
    return is_key_type(kind) or bool(pat.is_floating(kind) or pat.is_duration(kind))


def _any_type(kind: pa.DataType) -> bool:
    return kind is not None


def _same(kind: pa.DataType) -> pa.DataType:
    return kind


def _sum_type(kind: pa.DataType) -> pa.DataType:
    return pa.float64() if pat.is_floating(kind) else pa.int64()


def _always(kind: pa.DataType) -> Callable[[pa.DataType], pa.DataType]:
    return lambda _: kind


_SUM: Final = _Rule(
    takes=_summable,
    gives=_sum_type,
    wants="integers, floats and booleans",
    hint="cast it: .astype({{{column!r}: 'float64'}}); or count it: ({column!r}, 'count')",
)
_MEAN: Final = _Rule(
    takes=_number_or_boolean,
    gives=_always(pa.float64()),
    wants="integers, floats and booleans",
    hint="cast it: .astype({{{column!r}: 'float64'}}); min, max, first and last take other types too",
)
_EXTREME: Final = _Rule(
    takes=_plain,
    gives=_same,
    wants="numbers, booleans, strings, timestamps, dates and durations",
    hint="take a part of the column that can be compared: .assign(part=lambda df: ...)",
)
_ANY: Final = _Rule(
    takes=lambda kind: _number_or_boolean(kind) or is_text(kind),
    gives=_always(pa.bool_()),
    wants="booleans, numbers (true unless zero) and strings (true unless empty)",
    hint="compare first: .assign(flag=lambda df: df[{column!r}] != 0)",
)
_RULES: Final[dict[str, _Rule]] = {
    "count": _Rule(takes=_any_type, gives=_always(pa.int64()), wants="everything", hint=""),
    "sum": _SUM,
    "mean": _MEAN,
    "var": _MEAN,
    "std": _MEAN,
    "min": _EXTREME,
    "max": _EXTREME,
    "first": _EXTREME,
    "last": _EXTREME,
    "nunique": _Rule(
        takes=_hashable,
        gives=_always(pa.int64()),
        wants="numbers, booleans, strings, bytes, timestamps, dates and durations",
        hint="take a part of the column: .assign(part=lambda df: ...)",
    ),
    "any": _ANY,
    "all": _ANY,
}

FUNCTIONS: Final = (_SIZE, *_RULES)
"""The names that ``agg`` knows."""

_ALTERNATIVES: Final = {
    "median": "an exact median must keep every value; mean, min and max do not",
    "quantile": "exact quantiles must keep every value; mean, min and max do not",
    "list": "write an sf.Aggregate that keeps what you need of each group",
    "prod": "write an sf.Aggregate",
    "mode": "group by the column as well and count",
    "len": "use 'size' for rows and 'count' for values that are not null",
}


def aggregations_of(
    node: Node,
    columns: Mapping[str, str | Sequence[str]] | None,
    outputs: Mapping[str, AggregationLike],
    *,
    step: str,
) -> tuple[Aggregation, ...]:
    """Return the aggregations that a call of ``agg`` asks for.

    Raises:
        PlanError: None is asked for, a function or column is unknown, or a type does not fit.
    """
    wanted = [*_of_mapping(columns or {}, step=step), *outputs.items()]
    if not wanted:
        raise PlanError("agg needs at least one output", hint="agg(total=('amount', 'sum'), n='size')", step=step)
    names = [output for output, _ in wanted]
    for name in names:
        if names.count(name) > 1:
            raise PlanError("two outputs of agg have the same name", step=step, output=name)
    return tuple(_aggregation(node, output, asked, step=step) for output, asked in wanted)


def _of_mapping(columns: Mapping[str, str | Sequence[str]], *, step: str) -> Iterator[tuple[str, AggregationLike]]:
    if not isinstance(columns, Mapping):
        raise PlanError(
            "agg takes outputs by name",
            hint="agg(total=('amount', 'sum')) or agg({'amount': ['sum', 'mean']})",
            step=step,
            got=columns,
        )
    for column, functions in columns.items():
        if isinstance(functions, str):
            yield column, (column, functions)
        else:
            yield from ((f"{column}_{function}", (column, function)) for function in functions)


def _aggregation(node: Node, output: str, asked: object, *, step: str) -> Aggregation:
    if isinstance(asked, Aggregate):
        return custom_aggregation(asked, output, node.schema, step=step)
    if asked == _SIZE:
        return Aggregation(output=output, function=_SIZE, inputs=(), type=pa.int64())
    match asked:
        case (str() as column, str() as function):
            return _named(node, output, column, function, step=step)
        case (str(), Aggregate()):
            hint = "an Aggregate names its columns itself: agg(out=sf.Aggregate(columns=..., ...))"
        case _ if callable(asked) or (isinstance(asked, tuple) and any(callable(part) for part in asked)):
            hint = (
                "functions would see one group at a time; name one (agg(total=('amount', 'sum'))) or use sf.Aggregate"
            )
        case _:
            hint = "write a column and a function: agg(total=('amount', 'sum')), or agg(n='size')"
    raise PlanError("not an aggregation", hint=hint, step=step, output=output, got=asked)


def _named(node: Node, output: str, column: str, function: str, *, step: str) -> Aggregation:
    if function not in FUNCTIONS:
        raise PlanError(
            "unknown aggregation",
            hint=_ALTERNATIVES.get(function) or did_you_mean(function, FUNCTIONS) or f"one of {', '.join(FUNCTIONS)}",
            step=step,
            output=output,
            function=function,
        )
    check_columns([column], node.schema, step=step)
    if function == _SIZE:
        return Aggregation(output=output, function=_SIZE, inputs=(), type=pa.int64())
    kind, rule = node.schema.field(column).type, _RULES[function]
    if not rule.takes(kind):
        raise _wrong_type(function, column, kind, rule, step=step)
    return Aggregation(output=output, function=function, inputs=(column,), type=rule.gives(kind))


def _wrong_type(function: str, column: str, kind: pa.DataType, rule: _Rule, *, step: str) -> PlanError:
    facts: dict[str, Any] = {"step": step, "function": function, "column": column, "type": str(kind)}
    if pat.is_uint64(kind):
        return PlanError(
            "a sum of uint64 does not fit into int64",
            hint=f"cast it: .astype({{{column!r}: 'int64'}}), or 'float64' if rounding is acceptable",
            **facts,
        )
    hint = f"it takes {rule.wants}; {rule.hint.format(column=column)}"
    return PlanError("an aggregation does not take a column of this type", hint=hint, **facts)
