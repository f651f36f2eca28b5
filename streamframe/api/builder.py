"""A program under construction: topics in, sinks out, and the plan that they make."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from streamframe.api.column_types import check_keys, names_of, some_micros
from streamframe.api.declarations import Declarations
from streamframe.api.frame import JSON, Frame
from streamframe.api.steps import check_event_time, check_on_error
from streamframe.core.errors import PlanError
from streamframe.core.schema import SchemaLike, normalise_schema
from streamframe.core.serde_spec import SerdeSpec
from streamframe.core.suggest import did_you_mean
from streamframe.core.time import Duration
from streamframe.plan.names import check_topic_name
from streamframe.plan.nodes import OffsetReset, OnError, Plan, Source
from streamframe.plan.rewrite import settle_emissions
from streamframe.plan.validate import check_plan
from streamframe.serde.registry import decoder_for, default_schema


class PlanBuilder:
    """Collects what a program declares.

    Args:
        application: Application id: consumer group and prefix of internal topics.
        dead_letters: Topic of records set aside, or ``None``.

    Raises:
        PlanError: A name is not a legal topic name.

    Attributes:
        declarations: The sinks and topics; the app sets ``declarations.read_head``.
    """

    def __init__(self, application: str, *, dead_letters: str | None = None) -> None:
        self.application = check_topic_name(application, what="the application id")
        if dead_letters is not None:
            check_topic_name(dead_letters, what="the name of the dead-letter topic")
        self.dead_letters = dead_letters
        self.declarations = Declarations()

    def topic(  # noqa: PLR0913 - each is a keyword of its own in a program, and reads like one
        self,
        name: str,
        schema: SchemaLike | None = None,
        *,
        event_time: str | None = None,
        key: str | Iterable[str] | None = None,
        value: SerdeSpec = JSON,
        on_error: OnError | None = None,
        max_ahead: Duration | None = None,
        idle_timeout: Duration | None = None,
        offset_reset: OffsetReset = "earliest",
    ) -> Frame:
        """Return the records of a topic as a frame.

        Declaring a topic again in the same way returns the same rows.

        Args:
            name: The topic.
            schema: Columns: a mapping ``{"user": "string"}``, a ``pa.Schema``, a dataclass, a
                ``msgspec.Struct``, a pydantic model or a ``faust.Record``. Optional for ``sf.raw()`` and
                ``sf.string()``.
            event_time: Timestamp column with the event time; ``None``: the record's own timestamp.
            key: Columns whose encoding is the message key, a promise by whoever writes the topic: rows with
                equal values are in one partition, and grouping by them needs no repartition topic.
            value: How bytes become columns: ``sf.json()``, ``sf.raw()``, ``sf.string()``.
            on_error: What to do with a record that cannot be decoded or has no event time: ``"fail"``,
                ``"skip"`` or ``"dead_letter"``. ``None``: ``"dead_letter"`` when the app has a dead-letter
                topic, else ``"fail"``.
            max_ahead: Rows further ahead of the wall clock than this are errors: one bad clock must not
                close every window. ``None``: no limit.
            idle_timeout: A partition without records for this long no longer holds windows open. It trades
                determinism for liveness; ``None``: never.
            offset_reset: Where to start without a committed offset: ``"earliest"`` or ``"latest"``.

        Raises:
            PlanError: The name is not legal, the schema is missing, a column does not exist or is of the
                wrong type, or the topic was declared in another way before.
        """
        check_topic_name(name, what="the name of a source topic")
        columns = _schema_of(schema, value, topic=name)
        keys = names_of(key)
        check_keys(keys, columns, step=name)
        if event_time is not None:
            check_event_time(event_time, columns, step=name)
        check_on_error(on_error, step=name)
        if offset_reset not in ("earliest", "latest"):
            raise PlanError(
                "unknown offset_reset",
                hint=did_you_mean(str(offset_reset), ("earliest", "latest")) or "'earliest' or 'latest'",
                topic=name,
                offset_reset=offset_reset,
            )
        source = Source(
            name=name,
            generated=False,
            topic=name,
            schema=columns,
            serde=value,
            event_time=event_time,
            key=keys,
            on_error=on_error,
            max_ahead=some_micros(max_ahead, argument="max_ahead", step=name),
            idle_timeout=some_micros(idle_timeout, argument="idle_timeout", step=name),
            offset_reset=offset_reset,
        )
        known = self.declarations.sources.setdefault(name, source)
        if not _equal(known, source):
            raise PlanError(
                "a topic is declared twice, in different ways",
                hint="declare it once and use the frame several times",
                topic=name,
            )
        return Frame(known, self.declarations)

    def plan(self) -> Plan:
        """Return what has been declared so far, checked.

        Raises:
            PlanError: The program as a whole is wrong; see ``streamframe.plan.validate``.
        """
        plan = settle_emissions(
            Plan(application=self.application, sinks=tuple(self.declarations.sinks), dead_letters=self.dead_letters)
        )
        check_plan(plan)
        return plan


def _schema_of(schema: SchemaLike | None, value: SerdeSpec, *, topic: str) -> pa.Schema:
    if not isinstance(value, SerdeSpec):
        raise PlanError("not a serde", hint="value=sf.json(), sf.raw() or sf.string()", topic=topic, value=value)
    if schema is None:
        schema = default_schema(value)
        if schema is None:
            raise PlanError(
                "a topic needs a schema",
                hint="schema={'user': 'string', 'amount': 'float64', 'ts': 'timestamp[ms]'}",
                topic=topic,
            )
    columns = normalise_schema(schema)
    try:
        decoder_for(value, columns, columns.names)
    except PlanError as error:
        error.facts.setdefault("topic", topic)
        raise
    return columns


def _equal(left: Source, right: Source) -> bool:
    """Whether two declarations say the same; nodes themselves compare by identity."""
    return all(getattr(left, name) == getattr(right, name) for name in Source.__dataclass_fields__)
