"""The contrast of a brand's colours."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from server.catalog.brand_colours import (
    OWN_TEXTS,
    Colours,
    Scheme,
    SchemeName,
    bar_of,
    contrast,
    faults_of,
    variables_of,
)

STYLE = (Path(__file__).parents[3] / "static" / "style.css").read_text("utf-8")
OURS = Scheme(ground="#100d16", surface="#1a1623", text="#f5f1fb", accent="#ffb52e")
OURS_LIGHT = Scheme(ground="#f6f1e7", surface="#fffdf8", text="#1d1723", accent="#8a4b00")


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#777777", "#ffffff", 4.48),
        ("#ff0000", "#ffffff", 4.0),
    ],
)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    """Known values, whichever colour is in front."""
    assert contrast(one, other) == contrast(other, one) == pytest.approx(ratio, abs=0.01)


def test_the_services_own_colours_can_be_read() -> None:
    """They pass as those of a brand, and what a brand does not change is as in the style sheet."""
    assert faults_of(Colours(dark=OURS, light=OURS_LIGHT)) == ""
    assert faults_of(Colours()) == ""
    dark, _, light = STYLE.partition("@media (prefers-color-scheme: light)")
    for name, part in (("dark", dark), ("light", light)):
        for variable, colour in OWN_TEXTS[name].items():
            assert re.search(rf"{variable}: {colour};", part), (name, variable)


def test_what_cannot_be_read_is_named() -> None:
    """Each pair with its colours, the contrast found and the one wanted."""
    faults = faults_of(Colours(light=Scheme(ground="#ffffff", surface="#ffffff", text="#777777", accent="#ffff00")))
    assert faults.startswith(
        "light: `text` #777777 on `ground` #ffffff has a contrast of 4.47, and 4.5 is wanted; light: muted `text` #999999 on"
    )
    assert re.search("; and [0-9]+ more$", faults)
    on_blue = faults_of(Colours(dark=Scheme(ground="#a9bcff", surface="#a9bcff", text="#000000", accent="#000000")))
    assert "our down colour #a9bcff on `ground` #a9bcff has a contrast of 1.00" in on_blue


def test_words_on_the_accent_can_be_read() -> None:
    """They are black or white, whichever differs more: for every accent that is enough."""
    for accent in ("#000000", "#ffffff", "#757575", "#ff0000", "#00ff00", "#0000ff", "#ffb52e"):
        ink = variables_of(Scheme(ground="#000000", surface="#000000", text="#ffffff", accent=accent))["--accent-ink"]
        assert contrast(ink, accent) >= 4.5, accent


def test_what_stands_on_a_bar_can_be_read() -> None:
    """The text, our amber and large words in the accent; where amber would hide them, the bar is the surface."""
    narrow = Scheme(ground="#000000", surface="#000000", text="#777777", accent="#777777")
    schemes: tuple[tuple[SchemeName, Scheme], ...] = (("dark", OURS), ("light", OURS_LIGHT), ("dark", narrow))
    for name, scheme in schemes:
        assert faults_of(Colours(**{name: scheme})) == "" or scheme is narrow
        bar = bar_of(name, scheme)
        assert contrast(scheme.text, bar) >= 4.5
        assert contrast(OWN_TEXTS[name]["--up-text"], bar) >= 4.5
        assert contrast(scheme.accent, bar) >= 3
        assert (bar == scheme.surface) == (scheme is narrow)
