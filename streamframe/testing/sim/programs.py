"""The topologies under test, and what must come out of each.

Small, because thousands of runs count more than large ones: few columns, few keys, windows of seconds. Each
takes another way through the engine: own key or repartition, partial aggregates or rows, final or changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Protocol

import pandas as pd

from streamframe.api.custom_aggregates import Aggregate
from streamframe.api.windows import hopping, tumbling
from streamframe.app.application import App
from streamframe.plan.topology import Topology
from streamframe.testing.sim.batches import Batches, Ledger
from streamframe.testing.sim.conserved import Account, ClosedOnce, LateOnce
from streamframe.testing.sim.oracle import Aggregations, Stream, Windows, source, table, windowed
from streamframe.testing.sim.outputs import Changes, DeadLetters, Echo, FinalWindows, LateRows, Output
from streamframe.testing.sim.records import SCHEMA, Flavour, Input

SECOND: Final = 1_000_000
DEAD: Final = "dead"

AGGREGATIONS: Final[dict[str, Any]] = {
    "n": ("amount", "count"),
    "total": ("amount", "sum"),
    "low": ("amount", "min"),
    "high": ("amount", "max"),
    "first": ("amount", "first"),
    "last": ("amount", "last"),
}
RIGHT: Final[Aggregations] = {**AGGREGATIONS, "rows": ("amount", "size")}
TUMBLING: Final = Windows(size=10 * SECOND, every=10 * SECOND, grace=2 * SECOND)
HOPPING: Final = Windows(size=10 * SECOND, every=5 * SECOND, grace=2 * SECOND)


class Expect(Protocol):
    """Says what must come out."""

    def __call__(self, given: Input, ledger: Ledger, /, *, flush: bool) -> list[Output]:
        """Return the expectations of an input; ``flush``: all windows are closed in the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One topology.

    Attributes:
        build: Declares it; the ledger takes what its functions are given.
        expect: What must come out of an input.
        flavour: What input it takes.
        outputs: Topics that it writes, with their partitions.
        silence: Turns of a minute after which nothing is open any more, because inputs are idle.
    """

    build: Callable[[App, Ledger], None]
    expect: Expect
    outputs: Mapping[str, int]
    flavour: Flavour = field(default_factory=Flavour)
    silence: int = 0


def _keyed(app: App, ledger: Ledger) -> None:
    clicks = app.topic("clicks", SCHEMA, event_time="ts", key="user")
    clicks.select("id", "user").to_topic("echo")
    totals = clicks.groupby("user").window(tumbling("10s", grace="2s")).agg(**AGGREGATIONS, rows="size", name="totals")
    totals.to_topic("totals")
    totals.late.to_topic("late")


def _expect_keyed(given: Input, ledger: Ledger, *, flush: bool) -> list[Output]:
    answer = windowed(source(given, ["clicks"], flush=flush), ["user"], TUMBLING, RIGHT)
    return [
        Echo("echo", given, "clicks"),
        FinalWindows("totals", ["user"], answer, own_times=not flush),
        LateRows("late", answer),
        DeadLetters(DEAD, given),
    ]


def _hopping(app: App, ledger: Ledger) -> None:
    clicks = app.topic("clicks", SCHEMA, event_time="ts", key="user")
    windows = clicks.groupby("user").window(hopping("10s", "5s", grace="2s"))
    totals = windows.agg(**AGGREGATIONS, rows="size", name="totals")
    totals.to_topic("totals")
    totals.late.to_topic("late")


def _expect_hopping(given: Input, ledger: Ledger, *, flush: bool) -> list[Output]:
    answer = windowed(source(given, ["clicks"], flush=flush), ["user"], HOPPING, RIGHT)
    return [
        FinalWindows("totals", ["user"], answer, own_times=not flush),
        LateRows("late", answer),
        DeadLetters(DEAD, given),
    ]


def _partials(app: App, ledger: Ledger) -> None:
    clicks = app.topic("clicks", SCHEMA, event_time="ts")
    windows = clicks.groupby("page").window(tumbling("10s", grace="2s"))
    totals = windows.agg(**AGGREGATIONS, rows="size", name="totals")
    totals.to_topic("totals")
    totals.late.to_topic("late")


def _expect_repartitioned(given: Input, aggregations: Aggregations, *, flush: bool) -> list[Output]:
    answer = windowed(source(given, ["clicks"], flush=flush).repartitioned(), ["page"], TUMBLING, aggregations)
    return [
        FinalWindows("totals", ["page"], answer, own_times=False),
        LateRows("late", answer),
        DeadLetters(DEAD, given),
    ]


def _rows(app: App, ledger: Ledger) -> None:
    clicks = app.topic("clicks", SCHEMA, event_time=None)
    windows = clicks.groupby("page").window(tumbling("10s", grace="2s"))
    totals = windows.agg(**AGGREGATIONS, rows="size", users=("user", "nunique"), name="totals")
    totals.to_topic("totals")
    totals.late.to_topic("late")


def _table(app: App, ledger: Ledger) -> None:
    clicks = app.topic("clicks", SCHEMA, event_time="ts", key="user")
    clicks.groupby("user").agg(**AGGREGATIONS, rows="size", name="users").to_topic("users")
    clicks.groupby("page").agg(**AGGREGATIONS, rows="size", name="pages").to_topic("pages")


def _expect_table(given: Input, ledger: Ledger, *, flush: bool) -> list[Output]:
    stream = source(given, ["clicks"], flush=flush)
    return [
        Changes("users", ["user"], table(stream, ["user"], RIGHT)),
        Changes("pages", ["page"], table(stream.repartitioned(), ["page"], RIGHT)),
        DeadLetters(DEAD, given),
    ]


CHAIN: Final = Windows(size=20 * SECOND, every=20 * SECOND, grace=1 * SECOND)
CHAINED: Final[Aggregations] = {"groups": ("total", "size"), "sum": ("total", "sum"), "most": ("total", "max")}


def _chained(app: App, ledger: Ledger) -> None:
    clicks = app.topic("clicks", SCHEMA, event_time="ts", key="user")
    first = clicks.groupby("user").window(tumbling("10s", grace="2s")).agg(n="size", total=("amount", "sum"), name="by")
    first.to_topic("totals")
    first.late.to_topic("late")
    second = first.groupby("n").window(tumbling("20s", grace="1s"))
    second.agg(groups="size", sum=("total", "sum"), most=("total", "max"), name="then").to_topic("chain")


def _expect_chained(given: Input, ledger: Ledger, *, flush: bool) -> list[Output]:
    first = windowed(
        source(given, ["clicks"], flush=flush),
        ["user"],
        TUMBLING,
        {"n": ("amount", "size"), "total": ("amount", "sum")},
    )
    second = windowed(first.items.repartitioned(), ["n"], CHAIN, CHAINED)
    return [
        FinalWindows("totals", ["user"], first, own_times=not flush),
        LateRows("late", first),
        FinalWindows("chain", ["n"], second, own_times=False),
        DeadLetters(DEAD, given),
    ]


def _union(app: App, ledger: Ledger) -> None:
    clicks = app.topic("clicks", SCHEMA, event_time="ts", key="user")
    taps = app.topic("taps", SCHEMA, event_time="ts", key="user")
    taps.select("id", "user").to_topic("echo")
    windows = clicks.union(taps).groupby("user").window(tumbling("10s", grace="2s"))
    totals = windows.agg(**AGGREGATIONS, rows="size", name="totals")
    totals.to_topic("totals")
    totals.late.to_topic("late")


def _expect_union(given: Input, ledger: Ledger, *, flush: bool) -> list[Output]:
    answer = windowed(source(given, ["clicks", "taps"], flush=flush), ["user"], TUMBLING, RIGHT)
    return [
        Echo("echo", given, "taps"),
        FinalWindows("totals", ["user"], answer, own_times=not flush),
        LateRows("late", answer),
        DeadLetters(DEAD, given),
    ]


def _changes(app: App, ledger: Ledger) -> None:
    clicks = app.topic("clicks", SCHEMA, event_time="ts", key="user")
    own = clicks.groupby("user").window(hopping("10s", "5s", grace="2s"))
    own.agg(**AGGREGATIONS, rows="size", name="own", emit="changes").to_topic("users")
    moved = clicks.groupby("page").window(tumbling("10s", grace="2s"))
    moved.agg(**AGGREGATIONS, rows="size", name="moved", emit="changes").to_topic("pages")


def _expect_changes(given: Input, ledger: Ledger, *, flush: bool) -> list[Output]:
    stream = source(given, ["clicks"], flush=flush)
    own = windowed(stream, ["user"], HOPPING, RIGHT)
    moved = windowed(stream.repartitioned(), ["page"], TUMBLING, RIGHT)
    return [
        Changes("users", ["user", "window_start"], own),
        Changes("pages", ["page", "window_start"], moved),
        DeadLetters(DEAD, given),
    ]


def _batches(app: App, ledger: Ledger) -> None:
    def take_rows(frame: pd.DataFrame, batch_id: str) -> None:
        ledger.take("rows", batch_id, frame["id"].tolist())

    def take_totals(frame: pd.DataFrame, batch_id: str) -> None:
        starts = frame["window_start"].astype("datetime64[ms]").astype("int64")
        ledger.take("totals", batch_id, list(zip(frame["user"], starts, frame["n"], strict=True)))

    clicks = app.topic("clicks", SCHEMA, event_time="ts", key="user")
    clicks.for_each_batch(take_rows, name="rows")
    totals = clicks.groupby("user").window(tumbling("10s", grace="2s")).agg(n="size", name="totals")
    totals.for_each_batch(take_totals, name="sums")


def _expect_batches(given: Input, ledger: Ledger, *, flush: bool) -> list[Output]:
    answer = windowed(source(given, ["clicks"], flush=flush), ["user"], TUMBLING, {"n": ("amount", "size")})
    rows: list[object] = [row.id for rows in given.values() for row in rows if row.time is not None]
    totals: list[object] = [(user, start, found["n"]) for (user, start), found in answer.closed.items()]
    return [Batches(ledger, {"rows": rows, "totals": totals}), DeadLetters(DEAD, given)]


def _idle(app: App, ledger: Ledger) -> None:
    clicks = app.topic("clicks", SCHEMA, event_time="ts", key="user", idle_timeout="20s")
    for key, out in (("user", "users"), ("page", "pages")):
        windows = clicks.groupby(key).window(tumbling("10s", grace="2s"))
        totals = windows.agg(rows="size", total=("amount", "sum"), name=out)
        totals.to_topic(out)
        totals.late.to_topic(f"late-{out}")


def _expect_idle(given: Input, ledger: Ledger, *, flush: bool) -> list[Output]:
    found: list[Output] = [DeadLetters(DEAD, given)]
    for key, out in (("user", "users"), ("page", "pages")):
        account = Account.of(source(given, ["clicks"], flush=flush))
        found += [ClosedOnce(out, key, account), LateOnce(f"late-{out}", account)]
    return found


def _spread(state: pd.DataFrame, batch: pd.DataFrame) -> pd.DataFrame:
    amounts = batch["amount"].fillna(0).astype("int64")
    groups = amounts.groupby(batch["group"])
    return state.assign(
        seen=state["seen"].add(groups.size(), fill_value=0).astype("int64"),
        total=state["total"].add(groups.sum(), fill_value=0).astype("int64"),
    )


SPREAD: Final = Aggregate(
    columns=["amount"],
    init={"seen": 0, "total": 0},
    update=_spread,
    merge=lambda left, right: left + right,
    finish=lambda state: state["total"] * 1_000 + state["seen"],
    type="int64",
)
"""An aggregate of one's own: the sum and the number of rows, in one number."""


