"""The client of Spotify on a stand-in: good responses, and every known trap."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.errors import ProviderError
from server.sync.clients import spotify
from server.sync.providers import Providers
from tests.support import one_node
from tests.support import providers as stand_in

database_url, redis_url = one_node.database_url, one_node.redis_url


async def test_spotify_in_development_mode_has_workarounds(
    providers: Providers, provider_services: stand_in.Providers
) -> None:
    """Withdrawn top tracks are remembered after one refusal, and replaced by a search."""
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
    assert provider_services.spotify.violations == []


async def test_spotify_with_full_access_gives_top_tracks(
    providers: Providers, provider_services: stand_in.Providers
) -> None:
    """An app with full access asks for top tracks, and one token is enough for all of it."""
    provider_services.spotify.is_extended = True
    client = providers.spotify
    assert client is not None
    for artist in provider_services.world.artists[:2]:
        assert len(await client.fetch_top_tracks(spotify.Artist(id=artist.spotify_ids[0], name=artist.name))) == 10
    assert provider_services.spotify.token_count == 1


async def test_a_token_that_ends_early_is_renewed_once_for_all(
    providers: Providers, provider_services: stand_in.Providers
) -> None:
    """Twelve requests at once fetch one token; after it was revoked they fetch one more."""
    client = providers.spotify
    assert client is not None
    for count in (1, 2):
        names = [f"{artist.name} {count}" for artist in provider_services.world.artists[:12]]
        found = await asyncio.gather(*(client.search_artists(name) for name in names))
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
