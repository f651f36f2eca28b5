"""Bytes to columns and back, a batch at a time: JSON, raw, string.

Rule 1: a record that cannot be decoded is set aside with its reason; its neighbours are untouched.
Rule 2: only the columns that the topology uses are decoded.
"""
