"""Every odd record has one verdict, whatever stands beside it."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.core.errors import PlanError
from streamframe.serde.base import Decoded
from streamframe.serde.json_decode import SLICE_ROWS, JsonDecoder

SCHEMA = pa.schema(
    [
        ("k", pa.large_string()),
        ("i", pa.int64()),
        ("f", pa.float64()),
        ("b", pa.bool_()),
        ("t", pa.timestamp("us", "UTC")),
    ]
)
MORNING = datetime(2026, 1, 1, tzinfo=UTC)
GOOD_ROW = {"k": "a", "i": 1, "f": 1.5, "b": True, "t": MORNING.replace(microsecond=32000)}


def record(**overrides: str | None) -> bytes:
    """The good record with the JSON text of some fields replaced; ``None`` leaves a field out."""
    texts = {"k": '"a"', "i": "1", "f": "1.5", "b": "true", "t": '"2026-01-01T00:00:00.032Z"'} | overrides
    return ("{" + ",".join(f'"{name}":{text}' for name, text in texts.items() if text is not None) + "}").encode()


GOOD = record()


def decode(*values: bytes | None, schema: pa.Schema = SCHEMA, fields: list[str] | None = None) -> Decoded:
    return JsonDecoder(schema, schema.names if fields is None else fields).decode(values)


def rows_of(decoded: Decoded) -> list[dict[str, object]]:
    return pa.table(decoded.columns).to_pylist()


ACCEPTED = {
    "the plain record": (GOOD, {}),
    "pretty printed over lines": (GOOD.replace(b",", b",\n  "), {}),
    "spaces around": (b"  " + GOOD + b"  ", {}),
    "an empty object": (b"{}", dict.fromkeys(SCHEMA.names)),
    "a missing field": (record(i=None), {"i": None}),
    "a null field": (record(i="null"), {"i": None}),
    "an unknown field": (record(zzz="1"), {}),
    "an unknown nested field": (record(zzz='{"a":[1,{"b":2}]}'), {}),
    "the greatest integer": (record(i=str(2**63 - 1)), {"i": 2**63 - 1}),
    "the least integer": (record(i=str(-(2**63))), {"i": -(2**63)}),
    "an integer for a float": (record(f="2"), {"f": 2.0}),
    "an integer no float can hold": (record(f=str(2**53 + 1)), {"f": 9007199254740992.0}),
    "a repeated name, where the last value counts": (record(i="1").replace(b'"i":1', b'"i":1,"i":2'), {"i": 2}),
    "raw unicode": (record(k='"é☃"'), {"k": "é☃"}),
    "escaped unicode": (record(k='"\\u00e9"'), {"k": "é"}),
    "a surrogate pair": (record(k='"\\ud83d\\ude00"'), {"k": "😀"}),
    "a NUL character": (record(k='"a\\u0000b"'), {"k": "a\0b"}),
    "an escaped newline": (record(k='"a\\nb"'), {"k": "a\nb"}),
    "a time without zone, which is UTC": (record(t='"2026-01-01T00:00:00"'), {"t": MORNING}),
    "a time with an offset": (record(t='"2026-01-01T02:00:00+02:00"'), {"t": MORNING}),
    "a time with a short offset": (record(t='"2026-01-01T02:00:00+02"'), {"t": MORNING}),
    "a time with a blank for the T": (record(t='"2026-01-01 00:00:00Z"'), {"t": MORNING}),
    "a date for a time": (record(t='"2026-01-01"'), {"t": MORNING}),
    "microseconds": (record(t='"2026-01-01T00:00:00.123456Z"'), {"t": MORNING.replace(microsecond=123456)}),
    "nanoseconds, rounded down": (
        record(t='"2026-01-01T00:00:00.123456999Z"'),
        {"t": MORNING.replace(microsecond=123456)},
    ),
    "an integer for a time, in its unit": (record(t="1767225600000000"), {"t": MORNING}),
    "a time before the epoch": (record(t="-1"), {"t": datetime(1969, 12, 31, 23, 59, 59, 999999, UTC)}),
    "the end of the year 9999": (record(t='"9999-12-31T23:59:59Z"'), {"t": datetime(9999, 12, 31, 23, 59, 59, 0, UTC)}),
}

REFUSED = {
    "truncated": (b'{"k":"a","i":', "json"),
    "no JSON": (b"hello", "json"),
    "single quotes": (b"{'k':'a'}", "json"),
    "a trailing comma": (b'{"k":"a",}', "json"),
    "garbage behind": (GOOD + b" x", "json"),
    "two objects": (GOOD + GOOD, "json"),
    "two objects on two lines": (GOOD + b"\n" + GOOD, "json"),
    "an empty payload": (b"", "json"),
    "a blank payload": (b"  ", "json"),
    "a null document": (b"null", "required"),
    "an array": (b"[1]", "type"),
    "a string document": (b'"x"', "type"),
    "text for an integer": (record(i='"abc"'), "type"),
    "digits in quotes for an integer": (record(i='"12"'), "type"),
    "a whole float for an integer": (record(i="3.0"), "type"),
    "a power of ten for an integer": (record(i="1e3"), "type"),
    "a fraction for an integer": (record(i="3.7"), "type"),
    "true for an integer": (record(i="true"), "type"),
    "an object for an integer": (record(i='{"a":1}'), "type"),
    "an integer one too great": (record(i=str(2**63)), "range"),
    "an integer one too small": (record(i=str(-(2**63) - 1)), "range"),
    "an integer of 70 bits": (record(i=str(2**70)), "range"),
    "an integer of 5000 digits": (record(i="9" * 5000), "range"),
    "a number in quotes for a float": (record(f='"1.5"'), "type"),
    "NaN": (record(f="NaN"), "json"),
    "Infinity": (record(f="Infinity"), "json"),
    "a float out of range": (record(f="1e400"), "range"),
    "a number for a string": (record(k="12"), "type"),
    "an object for a string": (record(k='{"a":1}'), "type"),
    "one for a boolean": (record(b="1"), "type"),
    "true in quotes for a boolean": (record(b='"true"'), "type"),
    "a lone surrogate": (record(k='"\\ud800"'), "json"),
    "a raw newline in a string": (record(k='"a\nb"'), "json"),
    "a raw tab in a string": (record(k='"a\tb"'), "json"),
    "invalid UTF-8": (record(k='"aXb"').replace(b"X", b"\xff"), "utf8"),
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD, "json"),
    "a word for a time": (record(t='"yesterday"'), "time"),
    "an empty time": (record(t='""'), "time"),
    "the thirtieth of February": (record(t='"2026-02-30T00:00:00Z"'), "time"),
    "a time too far away": (record(t=str(2**62 + 1)), "range"),
    "a float for a time": (record(t="1767225600000.5"), "type"),
    "a bomb of brackets": (record(zzz="[" * 100_000), "depth"),
    "a bomb of closed brackets": (record(zzz="[" * 100_000 + "]" * 100_000), "depth"),
}


@pytest.mark.parametrize(("payload", "changes"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_an_odd_record_is_accepted_and_its_neighbours_are_untouched(payload, changes):
    decoded = decode(GOOD, payload, GOOD)
    assert rows_of(decoded) == [GOOD_ROW, GOOD_ROW | changes, GOOD_ROW]
    assert decoded.errors == []
    assert decoded.rows is None


@pytest.mark.parametrize(("payload", "kind"), REFUSED.values(), ids=REFUSED.keys())
def test_a_bad_record_is_set_aside_and_its_neighbours_are_untouched(payload, kind):
    decoded = decode(GOOD, payload, GOOD)
    assert rows_of(decoded) == [GOOD_ROW, GOOD_ROW]
    assert [(error.row, error.kind) for error in decoded.errors] == [(1, kind)]
    assert decoded.rows is not None
    assert decoded.rows.tolist() == [0, 2]


def test_the_message_names_the_path_of_the_wrong_value():
    [error] = decode(record(i='"abc"')).errors
    assert error.message == "Expected `int | null`, got `str` - at `$.i`"
    [error] = decode(record(i=str(2**63))).errors
    assert error.message == "9223372036854775808 is out of range - at `$.i`"
    [error] = decode(record(t='"yesterday"')).errors
    assert error.message == "expected an ISO 8601 time, got 'yesterday' - at `$.t`"


def test_a_record_with_several_bad_values_is_one_error_about_the_first_in_the_schema():
    decoded = decode(record(i=str(2**63), t='"yesterday"'), GOOD, record(t='"?"'), fields=["t", "i"])
    assert [(error.row, error.kind) for error in decoded.errors] == [(0, "range"), (2, "time")]
    assert decoded.columns["i"].to_pylist() == [1]


def test_null_values_are_neither_rows_nor_errors():
    decoded = decode(None, GOOD, None, b"x", GOOD)
    assert decoded.null_rows.tolist() == [0, 2]
    assert [error.row for error in decoded.errors] == [3]
    assert decoded.rows is not None
    assert decoded.rows.tolist() == [1, 4]
    assert rows_of(decoded) == [GOOD_ROW, GOOD_ROW]


def test_no_payloads_give_typed_empty_columns():
    decoded = decode()
    assert {name: column.type for name, column in decoded.columns.items()} == dict(
        zip(SCHEMA.names, SCHEMA.types, strict=True)
    )
    assert decoded.rows is None


def test_only_the_fields_in_use_are_decoded_in_the_order_asked_for():
    decoded = decode(GOOD, fields=["f", "k"])
    assert list(decoded.columns) == ["f", "k"]
    assert rows_of(decoded) == [{"f": 1.5, "k": "a"}]


def test_a_field_not_in_use_is_not_looked_at_but_its_syntax_is():
    wrong_type, no_utf8, no_json = record(i='"abc"'), record(b='"X"').replace(b"X", b"\xff"), record(i="01")
    decoded = decode(wrong_type, no_utf8, no_json, fields=["k"])
    assert rows_of(decoded) == [{"k": "a"}, {"k": "a"}]
    assert [(error.row, error.kind) for error in decoded.errors] == [(2, "json")]


def test_without_fields_in_use_the_records_are_still_checked():
    decoded = decode(GOOD, b"{", GOOD, fields=[])
    assert decoded.columns == {}
    assert decoded.rows is not None
    assert decoded.rows.tolist() == [0, 2]


def test_a_required_field_that_is_absent_or_null_is_an_error():
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), ("note", pa.large_string())])
    decoded = decode(b'{"id":1}', b'{"note":"x"}', b'{"id":null}', schema=schema)
    assert rows_of(decoded) == [{"id": 1, "note": None}]
    assert [(error.row, error.kind) for error in decoded.errors] == [(1, "required"), (2, "required")]
    assert decoded.errors[0].message == "Object missing required field `id`"


def test_field_names_need_not_be_identifiers():
    names = ["user id", "class", "f0", "ünï", "a.b", "'", ""]
    schema = pa.schema([(name, pa.int64()) for name in names])
    payload = json.dumps({name: number for number, name in enumerate(names)}).encode()
    assert rows_of(decode(payload, schema=schema)) == [{name: number for number, name in enumerate(names)}]


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        (pa.int8(), -128, 127),
        (pa.int16(), -(2**15), 2**15 - 1),
        (pa.int32(), -(2**31), 2**31 - 1),
        (pa.uint8(), 0, 255),
        (pa.uint64(), 0, 2**64 - 1),
    ],
    ids=str,
)
def test_integers_keep_to_the_bounds_of_their_type(kind, low, high):
    payloads = [f'{{"x":{value}}}'.encode() for value in (low - 1, low, high, high + 1)]
    decoded = decode(*payloads, schema=pa.schema([("x", kind)]))
    assert decoded.columns["x"].to_pylist() == [low, high]
    assert [(error.row, error.kind) for error in decoded.errors] == [(0, "range"), (3, "range")]


def test_a_float_too_great_for_its_type_is_an_error_not_infinity():
    decoded = decode(b'{"x":1e38}', b'{"x":1e39}', b'{"x":null}', schema=pa.schema([("x", pa.float32())]))
    assert decoded.columns["x"].null_count == 1
    assert [(error.row, error.kind) for error in decoded.errors] == [(1, "range")]


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        ("s", 1767225600, "2026-01-01T00:00:00.999Z"),
        ("ms", 1767225600123, "2026-01-01T00:00:00.1239Z"),
        ("us", -1, "1969-12-31T23:59:59.999999Z"),
        ("ns", 1767225600123456000, "2026-01-01T00:00:00.123456Z"),
        ("s", -1, "1969-12-31T23:59:59.5Z"),
    ],
)
def test_text_and_integer_times_may_be_mixed_in_any_unit(unit, value, text):
    schema = pa.schema([("t", pa.timestamp(unit))])
    decoded = decode(f'{{"t":{value}}}'.encode(), f'{{"t":"{text}"}}'.encode(), b'{"t":null}', schema=schema)
    assert decoded.columns["t"].type == pa.timestamp(unit)
    assert decoded.columns["t"].view(pa.int64()).to_pylist() == [value, value, None]


def test_a_time_must_fit_int64_microseconds_with_room_to_spare():
    schema = pa.schema([("t", pa.timestamp("ms"))])
    year_9999, too_far = 253_402_300_799_000, 2**63 // 1000
    decoded = decode(f'{{"t":{year_9999}}}'.encode(), f'{{"t":{too_far}}}'.encode(), schema=schema)
    assert decoded.columns["t"].view(pa.int64()).to_pylist() == [year_9999]
    assert [(error.row, error.kind) for error in decoded.errors] == [(1, "range")]


def test_a_time_out_of_the_range_of_nanoseconds_is_an_error():
    schema = pa.schema([("t", pa.timestamp("ns"))])
    decoded = decode(b'{"t":"9999-12-31T23:59:59Z"}', b'{"t":"2026-01-01"}', schema=schema)
    assert [error.row for error in decoded.errors] == [0]
    assert decoded.columns["t"].view(pa.int64()).to_pylist() == [1767225600 * 10**9]


def test_dates_decimals_durations_and_binaries_have_their_text():
    schema = pa.schema(
        [("d", pa.date32()), ("x", pa.decimal128(6, 2)), ("u", pa.duration("ms")), ("p", pa.large_binary())]
    )
    decoded = decode(
        b'{"d":"2026-01-01","x":"1.20","u":5,"p":"AP8="}',
        b'{"d":"2026-02-30"}',
        b'{"x":"1.234"}',
        b'{"p":"?"}',
        b'{"x":1.5}',
        schema=schema,
    )
    first, last = rows_of(decoded)
    assert (first["d"], first["x"], first["p"]) == (date(2026, 1, 1), Decimal("1.20"), b"\0\xff")
    assert last["x"] == Decimal("1.50")
    assert [(error.row, error.kind) for error in decoded.errors] == [(1, "time"), (2, "range"), (3, "type")]


def test_nested_values_are_checked_to_the_last_leaf():
    inner = pa.struct([pa.field("n", pa.int32(), nullable=False), ("at", pa.timestamp("ms"))])
    schema = pa.schema([("a", pa.list_(inner)), ("m", pa.map_(pa.large_string(), pa.float64()))])
    decoded = decode(
        b'{"a":[{"n":1,"at":5,"more":true},null],"m":{"q":1}}',
        b'{"a":[{"n":2147483648}]}',
        b'{"a":[{"at":5}]}',
        b'{"a":{}}',
        b'{"m":{"q":"1"}}',
        schema=schema,
    )
    assert decoded.columns["a"].cast(pa.list_(pa.struct([("n", pa.int64()), ("at", pa.int64())]))).to_pylist() == [
        [{"n": 1, "at": 5}, None]
    ]
    assert decoded.columns["m"].to_pylist() == [[("q", 1.0)]]
    assert [(error.row, error.kind) for error in decoded.errors] == [
        (1, "type"),
        (2, "required"),
        (3, "type"),
        (4, "type"),
    ]


def test_a_type_without_a_json_form_is_refused_when_the_decoder_is_made():
    with pytest.raises(PlanError, match="no representation"):
        JsonDecoder(pa.schema([("x", pa.time64("us"))]), ["x"])


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb"])
def test_a_field_name_that_json_would_escape_is_refused_when_the_decoder_is_made(name):
    with pytest.raises(PlanError, match="name is not possible"):
        JsonDecoder(pa.schema([(name, pa.int64())]), [name])


def test_a_record_of_a_megabyte_is_a_record_like_any_other():
    text = "x" * (1 << 20)
    assert decode(GOOD, record(k=f'"{text}"')).columns["k"].to_pylist() == ["a", text]


def test_a_batch_of_many_slices_keeps_positions():
    count = 2 * SLICE_ROWS + 3
    values: list[bytes | None] = [record(i=str(row)) for row in range(count)]
    values[SLICE_ROWS] = b"poison"
    values[-1] = None
    decoded = decode(*values)
    kept = [row for row in range(count - 1) if row != SLICE_ROWS]
    assert decoded.columns["i"].to_pylist() == kept
    assert decoded.rows is not None
    assert decoded.rows.tolist() == kept
    assert [error.row for error in decoded.errors] == [SLICE_ROWS]
    assert decoded.null_rows.tolist() == [count - 1]


# --- properties -----------------------------------------------------------------------------------

ODD = [payload for payload, _ in ACCEPTED.values()] + [payload for payload, _ in REFUSED.values() if len(payload) < 999]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A record with a few bytes changed, cut out or put in."""
    payload = bytearray(draw(st.sampled_from(ODD)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(payload)))
        payload[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=2) | st.sampled_from([b"}", b'"', b"0"]))
    return bytes(payload)


