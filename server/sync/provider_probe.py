"""Asking a provider something small, to see how it does and whether it knows our key."""

from __future__ import annotations

from typing import Any

from server.clock import Clock
from server.errors import ProviderError
from server.sync.clients.provider import KeyRefused, Provider
from server.sync.documents import Probe

# Something small that always has an answer.
QUESTIONS: dict[str, tuple[str, dict[str, str]]] = {
    "musicbrainz": ("/ws/2/artist/a74b1b7f-71a5-4011-9441-d0b5e4122711", {"fmt": "json"}),
    "setlistfm": ("/rest/1.0/search/countries", {}),
    "ticketmaster": ("/discovery/v2/events.json", {"size": "1"}),
    "spotify": ("/v1/search", {"q": "love", "type": "track", "limit": "1", "market": "US"}),
}


async def probe(provider: Provider, clock: Clock) -> Probe:
    """What becomes of a question; it counts like any other, and its answer is kept for no time at all.

    Raises: StoreUnavailable
    Cost:   as Provider.get
    """
    path, params = QUESTIONS[provider.service]
    began_s = clock.monotonic_s()
    trouble: ProviderError | None = None
    try:
        await provider.get(path, params, dict[str, Any], kind="probe", ttl_s=0.0)
    except ProviderError as raised:
        trouble = raised
    return Probe(
        is_ok=trouble is None,
        took_ms=round((clock.monotonic_s() - began_s) * 1000),
        error=None if trouble is None else str(trouble),
        is_key_refused=isinstance(trouble, KeyRefused),
    )
