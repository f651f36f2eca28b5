"""JSON records to columns: one generated msgspec ``Struct``, one ``decode`` per record, one array per column.

Only the fields in use are declared, so that msgspec skips the others without building objects: this halves
the cost. What that means for a record:

* The JSON syntax of the whole record is checked, always.
* Fields that are not in use are not looked at: a wrong type, a missing value or invalid UTF-8 there is accepted.
* An absent field is null, and an error if the schema says the field is required. Unknown fields are ignored, and of
  a repeated name the last value counts. Numbers are not made from text, nor integers from ``3.0``.

A batch is decoded in slices that fit the cache. A slice is first tried as one list comprehension; an exception
there only means that the slice is gone through record by record, with the same decoder, so the verdict over a
record never depends on its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from streamframe.serde.base import NO_ROWS, Columns, Decoded, RowError, positions_of_good_rows
from streamframe.serde.json_columns import JsonColumn, Verdict, json_column, json_member_names

SLICE_ROWS: Final = 4096
"""Records decoded at a time: their Python objects should stay in the second-level cache."""


class JsonDecoder:
    """Decodes JSON objects.

    Args:
        schema: The normalised schema of the topic.
        fields: The fields in use; the columns come in this order.

    Raises:
        PlanError: A field in use has a type that JSON cannot represent.
    """

    __slots__ = ("_builders", "_decode", "_fields", "_take", "_types")

    def __init__(self, schema: pa.Schema, fields: Sequence[str]) -> None:
        # msgspec looks for a key where the last one was found: the order of the schema is most likely that of
        # the records, the order asked for is not.
        used = [field for field in schema if field.name in set(fields)]
        columns = [json_column(field) for field in used]
        self._fields = tuple(fields)
        self._types = {field.name: field.type for field in used}
        self._builders = [(field.name, column.build) for field, column in zip(used, columns, strict=True)]
        self._decode = msgspec.json.Decoder(_record_type(used, columns)).decode
        self._take = _column_lists(len(used))

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Return the good rows as columns; see ``Decoder``."""
        parts: list[Columns] = []
        errors: list[RowError] = []
        nulls: list[int] = []
        for start in range(0, len(values), SLICE_ROWS):
            parts.append(self._decode_slice(values[start : start + SLICE_ROWS], start, errors, nulls))
        null_rows = np.array(nulls, np.int64) if nulls else NO_ROWS
        return Decoded(
            columns=self._joined(parts),
            rows=positions_of_good_rows(len(values), errors, null_rows),
            errors=errors,
            null_rows=null_rows,
        )

    def _decode_slice(
        self, values: Sequence[bytes | None], start: int, errors: list[RowError], nulls: list[int]
    ) -> Columns:
        decode = self._decode
        try:
            records = [decode(value) for value in values]  # type: ignore[arg-type]
            rows: Sequence[int] = range(start, start + len(values))
        except (ValueError, TypeError, RecursionError):
            # A bad record or a null value; which one, only the slow way tells.
            records, rows, found = self._one_by_one(values, start, nulls)
        else:
            found = []
        columns: Columns = {}
        refused: dict[int, Verdict] = {}
        for (name, build), column in zip(self._builders, self._take(records), strict=True):
            columns[name], bad = build(column)
            for verdict in bad:
                refused.setdefault(verdict[0], verdict)
        if refused:
            found += [RowError(rows[row], kind, message) for row, kind, message in refused.values()]
            keep = np.ones(len(records), np.bool_)
            keep[list(refused)] = False
            columns = {name: column.filter(pa.array(keep)) for name, column in columns.items()}
        errors += sorted(found, key=lambda error: error.row)
        return columns

    def _one_by_one(
        self, values: Sequence[bytes | None], start: int, nulls: list[int]
    ) -> tuple[list[Any], list[int], list[RowError]]:
        records, rows, errors = [], [], []
        for row, value in enumerate(values, start):
            if value is None:
                nulls.append(row)
                continue
            try:
                records.append(self._decode(value))
            except (ValueError, RecursionError) as error:  # all msgspec errors and UnicodeDecodeError are ValueErrors
                errors.append(RowError(row, *_verdict(error)))
            else:
                rows.append(row)
        return records, rows, errors

    def _joined(self, parts: list[Columns]) -> Columns:
        if len(parts) == 1:
            return {name: parts[0][name] for name in self._fields}
        if not parts:
            return {name: pa.array([], self._types[name]) for name in self._fields}
        return {name: pa.concat_arrays([part[name] for part in parts]) for name in self._fields}


def _record_type(fields: Sequence[pa.Field], columns: Sequence[JsonColumn]) -> Any:
    """A Struct with a member for each field: ``f0``, ``f1`` …, in this order."""
    names = json_member_names([field.name for field in fields])
    members: list[Any] = [
        (member, column.annotation, None) if field.nullable else (member, column.annotation)
        for member, field, column in zip(names, fields, columns, strict=True)
    ]
    # Keyword-only members may be required after optional ones.
    return msgspec.defstruct("Record", members, rename=names, gc=False, kw_only=True)


def _column_lists(count: int) -> Callable[[list[Any]], list[list[Any]]]:
    """Generate the function from records to the lists of their members.

    A constant attribute name costs 9 ns a value, ``getattr`` with a variable 30 to 150 ns.
    """
    lists = ", ".join(f"[r.f{position} for r in records]" for position in range(count))
    return eval(f"lambda records: [{lists}]")  # noqa: S307  (the text is made of numbers only)


def _verdict(error: Exception) -> tuple[str, str]:
    message = str(error)
    if isinstance(error, UnicodeDecodeError):
        return "utf8", message
    if isinstance(error, RecursionError):
        return "depth", "the record is nested too deeply"
    if not isinstance(error, msgspec.ValidationError):
        return "json", message
    if message.startswith("Object missing required field") or "got `null`" in message:
        return "required", message
    if "RFC3339" in message:
        return "time", message
    return ("range" if "out of range" in message else "type"), message
