"""The drawing of a plan: topics between steps, layers from the left to the right."""

from xml.etree import ElementTree

from streamframe.observe.graph import Arrow, draw, layers, nodes_of, sparkline
from tests.observe.fleets import PLAN


def test_a_repartition_topic_joins_the_parts_of_a_plan():
    boxes, arrows = nodes_of(PLAN)

    assert {box.key for box in boxes if box.kind == "topic"} == {
        "topic:clicks",
        "topic:shop-totals-repartition",
        "topic:counts",
    }
    assert Arrow("0:1", "topic:shop-totals-repartition") in arrows
    assert Arrow("topic:shop-totals-repartition", "1:0") in arrows
    assert Arrow("1:1", "1:2", late=True) in arrows


def test_every_arrow_points_to_the_right():
    boxes, arrows = nodes_of(PLAN)
    layer = layers(boxes, arrows)
    assert all(layer[arrow.source] < layer[arrow.target] for arrow in arrows)


def test_the_drawing_is_xml_and_no_two_boxes_lie_on_each_other():
    drawing = ElementTree.fromstring(draw(PLAN, {"totals": 0.9, "clicks": 0.01}))
    boxes = drawing.findall(".//rect")
    assert len(boxes) == 8
    assert len({(box.get("x"), box.get("y")) for box in boxes}) == 8


def test_a_busy_step_is_darker_and_says_so_in_words():
    drawing = draw(PLAN, {"totals": 0.9})
    assert 'class="step busy4"><title>totals: aggregate, busy 90%' in drawing
    assert 'class="step busy0"><title>clicks: source, busy 0%' in drawing


def test_names_are_escaped():
    plan = {"repartitions": [], "sub_topologies": [{"id": 0, "stages": [
        {"index": 0, "verb": "source", "name": "<b>&", "topic": "<t>", "upstream": []}]}]}  # fmt: skip
    assert "<b>" not in draw(plan, {})
    assert "<t>" not in draw(plan, {})


def test_a_chart_of_nothing_is_a_chart():
    ElementTree.fromstring(sparkline([], "records"))
    assert sparkline([0, 5, 10], "records").count("<rect") == 3
