"""A store as it was: for a thread that only looks."""

from pathlib import Path

from streamframe.core.ids import TaskId
from streamframe.state.store import Changes
from streamframe.storage.state_dir import StateDirectory

TASK = TaskId(0, 1)


def test_a_frozen_store_does_not_see_what_is_written_later(tmp_path: Path) -> None:
    with StateDirectory(tmp_path, "app") as stores:
        store = stores.open(TASK)
        store.write(Changes(puts=[(b"a", b"1"), (b"ab", b"2"), (b"b", b"3")]))
        frozen = stores.frozen()[TASK]
        store.write(Changes(puts=[(b"a", b"9"), (b"c", b"4")], deletes=[b"b"]))

        assert frozen.get(b"a") == b"1"
        assert frozen.get(b"c") is None
        assert list(frozen.scan(b"a")) == [(b"a", b"1"), (b"ab", b"2")]
        assert frozen.seek(b"ac") == b"b"
        assert frozen.seek(b"bb") is None
        assert store.get(b"a") == b"9"


def test_a_closed_store_is_not_frozen_and_a_frozen_one_can_be_closed_and_opened_again(tmp_path: Path) -> None:
    with StateDirectory(tmp_path, "app") as stores:
        store = stores.open(TASK)
        store.write(Changes(puts=[(b"a", b"1")]))
        frozen = stores.frozen()
        store.close()
        assert frozen[TASK].get(b"a") == b"1"
        assert stores.frozen() == {}

        frozen.clear()
        assert stores.open(TASK).get(b"a") == b"1"


def test_sizes_grow_with_what_is_written(tmp_path: Path) -> None:
    with StateDirectory(tmp_path, "app") as stores:
        assert stores.sizes() == (0, 0)
        store = stores.open(TASK)
        store.write(Changes(puts=[(b"%d" % number, bytes(1_000)) for number in range(100)]))
        size, entries = stores.sizes()
        assert size > 100_000
        assert entries == 100
