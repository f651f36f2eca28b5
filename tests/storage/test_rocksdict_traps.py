"""Canaries: faults of rocksdict that ``storage/rocksdb.py`` works around, and behaviour that it relies on.

A failure here after an upgrade of rocksdict is not an alarm but a question: a fault that is gone may free a rule of
``storage/rocksdb.py``; behaviour that changed may break one.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from rocksdict import BlockBasedOptions, Cache, Options, Rdict, ReadOptions, WriteBatch, WriteOptions


def options(cache_mib=8, **more):
    made = Options(raw_mode=True)
    made.create_if_missing(True)
    made.create_missing_column_families(True)
    blocks = BlockBasedOptions()
    blocks.set_block_cache(Cache(cache_mib << 20))
    made.set_block_based_table_factory(blocks)
    return made


def reopen(path, cache_mib=8):
    made = options(cache_mib)
    return Rdict(str(path), made, column_families={"default": made})


def cache_capacity(db):
    return db.property_int_value("rocksdb.block-cache-capacity") >> 20


def key(number):
    return number.to_bytes(8, "big")


@pytest.fixture
def hundred(tmp_path):
    db = reopen(tmp_path / "db")
    for number in range(100):
        db[key(number)] = b"x"
    yield db
    db.close()


def test_fault_the_lower_bound_sets_the_upper_bound(hundred):
    bounds = ReadOptions()
    bounds.set_iterate_lower_bound(key(50))
    seen = [int.from_bytes(k, "big") for k in hundred.keys(read_opt=bounds)]
    assert seen == list(range(50)), "fixed? right would be 50 to 99"


def test_fault_options_of_the_default_column_family_come_from_the_directory_unless_given_twice(tmp_path):
    reopen(tmp_path / "db", cache_mib=64).close()
    once = Rdict(str(tmp_path / "db"), options(cache_mib=64))
    assert cache_capacity(once) != 64, "fixed? the argument now counts"
    once.close()
    twice = reopen(tmp_path / "db", cache_mib=64)
    assert cache_capacity(twice) == 64
    twice.close()


def test_fault_without_options_a_directory_decides_that_its_values_are_unpickled(tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.putenv, ("STREAMFRAME_EVIL", "1"))

    foreign = Rdict(str(tmp_path / "db"))
    foreign["k"] = Evil()
    foreign.close()
    with pytest.raises(Exception, match="does not match existing comparator"):
        reopen(tmp_path / "db")


def test_fault_iterating_over_a_damaged_block_ends_quietly_and_only_status_tells(tmp_path):
    db = reopen(tmp_path / "db")
    for number in range(20_000):
        db[key(number)] = os.urandom(64)
    db.flush()
    db.close()
    (table,) = (tmp_path / "db").glob("*.sst")
    content = bytearray(table.read_bytes())
    content[len(content) // 2] ^= 0xFF
    table.write_bytes(content)

    db = reopen(tmp_path / "db")
    assert len(list(db.items())) < 20_000, "fixed? iteration raises"
    cursor = db.iter()
    cursor.seek_to_first()
    while cursor.valid():
        cursor.next()
    with pytest.raises(Exception, match="Corruption"):
        cursor.status()
    del cursor
    db.close()


def test_fault_a_live_iterator_keeps_a_closed_database_open(tmp_path):
    db = reopen(tmp_path / "db")
    db[b"a"] = b"1"
    cursor = db.iter()
    db.close()
    with pytest.raises(Exception, match="lock hold by current process"):
        reopen(tmp_path / "db")
    del cursor
    reopen(tmp_path / "db").close()


def test_fault_the_write_ahead_log_is_switched_off_by_an_attribute():
    write = WriteOptions()
    with pytest.raises(TypeError):
        write.disable_wal(True)  # what the stub file says
    write.disable_wal = True  # type: ignore[method-assign, assignment]


def test_relied_on_an_unlisted_column_family_is_an_error(tmp_path):
    made = options()
    Rdict(str(tmp_path / "db"), made, column_families={"default": made, "x": made}).close()
    with pytest.raises(Exception, match="Column families not opened"):
        reopen(tmp_path / "db")


def test_relied_on_a_batch_is_applied_in_its_order(hundred):
    batch = WriteBatch(raw_mode=True)
    batch.delete_range(key(10), key(20))
    batch.delete(key(30))
    batch.put(key(15), b"new")
    batch.put(key(30), b"new")
    hundred.write(batch)
    assert hundred.get([key(10), key(15), key(20), key(30)]) == [None, b"new", b"x", b"new"]


def test_relied_on_closing_flushes_what_has_no_write_ahead_log(tmp_path):
    db = reopen(tmp_path / "db")
    write = WriteOptions()
    write.disable_wal = True  # type: ignore[method-assign, assignment]
    db.put(b"a", b"1", write)
    db.close()
    db = reopen(tmp_path / "db")
    assert db.get(b"a") == b"1"
    db.close()


def test_relied_on_an_iterator_sees_the_moment_of_its_creation(hundred):
    cursor = hundred.iter()
    hundred[key(5)] = b"later"
    del hundred[key(6)]
    cursor.seek(key(5))
    assert cursor.value() == b"x"
    cursor.next()
    assert cursor.key() == key(6)
    del cursor


def test_relied_on_a_second_process_is_refused(hundred, tmp_path):
    code = "import sys; from rocksdict import Options, Rdict; Rdict(sys.argv[1], Options(raw_mode=True))"
    second = subprocess.run([sys.executable, "-c", code, str(tmp_path / "db")], capture_output=True, text=True)
    assert "While lock file" in second.stderr
