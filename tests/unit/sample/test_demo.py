"""The seed data, the demo shows planned from it, and their votes."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.sample.demo_shows import Booking, ShowPlanner
from server.sample.fans import write_review
from server.sample.seed_data import load_seed_data
from server.sample.show_plans import PlannedShow, PlannedSong
from server.sample.votes import VoteRow, draw_demo_votes
from tests.support.examples import scaled

SEED_DATA = load_seed_data()
NOW = datetime(2026, 11, 23, 4, 8, 40, tzinfo=UTC)
SONGS = {artist.slug: artist.songs for artist in SEED_DATA.artists}
# Every hour of a day, the ends of months and years, leap day, both changes of the clocks.
INSTANTS = st.one_of(
    st.integers(0, 16 * 366 * 86400).map(lambda seconds: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)),
    st.sampled_from(
        [
            datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC),
            datetime(2026, 12, 31, 23, 59, tzinfo=UTC),
            datetime(2027, 3, 14, 7, 0, tzinfo=UTC),
            datetime(2027, 11, 7, 6, 30, tzinfo=UTC),
        ]
    ),
)


def _plan(now: datetime = NOW, seed: int = 1) -> list[PlannedShow]:
    planner = ShowPlanner(SEED_DATA, seed=seed, now=now)
    return planner.past() + planner.tonight() + planner.upcoming(with_exceptions=True)


def _votes(show: PlannedShow, seed: int = 1, now: datetime = NOW) -> list[VoteRow]:
    songs = range(len(show.predicted))
    return draw_demo_votes(show, show_id=9, song_ids=songs, user_ids=range(2000), seed=seed, now=now)


def test_there_are_fifty_artists_twenty_venues_and_two_hundred_songs() -> None:
    """Slugs are unique, and every artist has enough different songs for a set."""
    assert len(SEED_DATA.artists) == len({artist.slug for artist in SEED_DATA.artists}) == 50
    assert len(SEED_DATA.venues) == len({venue.slug for venue in SEED_DATA.venues}) == 20
    assert sum(len(songs) for songs in SONGS.values()) >= 200
    assert min(len(songs) for songs in SONGS.values()) >= 11
    assert all(len(set(songs)) == len(songs) for songs in SONGS.values())


def test_the_artists_are_from_many_countries() -> None:
    """There are many countries and genres, and no country has more than half of the artists."""
    countries = Counter(artist.country for artist in SEED_DATA.artists)
    assert len(countries) >= 15
    assert countries.most_common(1)[0][1] <= 25
    assert len({artist.genre for artist in SEED_DATA.artists}) >= 20
    assert all(len(country) == 2 and country.isupper() for country in countries)


def test_the_venues_are_in_the_united_states() -> None:
    """Coordinates lie in the contiguous states or Hawaii, near the meridian of their time zone."""
    for venue in SEED_DATA.venues:
        mainland = 24.5 < venue.latitude < 49.4 and -124.8 < venue.longitude < -66.9
        hawaii = 18.9 < venue.latitude < 22.3 and -160.3 < venue.longitude < -154.8
        assert mainland or hawaii, venue.slug
        offset = datetime(2026, 1, 15, tzinfo=ZoneInfo(venue.time_zone)).utcoffset()
        assert offset is not None
        assert abs(offset.total_seconds() / 3600 - venue.longitude / 15) < 1.5, venue.slug
        assert 1000 <= venue.capacity <= 30_000
    assert len({(venue.latitude, venue.longitude) for venue in SEED_DATA.venues}) == 20


def test_there_are_a_hundred_shows_of_every_status() -> None:
    """Slugs are unique, one show is locked, one is cancelled, and budgets differ."""
    shows = _plan()
    assert len(shows) == len({show.slug for show in shows}) == 100
    statuses = Counter(show.status for show in shows)
    assert statuses == {"finished": 35, "live": 6, "upcoming": 58, "cancelled": 1}
    assert sum(show.is_locked for show in shows) == 1
    assert {show.votes_per_user_max for show in shows} >= {None, 5, 10}


@settings(max_examples=scaled(25))
@given(INSTANTS, st.integers(0, 5))
def test_at_any_hour_shows_are_open_for_votes(now: datetime, seed: int) -> None:
    """At the start three live and twenty upcoming shows are open; at any time of the next ten hours three are live and open."""
    shows = _plan(now, seed)
    open_ones = [s for s in shows if s.status in ("live", "upcoming") and not s.is_locked]
    assert all(s.opens_at <= now < s.closes_at for s in open_ones)
    assert sum(s.status == "live" for s in open_ones) >= 3
    assert sum(s.status == "upcoming" for s in open_ones) >= 20
    for minutes in range(0, 600, 5):
        then = now + timedelta(minutes=minutes)
        assert sum(s.starts_at <= then < s.closes_at for s in open_ones) >= 3, then


@settings(max_examples=scaled(25))
@given(INSTANTS)
def test_planned_shows_agree_with_the_clock(now: datetime) -> None:
    """Statuses fit the time, local dates fit the zones, and no artist and no venue has two shows a night."""
    shows = _plan(now)
    for show in shows:
        assert show.opens_at < show.closes_at
        assert show.local_date == show.starts_at.astimezone(ZoneInfo(show.time_zone)).date()
        assert show.slug == f"{show.artist}-{show.venue}-{show.local_date}"
        is_over = show.starts_at + timedelta(hours=4) < now
        assert (show.status == "finished") == is_over
        assert (show.finalised_at is not None) == is_over
        assert (show.status == "live") == (show.starts_at <= now and not is_over)
    assert len({(show.artist, show.local_date) for show in shows}) == 100
    assert len({(show.venue, show.local_date) for show in shows}) == 100


def _main(show: PlannedShow, type_: str) -> list[PlannedSong]:
    """The songs of the artist's own main set and encores."""
    sets = [s for s in show.sets if s.type == type_ and s.artist is None and s.kind != "alternate"]
    return [song for planned in sets for song in planned.songs]


