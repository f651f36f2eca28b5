"""BucketState: what was committed comes back, whatever is killed, evicted, rolled back or purged."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamframe.core.errors import StateError, StoreCorrupted, StoreIncompatible
from streamframe.state.blobs import BlobKind, open_blob, seal_blob
from streamframe.state.buckets import BucketState, FamilySpec, StoreSpec, bucket_key, bucket_of, read_meta
from streamframe.state.changelog import apply_records
from streamframe.state.columns import ColumnSpec
from streamframe.state.memory import MemoryStore
from streamframe.state.meta import META_KEY, SourceTime
from streamframe.state.table_log import Layout

SMALL = Layout(page_rows=8, chunk_bytes=300, rotate_rows=2)
SPEC = StoreSpec(
    "totals",
    (pa.string(), pa.int64()),
    (ColumnSpec("count", "int64"), ColumnSpec("high", "float64", float("-inf")), ColumnSpec("last", "string")),
    (FamilySpec("seen", (pa.int32(),), (ColumnSpec("flag", "bool"),)),),
)
SIMPLE = StoreSpec("counts", (pa.int64(),), (ColumnSpec("count", "int64"), ColumnSpec("sum", "float64")))

Rows = list[tuple[str | None, int, float]]


def fold(state: BucketState, bucket, rows: Rows) -> None:
    """What an operator does with a batch."""
    table = state.table(bucket)
    slots = table.slots(
        [pa.array([row[0] for row in rows], pa.string()), pa.array([row[1] for row in rows], pa.int64())]
    )
    np.add.at(table.columns["count"], slots, 1)
    np.maximum.at(table.columns["high"], slots, np.array([row[2] for row in rows]))
    table.columns["last"][slots] = np.array([f"{row[0]}:{row[2]}" * (row[1] % 3) or None for row in rows], object)
    table.touch(slots)
    seen = state.table(bucket, 1)
    slots = seen.slots([pa.array([row[1] for row in rows], pa.int32())])
    seen.columns["flag"][slots] = True
    seen.touch(slots)


def fold_model(model: dict, bucket, rows: Rows) -> None:
    main, seen = model.setdefault(bucket, ({}, {}))
    for name, number, value in rows:
        count, high, _ = main.get((name, number), (0, float("-inf"), None))
        main[name, number] = (count + 1, max(high, value), f"{name}:{value}" * (number % 3) or None)
        seen[(number,)] = (True,)


def content(table):
    rows = len(table)
    columns = table.keys.keys()
    keys = zip(*(column.to_pylist() for column in columns), strict=True)
    values = zip(*(column[:rows].tolist() for column in table.columns.values()), strict=True)
    return dict(zip(keys, values, strict=True))


def everything(state: BucketState):
    found = {}
    for bucket in state.ids():
        tables = [state.peek(bucket, family) for family in range(len(state.spec.tables()))]
        if any(table is not None and len(table) for table in tables):
            found[bucket] = tuple({} if table is None else content(table) for table in tables)
    return found


@dataclass
class World:
    """A task with its local store and its changelog; commits are atomic, everything else can be lost."""

    layout: Layout = SMALL
    spec: StoreSpec = SPEC
    log: list = field(default_factory=list)
    local: MemoryStore = field(default_factory=MemoryStore)
    position: int = 0
    old: tuple[dict, int] = field(default_factory=lambda: ({}, 0))

    def commit(self, state: BucketState, apply: bool = True) -> None:
        sealed = state.seal(closed_until=7, sources=[SourceTime("clicks", 3, 99, True)])
        assert sealed.seq == len(self.log) + 1
        assert sealed.records[-1][0] == META_KEY
        self.log.append(sealed.records)
        if apply:
            self.local.write(sealed.changes)
            self.position = len(self.log)

    def restore(self, purge: bool) -> BucketState:
        """Catch up with the changelog; ``purge``: as if compaction had removed all it may, tombstones too."""
        if purge:
            last = {key: (i, value) for i, records in enumerate(self.log) for key, value in records}
            tail = [(key, value) for key, (i, value) in last.items() if i >= self.position and value is not None]
            self.local.write(apply_records(tail))
        else:
            for records in self.log[self.position :]:
                self.local.write(apply_records(records))
        self.position = len(self.log)
        return self.open()

    def open(self) -> BucketState:
        return BucketState(self.spec, self.local, read_meta(self.local, self.spec), layout=self.layout)


ROW = st.tuples(
    st.sampled_from(["a", "b", "", "long" * 20]) | st.none(), st.integers(0, 25), st.integers(0, 99).map(float)
)
BUCKET = st.tuples(st.sampled_from([-10, 0, 10, 20]), st.integers(0, 1))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("fold"), BUCKET, st.lists(ROW, min_size=1, max_size=12)),
        st.tuples(st.just("fold"), BUCKET, st.lists(ROW, min_size=1, max_size=12)),
        st.tuples(st.just("fold"), st.just((10, 0)), st.lists(ROW, min_size=1, max_size=5)),
        st.tuples(st.just("commit"), st.just(None), st.just(True)),
        st.tuples(st.just("commit"), st.just(None), st.just(True)),
        st.tuples(st.just("evict"), st.just(None), st.integers(0, 20_000)),
        st.tuples(st.just("expire"), BUCKET, st.just(None)),
        st.tuples(st.just("keep copy"), st.just(None), st.just(None)),
        st.tuples(st.just("crash"), st.sampled_from(["", "wipe", "roll back", "before apply"]), st.booleans()),
    ),
    max_size=40,
)


def drop_page_seqs(store: MemoryStore) -> None:
    """Break the rule: pages forget how new they are, so that stale deltas win over them."""
    for key, blob in store.content().items():
        if key[:1] == b"b":
            head = open_blob(key, blob)
            if head.kind is BlobKind.PAGE:
                store.write(apply_records([(key, seal_blob(key, replace(head, seq=0), [blob[40:]]))]))


def run(steps, *, before_open=lambda store: None) -> None:
    world = World()
    state = world.open()
    committed: dict = {}
    model: dict = {}
    dead: set = set()
    dead_committed: set = set()
    for step, at, argument in steps:
        if step == "fold" and at not in dead:
            fold(state, at, argument)
            fold_model(model, at, argument)
        elif step == "commit":
            world.commit(state)
            committed, dead_committed = copy(model), set(dead)
        elif step == "evict":
            state.evict(argument)
        elif step == "expire":
            state.expire(at)
            model.pop(at, None)
            dead.add(at)
        elif step == "keep copy":
            world.old = (world.local.content(), world.position)
        elif step == "crash":
            if at == "before apply":
                world.commit(state, apply=False)
                committed, dead_committed = copy(model), set(dead)
            if at == "wipe":
                world.local, world.position = MemoryStore(), 0
            if at == "roll back":
                world.local, world.position = MemoryStore(world.old[0]), world.old[1]
            state = world.restore(purge=argument)
            before_open(world.local)
            state = world.open()
            model, dead = copy(committed), set(dead_committed)
        assert state.is_dirty or step != "fold" or at in dead
        if step in ("crash", "commit", "evict"):
            assert everything(state) == model
    world.commit(state)
    before_open(world.local)
    assert everything(world.open()) == model
    assert everything(world.restore(purge=False)) == model


def copy(model):
    return {bucket: tuple(dict(part) for part in parts) for bucket, parts in model.items()}


@settings(max_examples=300)
@given(STEPS)
def test_what_was_committed_comes_back(steps):
    run(steps)


def stale_delta_steps(seed: int):
    """Many small commits on one bucket, rolled back and restored from a log without tombstones."""
    random = np.random.default_rng(seed)
    steps: list[tuple] = []
    for i in range(100):
        rows = [("k", int(n), float(i)) for n in random.integers(0, 40, 4)]
        steps += [("fold", (0, 0), rows), ("commit", None, True)]
        if i % 20 == 3:
            steps.append(("keep copy", None, None))
        if i % 20 == 19:
            steps.append(("crash", "roll back", True))
    return steps


def test_stale_deltas_do_no_harm_when_their_tombstones_are_gone():
    for seed in range(5):
        run(stale_delta_steps(seed))


def test_the_rule_that_makes_stale_deltas_harmless_is_needed():
    # The control: without the sequence numbers of the pages the same run must fail.
    for seed in range(5):
        with pytest.raises(AssertionError):
            run(stale_delta_steps(seed), before_open=drop_page_seqs)


def simple_fold(state: BucketState, keys, value=1.0, bucket=(0, 0)):
    table = state.table(bucket)
    slots = table.slots([pa.array(keys, pa.int64())])
    np.add.at(table.columns["count"], slots, 1)
    np.add.at(table.columns["sum"], slots, value)
    table.touch(slots)


@settings(max_examples=50)
@given(st.lists(st.lists(st.integers(0, 200), min_size=1, max_size=30), min_size=1, max_size=30))
def test_the_local_store_equals_the_changelog_after_every_commit(batches):
    world, followed = World(spec=SIMPLE), MemoryStore()
    state = world.open()
    for i, keys in enumerate(batches):
        simple_fold(state, keys, bucket=(i // 4, 0))
        if i % 4 == 3:
            state.expire((i // 4 - 1, 0))
        world.commit(state)
        followed.write(apply_records(world.log[-1]))
        assert followed.content() == world.local.content()


def test_a_commit_writes_about_twice_the_changed_rows():
    state = World(spec=SIMPLE).open()
    simple_fold(state, np.arange(400_000))
    state.seal(closed_until=0)
    for commit in range(20):
        simple_fold(state, np.arange(commit * 5000, commit * 5000 + 10_000))
        sealed = state.seal(closed_until=0)
        written = sum(len(value) for _, value in sealed.changes.puts)
        assert written < 10_000 * (24 + 4) + (10_000 + 8192) * 24 + 1000


def test_single_row_commits_on_a_large_table_stay_few_and_small():
    world = World(spec=SIMPLE, layout=Layout())
    state = world.open()
    simple_fold(state, np.arange(50_000))
    world.commit(state)
    sizes = []
    for key in range(400):
        simple_fold(state, [key])
        world.commit(state)
        sizes.append(sum(len(value or b"") for _, value in world.log[-1]))
    assert np.mean(sizes) < 25_000
    assert len(world.local.content()) < 300
    assert everything(world.restore(purge=True)) == everything(state)


def test_new_and_changed_rows_survive_in_a_table_too_large_for_pages_only():
    world = World(spec=SIMPLE, layout=Layout(page_rows=16, chunk_bytes=500))
    state = world.open()
    random = np.random.default_rng(3)
    for _ in range(40):
        simple_fold(state, random.integers(0, 4000, 300))
        world.commit(state)
        assert everything(world.open()) == everything(state)


def test_values_of_very_different_size_are_cut_into_records_below_the_limit():
    spec = StoreSpec("texts", (pa.string(),), (ColumnSpec("text", "binary"),))
    world = World(spec=spec, layout=Layout(chunk_bytes=20_000))
    state = world.open()
    random = np.random.default_rng(1)
    model = {}
    for _ in range(30):
        table = state.table((0, 0))
        keys = [f"k{n}" * (1 + n % 50) for n in random.integers(0, 300, 40).tolist()]
        slots = table.slots([pa.array(keys)])
        values = [
            bytes(int(size)) if size else None for size in random.integers(0, 3000, 40) * random.integers(0, 4, 40)
        ]
        for key, slot, value in zip(keys, slots.tolist(), values, strict=True):
            table.columns["text"][slot] = value
            model[key,] = (value,)
        table.touch(slots)
        world.commit(state)
        assert max(len(value or b"") for _, value in world.log[-1]) < 20_500
    assert everything(world.open()) == {(0, 0): (model,)}
    # Smaller values need fewer parts; the old ones must not come back, with or without their tombstones.
    table = state.table((0, 0))
    every = np.arange(len(table))
    table.columns["text"][every] = b"small"
    table.touch(every)
    world.commit(state)
    world.local, world.position = MemoryStore(), 0
    assert set(everything(world.restore(purge=True))[0, 0][0].values()) == {(b"small",)}


def test_a_row_too_large_for_a_record_is_an_error_that_names_the_key():
    state = World(spec=StoreSpec("texts", (pa.string(),), (ColumnSpec("text", "string"),)), layout=Layout()).open()
    table = state.table((0, 0))
    slots = table.slots([pa.array(["small", "greedy"])])
    table.columns["text"][slots] = np.array(["x", "x" * 2_000_000], object)
    table.touch(slots)
    with pytest.raises(StateError, match="greedy"):
        state.seal(closed_until=0)


def test_expired_buckets_whose_deletion_was_never_seen_are_deleted_again():
    world = World(spec=SIMPLE)
    state = world.open()
    for bucket in ((1, 0), (2, 0), (3, 0)):
        simple_fold(state, [1, 2], bucket=bucket)
    world.commit(state)
    stale = world.local.content()
    state.expire((1, 0))
    state.expire((3, 0))
    world.commit(state)
    world.local, world.position = MemoryStore(stale), 1
    state = world.restore(purge=True)
    assert state.ids() == [(2, 0)]
    assert state.peek((1, 0)) is None
    world.commit(state)
    assert {key[:11] for key in world.local.content() if key != META_KEY} == {bucket_key((2, 0))}
    assert {key for key, value in world.log[-1] if value is None} == {
        key for key in stale if key[:11] in (bucket_key((1, 0)), bucket_key((3, 0)))
    }


def test_reviving_an_expired_bucket_is_a_bug():
    state = World(spec=SIMPLE).open()
    simple_fold(state, [1])
    state.expire((0, 0))
    with pytest.raises(AssertionError, match="expired"):
        state.table((0, 0))


def test_a_table_is_not_evicted_before_its_changes_are_in_the_store():
    world = World(spec=SIMPLE)
    state = world.open()
    simple_fold(state, np.arange(100))
    assert state.evict(0) == 0
    sealed = state.seal(closed_until=0)
    assert state.evict(0) == 0
    world.local.write(sealed.changes)
    assert state.evict(0) > 0
    assert state.rows == state.nbytes == 0
    assert len(state.table((0, 0))) == 100


def test_the_least_recently_used_tables_are_evicted_first():
    world = World(spec=SIMPLE)
    state = world.open()
    for bucket in ((1, 0), (2, 0), (3, 0)):
        simple_fold(state, np.arange(1000), bucket=bucket)
    world.commit(state)
    state.table((1, 0))
    state.evict(state.nbytes * 2 // 3 + 10)
    assert state.rows == 2000
    kept = state.nbytes
    state.table((1, 0))
    state.table((3, 0))
    assert state.nbytes == kept


def test_meta_carries_time_and_sources():
    world = World(spec=SIMPLE)
    world.commit(world.open())
    meta = read_meta(world.local, SIMPLE)
    assert (meta.seq, meta.closed_until, meta.sources) == (1, 7, (SourceTime("clicks", 3, 99, True),))


def test_state_of_other_columns_is_refused():
    world = World(spec=SIMPLE)
    world.commit(world.open())
    other = replace(SIMPLE, columns=(ColumnSpec("count", "float64"),))
    with pytest.raises(StoreIncompatible, match="another program"):
        read_meta(world.local, other)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 65535), st.integers(-(2**63), 2**63 - 1), st.integers(0, 65535))
def test_the_order_of_buckets_is_the_order_of_their_keys(start, variant, other_start, other_variant):
    one, other = (start, variant), (other_start, other_variant)
    assert (bucket_key(one) < bucket_key(other)) == (one < other)
    assert bucket_of(bucket_key(one) + b"rest") == one


@pytest.fixture(scope="module")
def written():
    world = World(layout=Layout(page_rows=16, chunk_bytes=600))
    state = world.open()
    for i in range(12):
        fold(state, (0, 0), [("k" * (n % 5), n, float(i)) for n in range(i * 7, i * 7 + 20 + 60 * (i == 0))])
        world.commit(state)
    return world, {key: blob for key, blob in world.local.content().items() if key[:1] == b"b"}


@settings(max_examples=400)
@given(st.data())
def test_a_damaged_blob_is_noticed(written, data):
    world, blobs = written
    key = data.draw(st.sampled_from(sorted(blobs)))
    blob = bytearray(blobs[key])
    kind = data.draw(st.sampled_from(["flip", "cut", "longer", "other"]))
    at = data.draw(st.integers(0, len(blob) - 1))
    if kind == "flip":
        blob[at] ^= data.draw(st.integers(1, 255))
    elif kind == "cut":
        del blob[at:]
    elif kind == "longer":
        blob.append(0)
    else:
        blob[:] = blobs[data.draw(st.sampled_from(sorted(set(blobs) - {key})))]
    store = MemoryStore({**world.local.content(), key: bytes(blob)})
    state = BucketState(SPEC, store, read_meta(store, SPEC), layout=world.layout)
    with pytest.raises((StoreCorrupted, StoreIncompatible)):
        everything(state)


def test_a_missing_part_is_noticed_unless_it_is_superseded(written):
    world, blobs = written
    right = everything(world.open())
    parts = [key for key, blob in blobs.items() if open_blob(key, blob).parts > 1]
    noticed = 0
    for key in parts:
        store = MemoryStore(world.local.content())
        store.write(apply_records([(key, None)]))
        try:
            assert everything(BucketState(SPEC, store, read_meta(store, SPEC), layout=world.layout)) == right
        except StoreCorrupted:
            noticed += 1
    assert noticed > len(parts) / 2


def test_state_of_another_meaning_is_refused_with_what_differs():
    world = World(spec=replace(SIMPLE, signature="store counts\n  window: tumbling 10s"))
    world.commit(world.open())
    other = replace(SIMPLE, signature="store counts\n  window: tumbling 20s")

    with pytest.raises(StoreIncompatible) as caught:
        read_meta(world.local, other)

    assert "-  window: tumbling 10s" in str(caught.value)
    assert "+  window: tumbling 20s" in str(caught.value)
