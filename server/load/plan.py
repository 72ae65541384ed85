"""Which votes a person casts: pure, and the same for the same seed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

Choice = Literal["up", "down", "none"]
Held = Literal["up", "down"]

# Popularity falls with the rank's power: the favourite of 20 songs gets about a seventh of the votes.
_SKEW = 0.85
_TABLE_SIZE = 256
_TRIES_MAX = 8
_SHOWS_PER_VOTER_MAX = 3
# Of the votes on a song that already has one: so many are withdrawn, the others turned round.
_WITHDRAWN_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class Poll:
    """What can be voted on in one show.

    `table` holds songs as often as they are popular; `love` is the share of ups, song -> 0..1.
    """

    show_id: int
    songs: tuple[int, ...]
    held_max: int | None  # choices one user may hold; None: any number
    table: tuple[int, ...]
    love: Mapping[int, float]


def make_poll(show_id: int, songs: Sequence[int], held_max: int | None, seed: int) -> Poll:
    """A show with the crowd's taste in it: which songs are favourites, and how much each is liked.

    Takes:  songs, at least one
    """
    rng = Random(f"{seed}:taste:{show_id}")  # noqa: S311  # taste, not a secret
    ranked = list(songs)
    rng.shuffle(ranked)
    weights = [1 / (rank + 1) ** _SKEW for rank in range(len(ranked))]
    total = sum(weights)
    table: list[int] = []
    for song, weight in zip(ranked, weights, strict=True):
        table += [song] * max(1, round(weight / total * _TABLE_SIZE))
    love = {song: rng.uniform(0.55, 0.97) for song in ranked}
    return Poll(show_id, tuple(songs), held_max, tuple(table), love)


class Plan:
    """One voter's choices.

    Takes:  polls, the shows of the whole crowd; index, of the voter in the whole crowd; seed
    Owns:   the voter's shows and its own random numbers: what others do changes nothing
    """

    def __init__(self, polls: Sequence[Poll], *, index: int, seed: int, votes_per_cast: int) -> None:
        self._random = Random(f"{seed}:voter:{index}")  # noqa: S311  # choices, not secrets
        self._votes_per_cast = votes_per_cast
        count = min(len(polls), self._random.randint(1, _SHOWS_PER_VOTER_MAX))
        # The first one by turns, so that every show has voters when there are enough of them.
        shows = [polls[index % len(polls)]] if polls else []
        while len(shows) < count:
            poll = self._random.choice(polls)
            if poll not in shows:
                shows.append(poll)
        self.polls = shows

    def leave(self, show_id: int) -> None:
        """No more votes in this show."""
        self.polls = [poll for poll in self.polls if poll.show_id != show_id]

    def draw(
        self, ballots: Mapping[int, Mapping[int, Held]], busy: Collection[int]
    ) -> tuple[Poll, list[tuple[int, Choice]]] | None:
        """The next cast.

        Takes:  ballots, show -> song -> choice now held; busy, songs whose last cast is unanswered
        Gives:  a show and 1..votes_per_cast votes on different songs, none of them busy, that keep the ballot within
                the show's budget; None when there is nothing to vote on right now
        """
        polls = self.polls
        if not polls:
            return None
        draw = self._random.random
        poll = polls[0] if len(polls) == 1 else polls[int(draw() * len(polls))]
        ballot = ballots.get(poll.show_id, {})
        room = len(poll.songs) if poll.held_max is None else poll.held_max - len(ballot)
        votes: list[tuple[int, Choice]] = []
        taken: set[int] = set()
        table = poll.table
        for _ in range(_TRIES_MAX * self._votes_per_cast):
            song = table[int(draw() * len(table))]
            if room <= 0 and song not in ballot:
                if not ballot:
                    break
                # The ballot is full: think again about something on it.
                song = list(ballot)[int(draw() * len(ballot))]
            if song in busy or song in taken:
                continue
            held = ballot.get(song)
            if held is None:
                room -= 1
                votes.append((song, "up" if draw() < poll.love[song] else "down"))
            elif draw() < _WITHDRAWN_SHARE:
                votes.append((song, "none"))
            else:
                votes.append((song, "down" if held == "up" else "up"))
            if len(votes) == self._votes_per_cast:
                break
            taken.add(song)
        return (poll, votes) if votes else None


def put(ballot: MutableMapping[int, Held], song: int, choice: Choice | None) -> None:
    """Sets one choice; `none` and None both mean that there is none."""
    if choice is None or choice == "none":
        ballot.pop(song, None)
    else:
        ballot[song] = choice