@settings(max_examples=scaled(15))
@given(INSTANTS)
def test_setlists_are_songs_of_the_artist(now: datetime) -> None:
    """A show predicts 8 to 15 own songs. A finished show played a similar set, a live one its first songs, others none."""
    for show in _plan(now):
        for planned in show.sets:
            titles = [(song.artist, song.title) for song in planned.songs]
            assert titles
            assert len(set(titles)) == len(titles)
            assert all(title in SONGS[artist] and SONGS[artist][song.rank] == title
                       for (artist, title), song in zip(titles, planned.songs, strict=True))  # fmt: skip
            assert {song.artist for song in planned.songs} == {planned.artist} or planned.artist is None
        predicted, actual = _main(show, "predicted"), _main(show, "actual")
        own = {song.title for song in predicted if song.artist == show.artist}
        assert 8 <= len(own) <= 15
        assert len(predicted) - len(own) <= 2
        assert bool(actual) == (show.status == "finished")
        if actual:
            played_own = {song.title for song in actual if song.artist == show.artist}
            assert played_own != own
            assert len(played_own & own) >= len(own) // 2
            assert len(actual) <= 20
        played = [song.played_at for song in predicted + actual if song.played_at]
        assert bool(played) == (show.status in ("live", "finished"))
        assert played == sorted(played)
        assert all(show.starts_at < at <= now for at in played)
        others = [
            song for planned in show.sets for song in planned.songs if planned.artist or planned.kind == "alternate"
        ]
        assert not any(song.played_at for song in others)


def test_sets_are_in_the_order_of_the_night() -> None:
    """First the main set, then encores, alternates and a support's set; a tape is first; a medley is of neighbours."""
    kinds: Counter[str] = Counter()
    for show in _plan():
        predicted = [planned for planned in show.sets if planned.type == "predicted"]
        order = [
            (planned.artist is not None, ["main", "encore", "alternate"].index(planned.kind)) for planned in predicted
        ]
        assert order == sorted(order)
        assert [planned.artist for planned in predicted if planned.artist] == list(show.supports)
        for planned in show.sets:
            kinds[planned.kind] += 1
            assert not any(song.is_tape for song in planned.songs[1:])
            places = [place for place, song in enumerate(planned.songs) if song.medley]
            assert not places or places == list(range(places[0], places[0] + len(places)))
            assert len(places) != 1
    assert min(kinds.values()) >= 5


