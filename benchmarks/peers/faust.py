"""Faust (faust-streaming), configured: ``scripts/faust_peer.py``.

Its exactly-once setting, orjson, tables in memory, no web server, commits every second.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.peers.environments import PythonProgram

VERSION = "0.15.3"
CASES = ("tumbling", "changes", "map", "repartition", "pandas-function")
PROGRAM = PythonProgram(
    name=f"faust-{VERSION}",
    requirements=(f"faust-streaming=={VERSION}", "aiokafka[lz4]", "orjson", "pandas>=3,<4"),
    script=Path(__file__).parent / "scripts" / "faust_peer.py",
)
