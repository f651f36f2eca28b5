"""A topology for people and for programs: text, a mermaid diagram, JSON.

The texts are tested against golden files: equal programs give equal texts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Literal, get_args

from streamframe.core.errors import PlanError
from streamframe.core.suggest import did_you_mean
from streamframe.plan.hints import hints
from streamframe.plan.mermaid import mermaid
from streamframe.plan.nodes import Source, TopicSink
from streamframe.plan.signature import partition_text
from streamframe.plan.stage_words import facts, verb
from streamframe.plan.topology import Edge, Role, Stage, SubTopology, Topology

Format = Literal["text", "mermaid", "json"]


def describe(topology: Topology, format: Format = "text") -> str:  # noqa: A002 - the word of the command line
    """Return a description of a topology.

    Args:
        topology: The compiled program.
        format: ``"text"``, ``"mermaid"`` (a flowchart) or ``"json"``.

    Raises:
        PlanError: The format is unknown.
    """
    match format:
        case "text":
            return "\n".join(_text(topology)) + "\n"
        case "mermaid":
            return mermaid(topology)
        case "json":
            return json.dumps(outline(topology), indent=2, ensure_ascii=False) + "\n"
    raise PlanError("unknown format", hint=did_you_mean(str(format), get_args(Format)), format=format)


# --- text -----------------------------------------------------------------------------------------


def _text(topology: Topology) -> Iterator[str]:
    yield f"topology {topology.application}"
    for sub in topology.sub_topologies:
        yield ""
        yield f"sub-topology {sub.id} reads {', '.join(sub.topics)}"
        yield from _stages(sub)
        for store in sub.stores:
            stage = next(stage for stage in sub.stages if stage.store == store.name)
            yield f"  store {store.name}: changelog {store.changelog}, partitioned by {partition_text(sub, stage)}"
    yield ""
    if topology.sink_topics:
        yield f"writes {', '.join(topology.sink_topics)}"
    internal = [*(repartition.topic for repartition in topology.repartitions), *topology.changelogs]
    if internal:
        yield f"internal topics {', '.join(internal)}"
    if topology.plan.dead_letters is not None:
        yield f"dead letters {topology.plan.dead_letters}"
    yield f"fingerprint {topology.fingerprint[:16]}"
    if any(stage.node.generated for sub in topology.sub_topologies for stage in sub.stages):
        yield "* name generated from inputs and verb"
    for hint in hints(topology):
        yield f"hint: {hint}"


def _stages(sub: SubTopology) -> Iterator[str]:
    names = [_marked(stage) for stage in sub.stages]
    verbs = [verb(stage) for stage in sub.stages]
    name_width, verb_width = max(map(len, names)), max(map(len, verbs))
    number_width = len(str(len(sub.stages) - 1))
    for stage, name, word in zip(sub.stages, names, verbs, strict=True):
        line = f"  {stage.index:>{number_width}} {word:<{verb_width}}  {name:<{name_width}}"
        origin = _upstream(stage)
        details = [*([origin] if origin else []), *facts(stage), *_reads(stage)]
        yield f"{line}  {'; '.join(details)}".rstrip()


def _marked(stage: Stage) -> str:
    return f"{stage.node.name}*" if stage.node.generated else stage.node.name


def _upstream(stage: Stage) -> str:
    """Where the rows come from; unsaid when it is the line above."""
    if stage.upstream in ((), (Edge(stage.index - 1),)):
        return ""
    return "<- " + ", ".join(f"{edge.stage}{' late' if edge.port == 'late' else ''}" for edge in stage.upstream)


def _reads(stage: Stage) -> list[str]:
    if stage.role is not Role.SOURCE:
        return []
    unread = [name for name in stage.node.schema.names if name not in stage.columns]
    read = f"decodes {', '.join(stage.columns) or 'nothing'}"
    return [f"{read} (not {', '.join(unread)})" if unread else read]


# --- JSON -----------------------------------------------------------------------------------------


def outline(topology: Topology) -> dict[str, object]:
    """Return a topology as plain lists and mappings."""
    return {
        "application": topology.application,
        "fingerprint": topology.fingerprint,
        "dead_letters": topology.plan.dead_letters,
        "sources": [source.topic for source in topology.sources],
        "sinks": list(topology.sink_topics),
        "changelogs": list(topology.changelogs),
        "repartitions": [
            {
                "topic": repartition.topic,
                "step": repartition.aggregate.name,
                "keys": list(repartition.aggregate.keys),
                "partials": repartition.partials,
                "columns": list(repartition.columns),
                "senders": list(repartition.senders),
                "receiver": repartition.receiver,
            }
            for repartition in topology.repartitions
        ],
        "sub_topologies": [_outline_of_part(sub) for sub in topology.sub_topologies],
        "hints": hints(topology),
    }


def _outline_of_part(sub: SubTopology) -> dict[str, object]:
    return {
        "id": sub.id,
        "depth": sub.depth,
        "topics": list(sub.topics),
        "stores": [
            {"name": store.name, "changelog": store.changelog, "windowed": store.windowed} for store in sub.stores
        ],
        "stages": [_outline_of_stage(stage) for stage in sub.stages],
    }


def _outline_of_stage(stage: Stage) -> dict[str, object]:
    return {
        "index": stage.index,
        "verb": verb(stage),
        "name": stage.node.name,
        "generated": stage.node.generated,
        "upstream": [{"stage": edge.stage, "port": edge.port} for edge in stage.upstream],
        "columns": list(stage.columns),
        "facts": facts(stage),
        "schema": {field.name: str(field.type) for field in stage.node.schema},
        "topic": stage.node.topic if isinstance(stage.node, Source | TopicSink) else None,
        "store": stage.store,
    }
