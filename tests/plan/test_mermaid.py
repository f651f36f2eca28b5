"""The flowchart of a topology."""

import re

import pytest

from streamframe.plan.compile import compile_plan
from streamframe.plan.mermaid import mermaid
from streamframe.plan.nodes import Filter
from tests.plan.described import everything, windows
from tests.plan.programs import COLUMNS, plan, source, to


@pytest.mark.parametrize("program", [windows, everything])
def test_every_arrow_joins_two_declared_boxes(program):
    text = mermaid(compile_plan(program()))

    declared = set(re.findall(r"^\s*([st]\d+(?:_\d+)?)[\[(]", text, re.MULTILINE))
    arrows = re.findall(r"^\s*(\w+) (?:-->|==>|-\. late \.->) (\w+)$", text, re.MULTILINE)
    assert len(arrows) > 5
    assert {end for arrow in arrows for end in arrow} <= declared


def test_quotes_and_comparisons_do_not_break_a_label():
    step = Filter(name="f", schema=COLUMNS, input=source(), predicate='page != "a" & amount < 1')

    assert "filter f<br/>page != &quot;a&quot; &amp; amount &lt; 1" in mermaid(compile_plan(plan(to(step))))
