"""What must hold of a whole plan before it is compiled; each violation is one error with a hint.

What concerns a single step (columns, types) is checked when the step is declared, in ``streamframe.api``.
"""

from __future__ import annotations

from collections.abc import Sequence

from streamframe.core.errors import PlanError
from streamframe.plan.graph import emitter, topological
from streamframe.plan.names import (
    TOPIC_NAME_LENGTH_MAX,
    changelog_topic,
    check_topic_name,
    is_legal_topic_name,
    repartition_topic,
)
from streamframe.plan.nodes import Aggregate, Node, Plan, Source, TopicSink


def check_plan(plan: Plan) -> None:
    """Raise the first thing that is wrong with a plan.

    Raises:
        PlanError: The plan writes nothing, two steps have one name, a topic is read and written, a name is
            not legal in Kafka, changes are aggregated.
    """
    check_topic_name(plan.application, what="the application id")
    if not plan.sinks:
        raise PlanError(
            "the program writes nothing",
            hint="end a frame with to_topic(...), for_each_batch(...) or print()",
            application=plan.application,
        )
    nodes = topological(plan.sinks)
    _check_sources(nodes)
    _check_names(nodes)
    _check_columns(nodes)
    _check_emissions(nodes)
    _check_topics(plan, nodes)


def _check_sources(nodes: Sequence[Node]) -> None:
    known: set[str] = set()
    for source in nodes:
        if isinstance(source, Source):
            check_topic_name(source.topic, what="the name of a source topic")
            if source.topic in known:
                raise PlanError(
                    "a topic is declared twice",
                    hint="declare it once and use the frame several times",
                    topic=source.topic,
                )
            known.add(source.topic)


def _check_names(nodes: Sequence[Node]) -> None:
    by_name: dict[str, Node] = {}
    for node in nodes:
        other = by_name.setdefault(node.name, node)
        if other is not node:
            generated = node.generated and other.generated
            raise PlanError(
                "two steps have the same generated name" if generated else "two steps have the same name",
                hint="give each step that keeps state a name of its own: name='...'",
                name=node.name,
                steps=f"{type(other).__name__} and {type(node).__name__}",
            )


def _check_columns(nodes: Sequence[Node]) -> None:
    for node in nodes:
        names = node.schema.names
        doubled = next((name for name in names if names.count(name) > 1), None)
        if doubled is not None:
            raise PlanError("a step has two columns of one name", step=node.name, column=doubled)


def _check_emissions(nodes: Sequence[Node]) -> None:
    for node in nodes:
        if isinstance(node, Aggregate):
            check_emission(node)


def check_emission(node: Aggregate) -> None:
    """Check that an aggregate can emit what it shall, from rows that may be added up.

    Raises:
        PlanError: Final results without a window, or an aggregate over changes.
    """
    if node.emit not in ("final", "changes"):
        raise PlanError("emit is 'final' or 'changes'", step=node.name, emit=node.emit)
    if node.emit == "final" and node.window is None:
        raise PlanError(
            "an aggregate without a window never has a final result",
            hint="leave emit out, or put .window(...) between groupby and agg",
            step=node.name,
        )
    changing = emitter(node.input)
    if changing is not None:
        raise PlanError(
            "an aggregate over changes would count every correction again",
            hint="aggregate the final results of a window (emit='final'), or the rows themselves",
            step=node.name,
            changes_of=changing.name,
        )


def _check_topics(plan: Plan, nodes: Sequence[Node]) -> None:
    read = {node.topic for node in nodes if isinstance(node, Source)}
    written = [(node.topic, node.name) for node in nodes if isinstance(node, TopicSink)]
    if plan.dead_letters is not None:
        written.append((plan.dead_letters, "dead letters"))
    for topic, step in written:
        check_topic_name(topic, what="the name of an output topic")
        if topic in read:
            raise PlanError(
                "the program writes to a topic that it reads, and would never come to an end",
                hint="write to another topic; to continue from it, use the frame itself",
                topic=topic,
                step=step,
            )
    if plan.dead_letters is not None and plan.dead_letters in {topic for topic, _ in written[:-1]}:
        raise PlanError(
            "the dead-letter topic is also an output",
            hint="dead letters keep their raw bytes: give them a topic of their own",
            topic=plan.dead_letters,
        )
    external = read | {topic for topic, _ in written}
    for node in nodes:
        if isinstance(node, Aggregate):
            _check_internal_topics(plan.application, node, external)


def _check_internal_topics(application: str, node: Aggregate, external: set[str]) -> None:
    for topic in (changelog_topic(application, node.name), repartition_topic(application, node.name)):
        if not is_legal_topic_name(topic):
            raise PlanError(
                "the name of a step does not make a legal topic name",
                hint="give the step a name=: letters, digits, '.', '_' and '-', "
                f"at most {TOPIC_NAME_LENGTH_MAX} with the application id and '-repartition'",
                step=node.name,
                topic=topic,
            )
        if topic in external:
            raise PlanError(
                "the program reads or writes an internal topic of its own",
                hint="give the step or the topic another name",
                step=node.name,
                topic=topic,
            )
