"""The state directory: layout, locks, quarantine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamframe.core.errors import ConfigError, StoreCorrupted, StoreUnavailable
from streamframe.core.ids import TaskId
from streamframe.state.store import Changes
from streamframe.storage.state_dir import StateDirectory

ROOT = Path(__file__).resolve().parents[2]
TASK = TaskId(0, 3)
A = Changes(puts=[(b"a", b"1")])


@pytest.fixture
def stores(tmp_path):
    with StateDirectory(tmp_path, "orders") as made:
        yield made


def test_what_was_written_is_there_after_reopening(stores):
    stores.open(TASK).write(A)
    stores.close()
    assert stores.open(TASK).get(b"a") == b"1"
    assert stores.tasks() == [TASK]


def test_the_layout_is_the_documented_one(stores, tmp_path):
    stores.open(TASK)
    directory = tmp_path / "orders" / "0_3"
    assert sorted(entry.name for entry in directory.iterdir()) == ["db", "lock", "marker.json"]
    assert json.loads((directory / "marker.json").read_text()) == {"format": 1, "application": "orders", "task": "0_3"}


def test_a_wiped_store_is_empty_and_the_last_one_is_kept_aside(stores, tmp_path):
    for value in (b"1", b"2"):
        store = stores.open(TASK)
        assert store.get(b"a") is None
        store.write(Changes(puts=[(b"a", value)]))
        store.close()
        stores.wipe(TASK)
    assert (tmp_path / "orders" / "0_3" / "aside" / "CURRENT").exists()
    assert stores.tasks() == []
    assert stores.open(TASK).get(b"a") is None


def test_a_damaged_store_is_reported_and_can_be_wiped(stores, tmp_path):
    stores.open(TASK).write(A)
    stores.close()
    (tmp_path / "orders" / "0_3" / "db" / "CURRENT").unlink()
    with pytest.raises(StoreCorrupted):
        stores.open(TASK)
    stores.wipe(TASK)
    assert stores.open(TASK).get(b"a") is None


@pytest.mark.parametrize(
    "marker", [None, b"nonsense", b'{"format": 2}', b'{"format":1,"application":"x","task":"0_3"}']
)
def test_a_directory_that_is_not_ours_is_never_removed(stores, tmp_path, marker):
    directory = tmp_path / "orders" / "0_3"
    directory.mkdir()
    (directory / "thesis.tex").write_text("years of work")
    if marker is not None:
        (directory / "marker.json").write_bytes(marker)
    with pytest.raises(StoreCorrupted, match="something else"):
        stores.open(TASK)
    with pytest.raises(StoreCorrupted):
        stores.discard(TASK)
    stores.wipe(TASK)
    stores.open(TASK).write(A)
    (kept,) = (tmp_path / "orders").glob("0_3.foreign-*/thesis.tex")
    assert kept.read_text() == "years of work"


def test_a_crash_before_the_marker_was_written_leaves_a_usable_directory(stores, tmp_path):
    directory = tmp_path / "orders" / "0_3"
    directory.mkdir()
    (directory / "lock").touch()
    (directory / "marker.json.new").write_text("{")
    stores.open(TASK).write(A)


def test_a_store_is_open_in_one_place_only(stores, tmp_path):
    stores.open(TASK).write(A)
    with StateDirectory(tmp_path, "orders") as second:
        with pytest.raises(StoreUnavailable, match="another process"):
            second.open(TASK)
        with pytest.raises(StoreUnavailable, match="another process"):
            second.wipe(TASK)
        second.open(TaskId(0, 4)).write(A)
        stores.close()
        assert second.open(TASK).get(b"a") == b"1"


def test_a_killed_process_leaves_no_lock(stores, tmp_path):
    code = """
import os, signal, sys
from pathlib import Path
from streamframe.core.ids import TaskId
from streamframe.state.store import Changes
from streamframe.storage.state_dir import StateDirectory
store = StateDirectory(Path(sys.argv[1]), "orders").open(TaskId(0, 3))
store.write(Changes(puts=[(b"a", b"1")]))
store.flush()
store.write(Changes(puts=[(b"a", b"2")]))
os.kill(os.getpid(), signal.SIGKILL)
"""
    child = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT)
    assert child.returncode == -9
    assert stores.open(TASK).get(b"a") == b"1"


def test_discarding_leaves_nothing(stores, tmp_path):
    stores.open(TASK).write(A)
    stores.close()
    stores.wipe(TASK)
    stores.open(TASK).close()
    stores.discard(TASK)
    stores.discard(TASK)
    assert list((tmp_path / "orders").iterdir()) == []


def test_tasks_are_those_that_have_a_store(stores, tmp_path):
    for task in (TaskId(1, 0), TaskId(0, 10), TaskId(0, 9)):
        stores.open(task)
    (tmp_path / "orders" / "lost+found").mkdir()
    assert stores.tasks() == [TaskId(0, 9), TaskId(0, 10), TaskId(1, 0)]


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", ".hidden"])
def test_names_that_are_no_directory_names_are_refused(tmp_path, name):
    with pytest.raises(ConfigError):
        StateDirectory(tmp_path, name)


def test_a_state_directory_that_is_a_file_is_a_configuration_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be used"):
        StateDirectory(tmp_path / "file", "orders")
    assert os.path.isfile(tmp_path / "file")
