"""The inputs, each to be made in several sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import pandas as pd

from benchmarks.nexmark.topic import Events
from benchmarks.workload import Workload, click_records, write

RECORDS_PER_SECOND = 40_000 / 3
"""Of event time. The same for all sizes, so that a larger input closes as many more windows."""


class Input(Protocol):
    """A kind of input.

    Attributes:
        settings: Of its topic.
    """

    @property
    def settings(self) -> Mapping[str, str]: ...

    def fill(self, bootstrap: str, topic: str, records: int, partitions: int) -> tuple[pd.DataFrame, pd.Series]:
        """Write so many records; return them in the order of writing, and the partition of each."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Clicks:
    """Clicks of users, keyed by user."""

    users: int = 10_000
    skew: float = 0.0
    settings: Mapping[str, str] = field(default_factory=dict)

    def workload(self, records: int) -> Workload:
        return Workload(
            records=records, users=self.users, skew=self.skew, span_s=max(30, round(records / RECORDS_PER_SECOND))
        )

    def fill(self, bootstrap: str, topic: str, records: int, partitions: int) -> tuple[pd.DataFrame, pd.Series]:
        frame = self.workload(records).frame()
        target = (frame["user"] % partitions).astype("int64")
        write(bootstrap, topic, click_records(frame, target))
        return frame, target


INPUTS: dict[str, Input] = {
    "uniform": Clicks(),
    "zipf": Clicks(skew=1.0),
    "million": Clicks(users=1_000_000),
    # Two million records leave 1.02 million of them in the state.
    "many-left": Clicks(users=1_300_000),
    "nexmark": Events(),
}
