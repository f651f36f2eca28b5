"""What a task remembers: columnar tables, the blobs they are saved as, and the store they are saved in.

Everything here is pure: numpy and pyarrow, but no I/O, clock, chance or threads. ``store`` is the port
that storage engines implement, ``memory`` its reference implementation; ``table`` is one hash table of
keys with one array per accumulator; ``buckets`` holds the tables of one named store and turns what
changed into records; ``docs/format.md`` draws every byte.
"""
