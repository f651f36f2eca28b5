"""StreamFrame: streaming pipelines on Kafka, written with pandas verbs.

The public names, sorted. They are imported when they are first used, so that ``import streamframe`` (and
with it the command line) does not wait for pandas.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamframe.api import meta as meta
    from streamframe.api.custom_aggregates import Aggregate as Aggregate
    from streamframe.api.frame import Aggregated as Aggregated
    from streamframe.api.frame import Frame as Frame
    from streamframe.api.frame import Grouped as Grouped
    from streamframe.api.frame import WindowAggregated as WindowAggregated
    from streamframe.api.frame import Windowed as Windowed
    from streamframe.api.frame import union as union
    from streamframe.api.serdes import json as json
    from streamframe.api.serdes import raw as raw
    from streamframe.api.serdes import string as string
    from streamframe.api.windows import hopping as hopping
    from streamframe.api.windows import tumbling as tumbling
    from streamframe.app.application import App as App
    from streamframe.core.errors import ConfigError as ConfigError
    from streamframe.core.errors import PlanError as PlanError
    from streamframe.core.errors import RecordError as RecordError
    from streamframe.core.errors import StateError as StateError
    from streamframe.core.errors import StreamFrameError as StreamFrameError
    from streamframe.core.errors import TopologyMismatch as TopologyMismatch
    from streamframe.core.errors import Unavailable as Unavailable
    from streamframe.core.errors import UserFunctionError as UserFunctionError
    from streamframe.core.settings import Settings as Settings

__version__ = "0.1.0"

_HOMES = {
    "Aggregate": "streamframe.api.custom_aggregates",
    "Aggregated": "streamframe.api.frame",
    "App": "streamframe.app.application",
    "ConfigError": "streamframe.core.errors",
    "Frame": "streamframe.api.frame",
    "Grouped": "streamframe.api.frame",
    "PlanError": "streamframe.core.errors",
    "RecordError": "streamframe.core.errors",
    "Settings": "streamframe.core.settings",
    "StateError": "streamframe.core.errors",
    "StreamFrameError": "streamframe.core.errors",
    "TopologyMismatch": "streamframe.core.errors",
    "Unavailable": "streamframe.core.errors",
    "UserFunctionError": "streamframe.core.errors",
    "WindowAggregated": "streamframe.api.frame",
    "Windowed": "streamframe.api.frame",
    "hopping": "streamframe.api.windows",
    "json": "streamframe.api.serdes",
    "raw": "streamframe.api.serdes",
    "string": "streamframe.api.serdes",
    "tumbling": "streamframe.api.windows",
    "union": "streamframe.api.frame",
}

__all__ = [
    "Aggregate",
    "Aggregated",
    "App",
    "ConfigError",
    "Frame",
    "Grouped",
    "PlanError",
    "RecordError",
    "Settings",
    "StateError",
    "StreamFrameError",
    "TopologyMismatch",
    "Unavailable",
    "UserFunctionError",
    "WindowAggregated",
    "Windowed",
    "__version__",
    "hopping",
    "json",
    "meta",
    "raw",
    "string",
    "tumbling",
    "union",
]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "meta":
        return import_module("streamframe.api.meta")
    if name not in _HOMES:
        message = f"module 'streamframe' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
