"""The facts that sample shows are made from: artists with songs, and venues."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

Slug = Annotated[str, msgspec.Meta(pattern="^[a-z0-9]+(-[a-z0-9]+)*$")]


class Artist(msgspec.Struct, frozen=True):
    """An artist; songs from the most to the least expected at a show."""

    slug: Slug
    name: str
    genre: str
    country: str
    songs: tuple[str, ...]


class Venue(msgspec.Struct, frozen=True):
    """A venue in the United States; degrees, IANA time zone, people at a concert."""

    slug: Slug
    name: str
    city: str
    region: str
    latitude: float
    longitude: float
    time_zone: str
    capacity: int
    country: str = "US"


class Facts(msgspec.Struct, frozen=True):
    """All artists and venues of the samples."""

    artists: tuple[Artist, ...]
    venues: tuple[Venue, ...]


class _ArtistsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    artist: tuple[Artist, ...]


class _VenuesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    venue: tuple[Venue, ...]


def load_facts() -> Facts:
    """The two files beside this one."""
    folder = Path(__file__).parent
    return Facts(
        artists=msgspec.toml.decode((folder / "artists.toml").read_bytes(), type=_ArtistsFile).artist,
        venues=msgspec.toml.decode((folder / "venues.toml").read_bytes(), type=_VenuesFile).venue,
    )
