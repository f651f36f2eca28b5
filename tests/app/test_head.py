"""``frame.head``: what somebody sees who looks at a few rows from a notebook or a script."""

import subprocess
import sys

SCRIPT = """\
from dataclasses import replace
import streamframe as sf
from streamframe.app.head import read_head
from streamframe.core.errors import Unavailable

app = sf.App("looking", brokers="127.0.0.1:1")
node = app.topic("clicks", schema={"amount": "int64"}).filter(lambda frame: frame["amount"] > 0)._node
try:
    settings = replace(app.settings, kafka=replace(app.settings.kafka, request_timeout_ms=1000))
    read_head("looking", settings, node, 3)
except Unavailable as error:
    print(error)
"""


def head_without_a_broker(first_lines: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", first_lines + SCRIPT], capture_output=True, text=True, timeout=60, check=True
    )


def test_without_logging_the_client_adds_nothing_to_the_error():
    ended = head_without_a_broker()

    assert "no answer from the broker" in ended.stdout
    assert "Connection refused" in ended.stdout
    assert ended.stderr == ""


def test_with_logging_set_up_the_lines_of_the_client_go_there():
    ended = head_without_a_broker("import logging\nlogging.basicConfig(format='LOGGED %(message)s')\n")

    lines = ended.stderr.splitlines()
    assert any("Connection refused" in line for line in lines)
    assert all(line.startswith("LOGGED ") for line in lines)
