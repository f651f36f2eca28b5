"""What happened, line by line: its hash says whether two runs were the same."""

from __future__ import annotations

import hashlib


class Trace:
    """Lines of one run.

    Args:
        keep: Whether to keep the lines; the hash is made in any case.
    """

    def __init__(self, *, keep: bool = False) -> None:
        self.lines: list[str] = []
        self._keep = keep
        self._hash = hashlib.blake2b(digest_size=16)

    def note(self, line: str) -> None:
        """Add a line."""
        self._hash.update(line.encode())
        self._hash.update(b"\n")
        if self._keep:
            self.lines.append(line)

    @property
    def digest(self) -> str:
        """Hash of all lines so far."""
        return self._hash.hexdigest()
