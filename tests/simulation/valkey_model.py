"""What Valkey holds of the vote path, and what the scripts of server/voting do to it, in plain Python.

Each method is one script: atomic, with the same answers. test_models.py plays the same random calls on it and on the scripts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from tests.simulation.hot_copy import DAY_MS, LETTERS, HotShard, HotShow, Move, packed_ballot, parsed

_decode = msgspec.msgpack.Decoder().decode
_encode = msgspec.msgpack.Encoder().encode


@dataclass
class HotData:
    """All of it. spent: user -> (generation, day, votes)."""

    shards: list[HotShard]
    spent: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    generation: int = 0

    def copy(self) -> HotData:
        """As it is now, as a save to the disk."""
        return HotData([shard.copy() for shard in self.shards], dict(self.spent), self.generation)

    # ── cast.lua

    def cast(self, shard: int, argument: bytes, now_ms: int) -> bytes:
        """Decides a batch of casts."""
        day_max, show_rows, ballot_rows, casts = _decode(argument)
        hot = self.shards[shard]
        if hot.last is None:
            return _encode((-1, now_ms, []))
        last_ms, seq = divmod(hot.last, 1024)
        cast_ms = max(now_ms, last_ms)
        seq = seq + 1 if cast_ms == last_ms else 0
        if seq > 1023:
            cast_ms, seq = cast_ms + 1, 0
        for row in show_rows:
            self._warm_show(hot, row, now_ms)
        for show_id, user, position, packed, day, spent, has_ticket in ballot_rows:
            show = hot.shows.get(show_id)
            if position >= hot.barrier and show is not None:
                show.ballots.setdefault(user, parsed(packed))
                self._warm_spent(user, day, spent)
                if has_ticket:
                    show.tickets.add(user)
        batch = _Batch(self, hot, cast_ms, now_ms, day_max)
        answers = [batch.decide(cast) for cast in casts]
        position = hot.last
        if batch.entry or batch.is_forgotten:
            position = cast_ms * 1024 + seq
            hot.append(position, hot.last, batch.entry)
            hot.last = position
            if batch.is_forgotten:
                hot.barrier = position
        return _encode((position, now_ms, answers))

    def _warm_show(self, hot: HotShard, row: Any, now_ms: int) -> None:
        (
            show_id,
            position,
            opens,
            closes,
            is_locked,
            budget,
            revision,
            tally,
            ticket,
            audience,
            played,
            picks_close_ms,
            is_new,
        ) = row
        if position < hot.barrier or revision < hot.revisions.get(show_id, 0) or show_id in hot.shows:
            return
        show = HotShow(
            opens, closes, bool(is_locked), budget, revision, bool(ticket), audience, tuple(map(int, played.split())), picks_close_ms, bool(is_new), now_ms
        )  # fmt: skip
        for place in range(0, len(tally), 3):
            show.tally[tally[place]] = [tally[place + 1], tally[place + 2]]
        hot.shows[show_id] = show

    def _warm_spent(self, user: int, day: int, spent: int) -> None:
        generation, hot_day, hot_spent = self.spent.get(user, (-1, -1, 0))
        if generation == self.generation:
            return
        day, spent = max((day, spent), (hot_day, hot_spent))
        self.spent[user] = (self.generation, day, spent)

    # ── the other scripts

    def reset(self, shard: int, base: int, expected: bytes, *, is_new: bool) -> tuple[bytes, int] | None:
        """reset.lua."""
        hot = self.shards[shard]
        if expected != b"*" and expected != (b"" if hot.last is None else b"%d" % hot.last):
            return None
        tail = hot.log[-1][0] if hot.log else 0
        newest = max(base, hot.last or 0, tail)
        hot.shows.clear()
        self.generation += 1
        is_appended = 0
        if is_new:
            newest += 1
            if tail > base:
                is_appended = 1
                hot.append(newest, newest - 1, [])
        hot.last = hot.barrier = newest
        return b"%d" % newest, is_appended

    def hold(self, shard: int, argument: bytes, now_ms: int) -> int:
        """hold.lua."""
        token, hold_ms, show_ids = _decode(argument)
        hot = self.shards[shard]
        for show_id in show_ids:
            hot.holds.setdefault(show_id, []).append((token, now_ms + hold_ms))
        return max(now_ms, (hot.last or 0) // 1024) + 1

    def revise(self, shard: int, argument: bytes, now_ms: int) -> int:
        """revise.lua. Revisions of cold shows do not expire: a run is shorter than the minute that they are kept."""
        token, changes = _decode(argument)
        hot = self.shards[shard]
        written = 0
        is_song_gone = False
        for change in changes:
            if len(change) > 1:
                is_written, has_lost_song = self._revise(hot, change)
                written += is_written
                is_song_gone = is_song_gone or has_lost_song
            if token and change[0] in hot.holds:
                hot.holds[change[0]] = [hold for hold in hot.holds[change[0]] if hold[0] != token]
                if not hot.holds[change[0]]:
                    del hot.holds[change[0]]
        if is_song_gone:
            last = hot.last or 0
            position = max(last + 1, now_ms * 1024)
            hot.append(position, last, [])
            hot.last = hot.barrier = position
        return written

    def _revise(self, hot: HotShard, change: Any) -> tuple[int, bool]:
        show_id, opens, closes, is_locked, budget, revision, songs, ticket, audience, played, picks_close_ms = change
        show = hot.shows.get(show_id)
        if show is None:
            hot.revisions[show_id] = max(revision, hot.revisions.get(show_id, 0))
            return 0, False
        if opens == 0:
            hot.forget(show_id)
            return 1, False
        if show.revision >= revision:
            return 0, False
        show.opens_ms, show.closes_ms, show.is_locked, show.budget = opens, closes, bool(is_locked), budget
        show.revision, show.requires_ticket, show.audience, show.played = (
            revision,
            bool(ticket),
            audience,
            tuple(played),
        )
        show.picks_close_ms = picks_close_ms
        for song in songs:
            show.tally.setdefault(song, [0, 0])
        removed = show.tally.keys() - set(songs)
        gone = {song for song in removed if show.tally.pop(song) != [0, 0]}
        if gone:
            for user, (is_set_aside, order, ballot) in show.ballots.items():
                kept = {song: letter for song, letter in ballot.items() if song not in gone}
                show.ballots[user] = (is_set_aside, order, kept)
        return 1, bool(removed)

    def advance(self, shard: int, at: int) -> int:
        """advance.lua."""
        hot = self.shards[shard]
        if hot.last != at:
            return 0
        hot.append(at + 1, at, [])
        hot.last = at + 1
        return 1

    def tally(self, shard: int, show_id: int) -> list[Any] | None:
        """tally.lua."""
        hot = self.shards[shard]
        show = hot.shows.get(show_id)
        if hot.last is None or show is None:
            return None
        fields = [part for song, (up, down) in show.tally.items() for part in (b"%d" % song, b"%d %d" % (up, down))]
        return [b"%d" % hot.last, b"%d" % show.revision, b"%d" % show.audience, fields]

    def cool(self, shard: int, committed: int, idle_ms: int, over_ms: int, now_ms: int) -> int:
        """cool.lua, without the users of earlier days."""
        hot = self.shards[shard]
        if hot.last is None:
            return 0
        is_drained = hot.last <= committed
        cold = []
        for show_id, show in hot.shows.items():
            limit_ms = over_ms if show.closes_ms <= now_ms else idle_ms
            is_committed = is_drained or committed >= (show.used_ms + 60_000) * 1024
            if now_ms - show.used_ms >= limit_ms and is_committed:
                cold.append(show_id)
        for show_id in cold:
            hot.forget(show_id)
        if cold:
            hot.barrier = max(hot.barrier, committed)
        return len(cold)


class _Batch:
    """The casts of one call of cast.lua."""

    def __init__(self, data: HotData, hot: HotShard, cast_ms: int, now_ms: int, day_max: int) -> None:
        self.data, self.hot = data, hot
        self.cast_ms, self.now_ms, self.day_max = cast_ms, now_ms, day_max
        self.entry: list[list[int]] = []
        self.is_forgotten = False
        self.held: set[int] = set()
        self.known: set[int] = set()  # shows that were read for this batch

    def _forget(self, show_id: int) -> None:
        self.hot.forget(show_id)
        self.known.discard(show_id)
        self.is_forgotten = True

    def _is_held(self, show_id: int) -> bool:
        holds = self.hot.holds.get(show_id)
        if holds is None:
            return False
        if any(deadline > self.now_ms for _, deadline in holds):
            return True
        self._forget(show_id)
        del self.hot.holds[show_id]
        return False

    def _read(self, show_id: int) -> HotShow | Literal["held"] | None:
        """A show, as cast.lua reads it once for a batch; None: it is cold."""
        if show_id not in self.known and self._is_held(show_id):
            return "held"
        show = self.hot.shows.get(show_id)
        if show is not None and show_id not in self.known:
            self.known.add(show_id)
            if self.now_ms - show.used_ms >= 60_000:
                show.used_ms = self.now_ms
        return show

    def _decide_pick(self, pick: list[int]) -> list[Any]:
        show = self._read(pick[3])
        if show == "held":
            return [9]
        if show is None:
            return [1]
        if self.cast_ms >= show.picks_close_ms:
            return [12]
        self.entry.append(pick)
        return [0, "", -1]

    def decide(self, cast: list[int]) -> list[Any]:
        """The answer to one cast."""
        if cast[:2] == [0, 4]:
            return self._decide_pick(cast)
        if cast[0] == 0:
            self.entry.append(cast)
            if cast[1] == 3:
                self._forget(cast[3])
            return [0, "", -1]
        show_id, user = cast[0], cast[1]
        show = self._read(show_id)
        if show == "held":
            return [9]
        if show is None:
            return [1]
        generation, spent_day, spent = self.data.spent.get(user, (-1, -1, 0))
        if (user not in show.ballots and not show.is_new) or generation != self.data.generation:
            return [2]
        if len(cast) > 2 and (refusal := self._refusal(show, user)):
            return [refusal]
        return self._take(show, cast, spent_day, spent)

    def _refusal(self, show: HotShow, user: int) -> int:
        """Why nobody, or not this fan, may vote; 0: they may."""
        if not show.opens_ms <= self.cast_ms < show.closes_ms:
            return 3
        if show.is_locked:
            return 4
        return 8 if show.requires_ticket and user not in show.tickets else 0

    def _take(self, show: HotShow, cast: list[int], spent_day: int, spent: int) -> list[Any]:
        user = cast[1]
        is_set_aside, held_order, ballot = show.ballots.get(user, (False, 0, {}))
        size_before = len(ballot)
        if len(cast) == 2:
            return [0, packed_ballot(ballot), max(show.budget - size_before, 0) if show.budget else -1, held_order]
        votes, order = cast[2:], 0
        if votes[-2] < 0:
            order, votes = -votes[-2], votes[:-2]
        after = dict(ballot)
        moves, refusal = self._moves(show, votes, after)
        if refusal:
            return refusal
        cost = sum(1 for _, _, wanted in moves if wanted is not None)
        if 0 < order <= held_order and moves:
            return [11]
        size = len(after)
        if show.budget and size > show.budget and size > size_before:
            return [6, show.budget]
        today = self.now_ms // DAY_MS
        if spent_day != today:
            spent = 0
        if cost and spent + cost > self.day_max:
            return [7]
        if not is_set_aside:
            _count(show, moves)
        if cost:
            self.data.spent[user] = (self.data.generation, today, spent + cost)
        if moves or order > held_order:
            show.ballots[user] = (is_set_aside, max(order, held_order), after)
        self.entry.append([*cast, today, spent + cost])
        return [0, packed_ballot(after), max(show.budget - size, 0) if show.budget else -1]

    @staticmethod
    def _moves(show: HotShow, votes: list[int], ballot: dict[int, str]) -> tuple[list[Move], list[Any]]:
        """Changes a ballot. Gives: (song, letter before, letter after) of each change, and the refusal, or an empty one."""
        moves = []
        for song, code in zip(votes[::2], votes[1::2], strict=True):
            wanted = LETTERS[code]
            if song not in show.tally:
                return [], [5, song]
            held = ballot.get(song)
            if held == wanted:
                continue
            if song in show.played:
                return [], [10, song]
            moves.append((song, held, wanted))
            if wanted is None:
                del ballot[song]
            else:
                ballot[song] = wanted
        return moves, []


def _count(show: HotShow, moves: list[Move]) -> None:
    for song, held, wanted in moves:
        for letter, step in ((held, -1), (wanted, 1)):
            if letter is not None:
                show.tally[song][letter == "d"] += step
