"""Local stores on disk: RocksDB through rocksdict, which nothing outside this package imports.

``rocksdb`` is one database, ``failures`` says what its errors mean, ``resources`` is the memory that all databases
of a process share, ``state_dir`` is the directory of an application: one database per task.

Processes that use stores are spawned, never forked: a forked child hangs in its first flush.
"""
