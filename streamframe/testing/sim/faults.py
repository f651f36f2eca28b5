"""What strikes at the calls of the ports.

The scheduler arms and disarms; the ports ask ``strikes`` by name. ``ProcessDied`` is no ``Exception``, so no
production code catches it: it leaves a worker exactly where a SIGKILL would.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from streamframe.testing.sim.trace import Trace


class ProcessDied(BaseException):
    """The process was killed in the middle of a call."""


class Faults:
    """Decides, call by call, what goes wrong.

    Args:
        rng: The Random of the run.
        rates: Probability of each strike.
        trace: Where strikes are noted.
    """

    def __init__(self, rng: random.Random, rates: Mapping[str, float], trace: Trace) -> None:
        self.rng = rng
        self._rates = rates
        self._trace = trace
        self.armed = True
        self.struck: dict[str, int] = {}
        self.stall: Callable[[str], None] = lambda _process: None
        self.killed: Callable[[str], bool] = lambda _process: False

    def strikes(self, fault: str) -> bool:
        """Whether a fault strikes now."""
        rate = self._rates.get(fault, 0.0)
        if not self.armed or rate == 0.0 or self.rng.random() >= rate:
            return False
        self._trace.note(f"  !! {fault}")
        self.struck[fault] = self.struck.get(fault, 0) + 1
        return True

    def point(self, process: str, call: str) -> None:
        """A place between two things that a process does: it may be killed here, or stand still for a while.

        Raises:
            ProcessDied: It was killed.
        """
        if self.armed:
            if self.strikes("crash"):
                raise ProcessDied(call)
            if self.strikes("stall"):
                self.stall(process)
        if self.killed(process):
            raise ProcessDied(call)
