"""A demo's crowd: who voted for what, and when. Popular songs get more votes, and more of them up."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import msgspec

from server.sample.demo_shows import PlannedShow, hours_from_evening
from server.sample.setlists import PlannedSong

VOTERS_PER_SHOW = 20  # users made for each new show; most vote at several
BALLOTS_MEDIAN = 120
BALLOTS_MIN, BALLOTS_MAX = 20, 400
CHOICES_MIN, CHOICES_MAX = 2, 10
FOREIGN_RANKS = 8  # a cover or a support's song is wanted like an own one so much less known


class DrawnVote(msgspec.Struct, frozen=True, gc=False):
    """One vote: place of the song among all that are voted on [0-based], voter [0-based], choice, instant."""

    song: int
    voter: int
    is_up: bool
    cast_at: datetime


def draw_votes(show: PlannedShow, *, voter_count: int, seed: int, now: datetime) -> list[DrawnVote]:
    """The votes of one show: at most votes_per_user_max a voter, one a song, each within the window and not after now.

    Gives:  reproducible by seed, show and now
    Cost:   about 7 us a vote
    """
    rng = random.Random(f"{seed}:{show.slug}:votes")  # noqa: S311 - reproducible on purpose
    zone = timezone(show.starts_at.astimezone(ZoneInfo(show.time_zone)).utcoffset() or timedelta(0))
    until = min(show.closes_at, now)
    span = until - show.opens_at
    if span <= timedelta(0):
        return []
    ranks = [_strangeness(show, song) for song in show.predicted]
    share_elapsed = span / (show.closes_at - show.opens_at)
    excitement = rng.lognormvariate(0.0, 0.5) * (0.4 + 0.6 * share_elapsed)
    ballots = min(BALLOTS_MAX, max(BALLOTS_MIN, round(BALLOTS_MEDIAN * excitement)), voter_count)
    choices_max = min(CHOICES_MAX, len(ranks), show.votes_per_user_max or CHOICES_MAX)
    votes = []
    for voter in rng.sample(range(voter_count), k=ballots):
        # More and more come as the night draws near, more in the evening than in the morning; each decides within a
        # few minutes.
        arrivals = [show.opens_at + span * rng.random() ** 0.5 for _ in range(2)]
        cast_at = min(arrivals, key=lambda at: hours_from_evening(at.astimezone(zone)))
        by_appeal = sorted(range(len(ranks)), key=lambda song: rng.expovariate(1.0) * (ranks[song] + 3))
        for song in by_appeal[: rng.randint(min(CHOICES_MIN, choices_max), choices_max)]:
            is_up = rng.random() < max(0.45, 0.95 - 0.035 * ranks[song])
            votes.append(DrawnVote(song, voter, is_up, cast_at.replace(microsecond=cast_at.microsecond // 1000 * 1000)))
            cast_at = min(cast_at + timedelta(seconds=rng.uniform(1, 20)), until - timedelta(milliseconds=1))
    return votes


def _strangeness(show: PlannedShow, song: PlannedSong) -> int:
    return song.rank if song.artist == show.artist else song.rank + FOREIGN_RANKS
