"""Writes the curves into docs/speed.md, with charts, from the record of their runs. Pure but for `write_curves`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from calibration import PYTHON_STEPS, ROWS
from charts import Line, line_chart

PAGE = "speed.md"
RECORD = "speed.json"
BEGIN = "<!-- make bench-curves writes from here … -->"
END = "<!-- … to here -->"

Point = Mapping[str, Any]
Run = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Unit:
    """What a figure is compared with: a part of the calibration beside it."""

    name: str
    us: Callable[[Mapping[str, Any]], float]


ADDITIONS = Unit("1,000 additions in Python", lambda taken: taken["python_ms"] * 1000 / (PYTHON_STEPS / 1000))
SEND = Unit("one send() in C", lambda taken: taken["send_us"])
ROW = Unit("one row inserted by PostgreSQL", lambda taken: taken["insert_ms"] * 1000 / ROWS)


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart of a curve. lines: name -> key of the figure; unit: None: the figures as they are."""

    name: str
    title: str
    lines: Mapping[str, str]
    unit: Unit | None = None
    note: str = "ms; lower is better"


@dataclass(frozen=True, slots=True)
class Curve:
    """How the page shows one curve. columns: title -> keys of the figures in the cells."""

    name: str
    title: str
    axis: str
    method: str
    columns: Mapping[str, Sequence[str]]
    charts: Sequence[Chart]


_PARTS = ("vote_us", "server_us", "postgres_us", "valkey_us")
_VOTE_COLUMNS: dict[str, Sequence[str]] = {
    "CPU a vote, µs: all, node, PostgreSQL, Valkey": _PARTS,
    "committed votes/s": ("votes_per_s",),
    "acknowledged after p50, p99, ms": ("acknowledgement_p50_ms", "acknowledgement_p99_ms"),
}
_VOTE_LINES = dict(zip(("all", "node", "PostgreSQL", "Valkey"), _PARTS, strict=True))
_ACKNOWLEDGEMENT = {"p50": "acknowledgement_p50_ms", "p99": "acknowledgement_p99_ms"}
_FRAME_COLUMNS: dict[str, Sequence[str]] = {
    "CPU a frame, µs: server at most, at least, floor": ("frame_us", "frame_lower_us", "floor_us"),
    "frames/s of a watcher": ("frames_per_s",),
    "vote → last watcher p50, p99, ms": ("last_watcher_p50_ms", "last_watcher_p99_ms"),
}
_FRAME_LINES = {"server, at most": "frame_us", "server, at least": "frame_lower_us", "floor": "floor_us"}
_LAST_WATCHER = {"p50": "last_watcher_p50_ms", "p99": "last_watcher_p99_ms"}

CURVES = (
    Curve(
        "shows", "Shows", "shows that take votes",
        "1,500 voters in C, up to four unanswered votes each, as fast as they are acknowledged, drawn over all shows "
        "(`bench/votes.py --in-c --in-flight 4`).",
        _VOTE_COLUMNS,
        (
            Chart("vote", "CPU of a committed vote over shows", _VOTE_LINES, ADDITIONS),
            Chart("acknowledgement", "Acknowledgement of a vote over shows", _ACKNOWLEDGEMENT),
        ),
    ),
    Curve(
        "watchers", "Watchers", "watchers of one show",
        "CPU of a frame: 20 votes a second, with and without the cost of the same votes while nobody watches; with less than 1,000 watchers the"
        " votes hide it. Time to the last watcher: 2,000 votes a second. The floor is a `send()` loop in C to as many sockets (`bench/fanout.py`).",
        _FRAME_COLUMNS | {"memory of a connection with one channel, KB": ("memory_kb",)},
        (
            Chart("frame", "CPU of a delivered frame over watchers", _FRAME_LINES, SEND),
            Chart("last", "Vote to last watcher over watchers", _LAST_WATCHER),
        ),
    ),
    Curve(
        "connections", "Connections", "connections with four channels",
        "Each connection watches four channels (`bench/connections.py`).",
        {
            "memory of a connection, KB": ("memory_kb",),
            "CPU of a new connection, µs": ("accept_us",),
            "connections/s": ("accept_per_s",),
            "all cut at once: back after s": ("herd_return_s",),
        },
        (
            Chart(
                "memory", "Memory of a connection over connections", {"memory": "memory_kb"},
                note="KB of the node's resident memory; lower is better",
            ),
            Chart("accept", "CPU of a new connection over connections", {"node": "accept_us"}, ADDITIONS),
        ),
    ),
    Curve(
        "stored", "Stored votes", "votes stored before",
        "Batches of 2,000 votes through `commit_votes`, with all triggers and history, on 1,000 shows; voters are drawn from all users"
        " (`bench/database.py`).",
        {
            "PostgreSQL's CPU a vote, µs": ("postgres_us",),
            "votes/s": ("votes_per_s",),
            "a batch takes p50, p99, ms": ("batch_p50_ms", "batch_p99_ms"),
        },
        (
            Chart("vote", "PostgreSQL's CPU of a vote over stored votes", {"PostgreSQL": "postgres_us"}, ROW),
            Chart("batch", "Commit of 2,000 votes over stored votes", {"p50": "batch_p50_ms", "p99": "batch_p99_ms"}),
        ),
    ),
    Curve(
        "workers", "Workers", "workers of the node (--workers)",
        "The workers share the same cores with the load, so more workers cannot be faster here: the curve shows what each costs. 1,500 voters"
        " as above over the 63 shows of the sample data, then 1,000 watchers (`bench/votes.py --in-c --in-flight 4`, `bench/fanout.py`).",
        _VOTE_COLUMNS | _FRAME_COLUMNS,
        (
            Chart("vote", "CPU of a committed vote over workers", _VOTE_LINES, ADDITIONS),
            Chart("frame", "CPU of a delivered frame over workers", _FRAME_LINES, SEND),
            Chart("acknowledgement", "Acknowledgement of a vote over workers", _ACKNOWLEDGEMENT),
            Chart("last", "Vote to last watcher over workers", _LAST_WATCHER),
        ),
    ),
)  # fmt: skip


