"""The queries as throughput cases."""

from __future__ import annotations

from pathlib import Path

from benchmarks.cases import Case
from benchmarks.nexmark import oracles
from benchmarks.oracles import Oracle

PROGRAM = str(Path(__file__).parent / "queries.py")


def _query(name: str, title: str, oracle: Oracle) -> Case:
    return Case(title=f"{name}: {title}", program=name, oracle=oracle, input="nexmark", file=PROGRAM)


NEXMARK = {
    "q0": _query("q0", "pass through", oracles.rows_of(oracles.passed)),
    "q1": _query("q1", "currency conversion", oracles.rows_of(oracles.converted)),
    "q2": _query("q2", "selection", oracles.rows_of(oracles.selected)),
    "q5": _query("q5", "hot items, 10 s every 2 s", oracles.hot_items),
    "q7": _query("q7", "highest bid in 10 s", oracles.highest_bids),
    "q12": _query("q12", "bids per bidder in 10 s of the broker's clock", oracles.bids_by_bidder),
    "q15": _query("q15", "bids per day, distinct bidders and auctions", oracles.days),
    "q17": _query("q17", "auctions by day", oracles.auction_days),
    "q18": _query("q18", "last bid per bidder and auction", oracles.last_bids),
}
