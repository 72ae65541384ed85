"""A person who votes, changes their mind, and votes on after a lost connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

import msgspec
from picows import WSFrame, WSTransport

from server.client import wire
from server.client.http import Session, Unreachable
from server.client.websocket import TEXT, Line
from server.load.counts import Counts
from server.load.plan import Choice, Held, Plan, put
from server.load.verify import Model
from server.load.view import View, Views
from server.load.watcher import join
from server.protocol.codes import Code

PAUSE_S = 1.0  # after an error that says nothing about when to try again
_RETRYABLE = frozenset({Code.RATE_LIMITED.value, Code.OVERLOADED.value, Code.UNAVAILABLE.value})
_LEAVING = frozenset({Code.CLOSED.value, Code.LOCKED.value, Code.NOT_FOUND.value})
_NEW_SESSION = frozenset({Code.BUDGET.value, Code.UNAUTHENTICATED.value})

now_s = time.monotonic


class Cast:
    """One request under way; `before` is each song's choice when it was first sent."""

    __slots__ = ("attempts", "before", "sent_s", "show_id", "votes")

    def __init__(self, show_id: int, votes: list[tuple[int, Choice]], before: list[Held | None]) -> None:
        self.show_id = show_id
        self.votes = votes
        self.before = before
        self.sent_s = 0.0
        self.attempts = 0


@dataclass(slots=True)
class Identity:
    """One session and what it has voted for, as far as is known.

    `doubts`: (show, song) -> the choices it may be, when a cast got no answer that settles it.
    """

    session: Session
    ballots: dict[int, dict[int, Held]] = field(default_factory=dict)
    doubts: dict[tuple[int, int], set[Choice]] = field(default_factory=dict)


