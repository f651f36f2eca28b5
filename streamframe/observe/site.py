"""A small read-only HTTP server in threads of its own.

Rules:
    1. GET and HEAD only; nothing can be changed from here.
    2. Bound to loopback unless told otherwise, and then a request must name this machine (``Host``), so that a page of
       somebody else's site cannot read it through the visitor's browser.
    3. With a token everything but the probes wants it: as ``Authorization: Bearer``, or as the password of HTTP Basic,
       which is what a browser asks for.
    4. A few requests at a time; the others are told to come back. Whoever works in this process comes first.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import json
import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from streamframe.core.errors import ConfigError

LOGGER: Final = logging.getLogger("streamframe.observe")

CONCURRENT_MAX: Final = 8
"""Requests that are answered at once."""

SOCKET_SECONDS: Final = 10.0
"""A visitor who is slower than this is let go."""

PROBES: Final = ("/livez", "/readyz")

_POLICY: Final = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for.

    Attributes:
        path: Without the query, and without a slash at the end.
        query: Names and values of the query; of a repeated name the last value.
    """

    path: str
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back."""

    body: bytes
    content_type: str
    status: int = HTTPStatus.OK

    @classmethod
    def text(cls, text: str, status: int = HTTPStatus.OK) -> Answer:
        """Return plain text."""
        return cls(text.encode() + b"\n", "text/plain; charset=utf-8", status)

    @classmethod
    def json(cls, value: object, status: int = HTTPStatus.OK) -> Answer:
        """Return a value as JSON."""
        return cls(json.dumps(value, default=str, ensure_ascii=False).encode(), "application/json", status)


Respond = Callable[[Request], Answer]


class Site:
    """Serves until it is closed.

    Args:
        respond: Answers requests; called from several threads.
        host: Address to bind to.
        port: Port; 0 picks a free one.
        token: What a visitor must know; empty: nothing.

    Raises:
        ConfigError: The address cannot be bound.
    """

    def __init__(self, respond: Respond, *, host: str, port: int, token: str = "") -> None:
        try:
            self._server = _Server((host, port), _handler(respond, host, token))
        except (OSError, OverflowError) as error:
            raise ConfigError(
                "the status page cannot be served at this address",
                hint="telemetry.port=0 picks a free port, telemetry.http=false serves nothing",
                host=host,
                port=port,
                reason=str(error),
            ) from error
        shown = f"[{host}]" if ":" in host else host
        self.address = f"{shown}:{self._server.server_address[1]}"
        """``host:port`` as it is bound."""
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="status-page", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(SOCKET_SECONDS)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection; a visitor who went away is nobody's error."""
        with suppress(ConnectionError):
            super().finish_request(request, client_address)


def _handler(respond: Respond, host: str, token: str) -> type[BaseHTTPRequestHandler]:
    places = threading.BoundedSemaphore(CONCURRENT_MAX)
    loopback = _is_loopback(host)

    class Handler(BaseHTTPRequestHandler):
        timeout = SOCKET_SECONDS
        server_version = "streamframe"
        sys_version = ""

        def do_GET(self) -> None:
            """Answer one request."""
            address = urlsplit(self.path)
            request = Request(address.path.rstrip("/") or "/", dict(parse_qsl(address.query)))
            if loopback and not _names_this_machine(self.headers.get("Host", "")):
                self._send(Answer.text("this host name is not served here", HTTPStatus.FORBIDDEN))
            elif token and request.path not in PROBES and not _knows(token, self.headers.get("Authorization", "")):
                self._send(Answer.text("a token is needed", HTTPStatus.UNAUTHORIZED))
            elif not places.acquire(blocking=False):
                self._send(Answer.text("too many requests at once", HTTPStatus.SERVICE_UNAVAILABLE))
            else:
                try:
                    answer = respond(request)
                except Exception:
                    LOGGER.exception("the status page cannot answer %s", request.path)
                    answer = Answer.text("this page has failed; the log says why", HTTPStatus.INTERNAL_SERVER_ERROR)
                finally:
                    places.release()
                self._send(answer)

        do_HEAD = do_GET  # noqa: N815 - as above

        def do_POST(self) -> None:
            """Refuse: everything here is for reading."""
            self.close_connection = True
            self._send(Answer.text("this page can only be read", HTTPStatus.METHOD_NOT_ALLOWED))

        do_PUT = do_PATCH = do_DELETE = do_POST  # noqa: N815 - as above

        def _send(self, answer: Answer) -> None:
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("Content-Security-Policy", _POLICY)
            self.send_header("X-Content-Type-Options", "nosniff")
            if answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
                self.send_header("Allow", "GET, HEAD")
            if answer.status == HTTPStatus.UNAUTHORIZED:
                self.send_header("WWW-Authenticate", 'Basic realm="streamframe", charset="UTF-8"')
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
            """Requests are no events of the pipeline."""

    return Handler


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _names_this_machine(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    return name == "" or _is_loopback(name)


def _knows(token: str, authorization: str) -> bool:
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return False
    return scheme.lower() in ("basic", "bearer") and hmac.compare_digest(given.encode(), token.encode())
