"""What a table remembers per key: the specification of its accumulator columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

ColumnKind: TypeAlias = Literal["int64", "float64", "bool", "string", "binary"]
Scalar: TypeAlias = int | float | bool | str | bytes | None
AnyArray: TypeAlias = npt.NDArray[Any]

_DTYPES: Final[dict[str, np.dtype[Any]]] = {
    "int64": np.dtype(np.int64),
    "float64": np.dtype(np.float64),
    "bool": np.dtype(np.bool_),
    "string": np.dtype(object),
    "binary": np.dtype(object),
}
_ZERO: Final[dict[str, Scalar]] = {"int64": 0, "float64": 0.0, "bool": False, "string": None, "binary": None}


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """One accumulator column of a table.

    Attributes:
        name: Its name, unique in the table.
        kind: ``int64``, ``float64`` and ``bool`` are numpy arrays of that dtype; ``string`` and ``binary``
            are object arrays of ``str``/``bytes`` or ``None``.
        initial: The value of a key that was never touched; ``None`` means 0, 0.0, False, or null.

    Example:
        >>> ColumnSpec("lowest", "float64", float("inf")).blank(2)
        array([inf, inf])
    """

    name: str
    kind: ColumnKind
    initial: Scalar = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy dtype of the column in memory."""
        return _DTYPES[self.kind]

    @property
    def start(self) -> Scalar:
        """The initial value with ``None`` resolved."""
        return _ZERO[self.kind] if self.initial is None else self.initial

    def blank(self, rows: int) -> AnyArray:
        """Return ``rows`` untouched values."""
        return np.full(rows, self.start, self.dtype)
