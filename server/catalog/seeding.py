"""Sample data: a catalogue that is worth looking at the minute a node is up.

What a seed brings about is a state, so doing it again changes nothing: the sample artists, venues and songs are
there, at least LIVE_MIN shows are on with open voting, and at least UPCOMING_MIN are to come with open voting. A
catalogue without any show gets the full hundred, past ones included; a demo that is started again after its shows
are over gets new ones around the new now, and what stands is never changed.

Votes are only ever inserted for shows and by users made in the same transaction. Nobody else can see those yet: no
tally that a running node holds hot moves.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import orjson

from server.catalog.sample.crowd import VOTERS_PER_SHOW, draw_votes
from server.catalog.sample.facts import Facts, load_facts
from server.catalog.sample.programme import UPCOMING_DAYS, Booking, PlannedShow, Programme
from server.errors import SetupError
from server.store.database import Database
from server.store.queries import load_queries

if TYPE_CHECKING:
    from server.store.database import Connection

LIVE_MIN = 3
UPCOMING_MIN = 20
VOTES_PER_BATCH_MAX = 10_000

queries = load_queries(Path(__file__).with_name("seeding.sql"))

Progress = Callable[[str, int, int], None]


class SeedResult(msgspec.Struct, frozen=True):
    """How many rows a seed has added; all 0 when everything was there."""

    artists: int = 0
    venues: int = 0
    songs: int = 0
    users: int = 0
    shows: int = 0
    votes: int = 0


class _Ballots(msgspec.Struct):
    """Votes ready to be inserted, one list a column."""

    song_ids: list[int] = []
    user_ids: list[int] = []
    show_ids: list[int] = []
    is_up: list[bool] = []
    cast_at: list[datetime] = []


def _silent(stage: str, done: int, total: int) -> None:
    """Shows nothing."""


async def seed(
    database_url: str,
    *,
    profile: Literal["demo", "large"] = "demo",
    seed: int = 1,
    now: datetime | None = None,
    progress: Progress = _silent,
) -> SeedResult:
    """Brings the database to the state described above.

    Takes:  seed, the same number and the same `now` give the same data; now, aware, for tests; progress, called with
            stage, done, total
    Raises: SetupError: no such profile; StoreUnavailable
    Cancel: nothing was written, but perhaps empty months of the history
    """
    if profile != "demo":
        raise SetupError(f"There is no sample data called {profile!r}; there is demo.")
    now = now or datetime.now(UTC)
    facts = load_facts()
    db = await Database.open(database_url, pool_size=1)
    try:
        async with db.transaction() as connection:
            await queries.lock_seeding(connection)
            wanted = await _wanted(connection, facts, seed, now)
            if wanted:
                # Apart from the rest, because making a partition locks the whole history.
                since = min(show.opens_at for show in wanted)
                await queries.make_history_months(connection, first=since.date(), last=now.date())
        async with db.transaction() as connection:
            await queries.lock_seeding(connection)
            return await _write(connection, facts, seed, now, progress)
    finally:
        await db.close()


async def _wanted(connection: Connection, facts: Facts, seed: int, now: datetime) -> list[PlannedShow]:
    state = await queries.demo_state(connection, instant=now)
    is_new = state["show_count"] == 0
    nights = timedelta(days=UPCOMING_DAYS + 2)
    booked = [
        Booking(row["artist"], row["venue"], row["local_date"])
        async for row in queries.booked_nights(
            connection, first=(now - timedelta(days=2)).date(), last=(now + nights).date()
        )
    ]
    programme = Programme(facts, seed=seed, now=now, booked=booked)
    shows: list[PlannedShow] = []
    if is_new:
        shows += programme.past()
    if state["live_count"] < LIVE_MIN:
        shows += programme.tonight()
    if state["upcoming_count"] < UPCOMING_MIN:
        shows += programme.upcoming(with_exceptions=is_new)
    return shows


async def _write(connection: Connection, facts: Facts, seed: int, now: datetime, progress: Progress) -> SeedResult:
    artists = _json(facts.artists)
    artist_count = len([row async for row in queries.insert_artists(connection, rows=artists)])
    progress("artists", len(facts.artists), len(facts.artists))
    venue_count = len([row async for row in queries.insert_venues(connection, rows=_json(facts.venues))])
    progress("venues", len(facts.venues), len(facts.venues))
    song_count = len([row async for row in queries.insert_songs(connection, rows=artists)])
    song_total = sum(len(artist.songs) for artist in facts.artists)
    progress("songs", song_total, song_total)

    shows = await _wanted(connection, facts, seed, now)
    if not shows:
        return SeedResult(artists=artist_count, venues=venue_count, songs=song_count)
    user_ids = [
        row["id"]
        async for row in queries.insert_voters(
            connection,
            count=VOTERS_PER_SHOW * len(shows),
            joined_at=min(show.opens_at for show in shows),
        )
    ]
    show_ids = {row["slug"]: row["id"] async for row in queries.insert_shows(connection, rows=_json(shows))}
    song_ids = await _insert_setlists(connection, shows, show_ids)
    progress("shows", len(shows), len(shows))
    votes = _draw_ballots(shows, facts, show_ids, song_ids, user_ids, seed=seed, now=now)
    vote_count = await _insert_votes(connection, votes, progress)
    return SeedResult(
        artists=artist_count,
        venues=venue_count,
        songs=song_count,
        users=len(user_ids),
        shows=len(show_ids),
        votes=vote_count,
    )


async def _insert_setlists(
    connection: Connection, shows: list[PlannedShow], show_ids: dict[str, int]
) -> dict[tuple[int, int], int]:
    """Inserts the setlists.

    Gives: (show id, place 0-based in its predicted setlist) -> setlist song id
    """
    planned = {(show_ids[show.slug], "predicted"): ("Predicted setlist", show.predicted) for show in shows}
    planned |= {(show_ids[show.slug], "actual"): ("Played", show.actual) for show in shows if show.actual}
    rows = [{"show_id": show_id, "type": type_, "name": name} for (show_id, type_), (name, _) in planned.items()]
    key_of = {
        row["id"]: (row["show_id"], row["type"]) async for row in queries.insert_setlists(connection, rows=_json(rows))
    }
    songs = [
        {
            "setlist_id": setlist_id,
            "show_id": key[0],
            "position": position,
            "title": song.title,
            "played_at": song.played_at,
        }
        for setlist_id, key in key_of.items()
        for position, song in enumerate(planned[key][1], start=1)
    ]
    return {
        (key_of[row["setlist_id"]][0], row["position"] - 1): row["id"]
        async for row in queries.insert_setlist_songs(connection, rows=_json(songs))
        if key_of[row["setlist_id"]][1] == "predicted"
    }


def _draw_ballots(
    shows: list[PlannedShow],
    facts: Facts,
    show_ids: dict[str, int],
    song_ids: dict[tuple[int, int], int],
    user_ids: list[int],
    *,
    seed: int,
    now: datetime,
) -> _Ballots:
    catalogue = {artist.slug: artist.songs for artist in facts.artists}
    ballots = _Ballots()
    for show in shows:
        show_id = show_ids[show.slug]
        for vote in draw_votes(
            show, songs_by_popularity=catalogue[show.artist], voter_count=len(user_ids), seed=seed, now=now
        ):
            ballots.song_ids.append(song_ids[show_id, vote.song])
            ballots.user_ids.append(user_ids[vote.voter])
            ballots.show_ids.append(show_id)
            ballots.is_up.append(vote.is_up)
            ballots.cast_at.append(vote.cast_at)
    return ballots


async def _insert_votes(connection: Connection, ballots: _Ballots, progress: Progress) -> int:
    total = len(ballots.song_ids)
    inserted = 0
    for start in range(0, total, VOTES_PER_BATCH_MAX):
        batch = slice(start, start + VOTES_PER_BATCH_MAX)
        inserted += await queries.insert_first_votes(
            connection,
            song_ids=ballots.song_ids[batch],
            user_ids=ballots.user_ids[batch],
            show_ids=ballots.show_ids[batch],
            is_up=ballots.is_up[batch],
            cast_at=ballots.cast_at[batch],
        )
        progress("votes", inserted, total)
    return inserted


def _json(rows: Any) -> str:
    return orjson.dumps(rows, default=msgspec.to_builtins).decode()
