"""Record keys: the bytes of the key columns of a row.

Equal values always give equal bytes, because the partition of a row is a hash of them, and other programs must be
able to make the same bytes. Part of the format (``docs/format.md``): a change moves keys between partitions.

=====================  ============================================================================
one column             bytes
=====================  ============================================================================
string                 its UTF-8
binary                 itself
integer                decimal digits: ``-17``
timestamp, duration    decimal digits of the integer of its unit
boolean                ``true`` or ``false``
date                   ``2026-01-31``
decimal                its digits, with as many decimals as the type has: ``1.50``
float, list, struct    JSON: ``1.5``; ``-0.0`` is written as ``0.0``
null, NaN              no key (``None``)
=====================  ============================================================================

Several columns are a JSON array without blanks, ``["DE",17,null]``, with values as ``serde.json_encode`` writes
them; it is never null.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamframe.core.acceleration import native
from streamframe.serde.json_encode import json_values
from streamframe.serde.json_native import native_payloads

_ENCODE: Final = msgspec.json.Encoder().encode


def encode_keys(columns: Sequence[pa.Array]) -> Sequence[bytes | None]:
    """Return the key of each row.

    Args:
        columns: The key columns, at least one, all of one length.

    Example:
        >>> list(encode_keys([pa.array(["a", None])]))
        [b'a', None]
        >>> encode_keys([pa.array(["a", None]), pa.array([1, 2])])
        [b'["a",1]', b'[null,2]']
    """
    assert columns, "a key has at least one column"
    unsigned_zero = [_without_negative_zero(column) for column in columns]
    if len(unsigned_zero) == 1:
        return _single(unsigned_zero[0])
    return list(map(_ENCODE, zip(*map(json_values, unsigned_zero), strict=True)))


def _single(column: pa.Array) -> Sequence[bytes | None]:
    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_nested(kind):
        return [None if value is None or value != value else _ENCODE(value) for value in json_values(column)]
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        column = column.view(pa.int64())
    if not pa.types.is_large_binary(kind):
        text = column if pa.types.is_large_string(kind) else pc.cast(column, pa.large_string())
        # A view: the same bytes, and one call less of what is asked for the first row of every batch.
        column = text.view(pa.large_binary())
    return column.to_pylist() if native is None else native_payloads(column)


def _without_negative_zero(column: pa.Array) -> pa.Array:
    if not pa.types.is_floating(column.type):
        return column
    # -0.0 equals 0.0, so both must have the same key; adding 0.0 makes them the same.
    return pc.add(column, pa.scalar(np.float64(0), column.type))
