"""The verifier of the demo says "verified" only when it is so: differences are planted one by one."""

import json
from dataclasses import dataclass, field, replace

import pytest

from streamframe.cli.demo_terms import GRACE_MS, WINDOW_MS
from streamframe.cli.demo_verify import compare, compute, read_input, read_output

T0 = 1_700_000_000_000  # The start of a window: a multiple of ten seconds.


@dataclass(frozen=True)
class Stored:
    """A record as the reader hands it over."""

    value: bytes | None
    partition: int = 0
    offset: int = 0
    headers: dict[str, bytes] = field(default_factory=dict)


def click(user="ann", amount=10.0, ts=T0, page="/p/1"):
    return json.dumps({"user": user, "page": page, "amount": amount, "ts": ts}).encode()


def partition(values, number=0):
    return [Stored(value, number, offset) for offset, value in enumerate(values)]


def window(user, start, total, n, offset=0):
    row = {"user": user, "window_start": start, "window_end": start + WINDOW_MS, "total": total, "n": n}
    return Stored(json.dumps(row).encode(), 0, offset)


LATE_AT = T0 + 3 * WINDOW_MS
INPUT = [
    *partition(
        [
            click("ann", 10.0, T0 + 500),
            click("ann", 5.0, T0),  # Out of order, and on time.
            click("bob", 1.0, T0 + 1),
            click("bob", 0.0, T0 + 2),  # Filtered.
            b'{"user":"ann","pa',  # Malformed.
            click("ann", 2.0, LATE_AT),
            click("bob", 7.0, T0 + 3),  # Late.
        ]
    ),
    *partition([click("cat", 4.0, T0 + 9_999)], number=1),
]
WINDOWS = [
    window("ann", T0, 15.0 * 0.92, 2),
    window("bob", T0, 1.0 * 0.92, 1),
    window("ann", LATE_AT, 2.0 * 0.92, 1),
    window("cat", T0, 4.0 * 0.92, 1),
]
LATE = [
    Stored(
        json.dumps(
            {
                **json.loads(click("bob", 7.0, T0 + 3)),
                "euro": 6.44,
                "window_start": T0,
                "window_end": T0 + WINDOW_MS,
                "late_by": (LATE_AT - T0 - 3) * 1_000,
            }
        ).encode()
    )
]
LETTERS = [Stored(b'{"user":"ann","pa', headers={"sf.topic": b"clicks", "sf.partition": b"0", "sf.offset": b"4"})]


def verdict(windows=WINDOWS, late=LATE, letters=LETTERS, given=INPUT):
    decoded = read_input(given)
    return compare(decoded, compute(decoded), read_output(windows, late, letters))


def test_what_is_right_is_verified_and_adds_up():
    found = verdict()
    assert found.is_equal
    assert found.sentences() == [
        "verified: 4 windows, 0 missing, 0 doubled, 0 wrong",
        "late rows (1) and dead letters (1) are equal as well",
        "8 in = 5 in windows + 1 late + 1 dead letters + 1 filtered",
    ]


def test_an_empty_demo_is_verified():
    found = verdict([], [], [], [])
    assert found.is_equal
    assert found.windows == 0


def test_a_missing_window_is_found():
    found = verdict(WINDOWS[1:])
    assert (found.missing, found.doubled, found.wrong) == (1, 0, 0)
    assert not found.is_equal
    assert found.sentences()[0] == "different: 4 windows, 1 missing, 0 doubled, 0 wrong"
    assert found.differences == ("missing: user=ann window_start=2023-11-14T22:13:20 total=13.8 n=2",)


def test_a_doubled_window_is_found_with_the_place_of_the_second():
    found = verdict([*WINDOWS, window("bob", T0, 0.92, 1, offset=17)])
    assert (found.missing, found.doubled, found.wrong) == (0, 1, 0)
    assert "offset=17" in found.differences[0]
    assert not found.adds_up


@pytest.mark.parametrize(("total", "n"), [(0.93, 1), (0.92, 2)])
def test_a_wrong_window_is_found(total, n):
    found = verdict([WINDOWS[0], window("bob", T0, total, n), *WINDOWS[2:]])
    assert (found.missing, found.doubled, found.wrong) == (0, 0, 1)
    assert "user=bob" in found.differences[0]


def test_a_window_that_should_not_be_there_is_wrong():
    found = verdict([*WINDOWS, window("eve", T0, 1.0, 1)])
    assert (found.missing, found.doubled, found.wrong) == (0, 0, 1)


def test_the_order_of_addition_is_no_difference():
    assert verdict([window("ann", T0, 15.0 * 0.92 + 1e-12, 2), *WINDOWS[1:]]).is_equal


@pytest.mark.parametrize(("late", "said"), [([], "late row missing"), ([*LATE, *LATE], "late row too many")])
def test_a_late_row_that_is_missing_or_doubled_is_found(late, said):
    found = verdict(late=late)
    assert not found.is_equal
    assert found.differences[0].startswith(said)


def test_a_late_row_that_says_a_wrong_lateness_is_found():
    row = json.loads(LATE[0].value or b"")
    wrong = [Stored(json.dumps({**row, "late_by": row["late_by"] + 1_000}).encode())]
    assert not verdict(late=wrong).is_equal


@pytest.mark.parametrize(
    "letters",
    [
        [],
        [*LETTERS, *LETTERS],
        [replace(LETTERS[0], value=b"{}")],
        [replace(LETTERS[0], headers={"sf.partition": b"1", "sf.offset": b"4"})],
    ],
)
def test_a_dead_letter_that_is_missing_doubled_changed_or_of_another_place_is_found(letters):
    assert not verdict(letters=letters).is_equal


def test_many_differences_are_counted_and_a_few_are_shown():
    found = verdict([*WINDOWS, *(window(f"eve{number}", T0, 1.0, 1) for number in range(9))])
    assert found.wrong == 9
    assert len(found.differences) == 6
    assert found.differences[-1] == "wrong: 4 more"


def test_a_row_is_on_time_until_its_own_partition_is_beyond_the_grace():
    last_moment = T0 + WINDOW_MS + GRACE_MS - 1
    for ahead, late in ((last_moment, 0), (last_moment + 1, 1)):
        given = read_input([*partition([click(ts=ahead), click(ts=T0)]), *partition([click(ts=T0)], number=1)])
        assert len(compute(given).late) == late


def test_a_filtered_row_moves_the_time_of_its_partition():
    given = read_input(partition([click(amount=0.0, ts=LATE_AT), click(ts=T0)]))
    assert len(compute(given).late) == 1


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{",
        b"17",
        b"\xff",
        click(user=17),
        click(amount="12,50"),
        click(amount=True),
        click(ts=None),
        click(ts=1.5),
        b'{"user":"ann","page":"/","amount":1.0}',
    ],
)
def test_what_cannot_be_read_is_malformed(value):
    given = read_input([Stored(value)])
    assert len(given.malformed) == 1
    assert given.clicks.empty
