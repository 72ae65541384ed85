"""Bar charts and line charts as SVG, in the colours of the reader's scheme. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH = 760
ROW = 34
TOP = 64
LABEL = 230
VALUE = 100
# A bar that is longer than so many medians is cut, else one slow server makes all others look alike.
CUT_MEDIANS = 3.0

_STYLE = """
    :root { --page: #ffffff; --ink: #1d2430; --soft: #5b6675; --line: #b9c2cf; --bar: #8fa6c4; --ours: #b4235a;
      --second: #2b6cb0; --third: #8a5a00; --fourth: #2f7d4f; }
    @media (prefers-color-scheme: dark) {
      :root { --page: #12161d; --ink: #e8edf4; --soft: #9fabba; --line: #3c4757; --bar: #4f6a8c; --ours: #ff7aa8;
        --second: #7db4f0; --third: #e0b04c; --fourth: #74cf98; }
    }
    .page { fill: var(--page); }
    .bar { fill: var(--bar); }
    .ours { fill: var(--ours); }
    .axis, .cut { stroke: var(--line); }
    .cut { stroke: var(--page); stroke-width: 4; }
    text { fill: var(--ink); font-size: 14px; }
    .name { font-weight: 600; font-size: 17px; }
    .note { fill: var(--soft); font-size: 13px; }
    .end { text-anchor: end; }
    .mine { font-weight: 600; }
    .middle { text-anchor: middle; }
    .grid { stroke: var(--line); stroke-width: 0.5; }
    .curve { fill: none; stroke-width: 2.5; }
    .c0 { --colour: var(--ours); } .c1 { --colour: var(--second); } .c2 { --colour: var(--third); } .c3 { --colour: var(--fourth); }
    .curve { stroke: var(--colour); }
    .dot, .label { fill: var(--colour); }
"""

LINES_TOP = 76
LINES_HEIGHT = 220
LINES_LEFT = 62
LINES_RIGHT = 160  # the names of the lines
LABELS_APART = 17
SERIES_MAX = 4
_STEPS = (1, 2, 2.5, 5, 10)


class Bar(NamedTuple):
    """One bar: its label, its length, and the length as the reader sees it."""

    label: str
    value: float
    text: str
    is_ours: bool


def bar_chart(title: str, note: str, bars: Sequence[Bar]) -> str:
    """Draws the bars, the shortest first."""
    bars = sorted(bars, key=lambda bar: bar.value)
    median = bars[len(bars) // 2].value
    cut = max(median * CUT_MEDIANS, *(bar.value for bar in bars if bar.is_ours), 1e-9)
    longest = min(cut, bars[-1].value) or 1.0
    if bars[-1].value > longest:
        note += "; cut bars are longer than drawn"
    room = WIDTH - LABEL - VALUE
    height = TOP + ROW * len(bars) + 16
    lines = _head(title, note, "; ".join(f"{bar.label}: {bar.text}" for bar in bars), height)
    for index, bar in enumerate(bars):
        top = TOP + index * ROW
        length = max(2.0, min(bar.value, longest) / longest * room)
        mine = " mine" if bar.is_ours else ""
        lines += [
            f'  <text class="end{mine}" x="{LABEL - 10}" y="{top + 20}">{escape(bar.label)}</text>',
            f'  <rect class="{"ours" if bar.is_ours else "bar"}" x="{LABEL}" y="{top + 4}" width="{length:.1f}" height="22" rx="3"/>',
            f'  <text class="value{mine}" x="{LABEL + length + 8:.1f}" y="{top + 20}">{escape(bar.text)}</text>',
        ]
        if bar.value > longest:
            left = LABEL + length - 26
            lines.append(f'  <path class="cut" d="M{left:.1f} {top + 28}l8 -26m6 0l-8 26"/>')
    lines.append(f'  <path class="axis" d="M{LABEL} {TOP}V{height - 14}"/>')
    return "\n".join([*lines, "</svg>", ""])


class Line(NamedTuple):
    """One line: its name, and its value at each place of the axis; None: not measured there."""

    label: str
    values: Sequence[float | None]


def line_chart(title: str, note: str, axis: str, places: Sequence[str], lines: Sequence[Line]) -> str:
    """Draws up to four lines over places that are equally far apart; the vertical axis begins at 0.

    Takes:  axis, what the places are
    """
    if len(lines) > SERIES_MAX:
        raise ValueError(f"a chart has colours for {SERIES_MAX} lines, not for {len(lines)}")
    step, top = _scale(max((value for line in lines for value in line.values if value is not None), default=1.0))
    bottom = LINES_TOP + LINES_HEIGHT
    room = WIDTH - LINES_LEFT - LINES_RIGHT
    lefts = [LINES_LEFT + room * (place + 0.5) / len(places) for place in range(len(places))]
    told = "; ".join(
        f"{line.label}: {', '.join(f'{_short(value)} at {place}' for place, value in zip(places, line.values, strict=True) if value is not None)}"
        for line in lines
    )
    drawn = _head(title, note, told, bottom + 56)
    for number in range(round(top / step) + 1):
        height = bottom - LINES_HEIGHT * number * step / top
        drawn += [
            f'  <path class="{"grid" if number else "axis"}" d="M{LINES_LEFT} {height:.1f}H{WIDTH - LINES_RIGHT}"/>',
            f'  <text class="note end" x="{LINES_LEFT - 8}" y="{height + 4:.1f}">{_short(number * step)}</text>',
        ]
    drawn += [
        f'  <text class="note middle" x="{left:.1f}" y="{bottom + 20}">{escape(place)}</text>'
        for left, place in zip(lefts, places, strict=True)
    ]
    drawn.append(f'  <text class="note middle" x="{LINES_LEFT + room / 2:.1f}" y="{bottom + 42}">{escape(axis)}</text>')
    ends: list[tuple[float, int]] = []
    for number, line in enumerate(lines):
        points = [
            (left, bottom - LINES_HEIGHT * value / top)
            for left, value in zip(lefts, line.values, strict=True)
            if value is not None
        ]
        if not points:
            continue
        path = "L".join(f"{left:.1f} {height:.1f}" for left, height in points)
        drawn.append(f'  <path class="curve c{number}" d="M{path}"/>')
        drawn += [
            f'  <circle class="dot c{number}" cx="{left:.1f}" cy="{height:.1f}" r="4"/>' for left, height in points
        ]
        ends.append((points[-1][1], number))
    lowest = 0.0
    for height, number in sorted(ends):
        # Names of lines that end near each other stand below each other.
        lowest = max(height + 5, lowest + LABELS_APART)
        label = escape(lines[number].label)
        drawn.append(f'  <text class="label c{number}" x="{WIDTH - LINES_RIGHT + 6}" y="{lowest:.1f}">{label}</text>')
    return "\n".join([*drawn, "</svg>", ""])


def _scale(highest: float) -> tuple[float, float]:
    """The step between two lines of the grid, and the top of the axis: a few round steps."""
    if highest <= 0:
        return 1.0, 1.0
    power = 10.0 ** math.floor(math.log10(highest / 4))
    step = next(power * factor for factor in _STEPS if power * factor * 5 >= highest)
    return step, step * math.ceil(highest / step - 1e-9)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _head(title: str, note: str, told: str, height: int) -> list[str]:
    """The first lines of a chart: its title, its note, and what it shows, in words."""
    return [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title desc"'
            ' font-family="system-ui, sans-serif">'
        ),
        f'  <title id="title">{escape(title)}</title>',
        f'  <desc id="desc">{escape(note)} {escape(told)}.</desc>',
        f"  <style>{_STYLE}  </style>",
        f'  <rect class="page" width="{WIDTH}" height="{height}"/>',
        f'  <text class="name" x="16" y="28">{escape(title)}</text>',
        f'  <text class="note" x="16" y="49">{escape(note)}</text>',
    ]
