"""Records of the catalogue: artists, venues, songs, shows and setlists, checked before they are written.

A field that is left out (in CSV: an empty cell) keeps the value of the database. A record refers to an artist or a
venue by its slug, or by its name when only one has that name.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal, NamedTuple

import msgspec

from server.protocol.slugs import Slug
from server.protocol.texts import clean_line
from server.protocol.time_zones import canonical_zone

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Title = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
Country = Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")]
Place = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Outcome = Literal["added", "changed", "unchanged", "refused"]


class RecordResult(NamedTuple):
    """The result of writing one record.

    line:    where the record stands in its file; None: it came from a provider
    message: the record's slug or title; for a refused record the reason
    note:    what a person should know about it, such as a song that stood in its set twice
    """

    line: int | None
    outcome: Outcome
    message: str
    note: str = ""

    @property
    def told(self) -> str:
        """The message with its note."""
        return f"{self.message}: {self.note}" if self.note else self.message


class Cleaned(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Part of a record. Its names and titles are in Unicode's composed form, with nothing invisible at their ends."""

    def __post_init__(self) -> None:
        """Cleans all texts; raises ValueError: one of them is blank."""
        for field in self.__struct_fields__:
            given = getattr(self, field)
            texts = given if isinstance(given, list) else [given]
            if not all(isinstance(text, str) for text in texts):
                continue
            cleaned = [clean_line(text) for text in texts]
            if cleaned == texts:
                continue
            if any(text and not clean for text, clean in zip(texts, cleaned, strict=True)):
                raise ValueError(f"`{field}` has no visible character; give a text")
            msgspec.structs.force_setattr(self, field, cleaned if isinstance(given, list) else cleaned[0])


class Record(Cleaned, frozen=True, kw_only=True):
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
        """Raises ValueError: the time zone is unknown, or the place is that of a forgotten one."""
        super().__post_init__()
        if canonical_zone(self.time_zone) != self.time_zone:
            raise ValueError(f"`time_zone` is `{self.time_zone}`; give an IANA time zone, such as Europe/Paris")
        if self.latitude == 0 and self.longitude == 0:
            raise ValueError("`latitude` and `longitude` are 0, a place in the Atlantic; give the place of the venue")


class SongRecord(Record, frozen=True, kw_only=True):
    """A song of an artist."""

    artist: Name
    title: Title


class ShowRecord(Record, frozen=True, kw_only=True):
    """A show; `date` and `time` are local to the venue. By default voting opens 30 days before the start and closes at it."""

    artist: Name
    venue: Name
    date: dt.date
    time: Annotated[str, msgspec.Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]([+-][0-9]{2}:[0-9]{2})?$")] | None = None
    slug: Slug | None = None
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=300)] | None = None
    opens_at: dt.datetime | None = None
    closes_at: dt.datetime | None = None
    votes_per_user_max: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    status: Literal["upcoming", "live", "finished", "cancelled"] | None = None
    supports: list[Name] = []

    def __post_init__(self) -> None:
        """Raises ValueError: an act is named twice."""
        super().__post_init__()
        if len(set(self.supports)) < len(self.supports) or self.artist in self.supports:
            raise ValueError("`supports` must name each act once, without the show's own artist")


class SetSong(Cleaned, frozen=True, kw_only=True):
    """A song in a set; `by` is the original artist of a cover."""

    title: Title
    by: Name | None = None
    is_tape: bool = False
    medley: Place | None = None
    note: Annotated[str, msgspec.Meta(max_length=200)] = ""


class SetRecord(Cleaned, frozen=True, kw_only=True):
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
    """One song of a setlist, as one row of a CSV file: rows with the same show and type make one setlist, in order.

    In a file without `set`, a new set begins where `kind`, `name` or `artist` changes.
    """

    show: Slug
    title: Title
    type: Literal["predicted", "actual"] = "predicted"
    set: Place | None = None
    name: Name | None = None
    kind: Literal["main", "encore", "alternate"] | None = None
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
