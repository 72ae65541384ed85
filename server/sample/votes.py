"""Draws the votes of planned shows: popular songs get more votes, and more of them up.

A demo has a few thousand ballots, and draws each by itself. A large catalogue needs millions. So it makes a stock of ballots
and arrival times once for each show, and picks from the stock.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from server.sample.show_plans import PlannedShow, hours_from_evening

CHOICES_MIN, CHOICES_MAX = 2, 10  # votes of one fan in one show
COVER_RANKS = 8  # a cover or a support's song gets votes like an own song whose rank is so much lower

VOTERS_PER_SHOW = 20  # users made for each new demo show; most vote at several shows
BALLOTS_MEDIAN = 120
BALLOTS_MIN, BALLOTS_MAX = 20, 400

CHOICES_SURE = 4  # votes that every fan of a tour may cast at a show: the smallest budget is larger
DEVOTION = (
    9.0  # the most devoted fan of a tour has 1 + DEVOTION times the chance of the least devoted to vote at a show
)
TASTES = 512  # ballots in a show's stock
ARRIVALS = 512  # arrival times in a show's stock
_JITTER = [
    timedelta(milliseconds=part * 1_763) for part in range(1_024)
]  # added to an arrival time: up to half an hour
_STEPS = [timedelta(milliseconds=part * 6_217) for part in range(CHOICES_MAX)]  # from the arrival to each choice
_LATEST = _JITTER[-1] + _STEPS[-1] + timedelta(milliseconds=1)  # more than any choice comes after its arrival time

VoteRow = tuple[int, int, int, str, datetime]  # song, user, show, choice, instant


def draw_demo_votes(
    show: PlannedShow,
    *,
    show_id: int,
    song_ids: Sequence[int],
    user_ids: Sequence[int],
    seed: int,
    now: datetime,
    turnout: float = 1.0,
) -> list[VoteRow]:
    """The votes of one demo show, none after `now`. A fan votes once on a song, within budget and voting window, and not once
    it was played.

    Takes:  song_ids, in the order of `show.predicted`; turnout, the share of the usual number of ballots
    Gives:  the same rows for the same seed, show, now and turnout
    Cost:   about 7 us a vote
    """
    rng = random.Random(f"{seed}:{show.slug}:votes")  # noqa: S311 - reproducible on purpose
    zone = _fixed_zone(show)
    until = min(show.closes_at, now)
    span = until - show.opens_at
    if span <= timedelta(0):
        return []
    ranks = _ranks(show)
    share_elapsed = span / (show.closes_at - show.opens_at)
    excitement = rng.lognormvariate(0.0, 0.5) * (0.4 + 0.6 * share_elapsed)
    ballots = min(BALLOTS_MAX, max(BALLOTS_MIN, round(BALLOTS_MEDIAN * excitement)), len(user_ids))
    ballots = max(1, round(ballots * turnout))
    choices_max = min(CHOICES_MAX, len(ranks), show.votes_per_user_max or CHOICES_MAX)
    rows = []
    for voter in rng.sample(range(len(user_ids)), k=ballots):
        cast_at = _draw_arrival(rng, show.opens_at, span, zone)
        by_appeal = sorted(range(len(ranks)), key=lambda song: rng.expovariate(1.0) * (ranks[song] + 3))
        for song in by_appeal[: rng.randint(min(CHOICES_MIN, choices_max), choices_max)]:
            choice = "up" if rng.random() < _approval(ranks[song]) else "down"
            instant = _whole_ms(cast_at)
            played_at = show.predicted[song].played_at
            if played_at is None or instant < played_at:
                rows.append((song_ids[song], user_ids[voter], show_id, choice, instant))
            # A fan decides within a few minutes.
            cast_at = min(cast_at + timedelta(seconds=rng.uniform(1, 20)), until - timedelta(milliseconds=1))
    return rows


def draw_tour_votes(
    rng: random.Random,
    show: PlannedShow,
    *,
    show_id: int,
    song_ids: Sequence[int],
    user_ids: Sequence[int],
    quota: int,
    now: datetime,
) -> Iterator[VoteRow]:
    """Draws exactly `quota` votes for one show of a tour, ballot by ballot.

    A fan votes once on a song, within budget and voting window.

    Takes:  song_ids, in the order of `show.predicted`; user_ids, the tour's fans, the most devoted first, at least
            quota / CHOICES_SURE of them
    Cost:   about 1 us a vote, because ballots and arrival times come from a stock made for the show
    """
    if quota == 0:
        return
    choices_max = min(CHOICES_MAX, len(song_ids), show.votes_per_user_max or CHOICES_MAX)
    tastes = _draw_tastes(rng, show, song_ids, choices_max)
    arrivals = _draw_arrivals(rng, show, now)
    chance, step = rng.random, DEVOTION / len(user_ids)
    # Exponential keys (Efraimidis and Spirakis, 2006) give the fans in the order of a draw that is weighted by devotion.
    keys = [rng.expovariate(1.0) * (1.0 + step * place) for place in range(len(user_ids))]
    voters = sorted(range(len(user_ids)), key=keys.__getitem__)
    left = quota
    for index, voter in enumerate(voters):
        user_id = user_ids[voter]
        at = arrivals[int(chance() * ARRIVALS)] + _JITTER[int(chance() * 1_024)]
        count = CHOICES_MIN + int(chance() * (choices_max - CHOICES_MIN + 1))
        # With few fans for many votes, each remaining fan has to cast more.
        count = min(left, max(count, -(-left // (len(voters) - index))))
        for (song_id, choice), delay in zip(tastes[int(chance() * TASTES)][:count], _STEPS, strict=False):
            yield song_id, user_id, show_id, choice, at + delay
        left -= count
        if left == 0:
            return


def _draw_tastes(
    rng: random.Random, show: PlannedShow, song_ids: Sequence[int], choices_max: int
) -> list[list[tuple[int, str]]]:
    """A stock of ballots: the best known songs are chosen most often, and liked most."""
    ranks = _ranks(show)
    tastes = []
    for _ in range(TASTES):
        keys = [rng.expovariate(1.0) * (rank + 3) for rank in ranks]
        chosen = sorted(range(len(ranks)), key=keys.__getitem__)[:choices_max]
        tastes.append([(song_ids[song], "up" if rng.random() < _approval(ranks[song]) else "down") for song in chosen])
    return tastes


def _draw_arrivals(rng: random.Random, show: PlannedShow, now: datetime) -> list[datetime]:
    """A stock of instants at which fans begin to vote."""
    zone = _fixed_zone(show)
    # A played song takes no more votes, so none is drawn after the start.
    span = min(show.closes_at, now, show.starts_at) - show.opens_at - _LATEST
    return [_whole_ms(_draw_arrival(rng, show.opens_at, span, zone)) for _ in range(ARRIVALS)]


def _draw_arrival(rng: random.Random, opens_at: datetime, span: timedelta, zone: timezone) -> datetime:
    """Draws when a fan begins to vote: more fans come as the show draws near, and more in the evening than in the morning."""
    tries: list[datetime] = [opens_at + span * rng.random() ** 0.5 for _ in range(2)]
    return min(tries, key=lambda at: hours_from_evening(at.astimezone(zone)))


def _ranks(show: PlannedShow) -> list[int]:
    """The rank of each song for the draw of votes; the best known songs have the lowest ranks."""
    return [song.rank if song.artist == show.artist else song.rank + COVER_RANKS for song in show.predicted]


def _approval(rank: int) -> float:
    return max(0.45, 0.95 - 0.035 * rank)


def _fixed_zone(show: PlannedShow) -> timezone:
    """The offset at the start of the show, for all of its voting: a fixed offset costs less than a real zone."""
    return timezone(show.starts_at.astimezone(ZoneInfo(show.time_zone)).utcoffset() or timedelta(0))


def _whole_ms(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1_000 * 1_000)