class Voter(Line):
    """One connection that casts.

    Takes:  session, its first user; sign_in, makes another one when the day's budget is spent; on_free, called when it
            can take a cast again; watching, shows it subscribes to as well
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
        self.identity = Identity(session)
        self.past: list[Identity] = []
        self.plan = plan
        self.is_listed = False  # among the voters the pace may choose from; the list's owner sets it
        self._counts = counts
        self._views = views
        self._watching = {f"votes:{view.show_id}": view for view in watching}
        self._in_flight_max = in_flight_max
        self._sign_in = sign_in
        self._on_free = on_free
        self._pending: dict[int, Cast] = {}
        self._busy: set[int] = set()  # songs of pending and waiting casts
        self._again: list[Cast] = []  # refused for now, or cut off: to be sent again
        self._undurable: dict[tuple[int, int], list[Cast]] = {}  # (show, position) -> accepted, not yet committed
        self._is_paused = False
        self._is_spent = False
        self._renewing: asyncio.Task[None] | None = None

    # ── casting

    @property
    def can_cast(self) -> bool:
        """Connected, not told to wait, and with room for one more request."""
        return self.is_ready and not self._is_paused and not self._is_spent and len(self._pending) < self._in_flight_max

    @property
    def is_settled(self) -> bool:
        """Every cast is answered, and what was accepted is committed."""
        return not (self._pending or self._again or self._undurable)

    def cast(self) -> bool:
        """Sends the next cast of the plan; False when there is none or no room for it."""
        if not self.can_cast:
            return False
        drawn = self.plan.draw(self.identity.ballots, self._busy)
        if drawn is None:
            return False
        poll, votes = drawn
        ballot = self.identity.ballots.setdefault(poll.show_id, {})
        cast = Cast(poll.show_id, votes, [ballot.get(song) for song, _ in votes])
        for song, choice in votes:
            self._busy.add(song)
            # A withdrawal frees its place only once it is acknowledged.
            if choice != "none":
                ballot[song] = choice
        if self._undurable:
            self._supersede(votes)
        self._counts.sent += 1
        self._send(cast)
        return True

    def _send(self, cast: Cast) -> None:
        transport = self.transport
        if transport is None:
            self._again.append(cast)
            return
        self._request_id = request_id = self._request_id + 1
        self._pending[request_id] = cast
        # A cast is timed from its first attempt: an outage is part of how long its voter waited.
        if not cast.attempts:
            cast.sent_s = now_s()
        cast.attempts += 1
        transport.send(TEXT, wire.cast_frame(request_id, cast.show_id, cast.votes))

    def _send_again(self) -> None:
        again, self._again = self._again, []
        for cast in again:
            self._counts.resent += 1
            self._send(cast)

    # ── answers

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """An acknowledgement nearly always; what is no JSON may be a close frame."""
        payload = frame.get_payload_as_bytes()
        try:
            message = wire.decode_inbound(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            super().on_ws_frame(transport, frame)
            return
        cast = self._pending.pop(message.re, None) if message.re is not None else None
        if cast is None:
            self.message(payload)
        elif message.ok is not None:
            self._acknowledged(cast, message.ok)
        elif message.error is not None:
            self._refused(cast, message.error)

    def _acknowledged(self, cast: Cast, ok: wire.Ok) -> None:
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
            self._undurable.setdefault((cast.show_id, ok.at), []).append(cast)
        self._freed()

    def _settle(self, cast: Cast) -> None:
        identity = self.identity
        busy = self._busy
        for song, choice in cast.votes:
            busy.discard(song)
            if choice == "none":
                identity.ballots[cast.show_id].pop(song, None)
            if identity.doubts:
                identity.doubts.pop((cast.show_id, song), None)

    def _refused(self, cast: Cast, error: wire.Fault) -> None:
        counts = self._counts
        counts.fault(error.code)
        if error.code in _RETRYABLE:
            self._again.append(cast)
            self._pause((error.retry_after_ms or 1000 * PAUSE_S) / 1000)
            return
        counts.refused += 1
        self._undo(cast)
        if error.code in _LEAVING:
            self.plan.leave(cast.show_id)
            self._freed()
        elif error.code in _NEW_SESSION:
            self._is_spent = True
            self._freed()
        else:
            self._pause(PAUSE_S)

    def _undo(self, cast: Cast) -> None:
        identity = self.identity
        ballot = identity.ballots[cast.show_id]
        for (song, choice), before in zip(cast.votes, cast.before, strict=True):
            self._busy.discard(song)
            put(ballot, song, before)
            # An earlier attempt may have been taken before its answer was lost.
            if cast.attempts > 1:
                doubt = identity.doubts.setdefault((cast.show_id, song), set())
                doubt |= {choice, before or "none"}

    def announced(self, message: wire.Inbound) -> None:
        """What was accepted has been committed."""
        if message.committed is None or message.committed.show is None:
            return
        casts = self._undurable.pop((message.committed.show, message.committed.at), [])
        self._counts.confirmed += len(casts)
        for cast in casts:
            self._counts.sample(cast.show_id, message.committed.at, cast.sent_s)
        if self._is_spent:
            self._freed()

    def _supersede(self, votes: Iterable[tuple[int, Choice]]) -> None:
        """Newer choices must not be undone by sending older, accepted ones again."""
        newer = {song for song, _ in votes}
        for casts in self._undurable.values():
            for cast in casts:
                if any(song in newer for song, _ in cast.votes):
                    kept = [
                        (vote, before)
                        for vote, before in zip(cast.votes, cast.before, strict=True)
                        if vote[0] not in newer
                    ]
                    cast.votes = [vote for vote, _ in kept]
                    cast.before = [before for _, before in kept]

    # ── pauses, losses, new sessions

    def _freed(self) -> None:
        if not self._is_spent:
            self._on_free(self)
        elif self.is_settled and self._renewing is None:
            self._renewing = asyncio.get_running_loop().create_task(self._renew(), name="voter.renew")

    def _pause(self, seconds: float) -> None:
        if not self._is_paused:
            self._is_paused = True
            asyncio.get_running_loop().call_later(seconds * (1 + 0.2 * self._rng.random()), self._resume)

    def _resume(self) -> None:
        self._is_paused = False
        if self.is_ready:
            self._send_again()
            self._freed()

    async def _renew(self) -> None:
        """Goes on as another user. What the present one holds is remembered for the comparison."""
        self.reset()
        try:
            session = await self._sign_in()
        except Unreachable:
            self._counts.fault("sign_in")
            self.is_finished = True
            return
        finally:
            self._renewing = None
        self.past.append(self.identity)
        self.identity = Identity(session)
        self.token = session.token
        self._counts.sessions += 1
        await self.keep_open()

    def entered(self) -> None:
        """Sends again what is unanswered."""
        self._is_spent = False
        if not self._is_paused:
            self._send_again()
        self._freed()

    def dropped(self) -> None:
        """Nothing that was under way is known to have arrived."""
        cut_off = list(self._pending.values())
        self._pending.clear()
        for casts in self._undurable.values():
            self._counts.orphaned += len(casts)
            for cast in casts:
                if not cast.votes:
                    continue  # newer casts have replaced all of it
                # Sending a state again makes the server tell us once more whether it is durable.
                cast.sent_s = now_s()
                cast.before = [None if choice == "none" else choice for _, choice in cast.votes]
                self._busy.update(song for song, _ in cast.votes)
                cut_off.append(cast)
        self._undurable.clear()
        self._again += cut_off

    def close(self) -> None:
        """Closes for good."""
        if self._renewing is not None:
            self._renewing.cancel()
        super().close()

    # ── watching

    def channels(self) -> Sequence[str]:
        """The shows it watches besides voting."""
        return list(self._watching)

    def since(self) -> dict[str, int]:
        """The positions held, after a loss."""
        return {channel: view.at for channel, view in self._watching.items() if view.has_state}

    def joined(self, reply: bytes) -> None:
        """Takes the states."""
        for channel, view in self._watching.items():
            join(view, channel, reply)

    def pushed(self, payload: bytes) -> None:
        """A push for one of its views."""
        push = self._views.push(payload)
        view = self._watching.get(f"votes:{push.show_id}") if push is not None else None
        if push is None or view is None:
            return
        self._counts.frames += 1
        self._counts.frame_bytes += len(payload)
        if not view.take(push, now_s()):
            self._counts.backward += 1

    # ── the comparison

    def models(self) -> list[tuple[Identity, Model]]:
        """What each of its users must hold, show by show, with what is unanswered in doubt."""
        models: list[tuple[Identity, Model]] = []
        for identity in (*self.past, self.identity):
            doubts = {key: set(choices) for key, choices in identity.doubts.items()}
            if identity is self.identity:
                for cast in (*self._pending.values(), *self._again):
                    for (song, choice), before in zip(cast.votes, cast.before, strict=True):
                        doubt = doubts.setdefault((cast.show_id, song), set())
                        doubt |= {choice, before or "none"}
            for show_id, ballot in identity.ballots.items():
                in_show = {song: frozenset(choices) for (show, song), choices in doubts.items() if show == show_id}
                models.append((identity, Model(identity.session.user.id, show_id, dict(ballot), in_show)))
        return models

    def unsettled(self) -> tuple[int, int]:
        """Casts without an answer, and accepted ones that never became committed."""
        unconfirmed = sum(len(casts) for casts in self._undurable.values())
        return len(self._pending) + len(self._again), unconfirmed
