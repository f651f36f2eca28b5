"""A serde is found by its name, and says at once what it cannot carry."""

import pyarrow as pa
import pytest

from streamframe.core.errors import PlanError
from streamframe.core.serde_spec import SerdeSpec
from streamframe.serde.registry import decoder_for, default_schema, encoder_for, json_serde, raw_serde, string_serde

CLICKS = pa.schema([("user", pa.large_string()), ("at", pa.timestamp("ms"))])


def test_each_serde_reads_what_it_writes():
    columns = {"user": pa.array(["a"], pa.large_string()), "at": pa.array([0], pa.timestamp("ms"))}
    for spec in (json_serde(), json_serde(iso=True)):
        payloads = encoder_for(spec, CLICKS).encode(columns)
        assert decoder_for(spec, CLICKS, ["user", "at"]).decode(payloads).columns == columns
    for spec in (raw_serde(), string_serde()):
        schema = default_schema(spec)
        assert schema is not None
        column = pa.array(["a"], pa.large_string()).cast(schema.field("value").type)
        payloads = encoder_for(spec, schema).encode({"value": column})
        assert payloads == [b"a"]
        assert decoder_for(spec, schema, ["value"]).decode(payloads).columns == {"value": column}


def test_json_writes_iso_text_only_when_asked():
    columns = {"at": pa.array([0], pa.timestamp("ms"))}
    schema = pa.schema([("at", pa.timestamp("ms"))])
    assert encoder_for(json_serde(), schema).encode(columns) == [b'{"at":0}']
    assert encoder_for(json_serde(iso=True), schema).encode(columns) == [b'{"at":"1970-01-01T00:00:00.000Z"}']


def test_json_needs_a_schema():
    assert default_schema(json_serde()) is None


def test_an_unknown_field_or_serde_gives_a_hint():
    with pytest.raises(PlanError) as caught:
        decoder_for(json_serde(), CLICKS, ["usr"])
    assert caught.value.hint == "did you mean 'user'?"
    for use in (
        lambda spec: decoder_for(spec, CLICKS, []),
        lambda spec: encoder_for(spec, CLICKS),
        default_schema,
    ):
        with pytest.raises(PlanError) as caught:
            use(SerdeSpec("jsno"))
        assert caught.value.hint == "did you mean 'json'?"


def test_raw_and_string_refuse_other_schemas_both_ways():
    for spec in (raw_serde(), string_serde()):
        with pytest.raises(PlanError):
            decoder_for(spec, CLICKS, ["user"])
        with pytest.raises(PlanError):
            encoder_for(spec, CLICKS)
