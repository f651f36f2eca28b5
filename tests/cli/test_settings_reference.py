"""The configuration reference is generated from the settings."""

from pathlib import Path

from streamframe.cli.settings_reference import reference
from streamframe.cli.settings_sources import FIELDS

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_what_the_command_prints() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()

    assert page == reference(), "run: streamframe config reference > docs/configuration.md"


def test_every_setting_has_a_meaning_and_a_variable() -> None:
    text = reference()

    for name in FIELDS:
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
        assert "`STREAMFRAME_" in row
        assert len(row.split("|")[-2].strip()) > 10
