"""The exactly-once test while brokers die: on three nodes, with the verdict of `tests.campaign.eos`.

    python -m tests.campaign.bounces --scenario leaders --state wiped --seed 7
    python -m tests.campaign.bounces --scenario all-down

A leader gets SIGKILL, nodes are restarted one after the other, all of them are away for half a minute. The client may
hang for ever then (librdkafka 5456): the watchdog ends the worker, and the supervisor starts another one.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from confluent_kafka.admin import AdminClient

from streamframe.testing.broker import KafkaBroker
from tests.campaign.eos import EosRun, Scenario
from tests.campaign.fleet import IMPATIENT, TREATMENTS, wait_until

NODES = (1, 2, 3)
AWAY_SECONDS = 30.0
NODE_SECONDS = 3.0
"""How long one node is away: longer than its session, so that others have taken over what it led."""

SCENARIOS = {
    "leaders": "+1 +2 leader:data leader:changelog leader:transactions leader:offsets !1 +1 -2 -1",
    "rolling": "+1 +2 roll roll ?1 roll -2 -1",
    "hard-rolling": "+1 +2 hard-roll hard-roll !2 +2 hard-roll -2 -1",
    "all-down": "+1 +2 all-down ?2 all-down -2 -1",
}


def kill_leader(run: EosRun, of: str) -> None:
    """End the node that leads a partition with SIGKILL; it comes back later."""
    topics = {
        "data": run.topics["data"],
        "changelog": run.internal_topics[0],
        "transactions": "__transaction_state",
        "offsets": "__consumer_offsets",
    }
    node = _leader(run.broker.bootstrap, topics[of])
    run.note(f"kill -9 node {node}, which leads {topics[of]}[0]")
    run.broker.kill(node)
    time.sleep(NODE_SECONDS)  # a node is away for this long, whatever happens
    run.broker.revive(node)


def roll(run: EosRun, *, hard: bool) -> None:
    """Restart one node after the other, as an operator would or by SIGKILL."""
    for node in NODES:
        run.note(f"{'kill -9' if hard else 'stop'} node {node}")
        (run.broker.kill if hard else run.broker.stop_node)(node)
        run.broker.revive(node)


def take_all_down(run: EosRun) -> None:
    """End all nodes with SIGKILL; they come back after half a minute."""
    for node in NODES:
        run.broker.kill(node)
    run.note(f"all nodes are down for {AWAY_SECONDS:.0f} s")
    time.sleep(AWAY_SECONDS)  # the scenario itself
    run.broker.revive(*NODES)


FAULTS: Mapping[str, Callable[[EosRun], object]] = {
    **{f"leader:{of}": partial(kill_leader, of=of) for of in ("data", "changelog", "transactions", "offsets")},
    "roll": partial(roll, hard=False),
    "hard-roll": partial(roll, hard=True),
    "all-down": take_all_down,
}


def _leader(bootstrap: str, topic: str) -> int:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
    leaders: list[int] = []

    def found() -> bool:
        leaders.append(admin.list_topics(timeout=20).topics[topic].partitions[0].leader)
        return leaders[-1] > 0

    wait_until(found, 60, f"{topic} has a leader")
    return leaders[-1]


def main() -> int:
    """Run a scenario as the arguments say; return 1 when it is not perfect."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="leaders", help=f"{', '.join(SCENARIOS)}, or steps")
    parser.add_argument("--program", choices=("simple", "complex"), default="complex")
    parser.add_argument("--state", choices=TREATMENTS, default="kept")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    scenario = Scenario(
        sequence=SCENARIOS.get(args.scenario, args.scenario),
        program=args.program,
        state=args.state,
        commit_interval="1s",
        options=IMPATIENT,
        seed=args.seed,
    )
    place = Path(tempfile.mkdtemp(prefix="bounces-"))
    _say(f"states and logs: {place}")
    with KafkaBroker(nodes=3) as broker:
        outcome = EosRun(broker, scenario, name="bounces", place=place, note=_say, faults=FAULTS).run()
    _say(f"{'ok  ' if outcome.perfect else 'FAIL'} {scenario} {outcome}")
    if outcome.perfect:
        shutil.rmtree(place)
    return int(not outcome.perfect)


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)  # noqa: T201 - a command's output


if __name__ == "__main__":
    sys.exit(main())
