"""Paths of syncs, imports and sample data."""

from __future__ import annotations

from typing import Any

from server.sample.queries import demo
from server.sample.queries import inserts as sample
from server.sync import record_writer as writing
from server.sync.queries import forgetting
from server.sync.records import ArtistRecord, SetlistRecord, SetRecord, SetSong, ShowRecord, VenueRecord
from tests.support.lock_paths.world import all_rows


async def sync_shows(connection: Any) -> None:
    """An import moves shows to other artists, venues and dates."""
    day = await connection.fetchval("select current_date + 3")
    other = {1: 2, 2: 1}
    records = [
        ShowRecord(artist=f"a{other[n]}", venue=f"v{other[n]}", date=day, slug=f"s{n}", supports=[f"a{n}"])
        for n in (2, 1)
    ]
    await writing.write_records(connection, "shows", list(enumerate(records)), writing.hold_nothing)


async def sync_setlists(connection: Any) -> None:
    """An import writes the setlists of both shows anew."""
    for kind, titles in (("predicted", ("Song 2", "Song 1", "Song 3")), ("actual", ("Song 3", "Song 2"))):
        songs = [SetSong(title=title, by="a1") for title in titles]
        records = [
            SetlistRecord(show=f"s{n}", type=kind, sets=[SetRecord(songs=songs, artist="a2")])  # type: ignore[arg-type]
            for n in (2, 1)
        ]
        await writing.write_records(connection, "setlists", list(enumerate(records)), writing.hold_nothing)


async def _write_played(connection: Any, show: str, *titles: str) -> None:
    for title in titles:
        sets = [SetRecord(songs=[SetSong(title=title)], artist="a1")]
        await writing.write_records(
            connection, "setlists", [(0, SetlistRecord(show=show, type="actual", sets=sets))], writing.hold_nothing
        )


async def sync_first_show(connection: Any) -> None:
    """A sync corrects what one show brought: song 1 goes, then song 2."""
    await _write_played(connection, "s1", "Song 2", "Song 3")


async def sync_second_show(connection: Any) -> None:
    """Another sync corrects what another show brought: song 2 goes, then song 1."""
    await _write_played(connection, "s2", "Song 1", "Song 3")


async def rename_artists(connection: Any) -> None:
    """A sync learns the names of artists anew."""
    records = [ArtistRecord(name=f"Renamed {n}", slug=f"a{n}") for n in (2, 1)]
    await writing.write_records(connection, "artists", list(enumerate(records)), writing.hold_nothing)


async def rename_venues(connection: Any) -> None:
    """A sync learns the names of venues anew."""
    records = [
        VenueRecord(
            name=f"Renamed {n}", city="Köln", country="DE", latitude=51, longitude=7, time_zone="Europe/Berlin",
            slug=f"v{n}",
        )
        for n in (2, 1)
    ]  # fmt: skip
    await writing.write_records(connection, "venues", list(enumerate(records)), writing.hold_nothing)


async def forget(connection: Any) -> None:
    """A provider is forgotten: setlists and scores go."""
    shows = await connection.fetch("select id, slug from shows order by id")
    await writing.lock_shards(connection, [show["slug"] for show in shows], writing.hold_nothing)
    ids = [show["id"] for show in shows]
    await all_rows(forgetting.lock_shows(connection, ids=ids))
    for service in ("setlistfm", "ticketmaster"):
        await forgetting.delete_played(connection, service=service, ids=ids)
        await forgetting.settle_shows(connection, ids=ids)
        await forgetting.delete_settled(connection, service=service, ids=ids)
        await forgetting.delete_predicted(connection, service=service, ids=ids)
        await forgetting.delete_shows(connection, service=service, ids=ids)


async def seed(connection: Any) -> None:
    """Sample data comes to artists and venues that are there."""
    await demo.lock_artist_stats(connection, slugs=["a1", "a2"])
    show = (
        '[{"slug": "s9", "artist": "a2", "venue": "v1", "name": "New", "local_date": "2030-01-01", "time_zone": "UTC",'
        ' "starts_at": "2030-01-01T20:00Z", "status": "upcoming", "opens_at": "2029-01-01T20:00Z",'
        ' "closes_at": "2030-01-01T20:00Z", "is_locked": false}]'
    )
    await all_rows(sample.insert_shows(connection, rows=show))
    user = await connection.fetchval("insert into users default values returning id")
    instant = await connection.fetchval("select now()")
    await sample.insert_follows(connection, user_ids=[user, user], artists=["a2", "a1"], first=instant, last=instant)
    review = '{{"user_id": {0}, "venue": "{1}", "rating": 4, "body": "", "created_at": "2026-01-01T00:00Z"}}'
    rows = "[" + ", ".join(review.format(user, venue) for venue in ("v2", "v1")) + "]"
    await sample.insert_reviews(connection, rows=rows)
