"""JSON by whichever path this run takes: what is true of both. ``tests/native`` compares them."""

import pyarrow as pa
import pytest

from streamframe.core.errors import PlanError
from streamframe.serde.json_native import json_decoder, json_encoder

SCHEMA = pa.schema([("s", pa.large_string()), ("i", pa.int64()), ("t", pa.timestamp("ms")), ("b", pa.bool_())])


def test_what_is_written_is_read_again_as_it_was():
    columns = {
        "s": pa.array(['a"\\\n\u20ac', "", None], pa.large_string()),
        "i": pa.array([1, None, -(1 << 63)], pa.int64()),
        "t": pa.array([None, 0, 1_767_225_600_000], pa.timestamp("ms")),
        "b": pa.array([True, False, None], pa.bool_()),
    }
    payloads = json_encoder(SCHEMA).encode(columns)
    assert payloads[1] == b'{"s":"","i":null,"t":0,"b":false}'
    decoded = json_decoder(SCHEMA, SCHEMA.names).decode(payloads)
    assert (decoded.rows, decoded.errors) == (None, [])
    assert {name: column.to_pylist() for name, column in decoded.columns.items()} == {
        name: column.to_pylist() for name, column in columns.items()
    }


def test_columns_come_in_the_order_asked_for_and_bad_records_leave_their_neighbours_alone():
    decoder = json_decoder(SCHEMA, ["t", "i"])
    decoded = decoder.decode([b'{"i":1,"i":2}', b'{"i":"x"}', None, b'{"t":"2026-01-01T00:00:00Z","s":7}', b"{"])
    assert list(decoded.columns) == ["t", "i"]
    assert decoded.columns["i"].to_pylist() == [2, None]
    assert decoded.columns["t"].cast(pa.int64()).to_pylist() == [None, 1_767_225_600_000]
    assert decoded.rows is not None
    assert decoded.rows.tolist() == [0, 3]
    assert [(error.row, error.kind) for error in decoded.errors] == [(1, "type"), (4, "json")]
    assert decoded.null_rows.tolist() == [2]


def test_no_records_are_no_rows():
    decoded = json_decoder(SCHEMA, ["s"]).decode([])
    assert decoded.columns["s"].type == pa.large_string()
    assert len(decoded.columns["s"]) == 0
    assert (
        list(json_encoder(SCHEMA).encode({name: pa.array([], SCHEMA.field(name).type) for name in SCHEMA.names})) == []
    )


def test_a_type_that_json_cannot_represent_is_refused():
    with pytest.raises(PlanError, match="JSON"):
        json_decoder(pa.schema([("x", pa.time64("us"))]), ["x"])
    with pytest.raises(PlanError, match="JSON"):
        json_encoder(pa.schema([("x", pa.time64("us"))]))
