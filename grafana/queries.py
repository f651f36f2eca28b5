"""PromQL of the dashboards: the variables that every query obeys, and the expressions that several panels share."""

from __future__ import annotations

import re
from typing import Final

RATE: Final = "[$__rate_interval]"
"""Range of a rate on a graph: Grafana makes it from the scrape interval and the resolution."""

RECENT: Final = "[5m]"
"""Range of a number that says how things are now: long enough not to flicker."""

_METRIC: Final = re.compile(r"\b(streamframe_\w+|process_\w+|ALERTS)\b(\{[^}]*\})?")
_OF_THE_PROCESS: Final = "process_"

_CONSUMED: Final = "sum(rate(streamframe_records_consumed_total{range}))"
_GROWTH: Final = "sum(deriv(streamframe_consumer_lag_records{range}))"
LAG: Final = "sum(streamframe_consumer_lag_records)"


def chosen(expression: str) -> str:
    """Add the variables of the dashboard to every metric of an expression.

    Alerts have no job and no instance when they are about an application, so they are not chosen by these.

    Example:
        >>> chosen('streamframe_tasks{state="x"}')
        'streamframe_tasks{job=~"$job", application=~"$application", instance=~"$instance", state="x"}'
    """

    def with_variables(match: re.Match[str]) -> str:
        name, own = match[1], (match[2] or "{}")[1:-1]
        if name == "ALERTS":
            return match[0]
        parts = ['job=~"$job"']
        if not name.startswith(_OF_THE_PROCESS):
            parts.append('application=~"$application"')
        parts += ['instance=~"$instance"', *([own] if own else [])]
        return f"{name}{{{', '.join(parts)}}}"

    return _METRIC.sub(with_variables, expression)


def of_workers(expression: str) -> str:
    """Return what is known of processes, without those that only supervise."""
    return f"{expression} and on (job, instance) streamframe_last_progress_timestamp_seconds"


def quantile(share: float, metric: str, window: str = RATE, by: str = "") -> str:
    """Return a quantile of a histogram over everything that happened in the window, or by a label."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{window})))"


def consumed(window: str) -> str:
    """Return records read per second."""
    return _CONSUMED.format(range=window)


def arriving(window: str) -> str:
    """Return records that arrive per second: those read, and those by which the lag grows."""
    return f"clamp_min({consumed(window)} + {_GROWTH.format(range=window)}, 0)"


def kept_up(window: str) -> str:
    """Return the share of what arrives that is processed; 1 when nothing arrives, at most 2."""
    return f"clamp_max(({consumed(window)} + 1) / ({arriving(window)} + 1), 2)"


def seconds_to_catch_up(window: str) -> str:
    """Return how long the present lag would take at the present pace; nothing unless it shrinks."""
    return f"{LAG} / (-{_GROWTH.format(range=window)} > 0)"


def share(part: str, whole: str) -> str:
    """Return the share that one counter has of another, over the last minutes; 0 when nothing is counted."""
    return f"sum(rate({part}{RECENT})) / clamp_min(sum(rate({whole}{RECENT})), 1e-9)"


def busy(window: str, by: str = "") -> str:
    """Return the share of the time in which a worker does not wait for records."""
    group = f" by ({by})" if by else ""
    return (
        f'1 - sum{group} (rate(streamframe_loop_seconds_total{{phase="idle"}}{window})) / '
        f"sum{group} (rate(streamframe_loop_seconds_total{window}))"
    )
