"""What PostgreSQL holds of the vote path, and what the named queries of server/voting do to it, in plain Python.

Each function is one statement. test_models.py plays the same random commits on it and on the database.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

Row = dict[str, Any]
Notice = tuple[str, str]  # channel, payload


@dataclass(frozen=True, slots=True)
class StoredShow:
    """A row of shows. songs: those of its setlists."""

    id: int
    songs: tuple[int, ...]
    opens_ms: int = 1  # 0 in revise.lua: the show is deleted
    closes_ms: int = 1 << 60
    is_locked: bool = False
    budget: int = 0
    revision: int = 1
    position: int = 0
    is_final: bool = False
    picks_close_ms: int = 1 << 45


@dataclass
class Tables:
    """All rows. positions: shard -> position, position of the last reset; votes: (song, user) -> show, choice, cast_ms.

    Every value is immutable, so a copy of the dicts is a snapshot.
    """

    positions: dict[int, tuple[int, int]]
    shows: dict[int, StoredShow]
    users: frozenset[int]
    commits: list[tuple[int, int, tuple[int, ...]]] = field(default_factory=list)  # shard, position, entries
    refused: list[tuple[int, int, list[Any]]] = field(default_factory=list)  # shard, position, votes of a commit
    votes: dict[tuple[int, int], tuple[int, str, int]] = field(default_factory=dict)
    orders: dict[tuple[int, int], int] = field(default_factory=dict)  # (user, show) -> the greatest order
    spent: dict[tuple[int, int], int] = field(default_factory=dict)  # (user, day) -> votes

    def copy(self) -> Tables:
        """A snapshot."""
        return Tables(
            dict(self.positions), dict(self.shows), self.users, list(self.commits), list(self.refused), dict(self.votes),
            dict(self.orders), dict(self.spent),
        )  # fmt: skip

    def shard_of(self, show_id: int) -> int:
        """The shard of a show."""
        return show_id % len(self.positions)

    def counts(self, show_id: int) -> dict[int, tuple[int, int]]:
        """Song -> up, down. Counted from the rows: that the stored counts equal them is proved on the database."""
        counts = {song: [0, 0] for song in self.shows[show_id].songs}
        for (song, _), (of_show, choice, _) in self.votes.items():
            if of_show == show_id:
                counts[song][choice == "down"] += 1
        return {song: (up, down) for song, (up, down) in counts.items()}

    # ── statements that read

    def fetch_positions(self) -> list[Row]:
        """Of every shard."""
        return [
            {"shard": shard, "position": position, "reset_position": reset_position}
            for shard, (position, reset_position) in self.positions.items()
        ]

    def fetch_commits(self, shards: list[int], positions: list[int]) -> list[Row]:
        """The entries committed since the oldest pending one of each shard, and the votes refused by those commits."""
        rows = []
        for shard, oldest in zip(shards, positions, strict=True):
            entries = [e for s, at, entries in self.commits if s == shard and at >= oldest for e in entries]
            refused = [votes for s, at, votes in self.refused if s == shard and at >= oldest]
            rows.append({
                "shard": shard, "position": self.positions[shard][0], "reset_position": self.positions[shard][1], "entries": entries,
                "refused": json.dumps(refused) if refused else None,
            })  # fmt: skip
        return rows

    def shards_to_reset(self, held: list[int]) -> list[Row]:
        """The shards with votes that a commit has refused since the last reset."""
        found = {shard for shard, at, _ in self.refused if shard in held and at > self.positions[shard][1]}
        return [{"shard": shard} for shard in sorted(found)]

    def fetch_warm_up_shows(self, show_ids: list[int]) -> list[Row]:
        """The rules and counts of shows."""
        rows = []
        for show in (self.shows[show_id] for show_id in show_ids if show_id in self.shows):
            counts = self.counts(show.id)
            rows.append(_rules(show) | {"audience": 0, "song_ids": list(counts), "ups": [up for up, _ in counts.values()],
                                        "downs": [down for _, down in counts.values()], "played": "",
                                        "is_new": show.position == 0 and not any(map(any, counts.values()))})  # fmt: skip
        return rows

    def fetch_warm_up_ballots(self, show_ids: list[int], user_ids: list[int]) -> list[Row]:
        """The ballots of pairs of show and user."""
        rows = []
        for show_id, user in zip(show_ids, user_ids, strict=True):
            votes = sorted(
                (cast_ms, song, choice)
                for (song, voter), (of_show, choice, cast_ms) in self.votes.items()
                if voter == user and of_show == show_id
            )
            order = self.orders.get((user, show_id))
            ballot = "".join(f"{song}{choice[0]}" for _, song, choice in votes)
            day = max((day for of_user, day in self.spent if of_user == user), default=0)
            rows.append({
                "show_id": show_id, "user_id": user, "is_known": user in self.users,
                "ballot": ballot if order is None else f"{order}:{ballot}",
                "day": day, "spent": self.spent.get((user, day), 0), "has_ticket": False,
            })  # fmt: skip
        return rows

    def fetch_revised_shows(self, show_ids: list[int]) -> list[Row]:
        """The rules of shows, for revise.lua."""
        return [
            _rules(self.shows[show_id]) | {"audience": 0, "song_ids": list(self.shows[show_id].songs), "played_ids": []}
            for show_id in show_ids
        ]

    def fetch_tally(self, show_id: int) -> list[Row]:
        """The counts of a show."""
        show, counts = self.shows[show_id], self.counts(show_id)
        total = sum(up + down for up, down in counts.values())
        head = {
            "position": self.positions[self.shard_of(show_id)][0],
            "total": total,
            "revision": show.revision,
            "audience": 0,
        }
        return [head | {"id": song, "up_count": up, "down_count": down} for song, (up, down) in counts.items()]

    def fetch_show_positions(self, show_ids: list[int]) -> list[Row]:
        """From which position each tally is what it is."""
        return [
            {
                "id": show_id,
                "position": max(self.shows[show_id].position, self.positions[self.shard_of(show_id)][1]),
                "revision": self.shows[show_id].revision,
            }
            for show_id in show_ids
        ]

    # ── statements that write

    def commit_log(self, p: Mapping[str, Any], now_ms: int) -> tuple[Row, list[Notice]]:
        """Commits what `commit_log` commits: the position is the fence."""
        if any(self.positions[shard][0] != old for shard, old in zip(p["shards"], p["old_positions"], strict=True)):
            return {"changed_count": -1, "refused": None}, []
        shards = dict(zip(p["shards"], p["new_positions"], strict=True))
        for shard, position, entries in zip(p["shards"], p["new_positions"], p["entries"], strict=True):
            self.positions[shard] = (position, self.positions[shard][1])
            self.commits.append((shard, position, tuple(map(int, entries.split(",")))))
        changed_count, refused = self._write_votes(p)
        for shard, position in shards.items():
            if votes := [vote for vote in refused if self.shard_of(vote[0]) == shard]:
                self.refused.append((shard, position, votes))
        for user, day, spent in zip(p["spent_user_ids"], p["spent_days"], p["spent"], strict=True):
            self.spent[user, day] = max(spent, self.spent.get((user, day), 0))
        for user, show, order in zip(p["order_user_ids"], p["order_show_ids"], p["cast_orders"], strict=True):
            self.orders[user, show] = max(order, self.orders.get((user, show), 0))
        notices = self._vote_notices(p, shards, now_ms)
        if refused:
            notices.append(("refusals", json.dumps(refused)))
        for shard, position, entries in zip(p["shards"], p["new_positions"], p["entries"], strict=True):
            notices.append(("commits", f'{{"shard":{shard},"at":{position},"entries":[{entries}],"ms":{now_ms}}}'))
        return {"changed_count": changed_count, "refused": json.dumps(refused).encode() if refused else None}, notices

    def _write_votes(self, p: Mapping[str, Any]) -> tuple[int, list[Any]]:
        changed_count, refused = 0, []
        for song, user, show_id, choice, cast_ms in zip(
            p["song_ids"], p["user_ids"], p["show_ids"], p["choices"], p["cast_ms"], strict=True
        ):
            show = self.shows.get(show_id)
            if show is None or song not in show.songs or user not in self.users:
                continue
            previous = self.votes.get((song, user))
            if choice == (None if previous is None else previous[1]):
                continue
            refusal = "final" if show.is_final else None if show.opens_ms <= cast_ms < show.closes_ms else "window"
            if refusal is not None:
                refused.append([show_id, user, cast_ms, refusal])
                continue
            changed_count += 1
            if choice is None:
                del self.votes[song, user]
            else:
                self.votes[song, user] = (show_id, choice, cast_ms)
        return changed_count, refused

    def _vote_notices(self, p: Mapping[str, Any], shards: Mapping[int, int], now_ms: int) -> list[Notice]:
        notices = []
        songs = set(p["song_ids"])
        for show_id in sorted(set(p["show_ids"])):
            show = self.shows[show_id]
            shard = self.shard_of(show_id)
            counts = self.counts(show_id)
            self.shows[show_id] = replace(show, position=shards[shard])
            change = {
                "show": show_id, "after": max(show.position, self.positions[shard][1]), "at": shards[shard], "part": 0,
                "parts": 1, "total": sum(up + down for up, down in counts.values()), "ms": now_ms,
                "tally": [[song, *counts[song]] for song in sorted(counts) if song in songs],
            }  # fmt: skip
            if change["tally"]:
                notices.append(("votes", json.dumps(change)))
        return notices

    def finalise_shows(self, held: Iterable[int], empty: Iterable[int], hot_now_ms: int, now_ms: int) -> list[Notice]:
        """A closed show is final once nothing cast before its closing can still be in the log."""
        notices = []
        before_ms = min(now_ms, hot_now_ms) - 2_000
        for show in list(self.shows.values()):
            shard = self.shard_of(show.id)
            is_drained = shard in empty or self.positions[shard][0] >= (show.closes_ms + 2_000) << 10
            if not show.is_final and show.closes_ms < before_ms and shard in held and is_drained:
                self.shows[show.id] = replace(show, is_final=True, revision=show.revision + 1)
                notices.append(("shows", str(show.id)))
        return notices


def _rules(show: StoredShow) -> Row:
    return {
        "id": show.id, "revision": show.revision, "opens_ms": show.opens_ms,
        "closes_ms": 0 if show.is_final else show.closes_ms, "is_locked": show.is_locked, "budget": show.budget,
        "requires_ticket": False, "picks_close_ms": show.picks_close_ms,
    }  # fmt: skip
