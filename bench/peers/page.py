"""Writes docs/benchmarks.md and its charts from the result of a run, which it keeps beside them. Pure but for `write_page`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import orjson
from charts import Bar, bar_chart

from .known import MYSETLIST, PEERS
from .report import FLOOR, FanoutRow, Result, VotesRow, calibration, fanout_rows, votes_rows

PAGE = "benchmarks.md"
RECORD = "benchmarks.json"
BUSY_LOAD = 1.0  # before the run
_PEERS = {one.name: one for one in PEERS}
Row = TypeVar("Row", FanoutRow, VotesRow)
_FLOOR_TITLE = "send() loop in C (floor)"


def write_page(result: Result, folder: Path) -> None:
    """Writes the record of the run, the page and its charts."""
    (folder / RECORD).write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")
    for name, text in pages(result).items():
        (folder / name).write_text(text, "utf-8")


def pages(result: Result) -> dict[str, str]:
    """The page and its charts: name of the file -> text."""
    fanout, votes = fanout_rows(result), votes_rows(result)
    charts = _charts(fanout, votes)
    parts = [_head(result)]
    if fanout:
        parts.append(_fanout_part(result, fanout, charts))
    if votes:
        parts.append(_votes_part(result, votes, charts))
    parts.append(_foot(result))
    return {PAGE: "\n".join(parts), **charts}


def _head(result: Result) -> str:
    commit, machine = result["commit"], result["machine"]
    changed = ", with changes that are not committed" if commit["is_changed"] else ""
    taken = calibration(result)
    busy = machine["load_before"] >= BUSY_LOAD
    warning = "\n**Other programs ran beside this run. Its times are too long and its votes too few; the ratios of CPU hold better.**\n"
    return f"""# MySetlist beside other servers

`{result["command"]}` measured everything on this page in one run, and wrote it: {PAGE}, its charts and [{RECORD}]({RECORD}), which has the figures
of each round. Each figure is the median of {len(result["rounds"])} rounds.

| | |
|---|---|
| command | `{result["command"]}` |
| date | {result["date"][:16].replace("T", " ")} UTC |
| commit | {(commit["revision"] or "?")[:12]}{changed} |
| machine | {machine["cores"]} cores of {machine["cpu"]}, {machine["memory_gib"]} GiB, {machine["system"]}, Python {machine["python"]}; load {machine["load_before"]} before the run |
| calibration | a loop of 2,000,000 additions in Python {taken["python_ms"]:.0f} ms, `send()` in a loop in C {taken["send_us"]:.1f} µs, 50,000 rows inserted in PostgreSQL {taken["insert_ms"]:.0f} ms |

Machines differ: compare ratios of one run, and times only as multiples of its calibration.
{warning if busy else ""}"""


def _fanout_part(result: Result, rows: Sequence[FanoutRow], charts: dict[str, str]) -> str:
    settings = result["settings"]
    lines = [
        "## Pushes",
        "",
        (
            f"{settings['watchers']:,} websockets, up to ten pushes a second of 90 bytes, without compression. Each server has one core with all its"
            " processes and engines, and the clients have the other."
        ),
        "",
        (
            "| server | written in | CPU a frame, × floor | lowest, highest round | µs | engines, µs | memory a connection"
            " | published → last watcher | first → last watcher | pushes a second | bytes |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = (
            _titled(result, row), _language(row.name), f"{row.ratio:.2f}", f"{row.ratio_min:.2f}, {row.ratio_max:.2f}",
            f"{row.cpu_us:.1f}", f"{row.engines_us:.1f}" if row.engines_us >= 0.05 else "–", _number(row.memory_kb, "KB"),
            _number(row.last_watcher_ms, "ms"), _number(row.spread_ms, "ms"), _pace(row), str(row.payload_bytes),
        )  # fmt: skip
        lines.append(f"| {' | '.join(_bold(row.name, cells))} |")
    lines += [
        "",
        *_lower(rows),
        *_losses(rows, _FANOUT_FIGURES),
        "",
        *_pictures(charts, "fanout", "memory", "latency"),
        _FANOUT_NOTES,
    ]
    return "\n".join(lines)


_FANOUT_NOTES = """
- CPU a frame: user and system time of the server's processes while they push, less that of the same time without pushes and with the
  same clients, for each frame that arrived. Engines (PostgreSQL, Valkey) have their own column.
