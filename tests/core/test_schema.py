"""Any description of columns becomes one schema with the types of the engine."""

import dataclasses

import pyarrow as pa
import pytest

from streamframe.core.errors import PlanError
from streamframe.core.schema import field_of, normalise_schema

TEXT, BYTES = pa.large_string(), pa.large_binary()


def test_columns_of_a_mapping_may_be_null_unless_the_text_says_otherwise():
    schema = normalise_schema({"a": "int64", "b": "int64 not null", "c": int, "d": pa.int64()})
    assert [field.nullable for field in schema] == [True, False, True, True]


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


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({}, "at least one column"),
        ({"": "int64"}, "needs a name"),
        ({1: "int64"}, "must be text"),
        (pa.schema([("a", pa.int64()), ("a", pa.string())]), "occurs twice"),
        ({"a": object}, "no column type"),
        ({"a": complex}, "no column type"),
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


@dataclasses.dataclass
class Click:
    user: str
    amount: float | None = None


def test_a_class_and_a_mapping_may_describe_the_same_columns():
    assert normalise_schema(Click) == normalise_schema({"user": "string not null", "amount": "float64"})
