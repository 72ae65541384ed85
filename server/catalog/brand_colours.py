"""The colours of a brand, and whether people can read what is drawn in them (WCAG 2.2).

A brand chooses four colours of a scheme. The others follow: what is between the ground and the text is mixed of them. Amber for up and
blue for down stay those of the service, because colour-blind fans tell these two apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

SchemeName = Literal["dark", "light"]
Hex = Annotated[str, msgspec.Meta(min_length=7, max_length=7, pattern="^#[0-9a-f]{6}$", examples=["#100d16"])]

TEXT_RATIO_MIN = 4.5  # success criterion 1.4.3
PART_RATIO_MIN = 3.0  # success criterion 1.4.11: edges and bars
_FAULTS_SHOWN_MAX = 3
# What stays as it is on the ground of a brand: static/style.css.
OWN_TEXTS = {
    "dark": {"--up-text": "#ffc559", "--down-text": "#a9bcff", "--hot-text": "#ff9a80"},
    "light": {"--up-text": "#8a4b00", "--down-text": "#2f49b4", "--hot-text": "#a8321b"},
}
_OWN_BARS = {"dark": "#ffb52e", "light": "#ffb020"}
_BAR_SHARES = (0.4, 0.3, 0.2, 0.1)


class Scheme(msgspec.Struct, frozen=True, kw_only=True):
    """The colours of one scheme: the ground of the page, the surface of cards, the text, and the accent of buttons and the name."""

    ground: Hex
    surface: Hex
    text: Hex
    accent: Hex


class Colours(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The colours of a brand for readers of dark and of light pages; without a scheme, those of the service."""

    dark: Scheme | None = None
    light: Scheme | None = None


def variables_of(scheme: Scheme) -> dict[str, str]:
    """The variables of style sheets that follow from a scheme."""
    return {
        "--ground": scheme.ground,
        "--surface": scheme.surface,
        "--raised": _mixed(scheme.surface, scheme.text, 0.08),
        "--line": _mixed(scheme.ground, scheme.text, 0.2),
        "--edge": _mixed(scheme.ground, scheme.text, 0.55),
        "--text": scheme.text,
        "--muted": _mixed(scheme.ground, scheme.text, 0.75),
        "--accent": scheme.accent,
        "--accent-ink": max(("#000000", "#ffffff"), key=lambda ink: contrast(ink, scheme.accent)),
    }


def bar_of(name: SchemeName, scheme: Scheme) -> str:
    """The colour of a bar under texts: as much of our amber on the surface as leaves them readable. The accent is for large ones."""
    bars = [_mixed(scheme.surface, _OWN_BARS[name], share) for share in _BAR_SHARES]
    texts = (
        (scheme.text, TEXT_RATIO_MIN),
        (OWN_TEXTS[name]["--up-text"], TEXT_RATIO_MIN),
        (scheme.accent, PART_RATIO_MIN),
    )
    return next((bar for bar in bars if all(contrast(text, bar) >= ratio for text, ratio in texts)), scheme.surface)


def with_alpha(colour: str, alpha: float) -> str:
    """A colour through which one sees what is behind it."""
    red, green, blue = _channels(colour)
    return f"rgba({red}, {green}, {blue}, {alpha})"


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def faults_of(colours: Colours) -> str:
    """What nobody could read, in words: each pair with its contrast and the one that is wanted; empty: all is well."""
    faults = [
        f"{name}: {front} {front_colour} on {back} {back_colour} has a contrast of {ratio:.2f}, and {wanted} is wanted"
        for name, scheme in (("dark", colours.dark), ("light", colours.light))
        if scheme is not None
        for front, front_colour, back, back_colour, wanted in _pairs(name, scheme)
        # Cut, not rounded: 4.499 is too little.
        if (ratio := int(contrast(front_colour, back_colour) * 100) / 100) < wanted
    ]
    more = len(faults) - _FAULTS_SHOWN_MAX
    return "; ".join(faults[:_FAULTS_SHOWN_MAX]) + (f"; and {more} more" if more > 0 else "")


def _pairs(name: str, scheme: Scheme) -> Iterator[tuple[str, str, str, str, float]]:
    variables = variables_of(scheme)
    backs = {"`ground`": variables["--ground"], "`surface`": variables["--surface"]}
    for back, back_colour in (backs | {"a raised `surface`": variables["--raised"]}).items():
        yield "`text`", variables["--text"], back, back_colour, TEXT_RATIO_MIN
        yield "muted `text`", variables["--muted"], back, back_colour, TEXT_RATIO_MIN
    for back, back_colour in backs.items():
        yield "`accent`", variables["--accent"], back, back_colour, TEXT_RATIO_MIN
        yield "an edge", variables["--edge"], back, back_colour, PART_RATIO_MIN
        for own, own_colour in OWN_TEXTS[name].items():
            yield (
                f"our {own.removeprefix('--').removesuffix('-text')} colour",
                own_colour,
                back,
                back_colour,
                TEXT_RATIO_MIN,
            )


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _mixed(one: str, other: str, share: float) -> str:
    """A colour between two; `share` of the other one."""
    mixed = (round(a + (b - a) * share) for a, b in zip(_channels(one), _channels(other), strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(channel / 255) for channel in _channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
