"""Which request is disturbed, and how: drawn from a seed.

Every api has a random number generator of its own, so the n-th request of an api meets the same fate whatever
the others do. Each run switches some faults off (swarm): what always comes together hides what comes alone.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal

from tests.faults.wire import APIS, CODE_NUMBERS, Api, Code, Head

Kind = Literal["delay", "swallow", "lose-answer", "hold", "rewrite", "refuse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to a request.

    Attributes:
        kind: ``delay`` it; ``swallow`` it and cut the connection; let it through and ``lose-answer``, with the
            connection; cut the connection and ``hold`` the request back, to deliver it in the middle of a later
            transaction; let it through and ``rewrite`` the code of the answer; ``refuse`` it with a code, so that it
            never gets to the broker.
        code: For ``rewrite`` and ``refuse``.
        seconds: For ``delay``.
        until: For ``hold``: delivered when a request of this api has been answered in a later transaction.
    """

    kind: Kind
    code: Code | None = None
    seconds: float = 0.0
    until: Api | None = None

    def __str__(self) -> str:
        detail = self.code or self.until
        return self.kind if detail is None else f"{self.kind}:{detail.name}"


_COORDINATOR: Final = (
    Code.COORDINATOR_LOAD_IN_PROGRESS,
    Code.COORDINATOR_NOT_AVAILABLE,
    Code.NOT_COORDINATOR,
)
_TRANSACTION: Final = (*_COORDINATOR, Code.CONCURRENT_TRANSACTIONS)
_FENCING: Final = (Code.INVALID_PRODUCER_EPOCH, Code.PRODUCER_FENCED, Code.INVALID_PRODUCER_ID_MAPPING)
_MEMBER: Final = (
    Code.UNKNOWN_MEMBER_ID,
    Code.ILLEGAL_GENERATION,
    Code.STALE_MEMBER_EPOCH,
    Code.REBALANCE_IN_PROGRESS,
)
CODES: Final[dict[Api, tuple[Code, ...]]] = {
    Api.END_TXN: _TRANSACTION + _FENCING,
    Api.TXN_OFFSET_COMMIT: _COORDINATOR + _MEMBER,
    Api.ADD_PARTITIONS_TO_TXN: _TRANSACTION + _FENCING,
    Api.ADD_OFFSETS_TO_TXN: _TRANSACTION + _FENCING,
    Api.INIT_PRODUCER_ID: _TRANSACTION,
    Api.PRODUCE: (Code.OUT_OF_ORDER_SEQUENCE_NUMBER, Code.NOT_LEADER_OR_FOLLOWER, Code.REQUEST_TIMED_OUT),
    Api.FETCH: (Code.NOT_LEADER_OR_FOLLOWER, Code.REQUEST_TIMED_OUT),
    Api.HEARTBEAT: (Code.UNKNOWN_MEMBER_ID, Code.REBALANCE_IN_PROGRESS, Code.NOT_COORDINATOR),
    Api.CONSUMER_GROUP_HEARTBEAT: (Code.UNKNOWN_MEMBER_ID, Code.NOT_COORDINATOR),
    Api.FIND_COORDINATOR: (Code.COORDINATOR_NOT_AVAILABLE,),
}
_SHARES: Final = {Api.FETCH: 0.01, Api.PRODUCE: 0.05}
_SHARE: Final = 0.1
_SHARE_ALONE: Final = 0.35
SCENARIOS: Final[dict[str, dict[Api, tuple[Fault, ...]]]] = {
    "T-05": {Api.END_TXN: (Fault(kind="lose-answer"),)},
    "T-06": {
        Api.END_TXN: tuple(
            Fault(kind="rewrite", code=code) for code in (Code.INVALID_PRODUCER_EPOCH, Code.PRODUCER_FENCED)
        )
    },
    "T-30": {
        api: tuple(Fault(kind="rewrite", code=code) for code in codes if code in _TRANSACTION)
        for api, codes in CODES.items()
        if api in (Api.END_TXN, Api.TXN_OFFSET_COMMIT, Api.ADD_PARTITIONS_TO_TXN, Api.ADD_OFFSETS_TO_TXN)
    },
    "T-31": {Api.END_TXN: (Fault(kind="refuse", code=Code.INVALID_PRODUCER_ID_MAPPING),)},
    "T-37": {
        Api.END_TXN: tuple(
            Fault(kind="hold", until=api)
            for api in (Api.ADD_PARTITIONS_TO_TXN, Api.ADD_OFFSETS_TO_TXN, Api.TXN_OFFSET_COMMIT)
        ),
        Api.TXN_OFFSET_COMMIT: (Fault(kind="hold", until=Api.TXN_OFFSET_COMMIT),),
    },
    "member": {Api.TXN_OFFSET_COMMIT: tuple(Fault(kind="rewrite", code=code) for code in _MEMBER)},
}
"""Faults of one kind each; anything else is a mix."""


class Plan:
    """Decides about requests.

    Args:
        scenario: One of ``SCENARIOS``, or ``mix``.
        seed: Of everything.
    """

    def __init__(self, scenario: str, seed: int) -> None:
        self._dice = {api: random.Random(f"{scenario}/{seed}/{api.name}") for api in Api}
        self.choices = SCENARIOS[scenario] if scenario != "mix" else _mix(random.Random(f"mix/{seed}"))
        self._share = _SHARE if scenario == "mix" else _SHARE_ALONE
        self._active = threading.Event()
        self.injected: Counter[str] = Counter()
        self.late: Counter[str] = Counter()

    def begin(self) -> None:
        """Let faults happen."""
        self._active.set()

    def end(self) -> None:
        """Let no more faults happen."""
        self._active.clear()

    def decide(self, head: Head) -> Fault | None:
        """Return what happens to a request, ``None`` for nothing."""
        if not self._active.is_set() or head.api not in APIS or Api(head.api) not in self.choices:
            return None
        api = Api(head.api)
        dice = self._dice[api]
        hit, fault = dice.random() < _SHARES.get(api, self._share), dice.choice(self.choices[api])
        return fault if hit else None

    def count(self, head: Head, fault: Fault) -> None:
        """Take note of a fault that happened."""
        self.injected[f"{Api(head.api).name} {fault}"] += 1

    def came_late(self, head: Head, code: int | None) -> None:
        """Take note of what a broker said to a request that was held back until a later transaction."""
        said = "accepted" if not code else f"refused:{Code(code).name if code in CODE_NUMBERS else code}"
        self.late[f"{Api(head.api).name} {said}"] += 1


def _mix(rng: random.Random) -> dict[Api, tuple[Fault, ...]]:
    choices = {}
    for api, codes in CODES.items():
        faults = [Fault(kind="delay", seconds=0.2), Fault(kind="swallow"), Fault(kind="lose-answer")]
        faults += [Fault(kind="rewrite", code=code) for code in codes]
        faults += [Fault(kind="refuse", code=code) for code in codes]
        # A request that is held back is T-37, which has a scenario of its own.
        chosen = [fault for fault in faults if rng.random() < 0.5]
        if chosen and rng.random() < 0.6:
            choices[api] = tuple(chosen)
    return choices or {Api.END_TXN: (Fault(kind="lose-answer"),)}
