"""A faulty item of a provider takes nothing but itself, and the operator reads its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from server.store.database import Database
from server.sync.artists import ArtistSyncService
from server.sync.clients import spotify
from server.sync.clients.provider import Unreadable
from server.sync.jobs import queue_job
from server.sync.providers import Providers
from server.sync.schedules import build_scheduler
from server.sync.terminal_tables import fetch_jobs, jobs_as_table
from tests.support import one_node
from tests.support import providers as stand_in
from tests.support.provider_clients import all_events

database_url, redis_url = one_node.database_url, one_node.redis_url


def poison(*keys: str) -> Callable[[Any], Any]:
    """Spoils the first item of each list at a path: a number where its name belongs."""

    def change(answer: Any) -> Any:
        found = answer
        for key in keys:
            found = found[key]
        found[0]["name" if "name" in found[0] else "eventDate"] = {"not": "a text"}
        return answer

    return change


async def test_a_faulty_item_leaves_the_others_at_all_providers(
    providers: Providers, provider_services: stand_in.Providers, capsys: pytest.CaptureFixture[str]
) -> None:
    """One request each, the other items are there, the circuit is closed without a failure, and the log has the name."""
    artist = provider_services.world.artists[0]
    assert providers.setlistfm is not None
    assert providers.ticketmaster is not None
    assert providers.spotify is not None
    provider_services.spotify.is_extended = True
    provider_services.setlistfm.fail(change=poison("setlist"))
    assert len((await providers.setlistfm.fetch_artist_setlists(artist.mbid)).setlist) == 19
    provider_services.ticketmaster.fail(change=poison("_embedded", "events"))
    assert len(await all_events(providers.ticketmaster, attraction_id=artist.attraction_id)) == 4
    provider_services.spotify.fail(change=poison("tracks"))
    top = await providers.spotify.fetch_top_tracks(spotify.Artist(id=artist.spotify_ids[0]))
    assert len(top) == 9
    provider_services.musicbrainz.fail(change=poison("artists"))
    found = await providers.musicbrainz.search_artists("Silver")
    assert artist.mbid not in [one.id for one in found]
    for provider in providers.by_service().values():
        state = await provider.gate.fetch_state()
        assert (provider.service, state.circuit, state.failures) == (provider.service, "closed", 0)
    assert {len(service.asked) for service in provider_services.services()} == {1}
    printed = capsys.readouterr()
    assert printed.out.count("provider.item_unreadable") + printed.err.count("provider.item_unreadable") == 4


async def test_an_only_item_that_is_faulty_is_asked_once(
    providers: Providers, provider_services: stand_in.Providers
) -> None:
    """It is named, not asked again, and no failure of the provider."""
    client = providers.ticketmaster
    assert client is not None
    event_id = (await all_events(client, attraction_id=provider_services.world.artists[0].attraction_id))[0].id
    for _ in range(6):
        provider_services.ticketmaster.fail(change=lambda answer: answer | {"name": 7})
        with pytest.raises(Unreadable, match=f"event {event_id} cannot be read"):
            await client.fetch_event(event_id)
    assert (await client.provider.gate.fetch_state()).failures == 0
    assert len(provider_services.ticketmaster.asked) == 7


async def test_a_job_reports_faulty_items_and_goes_on(
    database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> None:
    """The other shows are written; `sync status` and the run's log name the listing; it is not reported as deleted."""
    artist = await ArtistSyncService(database, providers).sync("Silver Harbour")
    await queue_job(database, "ticketmaster", "shows", str(artist.id))
    await build_scheduler(database, providers).run_until_idle()
    count = await sql.fetchval("select count(*) from shows")
    await sql.execute("delete from external_cache")
    provider_services.ticketmaster.asked.clear()
    event_id = await sql.fetchval(
        "select external_id from show_identities where service = 'ticketmaster' order by 1 desc limit 1"
    )

    def spoil(answer: Any) -> Any:
        for event in answer.get("_embedded", {}).get("events", [answer]):
            if event.get("id") == event_id:
                event["dates"]["start"]["localDate"] = 20270312.5
        return answer

    provider_services.ticketmaster.fail(6, change=spoil)
    await queue_job(database, "ticketmaster", "shows", str(artist.id))
    await build_scheduler(database, providers).run_until_idle()
    rows = await fetch_jobs(database)
    run = next(row for row in rows if row["kind"] == "shows")
    assert (run["status"], run["refused_count"]) == ("succeeded", 1)
    messages = [row["message"] for row in await sql.fetch("select message from import_log where outcome = 'refused'")]
    assert len(messages) == 1
    assert f"event {event_id} cannot be read" in messages[0]
    assert f"event {event_id}" in " ".join(str(cell) for column in jobs_as_table(rows).columns for cell in column.cells)
    assert await sql.fetchval("select count(*) from shows") == count
    assert await sql.fetchval("select count(*) from shows where status = 'cancelled'") == 0
    assert providers.ticketmaster is not None
    assert (await providers.ticketmaster.provider.gate.fetch_state()).failures == 0
