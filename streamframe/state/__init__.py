"""What is remembered: tables of columns, blobs, the changelog codec, the store interface.

Rule 1: `apply` is the only writer, live and on restore.
Rule 2: every value starts with a format version; docs/format.md describes each byte.
"""
