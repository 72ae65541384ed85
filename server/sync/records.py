"""What a file may hold: artists, venues, songs, shows and setlists, checked before anything is written.

A field that is left out (in CSV: an empty cell) keeps what the database has. An artist or a venue is named by its
slug or, when only one has it, by its name.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
import zoneinfo
from typing import Annotated, Literal

import msgspec

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Slug = Annotated[str, msgspec.Meta(max_length=300, pattern="^[a-z0-9]+(-[a-z0-9]+)*$")]
Title = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
Country = Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")]
Instant = Annotated[dt.datetime, msgspec.Meta(tz=True)]
Place = Annotated[int, msgspec.Meta(ge=1, le=1000)]


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing in a file."""


class ArtistRecord(Record, frozen=True, kw_only=True):
    """An artist; `songs` are titles of theirs."""

    name: Name
    slug: Slug | None = None
    genre: Annotated[str, msgspec.Meta(max_length=80)] | None = None
    country: Country | None = None
    songs: list[Title] = []


class VenueRecord(Record, frozen=True, kw_only=True):
    """A venue; degrees, IANA time zone."""

    name: Name
    city: Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
    country: Country
    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    time_zone: Annotated[str, msgspec.Meta(max_length=80)]
    slug: Slug | None = None
    region: Annotated[str, msgspec.Meta(max_length=80)] | None = None
    capacity: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] | None = None

    def __post_init__(self) -> None:
        """Raises ValueError: the zone is none."""
        if self.time_zone not in zoneinfo.available_timezones():
            raise ValueError(f"`{self.time_zone}` is no IANA time zone, such as Europe/Paris")


class SongRecord(Record, frozen=True, kw_only=True):
    """A song of an artist."""

    artist: Name
    title: Title


class ShowRecord(Record, frozen=True, kw_only=True):
    """A show; `date` and `time` are the venue's own. Voting opens 30 days before and closes when it starts."""

    artist: Name
    venue: Name
    date: dt.date
    time: Annotated[str, msgspec.Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")] | None = None  # 20:00
    slug: Slug | None = None
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=300)] | None = None
    opens_at: Instant | None = None
    closes_at: Instant | None = None
    votes_per_user_max: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    status: Literal["upcoming", "live", "finished", "cancelled"] | None = None
    supports: list[Name] = []

    def __post_init__(self) -> None:
        """Raises ValueError: the window is reversed, or a support act is there twice."""
        if self.opens_at and self.closes_at and self.opens_at >= self.closes_at:
            raise ValueError("`opens_at` is not before `closes_at`")
        if len(set(self.supports)) < len(self.supports) or self.artist in self.supports:
            raise ValueError("`supports` names somebody twice")


class SetSong(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A song in a set; `by` is whose song it is when it is a cover."""

    title: Title
    by: Name | None = None
    is_tape: bool = False
    medley: Place | None = None
    note: Annotated[str, msgspec.Meta(max_length=200)] = ""


class SetRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One set; `artist` is who plays it when it is not the show's own artist."""

    songs: Annotated[list[SetSong], msgspec.Meta(max_length=200)]
    name: Name | None = None
    kind: Literal["main", "encore", "alternate"] = "main"
    artist: Name | None = None


class SetlistRecord(Record, frozen=True, kw_only=True):
    """What a show is expected to bring, or brought: all its sets, in order. `show` is a slug."""

    show: Slug
    sets: Annotated[list[SetRecord], msgspec.Meta(min_length=1, max_length=20)]
    type: Literal["predicted", "actual"] = "predicted"


class SetlistRow(Record, frozen=True, kw_only=True):
    """One song of a setlist, as a CSV file has it: rows of one show and type belong together, in order."""

    show: Slug
    title: Title
    type: Literal["predicted", "actual"] = "predicted"
    set: Place = 1
    name: Name | None = None
    kind: Literal["main", "encore", "alternate"] = "main"
    artist: Name | None = None
    by: Name | None = None
    is_tape: bool = False
    medley: Place | None = None
    note: Annotated[str, msgspec.Meta(max_length=200)] = ""


# In the order in which they are written: what comes later may name what came before.
STAGES: dict[str, type[Record]] = {
    "artists": ArtistRecord,
    "venues": VenueRecord,
    "songs": SongRecord,
    "shows": ShowRecord,
    "setlists": SetlistRecord,
}


def slug_of(*texts: str) -> str:
    """A slug made of names; empty when nothing of them can be written in ASCII."""
    plain = unicodedata.normalize("NFKD", " ".join(texts)).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain.replace("'", "")).strip("-")[:300].strip("-")
