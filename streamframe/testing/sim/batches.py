"""What ``for_each_batch`` functions are given: each batch as often as it is delivered, each row in one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from streamframe.core.ids import TopicPartition
from streamframe.testing.memory_broker import Entry
from streamframe.testing.sim.outputs import Times, Violation


class Ledger:
    """Takes batches; the same id must always come with the same rows."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, list[object]]] = {}

    def clear(self) -> None:
        """Forget everything: a new run."""
        self.rows.clear()

    def take(self, step: str, batch_id: str, rows: Sequence[object]) -> None:
        """Take a delivery."""
        known = self.rows.setdefault(step, {})
        before = known.setdefault(batch_id, list(rows))
        if before != list(rows):
            raise Violation(f"{step}: batch {batch_id} came as {before}, now as {list(rows)}")


class Batches:
    """Every row is in exactly one batch of its step.

    Args:
        ledger: What was delivered.
        right: Rows of each step.
    """

    topic = ""
    repeats = False

    def __init__(self, ledger: Ledger, right: Mapping[str, Sequence[object]]) -> None:
        self._ledger = ledger
        self._right = {step: dict.fromkeys(rows) for step, rows in right.items()}

    def see(self, tp: TopicPartition, entry: Entry) -> None:
        raise Violation(f"nothing is written here: {tp}@{entry.offset}")

    def check(self, times: Times, read: Mapping[tuple[str, int], int]) -> None:
        pass

    def finish(self) -> None:
        for step, right in self._right.items():
            seen: dict[object, str] = {}
            for batch_id, rows in self._ledger.rows.get(step, {}).items():
                for row in rows:
                    if row in seen or row not in right:
                        raise Violation(f"{step}: {row} is wrong or twice: {seen.get(row)} and {batch_id}")
                    seen[row] = batch_id
            missing = [row for row in right if row not in seen]
            if missing:
                raise Violation(f"{step}: never delivered: {missing[:3]}")