def _everything(app: App, ledger: Ledger) -> None:
    """As many kinds of steps at once as fit on a page, in four sub-topologies."""

    def take(frame: pd.DataFrame, batch_id: str) -> None:
        ledger.take("rows", batch_id, frame["id"].tolist())

    clicks = app.topic("clicks", SCHEMA, event_time="ts", key="user")
    taps = app.topic("taps", SCHEMA, event_time="ts", key="user")
    both = clicks.union(taps)
    both.for_each_batch(take, name="rows")
    both.groupby("user").agg(rows="size", total=("amount", "sum"), name="users").to_topic("users")
    hops = both.groupby("page").window(hopping("10s", "5s", grace="2s"))
    hopped = hops.agg(rows="size", own=SPREAD, total=("amount", "sum"), name="hops")
    hopped.to_topic("totals")
    hopped.late.to_topic("late")
    hopped.late.groupby("user").agg(rows="size", name="latecomers").to_topic("pages")
    then = hopped.groupby("rows").window(tumbling("20s", grace="1s"))
    then.agg(groups="size", sum=("total", "sum"), most=("total", "max"), name="then").to_topic("chain")


def _expect_everything(given: Input, ledger: Ledger, *, flush: bool) -> list[Output]:
    stream = source(given, ["clicks", "taps"], flush=flush)
    count_and_sum: Aggregations = {"rows": ("amount", "size"), "total": ("amount", "sum")}
    hopped = windowed(stream.repartitioned(), ["page"], HOPPING, {**count_and_sum, "own": ("amount", "spread")})
    latecomers = table(Stream(hopped.late_items), ["user"], {"rows": ("amount", "size")})
    then = windowed(hopped.items.repartitioned(), ["rows"], CHAIN, CHAINED)
    rows: list[object] = [row.id for rows in given.values() for row in rows if row.time is not None]
    return [
        Batches(ledger, {"rows": rows}),
        Changes("users", ["user"], table(stream, ["user"], count_and_sum)),
        FinalWindows("totals", ["page"], hopped, own_times=False),
        LateRows("late", hopped),
        Changes("pages", ["user"], latecomers),
        FinalWindows("chain", ["rows"], then, own_times=False),
        DeadLetters(DEAD, given),
    ]


