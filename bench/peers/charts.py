"""Bar charts as SVG, in the colours of the reader's scheme. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH = 760
ROW = 34
TOP = 64
LABEL = 210
VALUE = 100
# A bar that is longer than so many medians is cut, else one slow server makes all others look alike.
CUT_MEDIANS = 3.0

_STYLE = """
    :root { --page: #ffffff; --ink: #1d2430; --soft: #5b6675; --line: #b9c2cf; --bar: #8fa6c4; --ours: #b4235a; }
    @media (prefers-color-scheme: dark) {
      :root { --page: #12161d; --ink: #e8edf4; --soft: #9fabba; --line: #3c4757; --bar: #4f6a8c; --ours: #ff7aa8; }
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
"""


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
    room = WIDTH - LABEL - VALUE
    height = TOP + ROW * len(bars) + 16
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title desc"'
            ' font-family="system-ui, sans-serif">'
        ),
        f'  <title id="title">{escape(title)}</title>',
        f'  <desc id="desc">{escape(note)} {escape("; ".join(f"{bar.label}: {bar.text}" for bar in bars))}.</desc>',
        f"  <style>{_STYLE}  </style>",
        f'  <rect class="page" width="{WIDTH}" height="{height}"/>',
        f'  <text class="name" x="16" y="28">{escape(title)}</text>',
        f'  <text class="note" x="16" y="49">{escape(note)}</text>',
    ]
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
