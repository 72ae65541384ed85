"""Forgetting a provider: its data are deleted, data that people made theirs stay, and every count is right."""

from __future__ import annotations

from typing import Any

import pytest

from server.store.database import Database
from server.sync import forgetting
from server.sync.forgetting import forget
from server.sync.jobs import queue_job
from server.sync.providers import Providers
from tests.support import one_node
from tests.support import providers as stand_in
from tests.support.synced_catalogue import bring_in, waiting_for_votes
from tests.support.unheld import unheld

database_url, redis_url = one_node.database_url, one_node.redis_url

OF_SERVICE = (
    "external_cache",
    "artist_identities",
    "venue_identities",
    "show_identities",
    "song_identities",
    "identity_reviews",
)
ACTUAL = (
    "with l as (insert into setlists (show_id, type, name) values ($1, 'actual', 'Played') returning id)"
    " insert into setlist_songs (setlist_id, show_id, song_id, position)"
    " select l.id, $1, s.id, row_number() over (order by s.id) from l, (select id from songs order by id limit 3) s"
)
PLAYED = (
    "insert into show_identities (service, external_id, show_id, url, confidence, evidence, songs)"
    " values ('setlistfm', 'x' || $1::bigint, $1, 'https://www.setlist.fm/x', 1, 'the same day', songs_in_order($1, 'actual'))"
)
VOTE = (
    "insert into votes (setlist_song_id, user_id, show_id, choice, cast_at)"
    " select min(e.id), $2, $1, 'up', now() from setlist_songs e where e.show_id = $1"
)
WITHDRAWN = (
    "insert into vote_analytics (show_id, setlist_song_id, user_id, previous, choice, cast_at)"
    " select $1, min(e.id), $2, x.previous::vote_choice, x.choice::vote_choice, now()"
    " from setlist_songs e, (values (null, 'up'), ('up', null)) x (previous, choice) where e.show_id = $1"
    " group by x.previous, x.choice"
)


async def left_of(sql: Any, service: str) -> dict[str, int]:
    """The number of a service's rows by table."""
    counts = {
        table: await sql.fetchval(f"select count(*) from {table} where service = $1::sync_service", service)
        for table in OF_SERVICE
    }
    return {table: count for table, count in counts.items() if count}


async def ids(sql: Any, query: str) -> set[int]:
    """A column of ids."""
    return {row[0] for row in await sql.fetch(query)}


