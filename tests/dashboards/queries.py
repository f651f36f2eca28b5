"""PromQL taken apart by a parser: what a query selects, by which labels, and which labels its result has."""

from collections.abc import Iterator

import promql_parser as promql
import pytest

from grafana.rules import RECORDINGS
from streamframe.core.metric_catalogue import labels_of_series

TARGET_LABELS = {"job", "instance"}
PROCESS = {"process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"}
ALERT_LABELS = {"alertname", "alertstate", "severity", "application", *TARGET_LABELS}
KUBELET = {
    name: {"namespace", "persistentvolumeclaim", "job"}
    for name in ("kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes")
}
"""Series that others export and our rules use."""

VARIABLES = {"$__rate_interval": "1m", "$job": ".*", "$application": ".*", "$instance": ".*"}
OF_TWO_SERIES_NO_LABELS = {"time", "vector", "scalar"}


def filled_in(query: str) -> str:
    """The query as Prometheus gets it."""
    for variable, value in VARIABLES.items():
        query = query.replace(variable, value)
    return query


def parsed(query: str) -> promql.Expr:
    return promql.parse(filled_in(query))


def children(node: promql.Expr) -> list[promql.Expr]:
    """What an expression is made of."""
    if isinstance(node, promql.BinaryExpr):
        return [node.lhs, node.rhs]
    if isinstance(node, promql.Call):
        return list(node.args)
    if isinstance(node, promql.MatrixSelector):
        return [node.vector_selector]
    inner = getattr(node, "expr", None)
    return [] if inner is None else [inner]


def selectors(query: str) -> Iterator[tuple[str, set[str]]]:
    """Series that a query selects, each with the labels by which it is selected."""
    for node in nodes(parsed(query)):
        if isinstance(node, promql.VectorSelector):
            assert node.name is not None
            yield node.name, {matcher.name for matcher in node.matchers.matchers}


def nodes(node: promql.Expr) -> Iterator[promql.Expr]:
    yield node
    for child in children(node):
        yield from nodes(child)


def labels_of(name: str) -> set[str]:
    """Labels of a series by its name.

    Raises:
        KeyError: Nobody exports it.
    """
    if name == "ALERTS":
        return ALERT_LABELS
    if name == "up" or name in PROCESS:
        return TARGET_LABELS
    if name in KUBELET:
        return KUBELET[name]
    for recording in RECORDINGS:
        if recording.name == name:
            return result_labels(recording.expression)
    known = labels_of_series(name)
    if known is None:
        raise KeyError(name)
    return {*known, *TARGET_LABELS}


def result_labels(query: str) -> set[str]:
    """Labels that the result of a query has."""
    return _labels(parsed(query))


def _labels(node: promql.Expr) -> set[str]:
    if isinstance(node, promql.VectorSelector):
        return labels_of(node.name or "")
    if isinstance(node, promql.AggregateExpr):
        return _of_aggregate(node)
    if isinstance(node, promql.BinaryExpr):
        return _of_pair(node)
    if isinstance(node, promql.Call):
        if node.func.name in OF_TWO_SERIES_NO_LABELS:
            return set()
        found = set().union(*map(_labels, node.args))
        return found - {"le"} if node.func.name == "histogram_quantile" else found
    return set().union(*map(_labels, children(node)))


def _of_aggregate(node: promql.AggregateExpr) -> set[str]:
    inner = _labels(node.expr)
    if node.modifier is None:
        return inner if str(node.op) in ("topk", "bottomk") else set()
    named = set(node.modifier.labels)
    if node.modifier.type == promql.AggModifierType.Without:
        return inner - named
    assert named <= inner, f"by {sorted(named - inner)}, which {node.expr} does not have"
    return named


def _of_pair(node: promql.BinaryExpr) -> set[str]:
    left, right = _labels(node.lhs), _labels(node.rhs)
    matching = node.modifier.matching if node.modifier else None
    on = set(matching.labels) if matching else set()
    assert on <= left & right, f"on {sorted(on)}"
    operator = str(node.op)
    if operator in ("and", "unless"):
        assert on or left == right or not right, f"{sorted(left)} {operator} {sorted(right)} match nothing"
        return left
    if operator == "or":
        return left | right
    if on:
        return on
    assert not left or not right or left == right, f"{sorted(left)} {operator} {sorted(right)} match nothing"
    return left | right


def parametrized(queries: list[tuple[str, str]]) -> list:
    """Parameters of a test from pairs of a name and a query."""
    return [pytest.param(query, id=f"{number}: {name}") for number, (name, query) in enumerate(queries)]
