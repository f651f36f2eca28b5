"""Public helpers for tests of pipelines: without a broker, or with an embedded one."""

from streamframe.testing.broker import KafkaBroker
from streamframe.testing.topology_test import TopologyTest

__all__ = ["KafkaBroker", "TopologyTest"]
