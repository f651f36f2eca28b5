"""What every serde is: a decoder from payloads to columns, an encoder from columns to payloads.

Columns are ``dict[str, pa.Array]``: contiguous arrays of one length, strings as ``large_string``,
binaries as ``large_binary``. A record that cannot be decoded is set aside as a ``RowError``; it never
changes what becomes of its neighbours, so cutting the same input into other batches gives the same rows
and the same errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Int64Array = npt.NDArray[np.int64]
Columns = dict[str, pa.Array]


@dataclass(frozen=True, slots=True)
class RowError:
    """One record that cannot be decoded.

    Attributes:
        row: Its position in the list of payloads.
        kind: A short word: ``json`` (not valid JSON), ``type`` (a value of another type), ``range``
            (a number or time out of range), ``time`` (text that is no time), ``required`` (a required
            field is absent or null), ``utf8`` (text that is not UTF-8), ``depth`` (nested too deeply).
        message: One sentence for people, with the path of the value where there is one.
    """

    row: int
    kind: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """The columns of one batch of payloads.

    Attributes:
        columns: The good rows, in the order of the payloads, one array for each field asked for.
        rows: Positions of the good rows in the list of payloads, ascending; ``None`` means all of them.
        errors: The bad records, ascending by position.
        null_rows: Positions of the null values (tombstones), which are not decoded.
    """

    columns: Columns
    rows: Int64Array | None
    errors: list[RowError]
    null_rows: Int64Array


class Decoder(Protocol):
    """Turns payloads into columns."""

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Return the good rows as columns and the bad records as errors; never raises for a payload."""
        ...


class Encoder(Protocol):
    """Turns columns into payloads."""

    def encode(self, columns: Mapping[str, pa.Array]) -> Sequence[bytes | None]:
        """Return one payload for each row."""
        ...


NO_ROWS: Int64Array = np.empty(0, np.int64)
NO_ROWS.flags.writeable = False


def positions_of_good_rows(count: int, errors: Sequence[RowError], null_rows: Int64Array) -> Int64Array | None:
    """Return the positions that are neither an error nor null, or ``None`` when all ``count`` are good."""
    if not errors and not len(null_rows):
        return None
    good = np.ones(count, np.bool_)
    good[null_rows] = False
    good[[error.row for error in errors]] = False
    return np.flatnonzero(good)
