"""Every public name of a pandas DataFrame is either a verb of ours or an error with an alternative."""

import pandas as pd
import pytest

from streamframe.api.frame import Frame, Grouped, Windowed
from streamframe.api.unsupported import GROUP_HINTS, HINTS, UnsupportedVerb
from streamframe.api.windows import tumbling
from streamframe.core.errors import PlanError
from tests.api.programs import clicks

PANDAS = sorted(name for name in dir(pd.DataFrame) if not name.startswith("_") and name not in dir(Frame))


@pytest.mark.parametrize("verb", PANDAS)
def test_a_verb_of_pandas_that_a_stream_cannot_have_names_the_alternative(verb):
    with pytest.raises(UnsupportedVerb) as caught:
        getattr(clicks(), verb)

    assert caught.value.hint
    assert "{" not in caught.value.hint.replace("{...}", "")
    assert caught.value.facts == {"verb": verb, "on": "Frame"}


def test_no_hint_is_for_a_verb_that_exists():
    assert set(HINTS) & (set(dir(Frame)) - {"head"}) == set()
    assert set(GROUP_HINTS) & (set(dir(Grouped)) | set(dir(Windowed))) == set()


def test_a_misspelt_verb_is_an_attribute_error_with_the_nearest_one():
    with pytest.raises(AttributeError, match="did you mean 'query'") as caught:
        _ = clicks().qurey

    assert not isinstance(caught.value, PlanError)


def test_a_private_name_is_a_plain_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute '_private'"):
        _ = clicks()._private


@pytest.mark.parametrize(
    ("verb", "hint"),
    [
        ("sum", "agg(out=('column', 'sum'))"),
        ("size", "agg(n='size')"),
        ("apply", "sf.Aggregate"),
        ("cumsum", "aggregate first"),
        ("to_topic", "aggregate first"),
        ("sort_values", "aggregate first"),
    ],
)
def test_groups_say_that_an_aggregate_is_next(verb, hint):
    grouped = clicks().groupby("user")

    for groups in (grouped, grouped.window(tumbling("1min"))):
        with pytest.raises(UnsupportedVerb) as caught:
            getattr(groups, verb)
        assert hint in str(caught.value)


def test_a_misspelt_verb_of_groups_is_an_attribute_error():
    with pytest.raises(AttributeError, match="did you mean 'window'"):
        _ = clicks().groupby("user").windw
    with pytest.raises(AttributeError, match="did you mean 'agg'"):
        _ = clicks().groupby("user").window(tumbling(1)).aggg


def test_a_column_as_an_attribute_says_where_columns_are():
    with pytest.raises(UnsupportedVerb) as caught:
        _ = clicks().amount

    assert "filter(lambda df: df['amount'] > 0)" in str(caught.value)
    assert not hasattr(clicks(), "amount")
