"""The reference store."""

from __future__ import annotations

from streamframe.state.memory import MemoryStore
from streamframe.state.store import Changes, prefix_end


def test_a_batch_applies_ranges_then_deletes_then_puts():
    store = MemoryStore({b"a": b"1", b"b": b"2", b"c": b"3"})
    store.write(Changes(puts=[(b"a", b"9")], deletes=[b"a", b"b"], ranges=[(b"a", b"c")]))
    assert store.content() == {b"a": b"9", b"c": b"3"}


def test_scans_see_the_prefix_only_in_key_order():
    store = MemoryStore({b"ab": b"", b"a": b"", b"b": b"", b"a\xff\xff": b""})
    assert [key for key, _ in store.scan(b"a")] == [b"a", b"ab", b"a\xff\xff"]


def test_seek_finds_the_next_key():
    store = MemoryStore({b"a": b"", b"c": b""})
    assert [store.seek(key) for key in (b"", b"a", b"b", b"d")] == [b"a", b"a", b"c", None]


def test_a_scan_is_not_disturbed_by_later_writes():
    store = MemoryStore({b"a": b"1", b"b": b"2"})
    scan = store.scan(b"")
    store.write(Changes(ranges=[(b"a", b"z")]))
    assert list(scan) == [(b"a", b"1"), (b"b", b"2")]


def test_the_end_of_a_prefix_is_behind_all_its_keys():
    assert prefix_end(b"a\xff\xff") == b"b"
    assert b"a" + b"\xff" * 9 < prefix_end(b"a") == b"b"
