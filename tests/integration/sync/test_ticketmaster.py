"""The client of Ticketmaster on a stand-in: good responses, and every known trap."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from server.errors import ProviderError
from server.sync.listings import group_listings, is_concert, status_code
from server.sync.providers import Providers
from tests.support import one_node
from tests.support import providers as stand_in
from tests.support.provider_clients import all_events
from tests.support.providers.ticketmaster import event_json
from tests.support.providers.world import VENUES

database_url, redis_url = one_node.database_url, one_node.redis_url


async def test_listings_are_grouped_into_shows(providers: Providers, provider_services: stand_in.Providers) -> None:
    """An empty search has no `_embedded`; resellers' listings are the same show, VIP packages none; zones come from the venue."""
    client = providers.ticketmaster
    assert client is not None
    assert await all_events(client, attraction_id="K8v0000000") == []
    events = await all_events(client, attraction_id=provider_services.world.artists[0].attraction_id)
    assert len(events) == 5
    concerts = [event for event in events if is_concert(event, provider_services.world.artists[0].name)]
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
    assert status_code(events[gone.id], artist.name) == "cancelled"
    assert status_code(events[also.id], artist.name) == "cancelled"
    assert events[gone.id].time is None
    (undated,) = await client.find_undated(artist.attraction_id or "")
    assert (undated.id, status_code(undated, artist.name), undated.date) == (off.id, "postponed", None)
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
        ({"status": 401, "body": b'{"fault": {"faultstring": "Invalid ApiKey", "detail": {"errorcode": "oauth.v2.InvalidApiKey"}}}'}, "does not accept our key", True),
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
