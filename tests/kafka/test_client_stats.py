"""Statistics of the client: what matters of them, and that a real client tells them."""

import pytest

from streamframe.engine.snapshot import ClientSnapshot
from streamframe.kafka.client_stats import ClientStats, summary


def test_the_time_to_an_answer_is_the_mean_over_all_answers():
    brokers = {"a": {"rtt": {"cnt": 1, "avg": 4_000}}, "b": {"rtt": {"cnt": 3, "avg": 2_000}}, "logical": {}}
    found = summary("consumer", {"type": "consumer", "brokers": brokers, "topics": {}})
    assert found == ClientSnapshot(client="consumer", rtt_seconds=0.0025, fetch_queue_bytes=0)


def test_queues_are_added_up_over_partitions():
    partitions = {"0": {"fetchq_size": 100}, "1": {"fetchq_size": 20}, "-1": {}}
    found = summary("consumer", {"type": "consumer", "topics": {"clicks": {"partitions": partitions}}})
    assert (found.fetch_queue_bytes, found.queue_records, found.rtt_seconds) == (120, None, None)
    assert summary("producer", {"type": "producer", "msg_cnt": 7}).queue_records == 7


def test_the_last_word_of_each_client_counts():
    stats = ClientStats()
    take = stats.record("producer")
    take('{"type": "producer", "msg_cnt": 7}')
    take('{"type": "producer", "msg_cnt": 8}')
    stats.record("consumer")('{"type": "consumer"}')
    assert [(each.client, each.queue_records) for each in stats.latest()] == [("consumer", None), ("producer", 8)]


def test_what_is_no_statistics_is_an_error_of_the_client():
    with pytest.raises(ValueError, match="Expecting"):
        ClientStats().record("producer")("nonsense")
