"""Trying user functions before anything runs."""

import pandas as pd
import pyarrow as pa
import pytest

from streamframe.api.dry_run import check_on_samples, sample_frame, schema_of_result, tried, type_of_column
from streamframe.core.errors import PlanError
from streamframe.core.schema import normalise_schema
from streamframe.serde.pandas_frames import empty_frame

SCHEMA = normalise_schema({"user": "string", "amount": "float64"})
EVERYTHING = normalise_schema(
    {
        "i": "int32 not null",
        "u": "uint64",
        "f": "float32",
        "b": "bool",
        "s": "string",
        "y": "binary",
        "d": "date",
        "t": "timestamp[us]",
        "z": "timestamp[ms, UTC]",
        "p": "duration[ms]",
        "m": "decimal128(18, 2)",
        "l": "list<int64>",
        "r": "struct<lat: float64, name: string>",
    }
)


def test_samples_exist_for_every_type_and_look_like_a_batch():
    sample = sample_frame(EVERYTHING, repeat=2)

    assert sample is not None
    assert len(sample) == 4
    assert sample.dtypes.equals(empty_frame(EVERYTHING).dtypes)
    assert not sample.isna().any().any()


def test_a_type_without_samples_has_no_sample_frame():
    assert sample_frame(pa.schema([("m", pa.map_(pa.large_string(), pa.int64()))])) is None
    assert sample_frame(pa.schema([("r", pa.struct([("m", pa.map_(pa.large_string(), pa.int64()))]))])) is None


def test_a_plan_error_of_a_function_passes_unchanged():
    def strict(df):
        raise PlanError("not like this")

    with pytest.raises(PlanError, match="not like this"):
        tried(strict, SCHEMA, step="s")


@pytest.mark.parametrize(
    "function",
    [
        lambda df: {"a": 1}["user"],
        lambda df: df["user"].nothing,
        lambda df: {1: 1}[3],
        lambda df: df.something_else_entirely,
    ],
)
def test_an_error_that_is_not_about_a_column_is_reported_as_it_is(function):
    with pytest.raises(PlanError, match="failed on an empty frame") as caught:
        tried(function, SCHEMA, step="s")

    assert str(caught.value.facts["error"]).startswith(("KeyError", "AttributeError"))


def test_a_function_that_works_with_rows_only_is_tried_on_sample_rows():
    limits = {"a": 1.0}
    trial = tried(lambda df: df["amount"] < df["user"].map(limits), SCHEMA, step="s")

    assert trial.rows == len(trial.frame()) == 2
    assert trial.result.dtype == bool


@pytest.mark.parametrize("separator", list(" /-_.,:;|=&?#@"))
def test_text_that_is_taken_apart_stays_text(separator):
    def part(df):
        return df["user"].str.split(separator).str[1]

    trial = tried(part, SCHEMA, step="s")
    assert type_of_column(part, trial, step="s", column="part") == pa.large_string()


def test_nothing_but_missing_values_of_unknown_type_are_no_numbers():
    def part(df):
        return df["user"].str.split("~").str[1]

    trial = tried(part, SCHEMA, step="s")
    with pytest.raises(PlanError, match="cannot be told"):
        type_of_column(part, trial, step="s", column="part")
    typed = tried(lambda df: part(df).astype("str"), SCHEMA, step="s")
    found = type_of_column(lambda df: part(df).astype("str"), typed, step="s", column="part")
    assert found == pa.large_string()


def test_text_that_is_looked_up_has_the_type_of_what_is_found():
    def limit(df):
        return df["user"].map({"nobody": 1.5})

    trial = tried(limit, SCHEMA, step="s")
    assert type_of_column(limit, trial, step="s", column="limit") == pa.float64()


def test_a_function_may_refuse_sample_values_but_not_their_types():
    def picky(df):
        raise ValueError("only real users")

    sample = sample_frame(SCHEMA)
    assert check_on_samples(picky, sample, step="s") is None
    assert check_on_samples(picky, None, step="s") is None
    with pytest.raises(PlanError, match="failed on sample rows"):
        check_on_samples(lambda df: df["user"] < df["amount"], sample, step="s")


def test_a_function_does_not_change_the_sample_of_the_next():
    sample = sample_frame(SCHEMA)
    assert sample is not None

    check_on_samples(lambda df: df.pop("user"), sample, step="s")

    assert list(sample.columns) == ["user", "amount"]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (pd.Series([1]), "must return a DataFrame"),
        (pd.DataFrame({1: [1]}), "named by a string"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns of one name"),
        (pd.DataFrame({"a": pd.Series([], dtype=object)}), "cannot be told"),
    ],
)
def test_a_result_that_is_no_typed_frame_is_refused(result, message):
    with pytest.raises(PlanError, match=message):
        schema_of_result(result, step="s")
