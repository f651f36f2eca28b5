"""docker-compose.yml as processes, with its command lines and variables, on a real broker: no loss in scaling, rolling.

What a container engine adds (images, networks, volumes) is not here; ``docs/deployment.md`` says so.
"""

import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator

import pytest

from grafana.live.compose import IMAGE, ROOT, Replica, Stack
from grafana.live.compose import broker_settings as settings_of_the_broker
from streamframe.broker.clients import RecordReader, TopicObserver
from streamframe.cli.demo_verify import Readable, compare, compute, read_input, read_output

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

DEADLINE_SECONDS = 90
PARTITIONS = 6
DEAD_LETTERS = "clicks-dead-letters"
RESULTS = re.compile(r'^streamframe_rows_out_total\{[^}]*"totals-to-click-totals"[^}]*\} [1-9]', re.MULTILINE)
QUICK = ("-X", "commit.interval=200ms", "-X", "telemetry.interval=100ms")


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with Stack(tmp_path_factory.mktemp("stack")) as stack:
        stack.run("topics")
        yield stack


def until(look, what: str):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {DEADLINE_SECONDS} s: {what}")


def page(replica: Replica, path: str, port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://{replica.host}:{port}{path}", timeout=5) as answer:
            return answer.read().decode()
    except OSError:
        return ""


def lag_of(replica: Replica) -> float:
    """Records that a worker has still to read."""
    lines = page(replica, "/metrics", 9465).splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("streamframe_consumer_lag_records{"))


def is_ready(replica: Replica) -> bool:
    return page(replica, "/readyz", 9464) != ""


def records(bootstrap: str, topic: str) -> Iterator[Readable]:
    """What a reader of committed records sees in a topic, to its end."""
    ends = TopicObserver(bootstrap).end_offsets(topic)
    with RecordReader(bootstrap, {topic: len(ends)}) as reader:
        yield from reader.read_to(topic, ends, seconds_max=DEADLINE_SECONDS)


def test_the_broker_has_the_settings_of_the_service():
    found = settings_of_the_broker()
    assert found["auto.create.topics.enable"] == "false"
    assert found["transaction.state.log.min.isr"] == "1"
    assert not [name for name in found if "listener" in name or name in ("node.id", "log.dirs")]


def test_replicas_are_scaled_killed_and_restarted_one_by_one_without_loss(stack):
    """From one to three, one by power loss, each of them rolled; every click must be accounted for in the end."""
    replicas = [stack.start("worker", further=QUICK)]
    until(lambda: is_ready(replicas[0]), "ready")
    (words,) = (line for line in IMAGE.splitlines() if line.strip().startswith('CMD ["python", "-c"'))
    check = [word.replace("127.0.0.1", replicas[0].host) for word in json.loads(words.strip().removeprefix("CMD "))]
    assert subprocess.run(stack.translated(check), check=False).returncode == 0, "the health check of the image"
    generator = stack.start("generator")
    until(lambda: partitions_of(replicas[0]) == PARTITIONS, "all partitions")
    until(lambda: has_results(replicas[0]), "results")
    for path, port in (("/", 9464), ("/metrics", 9464), ("/sd", 9464), ("/livez", 9465), ("/metrics", 9465)):
        assert page(replicas[0], path, port), path

    replicas += [stack.start("worker", further=QUICK) for _ in range(2)]
    until(lambda: [partitions_of(replica) for replica in replicas] == [2, 2, 2], "two partitions each")
    replicas[1].kill()
    replicas[1] = stack.start("worker", number=2, further=QUICK)
    until(lambda: is_ready(replicas[1]) and partitions_of(replicas[1]) > 0, "the killed one is back")
    for number, replica in enumerate(replicas):
        assert replica.stop() == 0, replica.log.read_text()
        replicas[number] = stack.start("worker", number=number + 1, further=QUICK)
        until(lambda number=number: is_ready(replicas[number]), "ready again")
    until(lambda: any(has_results(replica) for replica in replicas), "results of the successors")

    assert generator.stop() == 0
    until(lambda: all(lag_of(replica) == 0 for replica in replicas), "everything is read")
    until(lambda: is_caught_up(stack), "everything is committed")
    assert "docker compose run --rm cli lag /app/topologies/clicks.py" in (ROOT / "docker-compose.yml").read_text()
    for replica in replicas:
        assert replica.stop() == 0, replica.log.read_text()
    # Somebody without state of its own closes the windows that are still open.
    stack.run("cli", ["run", "/app/topologies/clicks.py", "--until", "now", "--flush"])

    def read(topic: str) -> Iterator[Readable]:
        return records(stack.bootstrap, topic)

    given = read_input(read("clicks"))
    verdict = compare(given, compute(given), read_output(*map(read, ("click-totals", "late-clicks", DEAD_LETTERS))))
    assert verdict.is_equal, verdict.sentences()
    assert min(verdict.windows, verdict.late, verdict.dead_letters) > 0, verdict.sentences()


def partitions_of(replica: Replica) -> int:
    """How many partitions a worker has, as it says itself."""
    found = re.search(
        r'assigned_partitions\{application="clicks",topic="clicks"\} (\d+)', page(replica, "/metrics", 9465)
    )
    return int(found[1]) if found else 0


def has_results(replica: Replica) -> bool:
    return RESULTS.search(page(replica, "/metrics", 9465)) is not None


def is_caught_up(stack: Stack) -> bool:
    """Whether ``docker compose run --rm cli lag`` says so, as a script would ask."""
    try:
        return bool(stack.run("cli", ["lag", "/app/topologies/clicks.py", "--max-records", "0"]))
    except subprocess.CalledProcessError:
        return False
