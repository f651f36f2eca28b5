"""Rows for people and for programs."""

import json

from streamframe.cli.tables import print_table, table_lines


def test_numbers_are_on_the_right_and_what_is_not_known_is_a_dash():
    rows = [{"name": "a", "n": 1_000, "x": None, "ok": True}, {"name": "long", "n": 2, "x": 1.25, "ok": False}]
    assert table_lines(rows) == ["name      n    x  ok", "a     1,000    -  yes", "long      2  1.2  no"]


def test_nothing_is_no_line():
    assert table_lines([]) == []


def test_json_is_an_object_a_line(capsys):
    print_table([{"a": 1}, {"a": None}], form="json")
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [{"a": 1}, {"a": None}]
