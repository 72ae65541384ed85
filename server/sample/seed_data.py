"""Reads the .toml files that sample shows are made from: artists with songs, venues, and names and texts of fans."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from server.protocol.slugs import Slug

# An artist of size theatre plays venues of up to THEATRE_MAX people, one of size arena those of at least ARENA_MIN; some
# venues suit both.
THEATRE_MAX = 10_000
ARENA_MIN = 8_000


class Artist(msgspec.Struct, frozen=True):
    """An artist; songs from the most to the least expected at a show, size for the venues they fill."""

    slug: Slug
    name: str
    genre: str
    country: str
    songs: tuple[str, ...]
    size: Literal["arena", "theatre"] = "arena"


class Venue(msgspec.Struct, frozen=True):
    """A venue, in the United States unless `country` differs; coordinates in degrees, IANA time zone, capacity in people."""

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
        """Whether an artist of this size plays here."""
        return self.capacity <= THEATRE_MAX if artist.size == "theatre" else self.capacity >= ARENA_MIN


class ReviewTexts(msgspec.Struct, frozen=True):
    """The sentences that reviews of one rating are made from: one opening and one closing."""

    rating: Annotated[int, msgspec.Meta(ge=1, le=5)]
    openings: tuple[str, ...]
    closings: tuple[str, ...]


class People(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The names of fans and the texts of their reviews."""

    names: tuple[str, ...]
    reviews: tuple[ReviewTexts, ...]


class SeedData(msgspec.Struct, frozen=True):
    """The contents of artists.toml, venues.toml and people.toml."""

    artists: tuple[Artist, ...]
    venues: tuple[Venue, ...]
    people: People


class _ArtistsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    artist: tuple[Artist, ...]


class _VenuesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    venue: tuple[Venue, ...]


def load_seed_data() -> SeedData:
    """Reads and checks the three files."""
    folder = Path(__file__).parent
    return SeedData(
        artists=msgspec.toml.decode((folder / "artists.toml").read_bytes(), type=_ArtistsFile).artist,
        venues=msgspec.toml.decode((folder / "venues.toml").read_bytes(), type=_VenuesFile).venue,
        people=msgspec.toml.decode((folder / "people.toml").read_bytes(), type=People),
    )
