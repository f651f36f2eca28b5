"""Events of the Nexmark model: each one is a function of its number and of the seed, so parts can be made anywhere.

Proportions, identifiers and distributions are those of the published generator (people, auctions and bids as
1 : 3 : 46, hot auctions, sellers and bidders, prices over six powers of ten). Its random generator is not seeded;
this one is: a hash of (seed, number, purpose). Two more differences: the bidder's first identifier is added once
(the port to Flink adds it twice), and the records are flat JSON with a ``kind`` instead of three nested objects; the
identifier of an auction is called ``auction`` in both kinds that have one, and is their message key.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Int64Array = npt.NDArray[np.int64]
Uint64Array = npt.NDArray[np.uint64]

PERSON, AUCTION, BID = 1, 3, 46
EVENTS = PERSON + AUCTION + BID
FIRST_PERSON, FIRST_AUCTION, FIRST_CATEGORY, CATEGORIES = 1_000, 1_000, 10, 5
AUCTIONS_IN_FLIGHT, PEOPLE_ACTIVE, LEAD, HOT_EVERY = 100, 1_000, 10, 100
STATES = ("AZ", "CA", "ID", "OR", "WA", "WY")
CITIES = ("Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent",
          "Cheyenne")  # fmt: skip
FIRST_NAMES = ("Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter")
LAST_NAMES = ("Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris")
HOT_CHANNELS = ("Google", "Facebook", "Baidu", "Apple")
CHANNELS = 10_000
PERSON_BYTES, AUCTION_BYTES, BID_BYTES = 200, 500, 100
START_MS = 1_436_918_340_000
"""2015-07-14 23:59 UTC: a minute before the first event of the published generator, so that there are two days."""

_LETTERS = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Nexmark:
    """A stream of events.

    Attributes:
        events: How many.
        per_second: Events per second of event time.
        shuffled: Within groups of so many events the order is permuted; 953 and it have no common divisor.
        seed: Of the draws.
    """

    events: int
    per_second: int = 10_000
    shuffled: int = 1_000
    seed: int = 1

    def numbers(self) -> Int64Array:
        """Return the event numbers in the order in which the events are written."""
        place = np.arange(self.events, dtype=np.int64)
        within = place % self.shuffled
        group = place - within
        size = np.minimum(self.shuffled, self.events - group)
        # A last, smaller group keeps its order.
        return group + np.where(size == self.shuffled, within * 953 % self.shuffled, within)

    def times(self, numbers: Int64Array) -> Int64Array:
        """Return event times, milliseconds."""
        return START_MS + numbers * 1_000 // self.per_second

    def bids(self, numbers: Int64Array) -> pd.DataFrame:
        """Return the bids among some events, in their order: ``place`` is where each was among ``numbers``."""
        place = np.flatnonzero(numbers % EVENTS >= PERSON + AUCTION)
        chosen = numbers[place]
        auctions, people = last_auction(chosen), last_person(chosen)
        hot_auction = self._below(chosen, "hot auction", 2) > 0
        auction = np.where(hot_auction, auctions // HOT_EVERY * HOT_EVERY, self._auction(chosen, auctions))
        hot_bidder = self._below(chosen, "hot bidder", 4) > 0
        bidder = np.where(hot_bidder, people // HOT_EVERY * HOT_EVERY + 1, self._person(chosen, people, "bidder"))
        hot_channel = self._below(chosen, "hot channel", 2) > 0
        number = self._below(chosen, "channel", CHANNELS)
        hot = np.array(HOT_CHANNELS, object)[number % len(HOT_CHANNELS)]
        rare = np.array([f"channel-{each}" for each in range(CHANNELS)], object)[number]
        return pd.DataFrame(
            {
                "place": place,
                "auction": auction + FIRST_AUCTION,
                "bidder": bidder + FIRST_PERSON,
                "price": self._price(chosen, "price"),
                "channel": np.where(hot_channel, hot, rare),
                "url": np.where(hot_channel, _hot_urls()[number % len(HOT_CHANNELS)], _rare_urls()[number]),
                "dateTime": self.times(chosen),
                "extra": self._texts(chosen, "extra", BID_BYTES - 32),
            }
        )

    def records(self, numbers: Int64Array) -> Iterator[tuple[str, int | None, str]]:
        """Yield kind, auction and JSON of each event; people have no auction."""
        kinds = numbers % EVENTS
        bids = self.bids(numbers)
        columns = (bids[name].tolist() for name in bids.columns if name != "place")
        lines = zip(*columns, strict=True)
        for number, kind in zip(numbers.tolist(), kinds.tolist(), strict=True):
            if kind >= PERSON + AUCTION:
                auction, bidder, price, channel, url, time, extra = next(lines)
                yield (
                    "bid",
                    auction,
                    f'{{"kind":"bid","auction":{auction},"bidder":{bidder},"price":{price},"channel":"{channel}",'
                    f'"url":"{url}","dateTime":{time},"extra":"{extra}"}}',
                )
            elif kind < PERSON:
                yield "person", None, json.dumps(self._person_record(number), separators=(",", ":"))
            else:
                made = self._auction_record(number)
                yield "auction", int(made["auction"]), json.dumps(made, separators=(",", ":"))

    def _person_record(self, number: int) -> dict[str, int | str]:
        one = np.array([number])

        def of(purpose: str, count: int) -> int:
            return int(self._below(one, purpose, count)[0])

        name = f"{FIRST_NAMES[of('first', len(FIRST_NAMES))]} {LAST_NAMES[of('last', len(LAST_NAMES))]}"
        user, host = self._text(number, "user", 7), self._text(number, "host", 5)
        card = " ".join(f"{of(f'card{part}', 10_000):04d}" for part in range(4))
        made: dict[str, int | str] = {
            "id": int(last_person(one)[0]) + FIRST_PERSON,
            "name": name,
            "emailAddress": f"{user}@{host}.com",
            "creditCard": card,
            "city": CITIES[of("city", len(CITIES))],
            "state": STATES[of("state", len(STATES))],
            "dateTime": int(self.times(one)[0]),
        }
        used = 16 + sum(len(text) for text in made.values() if isinstance(text, str))
        return {"kind": "person", **made, "extra": self._texts(one, "extra", PERSON_BYTES - used)[0]}

    def _auction_record(self, number: int) -> dict[str, int | str]:
        one = np.array([number])
        time, people = int(self.times(one)[0]), last_person(one)
        initial = int(self._price(one, "initial")[0])
        hot_seller = self._below(one, "hot seller", 4)[0] > 0
        seller = people // HOT_EVERY * HOT_EVERY if hot_seller else self._person(one, people, "seller")
        horizon = AUCTIONS_IN_FLIGHT * EVENTS // AUCTION * 1_000 // self.per_second
        return {
            "kind": "auction",
            "auction": int(last_auction(one)[0]) + FIRST_AUCTION,
            "itemName": self._text(number, "item", 20),
            "description": self._text(number, "description", 100),
            "initialBid": initial,
            "reserve": initial + int(self._price(one, "reserve")[0]),
            "dateTime": time,
            "expires": time + 1 + int(self._below(one, "expires", max(1, 2 * horizon))[0]),
            "seller": int(seller[0]) + FIRST_PERSON,
            "category": FIRST_CATEGORY + int(self._below(one, "category", CATEGORIES)[0]),
            "extra": self._texts(one, "extra", AUCTION_BYTES - 176)[0],
        }

    def _draws(self, numbers: Int64Array, purpose: str) -> Uint64Array:
        """Return 64 even bits for each event and purpose (the finaliser of splitmix64, twice)."""
        salt = int.from_bytes(purpose.encode()[:8].ljust(8, b"\0"), "little") ^ self.seed * 0x9E3779B97F4A7C15
        salted = numbers.astype(np.uint64) ^ _mixed(np.array([salt % 2**64], np.uint64))
        return _mixed(salted)

    def _below(self, numbers: Int64Array, purpose: str, count: int | Int64Array) -> Int64Array:
        # The upper half is enough bits, and a product of two such numbers fits.
        upper = self._draws(numbers, purpose) >> np.uint64(32)
        return (upper * np.asarray(count).astype(np.uint64) >> np.uint64(32)).astype(np.int64)

    def _price(self, numbers: Int64Array, purpose: str) -> Int64Array:
        uniform = (self._draws(numbers, purpose) >> np.uint64(11)).astype(np.float64) / 2**53
        return np.round(10 ** (6 * uniform) * 100).astype(np.int64)

    def _auction(self, numbers: Int64Array, last: Int64Array) -> Int64Array:
        first = np.maximum(last - AUCTIONS_IN_FLIGHT, 0)
        return first + self._below(numbers, "auction", last - first + 1 + LEAD)

    def _person(self, numbers: Int64Array, last: Int64Array, purpose: str) -> Int64Array:
        active = np.minimum(last + 1, PEOPLE_ACTIVE)
        return last + 1 - active + self._below(numbers, purpose, active + LEAD)

    def _texts(self, numbers: Int64Array, purpose: str, average: int) -> list[str]:
        """Return letters that fill a record to its average size, give or take a fifth."""
        if average <= 0:
            return [""] * len(numbers)
        delta = round(average * 0.2)
        sizes = average - delta + self._below(numbers, purpose + "~", max(1, 2 * delta))
        starts = self._below(numbers, purpose, _LETTERS - 2 * average)
        letters = _letters()
        return [letters[at : at + size] for at, size in zip(starts.tolist(), sizes.tolist(), strict=True)]

    def _text(self, number: int, purpose: str, size: int) -> str:
        start = int(self._below(np.array([number]), purpose, _LETTERS - size)[0])
        return _letters()[start : start + size]


def last_person(numbers: Int64Array) -> Int64Array:
    """Return the newest person as of each event, counted from zero."""
    return numbers // EVENTS * PERSON + np.minimum(numbers % EVENTS, PERSON - 1)


def last_auction(numbers: Int64Array) -> Int64Array:
    """Return the newest auction as of each event, counted from zero; before the first one -1."""
    epoch, offset = numbers // EVENTS, numbers % EVENTS
    return np.where(offset < PERSON, epoch * AUCTION - 1, epoch * AUCTION + np.minimum(offset - PERSON, AUCTION - 1))


def _mixed(values: Uint64Array) -> Uint64Array:
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ mixed >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ mixed >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return mixed ^ mixed >> np.uint64(31)


def _hot_urls() -> npt.NDArray[np.object_]:
    return np.array([f"https://www.nexmark.com/{name.lower()}/item.htm?query=1" for name in HOT_CHANNELS], object)


def _rare_urls() -> npt.NDArray[np.object_]:
    letters = _letters()
    made = []
    for number in range(CHANNELS):
        place = "/".join(letters[number * 3 + part : number * 3 + part + 5] for part in (0, 5, 10))
        # The published one reverses the bits of the number; nine of ten urls name their channel.
        channel = f"&channel_id={int(f'{number:032b}'[::-1], 2)}" if number % 10 else ""
        made.append(f"https://www.nexmark.com/{place}/item.htm?query=1{channel}")
    return np.array(made, object)


def _letters() -> str:
    if not _pool:
        drawn = np.random.default_rng(7).integers(0, 26, _LETTERS)
        _pool.append("".join(map(chr, (drawn + ord("a")).tolist())))
    return _pool[0]


_pool: list[str] = []