@given(st.lists(st.none() | st.sampled_from(ODD) | mutated() | st.just(GOOD), max_size=12))
def test_a_batch_decodes_as_its_records_do_one_at_a_time(values):
    decoder = JsonDecoder(SCHEMA, SCHEMA.names)
    together = decoder.decode(values)
    rows, errors, nulls = [], [], []
    for position, value in enumerate(values):
        alone = decoder.decode([value])
        rows += rows_of(alone)
        errors += [(position, error.kind, error.message) for error in alone.errors]
        nulls += [position] * len(alone.null_rows)
    assert rows_of(together) == rows
    assert [(error.row, error.kind, error.message) for error in together.errors] == errors
    assert together.null_rows.tolist() == nulls


PLAIN = st.fixed_dictionaries(
    {},
    optional={
        "k": st.none() | st.text(st.characters(codec="utf-8")),
        "i": st.none() | st.integers(-(2**63), 2**63 - 1),
        "f": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "b": st.none() | st.booleans(),
    },
)


@given(st.lists(PLAIN, max_size=8))
def test_values_come_back_as_they_were_written(records):
    schema = pa.schema([SCHEMA.field(name) for name in ("k", "i", "f", "b")])
    decoded = decode(*[json.dumps(record).encode() for record in records], schema=schema)
    assert decoded.errors == []
    assert rows_of(decoded) == [{name: record.get(name) for name in schema.names} for record in records]
