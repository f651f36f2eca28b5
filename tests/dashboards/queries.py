"""Taking PromQL apart as far as tests of names need it; whether it is right as a whole, promtool says."""

import re

_SELECTOR = re.compile(r"\b((?:streamframe|process)_\w+|ALERTS|up)\b(?:\{([^}]*)\})?")
_LABEL = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
_BY = re.compile(r"\b(?:by|on|without)\s*\(([^)]*)\)")


def selectors(query: str) -> list[tuple[str, set[str]]]:
    """Series and labels that a query selects by; recorded series (with colons) are left out."""
    plain = re.sub(r"\b\w+:\w+:\w+", "", query)
    return [(name, set(_LABEL.findall(inner or ""))) for name, inner in _SELECTOR.findall(plain)]


def series_of(query: str) -> set[str]:
    """Series of ours in a query."""
    return {name for name, _ in selectors(query) if name.startswith("streamframe_")}


def aggregated_labels(query: str) -> set[str]:
    """Labels in ``by``, ``on`` and ``without``."""
    return {label.strip() for group in _BY.findall(query) for label in group.split(",") if label.strip()}
