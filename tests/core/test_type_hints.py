"""Classes of annotated fields describe columns, under the names that stand in records."""

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
from streamframe.core.schema import normalise_schema
from streamframe.core.type_hints import fields_of_class

TEXT = pa.large_string()


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


class Mixed(Enum):
    ONE = 1
    TWO = "two"


@dataclasses.dataclass
class OfMixed:
    value: Mixed


@dataclasses.dataclass
class OfMixedLiteral:
    value: Literal[1, "two"]


@dataclasses.dataclass
class OfPair:
    value: tuple[int, str]


@pytest.mark.parametrize("model", [Odd, OfMixed, OfMixedLiteral, OfPair])
def test_an_annotation_that_is_not_one_type_is_an_error_that_names_the_field(model):
    with pytest.raises(PlanError, match="no column type") as caught:
        fields_of_class(model)
    assert caught.value.facts["field"] == "value"


def test_a_class_that_contains_itself_is_an_error():
    with pytest.raises(PlanError, match="contains itself"):
        fields_of_class(Tree)


def test_an_annotation_that_cannot_be_resolved_is_an_error():
    unresolved = dataclasses.make_dataclass("Unresolved", [("value", "NowhereToBeFound")])
    with pytest.raises(PlanError, match="not at the top of its module"):
        fields_of_class(unresolved)


def test_a_class_that_describes_nothing_is_no_model():
    assert fields_of_class(str) is None
