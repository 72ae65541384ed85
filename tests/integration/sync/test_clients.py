"""The clients of setlist.fm, Ticketmaster and Spotify on a stand-in: good responses, and every known trap."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from server.cache.connection import Connection
from server.clock import SystemClock
from server.errors import ProviderError
from server.store.database import Database
from server.sync.canonical_titles import CanonicalTitles
from server.sync.clients import provider, responses, setlistfm, spotify, spotify_auth, ticketmaster
from server.sync.jobs import run_job_now
from server.sync.prediction import predict
from server.sync.providers import Providers, open_providers
from server.sync.schedules import build_handlers
from server.sync.setlists import is_encore, songs_of, to_played_set
from server.sync.shows import group_listings, is_concert
from tests.support import providers as stand_in
from tests.support.provider_clients import open_clients, provider_settings
from tests.support.providers.ticketmaster import event_json
from tests.support.providers.world import VENUES

RECORDED = Path(os.environ.get("MYSETLIST_REAL_RESPONSES", Path(__file__).parents[4] / "shared" / "real-responses"))


async def all_events(client: ticketmaster.TicketmasterClient, **wanted: Any) -> list[ticketmaster.Event]:
    """All pages of a search."""
    return [event async for page in client.search_events(**wanted) for event in page]


# ── setlist.fm


async def test_an_empty_result_is_404_and_so_is_the_page_after_the_last(
    providers: Providers, provider_services: stand_in.Providers
) -> None:
    """Empty searches and the end of a list give an empty page; an unknown setlist gives None. None of it is an error."""
    client = providers.setlistfm
    assert client is not None
    assert await client.search_artists("Nobody At All") == ()
    unknown = "00000000-0000-4000-8000-000000000000"
    assert (await client.fetch_artist_setlists(unknown)).setlist == ()
    assert await client.fetch_setlist("ffffffff") is None
    mbid = provider_services.world.artists[0].mbid
    first, second = await client.fetch_artist_setlists(mbid), await client.fetch_artist_setlists(mbid, 2)
    assert (len(first.setlist), first.is_last, len(second.setlist), second.is_last) == (20, False, 2, True)
    assert (await client.fetch_artist_setlists(mbid, 3)).is_last
    assert provider_services.setlistfm.violations == []


async def test_setlists_are_read_as_they_are(providers: Providers, provider_services: stand_in.Providers) -> None:
    """Sets one level deeper, days before months, tape, unknown songs, VIP sets, encores by name, no tour by its name."""
    client = providers.setlistfm
    assert client is not None
    artist = provider_services.world.artists[1]
    page = await client.fetch_artist_setlists(artist.mbid)
    upcoming = [one for one in page.setlist if one.date is not None and one.date > provider_services.world.today]
    assert len(upcoming) == 3
    assert all(not one.sets.set for one in upcoming)
    written = next(one for one in page.setlist if one.sets.set)
    assert written.date == provider_services.world.today - dt.timedelta(days=4)
    assert {one.tour_name for one in page.setlist} == {None, "Long Way Round"}
    assert "Only For A Few" in [song.name for one in written.sets.set for song in one.song]
    names = [song.name for _, song in songs_of(written)]
    assert "Only For A Few" not in names
    assert "" not in names
    assert [one.name for one in written.sets.set if is_encore(one)] == ["Encore:"]
    played = to_played_set(written, CanonicalTitles())
    assert "Intro Music" not in [song.title for song in played.songs]
    assert [song.is_encore for song in played.songs[-2:]] == [True, True]
    assert (played.songs[0].place, played.songs[-1].place) == (0.0, 1.0)
    by_day = await client.search_setlists(mbid=artist.mbid, day=written.date)
    assert [one.id for one in by_day.setlist] == [written.id]


async def test_the_most_relevant_artist_is_first(providers: Providers, provider_services: stand_in.Providers) -> None:
    """In the default order, by name, the right artist could be anywhere."""
    assert providers.setlistfm is not None
    provider_services.world.add_artist("Aaa Silver Harbour Tribute")
    found = await providers.setlistfm.search_artists("Silver Harbour")
    assert found[0].name == "Silver Harbour"
    assert provider_services.setlistfm.asked[-1].query["sort"] == "relevance"


# ── Ticketmaster


async def test_listings_are_grouped_into_shows(providers: Providers, provider_services: stand_in.Providers) -> None:
    """An empty search has no `_embedded`; resellers' listings are the same show, VIP packages none; zones come from the venue."""
    client = providers.ticketmaster
    assert client is not None
    assert await all_events(client, attraction_id="K8v0000000") == []
    events = await all_events(client, attraction_id=provider_services.world.artists[0].attraction_id)
    assert len(events) == 5
    concerts = [event for event in events if is_concert(event)]
    shows = group_listings(concerts)
    assert sorted(len(listings) for listings in shows) == [1, 1, 2]
    assert not any(listings[0].id.startswith("Z7r9jZ") for listings in shows)
    assert {event.time_zone for event in events} == {venue.time_zone for venue in VENUES[:3]}
    assert all(isinstance(event.venue.location.latitude, float) for event in events if event.venue)


