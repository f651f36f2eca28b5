"""The nearest known name is suggested, or none."""

from streamframe.core.suggest import did_you_mean


def test_the_nearest_name_is_suggested_in_its_own_spelling():
    assert did_you_mean("amuont", ["user", "Amount"]) == "did you mean 'Amount'?"
    assert did_you_mean("USER", ["user", "amount"]) == "did you mean 'user'?"


def test_nothing_is_suggested_when_nothing_is_near():
    assert did_you_mean("zzz", ["user", "amount"]) is None
    assert did_you_mean("user", []) is None
