"""``frame.head(n)``: a few real rows, without a group and without committing anything."""

from __future__ import annotations

import logging
from typing import Final

import pandas as pd

from streamframe.core.batch import RecordBatch
from streamframe.core.errors import PlanError, TopologyMismatch
from streamframe.core.ids import TopicPartition
from streamframe.core.settings import Settings
from streamframe.kafka.admin import TopicAdmin
from streamframe.kafka.client_log import ClientLog
from streamframe.kafka.reading import read_first
from streamframe.operators.program import Program, TaskContext
from streamframe.plan.compile import compile_plan
from streamframe.plan.nodes import Aggregate, BatchSink, Late, Node, Plan
from streamframe.plan.topology import Topology

STEP: Final = "head"
RECORDS_PER_ROW: Final = 50
"""Records read at most per row asked for: filters may drop most of them."""

_LOGGER: Final = logging.getLogger("streamframe.kafka.head")
# Who calls this in a notebook has no logging set up; Python would write the client's lines to stderr then, although the
# error that is raised says the same. With logging set up, they go where everything goes.
_LOGGER.addHandler(logging.NullHandler())


def read_head(application: str, settings: Settings, node: Node, count: int) -> pd.DataFrame:
    """Return the first rows that leave ``node``, as they come from the beginning of its topics.

    Raises:
        PlanError: The rows come from an aggregate: they exist only while the program runs.
        TopologyMismatch: A topic does not exist.
        Unavailable: The broker does not answer.
    """
    if _aggregated(node):
        raise PlanError(
            "head reads records through stateless steps; this frame comes from an aggregate",
            hint="run the program under streamframe.testing.TopologyTest, or look with `streamframe state scan`",
            frame=node.name,
        )
    frames: list[pd.DataFrame] = []
    sink = BatchSink(name=STEP, schema=node.schema, input=node, function=lambda frame, _batch_id: frames.append(frame))
    topology = compile_plan(Plan(application=application, sinks=(sink,)))
    admin = TopicAdmin(settings.kafka, ClientLog(_LOGGER))
    admin.connect()
    for source in topology.sources:
        facts = admin.describe([source.topic]).get(source.topic)
        if facts is None:
            raise TopologyMismatch("source topic does not exist", topic=source.topic)
        for partition in range(facts.partition_count):
            place = TopicPartition(source.topic, partition)
            for batch in read_first(settings.kafka, place, admin.bounds([place])[place], count * RECORDS_PER_ROW):
                frames += _through(topology, place, batch, facts.partition_count)
                if sum(map(len, frames)) >= count:
                    return pd.concat(frames, ignore_index=True).head(count)
    return pd.concat(frames, ignore_index=True).head(count) if frames else _nothing(node)


def _aggregated(node: Node) -> bool:
    return isinstance(node, Aggregate | Late) or any(map(_aggregated, node.inputs))


def _through(topology: Topology, place: TopicPartition, batch: RecordBatch, count: int) -> list[pd.DataFrame]:
    from streamframe.state.memory import MemoryStore

    sub = next(sub for sub in topology.sub_topologies if place.topic in sub.topics)
    context = TaskContext(
        topology=topology,
        sub_topology=sub,
        partition=place.partition,
        partition_counts={source.topic: count for source in topology.sources},
        task_counts={each.id: count for each in topology.sub_topologies},
        full_projection=True,
    )
    program = Program(context, {store.name: MemoryStore() for store in sub.stores}, {})
    program.process(batch, now=0)
    return [delivery.frame for delivery in program.seal(now=0).deliveries]


def _nothing(node: Node) -> pd.DataFrame:
    from streamframe.serde.pandas_frames import empty_frame

    return empty_frame(node.schema)
