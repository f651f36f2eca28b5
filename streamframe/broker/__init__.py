"""A real Apache Kafka from Python packages, for the demo, the tests and benchmarks.

`LocalCluster` ends with this process; `start_detached` starts one that stays. Both run the same thing:

    spec ── what is wanted                     prepare ── fetch (jars, pinned), find java, record images
    cluster | detached ── who owns it          boot ── ports, nodes, launch (process, guard), wait (wire)
    ownership, state, status ── whose directory is it, what runs in it

Needs the extra ``streamframe[broker]`` unless Kafka is in the cache home and the machine has a Java.
"""

from streamframe.broker.cluster import LocalCluster
from streamframe.broker.detached import detached_status, start_detached, stop_detached
from streamframe.broker.progress import ConsoleProgress, Progress, SilentProgress
from streamframe.broker.spec import DEFAULT_PORT, DEFAULT_VERSION, BrokerSpec
from streamframe.broker.status import ClusterStatus, NodeStatus

__all__ = [
    "DEFAULT_PORT",
    "DEFAULT_VERSION",
    "BrokerSpec",
    "ClusterStatus",
    "ConsoleProgress",
    "LocalCluster",
    "NodeStatus",
    "Progress",
    "SilentProgress",
    "detached_status",
    "start_detached",
    "stop_detached",
]
