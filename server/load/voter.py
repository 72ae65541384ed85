"""A voter: a connection that casts, changes its choices, and goes on after a lost connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

import msgspec
from picows import WSFrame, WSTransport

from server.client.http import Session, Unreachable
from server.client.websocket import TEXT, ReconnectingWebsocket
from server.client.wire import CastOk, ErrorReply, Inbound, decode_inbound
from server.load import wire
from server.load.counts import Counts
from server.load.plan import Choice, Held, Plan, set_choice
from server.load.verify import ExpectedBallot
from server.load.view import View, Views
from server.load.watcher import start_view
from server.protocol.codes import Code

PAUSE_S = 1.0  # after an error without retry_after_ms
_RETRYABLE = frozenset({Code.RATE_LIMITED.value, Code.OVERLOADED.value, Code.UNAVAILABLE.value})
_LEAVE_SHOW = frozenset({Code.CLOSED.value, Code.LOCKED.value, Code.NOT_FOUND.value})
_NEW_USER = frozenset({Code.BUDGET.value, Code.UNAUTHENTICATED.value})

now_s = time.monotonic


class Cast:
    """One cast that is not settled yet; `before` holds the choice of each song when it was first sent."""

    __slots__ = ("attempts", "before", "sent_s", "show_id", "votes")

    def __init__(self, show_id: int, votes: list[tuple[int, Choice]], before: list[Held | None]) -> None:
        self.show_id = show_id
        self.votes = votes
        self.before = before
        self.sent_s = 0.0
        self.attempts = 0


@dataclass(slots=True)
class VotingUser:
    """A user and its votes: show -> song -> choice.

    `doubts`: (show, song) -> the possible choices, where no answer settled a cast.
    """

    session: Session
    ballots: dict[int, dict[int, Held]] = field(default_factory=dict)
    doubts: dict[tuple[int, int], set[Choice]] = field(default_factory=dict)


class Voter(ReconnectingWebsocket):
    """A connection that casts for one user at a time.

    Takes:  session, of its first user; sign_in, creates the next user when the budget of the day is spent; on_free,
            called when it can cast again; watching, the views of shows that it also watches
    """

    def __init__(
        self,
        url: str,
        session: Session,
        *,
        rng: Random,
        plan: Plan,
        counts: Counts,
        views: Views,
        watching: Sequence[View],
        in_flight_max: int,
        sign_in: Callable[[], Awaitable[Session]],
        on_free: Callable[[Voter], None],
    ) -> None:
        super().__init__(url, session.token, rng, counts)
        self.user = VotingUser(session)
        self.past_users: list[VotingUser] = []
        self.plan = plan
        self.is_listed = False  # in the list of free voters; the owner of the list sets it
        self._counts = counts
        self._views = views
        self._watching = {f"votes:{view.show_id}": view for view in watching}
        self._in_flight_max = in_flight_max
        self._sign_in = sign_in
        self._on_free = on_free
        self._pending: dict[int, Cast] = {}
        self._order = 0  # of the last cast
        self._busy: set[int] = set()  # songs of pending and resent casts
        self._resend: list[Cast] = []  # refused for now, or cut off by a lost connection
        self._unconfirmed: dict[tuple[int, int], list[Cast]] = {}  # (show, position) -> accepted, not yet committed
        self._is_paused = False
        self._is_spent = False  # the budget of its user; it must become another one
        self._changing_user: asyncio.Task[None] | None = None

    # ── casting

    @property
    def can_cast(self) -> bool:
        """Connected, not paused, and with fewer than `in_flight_max` unanswered casts."""
        return self.is_ready and not self._is_paused and not self._is_spent and len(self._pending) < self._in_flight_max

    @property
    def is_settled(self) -> bool:
        """Every cast is answered, and every accepted cast is committed."""
        return not (self._pending or self._resend or self._unconfirmed)

    def cast(self) -> bool:
        """Sends the next cast of the plan; False: there is none, or the voter cannot cast now."""
        if not self.can_cast:
            return False
        drawn = self.plan.draw(self.user.ballots, self._busy)
        if drawn is None:
            return False
        poll, votes = drawn
        ballot = self.user.ballots.setdefault(poll.show_id, {})
        cast = Cast(poll.show_id, votes, [ballot.get(song) for song, _ in votes])
        for song, choice in votes:
            self._busy.add(song)
            # A withdrawal frees its place in the budget only when it is acknowledged.
            if choice != "none":
                ballot[song] = choice
        if self._unconfirmed:
            self._supersede(votes)
        self._counts.sent += 1
        self._send(cast)
        return True

    def _send(self, cast: Cast) -> None:
        transport = self.transport
        if transport is None:
            self._resend.append(cast)
            return
        self._request_id = request_id = self._request_id + 1
        self._pending[request_id] = cast
        # A cast is timed from its first attempt: its voter also waits during an outage.
        if not cast.attempts:
            cast.sent_s = now_s()
        cast.attempts += 1
        # Each attempt has a greater order, as those of other clients have.
        self._order = max(self._order + 1, round(time.time() * 1000))
        transport.send(TEXT, wire.cast_frame(request_id, cast.show_id, cast.votes, self._order))

    def _resend_all(self) -> None:
        resend, self._resend = self._resend, []
        for cast in resend:
            self._counts.resent += 1
            self._send(cast)

    # ── received messages

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Takes a frame. Nearly every frame is an acknowledgement; one that is no JSON may be a close frame."""
        payload = frame.get_payload_as_bytes()
        try:
            message = decode_inbound(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            super().on_ws_frame(transport, frame)
            return
        cast = self._pending.pop(message.re, None) if message.re is not None else None
        if cast is None:
            self.on_message(payload)
        elif message.ok is not None:
            self._acknowledged(cast, message.ok)
        elif message.error is not None:
            self._refused(cast, message.error)

    def _acknowledged(self, cast: Cast, ok: CastOk) -> None:
        counts = self._counts
        counts.last_answer_s = answered_s = now_s()
        counts.latency.record(answered_s - cast.sent_s)
        counts.votes += len(cast.votes)
        self._settle(cast)
        if ok.durability == "committed":
            counts.committed += 1
            counts.sample(cast.show_id, ok.at, cast.sent_s)
        else:
            counts.accepted += 1
            self._unconfirmed.setdefault((cast.show_id, ok.at), []).append(cast)
        self._freed()

    def _settle(self, cast: Cast) -> None:
        user = self.user
        busy = self._busy
        for song, choice in cast.votes:
            busy.discard(song)
            if choice == "none":
                user.ballots[cast.show_id].pop(song, None)
            if user.doubts:
                user.doubts.pop((cast.show_id, song), None)

    def _refused(self, cast: Cast, error: ErrorReply) -> None:
        counts = self._counts
        counts.count_error(error.code)
        if error.code in _RETRYABLE:
            self._resend.append(cast)
            self._pause((error.retry_after_ms or 1000 * PAUSE_S) / 1000)
            return
        counts.refused += 1
        self._undo(cast)
        if error.code in _LEAVE_SHOW:
            self.plan.leave(cast.show_id)
            self._freed()
        elif error.code in _NEW_USER:
            self._is_spent = True
            self._freed()
        else:
            self._pause(PAUSE_S)

    def _undo(self, cast: Cast) -> None:
        user = self.user
        ballot = user.ballots[cast.show_id]
        for (song, choice), before in zip(cast.votes, cast.before, strict=True):
            self._busy.discard(song)
            set_choice(ballot, song, before)
            # The server may have taken an earlier attempt whose answer was lost.
            if cast.attempts > 1:
                doubt = user.doubts.setdefault((cast.show_id, song), set())
                doubt |= {choice, before or "none"}

    def on_notice(self, message: Inbound) -> None:
        """Settles the accepted casts that are now committed."""
        if message.committed is None or message.committed.show is None:
            return
        casts = self._unconfirmed.pop((message.committed.show, message.committed.at), [])
        self._counts.confirmed += len(casts)
        for cast in casts:
            self._counts.sample(cast.show_id, message.committed.at, cast.sent_s)
        if self._is_spent:
            self._freed()

    def _supersede(self, votes: Iterable[tuple[int, Choice]]) -> None:
        """Removes these songs from accepted casts: sending an older choice again would undo the newer one."""
        newer = {song for song, _ in votes}
        for casts in self._unconfirmed.values():
            for cast in casts:
                if any(song in newer for song, _ in cast.votes):
                    kept = [
                        (vote, before)
                        for vote, before in zip(cast.votes, cast.before, strict=True)
                        if vote[0] not in newer
                    ]
                    cast.votes = [vote for vote, _ in kept]
                    cast.before = [before for _, before in kept]

    # ── pauses, losses, new users

    def _freed(self) -> None:
        if not self._is_spent:
            self._on_free(self)
        elif self.is_settled and self._changing_user is None:
            self._changing_user = asyncio.get_running_loop().create_task(self._change_user(), name="voter.user")

    def _pause(self, seconds: float) -> None:
        if not self._is_paused:
            self._is_paused = True
            asyncio.get_running_loop().call_later(seconds * (1 + 0.2 * self._rng.random()), self._resume)

    def _resume(self) -> None:
        self._is_paused = False
        if self.is_ready:
            self._resend_all()
            self._freed()

    async def _change_user(self) -> None:
        """Goes on as a new user. The ballots of the present one are kept for the comparison at the end."""
        self.disconnect()
        try:
            session = await self._sign_in()
        except Unreachable:
            self._counts.count_error("sign_in")
            self.is_finished = True
            return
        finally:
            self._changing_user = None
        self.past_users.append(self.user)
        self.user = VotingUser(session)
        self.token = session.token
        self._counts.sessions += 1
        await self.open_with_retries()

    def on_ready(self) -> None:
        """Sends unanswered casts again."""
        self._is_spent = False
        if not self._is_paused:
            self._resend_all()
        self._freed()

    def on_lost(self) -> None:
        """Keeps the unanswered and unconfirmed casts, to send them again."""
        cut_off = list(self._pending.values())
        self._pending.clear()
        for casts in self._unconfirmed.values():
            self._counts.cut_off += len(casts)
            for cast in casts:
                if not cast.votes:
                    continue  # newer casts replaced all its choices
                # The reply to a repeated cast tells whether it is committed.
                cast.sent_s = now_s()
                cast.before = [None if choice == "none" else choice for _, choice in cast.votes]
                self._busy.update(song for song, _ in cast.votes)
                cut_off.append(cast)
        self._unconfirmed.clear()
        self._resend += cut_off

    def close(self) -> None:
        """Closes for good, also while it changes its user."""
        if self._changing_user is not None:
            self._changing_user.cancel()
        super().close()

    # ── watching

    def channels(self) -> Sequence[str]:
        """The channels of the shows it also watches."""
        return list(self._watching)

    def positions(self) -> dict[str, int]:
        """The positions of its views, once they have a state."""
        return {channel: view.at for channel, view in self._watching.items() if view.has_state}

    def on_subscribed(self, reply: bytes) -> None:
        """Takes the states of its views."""
        for channel, view in self._watching.items():
            start_view(view, channel, reply)

    def on_push(self, payload: bytes) -> None:
        """Takes a push for one of its views."""
        push = self._views.decode(payload)
        view = self._watching.get(f"votes:{push.show_id}") if push is not None else None
        if push is None or view is None:
            return
        self._counts.frames += 1
        self._counts.frame_bytes += len(payload)
        if not view.apply(push, now_s()):
            self._counts.backward += 1

    # ── the comparison

    def expected_ballots(self) -> list[tuple[VotingUser, ExpectedBallot]]:
        """The ballot that each of its users must have in each show. Unanswered casts are in doubt."""
        expected: list[tuple[VotingUser, ExpectedBallot]] = []
        for user in (*self.past_users, self.user):
            doubts = {key: set(choices) for key, choices in user.doubts.items()}
            if user is self.user:
                for cast in (*self._pending.values(), *self._resend):
                    for (song, choice), before in zip(cast.votes, cast.before, strict=True):
                        doubt = doubts.setdefault((cast.show_id, song), set())
                        doubt |= {choice, before or "none"}
            for show_id, ballot in user.ballots.items():
                in_show = {song: frozenset(choices) for (show, song), choices in doubts.items() if show == show_id}
                expected.append((user, ExpectedBallot(user.session.user.id, show_id, dict(ballot), in_show)))
        return expected

    def unsettled(self) -> tuple[int, int]:
        """The number of casts without an answer, and of accepted casts that never became committed."""
        unconfirmed = sum(len(casts) for casts in self._unconfirmed.values())
        return len(self._pending) + len(self._resend), unconfirmed
