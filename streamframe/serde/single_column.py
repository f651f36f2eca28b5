"""Payloads that are one column: raw bytes, or UTF-8 text.

Nothing is parsed. A null value is a tombstone and not a row, and a null in the column is written as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from streamframe.core.errors import PlanError
from streamframe.serde.base import NO_ROWS, Decoded, RowError, positions_of_good_rows


class SingleColumnDecoder:
    """Hands payloads on as a column of binaries or strings; invalid UTF-8 in a string is an error of that record.

    Args:
        schema: One column, ``binary`` or ``string``.
        fields: That column, or nothing.
    """

    __slots__ = ("_field", "_wanted")

    def __init__(self, schema: pa.Schema, fields: Sequence[str]) -> None:
        self._field = schema.field(0)
        self._wanted = tuple(fields)

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Return the payloads as a column; see ``Decoder``."""
        payloads = pa.array(values, pa.large_binary())
        null_rows = NO_ROWS
        if payloads.null_count:
            null_rows = np.flatnonzero(np.asarray(payloads.is_null()))
            payloads = payloads.drop_null()
        errors: list[RowError] = []
        try:
            column = payloads.cast(self._field.type)
        except pa.ArrowInvalid:
            errors = _utf8_errors(values)
            rows = positions_of_good_rows(len(values), errors, null_rows)
            assert rows is not None
            column = pa.array([values[row] for row in rows.tolist()], pa.large_binary()).cast(self._field.type)
        return Decoded(
            columns=dict.fromkeys(self._wanted, column),
            rows=positions_of_good_rows(len(values), errors, null_rows),
            errors=errors,
            null_rows=null_rows,
        )


def _utf8_errors(values: Sequence[bytes | None]) -> list[RowError]:
    errors = []
    for row, value in enumerate(values):
        try:
            (value or b"").decode()
        except UnicodeDecodeError as error:
            errors.append(RowError(row, "utf8", str(error)))
    return errors


class SingleColumnEncoder:
    """Writes a column of binaries or strings as it is.

    Args:
        schema: One column, ``binary`` or ``string``.
    """

    __slots__ = ("_name",)

    def __init__(self, schema: pa.Schema) -> None:
        self._name = schema.field(0).name

    def encode(self, columns: Mapping[str, pa.Array]) -> list[bytes | None]:
        """Return one payload for each row; see ``Encoder``."""
        return columns[self._name].cast(pa.large_binary()).to_pylist()


def check_single_column(serde: str, schema: pa.Schema, kind: pa.DataType) -> None:
    """Check that a schema is one column of a type.

    Raises:
        PlanError: It is not.
    """
    if len(schema) != 1 or schema.field(0).type != kind:
        word = "binary" if pa.types.is_large_binary(kind) else "string"
        raise PlanError(
            f"the {serde} serde carries one {word} column",
            hint=f"schema={{'value': '{word}'}}, or select one {word} column before to_topic",
            columns=", ".join(f"{field.name}: {field.type}" for field in schema),
        )
