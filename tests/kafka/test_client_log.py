"""What librdkafka says, once."""

import logging

from confluent_kafka import KafkaError

from streamframe.kafka.client_log import LINES_MAX, ClientErrors, ClientLog, ConnectionLog


def test_lines_that_differ_in_numbers_are_written_once(caplog):
    log = ClientLog(logging.getLogger("test"))
    with caplog.at_level(logging.INFO):
        for port in range(5):
            log.log(logging.WARNING, "%s [%s] %s", "FAIL", "rdkafka#consumer-1", f"connect to 127.0.0.1:{port} failed")
        log.log(logging.WARNING, "%s [%s] %s", "FAIL", "rdkafka#consumer-1", "another line")
    assert len(caplog.messages) == 2
    assert caplog.messages[0] == "FAIL [rdkafka#consumer-1] connect to 127.0.0.1:0 failed"


def test_a_line_with_percent_signs_and_no_parts_is_taken_as_it_is(caplog):
    with caplog.at_level(logging.INFO):
        ClientLog(logging.getLogger("test")).log(logging.INFO, "100% done")
    assert caplog.messages == ["100% done"]


def test_the_memory_of_lines_is_bounded():
    log = ClientLog(logging.getLogger("test"))
    for number in range(LINES_MAX * 2):
        log.log(logging.DEBUG, "x" * number)
    assert len(log._seen) <= LINES_MAX


def test_the_last_error_with_a_reason_is_the_hint():
    errors = ClientErrors()
    errors.record(KafkaError(KafkaError._TRANSPORT, "connection refused"))
    errors.record(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))
    assert (errors.last, errors.refused, errors.unresolved) == ("connection refused", False, False)
    errors.record(KafkaError(KafkaError._AUTHENTICATION, "wrong password"))
    assert (errors.last, errors.refused) == ("wrong password", True)
    errors.clear()
    assert (errors.last, errors.refused) == ("", False)


def test_connections_that_were_lost_in_use_are_counted(caplog):
    log = ConnectionLog(ClientLog(logging.getLogger("test")), debugging=False)
    lost = "FAIL [p] [thrd:b]: b/1: Disconnected (after 12ms in state UP) (_TRANSPORT): error log suppressed"
    with caplog.at_level(logging.DEBUG):
        log.log(logging.DEBUG, lost)
        log.log(logging.INFO, "FAIL [p] [thrd:b]: b: 1 request(s) timed out: disconnect (after 9ms in state UP)")
        log.log(logging.DEBUG, "FAIL [p] [thrd:b]: b: Connect to b failed (after 0ms in state CONNECT) (_TRANSPORT)")
        log.log(logging.DEBUG, "FAIL [p]: b/bootstrap: Decommissioning this broker (after 0ms in state UP)")
        log.log(logging.DEBUG, "WAKEUP [p]: Wake-up sent")
    assert log.lost == 2
    assert len(caplog.messages) == 1
