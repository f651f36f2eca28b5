"""Questions to a broker that may be dying, asked by a process of their own.

The client can abort the process when brokers are killed under its administrative requests:
``rd_kafka_enq_once_del_source_return: Assertion failed``, when a coordinator comes back after a request was given up.
Here that costs a question, which is asked again.
"""

from __future__ import annotations

import logging
import multiprocessing
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Concatenate, ParamSpec, TypeVar

from streamframe.core.errors import StreamFrameError, Unavailable
from streamframe.core.settings import KafkaSettings
from streamframe.kafka.admin import TopicAdmin
from streamframe.kafka.client_log import ClientLog

Answer = TypeVar("Answer")
Arguments = ParamSpec("Arguments")
PATIENCE_SECONDS = 300.0
"""Brokers are killed, coordinators move: a question that is not answered is asked again."""

SILENCE_SECONDS = 60.0
"""A client that says nothing for so long will not speak any more: its own limit is ten seconds."""


class Asker:
    """Puts questions to the administrative client of another process.

    Args:
        bootstrap: The broker.
    """

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None
        self._one_at_a_time = threading.Lock()

    def __call__(
        self,
        question: Callable[Concatenate[TopicAdmin, Arguments], Answer],
        *arguments: Arguments.args,
        **options: Arguments.kwargs,
    ) -> Answer:
        """Return the answer to ``question(admin, *arguments)``: a method of `TopicAdmin`.

        Raises:
            Unavailable: There was none, however often it was asked.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with self._one_at_a_time:
                    answer: Answer = self._ask(question, arguments, options)
            except (Unavailable, EOFError, OSError) as error:
                # A client that has seen its coordinator die may ask the wrong node for ever: a new one is made.
                with self._one_at_a_time:
                    self.close()
                if time.monotonic() > deadline:
                    raise Unavailable("a question was not answered", question=question.__name__) from error
                time.sleep(0.5)
            else:
                return answer

    def close(self) -> None:
        """End the other process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None

    def _ask(self, question: Callable[..., Answer], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if self._pipe is None:
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(target=_answer, args=(self._bootstrap, theirs), daemon=True)
            self._process.start()
            theirs.close()
        self._pipe.send((question, arguments, options))
        if not self._pipe.poll(SILENCE_SECONDS):
            raise Unavailable("the client says nothing")
        answer = self._pipe.recv()
        if isinstance(answer, StreamFrameError):
            raise answer
        return answer


def _answer(bootstrap: str, questions: Connection) -> None:
    settings = KafkaSettings(bootstrap=bootstrap, request_timeout_ms=10_000)
    admin = TopicAdmin(settings, ClientLog(logging.getLogger("campaign")))
    while True:
        try:
            question, arguments, options = questions.recv()
        except EOFError:
            return
        try:
            questions.send(question(admin, *arguments, **options))
        except StreamFrameError as error:
            questions.send(error)
