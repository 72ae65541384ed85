"""The clients of all providers on a stand-in: limits, time limits, secrets, the cache, and health."""

from __future__ import annotations

from typing import Any

import pytest

from server.cache.cluster import connection_to
from server.clock import SystemClock
from server.errors import ProviderError
from server.store.database import Database
from server.sync import provider_probe
from server.sync.clients import provider, responses
from server.sync.clients.setlistfm import Page
from server.sync.listings import is_concert
from server.sync.providers import Providers, open_providers
from tests.support import one_node
from tests.support import providers as stand_in
from tests.support.provider_clients import all_events, open_clients, provider_settings
from tests.support.providers.world import World

database_url, redis_url = one_node.database_url, one_node.redis_url

MBID = World.make().artists[0].mbid


async def ask(providers: Providers, page: int = 1) -> Page:
    """A small request to setlist.fm."""
    assert providers.setlistfm is not None
    return await providers.setlistfm.fetch_artist_setlists(MBID, page)


async def test_too_many_requests_without_a_wait_are_retried(
    providers: Providers, provider_services: stand_in.Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """setlist.fm's gateway names no wait: all nodes wait shortly, and it is no failure of the provider."""
    monkeypatch.setattr(responses, "BUSY_S", 0.05)
    assert providers.setlistfm is not None
    provider_services.setlistfm.fail(3, status=429, body=b'{"message": "Too Many Requests"}')
    assert (await ask(providers)).setlist
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
    assert not any(is_concert(event, "Silver Harbour") for event in events)


async def test_a_revoked_key_is_reported_and_not_retried(
    providers: Providers, provider_services: stand_in.Providers, capsys: pytest.CaptureFixture[str]
) -> None:
    """setlist.fm says Forbidden without a reason; one request, one line, no key in any log."""
    provider_services.setlistfm.is_revoked = True
    assert providers.setlistfm is not None
    for _ in range(3):
        with pytest.raises(ProviderError, match="refused us with 403"):
            await ask(providers)
    assert len(provider_services.setlistfm.asked) == 1
    printed = capsys.readouterr()
    for secret in ("setlist-key", "ticket-key", "spotify-secret"):
        assert secret not in printed.out + printed.err


async def test_without_valkey_nothing_is_requested(provider_services: stand_in.Providers, database: Database) -> None:
    """Without Valkey nobody can count requests, so the limits fail safe."""
    async with open_clients(provider_settings(provider_services), database, "redis://127.0.0.1:9") as providers:
        assert providers.setlistfm is not None
        with pytest.raises(ProviderError, match="Valkey, which counts requests, does not answer"):
            await ask(providers)
    assert provider_services.asked_count == 0


async def test_a_slow_response_times_out(
    providers: Providers, provider_services: stand_in.Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that hangs and one that trickles are given up, asked again, and reported in the end."""
    monkeypatch.setattr(provider, "REQUEST_TIMEOUT_S", 0.2)
    assert providers.setlistfm is not None
    provider_services.setlistfm.fail(delay_s=30.0)
    assert (await ask(providers)).setlist
    assert len(provider_services.setlistfm.faults) == 0
    provider_services.setlistfm.fail(4, delay_s=30.0)
    with pytest.raises(ProviderError, match="cannot be reached .TimeoutError."):
        await ask(providers, page=2)


async def test_a_person_gets_the_present_state(
    providers: Providers, provider_services: stand_in.Providers, database: Database, redis_url: str, sql: Any
) -> None:
    """A response of a few hours ago is enough for a node, not for a person who waits."""
    assert providers.setlistfm is not None
    await ask(providers)
    await sql.execute("update external_cache set fetched_at = now() - interval '1 hour'")
    valkey = connection_to(redis_url)
    async with open_providers(
        provider_settings(provider_services), database, valkey.ask, SystemClock(), providers.change_rules
    ) as patient:
        assert patient.setlistfm is not None
        await ask(patient)
    await valkey.close()
    assert len(provider_services.setlistfm.asked) == 1
    await ask(providers)
    assert len(provider_services.setlistfm.asked) == 2


async def test_a_key_goes_to_no_other_host(providers: Providers, provider_services: stand_in.Providers) -> None:
    """A client with a key does not follow redirects."""
    provider_services.setlistfm.fail(
        status=301, headers={"Location": f"{provider_services.url}/rest/1.0/search/countries"}
    )
    assert providers.setlistfm is not None
    with pytest.raises(ProviderError, match="refused the request with 301"):
        await ask(providers)
    assert provider_services.setlistfm.paths() == [f"/rest/1.0/artist/{MBID}/setlists"]


async def test_no_key_is_stored(providers: Providers, sql: Any, provider_services: stand_in.Providers) -> None:
    """The cache of requests and responses holds no key."""
    assert providers.ticketmaster is not None
    await providers.ticketmaster.search_attractions("Silver Harbour")
    provider_services.ticketmaster.fail(status=400, body=b"no such thing for ticket-key")
    with pytest.raises(ProviderError, match="•••"):
        await providers.ticketmaster.search_attractions("Paper")
    rows = await sql.fetch("select asked || coalesce(convert_from(body, 'UTF8'), '') from external_cache")
    rows += await sql.fetch("select last_detail from service_health")
    assert len(rows) == 2
    assert not any("ticket-key" in row[0] for row in rows)


async def test_health_of_the_hour_is_stored(
    providers: Providers, sql: Any, provider_services: stand_in.Providers
) -> None:
    """Answered, from the cache, and down: each is counted."""
    assert providers.setlistfm is not None
    await ask(providers)
    await ask(providers)
    provider_services.setlistfm.fail(4, status=500)
    with pytest.raises(ProviderError, match="answered 500"):
        await ask(providers, page=2)
    row = await sql.fetchrow(
        "select ok_count, cached_count, down_count, last_status::text, last_detail from service_health where service = 'setlistfm'"
    )
    assert tuple(row) == (1, 1, 4, "down", "answered 500")


async def test_an_answer_from_the_cache_hides_no_failure_of_the_hour_before(
    providers: Providers, sql: Any, provider_services: stand_in.Providers
) -> None:
    """The first request of an hour is answered from the cache: the last response of the provider is still the failure."""
    await ask(providers)
    provider_services.setlistfm.fail(4, status=500)
    with pytest.raises(ProviderError, match="answered 500"):
        await ask(providers, page=2)
    failed_at = await sql.fetchval(
        "update service_health set hour = hour - interval '1 hour', last_at = last_at - interval '1 minute' returning last_at"
    )
    await ask(providers)
    row = await sql.fetchrow(
        "select cached_count, last_status::text, last_detail, last_at from service_health order by hour desc"
    )
    assert tuple(row) == (1, "down", "answered 500", failed_at)


async def test_a_probe_answers_soon(
    providers: Providers, provider_services: stand_in.Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person waits: an open circuit is said at once and asks nothing, and a provider that hangs is given up."""
    assert providers.setlistfm is not None
    client = providers.setlistfm.provider
    monkeypatch.setattr(provider_probe, "PROBE_S", 0.3)
    provider_services.setlistfm.fail(delay_s=30.0)
    hanging = await provider_probe.probe_provider(client, SystemClock())
    assert (hanging.is_ok, hanging.error) == (False, "setlistfm: did not answer within 0.3 s")
    await client.gate.shut("answered 503", 12.0)
    asked_count = len(provider_services.setlistfm.asked)
    shut = await provider_probe.probe_provider(client, SystemClock())
    assert not shut.is_ok
    assert "s more, because it answered 503" in (shut.error or "")
    assert len(provider_services.setlistfm.asked) == asked_count
