"""RocksStore equals the reference store, notices damage, and lets go of everything when closed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamframe.core.errors import StoreCorrupted, StoreUnavailable
from streamframe.state.buckets import BucketState, StoreSpec, read_meta
from streamframe.state.columns import ColumnSpec
from streamframe.state.memory import MemoryStore
from streamframe.state.namespace import NamespaceReader, prefixed
from streamframe.state.store import Changes
from streamframe.storage.resources import SharedResources
from streamframe.storage.rocksdb import RocksStore

ROOT = Path(__file__).resolve().parents[2]
KEY = st.binary(min_size=1, max_size=3)
CHANGES = st.builds(
    Changes,
    puts=st.lists(st.tuples(KEY, st.binary(max_size=5)), max_size=6),
    deletes=st.lists(KEY, max_size=3),
    ranges=st.lists(st.tuples(KEY, KEY).filter(lambda pair: pair[0] < pair[1]), max_size=2),
)
STEPS = st.lists(st.tuples(st.sampled_from(["write", "write", "write", "flush", "reopen"]), CHANGES), max_size=12)


@pytest.fixture(scope="module")
def resources():
    return SharedResources()


@pytest.fixture
def store(tmp_path, resources):
    opened = RocksStore.open(tmp_path / "db", resources)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("stores")


@settings(max_examples=40)
@given(STEPS, KEY)
def test_equals_the_reference_store(scratch, resources, steps, probe):
    shutil.rmtree(scratch / "db", ignore_errors=True)
    store, reference = RocksStore.open(scratch / "db", resources), MemoryStore()
    for step, changes in steps:
        if step == "write":
            store.write(changes)
            reference.write(changes)
        elif step == "flush":
            store.flush()
        else:
            store.close()
            store = RocksStore.open(scratch / "db", resources)
        assert list(store.scan(b"")) == list(reference.scan(b""))
        assert list(store.scan(probe[:1])) == list(reference.scan(probe[:1]))
        assert store.seek(probe) == reference.seek(probe)
        assert store.get(probe) == reference.get(probe)
    store.close()


def test_a_task_with_two_stores_comes_back_after_reopening(tmp_path, resources):
    specs = [StoreSpec(name, (pa.string(),), (ColumnSpec("count", "int64"),)) for name in ("clicks", "views")]
    store = RocksStore.open(tmp_path / "db", resources)
    for commit in range(5):
        for spec in specs:
            reader = NamespaceReader(store, spec.name)
            state = BucketState(spec, reader, read_meta(reader, spec))
            table = state.table((commit // 2, 0))
            slots = table.slots([pa.array([f"{spec.name}-{i}" for i in range(3000)])])
            np.add.at(table.columns["count"], slots, 1)
            table.touch(slots)
            if commit == 4:
                state.expire((0, 0))
            store.write(prefixed(state.seal(closed_until=commit).changes, spec.name))
        store.close()
        store = RocksStore.open(tmp_path / "db", resources)
    for spec in specs:
        reader = NamespaceReader(store, spec.name)
        state = BucketState(spec, reader, read_meta(reader, spec))
        assert state.ids() == [(1, 0), (2, 0)]
        assert state.table((1, 0)).columns["count"][:3000].tolist() == [2] * 3000
        assert state.table((2, 0)).keys.keys()[0].to_pylist()[7] == f"{spec.name}-7"
    store.close()


def test_a_scan_sees_the_moment_of_its_call(store):
    store.write(Changes(puts=[(b"a", b"1"), (b"b", b"2")]))
    scan = store.scan(b"")
    store.write(Changes(puts=[(b"a", b"9")], deletes=[b"b"]))
    assert list(scan) == [(b"a", b"1"), (b"b", b"2")]


def test_closing_during_a_scan_lets_go_of_the_directory(tmp_path, resources):
    store = RocksStore.open(tmp_path / "db", resources)
    store.write(Changes(puts=[(b"a", b"1"), (b"b", b"2")]))
    scan = store.scan(b"")
    next(scan)
    store.close()
    with pytest.raises(AssertionError, match="closed during a scan"):
        next(scan)
    RocksStore.open(tmp_path / "db", resources).close()


def test_opening_twice_in_one_process_is_refused_and_harmless(store, tmp_path, resources):
    store.write(Changes(puts=[(b"a", b"1")]))
    with pytest.raises(StoreUnavailable, match="own handle"):
        RocksStore.open(tmp_path / "db", resources)
    assert store.get(b"a") == b"1"


def test_closing_twice_is_allowed_and_tells_once(tmp_path, resources):
    told = []
    store = RocksStore.open(tmp_path / "db", resources, on_close=lambda: told.append(1))
    store.close()
    store.close()
    assert told == [1]
    assert store.is_closed


# Damage.

ROWS = 4000


@pytest.fixture(scope="module")
def pristine(tmp_path_factory, resources):
    path = tmp_path_factory.mktemp("pristine") / "db"
    store = RocksStore.open(path, resources)
    for begin in range(0, ROWS, 1000):
        store.write(Changes(puts=[(b"k%08d" % i, b"%08d" % i * 16) for i in range(begin, begin + 1000)]))
        store.flush()
    store.close()
    return path


def newest(path, pattern):
    return sorted(path.glob(pattern))[-1]


def cut(path, size):
    with path.open("r+b") as file:
        file.truncate(max(0, path.stat().st_size - size))


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    path.write_bytes(content)


DAMAGE = {
    "table truncated": lambda path: cut(newest(path, "*.sst"), 1024),
    "table emptied": lambda path: cut(newest(path, "*.sst"), 1 << 30),
    "table deleted": lambda path: newest(path, "*.sst").unlink(),
    "table footer flipped": lambda path: flip(newest(path, "*.sst"), -20),
    "block flipped": lambda path: flip(newest(path, "*.sst"), 20_000),
    "CURRENT deleted": lambda path: (path / "CURRENT").unlink(),
    "CURRENT emptied": lambda path: cut(path / "CURRENT", 1 << 20),
    "manifest flipped": lambda path: flip(newest(path, "MANIFEST-*"), newest(path, "MANIFEST-*").stat().st_size // 2),
    "manifest deleted": lambda path: newest(path, "MANIFEST-*").unlink(),
}


def read_everything(path, resources):
    store = RocksStore.open(path, resources)
    try:
        return len(list(store.scan(b"")))
    finally:
        store.close()


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_noticed_and_never_a_wrong_or_shorter_answer(name, tmp_path, pristine, resources):
    path = tmp_path / "db"
    shutil.copytree(pristine, path)
    DAMAGE[name](path)
    with pytest.raises(StoreCorrupted):
        read_everything(path, resources)


@pytest.mark.parametrize("name", ["OPTIONS-*", "rocksdict-config.json"])
def test_files_that_are_not_needed_may_be_damaged(name, tmp_path, pristine, resources):
    path = tmp_path / "db"
    shutil.copytree(pristine, path)
    for file in path.glob(name):
        file.write_bytes(b"garbage" if name.startswith("OPTIONS") else b"")
    assert read_everything(path, resources) == ROWS


def test_a_directory_in_pickle_mode_is_refused(tmp_path, resources):
    code = "import sys; from rocksdict import Rdict; d = Rdict(sys.argv[1]); d['a'] = 1; d.close()"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "db")], check=True)
    with pytest.raises(StoreCorrupted):
        RocksStore.open(tmp_path / "db", resources)


def test_a_write_that_the_disk_refuses_is_unavailable_and_the_store_reopens_at_an_older_state(tmp_path, resources):
    code = """
