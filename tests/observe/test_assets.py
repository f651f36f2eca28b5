"""Colours of the page can be told apart by everybody: contrast as WCAG 2 asks for it, in both schemes."""

import re
from importlib import resources

import pytest

CSS = resources.files("streamframe.observe").joinpath("assets", "page.css").read_text()
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", part)) for part in CSS.split("@media (prefers-color-scheme")
)
TEXT_ON_PAPER = ("ink", "soft", "good", "warn", "bad", "accent")
INK_ON = ("b0", "b1", "b2", "b3", "b4", "topic", "zebra", "card")
BADGES = ("good", "warn", "bad")
ENOUGH = 4.5


def luminance(color: str) -> float:
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_text_can_be_read_on_what_is_behind_it(scheme):
    for name in TEXT_ON_PAPER:
        assert contrast(scheme[name], scheme["paper"]) >= ENOUGH, name
        assert contrast(scheme[name], scheme["card"]) >= ENOUGH, name
        assert contrast(scheme[name], scheme["zebra"]) >= ENOUGH, name
    for name in BADGES:
        assert contrast(scheme[name], scheme[f"{name}-soft"]) >= ENOUGH, name
    for name in INK_ON:
        assert contrast(scheme["ink"], scheme[name]) >= ENOUGH, name


def test_the_rule_of_contrast_is_that_of_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_where_the_focus_is_can_be_seen():
    assert ":focus-visible" in CSS
    assert "outline: none" not in CSS
