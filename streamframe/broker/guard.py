"""A small process between us and the brokers: when we die, however we die, it ends them.

It runs as a script of its own (``python -I -S guard.py``) with the standard library only, so that it is up
in a few hundredths of a second. It reads one JSON object a line from standard input and answers each with
one line; the end of the input means that its owner is gone.

    {"op": "launch", "argv": [...], "cwd": "...", "output": "..."}   ->  {"pid": 123}
    {"op": "release"}        the nodes outlive us: they are detached  ->  {}
    {"op": "finish"}         end what still runs, then exit           ->  {}

Why a process and not a thread or `atexit`: SIGKILL leaves the owner no chance to act. Two more ways to
lose the owner are covered. A child that the owner forked may hold our input open: so the parent's id is
watched as well. This process may be killed itself: on Linux the kernel then ends the nodes
(PR_SET_PDEATHSIG). The owner does not get that signal set on *its* thread's death, since a broker that was
started by a thread must outlive the thread.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import shutil
import signal
import sys
import time

_POLL_SECONDS = 0.2
_PR_SET_PDEATHSIG = 1


def main() -> int:
    """Serve requests until the owner is gone or says so."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--owner", type=int, required=True, help="process id of the owner")
    parser.add_argument("--grace", type=float, default=0.0, help="seconds between SIGTERM and SIGKILL")
    parser.add_argument("--scratch", help="directory to delete at the end")
    parser.add_argument("--detach", action="store_true", help="nodes are to be released: do not tie them to us")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    pids: set[int] = set()
    released = _serve(options, pids)
    if not released:
        _end_all(pids, options.grace)
        if options.scratch:
            shutil.rmtree(options.scratch, ignore_errors=True)
    return 0


def _serve(options: argparse.Namespace, pids: set[int]) -> bool:
    """Answer requests; return whether the nodes were released."""
    pending = b""
    while True:
        _reap(pids)
        readable, _, _ = select.select([0], [], [], _POLL_SECONDS)
        if not readable:
            if os.getppid() != options.owner:
                return False
            continue
        received = os.read(0, 65536)
        if not received:
            return False
        *lines, pending = (pending + received).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if request["op"] == "launch":
                _answer(_launch(request, pids, tied=not options.detach))
            elif request["op"] == "release":
                _answer({})
                return True
            else:
                _end_all(pids, options.grace)
                _answer({})
                return False


def _answer(reply: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(reply) + "\n")
    sys.stdout.flush()


def _launch(request: dict[str, object], pids: set[int], *, tied: bool) -> dict[str, object]:
    argv = request["argv"]
    assert isinstance(argv, list)
    guard = os.getpid()
    # Opened here, so that the file exists when the answer arrives.
    output = os.open(str(request["output"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()  # A Ctrl-C in the terminal is for the owner; it decides when the broker stops.
            for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            if tied:
                _die_with_parent()
                if os.getppid() != guard:
                    os._exit(1)  # It died before we could say so.
            nothing = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nothing, 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.chdir(str(request["cwd"]))
            environment = {name: value for name, value in os.environ.items() if name != "CLASSPATH"}
            os.execve(str(argv[0]), [str(word) for word in argv], environment)
        except BaseException as error:
            os.write(2, f"cannot run {argv[0]}: {error}\n".encode())
        finally:
            os._exit(127)
    os.close(output)
    pids.add(pid)
    return {"pid": pid}


def _die_with_parent() -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _reap(pids: set[int]) -> None:
    """Collect dead children, so that their process ids are given back."""
    for pid in list(pids):
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            pids.discard(pid)


def _end_all(pids: set[int], grace: float) -> None:
    """End the children: politely for ``grace`` seconds, then by SIGKILL."""
    if grace > 0:
        _signal_all(pids, signal.SIGTERM)
        deadline = time.monotonic() + grace
        while pids and time.monotonic() < deadline:
            time.sleep(0.02)
            _reap(pids)
    _signal_all(pids, signal.SIGKILL)
    for pid in list(pids):
        os.waitpid(pid, 0)
        pids.discard(pid)


def _signal_all(pids: set[int], number: signal.Signals) -> None:
    for pid in list(pids):
        os.kill(pid, number)


if __name__ == "__main__":
    sys.exit(main())
