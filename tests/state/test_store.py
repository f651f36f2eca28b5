"""The words of the store port."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamframe.state.store import Changes, prefix_end


def test_changes_without_content_are_false():
    assert not Changes()
    assert Changes(deletes=[b"a"])
    assert Changes(ranges=[(b"a", b"b")])


@given(
    st.binary(min_size=1, max_size=3).filter(lambda p: p.strip(b"\xff")), st.binary(max_size=3), st.binary(max_size=3)
)
def test_the_end_of_a_prefix_separates_its_keys_from_later_ones(prefix, rest, other):
    assert prefix + rest < prefix_end(prefix)
    if other > prefix and not other.startswith(prefix):
        assert other >= prefix_end(prefix)
