"""Charts are XML, say in words what they show, and do not break on nothing."""

from xml.etree import ElementTree

import pytest

from streamframe.observe.charts import Line, level_bar, line_chart, stacked_bar


@pytest.mark.parametrize("values", [[], [None, None], [0.0], [1, None, 3], [5, 1_000_000]])
def test_a_line_chart_is_xml_and_says_the_last_value_that_is_known(values):
    drawn = line_chart("Throughput", "/s", [Line(name="<in>", values=values)], 60)
    ElementTree.fromstring(drawn)
    last = {0: "–", 1: "0/s", 3: "3/s"}.get(len(values), "–" if None in values else "1.0M/s")
    assert f"Throughput: &lt;in&gt; now {last}" in drawn


def test_a_gap_in_the_values_is_a_gap_in_the_line():
    drawn = line_chart("t", "", [Line(name="x", values=[1, None, 3, 4])], 60)
    (line,) = [path for path in ElementTree.fromstring(drawn).iter("path") if path.get("class") == "line line0"][-1:]
    assert line.get("d", "").count("M") == 2


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (0.25, "250 ms"), (2.5, "2.5 s"), (1200, "1,200 s")])
def test_seconds_are_written_as_people_write_them(value, text):
    assert f"now {text}" in line_chart("t", "s", [Line(name="x", values=[value])], 60)


def test_a_stacked_bar_says_every_share():
    drawn = stacked_bar("Time", {"process": 0.75, "idle": 0.25})
    ElementTree.fromstring(drawn)
    assert 'aria-label="Time: process 75%, idle 25%"' in drawn


@pytest.mark.parametrize(("share", "width"), [(-1, "0.0"), (0.5, "50.0"), (7, "100.0")])
def test_a_level_stays_within_its_track(share, width):
    assert f'class="share" width="{width}"' in level_bar(share, "x")
