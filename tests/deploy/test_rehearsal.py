"""docker-compose.yml as processes: the same command lines and variables on a real broker, and a restart without loss.

What a container engine adds (images, networks, volumes) is not here; ``docs/deployment.md`` says so.
"""

import json
import re
import subprocess
import time
import urllib.request
from collections import Counter

import pytest
from confluent_kafka import Consumer, TopicPartition

from grafana.live.compose import IMAGE, ROOT, Replica, Stack
from grafana.live.compose import broker_settings as settings_of_the_broker

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

DEADLINE_SECONDS = 90
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


def read_totals(bootstrap: str, partitions: int) -> list[tuple[str, str, int]]:
    """User, window and number of every committed result."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reader",
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.assign([TopicPartition("click-totals", number, 0) for number in range(partitions)])
    rows: list[tuple[str, str, int]] = []
    ended: set[int | None] = set()
    while len(ended) < partitions:
        message = consumer.poll(10)
        assert message is not None
        if message.error() is None:
            row = json.loads(message.value() or b"")
            rows.append((row["user"], row["window_start"], row["n"]))
        else:
            ended.add(message.partition())
    consumer.close()
    return rows


def test_the_broker_has_the_settings_of_the_service():
    found = settings_of_the_broker()
    assert found["auto.create.topics.enable"] == "false"
    assert found["transaction.state.log.min.isr"] == "1"
    assert not [name for name in found if "listener" in name or name in ("node.id", "log.dirs")]


def test_replicas_share_the_work_are_healthy_and_are_restarted_one_by_one_without_loss(stack):
    first, second = (stack.start("worker", further=QUICK) for _ in range(2))
    for replica in (first, second):
        until(lambda replica=replica: is_ready(replica), "ready")
        (words,) = (line for line in IMAGE.splitlines() if line.strip().startswith('CMD ["python", "-c"'))
        check = [word.replace("127.0.0.1", replica.host) for word in json.loads(words.strip().removeprefix("CMD "))]
        assert subprocess.run(stack.translated(check), check=False).returncode == 0, "the health check of the image"

    generator = stack.start("generator")
    for replica in (first, second):
        until(lambda replica=replica: 'assigned_partitions{application="clicks",topic="clicks"} 3.0'
              in page(replica, "/metrics", 9465), "three partitions each")  # fmt: skip
    for path, port in (("/", 9464), ("/metrics", 9464), ("/sd", 9464), ("/livez", 9465), ("/metrics", 9465)):
        assert page(first, path, port), path
    until(lambda: any(RESULTS.search(page(each, "/metrics", 9465)) for each in (first, second)), "results")

    successors = []
    for number, replica in ((1, first), (2, second)):
        assert replica.stop() == 0, replica.log.read_text()
        successors.append(stack.start("worker", number=number, further=QUICK))
        until(lambda: is_ready(successors[-1]), "ready again")

    assert generator.stop() == 0
    until(lambda: all(lag_of(replica) == 0 for replica in successors), "everything is read")
    until(lambda: is_caught_up(stack), "everything is committed")
    assert "docker compose run --rm cli lag /app/topologies/clicks.py" in (ROOT / "docker-compose.yml").read_text()
    totals = read_totals(stack.bootstrap, 6)
    assert totals
    assert max(Counter((user, window) for user, window, _ in totals).values()) == 1, "a window was written twice"


def is_caught_up(stack: Stack) -> bool:
    """Whether ``docker compose run --rm cli lag`` says so, as a script would ask."""
    try:
        return bool(stack.run("cli", ["lag", "/app/topologies/clicks.py", "--max-records", "0"]))
    except subprocess.CalledProcessError:
        return False
