"""Locks between processes, and files that are never seen half."""

import os
import subprocess
import sys
import time

import pytest

from streamframe.broker.caches import cache_home, locked, make_dir, write_whole
from streamframe.core.errors import ConfigError
from tests.broker.processes import first_line

HOLD_LOCK = """
import sys, time
from pathlib import Path
from streamframe.broker.caches import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_cache_home_can_be_moved(monkeypatch, tmp_path):
    monkeypatch.setenv("STREAMFRAME_CACHE", str(tmp_path / "here"))
    assert cache_home() == tmp_path / "here"
    monkeypatch.delenv("STREAMFRAME_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_home() == tmp_path / "xdg" / "streamframe"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_home() == tmp_path / ".cache" / "streamframe"


def test_a_second_process_waits_for_the_lock_and_hears_who_holds_it(tmp_path):
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert first_line(holder) == b"held\n"
        heard = []

        def release(owner):
            heard.append(int(owner))
            assert holder.stdin is not None
            holder.stdin.close()

        with locked(path, on_wait=release):
            assert heard == [holder.pid]
            assert path.read_text() == str(os.getpid())


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert first_line(holder) == b"held\n"
        holder.kill()
        holder.wait()
        began = time.monotonic()
        with locked(path):
            assert time.monotonic() - began < 5


def test_a_file_is_replaced_whole_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "state.json"
    write_whole(path, b"old")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["state.json"]


def test_a_directory_that_cannot_be_made_names_the_way_out(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="STREAMFRAME_CACHE"):
        make_dir(tmp_path / "file" / "below")
