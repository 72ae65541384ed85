"""Casts of held shows: they wait here, in order, while the rules of their show change (docs/adr/0028)."""

from __future__ import annotations

import asyncio
from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from server.clock import Clock
from server.errors import Refused
from server.protocol.codes import Code
from server.voting.casts import Cast

RETRY_S = 0.01
# A hold lasts some milliseconds. One that a dead node left lasts longer than this (rule_changes.HOLD_S).
PATIENCE_S = 5.0
RETRY_AFTER_MS = 1_000


@dataclass(slots=True)
class _HeldShow:
    """The waiting casts of a show, oldest first. probe: the oldest one, while the script is asked about it again."""

    since_s: float
    casts: list[Cast]
    probe: Cast | None = None


class HeldCasts:
    """Asks the script about one cast of each held show every RETRY_S; when it is decided, the others go on.

    Takes: resume, called with casts that can be sent again
    Limits: PATIENCE_S for each show; the intake counts the casts in its own limit
    """

    def __init__(self, clock: Clock, resume: Callable[[Sequence[Cast]], None]) -> None:
        self._clock = clock
        self._resume = resume
        self._shows: dict[int, _HeldShow] = {}
        self._is_needed = asyncio.Event()

    @property
    def waiting_count(self) -> int:
        """Casts that wait here."""
        return sum(len(held.casts) for held in self._shows.values())

    @property
    def is_empty(self) -> bool:
        """Whether no show is held, as far as this node knows."""
        return not self._shows

    def add(self, cast: Cast) -> None:
        """Keeps a cast that the script did not decide, because its show is held."""
        held = self._shows.get(cast.subject_id)
        if held is None:
            held = self._shows[cast.subject_id] = _HeldShow(self._clock.monotonic_s(), [])
            self._is_needed.set()
        held.probe = None
        insort(held.casts, cast, key=lambda one: one.number)

    def keeps(self, cast: Cast) -> bool:
        """Keeps a new cast behind those of its show that wait; gives whether it does. A mark follows no rules."""
        held = self._shows.get(cast.ruled_by)
        if held is None or cast is held.probe:
            return False
        insort(held.casts, cast, key=lambda one: one.number)
        return True

    def asks_with(self, cast: Cast) -> bool:
        """Whether the script is asked about a held show with this cast."""
        held = self._shows.get(cast.ruled_by)
        return held is not None and cast is held.probe

    def waiting(self) -> Iterable[Cast]:
        """The casts that wait here."""
        return [cast for held in self._shows.values() for cast in held.casts]

    def decided(self, casts: Sequence[Cast]) -> None:
        """Resumes the casts behind those of `casts` that were asked about again and are not held any more."""
        for show_id in {cast.subject_id for cast in casts} & self._shows.keys():
            held = self._shows[show_id]
            if held.probe is not None and held.probe in casts:
                del self._shows[show_id]
                self._resume(held.casts)

    async def run(self) -> None:
        """Asks again until cancelled."""
        while True:
            await self._is_needed.wait()
            await asyncio.sleep(RETRY_S)
            now_s = self._clock.monotonic_s()
            for show_id, held in list(self._shows.items()):
                if now_s - held.since_s > PATIENCE_S:
                    del self._shows[show_id]
                    self.refuse(held.casts)
                elif held.probe is None:
                    held.probe = held.casts.pop(0)
                    self._resume([held.probe])
            if not self._shows:
                self._is_needed.clear()

    def refuse_all(self) -> None:
        """Refuses every cast that waits here."""
        shows, self._shows = self._shows, {}
        for held in shows.values():
            self.refuse(held.casts)

    @staticmethod
    def refuse(casts: Sequence[Cast]) -> None:
        """Refuses casts, because a change takes too long."""
        message = "The rules of this show are being changed. Try again in a moment."
        for cast in casts:
            cast.refuse(Refused(Code.UNAVAILABLE, message, retry_after_ms=RETRY_AFTER_MS))
