"""A picture of a worker: what it says, and what it leaves out because it is not known."""

from streamframe.core.ids import TaskId
from streamframe.core.time import MIN_TIME
from streamframe.engine import events as ev
from streamframe.engine.positions import Committed
from tests.engine.worlds import IN0, IN1, batch, offset, topology, worker


def assigned(**options):
    w = worker(topology(stateful=False), **options)
    w.handle(ev.Tick(now=1))
    w.handle(ev.PartitionsAssigned(partitions=(IN0,)))
    return w


def running():
    w = assigned()
    task = w.tasks[TaskId(0, 0)]
    w.handle(ev.CommittedFetched(task=task.id, epoch=task.epoch, committed={IN0: Committed(offset(5))}))
    return w


def test_before_the_group_has_spoken_the_worker_is_starting():
    assert worker().snapshot({}).state == "starting"


def test_a_task_that_does_not_process_means_restoring_and_its_partition_has_no_position():
    seen = assigned().snapshot({})

    assert seen.state == "restoring"
    assert [(each.topic, each.partition, each.running, each.position) for each in seen.partitions] == [
        ("clicks", 0, False, None)
    ]


def test_a_running_task_shows_position_commit_and_lag():
    w = running()
    w.handle(ev.RecordsRead(batch=batch(IN0, 5, 3)))
    (partition,) = w.snapshot({str(IN0): 4, str(IN1): 9}).partitions

    assert w.snapshot({}).state == "running"
    assert (partition.position, partition.committed, partition.lag) == (8, 5, 4)


def test_a_stream_time_that_nobody_has_seen_is_left_out():
    w = running()
    program = w.tasks[TaskId(0, 0)].active_program
    program.stream_times[IN0] = MIN_TIME
    assert w.snapshot({}).partitions[0].stream_time is None

    program.stream_times[IN0] = 17
    assert w.snapshot({}).partitions[0].stream_time == 17


def test_a_revoked_partition_is_not_shown_any_more_but_its_rows_are():
    w = running()
    w.handle(ev.RecordsRead(batch=batch(IN0, 5, 3)))
    w.handle(ev.PartitionsLost(partitions=(IN0,)))

    seen = w.snapshot({})
    assert seen.partitions == ()
    assert seen.counts["rows_in"] == 3


def test_an_error_ends_in_failed_and_a_stop_in_stopped():
    w = running()
    w.handle(ev.StopRequested())
    assert w.snapshot({}).state == "stopped"
