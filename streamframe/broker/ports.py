"""Free ports, and who sits on a taken one. Only the loopback address is ever used."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import subprocess
from pathlib import Path


def free_ports(count: int) -> tuple[int, ...]:
    """Return ports that nobody listens on now; somebody else may be quicker, so a start may have to retry."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return tuple(one.getsockname()[1] for one in sockets)


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port."""
    with socket.socket() as probe:
        # As a server does it: connections that linger after their end do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def listener(port: int) -> str | None:
    """Return ``"pid (command)"`` of the process that listens on a port, if this user may see it."""
    pid = _listener_by_proc(port) if Path("/proc/net/tcp").exists() else _listener_by_lsof(port)
    return None if pid is None else f"{pid} ({_command(pid)})"


def _listener_by_proc(port: int) -> int | None:
    listening = "0A"
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == listening and int(fields[1].rsplit(":", 1)[1], 16) == port:
                    inodes.add(f"socket:[{fields[9]}]")
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        # Other users' processes cannot be looked into, and any process may end meanwhile.
        with contextlib.suppress(OSError):
            for link in (entry / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if str(link.readlink()) in inodes:
                        return int(entry.name)
    return None


def _listener_by_lsof(port: int) -> int | None:
    try:
        answer = subprocess.run(
            ["lsof", "-nP", "-t", f"-iTCP:{port}", "-sTCP:LISTEN"], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    lines = answer.stdout.split()
    return int(lines[0]) if lines else None


def _command(pid: int) -> str:
    cmdline = Path(f"/proc/{pid}/cmdline")
    with contextlib.suppress(OSError):
        words = cmdline.read_text(errors="replace").split("\0")
        if words[0]:
            return os.path.basename(words[0])
    with contextlib.suppress(OSError):
        answer = subprocess.run(["ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return answer.stdout.strip() or "unknown"
    return "unknown"
