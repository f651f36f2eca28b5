"""Where things are, and what an installation is called."""

from pathlib import Path

from streamframe.app.places import installation


def test_an_installation_keeps_its_name_over_restarts(tmp_path: Path) -> None:
    assert installation("", tmp_path / "state") == installation("", tmp_path / "other" / ".." / "state")


def test_installations_on_one_machine_have_names_of_their_own(tmp_path: Path) -> None:
    assert installation("", tmp_path / "one") != installation("", tmp_path / "two")


def test_a_link_to_a_state_directory_is_the_same_installation(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "state")
    assert installation("", tmp_path / "link") == installation("", tmp_path / "state")


def test_a_name_that_was_given_is_taken_as_it_is(tmp_path: Path) -> None:
    assert installation("rack-7", tmp_path) == "rack-7"
