"""Metrics tell the truth: known records on a real broker, and what the pages say about them."""

import json
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from streamframe.testing import KafkaBroker
from tests.app.running_program import DEADLINE_SECONDS, RunningProgram, fetch, until

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

PROGRAM = """\
import streamframe as sf

app = sf.App("truth", commit_interval="100ms", dead_letters="truth-letters")
clicks = app.topic("clicks", schema={"user": "string", "amount": "int64", "ts": "timestamp[ms]"}, event_time="ts")
kept = clicks.query("amount > 0")
totals = kept.groupby("user").window(sf.tumbling("10s")).agg(n="size", total=("amount", "sum"), name="totals")
totals.to_topic("counts", key="user")
"""
KEYED = PROGRAM.replace('event_time="ts")', 'event_time="ts", key="user")')
HOUR_MS = 3_600_000
OWN_METRICS = """
orders = app.counter("orders", "Orders.", labels=("user",))
sizes = app.histogram("amounts", "Amounts of orders.", buckets=(5.0, 10.0))
last = app.gauge("last_amount", "Amount of the last order of a batch.")


def count(df):
    for user, n in df.groupby("user").size().items():
        orders.add(n, user=user)
    sizes.observe(df["amount"])
    if len(df):
        last.set(df["amount"].iloc[-1])
    return df


"""


@pytest.fixture(scope="module")
def broker():
    with KafkaBroker() as broker:
        yield broker


@pytest.fixture
def topics(broker):
    """Fresh topics for each test; the program's internal ones are named after the application."""
    made = []

    def create(application: str, partitions: int = 2) -> None:
        for name in (f"{application}-clicks", f"{application}-counts", f"{application}-letters"):
            broker.create_topic(name, partitions, {"retention.ms": -1})
            made.append(name)

    return create


def program_of(tmp_path: Path, application: str) -> Path:
    text = KEYED.replace('"truth"', f'"{application}"').replace('"clicks"', f'"{application}-clicks"')
    text = text.replace('"counts"', f'"{application}-counts"').replace('"truth-letters"', f'"{application}-letters"')
    path = tmp_path / "program.py"
    path.write_text(text)
    return path


def row(user: str | None, amount: int, ts: int) -> bytes:
    return json.dumps({"user": user, "amount": amount, "ts": ts}).encode()


def key_of(value: bytes | None) -> bytes | None:
    """The user, as the program was promised."""
    user = json.loads(value)["user"] if value and value.startswith(b'{"') else None
    return user and user.encode()


def write(
    broker, topic: str, values: Sequence[bytes | None], *, partition: int = 0, transaction: str = "", at_ms: int = 0
):
    """Write records to one partition, inside one transaction when it has a name: ``commit`` or ``abort``."""
    options = {"bootstrap.servers": broker.bootstrap, "enable.idempotence": True}
    producer = Producer(options | ({"transactional.id": f"{topic}-writer"} if transaction else {}))
    if transaction:
        producer.init_transactions(30)
        producer.begin_transaction()
    for value in values:
        at = at_ms or int(time.time() * 1000)
        producer.produce(topic, value, key_of(value), partition=partition, timestamp=at)
    assert producer.flush(30) == 0
    if transaction == "commit":
        producer.commit_transaction(30)
    elif transaction:
        producer.abort_transaction(30)


