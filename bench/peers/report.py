"""The medians of a run over its rounds. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FLOOR = "floor"

Result = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FanoutRow:
    """Pushes of one server: medians over its rounds; ratio: CPU of a frame over that of the floor in the same round.

    ratio_lower: the same, less the CPU of the same votes without watchers; None: it pushes a finished text
    """

    name: str
    rounds: int
    ratio: float
    ratio_min: float
    ratio_max: float
    ratio_lower: float | None
    cpu_us: float
    engines_us: float
    memory_kb: float | None
    last_watcher_ms: float | None
    spread_ms: float | None
    pushes_per_s: float
    delivered: float
    payload_bytes: int


@dataclass(frozen=True, slots=True)
class VotesRow:
    """Votes of one server: medians over its rounds."""

    name: str
    rounds: int
    votes_per_s: float
    cpu_us: float
    server_us: float
    postgres_us: float
    valkey_us: float
    acknowledgement_p50_ms: float
    acknowledgement_p99_ms: float


def fanout_rows(result: Result) -> list[FanoutRow]:
    """The floor and all servers that were measured, the cheapest first."""
    rounds = [one["fanout"] for one in result["rounds"]]
    rows = [_fanout_row(name, [one for one in rounds if name in one]) for name in _names(rounds)]
    return sorted(rows, key=lambda row: row.ratio)


def _fanout_row(name: str, rounds: Sequence[Mapping[str, Any]]) -> FanoutRow:
    figures = [one[name] for one in rounds]
    ratios = [one[name]["cpu_us_per_frame"] / one[FLOOR]["cpu_us_per_frame"] for one in rounds]
    lower = [
        one[name]["cpu_us_per_frame_lower"] / one[FLOOR]["cpu_us_per_frame"]
        for one in rounds
        if "cpu_us_per_frame_lower" in one[name]
    ]
    memory = _median(figures, "memory_bytes_per_connection")
    return FanoutRow(
        name=name,
        rounds=len(rounds),
        ratio=statistics.median(ratios),
        ratio_min=min(ratios),
        ratio_max=max(ratios),
        ratio_lower=statistics.median(lower) if lower else None,
        cpu_us=_median(figures, "cpu_us_per_frame") or 0.0,
        engines_us=_median(figures, "engines_us_per_frame") or 0.0,
        memory_kb=None if memory is None else memory / 1000,
        last_watcher_ms=_median(figures, "last_watcher_ms"),
        spread_ms=_median(figures, "spread_ms"),
        pushes_per_s=_median(figures, "pushes_per_s") or 0.0,
        delivered=_median(figures, "delivered") or 0.0,
        payload_bytes=round(_median(figures, "payload_bytes") or 0),
    )


def votes_rows(result: Result) -> list[VotesRow]:
    """All servers that were measured with votes, the cheapest first."""
    rounds = [one["votes"] for one in result["rounds"]]
    rows = []
    for name in _names(rounds):
        figures = [one[name] for one in rounds if name in one]
        values = {
            field: _median(figures, key) or 0.0
            for field, key in (
                ("votes_per_s", "votes_per_s"), ("cpu_us", "cpu_us_per_vote"), ("server_us", "server_us_per_vote"),
                ("postgres_us", "postgres_us_per_vote"), ("valkey_us", "valkey_us_per_vote"),
                ("acknowledgement_p50_ms", "acknowledgement_p50_ms"), ("acknowledgement_p99_ms", "acknowledgement_p99_ms"),
            )
        }  # fmt: skip
        rows.append(VotesRow(name=name, rounds=len(figures), **values))
    return sorted(rows, key=lambda row: row.cpu_us)


def calibration(result: Result) -> dict[str, float]:
    """The medians of the calibrations of all rounds."""
    taken = [one["calibration"] for one in result["rounds"]]
    return {name: _median(taken, name) or 0.0 for name in ("python_ms", "send_us", "insert_ms")}


def _names(rounds: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for one in rounds for name in one))


def _median(figures: Sequence[Mapping[str, Any]], key: str) -> float | None:
    """The median of the rounds that have this figure."""
    found = [one[key] for one in figures if one.get(key) is not None]
    return statistics.median(found) if found else None
