"""One process's part of a crowd: its voters, its watchers, the one loop that sets their pace."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Any

import msgspec

from server.client import wire
from server.client.http import Tally, Web, in_turns
from server.client.websocket import Line, websocket_url
from server.errors import Refused
from server.load.counts import Counts
from server.load.pace import Pace
from server.load.plan import Plan, make_poll
from server.load.verify import (
    Board,
    Difference,
    Model,
    ballot_differences,
    board_differences,
    counted,
)
from server.load.view import View, Views
from server.load.voter import Identity, Voter
from server.load.watcher import Watcher

CONNECTING_MAX = 64  # handshakes under way at once
ASKING_MAX = 128
_TICK_S = 0.004
_LOOK_S = 0.02

now_s = time.monotonic


class PollSpec(msgspec.Struct):
    """A show to vote in."""

    show_id: int
    songs: list[int]
    held_max: int | None


class PartOptions(msgspec.Struct):
    """What one process does of the whole.

    first_voter, first_watcher: where its indices begin in the whole crowd; rate_per_s: its share of the casts, 0 means
    as fast as they are acknowledged.
    """

    url: str
    polls: list[PollSpec]
    seed: int
    voters: int = 0
    first_voter: int = 0
    watchers: int = 0
    first_watcher: int = 0
    rate_per_s: float = 0.0
    in_flight_max: int = 1
    votes_per_cast: int = 1
    ramp_s: float = 0.0
    natural: bool = False
    subscribe: bool = False


class Audit(msgspec.Struct):
    """What the voters' ballots say: `moved` is how far they move the tallies, show -> song -> (up, down)."""

    moved: dict[int, dict[int, tuple[int, int]]]
    differences: list[Difference]
    ballots: int
    unanswered: int
    unconfirmed: int


class Looks(msgspec.Struct):
    """What the watchers hold: `final_s` is when the last of them got its last push [monotonic s]."""

    differences: list[Difference]
    views: int
    final_s: float


