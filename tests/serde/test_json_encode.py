"""Rows become JSON that the decoder, and any other program, reads as it was."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.core.errors import PlanError
from streamframe.serde.json_decode import JsonDecoder
from streamframe.serde.json_encode import SLICE_ROWS, JsonEncoder

MORNING = datetime(2026, 1, 1, tzinfo=UTC)


def encode(columns: dict[str, pa.Array], *, iso: bool = False) -> list[bytes | None]:
    schema = pa.schema([(name, column.type) for name, column in columns.items()])
    return JsonEncoder(schema, iso=iso).encode(columns)


def test_rows_are_objects_with_members_in_the_order_of_the_schema():
    columns = {"b": pa.array([1, None]), "a b": pa.array(["x", "y"], pa.large_string()), "c": pa.array([True, None])}
    assert encode(columns) == [b'{"b":1,"a b":"x","c":true}', b'{"b":null,"a b":"y","c":null}']


def test_text_with_newlines_and_quotes_stays_one_record():
    assert encode({"s": pa.array(['a\n"b"', "\u2028\r"], pa.large_string())}) == [
        b'{"s":"a\\n\\"b\\""}',
        '{"s":"\u2028\\r"}'.encode(),
    ]


def test_what_is_no_number_is_null():
    values = pa.array([float("nan"), float("inf"), float("-inf"), 1.5, None])
    assert encode({"x": values}) == [b'{"x":null}'] * 3 + [b'{"x":1.5}', b'{"x":null}']


def test_times_are_integers_of_their_unit():
    for unit, number in (("s", 1767225600), ("ms", 1767225600000), ("us", 1767225600000000)):
        column = pa.array([MORNING, None], pa.timestamp(unit, "UTC"))
        assert encode({"t": column}) == [f'{{"t":{number}}}'.encode(), b'{"t":null}']
    assert encode({"d": pa.array([5, None], pa.duration("ms"))}) == [b'{"d":5}', b'{"d":null}']


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (pa.timestamp("s"), "2026-01-01T00:00:00.000Z"),
        (pa.timestamp("ms", "Europe/Berlin"), "2026-01-01T00:00:00.000Z"),
        (pa.timestamp("us"), "2026-01-01T00:00:00.000000Z"),
        (pa.timestamp("ns"), "2026-01-01T00:00:00.000000000Z"),
    ],
    ids=str,
)
def test_times_are_text_in_utc_on_request(kind, text):
    column = pa.array([MORNING, None], pa.timestamp(kind.unit)).view(kind)
    assert encode({"t": column}, iso=True) == [f'{{"t":"{text}"}}'.encode(), b'{"t":null}']


def test_a_time_without_a_year_of_four_digits_is_an_integer_also_on_request():
    column = pa.array([253402300799000, 253402300800000, None, -62167219200001], pa.timestamp("ms"))
    assert encode({"t": column}, iso=True) == [
        b'{"t":"9999-12-31T23:59:59.000Z"}',
        b'{"t":253402300800000}',
        b'{"t":null}',
        b'{"t":-62167219200001}',
    ]


def test_other_types_have_their_text():
    columns = {
        "d": pa.array([date(2026, 1, 31)]),
        "x": pa.array([Decimal("1.5")], pa.decimal128(6, 2)),
        "b": pa.array([b"\0\xff"], pa.large_binary()),
        "h": pa.array([1.5], pa.float16()),
    }
    assert encode(columns) == [b'{"d":"2026-01-31","x":"1.50","b":"AP8=","h":1.5}']


def test_nested_values_are_nested():
    inner = pa.struct([("at", pa.timestamp("ms")), ("day", pa.date32())])
    columns = {
        "l": pa.array([[{"at": MORNING, "day": date(2026, 1, 1)}, None]], pa.large_list(inner)),
        "m": pa.array([{"k": MORNING}], pa.map_(pa.large_string(), pa.timestamp("ms"))),
    }
    for iso in (False, True):
        assert encode(columns, iso=iso) == [
            b'{"l":[{"at":1767225600000,"day":"2026-01-01"},null],"m":{"k":1767225600000}}'
        ]


def test_no_rows_are_no_payloads():
    assert encode({"x": pa.array([], pa.int64())}) == []


def test_slices_of_arrays_are_encoded_from_their_offset():
    columns = {"x": pa.array([1, None, 3]).slice(1), "t": pa.array([1, 2, 3], pa.timestamp("ms")).slice(1)}
    assert encode(columns) == [b'{"x":null,"t":2}', b'{"x":3,"t":3}']


def test_more_rows_than_fit_a_slice_are_all_there_and_in_order():
    count = 2 * SLICE_ROWS + 3
    columns = {"n": pa.array(range(count)), "s": pa.array(["\n"] * count, pa.large_string())}

    payloads = JsonEncoder(pa.schema([("n", pa.int64()), ("s", pa.large_string())])).encode(columns)

    assert payloads == [b'{"n":%d,"s":"\\n"}' % row for row in range(count)]


def test_a_type_without_a_json_form_is_refused_when_the_encoder_is_made():
    with pytest.raises(PlanError, match="no representation"):
        JsonEncoder(pa.schema([("x", pa.time64("us"))]))


ROUND_TRIP = pa.schema(
    [
        ("s", pa.large_string()),
        ("i", pa.int64()),
        ("u", pa.uint8()),
        ("f", pa.float64()),
        ("b", pa.bool_()),
        ("t", pa.timestamp("ms")),
        ("z", pa.timestamp("us", "UTC")),
        ("d", pa.duration("us")),
        ("p", pa.large_binary()),
        ("l", pa.large_list(pa.int32())),
        ("n", pa.struct([("a", pa.large_string()), ("t", pa.timestamp("us"))])),
    ]
)
TIMES = st.integers(-(2**62) // 1000 + 1, 2**62 // 1000 - 1)
ROWS = st.fixed_dictionaries(
    {
        "s": st.none() | st.text(st.characters(codec="utf-8")),
        "i": st.none() | st.integers(-(2**63), 2**63 - 1),
        "u": st.none() | st.integers(0, 255),
        "f": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "b": st.none() | st.booleans(),
        "t": st.none() | TIMES,
        "z": st.none() | TIMES,
        "d": st.none() | TIMES,
        "p": st.none() | st.binary(max_size=5),
        "l": st.none() | st.lists(st.none() | st.integers(-(2**31), 2**31 - 1), max_size=3),
        "n": st.none() | st.fixed_dictionaries({"a": st.none() | st.just("x"), "t": st.none() | TIMES}),
    }
)


@given(st.lists(ROWS, max_size=6), st.booleans())
def test_what_is_encoded_is_decoded_as_it_was(rows, iso):
    columns = {field.name: pa.array([row[field.name] for row in rows], field.type) for field in ROUND_TRIP}
    payloads = JsonEncoder(ROUND_TRIP, iso=iso).encode(columns)
    assert len(payloads) == len(rows)
    decoded = JsonDecoder(ROUND_TRIP, ROUND_TRIP.names).decode(payloads)
    assert decoded.errors == []
    for name in ROUND_TRIP.names:
        assert decoded.columns[name].equals(columns[name]), name


@given(st.lists(ROWS, min_size=1, max_size=3))
def test_every_payload_is_json(rows):
    columns = {field.name: pa.array([row[field.name] for row in rows], field.type) for field in ROUND_TRIP}
    for payload, row in zip(JsonEncoder(ROUND_TRIP).encode(columns), rows, strict=True):
        assert payload is not None
        read = json.loads(payload)
        assert {name: read[name] for name in "siufbtzdl"} == {name: row[name] for name in "siufbtzdl"}
