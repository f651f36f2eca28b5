"""``streamframe reset``: forget what an application has made, so that it starts from the beginning."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from streamframe.app.application import App
from streamframe.app.places import state_root
from streamframe.core.errors import TopologyMismatch
from streamframe.core.ids import TaskId
from streamframe.core.settings import Settings
from streamframe.kafka.admin import TopicAdmin
from streamframe.kafka.client_log import ClientLog
from streamframe.plan.nodes import BatchSink
from streamframe.plan.topology import Topology
from streamframe.storage.state_dir import StateDirectory


def reset(app: App, settings: Settings, *, yes: bool) -> list[str]:
    """Return what is deleted, or, without ``yes``, what would be.

    Deleted are the internal topics of the application, the offsets of its group, and its state on this
    machine. Input and output topics are never touched, nor is what functions of ``for_each_batch`` have written.

    Raises:
        TopologyMismatch: Workers of the application are running.
        Unavailable: The broker does not answer.
    """
    topology = app.topology()
    admin = TopicAdmin(settings.kafka, ClientLog(logging.getLogger("streamframe.kafka")))
    admin.connect()
    group = admin.group(app.name)
    if group.members:
        raise TopologyMismatch(
            "workers of the application are running",
            hint="stop them first; after a kill the group forgets them within its session timeout",
            members=", ".join(sorted(member.client_id for member in group.members)),
        )
    topics = sorted(admin.describe(_internal(topology)))
    known = group.state != "DEAD"
    root = state_root(settings.state)
    tasks: Sequence[TaskId] = []
    if (root / app.name).is_dir():
        with StateDirectory(root, app.name) as directory:
            tasks = directory.tasks()
            if yes:
                for task in tasks:
                    directory.discard(task)
    if yes:
        admin.delete(topics)
        if known:
            admin.delete_group(app.name)
    lines = [f"topic {topic}" for topic in topics]
    lines += [f"committed offsets of group {app.name}"] if known else []
    lines += [f"local state of task {task} in {root / app.name}" for task in tasks]
    lines += [
        f"batch ids of {step.name} (for_each_batch): they begin again, so delete what was written under the old ones"
        for step in _functions(topology)
        if topics
    ]
    admin.close()
    return lines


def _functions(topology: Topology) -> list[BatchSink]:
    stages = [stage for sub in topology.sub_topologies for stage in sub.stages]
    return [stage.node for stage in stages if isinstance(stage.node, BatchSink)]


def _internal(topology: Topology) -> list[str]:
    return [repartition.topic for repartition in topology.repartitions] + list(topology.changelogs)
