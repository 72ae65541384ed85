"""Probes a provider with a small request, to see whether it answers and accepts our key."""

from __future__ import annotations

import asyncio
from typing import Any

from server.clock import Clock
from server.errors import CacheError, ProviderError
from server.sync.clients.provider import KeyRefused, Provider
from server.sync.documents import Probe

# Small requests that every provider always answers, as path and parameters.
PROBES: dict[str, tuple[str, dict[str, str]]] = {
    "musicbrainz": ("/ws/2/artist/a74b1b7f-71a5-4011-9441-d0b5e4122711", {"fmt": "json"}),
    "setlistfm": ("/rest/1.0/search/countries", {}),
    "ticketmaster": ("/discovery/v2/events.json", {"size": "1"}),
    "spotify": ("/v1/search", {"q": "love", "type": "track", "limit": "1", "market": "US"}),
}


# A person waits for the answer, and clients of HTTP give up after ten seconds or so.
PROBE_S = 6.0


async def probe_provider(provider: Provider, clock: Clock) -> Probe:
    """Sends one request; it counts like any other, and its response is not cached. An open circuit sends none.

    Raises: StoreUnavailable
    Cost:   at most PROBE_S
    """
    path, params = PROBES[provider.service]
    began_s = clock.monotonic_s()
    failure: ProviderError | None = None
    try:
        async with asyncio.timeout(PROBE_S):
            gate = await provider.gate.fetch_state()
            if gate.circuit == "open":
                failure = ProviderError(
                    provider.service, f"not asked for {gate.open_for_s:.0f} s more, because it {gate.reason}"
                )
            else:
                await provider.get(path, params, dict[str, Any], kind="probe", ttl_s=0.0)
    except TimeoutError:
        failure = ProviderError(provider.service, f"did not answer within {PROBE_S:g} s")
    except CacheError:
        failure = ProviderError(provider.service, "not asked: Valkey, which counts requests, does not answer")
    except ProviderError as raised:
        failure = raised
    return Probe(
        is_ok=failure is None,
        took_ms=round((clock.monotonic_s() - began_s) * 1000),
        error=None if failure is None else str(failure),
        is_key_refused=isinstance(failure, KeyRefused),
    )
