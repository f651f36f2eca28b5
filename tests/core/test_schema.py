import dataclasses
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from enum import Enum
from types import SimpleNamespace
from typing import Annotated, ClassVar, Literal, NewType, Optional

import msgspec
import pyarrow as pa
import pytest

from streamframe.core.errors import PlanError
from streamframe.core.schema import field_of, normalise_schema

TEXT, BYTES = pa.large_string(), pa.large_binary()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("string", TEXT),
        ("str", TEXT),
        ("String", TEXT),
        ("float64", pa.float64()),
        ("float", pa.float64()),
        ("float32", pa.float32()),
        ("int64", pa.int64()),
        ("int32", pa.int32()),
        ("uint8", pa.uint8()),
        ("bool", pa.bool_()),
        ("date32", pa.date32()),
        ("binary", BYTES),
        ("timestamp[ms]", pa.timestamp("ms")),
        ("timestamp[us, UTC]", pa.timestamp("us", "UTC")),
        ("timestamp[us, tz=UTC]", pa.timestamp("us", "UTC")),
        ("timestamp[ns, Europe/Berlin]", pa.timestamp("ns", "Europe/Berlin")),
        ("timestamp[s, +02:00]", pa.timestamp("s", "+02:00")),
        ("datetime64[ms]", pa.timestamp("ms")),
        ("duration[us]", pa.duration("us")),
        ("decimal128(18, 2)", pa.decimal128(18, 2)),
        ("list<int64>", pa.large_list(pa.int64())),
        ("list<item: list<string>>", pa.large_list(pa.large_list(TEXT))),
        ("map<string, double>", pa.map_(TEXT, pa.float64())),
        ("struct<lat: float64, a b: list<string>>", pa.struct([("lat", pa.float64()), ("a b", pa.large_list(TEXT))])),
    ],
)
def test_a_type_is_written_as_text(text, kind):
    assert normalise_schema({"x": text}) == pa.schema([("x", kind)])


@pytest.mark.parametrize(
    "kind", [pa.timestamp("us", "UTC"), pa.map_(TEXT, pa.int8()), pa.struct([("a", pa.large_list(TEXT))])], ids=str
)
def test_the_text_arrow_prints_is_understood(kind):
    assert normalise_schema({"x": str(kind)}).field("x").type == kind


def test_columns_of_a_mapping_may_be_null_unless_the_text_says_otherwise():
    schema = normalise_schema({"a": "int64", "b": "int64 not null", "c": int, "d": pa.int64()})
    assert [field.nullable for field in schema] == [True, False, True, True]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("strng", "did you mean 'string'?"),
        ("int46", "did you mean 'int64'?"),
        ("timestmp[ms]", "did you mean 'timestamp[ms]'?"),
        ("timestamp", "a timestamp needs a unit: 'timestamp[ms]'"),
        ("timestamp[m]", "one of 's', 'ms', 'us', 'ns'"),
        ("struct<int64>", "for example 'struct<lat: float64, lon: float64>'"),
        ("xyzzy", "for example 'string', 'int64', 'float64', 'bool', 'timestamp[ms]', 'list<int64>'"),
    ],
)
def test_an_unknown_type_gives_a_hint_and_names_the_column(text, hint):
    with pytest.raises(PlanError) as caught:
        normalise_schema({"amount": text})
    assert caught.value.hint == hint
    assert caught.value.facts["column"] == "amount"


@pytest.mark.parametrize(
    "text", ["", "list<", "list<int64", "list<int64>x", "decimal(40, 1)", "decimal(a, 1)", "int64 null"]
)
def test_a_malformed_type_is_an_error(text):
    with pytest.raises(PlanError):
        normalise_schema({"x": text})


def test_arrow_types_become_those_of_the_engine_at_any_depth():
    schema = pa.schema(
        [
            pa.field("s", pa.string(), nullable=False, metadata={"doc": "x"}),
            ("b", pa.binary(4)),
            ("c", pa.dictionary(pa.int8(), pa.string())),
            ("l", pa.list_(pa.struct([("s", pa.string_view())]))),
            ("f", pa.list_(pa.string(), 2)),
            ("m", pa.map_(pa.string(), pa.binary())),
            ("n", pa.null()),
            ("d", pa.date64()),
        ],
        metadata={"pandas": "{}"},
    )
    result = normalise_schema(schema)
    assert result.metadata is None
    assert result.field("s").metadata is None
    assert [field.nullable for field in result] == [False, True, True, True, True, True, True, True]
    assert result.types == [
        TEXT,
        BYTES,
        TEXT,
        pa.large_list(pa.struct([("s", TEXT)])),
        pa.list_(TEXT, 2),
        pa.map_(TEXT, BYTES),
        TEXT,
        pa.date32(),
    ]