async def test_a_providers_data_are_deleted_and_data_of_people_stay(
    database: Database,
    providers: Providers,
    provider_services: stand_in.Providers,
    sql: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of two artists' shows one has a vote, one had one, one has a guest, one was changed by staff: these stay, one provider
    after the other; no vote is lost, and a second call changes nothing.
    """
    monkeypatch.setattr(forgetting, "SHOWS_PER_BATCH", 2)
    monkeypatch.setattr(forgetting, "ROWS_PER_BATCH", 3)
    for artist in provider_services.world.artists[:2]:
        await bring_in(database, providers, sql, artist.name)
    shows = sorted(await ids(sql, "select id from shows"))
    assert len(shows) >= 6
    voted, withdrawn, attended, changed, played, *_ = shows
    fan = await sql.fetchval("insert into users default values returning id")
    await sql.execute(VOTE, voted, fan)
    await sql.execute(WITHDRAWN, withdrawn, fan)
    await sql.execute("insert into user_show_attendance (user_id, show_id) values ($1, $2)", fan, attended)
    await sql.execute("insert into audit_log (action, subject) values ('show.lock', 'show:' || $1::bigint)", changed)
    await sql.execute(ACTUAL, played)
    await sql.execute(PLAYED, played)
    own_venue = await sql.fetchval("select venue_id from shows where id = $1", voted)
    await sql.execute(
        "insert into identity_reviews (service, external_id, name, venue_id, confidence, evidence)"
        " values ('ticketmaster', 'v', 'Hall', $1, 0.5, 'its name alone')",
        own_venue,
    )
    songs, artists = await ids(sql, "select id from songs"), await ids(sql, "select id from artists")
    await queue_job(database, "ticketmaster", "shows", "1")

    gone = await forget(database, "spotify", unheld)
    assert (gone["shows"], gone["predicted"], gone["links"] > 5, gone["answers"] > 0) == (0, 0, True, True)
    assert await left_of(sql, "spotify") == {}
    assert await ids(sql, "select id from shows") == set(shows)

    gone = await forget(database, "setlistfm", unheld)
    assert (gone["played"], gone["predicted"]) == (1, len(shows) - 2)
    assert await left_of(sql, "setlistfm") == {}
    assert await ids(sql, "select show_id from setlists") == {voted, withdrawn}
    assert await ids(sql, "select show_id from show_predictions") == set()

    gone = await forget(database, "ticketmaster", unheld)
    assert (gone["shows"], gone["kept"]) == (len(shows) - 4, 4)
    assert await left_of(sql, "ticketmaster") == {}
    assert await ids(sql, "select id from shows") == {voted, withdrawn, attended, changed}
    assert await ids(sql, "select id from venues") == await ids(sql, "select venue_id from shows")
    assert await sql.fetchval("select status::text from sync_jobs where subject = '1' order by id desc") == "cancelled"
    again = await forget(database, "ticketmaster", unheld)
    assert +again == {"kept": 4}

    await forget(database, "musicbrainz", unheld)
    assert [await left_of(sql, one) for one in ("musicbrainz", "setlistfm", "spotify", "ticketmaster")] == [{}] * 4
    assert await ids(sql, "select id from artists") == artists
    assert await ids(sql, "select id from songs") == songs
    assert await sql.fetchval("select count(*) from votes") == 1
    assert await sql.fetch("select * from miscounts()") == []
    runs = await sql.fetch("select service::text, status::text from sync_jobs where kind = 'forget' order by id")
    services = ["spotify", "setlistfm", "ticketmaster", "ticketmaster", "musicbrainz"]
    assert [tuple(run) for run in runs] == [(one, "succeeded") for one in services]
    assert await sql.fetchval("select count(*) from sync_pauses") == 4
    assert (
        await sql.fetchval(
            "select count(*) from import_log l join sync_jobs j on j.id = l.job_id where j.kind <> 'forget'"
        )
        == 0
    )


async def test_a_changed_prediction_and_a_show_of_our_own_stay(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> None:
    """Shows are deleted with their predicted sets, unless somebody changed those, ever voted, suggested a song or has a ticket.
    A show that existed before Ticketmaster listed it only loses its link; an actual setlist with votes stays, and so does a
    venue with a review.
    """
    for artist in provider_services.world.artists[:2]:
        await bring_in(database, providers, sql, artist.name)
    edited, own, withdrawn, wished, ticketed, *others = sorted(await ids(sql, "select id from shows"))
    await sql.execute(ACTUAL, own)
    await sql.execute(PLAYED, own)
    await sql.execute(
        "delete from setlist_songs where id = (select min(id) from setlist_songs where show_id = $1)", edited
    )
    await sql.execute("update shows set origin = null where id = $1", own)
    fan = await sql.fetchval("insert into users default values returning id")
    await sql.execute(WITHDRAWN, withdrawn, fan)
    await sql.execute("insert into song_suggestions (show_id, user_id, title) values ($1, $2, 'Encore')", wished, fan)
    await sql.execute("insert into ticket_codes (show_id, code_hash) values ($1, sha256('a'))", ticketed)
    venue = await sql.fetchval("select venue_id from shows where id = $1", others[0])
    await sql.execute("insert into venue_reviews (venue_id, user_id, rating) values ($1, $2, 5)", venue, fan)
    gone = await forget(database, "ticketmaster", unheld)
    assert gone["shows"] == len(others)
    assert await ids(sql, "select id from shows") == {edited, own, withdrawn, wished, ticketed}
    assert await ids(sql, "select id from venues") >= {venue}
    # Somebody votes on the actual setlist, which is from there: it stays.
    await sql.execute(
        "insert into votes (setlist_song_id, user_id, show_id, choice, cast_at) select max(e.id), $2, $1, 'up', now()"
        " from setlist_songs e join setlists l on l.id = e.setlist_id where l.show_id = $1 and l.type = 'actual'", own, fan,
    )  # fmt: skip
    gone = await forget(database, "setlistfm", unheld)
    assert (gone["predicted"], gone["played"]) == (2, 0)
    assert await ids(sql, "select show_id from setlists") == {edited, own, withdrawn}
    assert await sql.fetchval("select count(*) from votes") == 1
    assert await sql.fetch("select * from miscounts()") == []


async def test_forgetting_waits_for_votes_without_locks(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any, database_url: str
) -> None:
    """Writers of votes and this deletion both lock the shard first, so they cannot deadlock."""
    await bring_in(database, providers, sql, provider_services.world.artists[0].name)
    last = await sql.fetchval("select max(id) from shows")
    async with waiting_for_votes(database_url, last, forget(database, "setlistfm", unheld)):
        assert await sql.fetchval("select count(*) from setlists") > 0
    assert await sql.fetchval("select count(*) from setlists") == 0
