"""Errors cross the border of a process as plain values."""

import pickle
from decimal import Decimal

import numpy as np
import pytest

from streamframe.core.errors import PlanError, StreamFrameError
from streamframe.runtime.messages import plain_error, report_failure


def test_facts_become_plain_so_that_the_reader_needs_no_library():
    error = PlanError(
        "wrong", hint="fix it", row=np.int64(3), price=Decimal("1.5"), column="a", columns=["a", np.int64(1)]
    )
    plain = plain_error(error)

    assert plain.facts == {"row": "3", "price": "1.5", "column": "a", "columns": ["a", "1"]}
    assert b"numpy" not in pickle.dumps(report_failure(error))


def test_a_type_of_its_own_below_ours_travels_as_ours():
    class Special(PlanError):
        pass

    assert type(plain_error(Special("wrong"))) is PlanError


def test_a_foreign_exception_is_wrapped_with_the_line_that_raised_it():
    with pytest.raises(KeyError) as caught:
        dict[str, int]()["amount"]
    report = report_failure(caught.value)

    assert type(report.error) is StreamFrameError
    assert report.error.message == "worker failed: KeyError: 'amount'"
    assert "test_messages.py:" in report.cause
    assert report.traceback.startswith("Traceback")
