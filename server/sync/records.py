"""Records of the catalogue: artists, venues, songs, shows and setlists, checked before they are written.

A field that is left out (in CSV: an empty cell) keeps the value of the database. A record refers to an artist or a
venue by its slug, or by its name when only one has that name.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
import zoneinfo
from typing import Annotated, Literal, NamedTuple

import msgspec

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Slug = Annotated[str, msgspec.Meta(max_length=300, pattern="^[a-z0-9]+(-[a-z0-9]+)*$")]
Title = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
Country = Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")]
Instant = Annotated[dt.datetime, msgspec.Meta(tz=True)]
Place = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Outcome = Literal["added", "changed", "unchanged", "refused"]


class RecordResult(NamedTuple):
    """The result of writing one record.

    line:    where the record stands in its file; None: it came from a provider
    message: the record's slug or title; for a refused record the reason
    """

    line: int | None
    outcome: Outcome
    message: str


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One record of the catalogue."""


class ArtistRecord(Record, frozen=True, kw_only=True):
    """An artist, with the titles of the artist's songs."""

    name: Name
    slug: Slug | None = None
    genre: Annotated[str, msgspec.Meta(max_length=80)] | None = None
    country: Country | None = None
    songs: list[Title] = []


class VenueRecord(Record, frozen=True, kw_only=True):
    """A venue; coordinates in degrees, an IANA time zone."""

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
        """Raises ValueError: the time zone is unknown."""
        if self.time_zone not in zoneinfo.available_timezones():
            raise ValueError(f"`time_zone` is `{self.time_zone}`; give an IANA time zone such as Europe/Paris")


class SongRecord(Record, frozen=True, kw_only=True):
    """A song of an artist."""

    artist: Name
    title: Title


class ShowRecord(Record, frozen=True, kw_only=True):
    """A show; `date` and `time` are local to the venue. By default voting opens 30 days before the start and closes at it."""

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
        """Raises ValueError: voting would close before it opens, or an act is named twice."""
        if self.opens_at and self.closes_at and self.opens_at >= self.closes_at:
            raise ValueError("`opens_at` must be before `closes_at`")
        if len(set(self.supports)) < len(self.supports) or self.artist in self.supports:
            raise ValueError("`supports` must name each act once, without the show's own artist")


class SetSong(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A song in a set; `by` is the original artist of a cover."""

    title: Title
    by: Name | None = None
    is_tape: bool = False
    medley: Place | None = None
    note: Annotated[str, msgspec.Meta(max_length=200)] = ""


class SetRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One set; `artist` is the act that plays it when it is not the show's own artist."""

    songs: Annotated[list[SetSong], msgspec.Meta(max_length=200)]
    name: Name | None = None
    kind: Literal["main", "encore", "alternate"] = "main"
    artist: Name | None = None


class SetlistRecord(Record, frozen=True, kw_only=True):
    """The predicted or actual setlist of a show: all its sets, in order. `show` is a slug."""

    show: Slug
    sets: Annotated[list[SetRecord], msgspec.Meta(min_length=1, max_length=20)]
    type: Literal["predicted", "actual"] = "predicted"


class SetlistRow(Record, frozen=True, kw_only=True):
    """One song of a setlist, as one row of a CSV file: rows with the same show and type make one setlist, in order."""

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


# In the order of writing: a record may refer to records of earlier stages.
STAGES: dict[str, type[Record]] = {
    "artists": ArtistRecord,
    "venues": VenueRecord,
    "songs": SongRecord,
    "shows": ShowRecord,
    "setlists": SetlistRecord,
}


def slug_of(*texts: str) -> str:
    """Makes a slug of names; empty when no character of them has an ASCII form."""
    plain = unicodedata.normalize("NFKD", " ".join(texts)).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain.replace("'", "")).strip("-")[:300].strip("-")
