"""A defect of the native path is an ordinary exception."""

import pytest

from streamframe.core.acceleration import native


def test_a_panic_becomes_an_exception_that_can_be_caught():
    with pytest.raises(native.NativeError, match="on purpose") as caught:
        native.panic_on_purpose()
    assert isinstance(caught.value, RuntimeError)
