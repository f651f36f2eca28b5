"""How many partitions and tasks."""

from dataclasses import replace

import pytest

from streamframe.core.errors import TopologyMismatch
from streamframe.engine.sizing import size_topology
from tests.engine.worlds import CLICKS, topology


def test_a_part_has_as_many_tasks_as_its_topic_has_partitions() -> None:
    sizes = size_topology(topology(), {"clicks": 3})

    assert sizes.partition_counts == {"clicks": 3}
    assert sizes.task_counts == {0: 3}
    assert sizes.tasks == 3


def test_a_missing_topic_is_named_with_a_hint() -> None:
    with pytest.raises(TopologyMismatch, match="does not exist") as caught:
        size_topology(topology(), {})

    assert "clicks" in str(caught.value)
    assert "hint:" in str(caught.value)


def test_topics_grouped_together_need_equal_partition_counts() -> None:
    found = topology()
    second = replace(CLICKS, name="views", topic="views")
    sub = replace(found.sub_topologies[0], sources=(CLICKS, second))
    united = replace(found, sub_topologies=(sub,))

    with pytest.raises(TopologyMismatch, match="different partition counts"):
        size_topology(united, {"clicks": 2, "views": 3})

    assert size_topology(united, {"clicks": 2, "views": 2}).task_counts == {0: 2}
