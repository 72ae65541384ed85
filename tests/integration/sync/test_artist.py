"""Syncing an artist from MusicBrainz: identification, ids, the cache of responses, and failures."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
import stamina
from aiohttp import web

from server.cache.cluster import connection_to
from server.cache.connection import Connection
from server.cache.gates import Gate, Quota
from server.errors import ProviderError
from server.store.database import Database
from server.sync.artist_identification import NotIdentified
from server.sync.artists import ArtistSyncService, SyncedArtist
from server.sync.clients.musicbrainz import MusicBrainzClient, open_musicbrainz
from server.sync.clients.provider import Provider, ProviderContext
from server.sync.clients.responses import BODY_BYTES_MAX, Response, retry_after_s
from server.sync.providers import Providers
from tests.support import one_node
from tests.support.clock import FakeClock
from tests.support.commands import plain_environ, run_command
from tests.support.musicbrainz import MusicBrainz, running_musicbrainz
from tests.support.unheld import unheld

database_url, redis_url = one_node.database_url, one_node.redis_url

RADIOHEAD = "a74b1b7f-71a5-4011-9441-d0b5e4122711"
OTHER = "11111111-2222-4333-8444-555555555555"
NOBODY = "00000000-0000-4000-8000-000000000000"
SPOTIFY_ID = "4Z8W4fKeB5YxbusRsdQVPb"
ABOUT = {
    "country": "GB",
    "disambiguation": "",
    "genres": [{"name": "pop", "count": 1}, {"name": "art rock", "count": 25}],
    "relations": [
        {"type": "free streaming", "url": {"resource": f"https://open.spotify.com/artist/{SPOTIFY_ID}?autoplay=true"}},
        {"ended": True, "url": {"resource": "https://open.spotify.com/artist/0000000000000000000000"}},
        {"url": {"resource": "https://open.spotify.com.example/artist/1111111111111111111111"}},
        {"type": "member of band"},
    ],
}


@pytest_asyncio.fixture(loop_scope="module")
async def musicbrainz() -> AsyncIterator[MusicBrainz]:
    """A service that knows Radiohead and an artist with a similar name, and adds no delay."""
    with stamina.set_testing(True, attempts=4):
        async with running_musicbrainz() as service:
            service.add(RADIOHEAD, "Radiohead", **ABOUT)
            service.add(OTHER, "Radiohead Cover Brasil", country="BR", score=91)
            yield service


@pytest_asyncio.fixture(loop_scope="module")
async def valkey(redis_url: str) -> AsyncIterator[Connection]:
    """The connection of the gate, which counts requests."""
    connection = connection_to(redis_url)
    yield connection
    await connection.close()


@pytest.fixture
def link(musicbrainz: MusicBrainz, database: Database, valkey: Connection) -> ProviderContext:
    """The context of a provider without a noticeable limit."""
    return ProviderContext(musicbrainz.url, database, valkey.ask, FakeClock(), contact="", quota=Quota(1_000, 1.0))


@pytest_asyncio.fixture(loop_scope="module")
async def client(link: ProviderContext) -> AsyncIterator[MusicBrainzClient]:
    """A client without a noticeable limit."""
    async with open_musicbrainz(link) as opened:
        yield opened


async def sync_artist(database: Database, client: MusicBrainzClient, wanted: str, **more: Any) -> SyncedArtist:
    """Syncs an artist with MusicBrainz alone."""
    return await ArtistSyncService(database, Providers(musicbrainz=client, change_rules=unheld)).sync(wanted, **more)


async def identities(sql: Any) -> list[tuple[Any, ...]]:
    """Slug, service, id, confidence and evidence of all identities, in order."""
    rows = await sql.fetch(
        "select a.slug, i.service::text, i.external_id, round(i.confidence::numeric, 2)::float8, i.evidence"
        " from artist_identities i join artists a on a.id = i.artist_id order by 1, 2, 3"
    )
    return [tuple(row) for row in rows]


async def test_an_artist_is_written_with_ids_and_a_second_sync_sends_one_search(
    database: Database, client: MusicBrainzClient, musicbrainz: MusicBrainz, sql: Any
) -> None:
    """Name, country, genre and ids at both services are written with evidence; the second sync changes nothing."""
    seen: list[tuple[str, int, int]] = []
    first = await sync_artist(database, client, "radiohead", report_progress=lambda *step: seen.append(step))
    asked = len(musicbrainz.asked)
    second = await sync_artist(database, client, "Radiohead")

    assert (first.slug, first.name, first.outcome) == ("radiohead", "Radiohead", "added")
    assert (second.id, second.outcome) == (first.id, "unchanged")
    assert seen == [("artists", 0, 1), ("artists", 1, 1)]
    # A search with another capital is another request; the artist's page comes from the cache.
    assert musicbrainz.asked[asked:] == ["/ws/2/artist?query=artist%3A%22Radiohead%22&fmt=json&limit=10"]
    assert tuple(await sql.fetchrow("select name, country, genre from artists")) == ("Radiohead", "GB", "Art rock")
    assert await identities(sql) == [
        ("radiohead", "musicbrainz", RADIOHEAD, 0.9, "the only artist called 'Radiohead', with a score of 100"),
        ("radiohead", "spotify", SPOTIFY_ID, 0.95, "linked at MusicBrainz"),
    ]
    jobs = await sql.fetch("select service::text, kind, subject, status::text from sync_jobs order by id")
    assert [tuple(job) for job in jobs] == [
        ("musicbrainz", "search", "radiohead", "succeeded"),
        ("musicbrainz", "search", "Radiohead", "succeeded"),
    ]
    assert await sql.fetchval("select count(*) from import_log where outcome = 'added' and message = 'radiohead'") == 1


async def test_a_stale_response_is_revalidated(
    database: Database, client: MusicBrainzClient, musicbrainz: MusicBrainz, sql: Any
) -> None:
    """Fresh: from the table. Stale: with its etag; 304 renews it, a new response replaces it; a 404 is cached too."""
    assert await client.fetch_artist(NOBODY) is None
    assert await client.fetch_artist(NOBODY) is None
    assert len(musicbrainz.asked) == 1

    await client.fetch_artist(RADIOHEAD)
    await sql.execute("update external_cache set fresh_until = now() - interval '1 second', fetched_at = 'epoch'")
    again = await client.fetch_artist(RADIOHEAD)
    assert (again and again.name, musicbrainz.revalidated_count) == ("Radiohead", 1)
    row = await sql.fetchrow(
        "select fresh_until > now() as is_fresh, fetched_at > 'epoch' as is_new from external_cache where body is not null"
    )
    assert tuple(row) == (True, True)

    await sql.execute("update external_cache set fresh_until = now() - interval '1 second', etag = ''")
    musicbrainz.add(RADIOHEAD, "Radiohead (renamed)")
    renamed = await client.fetch_artist(RADIOHEAD)
    assert renamed is not None
    assert renamed.name == "Radiohead (renamed)"


async def test_an_ambiguous_name_is_no_artist(
    database: Database, client: MusicBrainzClient, musicbrainz: MusicBrainz, sql: Any
) -> None:
    """Similar names, several namesakes and an unknown id give a line that says what to do, and write nothing."""
    with pytest.raises(
        NotIdentified, match="MusicBrainz has no artist called 'radiohead x': .*; similar names: Radiohead"
    ):
        await sync_artist(database, client, "radiohead x")
    with pytest.raises(NotIdentified, match="MusicBrainz has no artist with the id"):
        await sync_artist(database, client, NOBODY)
    musicbrainz.add(OTHER, "Radiohead", country="BR", disambiguation="tribute")
    with pytest.raises(NotIdentified, match=rf"2 artists are called 'RADIOHEAD'.*\(BR, tribute\) {OTHER}"):
        await sync_artist(database, client, "RADIOHEAD")
    assert await sql.fetchval("select count(*) from artists") == 0
    assert await sql.fetchval("select count(*) from sync_jobs where status = 'failed' and error <> ''") == 3

    by_id = await sync_artist(database, client, OTHER.upper())
    assert (by_id.slug, by_id.evidence) == ("radiohead", "its MusicBrainz id was given")


async def test_namesakes_are_two_artists_and_a_merged_entry_is_one(
    database: Database, client: MusicBrainzClient, musicbrainz: MusicBrainz, sql: Any
) -> None:
    """A namesake gets another slug; an entry that was merged into another is the same artist."""
    musicbrainz.add(OTHER, "Radiohead", country="BR")
    ours = await sync_artist(database, client, RADIOHEAD)
    namesake = await sync_artist(database, client, OTHER)
    assert (ours.slug, namesake.slug) == ("radiohead", "radiohead-11111111")

    merged_into = "99999999-2222-4333-8444-555555555555"
    musicbrainz.add(merged_into, "Radiohead", country="GB")
    musicbrainz.merged[RADIOHEAD] = merged_into
    await sql.execute("delete from external_cache")
    same: SyncedArtist = await sync_artist(database, client, RADIOHEAD)
    assert (same.id, same.slug) == (ours.id, "radiohead")
    assert await sql.fetchval("select count(*) from artists") == 2


def _cut_short() -> web.Response:
    """A response whose connection is closed in the middle."""
    answer = web.Response(headers={"Content-Length": "100"}, body=b"{")
    answer.force_close()
    return answer


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (lambda: web.Response(status=503), "answered 503"),
        (lambda: web.Response(status=429, headers={"Retry-After": "1"}), "answered 429"),
        (lambda: web.Response(text="<html>Sorry</html>", content_type="text/html"), "cannot be read"),
        (lambda: web.Response(text='{"artists": [{"id":', content_type="application/json"), "cannot be read"),
        (lambda: web.Response(body=b" " * (BODY_BYTES_MAX + 1)), "answered more than"),
        (_cut_short, "cannot be reached"),
    ],
)
async def test_a_failing_provider_is_asked_again_and_then_reported(
    client: MusicBrainzClient, musicbrainz: MusicBrainz, sql: Any, fault: Any, reason: str
) -> None:
    """Three failures are retried, the fourth is one clear error; no failure is cached."""
    musicbrainz.faults.extend(fault() for _ in range(3))
    assert await client.fetch_artist(RADIOHEAD) is not None
    assert len(musicbrainz.asked) == 4
    await sql.execute("delete from external_cache")
    await client.provider.gate.reopen()
    musicbrainz.faults.extend(fault() for _ in range(4))
    with pytest.raises(ProviderError, match=f"^musicbrainz: .*{reason}"):
        await client.fetch_artist(RADIOHEAD)
    assert await sql.fetchval("select count(*) from external_cache") == 0


async def test_a_refusal_and_a_long_wait_are_not_retried(client: MusicBrainzClient, musicbrainz: MusicBrainz) -> None:
    """A 403 and a wait of an hour are errors at once, also for other callers, without another request."""
    musicbrainz.faults.append(web.Response(status=403))
    with pytest.raises(ProviderError, match="refused us with 403"):
        await client.fetch_artist(RADIOHEAD)
    with pytest.raises(ProviderError, match="not asked: refused us with 403"):
        await client.fetch_artist(RADIOHEAD)
    await client.provider.gate.reopen()
    musicbrainz.faults.append(web.Response(status=503, headers={"Retry-After": "3600"}))
    with pytest.raises(ProviderError) as caught:
        await client.fetch_artist(RADIOHEAD)
    assert caught.value.retry_after_s == 3600
    with pytest.raises(ProviderError, match="not asked: answered 503") as caught:
        await client.fetch_artist(RADIOHEAD)
    assert caught.value.retry_after_s is not None
    assert 3590 < caught.value.retry_after_s <= 3600
    assert len(musicbrainz.asked) == 2


async def test_a_wait_that_the_provider_asks_for_is_kept(
    musicbrainz: MusicBrainz, database: Database, valkey: Connection
) -> None:
    """Seconds and dates are understood, by the provider's clock when it sends it; other texts are not. A short wait is waited."""
    clock = FakeClock(now_ms=1_800_000_000_000)  # Fri, 15 Jan 2027 08:00:00 GMT
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await valkey.ask([("DEL", "{gate:musicbrainz}:state")])

    async with httpx.AsyncClient(base_url=musicbrainz.url) as http:
        gate = Gate("musicbrainz", Quota(1_000, 1.0), valkey.ask)
        provider = Provider(http, database, gate, clock, sleep=sleep)

        def said(value: str, date: str = "") -> float | None:
            return retry_after_s(
                Response("", 503, httpx.Headers({"Retry-After": value, "Date": date}), b""), provider.now()
            )

        eight, past = "Fri, 15 Jan 2027 08:00:09 GMT", "Fri, 15 Jan 2027 07:00:00 GMT"
        assert [said("7"), said(eight), said(past), said(eight, past)] == [7.0, 9.0, 0.0, 3609.0]
        assert [said("soon"), said(""), said("-1")] == [None, None, None]
        musicbrainz.faults.append(web.Response(status=429, headers={"Retry-After": "7"}))
        assert await MusicBrainzClient(provider).fetch_artist(RADIOHEAD) is not None
    assert len(waits) == 1
    assert 6.5 < waits[0] <= 7.0


