"""Histograms and metrics of programs as plain values, which cross process borders; needs no library.

The supervising process and the command line read these: nothing here may import numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

UserKind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramSnapshot:
    """A histogram: number of observations per bucket (the last one has no bound), and their sum."""

    counts: tuple[int, ...]
    total: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UserMetricSnapshot:
    """One metric of the program at one moment.

    Attributes:
        name: Full name; that of a counter ends in ``_total``.
        kind: Its type.
        meaning: For people.
        labels: Declared labels.
        edges: Upper bounds of the buckets of a histogram.
        values: Values of the labels, and the number or the histogram that belongs to them.
    """

    name: str
    kind: UserKind
    meaning: str
    labels: tuple[str, ...]
    edges: tuple[float, ...]
    values: tuple[tuple[tuple[str, ...], float | HistogramSnapshot], ...]