class Part:
    """Voters and watchers on one event loop.

    Owns:   all their connections; `close` ends them
    """

    def __init__(self, options: PartOptions) -> None:
        self._options = options
        self._web = Web(options.url)
        self._counts = Counts()
        self._views = Views()
        self._voters: list[Voter] = []
        self._watchers: list[Watcher] = []
        self._free: list[Voter] = []
        self._is_casting = False
        self._pacing: asyncio.Task[None] | None = None
        self._rng = Random(f"{options.seed}:part:{options.first_voter}")  # noqa: S311  # whose turn it is, no secret

    # ── the steps, in their order

    async def open(self) -> None:
        """Signs in and connects everybody.

        Raises: Unreachable: nobody could sign in
        Cancel: `close` is still to be called
        """
        options = self._options
        url = websocket_url(options.url)
        if options.polls:
            polls = [make_poll(spec.show_id, spec.songs, spec.held_max, options.seed) for spec in options.polls]
            sessions = await self._web.sign_in_many(options.voters)
            for index, session in enumerate(sessions, options.first_voter):
                plan = Plan(polls, index=index, seed=options.seed, votes_per_cast=options.votes_per_cast)
                shows = plan.polls if options.subscribe else []
                watched = [self._views.open(poll.show_id, f"voter {index}") for poll in shows]
                self._voters.append(
                    Voter(
                        url,
                        session,
                        rng=self._jitter("voter", index),
                        plan=plan,
                        counts=self._counts,
                        views=self._views,
                        watching=watched,
                        in_flight_max=options.in_flight_max,
                        sign_in=self._web.sign_in,
                        on_free=self._voter_is_free,
                    )
                )
            for index in range(options.first_watcher, options.first_watcher + options.watchers):
                show_id = options.polls[index % len(options.polls)].show_id
                view = self._views.open(show_id, f"watcher {index}")
                self._watchers.append(Watcher(url, self._jitter("watcher", index), self._counts, self._views, view))
        lines: list[Line] = [*self._voters, *self._watchers]
        await in_turns(lines, lambda line: line.keep_open(), CONNECTING_MAX)

    async def begin(self) -> None:
        """Casting begins."""
        self._is_casting = True
        if self._options.rate_per_s > 0:
            self._pacing = asyncio.create_task(self._keep_pace(), name="crowd.pace")
        else:
            self._pacing = asyncio.create_task(self._start_all(), name="crowd.start")

    async def warmed_up(self) -> None:
        """Counting begins anew."""
        self._counts.clear()
        for view in self._views.all:
            view.clear_rates()

    async def settle(self, patience_s: float) -> None:
        """Casting ends; returns when every cast is answered and committed, or after `patience_s`."""
        self._is_casting = False
        await self._stop_pacing()
        deadline_s = now_s() + patience_s
        # Looked for now and then: an event would cost every answer a comparison.
        while now_s() < deadline_s and not all(voter.is_settled for voter in self._voters):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)

    async def audit(self) -> Audit:
        """Compares every user's ballot with what it was promised."""
        unanswered = unconfirmed = 0
        asked: list[tuple[Voter, Identity, Model]] = []
        for voter in self._voters:
            open_count, accepted_count = voter.unsettled()
            unanswered += open_count
            unconfirmed += accepted_count
            asked += [(voter, identity, model) for identity, model in voter.models()]
        ballots = await in_turns(asked, self._ballot, ASKING_MAX)
        pairs = [(model, ballot) for (_, _, model), ballot in zip(asked, ballots, strict=True)]
        found = [difference for model, ballot in pairs for difference in ballot_differences(model, ballot)]
        return Audit(counted(pairs), found, len(pairs), unanswered, unconfirmed)

    async def look(self, after: dict[int, Tally], patience_s: float) -> Looks:
        """Compares what watchers hold with the tallies, giving the last pushes `patience_s` to arrive."""
        deadline_s = now_s() + patience_s
        behind = watching = self._views.all
        while True:
            behind = [view for view in behind if board_differences([_board(view)], after)]
            if not behind or now_s() >= deadline_s:
                break
            await asyncio.sleep(_LOOK_S)
        found = board_differences(map(_board, behind), after)
        return Looks(found, len(watching), max((view.changed_s for view in watching), default=0.0))

    async def result(self) -> dict[str, Any]:
        """Everything that was counted, as JSON values."""
        views = [view for view in self._views.all if view.has_state]
        return {
            "counts": self._counts.packed(),
            "per_s_max": max((view.per_s_max for view in views), default=0),
            "view_frames": sum(view.frames for view in views),
            "views": len(views),
            "timelines": {str(show_id): line.packed() for show_id, line in self._views.timelines.items()},
            "connected": self._connected(),
        }

    def progress(self) -> dict[str, int]:
        """A few numbers for a progress line."""
        counts = self._counts
        return {
            "connected": self._connected(),
            "sent": counts.sent,
            "acknowledged": counts.committed + counts.accepted,
            "frames": counts.frames,
            "errors": counts.errors.total(),
        }

    async def close(self) -> None:
        """Closes every connection; safe at any time, and twice."""
        self._is_casting = False
        await self._stop_pacing()
        for line in (*self._voters, *self._watchers):
            line.close()
        await self._web.close()

    # ── pace

    def _voter_is_free(self, voter: Voter) -> None:
        if not self._is_casting:
            return
        if self._options.rate_per_s > 0:
            self._list(voter)
        else:
            while voter.cast():
                pass

    def _list(self, voter: Voter) -> None:
        if not voter.is_listed and voter.can_cast:
            voter.is_listed = True
            self._free.append(voter)

    async def _start_all(self) -> None:
        """Flat out: the first casts, spread over the ramp; every answer then brings the next cast."""
        gap_s = self._options.ramp_s / max(1, len(self._voters))
        begun_s = now_s()
        for index, voter in enumerate(self._voters):
            early_s = begun_s + index * gap_s - now_s()
            if early_s > _TICK_S:
                await asyncio.sleep(early_s)
            self._voter_is_free(voter)

    async def _keep_pace(self) -> None:
        """At a rate: whoever is free and whose turn chance makes it."""
        options = self._options
        pace = Pace(options.rate_per_s, ramp_s=options.ramp_s, natural=options.natural, seed=options.seed)
        for voter in self._voters:
            self._list(voter)
        begun_s = now_s()
        while True:
            for due in range(pace.due(now_s() - begun_s), 0, -1):
                if not self._cast_one():
                    self._counts.behind += due
                    break
            await asyncio.sleep(_TICK_S)

    def _cast_one(self) -> bool:
        free = self._free
        while free:
            place = int(self._rng.random() * len(free))
            free[place], free[-1] = free[-1], free[place]
            voter = free.pop()
            voter.is_listed = False
            if voter.cast():
                self._list(voter)
                return True
        return False

    async def _stop_pacing(self) -> None:
        if self._pacing is None:
            return
        pacing, self._pacing = self._pacing, None
        pacing.cancel()
        # A pace that failed is a bug and must be heard of; one that was cancelled is over.
        done, _ = await asyncio.wait([pacing])
        for task in done:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    # ── asking

    async def _ballot(self, asked: tuple[Voter, Identity, Model]) -> dict[int, str]:
        voter, identity, model = asked
        if voter.is_ready and identity is voter.identity:
            try:
                reply = await voter.ask(lambda request_id: wire.ballot_frame(request_id, model.show_id))
                return wire.decode_ballot_reply(reply).ok.ballot
            except (Refused, ConnectionError, TimeoutError) as error:
                self._counts.fault(error.code if isinstance(error, Refused) else "ballot_lost")
        return await self._web.ballot(model.show_id, identity.session.token)

    def _jitter(self, kind: str, index: int) -> Random:
        return Random(f"{self._options.seed}:jitter:{kind}:{index}")  # noqa: S311  # delays, not secrets

    def _connected(self) -> int:
        return sum(line.is_ready for line in (*self._voters, *self._watchers))


def _board(view: View) -> Board:
    return Board(view.name, view.show_id, view.tally)
