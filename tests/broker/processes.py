"""Programs that the tests of this folder run, and what they ask about processes."""

import json
import subprocess
import sys
import time

SLEEP = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"]

# Starts a guard with two nodes, says their process ids, and waits.
OWNER = """
import json, sys
from pathlib import Path
from streamframe.broker.process import Guard
options = json.loads(sys.argv[1])
place = Path(options["place"])
guard = Guard(grace_seconds=options["grace"], scratch=place / "scratch")
nodes = [guard.launch(options["argv"], cwd=place, output=place / "out.log") for _ in range(2)]
print(json.dumps({"guard": guard._process.pid, "nodes": [node.pid for node in nodes]}), flush=True)
"""

WAIT = "sys.stdin.read()\n"

# A child that outlives its parent holds every inherited pipe open.
FORK_AND_WAIT = """
import os
child = os.fork()
if child == 0:
    import time
    time.sleep(600)
print(child, flush=True)
sys.stdin.read()
"""


def start_owner(place, *, argv=None, grace=0.0, then=WAIT):
    """Start a process that owns a guard and two nodes; return it and the process ids."""
    options = {"place": str(place), "grace": grace, "argv": argv or SLEEP}
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER + then, json.dumps(options)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    return owner, json.loads(first_line(owner))


def first_line(process):
    """Return the next line that a process writes to its pipe."""
    assert process.stdout is not None
    return process.stdout.readline()


def wait_until(condition, seconds_max=20.0):
    """Poll a condition about another process; return whether it came true in time."""
    deadline = time.monotonic() + seconds_max
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
