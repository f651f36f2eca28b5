"""A ``send_offsets_to_transaction`` that hangs once, as librdkafka's does after a restart of a broker.

The real hang (librdkafka 5456) comes at random. This one comes at a chosen call, in the first worker that gets there:
it leaves a file behind, and who finds that does not hang again.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamframe.kafka import producers
from streamframe.kafka.watchdog import Watchdog, watched


def hang_once(mark: Path, at_call: int) -> None:
    """Let the ``at_call``-th commit of this process hang in the middle of its transaction, unless the mark is there."""
    numbers = itertools.count(1)

    @contextmanager
    def watched_or_hanging(watchdog: Watchdog, call: str, seconds: float) -> Iterator[None]:
        with watched(watchdog, call, seconds):
            if call == "send_offsets_to_transaction" and next(numbers) == at_call and not mark.exists():
                mark.touch()
                threading.Event().wait()
            yield

    vars(producers)["watched"] = watched_or_hanging