CASES: Final[Mapping[str, Case]] = {
    "keyed": Case(build=_keyed, expect=_expect_keyed, outputs={"echo": 2, "totals": 2, "late": 1}),
    "hopping": Case(build=_hopping, expect=_expect_hopping, outputs={"totals": 2, "late": 1}),
    "partials": Case(
        build=_partials,
        expect=lambda given, _ledger, *, flush: _expect_repartitioned(given, RIGHT, flush=flush),
        flavour=Flavour(keyed=False),
        outputs={"totals": 2, "late": 1},
    ),
    "rows": Case(
        build=_rows,
        expect=lambda given, _ledger, *, flush: _expect_repartitioned(
            given, {**RIGHT, "users": ("user", "nunique")}, flush=flush
        ),
        flavour=Flavour(keyed=False, kafka_time=True),
        outputs={"totals": 2, "late": 1},
    ),
    "table": Case(build=_table, expect=_expect_table, flavour=Flavour(rows_max=80), outputs={"users": 2, "pages": 1}),
    "chained": Case(build=_chained, expect=_expect_chained, outputs={"totals": 1, "late": 1, "chain": 1}),
    "union": Case(
        build=_union,
        expect=_expect_union,
        flavour=Flavour(topics=("clicks", "taps"), rows_max=16),
        outputs={"echo": 1, "totals": 2, "late": 1},
    ),
    "changes": Case(build=_changes, expect=_expect_changes, outputs={"users": 2, "pages": 1}),
    "batches": Case(build=_batches, expect=_expect_batches, outputs={}),
    "everything": Case(
        build=_everything,
        expect=_expect_everything,
        flavour=Flavour(topics=("clicks", "taps"), rows_max=16),
        outputs={"users": 2, "totals": 2, "late": 1, "pages": 1, "chain": 1},
    ),
    "idle": Case(
        build=_idle,
        expect=_expect_idle,
        flavour=Flavour(steady=True),
        outputs={"users": 2, "late-users": 1, "pages": 1, "late-pages": 1},
        silence=16,
    ),
}


@lru_cache
def compiled(name: str) -> tuple[Topology, App, Ledger]:
    """Return a topology, made once, and the ledger that its functions write to."""
    ledger = Ledger()
    app = App(name, dead_letters=DEAD)
    CASES[name].build(app, ledger)
    return app.topology(), app, ledger
