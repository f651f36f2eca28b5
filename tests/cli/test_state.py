"""Rows of a store as they are printed."""

import json

import pytest

from streamframe.cli.main import main
from streamframe.cli.state import print_rows

ROWS = [{"user": "ann", "n": 12, "last": None}, {"user": "b", "n": 3, "last": "x"}]


def test_rows_are_aligned_under_their_names(capsys):
    assert print_rows(ROWS, form="text") == 2
    assert capsys.readouterr().out == "user  n   last\nann   12\nb     3   x\n"


def test_json_is_one_object_a_line(capsys):
    assert print_rows(iter(ROWS), form="json") == 2
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == ROWS


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_rows_print_nothing(capsys, form):
    assert print_rows([], form=form) == 0
    assert capsys.readouterr().out == ""


def test_a_key_without_a_value_is_told_before_anything_is_read(capsys):
    assert main(["state", "get", "nowhere.py", "totals", "ann"]) == 4
    assert "error: a key is written COLUMN=VALUE" in capsys.readouterr().err
