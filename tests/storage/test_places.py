"""Places for workers."""

from pathlib import Path

import pytest

from streamframe.core.errors import ConfigError
from streamframe.storage.places import WorkerPlace


def test_each_living_worker_has_the_lowest_free_number(tmp_path: Path) -> None:
    with WorkerPlace(tmp_path, "app") as first, WorkerPlace(tmp_path, "app") as second:
        assert (first.number, second.number) == (0, 1)
        first.close()
        with WorkerPlace(tmp_path, "app") as third:
            assert third.number == 0


def test_applications_do_not_share_numbers(tmp_path: Path) -> None:
    with WorkerPlace(tmp_path, "one") as one, WorkerPlace(tmp_path, "two") as two:
        assert (one.number, two.number) == (0, 0)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match="state directory"):
        WorkerPlace(tmp_path / "file", "app")
