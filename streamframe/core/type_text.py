"""The text of a column type: ``"string"``, ``"timestamp[us, UTC]"``, ``"list<struct<a: int64, b: string>>"``.

The grammar is the one in which Arrow prints its types, with a few short names more. ``not null`` after a type
makes the column required.
"""

from __future__ import annotations

import re
from typing import Final

import pyarrow as pa

from streamframe.core.errors import PlanError
from streamframe.core.suggest import did_you_mean

TYPE_BY_NAME: Final[dict[str, pa.DataType]] = {
    "string": pa.large_string(),
    "str": pa.large_string(),
    "utf8": pa.large_string(),
    "large_string": pa.large_string(),
    "binary": pa.large_binary(),
    "bytes": pa.large_binary(),
    "large_binary": pa.large_binary(),
    "bool": pa.bool_(),
    "boolean": pa.bool_(),
    "int": pa.int64(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint8": pa.uint8(),
    "uint16": pa.uint16(),
    "uint32": pa.uint32(),
    "uint64": pa.uint64(),
    "float": pa.float64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "double": pa.float64(),
    "date": pa.date32(),
    "date32": pa.date32(),
}
"""Types without parameters. ``float`` is what Python and pandas mean by it: 64 bits."""

_PARAMETRIC: Final = (
    "timestamp[ms]",
    "datetime64[ms]",
    "duration[ms]",
    "timedelta64[ms]",
    "decimal128(18, 2)",
    "list<int64>",
    "struct<a: int64>",
    "map<string, int64>",
)
_UNITS: Final = ("s", "ms", "us", "ns")
_TOKEN: Final = re.compile(r"\s*([A-Za-z_][\w./+-]*|\d+|[^\s\w])")
_QUOTED_NAME: Final = re.compile(r"\s*([^:<>,]+?)\s*:")


def parse_type(text: str) -> tuple[pa.DataType, bool]:
    """Return the type and whether it may be null.

    Raises:
        PlanError: The text is no type.

    Example:
        >>> parse_type("list<string>")
        (LargeListType(large_list<item: large_string>), True)
        >>> parse_type("int64 not null")
        (DataType(int64), False)
    """
    return _Parser(text).whole()


class _Parser:
    """Recursive descent over one text."""

    __slots__ = ("_at", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def whole(self) -> tuple[pa.DataType, bool]:
        kind, nullable = self._type(), self._nullable()
        if self._text[self._at :].strip():
            raise self._error("unexpected text after the type")
        return kind, nullable

    def _type(self) -> pa.DataType:
        name = self._token()
        match name.lower():
            case "timestamp" | "datetime64" if self._peek() == "[":
                return self._timestamp()
            case "duration" | "timedelta64" if self._peek() == "[":
                self._expect("[")
                unit = self._unit()
                self._expect("]")
                return pa.duration(unit)
            case "decimal" | "decimal128" if self._peek() == "(":
                return self._decimal()
            case "list" | "large_list" if self._peek() == "<":
                return self._list()
            case "struct" if self._peek() == "<":
                return self._struct()
            case "map" if self._peek() == "<":
                return self._map()
            case word if word in TYPE_BY_NAME:
                return TYPE_BY_NAME[word]
            case _:
                raise self._error("unknown type", hint=self._suggestion(name))

    def _suggestion(self, name: str) -> str:
        if name.lower() in ("timestamp", "datetime64", "datetime"):
            return "a timestamp needs a unit: 'timestamp[ms]'"
        found = did_you_mean(self._text.strip(), [*TYPE_BY_NAME, *_PARAMETRIC]) or did_you_mean(name, TYPE_BY_NAME)
        return found or "for example 'string', 'int64', 'float64', 'bool', 'timestamp[ms]', 'list<int64>'"

    def _timestamp(self) -> pa.DataType:
        self._expect("[")
        unit, zone = self._unit(), None
        if self._peek() == ",":
            self._expect(",")
            if self._peek() == "t":
                self._token_if("tz")
                self._token_if("=")
            zone = ""
            while self._peek() not in ("]", ""):
                zone += self._token()
        self._expect("]")
        return pa.timestamp(unit, zone)

    def _decimal(self) -> pa.DataType:
        self._expect("(")
        precision = self._number()
        self._expect(",")
        scale = self._number()
        self._expect(")")
        if not 1 <= precision <= 38:
            raise self._error("a decimal has a precision of 1 to 38")
        return pa.decimal128(precision, scale)

    def _list(self) -> pa.DataType:
        self._expect("<")
        # Arrow prints the name of the item: "list<item: int64>".
        if found := _QUOTED_NAME.match(self._text, self._at):
            self._at = found.end()
        kind, nullable = self._type(), self._nullable()
        self._expect(">")
        return pa.large_list(pa.field("item", kind, nullable))

    def _struct(self) -> pa.DataType:
        self._expect("<")
        members = []
        while True:
            found = _QUOTED_NAME.match(self._text, self._at)
            if found is None:
                raise self._error("a struct has named members", hint="for example 'struct<lat: float64, lon: float64>'")
            self._at = found.end()
            members.append(pa.field(found[1], self._type(), self._nullable()))
            if self._peek() != ",":
                break
            self._expect(",")
        self._expect(">")
        return pa.struct(members)

    def _map(self) -> pa.DataType:
        self._expect("<")
        key = self._type()
        self._expect(",")
        item, nullable = self._type(), self._nullable()
        self._expect(">")
        return pa.map_(key, pa.field("value", item, nullable))

    def _nullable(self) -> bool:
        if self._text[self._at :].lstrip().lower().startswith("not null"):
            self._token()
            self._token()
            return False
        return True

    def _unit(self) -> str:
        unit = self._token()
        if unit not in _UNITS:
            raise self._error("unknown unit", hint="one of 's', 'ms', 'us', 'ns'")
        return unit

    def _number(self) -> int:
        token = self._token()
        if not token.isdecimal():
            raise self._error("expected a number")
        return int(token)

    def _peek(self) -> str:
        return self._text[self._at :].lstrip()[:1]

    def _token(self) -> str:
        found = _TOKEN.match(self._text, self._at)
        if found is None:
            raise self._error("the type ends too early")
        self._at = found.end()
        return found[1]

    def _token_if(self, token: str) -> None:
        before = self._at
        if self._token() != token:
            self._at = before

    def _expect(self, token: str) -> None:
        if self._peek() != token:
            raise self._error(f"expected {token!r}")
        self._token()

    def _error(self, message: str, hint: str | None = None) -> PlanError:
        return PlanError(message, hint=hint, type=self._text)
