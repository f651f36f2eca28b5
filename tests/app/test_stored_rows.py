"""Looking up a key: the same rows as a scan gives, and no more of the store read than the windows asked for."""

import pytest

from streamframe.app.stored_rows import aggregate_place, open_aggregate, rows_of, rows_of_key, store_places
from streamframe.core.errors import ConfigError
from streamframe.core.ids import TaskId
from streamframe.plan.nodes import Window
from streamframe.state.buckets import bucket_key, bucket_of
from tests.operators.harness import Cluster, aggregate, source, to_topic, topology

SECOND = 1_000_000
TUMBLING = Window(size=10 * SECOND, every=10 * SECOND, grace=100 * SECOND)
HOPPING = Window(size=30 * SECOND, every=10 * SECOND, grace=100 * SECOND)


class Watched:
    """A store that remembers which buckets were read."""

    def __init__(self, store) -> None:
        self._store = store
        self.buckets: list[int] = []

    def get(self, key):
        return self._store.get(key)

    def seek(self, key):
        return self._store.seek(key)

    def scan(self, prefix):
        if prefix.startswith(bucket_key((0, 0))[:1]):
            self.buckets.append(bucket_of(prefix)[0] // SECOND)
        return self._store.scan(prefix)


def opened(window, keys=("user",)):
    """A state with five users in windows that begin at 0, 10, 20 and 30 seconds."""
    node = aggregate(source(), keys, {"n": ("amount", "size"), "total": ("amount", "sum")}, window)
    cluster = Cluster(topology(to_topic(node)))
    for number in range(40):
        row = {"user": f"u{number % 5}", "page": "p", "amount": number, "flag": number % 2 == 0, "ts": number * SECOND}
        cluster.send("clicks", [row], by="user")
    cluster.run()
    store = Watched(cluster.tasks[TaskId(0, 0)].stores["totals"])
    place, found = aggregate_place(store_places(cluster.topology), "totals", {})
    return open_aggregate(cluster.topology, place, store), found, store


@pytest.mark.parametrize("window", [None, TUMBLING, HOPPING], ids=["table", "tumbling", "hopping"])
def test_a_key_has_the_rows_that_a_scan_gives_for_it(window):
    state, node, _ = opened(window)
    scanned = [row for row in rows_of(state, node) if row["user"] == "u3"]
    state, node, _ = opened(window)
    assert list(rows_of_key(state, node, {"user": "u3"})) == scanned
    assert len(scanned) == {None: 1, TUMBLING: 4, HOPPING: 6}[window]


def test_one_window_reads_one_bucket():
    state, node, store = opened(TUMBLING)
    (row,) = rows_of_key(state, node, {"user": "u3"}, 20 * SECOND)
    assert (row["n"], row["total"]) == (2, 23 + 28)
    assert store.buckets == [20]


def test_windows_are_read_one_after_the_other_and_let_go():
    state, node, store = opened(TUMBLING)
    rows = rows_of_key(state, node, {"user": "u3"})
    next(rows)
    assert store.buckets == [0]
    assert len(list(rows)) == 3
    assert store.buckets == [0, 10, 20, 30]
    assert state.nbytes == 0


def test_an_unknown_key_has_no_rows_and_an_impossible_one_is_refused():
    state, node, _ = opened(None)
    assert list(rows_of_key(state, node, {"user": "nobody"})) == []
    assert list(rows_of(state, node)) != []
    state, node, _ = opened(TUMBLING, keys=("user", "amount"))
    (row,) = rows_of_key(state, node, {"user": "u3", "amount": "8"})
    assert row["amount"] == 8
    with pytest.raises(ConfigError, match="no value of the key column"):
        list(rows_of_key(state, node, {"user": "u3", "amount": "many"}))