def test_a_normalised_schema_stays_as_it_is():
    schema = normalise_schema({"a": "list<string>", "b": "map<string, binary>", "c": "timestamp[ms] not null"})
    assert normalise_schema(schema) == schema


class Colour(Enum):
    RED = "red"


class Level(Enum):
    LOW = 1


Cents = NewType("Cents", int)


@dataclasses.dataclass
class Point:
    lat: float
    lon: float | None = None


@dataclasses.dataclass
class Event:
    user: str
    amount: Optional[float]  # noqa: UP045  (both spellings must work)
    points: list[Point]
    at: datetime
    day: date
    took: timedelta
    tags: dict[str, int]
    small: Annotated[int | None, pa.int32()]
    colour: Colour
    level: Level
    cents: Cents
    codes: tuple[int, ...]
    kind: Literal["a", "b"] = "a"
    notes: Sequence[str] = ()


POINT = pa.struct([pa.field("lat", pa.float64(), nullable=False), ("lon", pa.float64())])


def required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


def items(kind: pa.DataType) -> pa.DataType:
    return pa.large_list(required("item", kind))


def test_a_dataclass_describes_columns():
    assert normalise_schema(Event) == pa.schema(
        [
            required("user", TEXT),
            pa.field("amount", pa.float64()),
            required("points", items(POINT)),
            required("at", pa.timestamp("us")),
            required("day", pa.date32()),
            required("took", pa.duration("us")),
            required("tags", pa.map_(TEXT, required("value", pa.int64()))),
            pa.field("small", pa.int32()),
            required("colour", TEXT),
            required("level", pa.int64()),
            required("cents", pa.int64()),
            required("codes", items(pa.int64())),
            pa.field("kind", TEXT),
            pa.field("notes", items(TEXT)),
        ]
    )


class Order(msgspec.Struct, rename="camel", kw_only=True):
    order_id: int
    note: str | None = None
    amount: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    user: str
    lines: list[int] = []


def test_a_msgspec_struct_describes_columns_under_the_names_of_its_records():
    schema = normalise_schema(Order)
    assert schema.names == ["orderId", "note", "amount", "user", "lines"]
    assert [field.nullable for field in schema] == [False, True, True, False, True]


class PydanticField:
    """What pydantic keeps for a field, as far as it is read."""

    def __init__(
        self, annotation: object, *, required: bool, alias: str | None = None, metadata: Sequence[object] = ()
    ):
        self.annotation, self.alias, self.metadata, self._required = annotation, alias, list(metadata), required

    def is_required(self) -> bool:
        return self._required


class PydanticModel:
    model_fields: ClassVar = {
        "user": PydanticField(str, required=True),
        "amount": PydanticField(float, required=False, alias="Amount"),
        "count": PydanticField(int, required=True, metadata=[pa.int16()]),
        "note": PydanticField(Optional[str], required=True),  # noqa: UP045
    }


def test_a_pydantic_model_describes_columns():
    assert normalise_schema(PydanticModel) == pa.schema(
        [
            required("user", TEXT),
            pa.field("Amount", pa.float64()),
            required("count", pa.int16()),
            pa.field("note", TEXT),
        ]
    )


class FaustRecord:
    _options = SimpleNamespace(
        fields={"user": str, "amount": Optional[float], "score": float},  # noqa: UP045
        optionalset={"score"},
    )


def test_a_faust_record_describes_columns():
    assert normalise_schema(FaustRecord) == pa.schema(
        [required("user", TEXT), pa.field("amount", pa.float64()), pa.field("score", pa.float64())]
    )


@dataclasses.dataclass
class Tree:
    children: list["Tree"]


@dataclasses.dataclass
class Odd:
    value: int | str


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({}, "at least one column"),
        ({"": "int64"}, "needs a name"),
        ({1: "int64"}, "must be text"),
        (pa.schema([("a", pa.int64()), ("a", pa.string())]), "occurs twice"),
        ({"a": object}, "no column type"),
        ({"a": complex}, "no column type"),
        (Odd, "no column type"),
        (Tree, "contains itself"),
        (42, "not a schema"),
        (str, "not a schema"),
    ],
)
def test_what_describes_no_columns_is_an_error(schema, message):
    with pytest.raises(PlanError, match=message):
        normalise_schema(schema)


def test_an_unknown_column_gives_the_nearest_name():
    schema = normalise_schema({"user": "string", "amount": "float64"})
    assert field_of(schema, "amount").type == pa.float64()
    with pytest.raises(PlanError) as caught:
        field_of(schema, "amuont")
    assert caught.value.hint == "did you mean 'amount'?"
    with pytest.raises(PlanError) as caught:
        field_of(schema, "zzz")
    assert caught.value.hint == "columns: user, amount"
