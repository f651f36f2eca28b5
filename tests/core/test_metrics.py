"""Names of what is counted."""

from streamframe.core.metrics import COUNTERS, ROWS_LATE, counter, split_counter


def test_a_counter_names_what_is_counted_and_the_step() -> None:
    assert split_counter(counter(ROWS_LATE, "a:b")) == (ROWS_LATE, "a:b")


def test_counters_are_distinct() -> None:
    assert len(dict.fromkeys(COUNTERS)) == len(COUNTERS)