@settings(max_examples=scaled(10))
@given(INSTANTS)
def test_artists_play_venues_of_their_size(now: datetime) -> None:
    """All but a few shows are at a venue of the artist's size, and no artist is on two stages a night."""
    artists = {artist.slug: artist for artist in SEED_DATA.artists}
    venues = {venue.slug: venue for venue in SEED_DATA.venues}
    shows = _plan(now)
    assert sum(not venues[show.venue].fits(artists[show.artist]) for show in shows) <= 5
    on_stage = Counter((name, show.local_date) for show in shows for name in (show.artist, *show.supports))
    assert max(on_stage.values()) == 1
    assert sum(bool(show.supports) for show in shows) >= 20


def test_fans_have_names_and_reviews() -> None:
    """Names fit their column and use several scripts; every rating has texts, and some name the city."""
    people = SEED_DATA.people
    assert len(set(people.names)) == len(people.names) >= 80
    assert all(1 <= len(name) <= 80 and name == name.strip() for name in people.names)
    assert any("\u0590" <= letter <= "\u06ff" for name in people.names for letter in name)
    assert any(letter >= "\U0001f300" for name in people.names for letter in name)
    assert sorted(bank.rating for bank in people.reviews) == [1, 2, 3, 4, 5]
    rng = random.Random(1)
    reviews = [write_review(rng, people, "Austin") for _ in range(500)]
    assert {rating for rating, _ in reviews} == {1, 2, 3, 4, 5}
    assert all(body == body.strip() and "{" not in body and len(body) >= 15 for _, body in reviews)
    assert any("Austin" in body for _, body in reviews)


def test_a_plan_and_its_votes_are_reproducible() -> None:
    """The same seed and instant give the same data; another seed gives other data."""
    assert _plan() == _plan()
    assert _plan(seed=2) != _plan(seed=1)
    show = _plan()[0]
    assert _votes(show) == _votes(show)
    assert _votes(show, seed=2) != _votes(show, seed=1)


def test_a_second_plan_avoids_the_nights_of_the_first() -> None:
    """Its shows have other slugs, and use no artist who is booked that night."""
    first = _plan()
    booked = [Booking(show.artist, show.venue, show.local_date) for show in first]
    second = ShowPlanner(SEED_DATA, seed=1, now=NOW, booked=booked).upcoming(with_exceptions=False)
    assert not {show.slug for show in first} & {show.slug for show in second}
    assert not {(s.artist, s.local_date) for s in first} & {(s.artist, s.local_date) for s in second}


OTHER_HOURS = pytest.mark.nightly(
    "two hours of a day are enough to see a wrong window; the plans of every hour are tested above"
)


@pytest.mark.parametrize("hours", [0, 14, pytest.param(7, marks=OTHER_HOURS), pytest.param(21, marks=OTHER_HOURS)])
def test_votes_keep_the_rules_of_voting(hours: int) -> None:
    """Votes are within the window and not in the future, one for each song and user, and within the budget."""
    now = NOW + timedelta(hours=hours)
    total = 0
    for show in _plan(now):
        votes = _votes(show, now=now)
        total += len(votes)
        assert votes
        assert all(show.opens_at <= cast_at < min(show.closes_at, now) for *_, cast_at in votes)
        assert len({(song, user) for song, user, *_ in votes}) == len(votes)
        assert all(0 <= song < len(show.predicted) and 0 <= user < 2000 for song, user, *_ in votes)
        assert {(show_id, choice) for _, _, show_id, choice, _ in votes} == {(9, "up"), (9, "down")}
        spent = Counter(user for _, user, *_ in votes)
        assert max(spent.values()) <= (show.votes_per_user_max or 10)
    assert 40_000 <= total <= 80_000


def test_popular_songs_get_more_votes_and_more_of_them_up() -> None:
    """Over all shows, the three best known songs of an artist get more votes and a higher share of up."""
    counts: Counter[tuple[bool, bool]] = Counter()
    places: Counter[bool] = Counter()
    for show in _plan():
        popular = set(SONGS[show.artist][:3])
        places.update(song.title in popular for song in show.predicted)
        for song, _, _, choice, _ in _votes(show):
            counts[show.predicted[song].title in popular, choice == "up"] += 1
    per_song = {
        is_popular: (counts[is_popular, True] + counts[is_popular, False]) / places[is_popular] for is_popular in places
    }
    approval = {
        is_popular: counts[is_popular, True] / (counts[is_popular, True] + counts[is_popular, False])
        for is_popular in places
    }
    assert per_song[True] > 1.3 * per_song[False]
    assert approval[True] > approval[False] + 0.1
    assert counts[True, False] > 0
