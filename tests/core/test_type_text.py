"""Types are written as text, and a misspelt one gives a hint."""

import pyarrow as pa
import pytest

from streamframe.core.errors import PlanError
from streamframe.core.schema import normalise_schema
from streamframe.core.type_text import parse_type

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


def test_a_type_is_required_when_the_text_says_not_null_also_inside():
    assert parse_type("int64 not null") == (pa.int64(), False)
    item = pa.field("item", pa.int64(), nullable=False)
    assert parse_type("list<int64 not null>") == (pa.large_list(item), True)
