"""Sizes in bytes."""

import pytest

from streamframe.core.errors import ConfigError
from streamframe.core.sizes import format_bytes, parse_bytes


@pytest.mark.parametrize(("text", "count"), [("1", 1), ("1k", 1024), ("1.5KB", 1536), ("2 GiB", 2 << 30), (7, 7)])
def test_reads_sizes_as_users_write_them(text: str | int, count: int) -> None:
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "big", "-1MB", "1MBB"])
def test_refuses_what_is_no_size(text: str) -> None:
    with pytest.raises(ConfigError, match="not a size"):
        parse_bytes(text)


def test_shows_sizes_to_people() -> None:
    assert [format_bytes(n) for n in (0, 1023, 1024, 5 << 20)] == ["0 B", "1023 B", "1.0 KiB", "5.0 MiB"]