- The floor is a program that only calls `send()` for each socket (`bench/floor.py`). Only the time in its loop counts.
- MySetlist runs as for users and pushes what 20 votes a second cause; the others get a finished text. The work for these votes counts as
  work of its frames. "Published" is the moment when the vote was *cast*: its time includes the commit in PostgreSQL and the wait for the
  next push, at most 100 ms. From the first to the last watcher is the same for all.
- Memory: resident memory of the server's processes with all connections, less that without, for each connection.
- Pushes a second: a push is published when the one before has reached everybody, and at most ten times a second. A server with fewer has not
  enough time on one core, and is measured at its own pace.
- nchan and Centrifuge have the versions that Debian has; that of Centrifuge is of 2021. Django Channels uses its layer for Redis with
  pub/sub, on Valkey, because its documentation says that the one in memory is not for use.
- Bytes: of the text that a client gets. Some protocols wrap the 90 bytes.
"""


def _lower(rows: Sequence[FanoutRow]) -> list[str]:
    return [
        f"Less the CPU of the same votes while nobody watches, {_title(row.name)} takes {row.ratio_lower:.2f} × the floor. The figure in the"
        " table includes them, so the truth is between the two."
        for row in rows
        if row.ratio_lower is not None
    ] + [""]


def _votes_part(result: Result, rows: Sequence[VotesRow], charts: dict[str, str]) -> str:
    settings = result["settings"]
    lines = [
        "## Votes",
        "",
        f"{settings['voters']:,} voters, two unanswered votes each, as fast as they are acknowledged. Server and engines share one core.",
        "",
        (
            "| server | written in | CPU a committed vote | server, PostgreSQL, Valkey | committed votes a second"
            " | acknowledged after p50, p99 |"
        ),
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = (
            _titled(result, row), _language(row.name), f"{row.cpu_us:.0f} µs",
            f"{row.server_us:.0f}, {row.postgres_us:.0f}, {row.valkey_us:.0f} µs", f"{row.votes_per_s:,.0f}",
            f"{row.acknowledgement_p50_ms:.0f}, {row.acknowledgement_p99_ms:.0f} ms",
        )  # fmt: skip
        lines.append(f"| {' | '.join(_bold(row.name, cells))} |")
    lines += ["", *_losses(rows, _VOTES_FIGURES), "", *_pictures(charts, "votes"), _VOTES_NOTES]
    return "\n".join(lines)


_VOTES_NOTES = """
The plain server (`bench/peers/programs/plain.py`) is what many would write first: counters in a table, kept by a trigger for each row, one
transaction a vote, the reply after the commit. It checks no rules, keeps no history and pushes nothing, so it does less than MySetlist. The
same PostgreSQL with the same settings serves both, and the same clients vote in the same protocol.
"""


def _foot(result: Result) -> str:
    measured = {row.name for row in fanout_rows(result)} | {row.name for row in votes_rows(result)}
    absent = [f"{one.title} ({_reason(result, one.name)})" for one in PEERS if one.name not in measured]
    left_out = f"\nNot in this run: {', '.join(absent)}.\n" if absent else ""
    rows = "\n".join(f"| {one.title} | `{one.name}` | {one.get} |" for one in PEERS)
    return f"""## Repeat it
