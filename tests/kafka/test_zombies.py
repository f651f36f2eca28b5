"""A member that was expelled while it was stopped cannot commit, also when it does not poll first.

The client rejoins the group in the background. Were its group metadata renewed by that, before the application has
heard of the loss, the group coordinator would take the zombie's offsets for those of a living member.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import time

import pytest

from streamframe.core.settings import KafkaSettings
from streamframe.kafka.admin import TopicAdmin
from streamframe.kafka.client_log import ClientLog
from streamframe.testing.broker import KafkaBroker

LIMIT_SECONDS = 60


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["consumer", "classic"])
def test_a_zombie_that_does_not_poll_cannot_commit(kafka: KafkaBroker, protocol: str) -> None:
    topic, output = f"zombie-{protocol}", f"zombie-{protocol}-out"
    kafka.create_topic(topic, 2)
    kafka.create_topic(output, 1)
    command = [sys.executable, "-m", "tests.kafka.zombie", kafka.bootstrap, protocol, topic, output]
    member = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert member.stdout is not None
        assert member.stdout.readline() == "ready\n"
        member.send_signal(signal.SIGSTOP)
        _wait_until_expelled(kafka.bootstrap, f"{topic}-group")
        member.send_signal(signal.SIGCONT)
        answer, _ = member.communicate("go\n", timeout=LIMIT_SECONDS)
    finally:
        member.kill()
        member.wait()

    assert answer.startswith("refused"), answer


def _wait_until_expelled(bootstrap: str, group: str) -> None:
    admin = TopicAdmin(KafkaSettings(bootstrap=bootstrap), ClientLog(logging.getLogger("test")))
    admin.connect()
    deadline = time.monotonic() + LIMIT_SECONDS
    while admin.group(group).members:
        assert time.monotonic() < deadline, "the stopped member is still in the group"
        time.sleep(0.2)
    admin.close()
