"""Chooses the votes of a voter. Pure; the same seed gives the same votes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

Choice = Literal["up", "down", "none"]
Held = Literal["up", "down"]

# A song's popularity falls with a power of its rank: the favourite of 20 songs gets about a seventh of the votes.
_SKEW = 0.85
_TABLE_SIZE = 256
_TRIES_MAX = 8
_SHOWS_PER_VOTER_MAX = 3
# A second vote on a song withdraws the first with this probability, else it changes up to down or down to up.
_WITHDRAWN_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class Poll:
    """One show to vote in, and the taste of the crowd.

    `table` holds each song as often as it is popular; `up_share` is the probability of an up vote, song -> 0..1.
    """

    show_id: int
    songs: tuple[int, ...]
    votes_max: int | None  # choices one user may hold; None: any number
    table: tuple[int, ...]
    up_share: Mapping[int, float]


def make_poll(show_id: int, songs: Sequence[int], votes_max: int | None, seed: int) -> Poll:
    """Draws the taste of the crowd for one show: the popularity of its songs, and the share of up votes of each.

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
    up_share = {song: rng.uniform(0.55, 0.97) for song in ranked}
    return Poll(show_id, tuple(songs), votes_max, tuple(table), up_share)


class Plan:
    """The shows of one voter, and its next cast.

    Takes:  polls, the shows of the whole crowd; index, of the voter in the whole crowd; seed
    Owns:   random numbers of its own, so that other voters do not change its votes
    """

    def __init__(self, polls: Sequence[Poll], *, index: int, seed: int, votes_per_cast: int) -> None:
        self._random = Random(f"{seed}:voter:{index}")  # noqa: S311  # choices, not secrets
        self._votes_per_cast = votes_per_cast
        count = min(len(polls), self._random.randint(1, _SHOWS_PER_VOTER_MAX))
        # The first show goes by turns, so that every show has voters if there are enough of them.
        shows = [polls[index % len(polls)]] if polls else []
        while len(shows) < count:
            poll = self._random.choice(polls)
            if poll not in shows:
                shows.append(poll)
        self.polls = shows

    def leave(self, show_id: int) -> None:
        """Stops voting in a show."""
        self.polls = [poll for poll in self.polls if poll.show_id != show_id]

    def draw(
        self, ballots: Mapping[int, Mapping[int, Held]], busy: Collection[int]
    ) -> tuple[Poll, list[tuple[int, Choice]]] | None:
        """Draws the next cast.

        Takes:  ballots, show -> song -> present choice; busy, songs whose last cast is unanswered
        Gives:  a show and 1..votes_per_cast votes on different songs that are not busy and keep the ballot within the
                show's budget; None: no vote is possible now
        """
        polls = self.polls
        if not polls:
            return None
        draw = self._random.random
        poll = polls[0] if len(polls) == 1 else polls[int(draw() * len(polls))]
        ballot = ballots.get(poll.show_id, {})
        room = len(poll.songs) if poll.votes_max is None else poll.votes_max - len(ballot)
        votes: list[tuple[int, Choice]] = []
        taken: set[int] = set()
        table = poll.table
        for _ in range(_TRIES_MAX * self._votes_per_cast):
            song = table[int(draw() * len(table))]
            if room <= 0 and song not in ballot:
                if not ballot:
                    break
                # The ballot is full: change one of its choices.
                song = list(ballot)[int(draw() * len(ballot))]
            if song in busy or song in taken:
                continue
            held = ballot.get(song)
            if held is None:
                room -= 1
                votes.append((song, "up" if draw() < poll.up_share[song] else "down"))
            elif draw() < _WITHDRAWN_SHARE:
                votes.append((song, "none"))
            else:
                votes.append((song, "down" if held == "up" else "up"))
            if len(votes) == self._votes_per_cast:
                break
            taken.add(song)
        return (poll, votes) if votes else None


def set_choice(ballot: MutableMapping[int, Held], song: int, choice: Choice | None) -> None:
    """Sets one choice of a ballot; `none` and None remove it."""
    if choice is None or choice == "none":
        ballot.pop(song, None)
    else:
        ballot[song] = choice