async def test_undated_and_cancelled_events_are_recognised(
    providers: Providers, provider_services: stand_in.Providers
) -> None:
    """An event postponed without a date is found by a search of its own; both spellings of cancelled; no time is None."""
    client = providers.ticketmaster
    assert client is not None
    artist = provider_services.world.artists[2]
    off = provider_services.world.add_event(
        artist, VENUES[3], None, status="postponed", first_date=provider_services.world.today
    )
    gone = provider_services.world.add_event(
        artist, VENUES[4], provider_services.world.today, status="cancelled", time=None
    )
    also = provider_services.world.add_event(artist, VENUES[5], provider_services.world.today, status="canceled")
    events = {event.id: event for event in await all_events(client, attraction_id=artist.attraction_id)}
    assert off.id not in events
    assert events[gone.id].is_cancelled
    assert events[also.id].is_cancelled
    assert events[gone.id].time is None
    (undated,) = await client.find_undated(artist.attraction_id or "")
    assert (undated.id, undated.is_without_date, undated.date) == (off.id, True, None)
    assert (await client.fetch_event(off.id)) is not None
    assert await client.fetch_event("nothing") is None
    assert provider_services.ticketmaster.violations == []


async def test_a_large_search_is_split(providers: Providers, provider_services: stand_in.Providers) -> None:
    """1,500 events, of which a search shows 1,000: all of them come, no page is too deep, and dates have the right form."""
    client = providers.ticketmaster
    assert client is not None
    artist = provider_services.world.artists[3]
    for number in range(1_500):
        provider_services.world.add_event(
            artist, VENUES[0], provider_services.world.today + dt.timedelta(days=1 + number // 3), is_resale=False
        )
    wanted = {event_json(event)["id"] for event in provider_services.world.events if artist in event.artists}
    start = dt.datetime.now(dt.UTC).replace(hour=0)
    found = [event.id for event in await all_events(client, attraction_id=artist.attraction_id, start=start)]
    assert set(found) == wanted
    assert len(found) == len(wanted)
    assert provider_services.ticketmaster.violations == []


@pytest.mark.parametrize(
    ("fault", "reason", "is_shut"),
    [
        ({"status": 429, "body": b'{"fault": {"faultstring": "Identifier : ticket-key", "detail": {"errorcode": "policies.ratelimit.QuotaViolation"}}}'}, "day's requests are used up", True),
        ({"status": 401, "body": b'{"fault": {"faultstring": "Invalid ApiKey", "detail": {"errorcode": "oauth.v2.InvalidApiKey"}}}'}, "does not accept the key", True),
        ({"status": 400, "body": b'{"errors": [{"code": "DIS1035", "detail": "max paging depth", "status": "400 BAD_REQUEST"}]}'}, "DIS1035 max paging depth", False),
    ],
)  # fmt: skip
async def test_both_forms_of_ticketmasters_errors_are_recognised(
    providers: Providers, provider_services: stand_in.Providers, fault: dict[str, Any], reason: str, is_shut: bool
) -> None:
    """The gateway's and the API's; a used up quota and a refused key shut the gate; no message has the key."""
    client = providers.ticketmaster
    assert client is not None
    provider_services.ticketmaster.fail(**fault)
    with pytest.raises(ProviderError, match=reason) as caught:
        await client.search_attractions("Silver")
    assert "ticket-key" not in str(caught.value)
    assert len(provider_services.ticketmaster.asked) == 1
    assert ((await client.provider.gate.fetch_state()).circuit == "open") == is_shut


async def test_a_response_without_a_page_is_not_valid(
    providers: Providers, provider_services: stand_in.Providers
) -> None:
    """HTML or no `page` with 200 is requested again; a spike arrest is waited for."""
    client = providers.ticketmaster
    assert client is not None
    provider_services.ticketmaster.fail(body=b"<html>Busy</html>", content_type="text/html")
    provider_services.ticketmaster.fail(body=b'{"_embedded": {}}')
    provider_services.ticketmaster.fail(is_cut=True)
    assert await client.search_attractions("Silver") != []
    assert len(provider_services.ticketmaster.asked) == 4


# ── Spotify


async def test_spotify_in_development_mode_has_workarounds(
    providers: Providers, provider_services: stand_in.Providers
) -> None:
    """Withdrawn top tracks and batches are remembered after one refusal, and replaced by search and single requests."""
    client = providers.spotify
    assert client is not None
    artist = provider_services.world.artists[0]
    wanted = spotify.Artist(id=artist.spotify_ids[0], name=artist.name)
    tracks = await client.fetch_top_tracks(wanted)
    assert 5 <= len(tracks) <= 10
    assert all(track.artists[0].id == artist.spotify_ids[0] and track.external_ids.isrc for track in tracks)
    await client.fetch_top_tracks(
        spotify.Artist(id=provider_services.world.artists[1].spotify_ids[0], name="Paper Foxes")
    )
    assert sum(path.endswith("/top-tracks") for path in provider_services.spotify.paths()) == 1

    ids = [artist.songs[0].track_id, "0" * 22, artist.songs[1].track_id]
    found = await client.fetch_tracks(ids)
    assert [track and track.id for track in found] == [ids[0], None, ids[2]]
    assert await client.fetch_recommendations(artist_ids=[wanted.id]) == []
    assert await client.fetch_audio_features(ids) == {}
    pages = [page async for page in client.fetch_albums(wanted.id)]
    assert [len(page) for page in pages] == [10, 2]
    assert await client.fetch_album_tracks(pages[0][0].id) != []
    assert provider_services.spotify.violations == []


async def test_spotify_with_full_access_gets_batches(
    providers: Providers, provider_services: stand_in.Providers
) -> None:
    """Batches with null for unknown ids, top tracks, features, and one token for all of it."""
    provider_services.spotify.is_extended = True
    client = providers.spotify
    assert client is not None
    artist = provider_services.world.artists[0]
    ids = [artist.songs[0].track_id, "0" * 22]
    assert [track and track.id for track in await client.fetch_tracks(ids)] == [ids[0], None]
    assert [one and one.name for one in await client.fetch_artists([artist.spotify_ids[0], "0" * 22])] == [
        artist.name,
        None,
    ]
    assert len(await client.fetch_top_tracks(spotify.Artist(id=artist.spotify_ids[0], name=artist.name))) == 10
    assert list(await client.fetch_audio_features(ids)) == [ids[0]]
    assert len(await client.fetch_recommendations(artist_ids=[artist.spotify_ids[0]])) == 5
    assert provider_services.spotify.token_count == 1


async def test_a_token_that_ends_early_is_renewed_once_for_all(
    providers: Providers, provider_services: stand_in.Providers
) -> None:
    """Forty requests at once fetch one token; after it was revoked they fetch one more."""
    client = providers.spotify
    assert client is not None
    for count in (1, 2):
        ids = [song.track_id for song in provider_services.world.artists[count].songs]
        found = await asyncio.gather(*(client.fetch_track(one) for one in ids))
        assert all(found)
        assert provider_services.spotify.token_count == count
        provider_services.spotify.tokens.clear()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"status": 403, "body": b"Active premium subscription required for the owner of the app.", "content_type": "text/plain"}, "lets this app use no endpoint: Active premium"),
        ({"status": 429, "body": b"Too many requests", "content_type": "text/plain", "headers": {"Retry-After": "86400"}}, "answered 429"),
        ({"status": 429, "body": b'{"error": {"status": 429, "message": "Too many requests", "reason": "QUOTA_EXCEEDED"}}'}, "quota is used up"),
    ],
)  # fmt: skip
async def test_spotify_gets_no_requests_after_a_refusal(
    providers: Providers, provider_services: stand_in.Providers, fault: dict[str, Any], reason: str
) -> None:
    """No premium account, a day's wait, a quota: one line, and no request in the meantime."""
    client = providers.spotify
    assert client is not None
    provider_services.spotify.fail(**fault)
    for _ in range(2):
        with pytest.raises(ProviderError, match=reason):
            await client.search_artists("Silver")
    assert len(provider_services.spotify.asked) == 1


