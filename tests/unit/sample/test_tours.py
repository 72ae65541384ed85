"""Plans a large catalogue without a database: sizes, tours and votes."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import SetupError
from server.sample.large import LargeSize
from server.sample.seed_data import load_seed_data
from server.sample.tours import Tours, load_world, share_votes
from server.sample.votes import CHOICES_SURE, draw_tour_votes
from tests.support.examples import scaled

NOW = datetime(2026, 11, 23, 4, 8, 40, tzinfo=UTC)
WORLD = load_world()
VENUES = WORLD.venues()
COVERED = load_seed_data().artists


def _tours(shows: int = 100, votes: int = 50_000, seed: int = 1, now: datetime = NOW) -> Tours:
    return Tours(WORLD, VENUES, COVERED, share_votes(shows, votes, seed=seed), seed=seed, now=now)


@pytest.mark.parametrize(
    ("shows", "votes", "seed", "line"),
    [
        (0, None, 1, "--shows: 0 is not between 1 and 100000"),
        (100_001, None, 1, "--shows: 100001 is not between 1 and 100000"),
        (-5, 5, 1, "--shows: -5 is not between 1 and 100000"),
        (3, 150_001, 1, "--votes: 150001 is not between 0 and the 150000 that 3 shows hold"),
        (3, -1, 1, "--votes: -1 is not between 0 and the 150000 that 3 shows hold"),
        (None, 10**12, 1, "--votes: 1000000000000 is not between 0 and the 50000000 that 1000 shows hold"),
        (3, 3, -1, "--seed: -1 is negative"),
    ],
)
def test_an_impossible_size_is_refused_in_one_line(shows: int | None, votes: int | None, seed: int, line: str) -> None:
    """The line names the flag, the number and the allowed range."""
    with pytest.raises(SetupError) as caught:
        LargeSize.of(shows, votes, seed)
    assert str(caught.value) == line


def test_a_size_has_defaults() -> None:
    """They are a thousand shows with five thousand votes each."""
    assert LargeSize.of() == LargeSize.of(1_000, 5_000_000, 1)
    assert LargeSize.of(7).votes == 35_000


@given(st.integers(1, 400), st.integers(0, 2_000_000), st.integers(0, 9))
def test_all_votes_are_shared_among_the_shows(shows: int, votes: int, seed: int) -> None:
    """Every show has a quota of zero or more, and together they are all votes."""
    quotas = share_votes(shows, votes, seed=seed)
    assert len(quotas) == shows
    assert sum(quotas) == votes
    assert min(quotas) >= 0


def test_some_shows_are_more_popular() -> None:
    """The most popular show has several times the votes of the least."""
    quotas = share_votes(1_000, 5_000_000, seed=1)
    assert max(quotas) > 8 * min(quotas)
    assert min(quotas) > 500


def test_a_tour_depends_on_seed_and_number_alone() -> None:
    """Made alone or after others it is the same; another number or seed gives another tour."""
    tours = _tours()
    assert tours.count == 10
    alone = tours.make(7)
    for number in range(tours.count):
        tours.make(number)
    assert tours.make(7) == alone
    assert alone.artist.slug == tours.slug(7)
    assert _tours().make(7) == alone
    assert tours.make(6) != alone
    assert _tours(seed=2).make(7) != alone
    assert len({tours.slug(number) for number in range(tours.count)}) == tours.count
    assert len(_tours(shows=25).make(2).shows) == 5


def test_the_venues_of_the_world_are_valid() -> None:
    """Slugs are unique, also beside those of the demo; zones exist and lie near the longitude of the venue."""
    assert len({venue.slug for venue in VENUES}) == len(VENUES) >= 200
    assert not {venue.slug for venue in VENUES} & {venue.slug for venue in load_seed_data().venues}
    for venue in VENUES:
        offset = NOW.astimezone(ZoneInfo(venue.time_zone)).utcoffset()
        assert offset is not None
        assert abs(offset.total_seconds() / 3600 - venue.longitude / 15) < 2.5, venue.slug
        assert -90 <= venue.latitude <= 90


@settings(max_examples=scaled(20))
@given(st.integers(0, 16 * 366 * 86400), st.integers(0, 9))
def test_shows_agree_with_the_clock(seconds: int, number: int) -> None:
    """Voting has opened on all of them, statuses fit the time, and a tour plays no venue and no night twice."""
    now = datetime.fromtimestamp(1_704_067_200 + seconds, UTC)
    tour = _tours(now=now).make(number)
    assert len({show.slug for show in tour.shows}) == len({show.venue for show in tour.shows}) == 10
    assert len({show.local_date for show in tour.shows}) == 10
    for show in tour.shows:
        assert show.opens_at < min(now, show.closes_at)
        assert (show.status == "upcoming") == (show.starts_at > now)
        assert bool(show.actual) == (show.status == "finished") == (show.finalised_at is not None)
        assert all(song.played_at <= now for song in show.predicted + show.actual if song.played_at)


@settings(max_examples=scaled(30))
@given(st.integers(0, 2_000), st.integers(0, 200), st.integers(0, 9))
def test_votes_keep_the_rules_of_voting(quota: int, spare_fans: int, number: int) -> None:
    """With few fans too the quota is met: one vote for each song and fan, within budget and window, not in the future."""
    show = _tours().make(number).shows[3]
    fans = range(1_000, 1_000 + max(1, -(-quota // CHOICES_SURE)) + spare_fans)
    songs = range(len(show.predicted))
    rows = list(
        draw_tour_votes(random.Random(5), show, show_id=9, song_ids=songs, user_ids=fans, quota=quota, now=NOW)
    )  # fmt: skip
    assert len(rows) == quota
    assert len({row[:2] for row in rows}) == quota
    assert all(row[0] in songs and row[1] in fans and row[2] == 9 and row[3] in {"up", "down"} for row in rows)
    assert all(show.opens_at <= row[4] < min(show.closes_at, NOW) for row in rows)
    assert max(Counter(row[1] for row in rows).values(), default=0) <= (show.votes_per_user_max or 10)


def test_votes_are_skewed() -> None:
    """Known songs get more votes, devoted fans vote at more shows, and evenings are busier than mornings."""
    tour = _tours(100, 500_000).make(3)
    fans = range(tour.fan_count)
    shows_of: Counter[int] = Counter()
    by_rank: Counter[bool] = Counter()
    hours: Counter[bool] = Counter()
    for show, quota in zip(tour.shows, tour.quotas, strict=True):
        songs = range(len(show.predicted))
        known = {place for place, song in enumerate(show.predicted) if song.artist == show.artist and song.rank < 3}
        zone = ZoneInfo(show.time_zone)
        rows = list(
            draw_tour_votes(random.Random(1), show, show_id=1, song_ids=songs, user_ids=fans, quota=quota, now=NOW)
        )  # fmt: skip
        shows_of.update({row[1] for row in rows})
        by_rank.update(row[0] in known for row in rows)
        hours.update(row[4].astimezone(zone).hour in range(17, 24) for row in rows)
    known_share = sum(
        song.artist == show.artist and song.rank < 3 for show in tour.shows for song in show.predicted
    ) / sum(len(show.predicted) for show in tour.shows)
    assert by_rank[True] / by_rank.total() > 1.2 * known_share
    devoted = sum(shows_of[fan] for fan in fans[: len(fans) // 10])
    assert devoted > 2 * sum(shows_of[fan] for fan in fans[-len(fans) // 10 :])
    assert hours[True] > 0.4 * hours.total()
