"""Pandas verbs that a stream cannot have, each with what to use instead."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

import pandas as pd
from pandas.api.typing import DataFrameGroupBy

from streamframe.core.errors import PlanError
from streamframe.core.suggest import did_you_mean

_GLOBAL_ORDER: Final = "a stream has no last row: rows have no global order"
_REDUCE: Final = "groupby(...).agg(out=('column', '{verb}')); for one group of all rows, group by a constant"
_ASSIGN: Final = "it works on the batch: assign(out=lambda df: df['column'].{verb}(...))"
_SINK: Final = "to_topic(...) or for_each_batch(lambda df, batch_id: df.{verb}(...))"
_BATCH: Final = (
    "on each batch: map_batches(lambda df: df.{verb}(...)); batches are cut anywhere, results must not show it"
)
_ROWS: Final = "head(n) shows a few real rows; for_each_batch(fn) gets all of them as DataFrames"
_STATE: Final = "it would need the rows before: groupby(...).window(...).agg(...) keeps them per key and window"

HINTS: Final[dict[str, str]] = {
    "sort_values": f"{_GLOBAL_ORDER}; final windows come sorted by (window_end, key)",
    "sort_index": f"{_GLOBAL_ORDER}; final windows arrive sorted by (window_end, key)",
    "rank": f"{_GLOBAL_ORDER}; rank the results of a window in for_each_batch",
    "nlargest": "groupby(...).window(...).agg(top=('column', 'max'))",
    "nsmallest": "groupby(...).window(...).agg(bottom=('column', 'min'))",
    "iloc": f"rows have no numbers. {_ROWS}",
    "iat": f"rows have no numbers. {_ROWS}",
    "loc": "filter(lambda df: ...) or query('...') for rows, select(...) for columns, assign(...) to set",
    "at": "filter(lambda df: ...) or query('...') for rows",
    "where": _ASSIGN,
    "mask": _ASSIGN,
    "describe": "groupby(...).agg(n=('x', 'count'), mean=('x', 'mean'), low=('x', 'min'))",
    "merge": "give both topics the same columns, union(...) them and aggregate by the join key",
    "join": "give both topics the same columns, union(...) them and aggregate by the join key",
    "pivot": "group by both columns: groupby('row', 'column').agg(...)",
    "pivot_table": "group by both columns: groupby('row', 'column').agg(...)",
    "crosstab": "group by both columns: groupby('row', 'column').agg(n='size')",
    "melt": "assign a column of lists and explode it",
    "stack": "assign a column of lists and explode it",
    "unstack": "group by both columns: groupby('row', 'column').agg(...)",
    "apply": "assign(out=lambda df: ...) on columns, or map_batches(fn) on the whole batch",
    "map": "assign(out=lambda df: df['column'].map(...))",
    "pipe": "call the function with the frame: fn(frame)",
    "transform": "assign(out=lambda df: ...)",
    "eval": "assign(out=lambda df: df.eval('...'))",
    "agg": "group first: groupby(...).agg(out=('column', 'sum'))",
    "aggregate": "group first: groupby(...).agg(out=('column', 'sum'))",
    "value_counts": "groupby('column').agg(n='size')",
    "drop_duplicates": "groupby(all columns).window(...).agg(n='size') has each once per window",
    "duplicated": "groupby(all columns).window(...).agg(n='size') has each once per window",
    "resample": "groupby(...).window(sf.tumbling('1min')).agg(...)",
    "rolling": "groupby(...).window(sf.hopping('1h', every='1min')).agg(...)",
    "expanding": "groupby(...).agg(...) without a window emits the running value of each key",
    "window": "group first: groupby('key').window(sf.tumbling('1min')).agg(...)",
    "shift": _STATE,
    "diff": _STATE,
    "cumsum": _STATE,
    "cummax": _STATE,
    "cummin": _STATE,
    "cumprod": _STATE,
    "pct_change": _STATE,
    "ffill": _STATE,
    "bfill": "a later row cannot change an earlier one",
    "interpolate": "a later row cannot change an earlier one",
    "tail": f"a stream has no end. {_ROWS}",
    "sample": "filter(lambda df: pd.util.hash_array(df['id'].to_numpy()) % 100 == 0) takes the same rows in every run",
    "head": _ROWS,
    "shape": "groupby(...).agg(n='size') counts rows; frame.schema has the columns",
    "size": "groupby(...).agg(n='size') counts rows",
    "empty": "a frame is a description and has no rows yet",
    "values": _ROWS,
    "to_numpy": _ROWS,
    "iterrows": _ROWS,
    "itertuples": _ROWS,
    "items": "frame.schema.names has the columns",
    "index": "rows have no labels; assign(offset=sf.meta.offset) has their position in the topic",
    "set_index": "rows have no labels; groupby(...) has keys, to_topic(key=...) sets the record's key",
    "reset_index": "rows have no labels: keys of an aggregate are columns already",
    "reindex": "select(...) chooses and orders columns",
    "dtypes": "frame.schema has names and types",
    "info": "frame.schema has names and types",
    "T": "a stream cannot be turned on its side",
    "transpose": "a stream cannot be turned on its side",
    "copy": "frames never change: use one several times",
    "append": "union(other)",
    "concat": "union(other)",
    "insert": "assign(column=...), then select(...) for the order",
    "pop": "drop('column')",
    "get": "select('column')",
    "dropna": "query('column == column') or filter(lambda df: df['column'].notna())",
    "fillna": "assign(column=lambda df: df['column'].fillna(...))",
    "replace": "assign(column=lambda df: df['column'].replace(...))",
    "plot": "write to a topic, and plot what you read from it",
    "late": "only windows can be late for: groupby(...).window(...).agg(...).late",
    "to_csv": _SINK,
    "to_parquet": _SINK,
    "to_sql": _SINK,
    "to_json": "to_topic(name, value=sf.json())",
    "to_dict": _ROWS,
    "to_string": "print()",
    "to_kafka": "to_topic(name)",
    "sink": "to_topic(name)",
    "sum": _REDUCE,
    "count": _REDUCE,
    "mean": _REDUCE,
    "min": _REDUCE,
    "max": _REDUCE,
    "var": _REDUCE,
    "std": _REDUCE,
    "first": _REDUCE,
    "last": _REDUCE,
    "nunique": _REDUCE,
    "any": _REDUCE,
    "all": _REDUCE,
    "median": "groupby(...).agg(out=('column', 'mean')): an exact median would have to keep every row",
    "quantile": "groupby(...).agg(high=('column', 'max')): an exact quantile would have to keep every row",
    "mode": "groupby('column').agg(n='size') counts each value",
}  # fmt: skip
"""Verb -> what to use instead, for frames."""

GROUP_HINTS: Final[dict[str, str]] = {
    "apply": "functions see a batch, not a group: agg(out=sf.Aggregate(...)) has the groups of a batch as columns",
    "transform": "aggregate: agg(out=('column', 'sum'))",
    "filter": "aggregate, then filter the results: agg(n='size').query('n > 1')",
    "head": "agg(first=('column', 'first'))",
    "tail": "agg(last=('column', 'last'))",
    "rolling": "window(sf.hopping('1h', every='1min')).agg(...)",
    "resample": "window(sf.tumbling('1min')).agg(...)",
    "size": "agg(n='size')",
    "to_topic": "aggregate first: agg(total=('amount', 'sum')).to_topic(...)",
    "late": "aggregate first: agg(...).late",
}
"""Verb -> what to use instead, for groups and windows."""


class UnsupportedVerb(PlanError, AttributeError):
    """A verb of pandas that a stream cannot have. Also an ``AttributeError``, so that ``hasattr`` says no."""


def column_hint(item: object) -> str:
    """Return what to write instead of taking something out of a frame, as in ``frame["amount"]``."""
    if isinstance(item, str | list):
        return (
            f"inside functions: filter(lambda df: df[{item!r}] > 0), assign(out=lambda df: df[{item!r}] * 2); "
            f"select({item!r}) keeps columns"
        )
    return "filter(lambda df: df['amount'] > 0) or query('amount > 0') keeps rows"


def unsupported_verb(owner: object, verb: str, columns: Collection[str] = ()) -> AttributeError:
    """Return the error for an attribute that a frame with these columns does not have."""
    kind = type(owner).__name__
    if verb in columns:
        return UnsupportedVerb("a frame has no columns to take out", hint=column_hint(verb), column=verb)
    hint = HINTS.get(verb)
    if hint is not None or hasattr(pd.DataFrame, verb):
        hint = (hint or _alternative(verb)).replace("{verb}", verb)
        return UnsupportedVerb("a stream has no such verb", hint=hint, verb=verb, on=kind)
    return _no_attribute(owner, verb)


def unsupported_group_verb(owner: object, verb: str) -> AttributeError:
    """Return the error for an attribute that a grouping does not have."""
    hint = GROUP_HINTS.get(verb)
    if hint is None and (hasattr(DataFrameGroupBy, verb) or verb in HINTS or hasattr(pd.DataFrame, verb)):
        hint = f"name the result: agg(out=('column', '{verb}'))"
        if HINTS.get(verb) != _REDUCE:
            hint = "aggregate first: agg(out=('column', 'sum')); its result is a frame"
    if hint is not None:
        return UnsupportedVerb("groups have no such verb", hint=hint, verb=verb, on=type(owner).__name__)
    return _no_attribute(owner, verb)


def _alternative(verb: str) -> str:
    return _SINK if verb.startswith("to_") else _BATCH


def _no_attribute(owner: object, name: str) -> AttributeError:
    known = _public(dir(type(owner)))
    near = did_you_mean(name, known)
    text = f"{type(owner).__name__!r} object has no attribute {name!r}"
    return AttributeError(f"{text}; {near}" if near else text, name=name, obj=None)


def _public(names: Iterable[str]) -> list[str]:
    return [name for name in names if not name.startswith("_")]
