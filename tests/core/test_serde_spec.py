"""A serde is a value."""

from streamframe.core.serde_spec import SerdeSpec


def test_specs_are_values():
    assert SerdeSpec("json", (("iso", True),)) == SerdeSpec("json", (("iso", True),))
    assert len({SerdeSpec("json"), SerdeSpec("json"), SerdeSpec("raw")}) == 2


def test_an_option_that_was_not_given_has_its_default():
    spec = SerdeSpec("json", (("iso", True),))
    assert spec.option("iso") is True
    assert spec.option("other", 3) == 3


def test_a_spec_prints_as_it_is_written():
    assert str(SerdeSpec("json", (("iso", True),))) == "json(iso=True)"
    assert str(SerdeSpec("raw")) == "raw()"
