"""Checks what watchers heard: every frame is a state that was, none goes back, and all end with the counts of the rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from tests.history.ledger import ShowLedger, Tally
from tests.history.records import COMMITTED, LOST, PUSH, RESUMED, Counts, Records, Window
from tests.history.state import Violation, described

FRAMES_SHOWN_MAX = 3
# A node pushes ten times a second at most, and each push has the newest counts that it knows.
PUSHES_TO_END_MAX = 20


class Watchers:
    """What each watcher holds, window after window.

    unchecked: frames of positions that a loss of Valkey leaves without a state; pushes_to_end, seconds_to_end: the most that a watcher
    needed from the last acknowledgement of its show to the last counts
    """

    def __init__(self, shard_count: int) -> None:
        self._shard_count = shard_count
        self._held: dict[int, tuple[int, int]] = {}  # watcher -> show, position; only while it is connected
        self._known: dict[int, tuple[int, int]] = {}  # the same, also while it is not
        self.unchecked = 0
        self.pushes_to_end = 0
        self.seconds_to_end = 0.0

    def check(
        self, window: Window, ledgers: Mapping[int, ShowLedger], lost: Mapping[int, tuple[int, int]]
    ) -> list[Violation]:
        """Takes: lost, by shard: the first and the last position that Valkey lost."""
        found: list[Violation] = []
        counts = [parsed(payload) for payload in window.payloads]
        verdicts: dict[tuple[int, int], str] = {}
        for frame in window.frames:
            watcher, kind, number = int(frame["watcher"]), int(frame["kind"]), int(frame["payload"])
            if kind == LOST:
                self._held.pop(watcher, None)
                continue
            heard = counts[number]
            before = self._known.get(watcher) if kind in {PUSH, RESUMED} else None
            self._held[watcher] = self._known[watcher] = heard.show, heard.at
            zone = lost.get(heard.show % self._shard_count)
            if zone is not None and any(zone[0] <= at <= zone[1] for at in (heard.at, before[1] if before else 0)):
                self.unchecked += 1
                continue
            if wrong := _order(kind, heard, before):
                found.append(_violation("positions never go back", wrong, frame, window))
                continue
            since = -1 if before is None or (kind == RESUMED and heard.tally is not None) else before[1]
            key = since, number
            if key not in verdicts:
                verdicts[key] = _differs(heard, since, ledgers.get(heard.show))
            if verdicts[key]:
                found.append(_violation("every frame is a state that was", verdicts[key], frame, window))
        return found + self._not_at_the_end(ledgers) + self._too_late(window, counts, ledgers)

    def _not_at_the_end(self, ledgers: Mapping[int, ShowLedger]) -> list[Violation]:
        """Everybody is connected and has had time to hear the last counts."""
        found = []
        for watcher, (show, at) in self._held.items():
            ledger = ledgers.get(show)
            if ledger is None:
                continue
            held, end = ledger.tally(ledger.place(at)), ledger.tally(len(ledger.positions))
            if held != end:
                text = (
                    f"watcher {watcher} of show {show} ends at {at}, whose counts are not the last: {_first(held, end)}"
                )
                found.append(Violation("all watchers converge", text))
        return found

    def _too_late(self, window: Window, counts: list[Counts], ledgers: Mapping[int, ShowLedger]) -> list[Violation]:
        """Once the last vote of a show was told to be committed, a few pushes bring each watcher to the last counts."""
        ends_ns = _ends_ns(window)
        needed: dict[int, int] = {}  # watcher -> frames since the end of its show
        there: set[int] = set()
        for frame in window.frames:
            watcher, heard_ns = int(frame["watcher"]), int(frame["heard_ns"])
            if frame["kind"] == LOST:
                there.discard(watcher)
                continue
            heard = counts[int(frame["payload"])]
            ledger, end_ns = ledgers.get(heard.show), ends_ns.get(heard.show)
            if ledger is None or end_ns is None or watcher in there:
                continue
            is_late = heard_ns > end_ns
            if is_late:
                needed[watcher] = needed.get(watcher, 0) + 1
            if ledger.place(heard.at) == len(ledger.positions):
                there.add(watcher)
                if is_late:
                    self.seconds_to_end = max(self.seconds_to_end, (heard_ns - end_ns) / 1e9)
        self.pushes_to_end = max(self.pushes_to_end, *needed.values(), 0)
        return [
            Violation("all watchers converge", f"watcher {watcher} needed {count} pushes to come to the last counts")
            for watcher, count in needed.items()
            if count > PUSHES_TO_END_MAX
        ]


def _ends_ns(window: Window) -> dict[int, int]:
    """When the last vote of each show was told to be committed."""
    ends: dict[int, int] = {}
    committed = window.casts[window.casts["outcome"] == COMMITTED]
    for shows, instants in (
        (committed["show"], committed["answered_ns"]),
        (window.confirmed["show"], window.confirmed["heard_ns"]),
    ):
        for show in np.unique(shows).tolist():
            ends[show] = max(ends.get(show, 0), int(instants[shows == show].max()))
    return ends


def _order(kind: int, heard: Counts, before: tuple[int, int] | None) -> str:
    if before is None:
        return "" if kind != PUSH else f"a push of show {heard.show} came before any state"
    if heard.at < before[1]:
        return f"show {heard.show} went back from {before[1]} to {heard.at}"
    if heard.at == before[1] and kind == PUSH:
        return f"a push of show {heard.show} repeats {heard.at}"
    return ""


def _differs(heard: Counts, since: int, ledger: ShowLedger | None) -> str:
    """What is wrong with a frame. Takes: since, the position before a push, or -1: the frame is a whole state."""
    place = f"show {heard.show} at {heard.at}"
    if ledger is None:
        return "" if not heard.total else f"{place} has {heard.total} votes, and nobody voted there"
    wanted = ledger.tally(ledger.place(heard.at))
    total = sum(map(sum, wanted.values()))
    if heard.tally is None:
        had = ledger.tally(ledger.place(since))
        return "" if had == wanted else f"{place}: told that nothing has changed since {since}: {_first(had, wanted)}"
    if heard.total != total:
        return f"{place} has total {heard.total}, the ledger has {total}"
    shown = dict(heard.tally)
    if since >= 0:
        shown = ledger.tally(ledger.place(since)) | shown
    return _first(shown, wanted, f"{place}: ")


def _first(found: Tally, wanted: Tally, place: str = "") -> str:
    wrong = [song for song in sorted({*found, *wanted}) if found.get(song, (0, 0)) != wanted.get(song, (0, 0))]
    if not wrong:
        return ""
    song = wrong[0]
    return (
        f"{place}song {song} has {found.get(song, (0, 0))}, the ledger has {wanted.get(song, (0, 0))}"
        f" ({len(wrong)} songs differ)"
    )


def _violation(rule: str, text: str, frame: Any, window: Window) -> Violation:
    mine: Records = window.frames[window.frames["watcher"] == frame["watcher"]]
    until = mine[mine["heard_ns"] <= frame["heard_ns"]][-FRAMES_SHOWN_MAX:]
    shown = [
        f"{described(one)}: {window.payloads[int(one['payload'])][:200].decode() if one['payload'] >= 0 else 'connection lost'}"
        for one in until
    ]
    return Violation(rule, text, tuple(shown))


def parsed(payload: bytes) -> Counts:
    """A push on `votes:<show>`, or the answer to a subscribe to it."""
    message = orjson.loads(payload)
    if "ch" in message:
        return _counts(message["ch"], message["at"], message)
    ((channel, answer),) = message["ok"]["channels"].items()
    return _counts(channel, answer["at"], answer.get("state"))


def _counts(channel: str, at: int, state: Any) -> Counts:
    show = int(channel.partition(":")[2])
    if state is None:
        return Counts(show, at, 0, None)
    return Counts(show, at, state["total"], {song: (up, down) for song, up, down in state["tally"]})
