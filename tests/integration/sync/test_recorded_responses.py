"""Responses that the real services gave: our types fit them, and a sync of them works."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from server.store.database import Database
from server.sync.canonical_titles import CanonicalTitles
from server.sync.clients import setlistfm, spotify, spotify_auth, ticketmaster
from server.sync.clients.responses import ItemFault, decode
from server.sync.jobs import run_job_now
from server.sync.prediction import predict
from server.sync.providers import Providers
from server.sync.schedules import build_handlers
from server.sync.setlist_matching import songs_of
from server.sync.setlists import to_played_sets
from tests.support import one_node
from tests.support import providers as stand_in

database_url, redis_url = one_node.database_url, one_node.redis_url

RECORDED = Path(os.environ.get("MYSETLIST_REAL_RESPONSES", Path(__file__).parents[4] / "shared" / "real-responses"))

# The type of each recorded response; the others are errors and tokens.
KINDS: dict[str, Any] = {
    "setlistfm/1": setlistfm.Page, "setlistfm/3": setlistfm.Page, "setlistfm/6": setlistfm.Page,
    "setlistfm/11": setlistfm.Artist, "setlistfm/12": setlistfm.Venue,
    "spotify/11": spotify._Search, "spotify/12": spotify._TrackList,
    "spotify/13": spotify._TrackList, "spotify/17": spotify._TrackList,
    "spotify/22": spotify_auth.Token, "spotify/7": spotify._ErrorDocument, "spotify/8": spotify._ErrorDocument,
    "ticketmaster/4": ticketmaster._Found, "ticketmaster/5": ticketmaster._Found, "ticketmaster/6": ticketmaster._Found,
    "ticketmaster/9": ticketmaster.Event, "ticketmaster/11": ticketmaster.Venue,
}  # fmt: skip
recorded = pytest.mark.skipif(
    not RECORDED.is_dir(), reason="no recorded answers: MYSETLIST_REAL_RESPONSES names no folder"
)


@recorded
@pytest.mark.parametrize("name", KINDS)
def test_every_recorded_response_is_read(name: str) -> None:
    """Our types fit all responses that the real services gave, of any year."""
    faults: list[ItemFault] = []
    read: Any = decode((RECORDED / f"{name}.json").read_bytes(), KINDS[name], faults)
    assert faults == []
    if isinstance(read, setlistfm.Page):
        assert all(one.date is not None and one.artist is not None for one in read.setlist)
    if isinstance(read, spotify._TrackList):
        assert read.tracks


@recorded
@pytest.mark.parametrize("name", ["ticketmaster/4", "ticketmaster/5", "ticketmaster/6"])
async def test_recorded_events_are_synced(
    name: str, database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> None:
    """A page of real listings becomes shows; refused ones are reported, and nothing breaks."""
    body = (RECORDED / f"{name}.json").read_bytes()
    page = decode(body, ticketmaster._Found, [])
    assert page is not None
    # As if it were the only page of its search.
    only = {"size": 200, "totalElements": 20, "totalPages": 1, "number": 0}
    body = msgspec.json.encode({**msgspec.json.decode(body), "page": only})
    events = page.embedded.events
    acts = [event.embedded.attractions[0] for event in events if event.embedded.attractions]
    known = {act.id: act.name for act in acts} or {"K8v": "Nobody"}
    for number, (act, title) in enumerate(known.items()):
        await sql.execute("insert into artists (slug, name) values ($1, $2)", f"act-{number}", title)
        await sql.execute(
            "insert into artist_identities (service, external_id, artist_id, confidence, evidence)"
            " select 'ticketmaster', $1, id, 1, 'told' from artists where slug = $2", act, f"act-{number}",
        )  # fmt: skip
    for artist_id in [row["id"] for row in await sql.fetch("select id from artists order by id")]:
        await sql.execute("delete from external_cache")
        provider_services.ticketmaster.fail(body=body)
        handler = build_handlers(database, providers)["ticketmaster", "shows"]
        await run_job_now(database, handler, ("ticketmaster", "shows"), str(artist_id))
        provider_services.ticketmaster.faults.clear()
    assert await sql.fetch("select error from sync_jobs where status <> 'succeeded'") == []
    count = await sql.fetchval("select count(*) from shows")
    refused = await sql.fetchval("select count(*) from import_log where outcome = 'refused'")
    assert (count > 0) == bool(acts), await sql.fetch("select outcome, message from import_log")
    assert refused == 0 or count > 0


@recorded
@pytest.mark.parametrize("name", ["setlistfm/1", "setlistfm/3", "setlistfm/6"])
async def test_recorded_setlists_are_synced(
    name: str, database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> None:
    """A page of real setlists becomes a prediction for the next show of the first artist with setlists."""
    body = (RECORDED / f"{name}.json").read_bytes()
    page = msgspec.json.decode(body, type=setlistfm.Page, strict=False)
    artist = next(one.artist for one in page.setlist if one.artist is not None and any(songs_of(one)))
    theirs = [one for one in page.setlist if one.artist and one.artist.mbid == artist.mbid]
    await sql.execute(
        "insert into artists (slug, name) values ('act', 'Act');"
        "insert into venues (slug, name, city, country, latitude, longitude, time_zone)"
        " values ('hall', 'Hall', 'Boston', 'US', 42.3, -71.0, 'America/New_York')"
    )
    await sql.execute(
        "insert into artist_identities (service, external_id, artist_id, confidence, evidence)"
        " select 'musicbrainz', $1, id, 1, 'told' from artists where slug = 'act'", artist.mbid,
    )  # fmt: skip
    await sql.execute(
        "insert into shows (slug, artist_id, venue_id, name, local_date, time_zone, starts_at, opens_at, closes_at)"
        " select 'next', a.id, v.id, 'Next', current_date + 9, v.time_zone, now() + interval '9 days', now(), now() + interval '9 days'"
        " from artists a, venues v where a.slug = 'act'"
    )
    await sql.execute("update artists set name = $1 where slug = 'act'", artist.name)
    provider_services.setlistfm.fail(body=body)
    artist_id = await sql.fetchval("select id from artists where slug = 'act'")
    handler = build_handlers(database, providers)["setlistfm", "setlists"]
    await run_job_now(database, handler, ("setlistfm", "setlists"), str(artist_id))
    assert await sql.fetch("select error from sync_jobs where status <> 'succeeded'") == []
    assert await sql.fetch("select message from import_log where outcome = 'refused'") == []
    expected = {
        song.title[:300]
        for song in predict(to_played_sets([one for one in theirs if any(songs_of(one))], CanonicalTitles()))
    }
    titles = await sql.fetch("select g.title from setlist_songs e join songs g on g.id = e.song_id")
    assert {row["title"] for row in titles} == expected
    assert expected
