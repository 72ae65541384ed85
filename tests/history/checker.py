"""Checks a history, window after window: each vote of each fan on each song, the log, the commits and the rows.

Each (fan, song) is a register. Its operations have one order, that of the log, so a history is checked in about the time that
it takes to sort it: the order must not contradict what any fan could see, and each choice must come from the cast that says so.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.history.ledger import Ledger, ShowLedger
from tests.history.records import ACCEPTED, CAST, COMMITTED, NEVER_NS, REFUSED, ROW, UNKNOWN, Records, Window
from tests.history.state import (
    Held,
    Ints,
    Violation,
    begins,
    cast_keys,
    described,
    found_in,
    log_key,
    most_before,
    pair,
)  # fmt: skip
from tests.history.watchers import Watchers

SHARD_COUNT = 16
# The clocks of PostgreSQL and of the fans are the same one; reading it twice takes a moment.
CLOCK_NS = 1_000_000
SHOWN_MAX = 3


class Checker:
    """Give it the windows of a run in their order.

    may_lose: Valkey may lose what is accepted and not committed; lost_count: votes that it has lost
    """

    def __init__(self, *, may_lose: bool = False) -> None:
        self._may_lose = may_lose
        self._held = Held()  # register -> choice in the rows
        self._orders = Held()  # fan and show -> greatest order
        self._ends = Held()  # shard -> end of its log
        self._doubtful = np.empty(0, CAST)  # unknown, and not in the log so far
        self._ledger = Ledger()
        self.watchers = Watchers(SHARD_COUNT)
        self.lost_count = 0

    def check(self, window: Window) -> list[Violation]:
        """Everything that is wrong in the next window."""
        part = _Part(window, self._doubtful, self._held)
        found = part.check_log(self._ends)
        found += part.check_casts(may_lose=self._may_lose)
        found += part.check_time()
        found += part.check_orders(self._orders)
        found += part.check_reads(self._held)
        found += part.check_rows(self._held)
        ledgers = self._ledger.window(part.events[part.is_committed], part.replaced(self._held, part.is_committed))
        lost = part.lost_zones()
        found += self.watchers.check(window, ledgers, lost)
        self.lost_count += part.lost_count
        self._hand_on(part)
        found += self._check_end(window, ledgers)
        return found

    def _hand_on(self, part: _Part) -> None:
        events = part.events[part.is_committed]
        self._held.put(pair(events["user"], events["song"]), events["choice"])
        fans = pair(part.events["user"], part.events["show"])
        orders = np.argsort(part.events["order"], kind="stable")
        highest = np.maximum(part.events["order"], self._orders.get(fans))
        self._orders.put(fans[orders], highest[orders])
        entries = part.entries
        self._ends.put(entries["shard"], entries["at"])
        self._doubtful = part.casts[(part.casts["outcome"] == UNKNOWN) & ~part.is_logged]

    def _check_end(self, window: Window, ledgers: dict[int, ShowLedger]) -> list[Violation]:
        """The votes and counts in PostgreSQL are those of the committed log."""
        keys, choices = self._held.items()
        keys, choices = keys[choices > 0], choices[choices > 0]
        rows = np.sort(window.votes, order=["user", "song"])
        stored = pair(rows["user"], rows["song"])
        found = []
        if not (np.array_equal(stored, keys) and np.array_equal(rows["choice"], choices)):
            held = dict(zip(stored.tolist(), rows["choice"].tolist(), strict=True))
            wanted = dict(zip(keys.tolist(), choices.tolist(), strict=True))
            wrong = sorted(key for key in held.keys() | wanted.keys() if held.get(key, 0) != wanted.get(key, 0))
            key = wrong[0]
            found.append(
                Violation(
                    "the votes are those of the log",
                    f"user {key >> 32} holds {held.get(key, 0)} on song {key & 0xFFFFFFFF}, the log says {wanted.get(key, 0)}"
                    f" ({len(wrong)} votes differ)",
                )
            )
        for count in window.counts:
            ledger = ledgers.get(int(count["show"]))
            tally = {} if ledger is None else ledger.tally(len(ledger.positions))
            if (int(count["up"]), int(count["down"])) != tally.get(int(count["song"]), (0, 0)):
                found.append(
                    Violation(
                        "the counts are those of the log",
                        f"{described(count)}; the log makes {tally.get(int(count['song']), (0, 0))}",
                    )
                )
        return found


class _Part:
    """One window, its records joined. events are in the order of their log.

    is_committed, commit_of: of an event, whether and by which record of `commits`; event_of: of a cast, its event in the log or
    -1; is_logged: whether it has one; cast_of: of an event, its cast or -1; is_again: whether the cast was logged before; previous: of an event, the choice that it replaced in
    the hot copy, which also has what Valkey lost later
    """

    def __init__(self, window: Window, doubtful: Records, held: Held) -> None:
        self.window = window
        self.entries = window.entries[np.lexsort((window.entries["at"], window.entries["shard"]))]
        events = window.events
        self.events = events[np.lexsort((events["place"], events["at"], events["shard"]))]
        commits = window.commits
        self.commits = commits[np.lexsort((commits["entry"], commits["shard"]))]
        self.commit_keys = log_key(self.commits["shard"], self.commits["entry"])
        self.commit_of, self.is_committed = found_in(log_key(self.events["shard"], self.events["at"]), self.commit_keys)
        self.lost_count = int((~self.is_committed).sum())
        self.casts = np.concatenate([doubtful, window.casts])
        self._join_casts()
        self.registers = pair(self.events["user"], self.events["song"])
        # In the order of registers, then of the log.
        self.by_register = np.argsort(self.registers, kind="stable")
        self.previous = self.replaced(held, np.ones(len(events), np.bool_))

    def _join_casts(self) -> None:
        sent, logged = cast_keys(self.casts, self.events)
        by_key = np.argsort(logged, kind="stable")
        # Of a cast that was logged again, the answer is that to the last one.
        self.is_logged = found_in(sent, logged[by_key])[1]
        places = np.searchsorted(logged[by_key], sent, side="right") - 1
        self.event_of = np.where(self.is_logged, by_key[places] if len(by_key) else 0, -1)
        by_cast = np.argsort(sent, kind="stable")
        places, is_sent = found_in(logged, sent[by_cast])
        self.cast_of = np.where(is_sent, by_cast[places] if len(by_cast) else 0, -1)
        self.is_again = np.zeros(len(logged), np.bool_)
        self.is_again[by_key] = ~begins(logged[by_key])

    def replaced(self, held: Held, chosen: Any) -> Ints:
        """The choice that each chosen event replaced, as if there were no others."""
        order = self.by_register[chosen[self.by_register]]
        previous: Ints = np.empty(len(self.events), np.int64)
        previous[order] = _before(self.registers[order], self.events["choice"][order], held)
        found: Ints = previous[chosen]
        return found

    # ── the log and its commits

    def check_log(self, ends: Held) -> list[Violation]:
        """No entry is twice in the log or in PostgreSQL, none goes back, none is made up, each is in the commit that names it."""
        entries, commits = self.entries, self.commits
        keys = log_key(entries["shard"], entries["at"])
        found = _violations("an entry is in the log once", ~begins(keys), entries)
        found += _violations("positions of the log only grow", entries["at"] <= ends.get(entries["shard"]), entries)
        found += _violations("an entry is committed once", ~begins(self.commit_keys), commits)
        found += _violations("an entry is committed once", commits["entry"] <= ends.get(commits["shard"]), commits)
        found += _violations("what is committed was logged", ~found_in(self.commit_keys, keys)[1], commits)
        same = ~begins(commits["shard"])
        earlier = np.concatenate([[0], commits["position"][:-1]]) if len(commits) else commits["position"]
        before = np.where(same, earlier, ends.get(commits["shard"]))
        is_misplaced = (commits["entry"] > commits["position"]) | (
            (commits["entry"] <= before) & (commits["position"] != before)
        )
        return found + _violations("commits follow the log", is_misplaced, commits)

    def lost_zones(self) -> dict[int, tuple[int, int]]:
        """By shard: the positions from the first entry with votes that Valkey lost to the first entry after the last of them."""
        zones = {}
        for shard in np.unique(self.events["shard"][~self.is_committed]).tolist():
            lost = self.events["at"][(self.events["shard"] == shard) & ~self.is_committed]
            later = self.entries["at"][(self.entries["shard"] == shard) & (self.entries["at"] > lost.max())]
            zones[shard] = int(lost.min()), int(later.min()) if len(later) else int(lost.max())
        return zones

    # ── casts

    def check_casts(self, *, may_lose: bool) -> list[Violation]:
        """Each answer is true, each vote in the log was cast, and none is there twice."""
        casts, events = self.casts, self.events
        outcome, at = casts["outcome"], casts["at"]
        is_promised = (outcome == COMMITTED) | (outcome == ACCEPTED)
        logged = self.is_logged & (self.event_of >= 0)
        mine = self.event_of
        found = []
        if len(events):
            is_stored = logged & self.is_committed[mine]
            found += _violations("a refused cast has no effect", (outcome == REFUSED) & logged, casts)
            differs = logged & ((events["choice"][mine] != casts["choice"]) | (events["show"][mine] != casts["show"]))
            found += _violations("the log has what was cast", differs, casts)
            elsewhere = is_promised & logged & (events["at"][mine] != at)
            found += _violations("an answer names the entry of its cast", elsewhere, casts)
            begun_ns = self.commits["begun_ns"][self.commit_of[mine]] if len(self.commits) else casts["answered_ns"]
            early = (outcome == COMMITTED) & is_stored & (casts["answered_ns"] + CLOCK_NS < begun_ns)
            found += _violations("no answer before the commit", early, casts)
        else:
            is_stored = logged
        found += _violations("a committed vote is in PostgreSQL", (outcome == COMMITTED) & ~is_stored, casts)
        if not may_lose:
            found += _violations("an accepted vote reaches PostgreSQL", (outcome == ACCEPTED) & ~is_stored, casts)
        found += _violations("a vote in the log was cast", self.cast_of < 0, events)
        # A node that lost the answer of Valkey asks again: a vote is a state, so the second time changes nothing.
        changes = self.is_again & (events["choice"] != self.previous) & ~self._is_in_doubt()
        found += _violations("a cast changes something once", changes, events)
        confirmed = self.window.confirmed
        keys = log_key(confirmed["show"] % SHARD_COUNT, confirmed["at"])
        is_missing = ~found_in(keys, self.commit_keys)[1]
        return found + _violations("a confirmed vote is in PostgreSQL", is_missing, confirmed)

    def check_time(self) -> list[Violation]:
        """The order of the log is one that the fans could have seen: a cast that was answered is before each later one."""
        order = self.by_register[(self.cast_of >= 0)[self.by_register] & ~self.is_again[self.by_register]]
        if not len(order):
            return []
        casts = self.casts[self.cast_of[order]]
        registers = self.registers[order]
        begun = casts["invoked_ns"]
        latest = most_before(registers, begun, np.full(len(order), begun.min()))
        wrong = (latest > casts["answered_ns"]) & (casts["answered_ns"] < NEVER_NS)
        if not wrong.any():
            return []
        first = int(np.argmax(wrong))
        others = casts[(registers == registers[first]) & (begun == latest[first])]
        shown = (
            f"first answered: {described(casts[first])}, logged at {int(self.events['at'][order[first]])}",
            *(f"cast later, logged before it: {described(other)}" for other in others[:1]),
        )
        user, song = int(casts[first]["user"]), int(casts[first]["song"])
        text = f"user {user}, song {song}: the log has a cast before one that was answered earlier ({int(wrong.sum())} such)"
        return [Violation("each register is linearizable", text, shown)]

    def check_orders(self, orders: Held) -> list[Violation]:
        """What a fan did last stands: no cast changes anything after one of a greater order."""
        fans = pair(self.events["user"], self.events["show"])
        by_fan = np.argsort(fans, kind="stable")
        events = self.events[by_fan]
        highest = most_before(fans[by_fan], events["order"], orders.get(fans[by_fan]))
        is_late = (events["order"] < highest) & (events["choice"] != self.previous[by_fan]) & (events["order"] > 0)
        return _violations("an older cast changes nothing", is_late & ~self._is_in_doubt()[by_fan], events)

    def check_reads(self, held: Held) -> list[Violation]:
        """A ballot in an answer is the fan's votes right after the cast."""
        reads = self.window.reads
        if not len(reads) or not len(self.events):
            return []
        first_order = self.events["order"].min()
        casts = pair(self.events["user"], self.events["order"] - first_order)
        by_cast = np.argsort(casts, kind="stable")
        read = pair(reads["user"], reads["order"] - first_order)
        last = np.searchsorted(casts[by_cast], read, side="right") - 1
        is_known = (last >= 0) & (casts[by_cast][last] == read)
        reads, ranks = reads[is_known], by_cast[last[is_known]]
        is_sure = ~self._is_in_doubt()[ranks]
        reads, ranks = reads[is_sure], ranks[is_sure]
        # The last event of the register up to that rank; both ends of the search are sorted by register, then rank.
        known, numbers = np.unique(self.registers, return_inverse=True)
        sorted_places = numbers[self.by_register] * len(self.events) + self.by_register
        wanted = pair(reads["user"], reads["song"])
        places, is_there = found_in(wanted, known)
        at = np.searchsorted(sorted_places, places * len(self.events) + ranks, side="right") - 1
        is_there &= (at >= 0) & (numbers[self.by_register][np.maximum(at, 0)] == places)
        choices = np.where(is_there, self.events["choice"][self.by_register][np.maximum(at, 0)], held.get(wanted))
        return _violations("a ballot is what its fan voted", choices != reads["choice"], reads)

    def _is_in_doubt(self) -> Any:
        """Events of shards whose hot copy has held votes that are lost: what it showed then cannot be told from the rows."""
        return np.isin(self.events["shard"], np.unique(self.events["shard"][~self.is_committed]))

    # ── rows

    def check_rows(self, held: Held) -> list[Violation]:
        """Each commit wrote the last choice of each fan and song among its entries, if it is another one than before."""
        order = self.by_register[self.is_committed[self.by_register]]
        events, registers = self.events[order], self.registers[order]
        position = self.commits["position"][self.commit_of[order]] if len(order) else order
        transaction = self.commits["transaction"][self.commit_of[order]] if len(order) else order
        is_last = np.concatenate([begins(registers)[1:] | begins(position)[1:], [True]]) if len(order) else order > 0
        events, registers, transaction = events[is_last], registers[is_last], transaction[is_last]
        previous = _before(registers, events["choice"], held)
        is_change = previous != events["choice"]
        wanted = np.zeros(int(is_change.sum()), ROW)
        for name in ("user", "show", "song", "choice"):
            wanted[name] = events[name][is_change]
        wanted["transaction"], wanted["previous"] = transaction[is_change], previous[is_change]
        wanted["cast_ms"] = events["at"][is_change] >> 10
        names = ["user", "song", "cast_ms", "transaction", "show", "previous", "choice"]
        wanted, rows = np.sort(wanted, order=names), np.sort(self.window.rows, order=names)
        if np.array_equal(wanted, rows):
            return []
        there, meant = {row.tobytes(): row for row in rows}, {row.tobytes(): row for row in wanted}
        missing = [described(row) for packed, row in meant.items() if packed not in there]
        extra = [described(row) for packed, row in there.items() if packed not in meant]
        text = f"{len(missing)} changes are missing, {len(extra)} are there that the log does not have, {len(rows)} rows in all"
        shown = (
            *(f"missing: {one}" for one in missing[:SHOWN_MAX]),
            *(f"too much: {one}" for one in extra[:SHOWN_MAX]),
        )
        return [Violation("the history has each change once", text, shown)]


def _before(registers: Ints, choices: Records, held: Held) -> Ints:
    """The choice before each one; registers stand together."""
    shifted = np.concatenate([np.zeros(1, np.int64), choices.astype(np.int64)])[:-1]
    return np.where(begins(registers), held.get(registers), shifted)


def _violations(rule: str, wrong: Any, records: Records) -> list[Violation]:
    """Nothing, or one violation with the first records."""
    if not wrong.any():
        return []
    places: Ints = np.flatnonzero(wrong)
    shown = tuple(described(records[place]) for place in places[:SHOWN_MAX])
    return [Violation(rule, f"{len(places)} of {len(records)}; the first ones:", shown)]
