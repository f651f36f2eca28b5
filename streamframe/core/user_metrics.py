"""Metrics of a program's own: declared on the app, used inside its functions, exposed by the worker that runs them.

Rules:
    1. Their names begin with ``streamframe_user_``, and they carry the label ``application`` as all others do.
    2. Labels are declared, and the values they take are bounded: beyond ``CHILDREN_MAX`` combinations of a metric all
       is counted under ``other``. A label with a user's name in it costs detail, and never the monitoring.
    3. They count work, as all metrics do: what is rolled back is read and counted again.
    4. One thread: that which runs the functions of a worker also takes the picture.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar

import numpy as np

from streamframe.core.errors import PlanError
from streamframe.core.histogram import BatchHistogram
from streamframe.core.metric_catalogue import APPLICATION, LATENCY_EDGES, PREFIX
from streamframe.core.metric_values import HistogramSnapshot, UserKind, UserMetricSnapshot

USER_PREFIX: Final = f"{PREFIX}user_"

METRICS_MAX: Final = 50
"""Metrics that an app may declare."""

CHILDREN_MAX: Final = 100
"""Combinations of label values of one metric; what is more is counted under ``OTHER``."""

OTHER: Final = "other"

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_TAKEN: Final = (APPLICATION, "le", "quantile", "job", "instance")

Child = TypeVar("Child")


class _Metric(Generic[Child]):
    """What the three kinds share: a child per combination of label values."""

    kind: UserKind

    def __init__(self, name: str, meaning: str, labels: tuple[str, ...], make: Callable[[], Child]) -> None:
        self.name = name
        self.meaning = meaning
        self.labels = labels
        self._make = make
        self._children: dict[tuple[str, ...], Child] = {}
        self.begin()

    def begin(self) -> None:
        """Forget everything: declaring a step tries its function, and that is no work."""
        self._children = {} if self.labels else {(): self._make()}

    def _key(self, labels: dict[str, object]) -> tuple[str, ...]:
        if labels.keys() != set(self.labels):
            raise ValueError(f"metric {self.name} has the labels {self.labels}, not {tuple(labels)}")
        key = tuple(str(labels[name]) for name in self.labels)
        if key not in self._children:
            if len(self._children) >= CHILDREN_MAX:
                key = (OTHER,) * len(self.labels)
            self._children.setdefault(key, self._make())
        return key

    def snapshot(self) -> UserMetricSnapshot:
        """Return what was counted so far."""
        return UserMetricSnapshot(
            name=self.name,
            kind=self.kind,
            meaning=self.meaning,
            labels=self.labels,
            edges=self._edges(),
            values=tuple((key, self._picture(child)) for key, child in self._children.items()),
        )

    def _edges(self) -> tuple[float, ...]:
        return ()

    def _picture(self, child: Child) -> float | HistogramSnapshot:
        raise AssertionError(child)


class Counter(_Metric[float]):
    """Counts up; made by ``App.counter``.

    Example:
        >>> seen = UserMetrics().counter("orders", "Orders seen.", labels=("country",))
        >>> seen.add(3, country="nl")
        >>> seen.value(country="nl")
        3.0
    """

    kind: UserKind = "counter"

    def add(self, amount: float = 1, **labels: object) -> None:
        """Add to the counter.

        Raises:
            ValueError: The amount is negative, or the labels are not those that were declared.
        """
        if amount < 0:
            raise ValueError(f"metric {self.name} counts up, it cannot be lowered by {-amount}")
        self._children[self._key(labels)] += float(amount)

    def value(self, **labels: object) -> float:
        """Return the count so far, for tests."""
        return self._children[self._key(labels)]

    def _picture(self, child: float) -> float:
        return child


class Gauge(_Metric[float]):
    """A number that goes up and down; made by ``App.gauge``.

    Example:
        >>> pending = UserMetrics().gauge("pending", "Requests that wait.")
        >>> pending.set(7)
        >>> pending.value()
        7.0
    """

    kind: UserKind = "gauge"

    def set(self, value: float, **labels: object) -> None:
        """Set the number.

        Raises:
            ValueError: The labels are not those that were declared.
        """
        self._children[self._key(labels)] = float(value)

    def value(self, **labels: object) -> float:
        """Return the number, for tests."""
        return self._children[self._key(labels)]

    def _picture(self, child: float) -> float:
        return child


class Histogram(_Metric[BatchHistogram]):
    """How values are distributed; made by ``App.histogram``.

    Example:
        >>> sizes = UserMetrics().histogram("order_euro", "Size of orders.", buckets=(10.0, 100.0))
        >>> sizes.observe([5.0, 50.0, 500.0])
        >>> sizes.value()
        HistogramSnapshot(counts=(1, 1, 1), total=555.0)
    """

    kind: UserKind = "histogram"

    def __init__(self, name: str, meaning: str, labels: tuple[str, ...], edges: tuple[float, ...]) -> None:
        self.edges = edges
        super().__init__(name, meaning, labels, lambda: BatchHistogram(edges))

    def observe(self, values: Any, **labels: object) -> None:
        """Count a number, or every number of a column; missing values are left out.

        Args:
            values: A number, a sequence, an array or a pandas Series.
            labels: A value for each declared label.

        Raises:
            ValueError: The labels are not those that were declared.
        """
        array = np.atleast_1d(np.asarray(values, np.float64))
        self._children[self._key(labels)].observe(array[~np.isnan(array)])

    def value(self, **labels: object) -> HistogramSnapshot:
        """Return the counts so far, for tests."""
        return self._children[self._key(labels)].snapshot()

    def _edges(self) -> tuple[float, ...]:
        return self.edges

    def _picture(self, child: BatchHistogram) -> HistogramSnapshot:
        return child.snapshot()


class UserMetrics:
    """The metrics that a program has declared."""

    def __init__(self) -> None:
        self._metrics: dict[str, Counter | Gauge | Histogram] = {}

    def counter(self, name: str, meaning: str, *, labels: Sequence[str] = ()) -> Counter:
        """Declare a counter; see ``App.counter``."""
        return self._added(Counter(f"{self._checked(name, labels)}_total", meaning, tuple(labels), float))

    def gauge(self, name: str, meaning: str, *, labels: Sequence[str] = ()) -> Gauge:
        """Declare a gauge; see ``App.gauge``."""
        return self._added(Gauge(self._checked(name, labels), meaning, tuple(labels), float))

    def histogram(
        self, name: str, meaning: str, *, labels: Sequence[str] = (), buckets: Sequence[float] = LATENCY_EDGES
    ) -> Histogram:
        """Declare a histogram; see ``App.histogram``."""
        edges = tuple(float(edge) for edge in buckets)
        if not edges or list(edges) != sorted(set(edges)):
            raise PlanError("buckets are upper bounds that rise", metric=name, buckets=edges)
        return self._added(Histogram(self._checked(name, labels), meaning, tuple(labels), edges))

    def begin(self) -> None:
        """Forget what was counted while the program was declared."""
        for metric in self._metrics.values():
            metric.begin()

    def snapshot(self) -> tuple[UserMetricSnapshot, ...]:
        """Return what was counted so far."""
        return tuple(metric.snapshot() for metric in self._metrics.values())

    def _checked(self, name: str, labels: Sequence[str]) -> str:
        if not _NAME.fullmatch(name) or name.endswith(("_total", "_bucket", "_count", "_sum")):
            hint = "lower case, digits and _, a unit at the end; _total is added to counters"
            raise PlanError("this cannot be the name of a metric", hint=hint, metric=name)
        wrong = [label for label in labels if not _NAME.fullmatch(label) or label in _TAKEN]
        if wrong or len(set(labels)) != len(labels):
            hint = f"lower case, digits and _, each once, none of {', '.join(_TAKEN)}"
            raise PlanError("these cannot be the labels of a metric", hint=hint, metric=name, labels=tuple(labels))
        if len(self._metrics) >= METRICS_MAX:
            raise PlanError("the program declares too many metrics", metric=name, most=METRICS_MAX)
        return USER_PREFIX + name

    def _added(self, metric: Any) -> Any:
        if metric.name.removesuffix("_total") in (known.removesuffix("_total") for known in self._metrics):
            raise PlanError("the program declares this metric twice", metric=metric.name)
        self._metrics[metric.name] = metric
        return metric
