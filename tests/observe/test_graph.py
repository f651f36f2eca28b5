"""The drawing of a plan: topics between steps, layers from the left to the right, how much each is used."""

from xml.etree import ElementTree

from streamframe.observe.graph import Arrow, Load, draw, layers, nodes_of
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
    drawing = ElementTree.fromstring(draw(PLAN, Load(busy={"totals": 0.9, "clicks": 0.01})))
    boxes = [each for each in drawing.findall(".//rect") if each.get("class") == "box"]
    assert len(boxes) == 8
    assert len({(box.get("x"), box.get("y")) for box in boxes}) == 8


def test_a_busy_step_is_darker_and_says_so_in_words():
    drawing = draw(PLAN, Load(busy={"totals": 0.9}))
    assert 'class="step busy4"><title>totals: aggregate, busy 90%' in drawing
    assert 'class="step busy0"><title>clicks: source, busy 0%' in drawing


def test_back_pressure_shows_at_the_topics():
    drawing = draw(PLAN, Load(behind={"clicks": ("7k behind, 90 s", 4)}, waiting=0.45))
    assert 'class="topic busy4"><title>clicks: topic, 7k behind, 90 s' in drawing
    assert 'class="topic busy3"><title>counts: topic, waiting 45%' in drawing


def test_an_edge_says_how_many_rows_go_along_it():
    drawing = draw(PLAN, Load(rows={(0, 0): {"rows": 1_200.0}, (1, 1): {"rows": 3.0, "late": 0.5}}))
    assert ">1.2k/s</text>" in drawing
    assert ">0.5/s</text>" in drawing
    assert ">3/s</text>" not in drawing


def test_names_are_escaped():
    source = {"index": 0, "verb": "source", "name": "<b>&", "topic": "<t>", "upstream": [], "facts": ["<i>"]}
    plan = {"repartitions": [], "sub_topologies": [{"id": 0, "stages": [source]}]}
    drawing = draw(plan, Load())
    assert not [tag for tag in ("<b>", "<t>", "<i>") if tag in drawing]
