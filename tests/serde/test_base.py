"""The positions of good rows leave out errors and nulls."""

import numpy as np

from streamframe.serde.base import NO_ROWS, RowError, positions_of_good_rows


def test_no_positions_are_given_when_all_rows_are_good():
    assert positions_of_good_rows(3, [], NO_ROWS) is None


def test_errors_and_nulls_are_left_out():
    good = positions_of_good_rows(5, [RowError(1, "json", "x")], np.array([0, 4]))
    assert good is not None
    assert good.tolist() == [2, 3]
