"""Adapter to RocksDB: the only package that imports rocksdict.

Rule 1: a database is opened in raw mode, with every option given for every column family.
Rule 2: RocksDB never holds uncommitted state.
"""
