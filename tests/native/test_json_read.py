"""The native reader of JSON gives the verdict of the pure one: same rows, same values, same errors, word for word."""

import random

import pyarrow as pa
import pytest

from streamframe.serde.json_decode import JsonDecoder
from streamframe.serde.json_native import NativeJsonDecoder, json_decoder
from tests.native.json_mutations import SCHEMA, batches, corpus, difference, odd_records


def test_every_odd_value_of_every_field_has_one_verdict():
    assert difference(list(odd_records()), SCHEMA.names) == ""


def test_fields_that_are_not_in_use_have_one_verdict():
    assert difference(list(odd_records()), ["needed"]) == ""


def test_the_corpus_has_one_verdict_for_each_record():
    kept = corpus()
    assert len(kept) > 100
    assert difference(list(kept), SCHEMA.names) == ""


@pytest.mark.parametrize("seed", [7, 11, 3179989424, 3515774235, 2756997479])
def test_mutated_records_have_one_verdict(seed):
    rng = random.Random(seed)
    for values, _ in zip(batches(seed, 500), range(4), strict=False):
        assert difference(values, rng.sample(SCHEMA.names, rng.randrange(1, len(SCHEMA)))) == ""


def test_the_native_reader_decides_most_good_records_itself():
    decoder = json_decoder(SCHEMA, SCHEMA.names)
    assert isinstance(decoder, NativeJsonDecoder)
    good = b'{"s":"x\\n\\u00e9","i":-1,"f":1.5e3,"b":true,"t":"2026-01-31T12:34:56.789Z","other":[{}],"needed":1}'
    _, unsure, nulls = decoder._reader.read([good, None, b"{"])
    assert (unsure, nulls) == ([2], [1])


def test_rows_left_to_the_pure_decoder_come_back_in_their_places():
    decoder = json_decoder(SCHEMA, ["i", "s"])
    repeated = b'{"needed":1,"i":1,"i":2,"s":"b"}'
    decoded = decoder.decode([b'{"needed":1,"i":1,"s":"a"}', repeated, b"x", None, b'{"needed":1,"i":3}', repeated])
    assert decoded.columns["i"].to_pylist() == [1, 2, 3, 2]
    assert decoded.columns["s"].to_pylist() == ["a", "b", None, "b"]
    assert decoded.rows is not None
    assert decoded.rows.tolist() == [0, 1, 4, 5]
    assert [error.row for error in decoded.errors] == [2]


def test_types_that_it_does_not_know_are_read_by_the_pure_decoder():
    schema = pa.schema([("x", pa.large_list(pa.int64())), ("y", pa.int64())])
    assert isinstance(json_decoder(schema, ["x", "y"]), JsonDecoder)
    assert isinstance(json_decoder(schema, ["y"]), NativeJsonDecoder)
