"""Compares the acknowledgements of the crowd with the counts of the server, at the end of a run. Does no I/O.

An expected ballot holds the choices of one user in one show. The sum of all expected ballots must be the change of the
tallies. Each user's ballot must be the expected one. Every view (the counts that a watcher holds) must equal the final tallies.
Each difference is a JSON object with a `kind`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from server.load.plan import Choice, Held
from server.load.view import View

DIFFERENCES_MAX = 50  # listed in a report; all of them are counted

Difference = dict[str, Any]
Tallies = Mapping[int, Mapping[int, tuple[int, int]]]  # show -> song -> (up, down)


@dataclass(frozen=True, slots=True)
class ExpectedBallot:
    """The ballot a user must have in a show: song -> choice.

    `doubts`: song -> the choices that are equally possible, because no answer settled them.
    """

    user_id: int
    show_id: int
    choices: Mapping[int, Held]
    doubts: Mapping[int, frozenset[Choice]] = field(default_factory=dict)


def ballot_differences(expected: ExpectedBallot, ballot: Mapping[int, str]) -> list[Difference]:
    """Compares one ballot of the server with the expected one."""
    found: list[Difference] = []
    for song in sorted({*expected.choices, *ballot, *expected.doubts}):
        held = ballot.get(song, "none")
        allowed = expected.doubts.get(song) or {expected.choices.get(song, "none")}
        if held not in allowed:
            found.append({
                "kind": "ballot", "user": expected.user_id, "show": expected.show_id, "song": song,
                "expected": "|".join(sorted(allowed)), "found": held,
            })  # fmt: skip
    return found


def tally_changes(ballots: Iterable[tuple[ExpectedBallot, Mapping[int, str]]]) -> dict[int, dict[int, tuple[int, int]]]:
    """How much the expected ballots change the tallies: show -> song -> (up, down).

    Takes:  ballots, each with the server's ballot, which is used only to settle the doubts
    """
    changes: dict[int, dict[int, tuple[int, int]]] = {}
    for expected, ballot in ballots:
        show = changes.setdefault(expected.show_id, {})
        for song in {*expected.choices, *expected.doubts}:
            choice: str = expected.choices.get(song, "none")
            if song in expected.doubts:
                choice = ballot.get(song, "none")
            up, down = show.get(song, (0, 0))
            show[song] = (up + (choice == "up"), down + (choice == "down"))
    return changes


def tally_differences(before: Tallies, after: Tallies, changes: Tallies, *, shared: bool) -> list[Difference]:
    """Compares the change of the tallies with the changes by the crowd's votes.

    Takes:  shared, True: others vote too, so a count is wrong only if it is less than the crowd's own votes
    """
    found: list[Difference] = []
    for show_id in sorted({*before, *after, *changes}):
        was, now, by_us = (tallies.get(show_id, {}) for tallies in (before, after, changes))
        for song in sorted({*was, *now, *by_us}):
            old, new, ours = (tally.get(song, (0, 0)) for tally in (was, now, by_us))
            for side, index in (("up", 0), ("down", 1)):
                expected = ours[index] if shared else old[index] + ours[index]
                if new[index] < expected or (not shared and new[index] != expected):
                    found.append({
                        "kind": "tally", "show": show_id, "song": song, "side": side,
                        "before": old[index], "expected": expected, "found": new[index],
                    })  # fmt: skip
    return found


def view_differences(views: Iterable[View], after: Tallies) -> list[Difference]:
    """Compares the counts of views with the final tallies. A song that is missing counts as zero."""
    found: list[Difference] = []
    for view in views:
        final = after.get(view.show_id, {})
        for song in sorted({*final, *view.tally}):
            expected, held = final.get(song, (0, 0)), view.tally.get(song, (0, 0))
            if expected != held:
                found.append({
                    "kind": "watcher", "watcher": view.name, "show": view.show_id, "song": song,
                    "expected": list(expected), "found": list(held),
                })  # fmt: skip
    return found


def unconfirmed_differences(unanswered: int, unconfirmed: int) -> list[Difference]:
    """Reports accepted casts that were never committed. An unanswered cast promises nothing, so it is no difference."""
    if not unconfirmed:
        return []
    return [{"kind": "unconfirmed", "casts": unconfirmed, "unanswered": unanswered}]
