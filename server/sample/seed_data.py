"""The facts that sample shows are made from: artists with songs, venues, and fans with something to say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

# A theatre act fills rooms up to THEATRE_MAX people, an arena act those from ARENA_MIN on; some suit both.
THEATRE_MAX = 10_000
ARENA_MIN = 8_000

Slug = Annotated[str, msgspec.Meta(pattern="^[a-z0-9]+(-[a-z0-9]+)*$")]


class Artist(msgspec.Struct, frozen=True):
    """An artist; songs from the most to the least expected at a show."""

    slug: Slug
    name: str
    genre: str
    country: str
    songs: tuple[str, ...]
    size: Literal["arena", "theatre"] = "arena"


class Venue(msgspec.Struct, frozen=True):
    """A venue, in the United States unless it says otherwise; degrees, IANA time zone, people at a concert."""

    slug: Slug
    name: str
    city: str
    region: str
    latitude: float
    longitude: float
    time_zone: str
    capacity: int
    country: str = "US"

    def fits(self, artist: Artist) -> bool:
        """Whether an artist of that size would play here."""
        return self.capacity <= THEATRE_MAX if artist.size == "theatre" else self.capacity >= ARENA_MIN


class ReviewBank(msgspec.Struct, frozen=True):
    """What reviews of one rating are put together from."""

    rating: Annotated[int, msgspec.Meta(ge=1, le=5)]
    openings: tuple[str, ...]
    closings: tuple[str, ...]


class People(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What fans call themselves and what they say."""

    names: tuple[str, ...]
    reviews: tuple[ReviewBank, ...]


class SeedData(msgspec.Struct, frozen=True):
    """All artists, venues and people of the samples."""

    artists: tuple[Artist, ...]
    venues: tuple[Venue, ...]
    people: People


class _ArtistsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    artist: tuple[Artist, ...]


class _VenuesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    venue: tuple[Venue, ...]


def load_seed_data() -> SeedData:
    """The demo's artists and venues, and the people."""
    folder = Path(__file__).parent
    return SeedData(
        artists=msgspec.toml.decode((folder / "artists.toml").read_bytes(), type=_ArtistsFile).artist,
        venues=msgspec.toml.decode((folder / "venues.toml").read_bytes(), type=_VenuesFile).venue,
        people=msgspec.toml.decode((folder / "people.toml").read_bytes(), type=People),
    )
