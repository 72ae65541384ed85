"""The comparison at the end: what the crowd was promised against what the server tells. Pure.

A model is what one user must hold in one show. The sum of the models must be the change of the tallies, every ballot
must be its model, and everyone who watched must hold the tallies. Each difference is one JSON object with a `kind`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from server.load.plan import Choice, Held

DIFFERENCES_MAX = 50  # listed in a report; all of them are counted

Difference = dict[str, Any]
Tallies = Mapping[int, Mapping[int, tuple[int, int]]]  # show -> song -> (up, down)


@dataclass(frozen=True, slots=True)
class Model:
    """What a user must hold in a show: song -> choice; `doubts`, song -> the choices that are as good as another."""

    user_id: int
    show_id: int
    choices: Mapping[int, Held]
    doubts: Mapping[int, frozenset[Choice]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Board:
    """What a watcher holds of a show at the end."""

    name: str
    show_id: int
    tally: Mapping[int, tuple[int, int]]


def ballot_differences(model: Model, ballot: Mapping[int, str]) -> list[Difference]:
    """One user's ballot, as the server tells it, against the model."""
    found: list[Difference] = []
    for song in sorted({*model.choices, *ballot, *model.doubts}):
        held = ballot.get(song, "none")
        wanted = model.doubts.get(song) or {model.choices.get(song, "none")}
        if held not in wanted:
            found.append({
                "kind": "ballot", "user": model.user_id, "show": model.show_id, "song": song,
                "expected": "|".join(sorted(wanted)), "found": held,
            })  # fmt: skip
    return found


def counted(models: Iterable[tuple[Model, Mapping[int, str]]]) -> dict[int, dict[int, tuple[int, int]]]:
    """How far the models move the tallies: show -> song -> (up, down).

    Takes:  models, each with the ballot the server tells, which settles the doubts and nothing else
    """
    moved: dict[int, dict[int, tuple[int, int]]] = {}
    for model, ballot in models:
        show = moved.setdefault(model.show_id, {})
        for song in {*model.choices, *model.doubts}:
            choice: str = model.choices.get(song, "none")
            if song in model.doubts:
                choice = ballot.get(song, "none")
            up, down = show.get(song, (0, 0))
            show[song] = (up + (choice == "up"), down + (choice == "down"))
    return moved


def tally_differences(before: Tallies, after: Tallies, moved: Tallies, *, shared: bool) -> list[Difference]:
    """The change of the tallies against what the crowd's votes must have changed.

    Takes:  shared, others vote too: then only counts that are too small for our own votes are wrong
    """
    found: list[Difference] = []
    for show_id in sorted({*before, *after, *moved}):
        was, now, by_us = (tallies.get(show_id, {}) for tallies in (before, after, moved))
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


def board_differences(boards: Iterable[Board], after: Tallies) -> list[Difference]:
    """What watchers hold against the tallies; songs nobody mentioned count as zero."""
    found: list[Difference] = []
    for board in boards:
        final = after.get(board.show_id, {})
        for song in sorted({*final, *board.tally}):
            expected, held = final.get(song, (0, 0)), board.tally.get(song, (0, 0))
            if expected != held:
                found.append({
                    "kind": "watcher", "watcher": board.name, "show": board.show_id, "song": song,
                    "expected": list(expected), "found": list(held),
                })  # fmt: skip
    return found


def unsettled_differences(unanswered: int, unconfirmed: int) -> list[Difference]:
    """Casts that were accepted and never committed. An unanswered cast promises nothing and is no difference."""
    if not unconfirmed:
        return []
    return [{"kind": "unconfirmed", "casts": unconfirmed, "unanswered": unanswered}]


def differences(
    models: Iterable[tuple[Model, Mapping[int, str]]],
    before: Tallies,
    after: Tallies,
    boards: Iterable[Board],
    *,
    unconfirmed: int = 0,
    shared: bool = False,
) -> list[Difference]:
    """Everything that is wrong, in one list; empty: every acknowledged vote is counted once, everybody sees it.

    Takes:  models, each with the ballot the server tells for it; before, after, tallies by show; boards, what watchers
            hold; unconfirmed, accepted casts that never became committed
    Cost:   O(all choices + watchers × songs)
    """
    pairs = list(models)
    found = [difference for model, ballot in pairs for difference in ballot_differences(model, ballot)]
    found += tally_differences(before, after, counted(pairs), shared=shared)
    found += board_differences(boards, after)
    return found + unsettled_differences(0, unconfirmed)