import os, resource, signal, sys
from pathlib import Path
from streamframe.core.errors import StoreUnavailable
from streamframe.state.store import Changes
from streamframe.storage.resources import SharedResources
from streamframe.storage.rocksdb import RocksStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = RocksStore.open(Path(sys.argv[1]), SharedResources())
store.write(Changes(puts=[(b"a", b"1"), (b"o", b"1")]))
store.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
try:
    store.write(Changes(puts=[(b"a", os.urandom(1 << 20)), (b"o", b"2")]))
    store.flush()
except StoreUnavailable as error:
    print("unavailable", error.facts["reason"])
store.close()
print("closed")
"""
    child = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "db")], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert child.stdout.split() == ["unavailable", "other", "closed"]
    store = RocksStore.open(tmp_path / "db", resources)
    assert [store.get(b"a"), store.get(b"o")] == [b"1", b"1"]
    store.close()


def test_use_after_a_fork_is_a_bug(tmp_path):
    # In a process of its own: the fork of this one would hold its threads and databases.
    code = """
import os, sys
from pathlib import Path
from streamframe.storage.resources import SharedResources
from streamframe.storage.rocksdb import RocksStore
store = RocksStore.open(Path(sys.argv[1]), SharedResources())
child = os.fork()
if child == 0:
    outcome = 1
    try:
        store.flush()
    except AssertionError:
        outcome = 7
    finally:
        os._exit(outcome)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
store.close()
"""
    parent = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "db")], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert parent.stdout.split() == ["7"]
