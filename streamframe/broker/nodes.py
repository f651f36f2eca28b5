"""The directory of a node: formatted by us, with its properties and the tail of its logs.

::

    node1/server.properties   written at every start
    node1/data/               Kafka's log.dirs
    node1/server.log          what Kafka says (the one of the start before: server.log.1)
    node1/out.log             what Java itself says

Kafka's formatting tool takes half a second of Java for two small files, so nodes are formatted here: one
file says which cluster and node it is, the other one, with the feature levels to begin with, was made by
the tool once for all (`Release.template`; its place and name differ between releases). A node that finds
no feature levels starts with transactions of the old protocol, without the new group protocol, and says
nothing.
"""

from __future__ import annotations

import base64
import contextlib
import re
import secrets
import shutil
from pathlib import Path

from streamframe.broker.caches import make_dir, write_whole
from streamframe.broker.properties import node_properties, render
from streamframe.broker.release import Release
from streamframe.broker.spec import BrokerSpec

_RELEVANT = re.compile(r"\bERROR\b|\bFATAL\b|Exception\b|Error\b|^[Ee]rror")
_LAST_BYTES_READ = 64 * 1024


def node_dir(data_dir: Path, node: int) -> Path:
    """Return the directory of a node."""
    return data_dir / f"node{node}"


def new_uuid() -> str:
    """Return a random id as Kafka writes it: 16 bytes in URL-safe base64, not beginning with a dash."""
    while True:
        text = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        if not text.startswith("-"):
            return text


def make_node(
    data_dir: Path,
    node: int,
    *,
    spec: BrokerSpec,
    release: Release,
    cluster_id: str,
    ports: tuple[tuple[int, ...], tuple[int, ...]],
) -> None:
    """Write the properties of a node, and format it if it is new."""
    place = make_dir(node_dir(data_dir, node))
    log_dir = make_dir(place / "data")
    broker_ports, controller_ports = ports
    properties = node_properties(
        spec, node=node, broker_ports=broker_ports, controller_ports=controller_ports, log_dir=log_dir
    )
    (place / "server.properties").write_text(render(properties))
    if not (log_dir / "meta.properties").exists():
        shutil.copytree(release.template, log_dir, copy_function=shutil.copyfile, dirs_exist_ok=True)
        # Last, because it is what makes the directory a formatted one.
        meta = f"version=1\ncluster.id={cluster_id}\nnode.id={node}\ndirectory.id={new_uuid()}\n"
        write_whole(log_dir / "meta.properties", meta.encode())


def keep_old_log(data_dir: Path, node: int) -> None:
    """Put the server log of the last start aside; the next start would overwrite it."""
    log = node_dir(data_dir, node) / "server.log"
    with contextlib.suppress(FileNotFoundError):
        log.replace(log.with_name("server.log.1"))
    (log.with_name("out.log")).unlink(missing_ok=True)


def last_words(data_dir: Path, node: int, *, lines_max: int = 8) -> list[str]:
    """Return the lines of a node's logs that most likely say why it did not start."""
    place = node_dir(data_dir, node)
    server, output = _tail(place / "server.log"), _tail(place / "out.log")
    relevant = [line for line in (*output, *server) if _RELEVANT.search(line)]
    return (relevant or output or server)[-lines_max:]


def _tail(path: Path) -> list[str]:
    try:
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _LAST_BYTES_READ))
            return file.read().decode(errors="replace").splitlines()
    except OSError:
        return []