def records_in(broker, topic: str, partitions: int) -> int:
    """Count committed records of a topic."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": "truth-reader",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
    count = 0
    ended: set[int | None] = set()
    while len(ended) < partitions:
        message = consumer.poll(10)
        assert message is not None
        if message.error() is None:
            count += 1
        else:
            ended.add(message.partition())
    consumer.close()
    return count


def test_lag_is_zero_at_the_end_of_a_topic_that_ends_with_markers_and_aborted_records(broker, topics, tmp_path):
    topics("lag")
    topic, now = "lag-clicks", int(time.time() * 1000)
    write(broker, topic, [row("ann", 1, now)] * 30, transaction="commit")
    write(broker, topic, [row("ann", 1, now)] * 20, transaction="abort")
    write(broker, topic, [row("bob", 1, now)] * 10, partition=1)

    with RunningProgram(program_of(tmp_path, "lag"), broker.bootstrap, tmp_path / "run") as running:
        until(lambda: running.value("streamframe_records_consumed_total", topic=topic) == 40, "40 records read")
        until(lambda: running.value("streamframe_consumer_lag_records", topic=topic) == 0, "lag 0")
        assert running.value("streamframe_consumer_lag_seconds", topic=topic) == 0
        (first, second) = sorted(running.document("partitions")["partitions"], key=lambda each: each["partition"])
        assert first["position"] == 30 + 1 + 20 + 1  # records, commit marker, aborted records, abort marker
        assert second["position"] == 10
        until(lambda: running.document("status").get("state") == "running", "running")


def test_every_row_is_accounted_for(broker, topics, tmp_path):
    topics("rows", 1)
    topic, now = "rows-clicks", int(time.time() * 1000) // 10_000 * 10_000
    valid = [row(f"u{number % 7}", 1 + number % 3, now) for number in range(1_000)]
    filtered = [row("ann", 0, now)] * 40
    null_keys = [row(None, 5, now)] * 9
    unusable = [b"{nonsense"] * 6
    jump = [row("late", 1, now + HOUR_MS)]
    write(broker, topic, [*valid, *filtered, *null_keys, *unusable, None, None, None, *jump])

    with RunningProgram(program_of(tmp_path, "rows"), broker.bootstrap, tmp_path / "run") as running:
        until(lambda: (running.value("streamframe_windows_closed_total") or 0) >= 1, "the first window closed")
        write(broker, topic, [row("late", 1, now)] * 4)
        until(lambda: running.value("streamframe_rows_dropped_total", reason="late") == 4, "late rows")
        until(lambda: running.value("streamframe_consumer_lag_records", topic=topic) == 0, "lag 0")

        def total(name: str, **labels: str) -> float:
            return running.value(f"streamframe_{name}", **labels) or 0

        assert total("rows_in_total") == total("records_consumed_total") == 1_063
        assert total("rows_dropped_total", reason="null_value") == 3
        assert total("dead_letters_total") == 6
        assert total("rows_filtered_total") == 40
        assert total("rows_dropped_total", reason="null_key") == 9
        assert total("rows_aggregated_total") == 1_001
        assert total("rows_in_total") == sum(
            total(name)
            for name in ("rows_dropped_total", "dead_letters_total", "rows_filtered_total", "rows_aggregated_total")
        )
        assert total("rows_emitted_total") == total("rows_out_total") == 7
        assert total("records_produced_total", topic="rows-counts") == records_in(broker, "rows-counts", 1) == 7
        letters = running.document("errors")["dead_letters"]
        assert {(each["topic"], each["partition"], each["error"]) for each in letters} == {
            (topic, 0, letters[0]["error"])
        }
        assert sorted(each["offset"] for each in letters) == list(range(1_049, 1_055))


def test_latency_counts_each_record_in_the_bucket_of_its_age(broker, topics, tmp_path):
    topics("age")
    now = int(time.time() * 1000)
    write(broker, "age-clicks", [row("ann", 1, now)] * 500, at_ms=now - 120_000)

    with RunningProgram(program_of(tmp_path, "age"), broker.bootstrap, tmp_path / "run") as running:
        name = "streamframe_end_to_end_latency_seconds"
        until(lambda: running.value(f"{name}_count", topic="age-clicks") == 500, "500 latencies")
        assert running.value(f"{name}_bucket", topic="age-clicks", le="60.0") == 0
        assert running.value(f"{name}_bucket", topic="age-clicks", le="300.0") == 500
        assert 120 <= running.value(f"{name}_sum", topic="age-clicks") / 500 < 300


def test_emit_delay_runs_from_the_end_of_a_window_and_counts_each_result(broker, topics, tmp_path):
    topics("delay")
    now = int(time.time() * 1000)
    end = (now - 120_000) // 10_000 * 10_000
    # A window of three users that ended two minutes ago, and in each partition a record that closes it; the window of
    # that one stays open.
    write(broker, "delay-clicks", [row(user, 1, end - 1) for user in ("ann", "bob", "eve")])
    for part in range(2):
        write(broker, "delay-clicks", [row("ann", 1, now)], partition=part)

    with RunningProgram(program_of(tmp_path, "delay"), broker.bootstrap, tmp_path / "run") as running:
        name = "streamframe_emit_delay_seconds"
        until(lambda: running.value(f"{name}_count", operator="totals") == 3, "three results")
        assert running.value(f"{name}_bucket", operator="totals", le="60.0") == 0
        assert running.value(f"{name}_bucket", operator="totals", le="300.0") == 3
        assert 120 <= running.value(f"{name}_sum", operator="totals") / 3 < 300
        assert running.value("streamframe_rows_emitted_total", operator="totals") == 3


def test_what_the_client_says_of_itself(broker, topics, tmp_path):
    topics("client")
    now = int(time.time() * 1000)
    write(broker, "client-clicks", [row("ann", 1, now)] * 1_000)
    debug = ("-X", "telemetry.metrics=debug")
    with RunningProgram(program_of(tmp_path, "client"), broker.bootstrap, tmp_path / "run", options=debug) as running:
        until(lambda: running.value("streamframe_records_consumed_total", topic="client-clicks") == 1_000, "all read")
        for client in ("consumer", "producer"):
            trip = until(partial(round_trip, running, client), client)
            # A request for records waits at the broker for some, at most half a second.
            assert 0 < trip < DEADLINE_SECONDS
        # Everything that was fetched is processed, and everything that was written is acknowledged.
        until(lambda: running.value("streamframe_client_fetch_queue_bytes", client="consumer") == 0, "nothing waits")
        until(lambda: running.value("streamframe_client_producer_queue_records", client="producer") == 0, "all written")


def has_read(running: RunningProgram, topic: str, count: int) -> bool:
    return running.value("streamframe_records_consumed_total", topic=topic) == count


def round_trip(running: RunningProgram, client: str) -> float | None:
    return running.value("streamframe_client_broker_rtt_seconds", client=client)


def test_what_a_program_counts_itself_is_what_it_has_done(broker, topics, tmp_path):
    topics("own")
    program = program_of(tmp_path, "own")
    program.write_text(program.read_text().replace("kept = clicks", OWN_METRICS + "kept = clicks.map_batches(count)"))
    now = int(time.time() * 1000)
    amounts = [1, 5, 5, 20]
    write(broker, "own-clicks", [row("ann", amount, now) for amount in amounts])
    write(broker, "own-clicks", [row("bob", 7, now)] * 3, partition=1)

    with RunningProgram(program, broker.bootstrap, tmp_path / "run") as running:
        until(lambda: running.value("streamframe_user_orders_total") == 7, "seven orders")
        assert running.value("streamframe_user_orders_total", user="ann") == 4
        assert running.value("streamframe_user_orders_total", user="bob") == 3
        assert running.value("streamframe_user_amounts_count") == 7
        assert running.value("streamframe_user_amounts_sum") == sum(amounts) + 21
        assert running.value("streamframe_user_amounts_bucket", le="5.0") == 3
        assert running.value("streamframe_user_last_amount") in (7, 20)


def test_a_worker_that_waits_for_every_record_is_idle(broker, topics, tmp_path):
    topics("trickle")
    topic, now = "trickle-clicks", int(time.time() * 1000)
    with RunningProgram(program_of(tmp_path, "trickle"), broker.bootstrap, tmp_path / "run") as running:
        until(lambda: running.document("status").get("state") == "running", "running")
        for count in range(1, 31):
            write(broker, topic, [row("ann", 1, now)])
            until(partial(has_read, running, topic, count), "read")

        polling, idling = (running.value("streamframe_loop_seconds_total", phase=phase) for phase in ("poll", "idle"))
        # A poll that waits for the processor does not work either, so a busy machine changes nothing.
        assert polling < 0.2 * idling


def test_a_restore_counts_records_of_the_changelog_and_the_worker_is_ready_only_afterwards(broker, topics, tmp_path):
    topics("again")
    now = int(time.time() * 1000)
    for part in range(2):
        values = [row(f"u{number}", 1, now) for number in range(part, 2_000, 2)]
        write(broker, "again-clicks", values, partition=part)
    program = program_of(tmp_path, "again")
    with RunningProgram(program, broker.bootstrap, tmp_path / "first") as running:
        until(lambda: running.value("streamframe_consumer_lag_records", topic="again-clicks") == 0, "all read")
        until(
            lambda: all(p["position"] == p["committed"] for p in running.document("partitions")["partitions"]), "sure"
        )
        written = running.value("streamframe_changelog_records_total", store="totals")
        assert running.value("streamframe_restore_records_total", store="totals") == 0
        assert fetch(running.page, "/readyz")[0] == 200
        rows = json.loads(fetch(running.page, "/api/stores/totals?key=u7")[1])
        assert [(each["user"], each["n"]) for each in rows["rows"]] == [("u7", 1)]
        assert rows["workers"][0]["age_seconds"] >= 0
        assert json.loads(fetch(running.page, "/api/stores/totals?user=nobody")[1])["rows"] == []
        assert fetch(running.page, "/api/stores/totls?key=u7")[0] == 400
    in_topic = records_in(broker, "again-totals-changelog", 2)
    assert in_topic == written

    with RunningProgram(program, broker.bootstrap, tmp_path / "second") as running:
        assert fetch(running.page, "/readyz")[0] == 503
        until(lambda: fetch(running.page, "/readyz")[0] == 200, "ready")
        until(lambda: running.value("streamframe_restore_records_total", store="totals"), "restored")
        assert running.value("streamframe_restore_records_total", store="totals") == in_topic
        assert running.value("streamframe_restore_remaining_records", store="totals") is None
        assert running.value("streamframe_restore_duration_seconds_count") == 1


def test_series_of_a_partition_move_with_it(broker, topics, tmp_path):
    topics("move", 4)
    write(broker, "move-clicks", [row("ann", 1, int(time.time() * 1000))] * 10)
    program = program_of(tmp_path, "move")
    name, labels = "streamframe_assigned_partitions", {"topic": "move-clicks"}
    with RunningProgram(program, broker.bootstrap, tmp_path / "first") as first:
        until(lambda: first.value(name, **labels) == 4, "all four here")
        until(lambda: lag_series(first) == 4, "four series")
        with RunningProgram(
            program, broker.bootstrap, tmp_path / "second", options=("-X", "kafka.instance=other")
        ) as second:
            until(lambda: second.value(name, **labels) == 2, "two there")
            until(lambda: first.value(name, **labels) == 2, "two here")
            until(lambda: lag_series(first) == 2 and lag_series(second) == 2, "two series each")
            assert first.value("streamframe_rebalances_total", kind="revoked") >= 1
        until(lambda: first.value(name, **labels) == 4, "all back")


def lag_series(running: RunningProgram) -> int:
    return sum(
        line.startswith("streamframe_consumer_lag_records{") and "move-clicks" in line
        for address in running.workers()
        for line in fetch(address, "/metrics")[1].splitlines()
    )


def test_an_idle_worker_makes_progress(broker, topics, tmp_path):
    topics("idle")
    with RunningProgram(program_of(tmp_path, "idle"), broker.bootstrap, tmp_path / "run") as running:
        until(lambda: running.document("status").get("state") == "running", "running")
        before = running.value("streamframe_last_progress_timestamp_seconds")
        until(lambda: running.value("streamframe_last_progress_timestamp_seconds") > before, "progress")
        assert fetch(running.workers()[0], "/livez")[0] == 200
