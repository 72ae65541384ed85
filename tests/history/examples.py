"""Small random histories that a right service makes, for tests of the checker."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
import orjson

from tests.history.checker import SHARD_COUNT
from tests.history.records import (
    ACCEPTED,
    CAST,
    COMMIT,
    COMMITTED,
    CONFIRMED,
    COUNT,
    ENTRY,
    EVENT,
    FRAME,
    LOST,
    NEVER_NS,
    PUSH,
    READ,
    REFUSED,
    RESUMED,
    ROW,
    SUBSCRIBED,
    UNKNOWN,
    VOTE,
    Window,
)  # fmt: skip

USERS = (1, 2, 3, 4)
SHOWS = {1: (11, 12, 13), 2: (21, 22), 17: (171, 172, 173)}  # two of them are in one shard
WATCHERS = (1, 2, 3)
STEPS = 60
MS = 1_000_000

Ballot = dict[int, int]


@dataclass
class _Cast:
    user: int
    show: int
    order: int
    votes: Ballot
    invoked_ns: int
    at: int = 0
    ballot: Ballot = field(default_factory=dict)


class History:
    """A service of one random number generator: fans cast, entries are logged and committed, watchers hear of it."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._now_ns = 1_000 * MS
        self._order = dict.fromkeys(USERS, 100)
        self._highest: dict[tuple[int, int], int] = {}
        self._hot: dict[tuple[int, int], int] = {}  # user, song -> choice
        self._held: dict[tuple[int, int], int] = {}  # the same, committed
        self._ends = {show % SHARD_COUNT: 0 for show in SHOWS}
        self._positions = dict(self._ends)  # committed
        self._uncommitted: dict[int, list[tuple[int, list[_Cast]]]] = {shard: [] for shard in self._ends}
        self._states: dict[int, list[tuple[int, dict[int, tuple[int, int]]]]] = {
            show: [(0, dict.fromkeys(songs, (0, 0)))] for show, songs in SHOWS.items()
        }
        self._watched = dict(zip(WATCHERS, SHOWS, strict=True))
        self._seen: dict[int, int] = {}
        self._connected: set[int] = set()
        self._transaction = 500
        self._begin()

    def _begin(self) -> None:
        self._sent: list[_Cast] = []  # not decided yet
        self._logged: list[_Cast] = []  # not answered yet
        self._accepted: list[_Cast] = []
        self._lists: dict[str, list[tuple[int, ...]]] = {
            name: [] for name in ("casts", "confirmed", "reads", "frames", "events", "entries", "commits", "rows")
        }
        self._payloads: list[bytes] = []

    def window(self) -> Window:
        """The next window."""
        steps = (self._cast, self._cast, self._decide, self._commit, self._answer, self._hear, self._lose)
        for _ in range(STEPS):
            self._now_ns += self._random.randrange(MS // 4, 2 * MS)
            self._random.choice(steps)()
        while self._sent:
            self._decide()
        for shard in self._ends:
            self._commit_shards([shard])
        while self._logged:
            self._answer()
        for watcher in WATCHERS:
            self._see(watcher)
        return self._made()

    def _made(self) -> Window:
        kinds = {
            "casts": CAST, "confirmed": CONFIRMED, "reads": READ, "frames": FRAME, "events": EVENT, "entries": ENTRY,
            "commits": COMMIT, "rows": ROW,
        }  # fmt: skip
        votes = [(user, song, choice) for (user, song), choice in self._held.items() if choice]
        counts = [(show, song, *self._states[show][-1][1][song]) for show, songs in SHOWS.items() for song in songs]
        made = Window(
            **{name: np.array(self._lists[name], kind) for name, kind in kinds.items()},
            votes=np.array(votes, VOTE), counts=np.array(counts, COUNT), payloads=self._payloads,
        )  # fmt: skip
        self._begin()
        return made

    # ── fans

    def _cast(self) -> None:
        user, show = self._random.choice(USERS), self._random.choice(list(SHOWS))
        self._order[user] += self._random.randrange(1, 5)
        songs = self._random.sample(SHOWS[show], self._random.randrange(1, 3))
        votes = {song: self._random.randrange(3) for song in songs}
        self._sent.append(_Cast(user, show, self._order[user], votes, self._now_ns))

    def _decide(self) -> None:
        """Some casts of one shard arrive, in any order."""
        if not self._sent:
            return
        shard = self._random.choice(self._sent).show % SHARD_COUNT
        arrived = [cast for cast in self._sent if cast.show % SHARD_COUNT == shard]
        self._random.shuffle(arrived)
        last = self._ends[shard]
        at = max(last + 3, self._now_ns // MS << 10)
        taken: list[_Cast] = []
        for cast in arrived[: self._random.randrange(1, 4)]:
            self._sent.remove(cast)
            changes = any(self._hot.get((cast.user, song), 0) != choice for song, choice in cast.votes.items())
            is_late = cast.order <= self._highest.get((cast.user, cast.show), 0) and changes
            if is_late or self._random.random() < 0.1:
                self._note(cast, REFUSED)
            elif self._random.random() < 0.1:
                self._note(cast, UNKNOWN)
            else:
                self._log(shard, at, len(taken), cast)
                taken.append(cast)
        if taken:
            self._ends[shard] = at
            self._lists["entries"].append((shard, at, last))
            self._uncommitted[shard].append((at, taken))

    def _log(self, shard: int, at: int, place: int, cast: _Cast) -> None:
        for song, choice in cast.votes.items():
            self._lists["events"].append((shard, at, place, cast.user, cast.show, song, cast.order, choice))
            self._move(cast.show, at, song, self._hot.get((cast.user, song), 0), choice)
            self._hot[cast.user, song] = choice
        key = cast.user, cast.show
        self._highest[key] = max(cast.order, self._highest.get(key, 0))
        cast.at = at
        cast.ballot = {song: self._hot.get((cast.user, song), 0) for song in SHOWS[cast.show]}
        self._logged.append(cast)

    def _move(self, show: int, at: int, song: int, old: int, new: int) -> None:
        states = self._states[show]
        if states[-1][0] != at:
            states.append((at, dict(states[-1][1])))
        sides = list(states[-1][1][song])
        for choice, by in ((old, -1), (new, 1)):
            if choice:
                sides[choice - 1] += by
        states[-1][1][song] = sides[0], sides[1]

    def _commit(self) -> None:
        self._commit_shards(self._random.sample(list(self._ends), self._random.randrange(1, 3)))

    def _commit_shards(self, shards: list[int]) -> None:
        self._transaction += 1
        begun_ns = self._now_ns
        for shard in shards:
            entries, self._uncommitted[shard] = self._uncommitted[shard], []
            if not entries:
                continue
            self._positions[shard] = position = entries[-1][0]
            last: dict[tuple[int, int], tuple[int, int, int]] = {}
            for at, casts in entries:
                self._lists["commits"].append((self._transaction, shard, position, at, begun_ns))
                for cast in casts:
                    for song, choice in cast.votes.items():
                        last[cast.user, song] = cast.show, choice, at >> 10
            for (user, song), (show, choice, cast_ms) in last.items():
                previous = self._held.get((user, song), 0)
                if previous != choice:
                    row = (self._transaction, user, show, song, cast_ms, previous, choice)
                    self._lists["rows"].append(row)
                    self._held[user, song] = choice
        for cast in list(self._accepted):
            if cast.at <= self._positions[cast.show % SHARD_COUNT]:
                self._accepted.remove(cast)
                self._lists["confirmed"].append((cast.user, cast.show, cast.at, self._now_ns))

    def _answer(self) -> None:
        if not self._logged:
            return
        cast = self._random.choice(self._logged)
        self._logged.remove(cast)
        if self._random.random() < 0.1:
            self._note(cast, UNKNOWN)
            return
        is_committed = cast.at <= self._positions[cast.show % SHARD_COUNT]
        self._note(cast, COMMITTED if is_committed else ACCEPTED)
        if not is_committed:
            self._accepted.append(cast)
        for song, choice in cast.ballot.items():
            self._lists["reads"].append((cast.user, cast.show, song, cast.order, choice))

    def _note(self, cast: _Cast, outcome: int) -> None:
        at = cast.at if outcome in {COMMITTED, ACCEPTED} else 0
        answered_ns = NEVER_NS if outcome == UNKNOWN else self._now_ns
        for song, choice in cast.votes.items():
            note = (cast.user, cast.show, song, cast.order, cast.invoked_ns, answered_ns, at, choice, outcome)
            self._lists["casts"].append(note)

    # ── watchers

    def _hear(self) -> None:
        self._see(self._random.choice(WATCHERS))

    def _see(self, watcher: int) -> None:
        """It subscribes, and is told the newest counts; or it gets a push, if something is committed that it has not seen."""
        show = self._watched[watcher]
        shard = show % SHARD_COUNT
        if watcher not in self._connected:
            is_resumed = watcher in self._seen and self._random.random() < 0.7
            states = [state for state in self._states[show] if state[0] >= self._seen.get(watcher, 0)]
            at, tally = states[-1] if states else self._states[show][-1]
            at = max(at, self._seen.get(watcher, 0))
            told: dict[str, Any] = {"at": at}
            if not (is_resumed and at == self._seen[watcher]):
                told["state"] = self._state(tally, tally)
            self._told(
                watcher,
                RESUMED if is_resumed else SUBSCRIBED,
                {"re": 2, "ok": {"channels": {f"votes:{show}": told}}},
                at,
            )
            self._connected.add(watcher)
        at, tally = [state for state in self._states[show] if state[0] <= self._positions[shard]][-1]
        if at > self._seen[watcher]:
            before = [state for state in self._states[show] if state[0] <= self._seen[watcher]][-1][1]
            changed = {song: counts for song, counts in tally.items() if counts != before[song]}
            self._told(watcher, PUSH, {"ch": f"votes:{show}", "at": at, **self._state(changed, tally)}, at)

    def _state(self, shown: dict[int, tuple[int, int]], tally: dict[int, tuple[int, int]]) -> dict[str, Any]:
        return {"tally": [[song, *counts] for song, counts in shown.items()], "total": sum(map(sum, tally.values()))}

    def _told(self, watcher: int, kind: int, message: dict[str, Any], at: int) -> None:
        self._now_ns += 1
        self._lists["frames"].append((watcher, len(self._payloads), self._now_ns, kind))
        self._payloads.append(orjson.dumps(message))
        self._seen[watcher] = at

    def _lose(self) -> None:
        watcher = self._random.choice(WATCHERS)
        if watcher in self._connected:
            self._connected.remove(watcher)
            self._now_ns += 1
            self._lists["frames"].append((watcher, -1, self._now_ns, LOST))
