"""Quix Streams, configured: ``scripts/quix_peer.py``."""

from __future__ import annotations

from pathlib import Path

from benchmarks.peers.environments import PythonProgram

VERSION = "3.28"
CASES = ("tumbling", "changes", "map", "repartition")
NO_BATCHES = "its functions see one record at a time as a dict: there is no batch of rows to make a DataFrame of"
PROGRAM = PythonProgram(
    name=f"quix-{VERSION}",
    requirements=(f"quixstreams=={VERSION}.*",),
    script=Path(__file__).parent / "scripts" / "quix_peer.py",
)
