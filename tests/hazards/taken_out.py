"""Protections, how to take each of them out of the source, and the tests that must then fail.

Each entry replaces one piece of text in one file, once. ``tests/test_hazards.py`` looks that the text is there and the
tests exist, so an entry cannot go stale; ``python -m tests.hazards`` does it for real.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class TakenOut:
    """One protection.

    Attributes:
        hazards: Rows of ``docs/hazards.md``, separated by blanks.
        says: What is wrong without it.
        file: Where it is.
        before: Its text; occurs once in the file.
        after: What is there instead.
        tests: Those that must fail, below ``tests/``.
    """

    hazards: str
    says: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]


def _out(hazards: str, says: str, file: str, before: str, after: str, *tests: str) -> TakenOut:
    return TakenOut(hazards, says, "streamframe/" + file, before, after, tests)


TAKEN_OUT: Final = (
    _out(
        "T-01",
        "a restore ends at the last stable offset",
        "kafka/admin.py",
        "begin, self.log_ends([changelog])[changelog])",
        "begin, self._offsets.read([changelog], LATEST_SPEC, IsolationLevel.READ_COMMITTED)[changelog])",
        "kafka/test_restore.py::test_a_restore_waits_for_an_open_transaction_to_be_decided",
    ),
    _out(
        "T-02",
        "a restore waits for a record at the end",
        "kafka/restore.py",
        "        if error.code() != PARTITION_EOF:\n            return None\n",
        "        return None\n",
        "kafka/test_restore.py::test_a_changelog_of_markers_only_is_restored",
    ),
    _out(
        "T-03",
        "changelogs are read uncommitted",
        "kafka/client_config.py",
        '"isolation.level": "read_committed"',
        '"isolation.level": "read_uncommitted"',
        "kafka/test_restore.py::test_interleaved_aborted_transactions_leave_nothing",
    ),
    _out(
        "T-04",
        "the local store is written before the commit is known to have succeeded",
        "engine/commit.py",
        "        return [*outputs, cmd.Commit(sequence=self.sequence, request=self.request)]",
        "        ends = {tp: r.end for task in tasks for tp, r in task.restores.items()}\n"
        "        early = [c for task in tasks for c in task.apply_commit(self.sealed[task.id], ends)]\n"
        "        return [*outputs, *early, cmd.Commit(sequence=self.sequence, request=self.request)]",
        "engine/test_worker.py::test_the_local_store_is_written_only_after_the_commit_succeeded",
    ),
    _out(
        "T-05 T-37",
        "a commit that is not answered counts as aborted, and its producer is used again",
        "kafka/errors.py",
        "    return OutcomeUnknown(text)",
        "    return TransactionAborted(text)",
        "kafka/test_errors.py::"
        "test_a_commit_that_is_not_answered_has_an_unknown_outcome_and_the_producer_is_not_used_again",
    ),
    _out(
        "T-37",
        "a producer goes on although its client has repeated a request",
        "kafka/producers.py",
        "        if self._was_interrupted:\n",
        "        if False:\n",
        "kafka/test_producers.py::test_a_request_that_may_still_be_on_its_way_ends_the_life_of_a_producer",
    ),
    _out(
        "T-06 T-09 T-11 T-37",
        "a lost producer is asked to abort, as if it could",
        "engine/worker.py",
        "return self._roll_back(event.reason, cmd.RenewProducer(epoch=self.epoch + 1))",
        "return self._roll_back(event.reason, cmd.Abort(epoch=self.epoch + 1))",
        "engine/test_worker.py::test_a_lost_producer_is_renewed_never_reused",
        "laws/test_slow_work.py::test_a_function_that_outlives_the_transaction_is_run_again_and_nothing_counts_twice",
    ),
    _out(
        "T-07",
        "the offsets are committed beside the transaction",
        "testing/memory_log.py",
        "        self._broker.add_offsets(transaction, request.offsets, self.member_id, self.generation)",
        "        self._broker.commit_offsets(request.offsets, self.member_id, self.generation)",
        "sim/test_simulation.py::test_old_failures_stay_away",
    ),
    _out(
        "T-08 T-43",
        "offsets are sent without asking whether we are a member",
        "kafka/consumer.py",
        "        if not self._rebalance.assigned_once or not is_member(metadata):",
        "        if False:",
        "kafka/test_log.py::test_a_worker_that_has_not_joined_cannot_commit",
    ),
    _out(
        "T-08",
        "the coordinator in memory takes offsets of an older generation",
        "testing/memory_broker.py",
        "        if member and self.members.get(member) != generation:\n"
        '            raise TransactionAborted("illegal generation" if member in self.members else "unknown member")\n'
        "        transaction.offsets.update(offsets)",
        "        transaction.offsets.update(offsets)",
        "conformance/test_conformance.py::TestMemoryKafka::"
        "test_offsets_of_an_older_generation_are_refused_and_the_producer_goes_on",
    ),
    _out(
        "T-10 T-32",
        "inputs are not read while a changelog is",
        "kafka/log.py",
        "        events += self._consumer.poll(0.0 if events else seconds, self._options.limits.poll_records_max)",
        "        if not self._restore.active:\n"
        "            events += self._consumer.poll(seconds, self._options.limits.poll_records_max)",
        "kafka/test_restore.py::test_inputs_flow_while_a_changelog_is_read",
    ),
    _out(
        "T-10",
        "nothing is committed until every task is restored",
        "engine/worker.py",
        "        if not running or not (wants or flush):",
        "        if len(running) < len(self.tasks) or not running or not (wants or flush):",
        "laws/test_slow_work.py::test_commits_go_on_while_another_task_reads_a_long_changelog",
    ),
    _out(
        "T-12",
        "closing a damaged task leaves the others in a transaction with its outputs",
        "engine/worker.py",
        "        spoiled = not self.rolling_back and (sealed or self.tasks.ahead)",
        "        spoiled = False",
        "engine/test_worker.py::test_a_damaged_store_sends_all_tasks_back_when_there_is_uncommitted_work",
    ),
    _out(
        "T-13",
        "what was polled before a rollback is processed after it",
        "runtime/performer.py",
        "                return event.batch.source in self._redirected",
        "                return False",
        "runtime/test_driver.py::test_records_in_hand_that_follow_others_which_went_back_are_not_taken",
    ),
    _out(
        "T-13",
        "a revocation whose commit fails leaves its tasks open",
        "engine/worker.py",
        "        self.rolling_back = False\n        commands = self.tasks.retire_closing()",
        "        self.rolling_back = False\n        commands: list[cmd.Command] = []",
        "engine/test_worker.py::test_a_revocation_whose_commit_fails_closes_without_committing",
    ),
    _out(
        "T-14",
        "a changelog is read from one behind the local position",
        "engine/task.py",
        "Offset(local.offset) if local else bounds.begin",
        "Offset(local.offset + 1) if local else bounds.begin",
        "engine/test_task.py::test_reads_the_changelog_from_the_local_position",
    ),
    _out(
        "T-15",
        "the position is not written with the changes",
        "engine/task.py",
        "            puts=[*changes.puts, (POSITION_KEY, local.encode())],",
        "            puts=changes.puts,",
        "sim/test_simulation.py::test_old_failures_stay_away",
    ),
    _out(
        "T-16",
        "a store that is found damaged when its task begins to work ends the worker",
        "engine/worker.py",
        "            return self._store_damaged(ev.StoreDamaged(task=event.task, reason=str(error)))",
        "            return self._fail(error)",
        "engine/test_worker.py::test_a_store_whose_damage_shows_when_its_task_begins_to_work_is_rebuilt",
    ),
    _out(
        "T-17 T-19 T-47",
        "changelogs lose records by their age",
        "kafka/topics.py",
        '            "cleanup.policy": "compact",',
        '            "cleanup.policy": "compact,delete",',
        "kafka/test_admin.py::test_internal_topics_never_lose_records_by_their_age",
    ),
    _out(
        "T-18",
        "a bucket is gone only if its tombstones were seen",
        "state/buckets.py",
        "            if through is not None and bucket <= through and bucket not in survivors:",
        "            if through is not None and bucket < (-1, 0) and bucket not in survivors:",
        "state/test_buckets.py::test_expired_buckets_whose_deletion_was_never_seen_are_deleted_again",
    ),
    _out(
        "T-20",
        "records that are deleted while they are read are passed over",
        "kafka/restore.py",
        "            return [Failed(error=gone)]",
        "            return []",
        "kafka/test_restore.py::test_a_changelog_that_is_cut_while_it_is_read_ends_the_work",
    ),
    _out(
        "T-20 T-23",
        "a local position below the log start is trusted",
        "engine/task.py",
        "    return local.offset > end or local.offset < begin",
        "    return local.offset > end",
        "engine/test_task.py::test_a_local_store_that_does_not_fit_its_changelog_is_wiped",
    ),
    _out(
        "T-21",
        "the position does not move behind markers and aborted records",
        "kafka/consumer.py",
        "            return [EndReached(partition=partition, position=Offset(offset))]",
        "            return []",
        "app/test_observing_on_kafka.py::"
        "test_lag_is_zero_at_the_end_of_a_topic_that_ends_with_markers_and_aborted_records",
    ),
    _out(
        "T-22",
        "times are bounded by nothing but their 64 bits",
        "serde/times.py",
        "TIME_MAX_US: Final = 1 << 62",
        "TIME_MAX_US: Final = (1 << 63) - 1",
        "serde/test_json_decode.py::test_a_time_must_fit_int64_microseconds_with_room_to_spare",
    ),
    _out(
        "T-24 T-42",
        "whether state and offsets belong together is not looked at",
        "engine/versions.py",
        "        if name not in readers:",
        "        if name in readers:",
        "engine/test_versions.py::test_a_changelog_that_was_deleted_and_made_again_is_an_error_and_not_empty_state",
        "engine/test_versions.py::test_a_changelog_whose_end_was_cut_off_is_an_error",
    ),
    _out(
        "T-24",
        "a local store is trusted whatever topic it was written for",
        "engine/task.py",
        "    if local.topic_id != topic_id:",
        "    if False:",
        "engine/test_task.py::test_a_local_store_that_does_not_fit_its_changelog_is_wiped",
    ),
    _out(
        "T-25 T-38",
        "a position that moved without a record is not worth a commit",
        "engine/task.py",
        "        return self.active_program.dirty or any(",
        "        return self.active_program.dirty and any(",
        "engine/test_worker.py::test_the_end_behind_control_records_is_committed",
    ),
    _out(
        "T-26",
        "how far windows are closed is not read back",
        "operators/aggregate.py",
        "        self._closed_until = self.state.meta.closed_until",
        "        self._closed_until = MIN_TIME",
        "laws/test_laws.py::test_crashes_are_invisible",
    ),
    _out(
        "T-27",
        "stream times begin anew after a restart",
        "operators/watermarks.py",
        'decode_stream_time(metadata.get(source, ""))',
        'decode_stream_time("")',
        "operators/test_source.py::test_stream_time_survives_a_restart",
    ),
    _out(
        "T-28",
        "repartition records are deleted before the commit that consumed them",
        "engine/worker.py",
        "                before[tp] = task.committed[tp]",
        "                before[tp] = Offset(task.committed[tp] + 1)",
        "laws/test_purging.py::test_what_is_deleted_was_committed_before",
    ),
    _out(
        "T-29",
        "a revocation does not wait for the commit in flight",
        "engine/worker.py",
        "            return []  # ``_after_commit`` goes on.",
        "            return self.tasks.retire_closing()",
        "engine/test_worker.py::test_a_revocation_while_a_commit_is_in_flight_waits_for_its_answer",
    ),
    _out(
        "T-30 T-31",
        "a transaction that must be aborted is taken for one with an unknown outcome",
        "kafka/errors.py",
        "    if facts.aborts or facts.code in STALE_MEMBER_CODES:",
        "    if facts.code in STALE_MEMBER_CODES:",
        "kafka/test_errors.py::test_an_error_in_a_commit_is_what_the_engine_knows",
    ),
    _out(
        "T-31",
        "a producer whose identity has expired is given up instead of renewed",
        "kafka/producers.py",
        "        self._move(TransactionState.READY)\n\n    def produce(",
        "        self._move(TransactionState.CLOSED)\n\n    def produce(",
        "kafka/test_expired_identity.py::test_a_worker_whose_identity_has_expired_goes_on_with_a_new_one",
    ),
    _out(
        "T-32",
        "partitions that are lost are committed once more",
        "engine/worker.py",
        '            commands += self._roll_back("partitions were lost", cmd.Abort(epoch=self.epoch + 1))',
        "            commands += self._commit_if_needed()",
        "engine/test_worker.py::test_lost_partitions_are_closed_and_the_open_transaction_is_aborted",
    ),
    _out(
        "T-33",
        "a row days ahead of the clock moves stream time",
        "operators/source.py",
        "        if ahead is not None and len(times) and int(times.max()) > now + ahead:",
        "        if ahead is not None and len(times) < 0:",
        "operators/test_source.py::test_a_row_too_far_ahead_of_the_clock_does_not_move_stream_time",
    ),
    _out(
        "T-34",
        "blobs of a later format are read as if they were of ours",
        "state/blobs.py",
        "    if blob[2] != BLOB_VERSION:",
        "    if blob[2] < BLOB_VERSION:",
        "state/test_blobs.py::test_a_blob_of_a_later_format_is_incompatible",
    ),
    _out(
        "T-35",
        "what was gathered before a pause or a seek is handed out after it",
        "kafka/consumer.py",
        "        self._ready = deque(event for event in self._ready if _partition_of(event) not in partitions)",
        "        pass",
        "kafka/test_log.py::test_going_back_drops_what_was_gathered_and_not_yet_handed_out",
    ),
    _out(
        "T-36",
        "the local store does not delete ranges",
        "storage/rocksdb.py",
        "            batch.delete_range(begin, end)",
        "            batch.delete(begin)",
        "storage/test_rocksdb.py::test_equals_the_reference_store",
    ),
    _out(
        "T-39",
        "iterators are kept after their scan",
        "storage/rocksdb.py",
        "        self._scans: WeakSet[_Scan] = WeakSet()",
        "        self._scans: set[_Scan] = set()",
        "storage/test_leaks.py::test_scans_that_are_left_halfway_keep_no_memory",
    ),
    _out(
        "T-40",
        "blocks of a later version are read as if they were of ours",
        "operators/blocks.py",
        "        if version != BLOCK_VERSION:",
        "        if version < BLOCK_VERSION:",
        "laws/test_mixed_versions.py::test_a_worker_that_meets_a_later_version_stops_and_the_later_one_goes_on",
    ),
    _out(
        "T-41",
        "nobody ends a call that does not return",
        "runtime/watchdog.py",
        "    os._exit(WATCHDOG_EXIT_CODE)",
        "    pass",
        "runtime/test_supervisor.py::test_a_worker_whose_client_call_does_not_return_ends_itself_and_is_started_again",
    ),
    _out(
        "T-44",
        "a SystemError of the client is a crash",
        "kafka/errors.py",
        "    except (KafkaException, SystemError) as error:\n        raise transaction_error",
        "    except KafkaException as error:\n        raise transaction_error",
        "kafka/test_log.py::test_a_fenced_producer_is_noticed_while_its_records_are_flushed",
    ),
    _out(
        "T-45",
        "a run that ends does not wait until everything is visible",
        "runtime/performer.py",
        "            self._log.await_visible()",
        "            pass",
        "runtime/test_performer.py::test_exit_waits_for_visibility_and_leaves",
    ),
    _out(
        "T-45 T-46",
        "a bounded run takes the last stable offset for the end of what its own tasks have sent",
        "engine/bounded.py",
        "appended=self.depth > 0",
        "appended=False",
        "engine/test_bounded.py::test_what_its_own_tasks_have_sent_ends_at_the_log_end_and_not_where_it_is_stable",
    ),
    _out(
        "T-46",
        "held offsets are taken for no offsets",
        "kafka/consumer.py",
        "            if not failures:\n                break",
        "            if True:\n                break",
        "kafka/test_log.py::test_committed_waits_until_a_transaction_that_holds_the_offset_is_decided",
    ),
    _out(
        "T-48",
        "lateness is judged by the latest time of the batch",
        "operators/watermarks.py",
        "        observed = np.maximum.accumulate(times)",
        "        observed = np.full_like(times, times.max())",
        "laws/test_laws.py::test_the_cut_of_the_input_and_the_interleaving_are_invisible",
    ),
    _out(
        "T-48",
        "windows close by the fastest input",
        "operators/watermarks.py",
        "    return Watermark(min(each.time for each in all_of_them), all(each.flushed for each in all_of_them))",
        "    return Watermark(max(each.time for each in all_of_them), all(each.flushed for each in all_of_them))",
        "laws/test_laws.py::test_the_cut_of_the_input_and_the_interleaving_are_invisible",
    ),
    _out(
        "T-49",
        "a commit emits a slice of the windows that it closes, and forgets the rest",
        "operators/aggregate.py",
        "        while self._leaving:\n            self._leave(_SEALED_SLICE_ROWS, turn)",
        "        if self._leaving:\n            self._leave(1, turn)",
        "operators/test_aggregate.py::test_the_commit_that_closes_a_window_emits_every_group_of_it",
    ),
)
