"""The report of a crowd: one JSON object. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

from server.load.counts import Counts, merged
from server.load.histogram import Histogram
from server.load.verify import DIFFERENCES_MAX, Difference

Result = Mapping[str, Any]


def last_watcher(counts: Counts, results: Sequence[Result]) -> dict[str, Any] | None:
    """The latency from sending a cast to the last watcher's push that includes it, over the sampled casts [ms].

    Takes:  results, one for each process; a process without views of the show is left out
    Gives:  the summary of a histogram, and `unreached`: the samples that some view never had; casts on shows without
            views are left out; None: there are no views
    """
    if not any(result["views"] for result in results):
        return None
    histogram = Histogram()
    unreached = 0
    for show_id, position, sent_s in counts.samples:
        timelines = [result["timelines"].get(str(show_id)) for result in results]
        reached = [_reached_s(timeline, position) for timeline in timelines if timeline is not None]
        seen = [at for at in reached if at is not None]
        if reached and len(seen) == len(reached):
            histogram.record(max(seen) - sent_s)
        else:
            unreached += bool(reached)
    return {**histogram.summary(), "unreached": unreached}


def _reached_s(timeline: Result, position: int) -> float | None:
    """When the last view of one process had this position; None: some view does not have it."""
    index = bisect_left(timeline["positions"], position)
    return timeline["reached_s"][index] if index < len(timeline["positions"]) else None


def verdict(found: Sequence[Difference], *, ballots: int, views: int, unanswered: int) -> dict[str, Any]:
    """The result of `--verify`."""
    return {
        "ok": not found,
        "ballots": ballots,
        "views": views,
        "unanswered": unanswered,
        "difference_count": len(found),
        "differences": list(found[:DIFFERENCES_MAX]),
    }


def report(
    settings: Mapping[str, Any],
    results: Sequence[Result],
    *,
    shows: int,
    began_s: float,
    ended_s: float,
    interrupted: bool,
    convergence_ms: float | None,
    verified: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Builds the report.

    Takes:  results, `result()` of every process; began_s, ended_s, the measured time [monotonic s]
    """
    counts = merged([result["counts"] for result in results])
    seconds = max(ended_s - began_s, 1e-9)
    views = sum(result["views"] for result in results)
    view_frames = sum(result["view_frames"] for result in results)
    acknowledged = counts.committed + counts.accepted
    return {
        "ok": verified is None or bool(verified["ok"]),
        "settings": dict(settings),
        "shows": shows,
        "seconds": round(seconds, 3),
        "window": {"began_s": began_s, "ended_s": ended_s},
        "interrupted": interrupted,
        "casts": {
            "sent": counts.sent,
            "resent": counts.resent,
            "committed": counts.committed,
            "accepted": counts.accepted,
            "accepted_then_committed": counts.confirmed,
            "accepted_then_cut_off": counts.cut_off,
            "refused": counts.refused,
            "behind": counts.behind,
        },
        "votes": counts.votes,
        "votes_per_s": round(counts.votes / seconds, 1),
        "casts_per_s": round(acknowledged / seconds, 1),
        "acknowledgement_ms": counts.latency.summary(),
        "errors": dict(sorted(counts.errors.items())),
        "reconnects": counts.reconnects,
        "new_sessions": counts.sessions,
        "pushes": {
            "frames": counts.frames,
            "bytes": counts.frame_bytes,
            "views": views,
            "per_s_max": max((result["per_s_max"] for result in results), default=0),
            "per_s_mean": round(view_frames / views / seconds, 2) if views else 0.0,
            "backward": counts.backward,
        },
        "last_watcher_ms": last_watcher(counts, results),
        "convergence_ms": convergence_ms,
        "verify": None if verified is None else dict(verified),
    }