def write_curves(record: Mapping[str, Run], folder: Path) -> None:
    """Writes the record, the charts and their part of the page."""
    (folder / RECORD).write_bytes(orjson.dumps(record, option=orjson.OPT_INDENT_2) + b"\n")
    text, charts = drawn(record)
    for name, chart in charts.items():
        (folder / name).write_text(chart, "utf-8")
    page = folder / PAGE
    before, _, rest = page.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{text}{END}{after}", "utf-8")


def read_record(folder: Path) -> dict[str, Run]:
    """The record of all runs so far: name of the curve -> its last run."""
    file = folder / RECORD
    record: dict[str, Run] = orjson.loads(file.read_bytes()) if file.exists() else {}
    return record


def drawn(record: Mapping[str, Run]) -> tuple[str, dict[str, str]]:
    """The part of the page, and its charts: name of the file -> text."""
    if not record:
        return "No run is recorded yet: `make bench-curves OPTIONS=--write` records one.\n", {}
    parts: list[str] = []
    charts: dict[str, str] = {}
    for curve in CURVES:
        if curve.name in record:
            run = record[curve.name]
            pictures = {f"speed-{curve.name}-{chart.name}.svg": chart for chart in curve.charts}
            charts |= {file: _chart(curve, chart, run["points"]) for file, chart in pictures.items()}
            shown = [f"![{chart.title}]({file})" for file, chart in pictures.items()]
            parts += [
                f"### {curve.title}",
                curve.method,
                "",
                *_table(curve, run),
                "",
                *shown,
                "",
                *_growth(curve, run),
                "",
            ]
    return "\n".join(parts), charts


def _chart(curve: Curve, chart: Chart, points: Sequence[Point]) -> str:
    note = chart.note if chart.unit is None else f"multiples of {chart.unit.name} beside each point; lower is better"
    points = [point for point in points if any(key in point["figures"] for key in chart.lines.values())]
    lines = [Line(name, [_value(point, key, chart.unit) for point in points]) for name, key in chart.lines.items()]
    return line_chart(chart.title, note, curve.axis, [f"{point['at']:,}" for point in points], lines)


def _value(point: Point, key: str, unit: Unit | None) -> float | None:
    value: float | None = point["figures"].get(key)
    return value if value is None or unit is None else value / unit.us(point["calibration"])


def _table(curve: Curve, run: Run) -> list[str]:
    multiples = [(chart, key) for chart in curve.charts for key in list(chart.lines.values())[:1] if chart.unit]
    titles = [
        curve.axis,
        *curve.columns,
        *(f"{chart.title.partition(' over ')[0]}, × {chart.unit.name}" for chart, _ in multiples if chart.unit),
        "calibration: Python ms, send µs, insert ms",
    ]
    lines = [f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}"]
    for point in run["points"]:
        taken = point["calibration"]
        cells = [
            f"{point['at']:,}",
            *(", ".join(_number(point["figures"].get(key)) for key in keys) for keys in curve.columns.values()),
            *(_number(_value(point, key, chart.unit)) for chart, key in multiples),
            f"{taken['python_ms']:.0f}, {taken['send_us']:.1f}, {taken['insert_ms']:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _growth(curve: Curve, run: Run) -> list[str]:
    """Says how each figure with a unit changes from the first point to the last, and where the figures come from."""
    machine, commit = run["machine"], run["commit"]
    told = []
    for chart in curve.charts:
        key = next(iter(chart.lines.values()))
        found = [(point["at"], value) for point in run["points"] if (value := _value(point, key, chart.unit))]
        if chart.unit is not None and len(found) > 1:
            (first, value), (last, last_value) = found[0], found[-1]
            told.append(f"{chart.title}: × {last_value / value:.2f} from {first:,} to {last:,}.")
    changed = ", with changes that are not committed" if commit["is_changed"] else ""
    origin = (
        f"`{run['command']}`, {run['date'][:16].replace('T', ' ')} UTC, commit {(commit['revision'] or '?')[:12]}{changed}, {machine['cores']}"
        f" cores of {machine['cpu']}, {machine['system']}, load {machine['load_before']} before the run."
    )
    return [*told, origin]


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
