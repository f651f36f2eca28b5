"""A topology as a mermaid flowchart: topics are cylinders lying down, stages boxes, sub-topologies frames."""

from __future__ import annotations

from collections.abc import Iterator

from streamframe.plan.nodes import BatchSink, PrintSink, TopicSink
from streamframe.plan.stage_words import facts, verb
from streamframe.plan.topology import Role, Stage, SubTopology, Topology


def mermaid(topology: Topology) -> str:
    """Return the flowchart of a topology."""
    return "\n".join(_lines(topology)) + "\n"


def _lines(topology: Topology) -> Iterator[str]:
    topics = _topic_ids(topology)
    yield "flowchart LR"
    for topic, name in topics.items():
        yield f'  {name}[("{_escaped(topic)}")]'
    for sub in topology.sub_topologies:
        yield f'  subgraph s{sub.id}["sub-topology {sub.id}"]'
        for stage in sub.stages:
            yield f"    {_stage_id(sub, stage)}{_box(stage)}"
        for stage in sub.stages:
            for edge in stage.upstream:
                arrow = "-. late .->" if edge.port == "late" else "-->"
                yield f"    s{sub.id}_{edge.stage} {arrow} {_stage_id(sub, stage)}"
        yield "  end"
    for sub in topology.sub_topologies:
        for stage in sub.stages:
            yield from _topic_edges(sub, stage, topics)


def _topic_ids(topology: Topology) -> dict[str, str]:
    topics = [source.topic for source in topology.sources]
    topics += [repartition.topic for repartition in topology.repartitions]
    topics += topology.sink_topics
    return {topic: f"t{number}" for number, topic in enumerate(dict.fromkeys(topics))}


def _topic_edges(sub: SubTopology, stage: Stage, topics: dict[str, str]) -> Iterator[str]:
    name = _stage_id(sub, stage)
    match stage.role:
        case Role.SOURCE:
            yield f"  {topics[stage.node.name]} --> {name}"
        case Role.RECEIVE if stage.repartition is not None:
            yield f"  {topics[stage.repartition.topic]} ==> {name}"
        case Role.SEND if stage.repartition is not None:
            yield f"  {name} ==> {topics[stage.repartition.topic]}"
        case _ if isinstance(stage.node, TopicSink):
            yield f"  {name} --> {topics[stage.node.topic]}"
        case _:
            return


def _box(stage: Stage) -> str:
    text = _escaped(f"{verb(stage)} {stage.node.name}")
    details = facts(stage)
    if details and stage.role is not Role.SOURCE:
        text += f"<br/>{_escaped(details[0])}"
    if stage.store is not None:
        return f'[["{text}"]]'
    return f'(["{text}"])' if isinstance(stage.node, BatchSink | PrintSink) else f'["{text}"]'


def _stage_id(sub: SubTopology, stage: Stage) -> str:
    return f"s{sub.id}_{stage.index}"


def _escaped(text: str) -> str:
    """Mermaid reads HTML entities, and nothing else that is quoted, inside a label."""
    for character, entity in (("&", "&amp;"), ('"', "&quot;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, entity)
    return text
