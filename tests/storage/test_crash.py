"""Kill -9 at any moment, lose or roll back the local directory, purge the tombstones: the state is the oracle's."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from streamframe.core.ids import TaskId
from streamframe.storage.state_dir import StateDirectory
from tests.storage.crash_child import BATCHES_PER_WINDOW, TASK, FileLog, batch, restore

ROOT = Path(__file__).resolve().parents[2]
KILLS = 8
DEADLINE_SECONDS = 60


class Oracle:
    """The same aggregates, one row at a time, in dicts."""

    def __init__(self):
        self.windows = {}
        self.next = 0

    def catch_up(self, until):
        while self.next < until:
            for key, value, window in zip(*(list(column) for column in batch(self.next)), strict=True):
                count, total, _ = self.windows.setdefault(int(window), {}).get(key, (0, 0.0, None))
                self.windows[int(window)][key] = (count + 1, total + value, f"batch {self.next}")
            for window in sorted(self.windows):
                if window < self.next // BATCHES_PER_WINDOW - 1:
                    del self.windows[window]
            self.next += 1


def content(state):
    found = {}
    for window, _ in state.ids():
        table = state.table((window, 0))
        keys = table.keys.keys()[0].to_pylist()
        values = zip(*(column[: len(table)].tolist() for column in table.columns.values()), strict=True)
        found[window] = dict(zip(keys, values, strict=True))
    return found


def run_and_kill(directory, log, seed, *, grow_by):
    """Let a worker commit until the log has grown, then kill it wherever it is."""
    command = [sys.executable, "-m", "tests.storage.crash_child", str(directory), str(log), str(seed)]
    start = log.stat().st_size if log.exists() else 0
    worker = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (log.stat().st_size if log.exists() else 0) < start + grow_by:
        assert worker.poll() is None, worker.communicate()[1].decode()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    worker.kill()
    worker.communicate()


def test_every_crash_is_invisible(tmp_path):
    random = np.random.default_rng(7)
    directory, old, log = tmp_path / "state", tmp_path / "old", tmp_path / "log"
    oracle = Oracle()
    for kill in range(KILLS):
        run_and_kill(directory, log, kill, grow_by=int(random.integers(200_000, 2_000_000)))
        if kill == 2:
            shutil.copytree(directory, old)
        if kill == 5:
            shutil.rmtree(directory)
            shutil.copytree(old, directory)
        if kill == 6:
            shutil.rmtree(directory)
        with StateDirectory(directory, "crash") as stores:
            state, number = restore(stores.open(TASK), FileLog(log), purged=kill % 2 == 1)
            oracle.catch_up(number)
            assert content(state) == oracle.windows
            assert stores.tasks() == [TaskId(0, 0)]
    assert oracle.next > 3 * BATCHES_PER_WINDOW
