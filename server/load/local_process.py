"""The voters and watchers of this process, and the loop that sets their pace."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Any

from server.client.http import HttpClient, Tally
from server.client.websocket import ReconnectingWebsocket, websocket_url
from server.client.wire import request_frame
from server.errors import Refused
from server.load.counts import Counts
from server.load.pace import Pace
from server.load.plan import Plan, make_poll
from server.load.process import BallotAudit, ProcessOptions, ViewAudit
from server.load.requests import bounded_map, sign_in_many
from server.load.verify import ExpectedBallot, ballot_differences, tally_changes, view_differences
from server.load.view import Views
from server.load.voter import Voter, VotingUser
from server.load.watcher import Watcher
from server.load.wire import decode_ballot_reply

CONNECTS_AT_ONCE_MAX = 64
BALLOTS_AT_ONCE_MAX = 128
_TICK_S = 0.004
_POLL_S = 0.02

now_s = time.monotonic


class LocalProcess:
    """A CrowdProcess on the event loop of this process.

    Owns:   all its connections; `close` ends them
    """

    def __init__(self, options: ProcessOptions) -> None:
        self._options = options
        self._http = HttpClient(options.url)
        self._counts = Counts()
        self._views = Views()
        self._voters: list[Voter] = []
        self._watchers: list[Watcher] = []
        self._free: list[Voter] = []
        self._is_casting = False
        self._pacing: asyncio.Task[None] | None = None
        self._rng = Random(f"{options.seed}:part:{options.first_voter}")  # noqa: S311  # turns of voters, not secrets

    # ── the steps

    async def open(self) -> None:
        """Signs in and connects all voters and watchers."""
        options = self._options
        url = websocket_url(options.url)
        if options.polls:
            await self._add_voters(url)
            for index in range(options.first_watcher, options.first_watcher + options.watchers):
                show_id = options.polls[index % len(options.polls)].show_id
                view = self._views.open(show_id, f"watcher {index}")
                self._watchers.append(Watcher(url, self._jitter("watcher", index), self._counts, self._views, view))
        connections: list[ReconnectingWebsocket] = [*self._voters, *self._watchers]
        await bounded_map(connections, lambda connection: connection.open_with_retries(), CONNECTS_AT_ONCE_MAX)

    async def _add_voters(self, url: str) -> None:
        options = self._options
        polls = [make_poll(spec.show_id, spec.songs, spec.votes_max, options.seed) for spec in options.polls]
        for index, session in enumerate(await sign_in_many(self._http, options.voters), options.first_voter):
            plan = Plan(polls, index=index, seed=options.seed, votes_per_cast=options.votes_per_cast)
            watched = plan.polls if options.subscribe else []
            self._voters.append(
                Voter(
                    url,
                    session,
                    rng=self._jitter("voter", index),
                    plan=plan,
                    counts=self._counts,
                    views=self._views,
                    watching=[self._views.open(poll.show_id, f"voter {index}") for poll in watched],
                    in_flight_max=options.in_flight_max,
                    sign_in=self._http.sign_in,
                    on_free=self._on_voter_free,
                )
            )

    async def start_casting(self) -> None:
        """Starts casting."""
        self._is_casting = True
        if self._options.rate_per_s > 0:
            self._pacing = asyncio.create_task(self._keep_pace(), name="crowd.pace")
        else:
            self._pacing = asyncio.create_task(self._start_all(), name="crowd.start")

    async def clear_counts(self) -> None:
        """Counts from zero: the warm-up is over."""
        self._counts.clear()
        for view in self._views.all:
            view.clear_rates()

    async def settle(self, timeout_s: float) -> None:
        """Stops casting, and waits until every cast is answered and committed, at most `timeout_s`."""
        self._is_casting = False
        await self._stop_pacing()
        deadline_s = now_s() + timeout_s
        # Polled: an event would cost a comparison for every answer.
        while now_s() < deadline_s and not all(voter.is_settled for voter in self._voters):  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S)

    async def audit_ballots(self) -> BallotAudit:
        """Compares the ballot of each user with the acknowledgements."""
        unanswered = unconfirmed = 0
        questions: list[tuple[Voter, VotingUser, ExpectedBallot]] = []
        for voter in self._voters:
            unanswered_count, unconfirmed_count = voter.unsettled()
            unanswered += unanswered_count
            unconfirmed += unconfirmed_count
            questions += [(voter, user, expected) for user, expected in voter.expected_ballots()]
        ballots = await bounded_map(questions, self._ballot, BALLOTS_AT_ONCE_MAX)
        pairs = [(expected, ballot) for (_, _, expected), ballot in zip(questions, ballots, strict=True)]
        found = [difference for expected, ballot in pairs for difference in ballot_differences(expected, ballot)]
        return BallotAudit(tally_changes(pairs), found, len(pairs), unanswered, unconfirmed)

    async def audit_views(self, after: dict[int, Tally], timeout_s: float) -> ViewAudit:
        """Compares the views with the final tallies; the last pushes have `timeout_s` to arrive."""
        deadline_s = now_s() + timeout_s
        views = behind = self._views.all
        while True:
            behind = [view for view in behind if view_differences([view], after)]
            if not behind or now_s() >= deadline_s:
                break
            await asyncio.sleep(_POLL_S)
        final_s = max((view.changed_s for view in views), default=0.0)
        return ViewAudit(view_differences(behind, after), len(views), final_s)

    async def result(self) -> dict[str, Any]:
        """The measurements so far, as JSON values."""
        views = [view for view in self._views.all if view.has_state]
        return {
            "counts": self._counts.packed(),
            "per_s_max": max((view.per_s_max for view in views), default=0),
            "view_frames": sum(view.frames for view in views),
            "views": len(views),
            "timelines": {str(show_id): timeline.packed() for show_id, timeline in self._views.timelines.items()},
            "connected": self._connected(),
        }

    def progress(self) -> dict[str, int]:
        """The numbers of the progress line."""
        counts = self._counts
        return {
            "connected": self._connected(),
            "sent": counts.sent,
            "acknowledged": counts.committed + counts.accepted,
            "frames": counts.frames,
            "errors": counts.errors.total(),
        }

    async def close(self) -> None:
        """Closes every connection. It may be called at any time, and twice."""
        self._is_casting = False
        await self._stop_pacing()
        for connection in (*self._voters, *self._watchers):
            connection.close()
        await self._http.close()

    # ── pace

    def _on_voter_free(self, voter: Voter) -> None:
        if not self._is_casting:
            return
        if self._options.rate_per_s > 0:
            self._add_to_free(voter)
        else:
            while voter.cast():
                pass

    def _add_to_free(self, voter: Voter) -> None:
        if not voter.is_listed and voter.can_cast:
            voter.is_listed = True
            self._free.append(voter)

    async def _start_all(self) -> None:
        """Without a rate: sends the first casts, spread over the ramp. Each answer then triggers the next cast."""
        gap_s = self._options.ramp_s / max(1, len(self._voters))
        started_s = now_s()
        for index, voter in enumerate(self._voters):
            wait_s = started_s + index * gap_s - now_s()
            if wait_s > _TICK_S:
                await asyncio.sleep(wait_s)
            self._on_voter_free(voter)

    async def _keep_pace(self) -> None:
        """With a rate: whenever a cast is due, a random free voter casts."""
        options = self._options
        pace = Pace(options.rate_per_s, ramp_s=options.ramp_s, natural=options.natural, seed=options.seed)
        for voter in self._voters:
            self._add_to_free(voter)
        started_s = now_s()
        while True:
            for due in range(pace.due(now_s() - started_s), 0, -1):
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
                self._add_to_free(voter)
                return True
        return False

    async def _stop_pacing(self) -> None:
        if self._pacing is None:
            return
        pacing, self._pacing = self._pacing, None
        pacing.cancel()
        # An error of the pacing loop is a bug and is raised; its cancellation is the normal end.
        done, _ = await asyncio.wait([pacing])
        for task in done:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    # ── inside

    async def _ballot(self, question: tuple[Voter, VotingUser, ExpectedBallot]) -> dict[int, str]:
        """Fetches one ballot: over the voter's websocket if it is the present user's, else over HTTP."""
        voter, user, expected = question
        if voter.is_ready and user is voter.user:
            try:
                reply = await voter.ask(
                    lambda request_id: request_frame(request_id, "ballot", {"show": expected.show_id})
                )
                return decode_ballot_reply(reply).ok.ballot
            except (Refused, ConnectionError, TimeoutError) as error:
                self._counts.count_error(error.code if isinstance(error, Refused) else "ballot_lost")
        return await self._http.ballot(expected.show_id, user.session.token)

    def _jitter(self, kind: str, index: int) -> Random:
        return Random(f"{self._options.seed}:jitter:{kind}:{index}")  # noqa: S311  # delays, not secrets

    def _connected(self) -> int:
        return sum(connection.is_ready for connection in (*self._voters, *self._watchers))
