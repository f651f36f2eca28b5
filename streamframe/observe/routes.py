"""What is answered at which path: the page, the documents, the metrics, the probes.

=================  =============================================================================================
``/``              the status page
``/livez``         200 while the loop turns; restoring and idling are turns. Probes need no token
``/readyz``        200 while every task processes, else 503
``/metrics``       Prometheus text format
``/sd``            addresses of the workers, as Prometheus' ``http_sd_configs`` reads them
``/api``           the names of the documents
``/api/<name>``    a document, as JSON
``/api/stores/X``  rows of a store by key, from committed state: ``?key=anna`` or ``?user=anna&page=home``
=================  =============================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from importlib import resources
from typing import Any, Final

from streamframe.core.errors import ConfigError, StateError, StreamFrameError, Unavailable
from streamframe.core.time import MICROS_PER_SECOND
from streamframe.observe.documents import DOCUMENTS, fleet_state
from streamframe.observe.exposition import CONTENT_TYPE
from streamframe.observe.fleet import Board, Identity
from streamframe.observe.page import status_page
from streamframe.observe.site import Answer, Request

Query = Callable[[str, Mapping[str, str]], Mapping[str, Any]]
"""Rows of a store by key columns, with how old they are."""

_ASSETS: Final = {"/page.css": "text/css; charset=utf-8", "/page.js": "text/javascript; charset=utf-8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the answers come from; each may be called from several threads.

    Attributes:
        identity: Who serves.
        board: What is known.
        metrics: Makes the page of metrics.
        plan: Returns the described topology, or ``None`` while nobody can tell it.
        query: Looks into a store.
    """

    identity: Identity
    board: Board
    metrics: Callable[[], bytes]
    plan: Callable[[], Mapping[str, Any] | None]
    query: Query


def respond(sources: Sources, request: Request) -> Answer:
    """Answer one request."""
    path = request.path
    if path in _ASSETS:
        return Answer(resources.files("streamframe.observe").joinpath("assets", path[1:]).read_bytes(), _ASSETS[path])
    match path:
        case "/":
            fleet = sources.board.fleet()
            return Answer(status_page(fleet, sources.identity, sources.plan()).encode(), "text/html; charset=utf-8")
        case "/livez":
            return _alive(sources)
        case "/readyz":
            state = fleet_state(sources.board.fleet(), sources.identity)
            return Answer.text(state, HTTPStatus.OK if state == "running" else HTTPStatus.SERVICE_UNAVAILABLE)
        case "/metrics":
            return Answer(sources.metrics(), CONTENT_TYPE)
        case "/sd":
            return Answer.json(targets(sources.board))
        case "/api":
            return Answer.json({"documents": [*DOCUMENTS, "plan", "stores/<store>?key=<value>"]})
        case "/api/plan":
            plan = sources.plan()
            return _missing("the plan is not known yet") if plan is None else Answer.json(plan)
        case _:
            return _document(sources, request)


def targets(board: Board) -> list[dict[str, object]]:
    """Return the addresses of the workers in the form of Prometheus' file and HTTP discovery."""
    addresses = sorted(snapshot.address for snapshot in board.fleet().snapshots.values() if snapshot.address)
    return [{"targets": addresses, "labels": {}}] if addresses else []


def _document(sources: Sources, request: Request) -> Answer:
    _, api, *rest = request.path.split("/")
    if api != "api":
        return _missing("there is no such page")
    if len(rest) == 1 and rest[0] in DOCUMENTS:
        return Answer.json(DOCUMENTS[rest[0]](sources.board.fleet(), sources.identity))
    if len(rest) == 2 and rest[0] == "stores":
        return _rows(sources, rest[1], request.query)
    return _missing("there is no such document")


def _rows(sources: Sources, store: str, key: Mapping[str, str]) -> Answer:
    try:
        return Answer.json(sources.query(store, key))
    except ConfigError as error:
        return _error(error, HTTPStatus.BAD_REQUEST)
    except (StateError, Unavailable) as error:
        return _error(error, HTTPStatus.SERVICE_UNAVAILABLE)
    except StreamFrameError as error:
        return _error(error, HTTPStatus.INTERNAL_SERVER_ERROR)


def _alive(sources: Sources) -> Answer:
    fleet = sources.board.fleet()
    if sources.identity.workers:
        return Answer.text("alive")
    for snapshot in fleet.snapshots.values():
        silent = fleet.now - max(snapshot.measured.progress_at, snapshot.now) / MICROS_PER_SECOND
        if silent > sources.identity.alive_seconds:
            return Answer.text(f"the loop has not turned for {silent:.0f} s", HTTPStatus.SERVICE_UNAVAILABLE)
    return Answer.text("alive")


def _missing(text: str) -> Answer:
    return Answer.json({"error": text}, HTTPStatus.NOT_FOUND)


def _error(error: StreamFrameError, status: HTTPStatus) -> Answer:
    return Answer.json({"error": error.message, "hint": error.hint, **error.facts}, status)
