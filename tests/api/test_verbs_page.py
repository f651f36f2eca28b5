"""The page of verbs lists what the code has, and nothing else."""

import re
from pathlib import Path

from streamframe.api import serdes
from streamframe.api.aggregations import FUNCTIONS
from streamframe.api.frame import Aggregated, Frame, Grouped, WindowAggregated, Windowed

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "verbs.md").read_text(encoding="utf-8")


def first_column(heading):
    """Names in the first column of the tables below a heading that matches."""
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    return {
        name for text in sections if re.match(heading, text) for name in re.findall(r"^\| `(\w+)`", text, re.MULTILINE)
    }


def public(*classes):
    return {name for kind in classes for name in vars(kind) if not name.startswith("_")}


def test_every_verb_is_on_the_page_and_no_other():
    assert first_column("Frame|Grouped") == public(Frame, Grouped, Windowed, Aggregated, WindowAggregated)


def test_every_aggregation_is_on_the_page_and_no_other():
    assert first_column("Aggregations") == set(FUNCTIONS)


def test_every_serde_is_on_the_page_and_no_other():
    assert set(re.findall(r"`sf\.(\w+)\(\)`", PAGE)) == set(serdes.__all__)