`make bench-peers` prints the figures, and with `OPTIONS=--write` it writes this page. `PEERS="mysetlist nchan"` measures only these. The script says
what is missing. `make peers` installs into the folder `.bench` what comes from npm and PyPI, in the versions of `bench/peers/package.json` and
`bench/peers/requirements.txt`. The programs that are measured are in `bench/peers/programs/`: ours, and as short and quick as the documentation of
each library advises, with one worker and, in Python, uvloop.
{left_out}
| server | name | how to get it |
|---|---|---|
{rows}
"""


def _reason(result: Result, name: str) -> str:
    if name in result["missing"]:
        return "not installed"
    return "no turn came to an end" if name in result["versions"] else "not asked for"


_FANOUT_FIGURES: dict[str, Callable[[FanoutRow], float | None]] = {
    "CPU a frame": lambda row: row.ratio,
    "memory a connection": lambda row: row.memory_kb,
    "time from publishing to the last watcher": lambda row: row.last_watcher_ms,
    "time from the first to the last watcher": lambda row: row.spread_ms,
}
_VOTES_FIGURES: dict[str, Callable[[VotesRow], float | None]] = {
    "CPU a vote": lambda row: row.cpu_us,
    "votes a second": lambda row: -row.votes_per_s,
    "time to the acknowledgement": lambda row: row.acknowledgement_p50_ms,
}


def _losses(rows: Sequence[Row], figures: Mapping[str, Callable[[Row], float | None]]) -> list[str]:
    """Says for each figure who is better than MySetlist."""
    ours = next((row for row in rows if row.name == MYSETLIST), None)
    if ours is None or len(rows) == 1:
        return []
    lines = ["Where MySetlist is behind:", ""]
    for figure, value in figures.items():
        wanted = value(ours)
        if wanted is None:
            continue
        better = [(found, row.name) for row in rows if (found := value(row)) is not None and found < wanted]
        lines.append(f"- {figure}: {', '.join(_title(name) for _, name in sorted(better)) or 'nobody'}")
    return lines


def _pictures(charts: dict[str, str], *names: str) -> list[str]:
    return [f"![{_ALTERNATIVES[name]}]({_file(name)})" for name in names if _file(name) in charts]


_ALTERNATIVES = {
    "fanout": "CPU of a delivered frame as a multiple of the floor",
    "memory": "Memory of a connection",
    "latency": "Time from the first to the last watcher of a push",
    "votes": "CPU of a committed vote",
}


def _charts(fanout: Sequence[FanoutRow], votes: Sequence[VotesRow]) -> dict[str, str]:
    drawn: dict[str, tuple[str, list[Bar]]] = {
        "fanout": (
            "multiples of a send() loop in C in the same round; shorter is better",
            [_bar(row.name, row.ratio, f"{row.ratio:.2f}") for row in fanout],
        ),
        "memory": (
            "KB of the server's processes; shorter is better",
            [_bar(row.name, row.memory_kb, f"{row.memory_kb:.1f} KB") for row in fanout if row.memory_kb is not None],
        ),
        "latency": (
            "median of all pushes that reached everybody; shorter is better",
            [_bar(row.name, row.spread_ms, f"{row.spread_ms:.0f} ms") for row in fanout if row.spread_ms is not None],
        ),
        "votes": (
            "µs of the server, PostgreSQL and Valkey together; shorter is better",
            [_bar(row.name, row.cpu_us, f"{row.cpu_us:.0f} µs") for row in votes],
        ),
    }
    return {_file(name): bar_chart(_ALTERNATIVES[name], note, bars) for name, (note, bars) in drawn.items() if bars}


def _file(chart: str) -> str:
    return f"benchmarks-{chart}.svg"


def _bar(name: str, value: float, text: str) -> Bar:
    return Bar(_title(name), value, text, name == MYSETLIST)


def _title(name: str) -> str:
    return _FLOOR_TITLE if name == FLOOR else _PEERS[name].title


def _titled(result: Result, row: FanoutRow | VotesRow) -> str:
    """The name of a server, its version, and the number of its rounds when some failed."""
    title = _title(row.name) if row.name in {FLOOR, MYSETLIST} else f"{_title(row.name)} {result['versions'][row.name]}"
    rounds = len(result["rounds"])
    return title if row.rounds == rounds else f"{title} ({row.rounds} of {rounds} rounds)"


def _pace(row: FanoutRow) -> str:
    """The pushes a second, and what part of them arrived if not all did."""
    return f"{row.pushes_per_s:.1f}" + ("" if row.delivered == 1.0 else f", {row.delivered:.1%} arrived")


def _language(name: str) -> str:
    return "C" if name == FLOOR else _PEERS[name].language


def _bold(name: str, cells: Sequence[str]) -> list[str]:
    return [f"**{cell}**" if name == MYSETLIST else cell for cell in cells]


def _number(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{value:.1f} {unit}" if unit == "KB" else f"{value:.0f} {unit}"
