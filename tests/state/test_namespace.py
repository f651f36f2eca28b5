"""Named stores in one database."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamframe.state.memory import MemoryStore
from streamframe.state.namespace import NamespaceReader, everything, prefixed
from streamframe.state.store import Changes

NAME = st.sampled_from(["a", "ab", "", "é", "b"])
CHANGES = st.builds(
    Changes,
    puts=st.lists(st.tuples(st.binary(max_size=2), st.binary(max_size=2)), max_size=4),
    deletes=st.lists(st.binary(max_size=2), max_size=2),
    ranges=st.lists(
        st.tuples(st.binary(max_size=2), st.binary(min_size=1, max_size=2)).filter(lambda r: r[0] < r[1]), max_size=2
    ),
)


@given(st.lists(st.tuples(NAME, CHANGES), max_size=12), st.binary(max_size=2))
def test_every_store_behaves_as_if_it_had_a_database_of_its_own(writes, key):
    database = MemoryStore()
    alone: dict[str, MemoryStore] = {}
    for name, changes in writes:
        database.write(prefixed(changes, name))
        alone.setdefault(name, MemoryStore()).write(changes)
    for name, store in alone.items():
        reader = NamespaceReader(database, name)
        assert list(reader.scan(key)) == list(store.scan(key))
        assert reader.get(key) == store.get(key)
        assert reader.seek(key) == store.seek(key)


def test_a_forgotten_store_leaves_its_neighbours():
    database = MemoryStore()
    for name in ("a", "ab", "b"):
        database.write(prefixed(Changes(puts=[(b"k", name.encode())]), name))
    database.write(everything("a"))
    assert [NamespaceReader(database, name).get(b"k") for name in ("a", "ab", "b")] == [None, b"ab", b"b"]
