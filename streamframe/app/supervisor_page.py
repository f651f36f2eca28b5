"""The page over all workers, in the supervising process: fed by what the workers report, asking them for the rest.

This process stays small: nothing here may import pandas, pyarrow or the program.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from streamframe.app.places import pages_directory
from streamframe.core.errors import ConfigError, StoreUnavailable
from streamframe.core.settings import Settings, TelemetrySettings
from streamframe.observe.exposition import SupervisorCollector, page_of
from streamframe.observe.fleet import Board, Identity
from streamframe.observe.routes import Sources, respond, targets
from streamframe.observe.site import Site
from streamframe.runtime.messages import NoticeReceived, SnapshotReceived, SupervisorEvent, WorkerEnded, WorkerHung

ASK_SECONDS: Final = 3.0
"""A worker that does not answer within this time is left out."""


class SupervisorPage:
    """The page; ``take`` is told what the supervisor reports.

    Args:
        application: The application.
        settings: Effective settings.
        workers: Number of worker processes.

    Raises:
        ConfigError: The address cannot be bound.
    """

    def __init__(self, application: str, settings: Settings, workers: int) -> None:
        from streamframe import __version__

        self._board = Board()
        self._settings = settings.telemetry
        self._targets = ""
        self._plan: Mapping[str, Any] | None = None
        identity = Identity(
            application=application,
            version=__version__,
            python=platform.python_version(),
            guarantee=settings.commit.guarantee,
            workers=workers,
        )
        sources = Sources(
            identity=identity,
            board=self._board,
            metrics=page_of(SupervisorCollector(identity, self._board.fleet)),
            plan=self._ask_plan,
            query=self._ask_rows,
        )
        self._site = Site(
            partial(respond, sources),
            host=self._settings.host,
            port=self._settings.port,
            token=self._settings.token,
        )

        self._note = pages_directory(settings.state) / f"{application}-{os.getpid()}.json"
        self._write_note(application)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{reachable(self._site.address)}/"

    def take(self, event: SupervisorEvent) -> None:
        """Take note of what happened."""
        match event:
            case SnapshotReceived():
                self._board.show(event.snapshot, event.slot)
                self._write_targets()
            case WorkerEnded():
                self._board.remove(event.slot, restarted=event.restart_seconds is not None)
                if event.exit_code != 0:
                    text = event.report.error.message if event.report else "a worker ended without a word"
                    facts = {"exit_code": event.exit_code, **(event.report.error.facts if event.report else {})}
                    self._board.remark("error", text, facts, event.slot)
                self._write_targets()
            case WorkerHung():
                self._board.remark("error", "worker gave no sign of life and is killed", {"pid": event.pid}, event.slot)
            case NoticeReceived():
                self._board.remark(event.level, event.text, event.facts, event.slot)
            case _:
                pass

    def close(self) -> None:
        """Stop serving, and take back the list of addresses."""
        self._site.close()
        self._note.unlink(missing_ok=True)
        if self._settings.targets_file:
            Path(self._settings.targets_file).unlink(missing_ok=True)

    def _write_note(self, application: str) -> None:
        """Write down where the page is, for ``streamframe status``; failing to is no reason not to run."""
        note = {"application": application, "pid": os.getpid(), "url": self.url}
        with suppress(OSError):
            self._note.parent.mkdir(parents=True, exist_ok=True)
            self._note.write_text(json.dumps(note) + "\n", encoding="utf-8")

    def _write_targets(self) -> None:
        """Keep the file of addresses up to date; it is replaced as a whole, so a reader sees an old or a new one."""
        text = json.dumps(targets(self._board))
        if not self._settings.targets_file or text == self._targets:
            return
        path = Path(self._settings.targets_file)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            fresh.write_text(text + "\n", encoding="utf-8")
            fresh.replace(path)
        except OSError as error:
            facts = {"file": str(path), "reason": str(error)}
            self._board.remark("warning", "the file of addresses cannot be written", facts)
        self._targets = text

    def _addresses(self) -> dict[int, str]:
        fleet = self._board.fleet()
        return {slot: snapshot.address for slot, snapshot in sorted(fleet.snapshots.items()) if snapshot.address}

    def _ask_plan(self) -> Mapping[str, Any] | None:
        for address in self._addresses().values() if self._plan is None else ():
            status, answer = ask(address, "/api/plan", self._settings)
            if status == 200:
                self._plan = answer
                break
        return self._plan

    def _ask_rows(self, store: str, key: Mapping[str, str]) -> Mapping[str, Any]:
        """Ask every worker, and put the rows together; each says how old what it has is."""
        path = f"/api/stores/{quote(store, safe='')}?{urlencode(key)}"
        rows: list[object] = []
        answered: list[dict[str, object]] = []
        silent: list[int] = []
        columns: object = dict(key)
        for slot, address in self._addresses().items():
            status, answer = ask(address, path, self._settings)
            if status == 400:
                facts = {name: value for name, value in answer.items() if name not in ("error", "hint")}
                raise ConfigError(str(answer["error"]), hint=answer.get("hint"), **facts)
            if status != 200:
                silent.append(slot)
                continue
            rows += answer["rows"]
            columns = answer["key"]
            answered.append({"worker": slot, **{name: answer.get(name) for name in _KEPT}})
        if not answered:
            raise StoreUnavailable("no worker can answer now", hint="ask again", store=store)
        return {"store": store, "key": columns, "rows": rows, "workers": answered, "unanswered": silent}


_KEPT: Final = ("partitions", "restoring", "committed_at", "age_seconds", "more")


@contextmanager
def supervisor_page(application: str, settings: Settings, workers: int) -> Iterator[SupervisorPage | None]:
    """Serve the page over all workers while the context lasts, if the settings want one.

    Raises:
        ConfigError: The address cannot be bound.
    """
    if not settings.telemetry.http:
        yield None
        return
    page = SupervisorPage(application, settings, workers)
    try:
        yield page
    finally:
        page.close()


def reachable(address: str) -> str:
    """Return an address that can be called from this machine.

    Example:
        >>> reachable("0.0.0.0:9464"), reachable("127.0.0.1:80")
        ('127.0.0.1:9464', '127.0.0.1:80')
    """
    host, _, port = address.rpartition(":")
    return f"127.0.0.1:{port}" if host in ("0.0.0.0", "[::]", "") else address  # noqa: S104 - compared, not bound


def ask(address: str, path: str, settings: TelemetrySettings) -> tuple[int, dict[str, Any]]:
    """Ask another process of ours; return status and document. Status 0: no answer."""
    headers = {"Authorization": f"Bearer {settings.token}"} if settings.token else {}
    request = Request(f"http://{reachable(address)}{path}", headers=headers)
    try:
        with urlopen(request, timeout=ASK_SECONDS) as answer:  # noqa: S310 - as above
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, _document(error.read())
    except (URLError, OSError, ValueError):
        return 0, {}


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"error": body.decode(errors="replace").strip()}