async def test_a_refused_secret_is_one_line(providers: Providers, provider_services: stand_in.Providers) -> None:
    """The token endpoint has another form of errors than the rest."""
    provider_services.spotify.is_revoked = True
    assert providers.spotify is not None
    with pytest.raises(ProviderError, match="gives no token for SPOTIFY_CLIENT_ID"):
        await providers.spotify.search_artists("Silver")


# ── all


async def test_too_many_requests_without_a_wait_are_retried(
    providers: Providers, provider_services: stand_in.Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """setlist.fm's gateway names no wait: all nodes wait shortly, and it is no failure of the provider."""
    monkeypatch.setattr(responses, "BUSY_S", 0.05)
    assert providers.setlistfm is not None
    provider_services.setlistfm.fail(3, status=429, body=b'{"message": "Too Many Requests"}')
    assert await providers.setlistfm.search_artists("Silver") != ()
    assert [asked.status for asked in provider_services.setlistfm.asked] == [429, 429, 429, 200]
    assert (await providers.setlistfm.provider.gate.fetch_state()).failures == 0


async def test_schema_changes_do_no_harm(providers: Providers, provider_services: stand_in.Providers) -> None:
    """New fields and missing fields are no failure."""
    assert providers.setlistfm is not None
    assert providers.ticketmaster is not None

    def leaner(answer: Any) -> Any:
        for one in answer["setlist"]:
            del one["tour"], one["versionId"], one["venue"]
            one["mood"] = {"new": True}
        return answer

    provider_services.setlistfm.fail(
        change=lambda answer: leaner({**answer, "setlist": [one for one in answer["setlist"] if "tour" in one]})
    )
    page = await providers.setlistfm.fetch_artist_setlists(provider_services.world.artists[0].mbid)
    assert page.setlist[0].venue is None
    assert page.setlist[0].version_id == ""

    def poorer(answer: Any) -> Any:
        for event in answer["_embedded"]["events"]:
            del event["_embedded"], event["sales"], event["dates"]["status"]
        return answer

    provider_services.ticketmaster.fail(change=poorer)
    events = await all_events(providers.ticketmaster, attraction_id=provider_services.world.artists[0].attraction_id)
    assert events[0].venue is None
    assert not any(is_concert(event) for event in events)


async def test_a_revoked_key_is_reported_and_not_retried(
    providers: Providers, provider_services: stand_in.Providers, capsys: pytest.CaptureFixture[str]
) -> None:
    """setlist.fm says Forbidden without a reason; one request, one line, no key in any log."""
    provider_services.setlistfm.is_revoked = True
    assert providers.setlistfm is not None
    for _ in range(3):
        with pytest.raises(ProviderError, match="refused us with 403"):
            await providers.setlistfm.search_artists("Silver")
    assert len(provider_services.setlistfm.asked) == 1
    printed = capsys.readouterr()
    for secret in ("setlist-key", "ticket-key", "spotify-secret"):
        assert secret not in printed.out + printed.err


async def test_without_valkey_nothing_is_requested(provider_services: stand_in.Providers, database: Database) -> None:
    """Without Valkey nobody can count requests, so the limits fail safe."""
    async with open_clients(provider_settings(provider_services), database, "redis://127.0.0.1:9") as providers:
        assert providers.setlistfm is not None
        with pytest.raises(ProviderError, match="Valkey, which counts requests, does not answer"):
            await providers.setlistfm.search_artists("Silver")
    assert provider_services.asked_count == 0


async def test_a_slow_response_times_out(
    providers: Providers, provider_services: stand_in.Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that hangs and one that trickles are given up, asked again, and reported in the end."""
    monkeypatch.setattr(provider, "REQUEST_TIMEOUT_S", 0.2)
    assert providers.setlistfm is not None
    provider_services.setlistfm.fail(delay_s=30.0)
    assert await providers.setlistfm.search_artists("Silver") != ()
    assert len(provider_services.setlistfm.faults) == 0
    provider_services.setlistfm.fail(4, delay_s=30.0)
    with pytest.raises(ProviderError, match="cannot be reached .TimeoutError."):
        await providers.setlistfm.search_artists("Paper")


async def test_a_person_gets_the_present_state(
    providers: Providers, provider_services: stand_in.Providers, database: Database, redis_url: str, sql: Any
) -> None:
    """A response of a few hours ago is enough for a node, not for a person who waits."""
    assert providers.setlistfm is not None
    await providers.setlistfm.search_artists("Silver")
    await sql.execute("update external_cache set fetched_at = now() - interval '1 hour'")
    valkey = Connection(redis_url)
    async with open_providers(provider_settings(provider_services), database, valkey.ask, SystemClock()) as patient:
        assert patient.setlistfm is not None
        await patient.setlistfm.search_artists("Silver")
    await valkey.close()
    assert len(provider_services.setlistfm.asked) == 1
    await providers.setlistfm.search_artists("Silver")
    assert len(provider_services.setlistfm.asked) == 2


async def test_a_changed_setlist_does_not_come_from_the_cache(
    providers: Providers, provider_services: stand_in.Providers
) -> None:
    """When a setlist is known to have changed, its cached copy is dropped."""
    client = providers.setlistfm
    assert client is not None
    played = provider_services.world.played[0]
    await client.fetch_setlist(played.id)
    provider_services.world.edit(played, ["Something New"])
    assert (await client.fetch_setlist(played.id)).version_id == "g2b4f0001"  # type: ignore[union-attr]
    await client.drop_cached_setlist(played.id)
    assert (await client.fetch_setlist(played.id)).version_id == "g2b4f0002"  # type: ignore[union-attr]


async def test_a_key_goes_to_no_other_host(providers: Providers, provider_services: stand_in.Providers) -> None:
    """A client with a key does not follow redirects."""
    provider_services.setlistfm.fail(
        status=301, headers={"Location": f"{provider_services.url}/rest/1.0/search/countries"}
    )
    assert providers.setlistfm is not None
    with pytest.raises(ProviderError, match="refused the request with 301"):
        await providers.setlistfm.search_artists("Silver")
    assert provider_services.setlistfm.paths() == ["/rest/1.0/search/artists"]


async def test_no_key_is_stored(providers: Providers, sql: Any, provider_services: stand_in.Providers) -> None:
    """The cache of requests and responses holds no key."""
    assert providers.ticketmaster is not None
    await providers.ticketmaster.search_attractions("Silver Harbour")
    provider_services.ticketmaster.fail(status=400, body=b"no such thing for ticket-key")
    with pytest.raises(ProviderError, match="•••"):
        await providers.ticketmaster.search_venues("Hall")
    rows = await sql.fetch("select asked || coalesce(convert_from(body, 'UTF8'), '') from external_cache")
    rows += await sql.fetch("select last_detail from service_health")
    assert len(rows) == 2
    assert not any("ticket-key" in row[0] for row in rows)


async def test_health_of_the_hour_is_stored(
    providers: Providers, sql: Any, provider_services: stand_in.Providers
) -> None:
    """Answered, from the cache, and down: each is counted."""
    assert providers.setlistfm is not None
    await providers.setlistfm.search_artists("Silver")
    await providers.setlistfm.search_artists("Silver")
    provider_services.setlistfm.fail(4, status=500)
    with pytest.raises(ProviderError, match="answered 500"):
        await providers.setlistfm.search_artists("Paper")
    row = await sql.fetchrow(
        "select ok_count, cached_count, down_count, last_status::text, last_detail from service_health where service = 'setlistfm'"
    )
    assert tuple(row) == (1, 1, 4, "down", "answered 500")


# The type of each recorded response; the others are errors and tokens.
KINDS: dict[str, Any] = {
    "setlistfm/1": setlistfm.Page, "setlistfm/3": setlistfm.Page, "setlistfm/6": setlistfm.Page,
    "setlistfm/9": setlistfm._Artists, "setlistfm/11": setlistfm.Artist, "setlistfm/12": setlistfm.Venue,
    "spotify/3": spotify._Albums, "spotify/11": spotify._Search, "spotify/12": spotify._TrackList,
    "spotify/13": spotify._TrackList, "spotify/17": spotify._TrackList, "spotify/19": spotify._TrackList,
    "spotify/22": spotify_auth.Token, "spotify/7": spotify._Said, "spotify/8": spotify._Said,
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
    read = msgspec.json.decode((RECORDED / f"{name}.json").read_bytes(), type=KINDS[name], strict=False)
    if isinstance(read, setlistfm.Page):
        assert all(one.date is not None and one.artist is not None for one in read.setlist)
    if isinstance(read, spotify._Albums | spotify._TrackList):
        assert any(getattr(read, "items", ()) or getattr(read, "tracks", ()))


@recorded
@pytest.mark.parametrize("name", ["ticketmaster/4", "ticketmaster/5", "ticketmaster/6"])
async def test_recorded_events_are_synced(
    name: str, database: Database, providers: Providers, provider_services: stand_in.Providers, sql: Any
) -> None:
    """A page of real listings becomes shows; refused ones are reported, and nothing breaks."""
    body = (RECORDED / f"{name}.json").read_bytes()
    page = msgspec.json.decode(body, type=ticketmaster._Found)
    # As if it were the only page of its search.
    only = {"size": 200, "totalElements": 20, "totalPages": 1, "number": 0}
    body = msgspec.json.encode({**msgspec.json.decode(body), "page": only})
    events = msgspec.convert(page.embedded.get("events", []), list[ticketmaster.Event], strict=False)
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
        for song in predict([to_played_set(one, CanonicalTitles()) for one in theirs if any(songs_of(one))])
    }
    titles = await sql.fetch("select g.title from setlist_songs e join songs g on g.id = e.song_id")
    assert {row["title"] for row in titles} == expected
    assert expected
