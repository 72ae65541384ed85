"""The stand-in of the four providers is as strict as they are; otherwise passing tests would prove nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.support import providers as stand_in
from tests.support.providers import running_providers, setlistfm, spotify, ticketmaster
from tests.support.providers.service import Rate
from tests.support.providers.world import World

SETLISTFM = {"x-api-key": setlistfm.KEY, "Accept": "application/json"}
EVENTS = f"/discovery/v2/events.json?apikey={ticketmaster.KEY}"


@pytest.fixture
async def provider_services() -> AsyncIterator[stand_in.Providers]:
    """A stand-in with the limits of the real providers."""
    async with running_providers(World.make(artists=2)) as provider_services:
        yield provider_services


@pytest.fixture
async def http(provider_services: stand_in.Providers) -> AsyncIterator[httpx.AsyncClient]:
    """A client that may send any request."""
    async with httpx.AsyncClient(base_url=provider_services.url) as http:
        yield http


async def token(http: httpx.AsyncClient) -> dict[str, str]:
    """The header that Spotify wants."""
    given = await http.post("/api/token", data={"grant_type": "client_credentials"}, auth=spotify.CLIENT)
    return {"Authorization": f"Bearer {given.json()['access_token']}"}


async def test_each_provider_has_its_own_limit_and_its_own_refusal(
    provider_services: stand_in.Providers, http: httpx.AsyncClient
) -> None:
    """One request more than a period or a day allows is refused, and recorded as a violation."""
    mbid = provider_services.world.artists[0].mbid
    bearer = await token(http)
    said: dict[str, Any] = {}
    for service, path, headers in (
        (provider_services.setlistfm, f"/rest/1.0/artist/{mbid}", SETLISTFM),
        (provider_services.ticketmaster, EVENTS, {}),
        (provider_services.spotify, f"/v1/artists/{provider_services.world.artists[0].spotify_ids[0]}", bearer),
        (provider_services.musicbrainz, f"/ws/2/artist/{mbid}", {"User-Agent": "mysetlist/1"}),
    ):
        # A minute with the same number of requests: the machine may be slow.
        service.rate = Rate(service.rate.count_max, 60.0, service.rate.day_max)
        for _ in range(service.rate.count_max):
            assert (await http.get(path, headers=headers)).status_code == 200
        assert service.violations == []
        said[service.name] = await http.get(path, headers=headers)
        assert len(service.violations) == 1
        service.rate = Rate(1_000, 60.0, service.day_count)
        assert (await http.get(path, headers=headers)).status_code == said[service.name].status_code
        assert service.violations[1:] == [f"{service.name}: over its day limit at {path.partition('?')[0]}"]
    assert {name: answer.status_code for name, answer in said.items()} == {
        "setlistfm": 429, "ticketmaster": 429, "spotify": 429, "musicbrainz": 503,
    }  # fmt: skip
    assert "Retry-After" not in said["setlistfm"].headers
    assert said["spotify"].headers["Retry-After"] == "5"
    assert said["ticketmaster"].json()["fault"]["detail"]["errorcode"] == "policies.ratelimit.SpikeArrestViolation"
    assert provider_services.violations == [
        one for service in provider_services.services() for one in service.violations
    ]


async def test_forbidden_requests_are_refused_and_recorded(
    provider_services: stand_in.Providers, http: httpx.AsyncClient
) -> None:
    """Pages past the limits, dates in another form, invalid keys, XML, requests without a name, withdrawn endpoints."""
    bearer = await token(http)
    for service in provider_services.services():
        service.rate = Rate(1_000, 1.0, 1_000)

    async def status(path: str, **headers: str) -> int:
        return (await http.get(path, headers=headers)).status_code

    assert await status(f"{EVENTS}&size=201") == 400
    assert await status(f"{EVENTS}&size=200&page=5") == 400
    assert await status(f"{EVENTS}&startDateTime=2026-11-25") == 400
    assert await status("/v1/search?type=artist&q=a&limit=11", **bearer) == 400
    assert len(provider_services.violations) == 4
    assert (
        "xml"
        in (await http.get("/rest/1.0/search/artists", headers={"x-api-key": setlistfm.KEY})).headers["Content-Type"]
    )
    await http.get("/ws/2/artist/x")
    assert len(provider_services.violations) == 6
    assert await status("/discovery/v2/events.json?apikey=no") == 401
    assert await status("/rest/1.0/search/artists", Accept="application/json") == 403
    assert await status("/v1/artists/x", Authorization="Bearer no") == 401
    assert await status("/v1/recommendations", **bearer) == 403
    assert (await http.post("/api/token", data={"grant_type": "client_credentials"})).status_code == 400
    assert len(provider_services.violations) == 6


async def test_faults_come_as_ordered(provider_services: stand_in.Providers, http: httpx.AsyncClient) -> None:
    """Errors of its own, a page of HTML, a truncated response, another schema; then good responses again."""
    service = provider_services.ticketmaster
    service.rate = Rate(1_000, 1.0, 1_000)
    service.fail(2, status=502, headers={"Retry-After": "1"})
    for _ in range(2):
        answer = await http.get(EVENTS)
        assert (answer.status_code, answer.headers["Retry-After"]) == (502, "1")
    service.fail(body=b"<html>", content_type="text/html")
    assert (await http.get(EVENTS)).text == "<html>"
    service.fail(is_cut=True)
    with pytest.raises(httpx.RemoteProtocolError):
        await http.get(EVENTS)
    service.fail(change=lambda answer: answer | {"page": "none"})
    assert (await http.get(EVENTS)).json()["page"] == "none"
    assert (await http.get(EVENTS)).json()["page"]["number"] == 0
    assert [asked.status for asked in service.asked] == [502, 502, 200, 200, 200, 200]
    assert provider_services.violations == []
