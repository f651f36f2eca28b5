"""Messages between the supervisor and one worker, over a socket pair that never makes either side wait.

A message is a pickled value behind four bytes of length. Both ends write and read without blocking and keep
what is incomplete in a buffer: a worker that is stopped in the middle of a message must not stop its
supervisor, and a supervisor that is stopped must not stop its workers.

Pickle is safe here because both ends are processes of one program and the socket has no name.
"""

from __future__ import annotations

import pickle
import select
import socket
import struct
import time
from typing import Final

_LENGTH: Final = struct.Struct("!I")
_READ_BYTES: Final = 1 << 16

TURN_BYTES_MAX: Final = 1 << 20
"""What one call of ``receive`` takes at most, so that a talkative worker cannot starve the others."""


class MessageSocket:
    """One end of the pair.

    Args:
        end: A connected stream socket; it is owned from now on.

    Example:
        >>> left, right = MessageSocket.pair()
        >>> left.send({"stop": True})
        >>> right.receive()
        [{'stop': True}]
        >>> left.close()
        >>> right.receive(), right.closed
        ([], True)
        >>> right.close()
    """

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._socket = end
        self._incoming = bytearray()
        self._outgoing = bytearray()
        self.closed = False

    @classmethod
    def pair(cls) -> tuple[MessageSocket, MessageSocket]:
        """Return two connected ends."""
        left, right = socket.socketpair()
        return cls(left), cls(right)

    def fileno(self) -> int:
        """Return the file descriptor, for ``select`` and the like."""
        return self._socket.fileno()

    @property
    def unsent_bytes(self) -> int:
        """Bytes that the other end has not made room for yet."""
        return len(self._outgoing)

    def send(self, message: object) -> None:
        """Send what fits now; the rest goes out with the next ``send`` or ``flush``."""
        if self.closed:
            return
        body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        self._outgoing += _LENGTH.pack(len(body)) + body
        self._write()

    def flush(self, seconds_max: float) -> bool:
        """Wait until everything is sent; return whether that came true in time."""
        deadline = time.monotonic() + seconds_max
        self._write()
        while self._outgoing and not self.closed:
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not select.select([], [self._socket], [], remaining)[1]:
                break
            self._write()
        return not self._outgoing

    def receive(self) -> list[object]:
        """Return the complete messages that have arrived; ``closed`` tells that no more will come."""
        taken = 0
        while taken < TURN_BYTES_MAX and not self.closed:
            try:
                received = self._socket.recv(_READ_BYTES)
            except BlockingIOError:
                break
            except OSError:
                received = b""
            self.closed = not received
            taken += len(received)
            self._incoming += received
        return self._complete_messages()

    def close(self) -> None:
        """Close this end; the other one sees ``closed``."""
        self.closed = True
        self._socket.close()

    def _complete_messages(self) -> list[object]:
        messages: list[object] = []
        begin = 0
        while len(self._incoming) - begin >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._incoming, begin)
            end = begin + _LENGTH.size + length
            if len(self._incoming) < end:
                break
            messages += _read(bytes(self._incoming[begin + _LENGTH.size : end]))
            begin = end
        del self._incoming[:begin]
        return messages

    def _write(self) -> None:
        while self._outgoing and not self.closed:
            try:
                sent = self._socket.send(self._outgoing)
            except BlockingIOError:
                return
            except OSError:  # The other end is gone: nobody will read it.
                self.closed = True
                self._outgoing.clear()
                return
            del self._outgoing[:sent]

    def __reduce__(self) -> tuple[object, ...]:
        # Given to a child at its start; buffers are empty then.
        assert not self._incoming
        assert not self._outgoing
        return MessageSocket, (self._socket,)


def _read(body: bytes) -> list[object]:
    """Return the message in ``body``, or nothing when this version does not know its type.

    A worker that is started again after the package was upgraded in place is newer than its supervisor.
    """
    try:
        return [pickle.loads(body)]  # noqa: S301 - see the module docstring
    except (AttributeError, ImportError):
        return []
