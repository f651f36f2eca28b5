"""``App``: one program."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from streamframe.api.builder import PlanBuilder
from streamframe.api.frame import Frame
from streamframe.core.errors import ConfigError
from streamframe.core.metric_catalogue import LATENCY_EDGES
from streamframe.core.serde_spec import SerdeSpec
from streamframe.core.settings import Guarantee, Settings
from streamframe.core.sizes import parse_bytes
from streamframe.core.time import Duration, parse_duration
from streamframe.core.user_metrics import Counter, Gauge, Histogram, UserMetrics
from streamframe.plan.compile import compile_plan
from streamframe.plan.nodes import Node, OffsetReset, OnError, Plan
from streamframe.plan.topology import Topology
from streamframe.serde.registry import json_serde


class App:
    """A streaming program: topics in, frames, topics out.

    Making an app touches nothing outside: the broker is first spoken to by ``run``.

    Args:
        name: Application id. It is the consumer group, the prefix of internal topics and the name of
            the state directory: two programs with one name are two workers of the same application.
        brokers: Broker addresses, ``host:port[,host:port]``.
        guarantee: ``"exactly_once"`` or ``"at_least_once"``.
        commit_interval: How often inputs, outputs and state are made to count together.
        state_dir: Directory of local state; default: ``~/.local/state/streamframe`` (``$XDG_STATE_HOME``).
        state_memory: Memory that the tables of one worker may hold, ``"1GB"``.
        dead_letters: Topic for records that are set aside. Without it a bad record stops the program.
        client: Further librdkafka properties, for example security settings.

    Example:
        ::

            import streamframe as sf

            app = sf.App("clicks")
            clicks = app.topic("clicks", schema={"user": "string", "ts": "timestamp[ms]"}, event_time="ts")
            clicks.groupby("user").window(sf.tumbling("1min")).agg(n="size").to_topic("counts")

            if __name__ == "__main__":
                app.run()

    Raises:
        ConfigError: An argument has no meaning.
        PlanError: ``name`` cannot be the beginning of a topic name.
    """

    def __init__(  # noqa: PLR0913 - each is a keyword of its own in a program, and reads like one
        self,
        name: str,
        *,
        brokers: str | None = None,
        guarantee: Guarantee | None = None,
        commit_interval: Duration | None = None,
        state_dir: str | Path | None = None,
        state_memory: str | int | None = None,
        dead_letters: str | None = None,
        client: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.metrics = UserMetrics()
        self._builder = PlanBuilder(name, dead_letters=dead_letters)
        self._builder.declarations.read_head = self._read_head
        given: dict[str, object] = {
            "kafka.bootstrap": brokers,
            "kafka.client": dict(client) if client else None,
            "commit.guarantee": guarantee,
            "commit.interval": None if commit_interval is None else parse_duration(commit_interval),
            "state.directory": None if state_dir is None else str(state_dir),
            "state.memory": None if state_memory is None else parse_bytes(state_memory),
        }
        self.settings_overrides: Mapping[str, object] = {k: v for k, v in given.items() if v is not None}
        _check_guarantee(guarantee)

    # -- the program -------------------------------------------------------------------------------

    def topic(  # noqa: PLR0913 - as above
        self,
        name: str,
        schema: Any = None,
        *,
        event_time: str | None = None,
        key: str | list[str] | tuple[str, ...] | None = None,
        value: SerdeSpec | None = None,
        on_error: OnError | None = None,
        max_ahead: Duration | None = None,
        idle_timeout: Duration | None = None,
        offset_reset: OffsetReset = "earliest",
    ) -> Frame:
        """Return the rows of a topic as a frame.

        Args:
            name: Topic name; it must exist when the program runs.
            schema: Columns and types: a mapping (``{"user": "string"}``), a dataclass, ``msgspec.Struct``,
                pydantic model, ``pyarrow.Schema`` or ``faust.Record``.
            event_time: Column with the time of the event; default: the record timestamp.
            key: Column(s) whose encoding is the message key. Promise it when it is so: grouping by the
                key then needs no repartition topic.
            value: How record values are decoded: ``sf.json()`` (default), ``sf.raw()``, ``sf.string()``.
            on_error: ``"fail"``, ``"skip"`` or ``"dead_letter"`` for records that cannot be decoded or
                have no event time. Default: dead letters when the app has a topic for them, else fail.
            max_ahead: Rows further ahead of the wall clock than this are errors.
            idle_timeout: A partition silent for so long no longer holds windows open.
            offset_reset: Where to begin when nothing was committed yet.

        Raises:
            PlanError: The schema or one of the names is wrong.
        """
        return self._builder.topic(
            name,
            schema,
            event_time=event_time,
            key=key,
            value=value or json_serde(),
            on_error=on_error,
            max_ahead=max_ahead,
            idle_timeout=idle_timeout,
            offset_reset=offset_reset,
        )

    # -- its own metrics ---------------------------------------------------------------------------

    def counter(self, name: str, meaning: str, *, labels: Sequence[str] = ()) -> Counter:
        """Declare a counter of the program's own, to be used inside its functions.

        It is exposed as ``streamframe_user_<name>_total`` by the worker that runs the function. It counts work: what is
        rolled back is read, and counted, again.

        Args:
            name: Lower case; with its unit at the end, where it has one (``bytes``, ``seconds``).
            meaning: One sentence for people.
            labels: Names of labels. At most 100 combinations of values are kept apart; the rest is ``other``.

        Raises:
            PlanError: The name or a label cannot be one, or is declared already.

        Example:
            ::

                refunds = app.counter("refunds", "Orders with a negative amount.", labels=("currency",))

                def noted(df):
                    for currency, count in df[df["amount"] < 0]["currency"].value_counts().items():
                        refunds.add(count, currency=currency)
                    return df

                orders.map_batches(noted)
        """
        return self.metrics.counter(name, meaning, labels=labels)

    def gauge(self, name: str, meaning: str, *, labels: Sequence[str] = ()) -> Gauge:
        """Declare a gauge, a number that goes up and down: ``streamframe_user_<name>``.

        Arguments and errors as ``counter``.
        """
        return self.metrics.gauge(name, meaning, labels=labels)

    def histogram(
        self, name: str, meaning: str, *, labels: Sequence[str] = (), buckets: Sequence[float] = LATENCY_EDGES
    ) -> Histogram:
        """Declare a histogram, the distribution of a number: ``streamframe_user_<name>``.

        Its ``observe`` takes a whole column at once.

        Args:
            name: As ``counter``.
            meaning: As ``counter``.
            labels: As ``counter``.
            buckets: Upper bounds; by default those of latencies in seconds.

        Raises:
            PlanError: As ``counter``, or the buckets do not rise.
        """
        return self.metrics.histogram(name, meaning, labels=labels, buckets=buckets)

    def plan(self) -> Plan:
        """Return the program as frozen data: every sink declared so far."""
        return self._builder.plan()

    def topology(self) -> Topology:
        """Return the compiled program.

        Raises:
            PlanError: The program is wrong.
        """
        return compile_plan(self.plan())

    def describe(self, format: Literal["text", "mermaid", "json"] = "text") -> str:  # noqa: A002
        """Return the plan as text, as a mermaid diagram, or as JSON."""
        from streamframe.plan.explain import describe

        return describe(self.topology(), format)

    def _repr_markdown_(self) -> str:
        """Draw the plan in a notebook."""
        return f"```mermaid\n{self.describe('mermaid')}\n```"

    # -- running -----------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """The defaults with what this program sets; files, environment and command line come on top."""
        return apply_overrides(Settings(), self.settings_overrides)

    def run(
        self,
        until: Literal["now"] | None = None,
        *,
        workers: int = 1,
        flush: bool = False,
        settings: Settings | None = None,
    ) -> None:
        """Run the program until it is stopped, or, with ``until="now"``, to the present end of its topics.

        With one worker it runs in this process; with several, each is a process of its own under a
        supervisor that restarts it when it dies. SIGTERM and Ctrl-C stop it gracefully.

        Args:
            until: ``"now"`` for a bounded run: it ends once everything that was in the topics at the
                start has been processed and counts.
            workers: Number of worker processes, one per core.
            flush: At the end of a bounded run close all windows instead of leaving them open.
            settings: All settings at once, instead of those of the app.

        Raises:
            StreamFrameError: Whatever ended the program; see ``docs/errors.md``.
        """
        # Imported here: the adapters are heavy, and describing a program needs none of them.
        from streamframe.app import running

        if until not in (None, "now"):
            raise ConfigError("unknown end of a run", hint="until=None or until='now'", until=until)
        bounded = flush if until == "now" else None
        effective = settings or self.settings
        if workers == 1:
            running.run_here(running.job_of(self.topology(), self.metrics), effective, bounded=bounded)
        else:
            running.run_spawned(_main_file(), self.name, effective, workers=workers, bounded=bounded)

    def _read_head(self, node: Node, count: int) -> pd.DataFrame:
        from streamframe.app.head import read_head

        return read_head(self.name, self.settings, node, count)


def apply_overrides(settings: Settings, overrides: Mapping[str, object]) -> Settings:
    """Return settings with some fields replaced; names are ``group.field``."""
    groups: dict[str, Any] = {}
    for name, value in overrides.items():
        group, _, field = name.partition(".")
        groups[group] = replace(groups.get(group, getattr(settings, group)), **{field: value})
    return replace(settings, **groups)


def _check_guarantee(guarantee: str | None) -> None:
    if guarantee not in (None, "exactly_once", "at_least_once"):
        raise ConfigError("unknown guarantee", hint='guarantee="exactly_once" or "at_least_once"', guarantee=guarantee)


def _main_file() -> str:
    path = getattr(sys.modules["__main__"], "__file__", None)
    if path is None:
        raise ConfigError(
            "several workers need a program file",
            hint="save the program and start it with `streamframe run FILE --workers N`, or use workers=1",
        )
    return str(path)
