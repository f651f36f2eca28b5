"""Public helpers for tests of pipelines: without a broker, or with an embedded one."""

from streamframe.testing.broker import KafkaBroker

__all__ = ["KafkaBroker"]
