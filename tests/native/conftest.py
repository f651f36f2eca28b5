"""Tests of the native path against the pure one. Without the native distribution there is nothing to compare."""

from streamframe.core.acceleration import native

collect_ignore_glob = [] if native is not None else ["test_*.py"]