async def test_a_missed_turn_is_not_used(musicbrainz: MusicBrainz, database: Database, valkey: Connection) -> None:
    """A late request would come too close to the next one: it takes another turn."""
    clock = FakeClock()
    late_s = iter([1.0, 0.04])

    async def sleep(seconds: float) -> None:
        clock.advance(seconds + next(late_s))

    async with httpx.AsyncClient(base_url=musicbrainz.url) as http:
        gate = Gate("musicbrainz", Quota(1, 10.0), valkey.ask)
        client = MusicBrainzClient(Provider(http, database, gate, clock, sleep=sleep))
        for mbid in (RADIOHEAD, OTHER):
            await client.fetch_artist(mbid)
    assert next(late_s, None) is None
    assert (await gate.fetch_state()).day_count == 3
    assert len(musicbrainz.asked) == 2


async def test_requests_name_us_and_logs_show_no_address(
    musicbrainz: MusicBrainz,
    link: ProviderContext,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The header has name, version and a contact without characters that break it; the log has the path alone."""
    caplog.set_level(logging.WARNING)
    async with open_musicbrainz(dataclasses.replace(link, contact="José <jo@band.example>\r\nX: y")) as client:
        await client.fetch_artist(RADIOHEAD)
    (agent,) = musicbrainz.agents
    assert agent.startswith("mysetlist/")
    assert "( Jos <jo@band.example>X: y )" in agent
    printed = capsys.readouterr()
    assert "/ws/2/artist/" in printed.err + printed.out
    assert musicbrainz.url not in printed.err + printed.out + caplog.text


async def test_the_command_syncs_an_artist(musicbrainz: MusicBrainz, database_url: str, redis_url: str) -> None:
    """`mysetlist sync artist` prints the result; an unknown artist is one line and exit 1."""

    async def run(name: str) -> tuple[int, str, str]:
        urls = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "MUSICBRAINZ_API_URL": musicbrainz.url}
        return await run_command("sync", "artist", name, environ=plain_environ() | urls)

    code, out, _ = await run("Radiohead")
    assert code == 0
    assert "added" in out
    assert f"spotify {SPOTIFY_ID}" in out
    code, out, err = await run("Nobody Of This Name")
    assert (code, out) == (1, "")
    assert (
        err.splitlines()[-1]
        == "mysetlist: MusicBrainz has no artist called 'Nobody Of This Name': check the name, or give a MusicBrainz id"
    )
