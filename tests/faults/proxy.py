"""A proxy between clients and one broker that disturbs what a plan says.

The clients stay on it: wherever the broker tells its address, the proxy puts its own. Answers keep the order of
their requests, except for those that the proxy makes up.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from tests.faults.plan import Fault
from tests.faults.refusals import refusal
from tests.faults.wire import Api, Frames, Head, code_of, framed, head_of, led_back, with_code

_CHUNK = 1 << 16


class Decider(Protocol):
    """What the proxy asks; see ``Plan``."""

    def decide(self, head: Head) -> Fault | None:
        """Return what happens to a request."""

    def count(self, head: Head, fault: Fault) -> None:
        """Take note of a fault that happened."""

    def came_late(self, head: Head, code: int | None) -> None:
        """Take note of what the broker said to a request that was held back until a later transaction."""


@dataclass(slots=True)
class _Held:
    """A request that was held back, until ``until`` is answered in a transaction after the one that it belongs to."""

    head: Head
    frame: bytes
    until: Api
    ended: bool = False


class Proxy:
    """Listens on a free port while its ``with`` statement lasts.

    Args:
        broker: Host and port.
        decider: Says what happens to each request.
    """

    def __init__(self, broker: tuple[str, int], decider: Decider) -> None:
        self._broker = broker
        self.decider = decider
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self.address = broker
        self._held: list[_Held] = []

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def bootstrap(self) -> str:
        """Address for clients."""
        return f"{self.address[0]}:{self.address[1]}"

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, self._broker[0], 0)
        self.address = (self._broker[0], self._server.sockets[0].getsockname()[1])

    async def _end(self) -> None:
        assert self._server is not None
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)  # transports close in the next turn of the loop

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.CancelledError):
                upstream = await asyncio.open_connection(*self._broker)
                await _Link(self, (reader, writer), upstream).run()
        finally:
            writer.close()

    def hold(self, head: Head, frame: bytes, until: Api) -> None:
        """Keep a request for a later transaction."""
        self._held.append(_Held(head, frame, until))

    async def answered(self, head: Head, answer: bytes) -> None:
        """Look at an answer of the broker; deliver what was held back for this moment.

        A transaction has ended when that was answered, or a producer was made anew. The next one is open from the
        answer to its first partition on.
        """
        if not self._held or code_of(head, answer) != 0:
            return
        for held in [*self._held]:
            if head.api in (Api.END_TXN, Api.INIT_PRODUCER_ID):
                held.ended = True
            elif held.ended and head.api == held.until:
                self._held.remove(held)
                await self._deliver(held)

    async def _deliver(self, held: _Held) -> None:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(*self._broker)
            try:
                writer.write(framed(held.frame))
                frames = Frames()
                while chunk := await reader.read(_CHUNK):
                    for answer in frames.feed(chunk):
                        self.decider.came_late(held.head, code_of(held.head, answer))
                        return
            finally:
                writer.close()

    def led_back(self, head: Head, answer: bytes) -> bytes:
        """Return an answer that names the proxy instead of the broker."""
        return led_back(head, answer, self._broker, self.address)


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Link:
    """One connection of a client, and the one to the broker that belongs to it."""

    def __init__(self, proxy: Proxy, client: Streams, broker: Streams) -> None:
        self._proxy = proxy
        self._client, self._broker = client, broker
        self._asked: dict[int, tuple[Head, Fault | None]] = {}

    async def run(self) -> None:
        """Carry frames both ways until one side ends, or a fault cuts the connection."""
        ways = [
            asyncio.ensure_future(_carry(self._client[0], self._ask)),
            asyncio.ensure_future(_carry(self._broker[0], self._answer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._broker[1].close()

    async def _ask(self, frame: bytes) -> bool:
        """Take a request; return whether the connection stays."""
        head = head_of(frame)
        fault = self._proxy.decider.decide(head)
        kind = fault.kind if fault is not None else None
        if fault is not None and kind in ("swallow", "hold", "delay"):
            self._proxy.decider.count(head, fault)
            if kind == "hold" and fault.until is not None:
                self._proxy.hold(head, frame, fault.until)
            if kind != "delay":
                return False
            await asyncio.sleep(fault.seconds)
        if fault is not None and kind == "refuse" and fault.code is not None:
            made_up = refusal(head, frame, fault.code)
            if made_up is not None:
                self._proxy.decider.count(head, fault)
                self._client[1].write(framed(made_up))
                await self._client[1].drain()
                return True
        self._asked[head.correlation] = head, fault
        self._broker[1].write(framed(frame))
        await self._broker[1].drain()
        return True

    async def _answer(self, frame: bytes) -> bool:
        """Take an answer; return whether the connection stays."""
        head, fault = self._asked.pop(int.from_bytes(frame[:4], "big", signed=True), (Head(-1, 0, 0), None))
        await self._proxy.answered(head, frame)
        if fault is not None and fault.kind == "lose-answer":
            self._proxy.decider.count(head, fault)
            return False
        if fault is not None and fault.kind == "rewrite" and fault.code is not None:
            changed = with_code(head, frame, fault.code)
            if changed is not None:
                self._proxy.decider.count(head, fault)
                frame = changed
        self._client[1].write(framed(self._proxy.led_back(head, frame)))
        await self._client[1].drain()
        return True


async def _carry(reader: asyncio.StreamReader, take: Callable[[bytes], Awaitable[bool]]) -> None:
    frames = Frames()
    while chunk := await reader.read(_CHUNK):
        for frame in frames.feed(chunk):
            if not await take(frame):
                return
