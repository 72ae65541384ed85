"""What the catalogue answers, as JSON; the OpenAPI document is made from these."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta

from server.protocol.accuracy import Accuracy
from server.protocol.embargo import Results

Day = Annotated[str, Meta(extra_json_schema={"format": "date"})]
Instant = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
EntryKind = Literal["artists", "songs", "venues", "shows"]
ShowStatus = Literal["upcoming", "live", "finished", "cancelled"]
Voting = Literal["open", "locked", "closed", "final"]
SetlistType = Literal["predicted", "actual"]
SetKind = Literal["main", "encore", "alternate"]
Billing = Literal["headliner", "support"]


class Source(TypedDict):
    """Where something is told of at another service, to link back to; `service`: setlistfm, ticketmaster, …."""

    service: str
    url: str


class ShowSource(Source):
    """A source of a show: a page about the show itself, or one about its artist, by which its sets were predicted or not."""

    about: Literal["show", "prediction", "artist"]


class ArtistName(TypedDict):
    """An artist where something else is told."""

    id: int
    slug: str
    name: str


class VenueName(TypedDict):
    """A venue where a show is told."""

    id: int
    slug: str
    name: str
    city: str
    region: str
    country: str
    latitude: float
    longitude: float
    capacity: int | None


class ShowItem(TypedDict):
    """A show in a list; `distance_km` is there when the list is of what is near."""

    id: int
    slug: str
    name: str
    status: ShowStatus
    voting: Voting
    local_date: Day
    starts_at: Instant
    time_zone: str
    opens_at: Instant
    closes_at: Instant
    vote_count: int
    artist: ArtistName
    venue: VenueName
    distance_km: NotRequired[float]


class ShowPage(TypedDict):
    """A page of shows."""

    items: list[ShowItem]
    next: str | None


class BilledArtist(ArtistName):
    """An artist on the bill of a show."""

    billing: Billing


class CoveredArtist(TypedDict):
    """Whose song it is that somebody else plays."""

    id: int
    name: str


class SetlistSong(TypedDict):
    """A song of a setlist, with its tally, null when it is not for whoever asks; neighbours with the same number are one
    medley. was_played: whether it is in a set that was played; null: not known here, or it is a tape.
    """

    id: int
    song_id: int
    title: str
    position: int
    up: int | None
    down: int | None
    played_at: Instant | None
    was_played: bool | None
    is_tape: bool
    medley: int | None
    note: str
    cover_of: CoveredArtist | None


class Setlist(TypedDict):
    """A set of a show, and who plays it."""

    id: int
    type: SetlistType
    kind: SetKind
    name: str
    artist: ArtistName
    songs: list[SetlistSong]


class Show(ShowItem):
    """A show with its bill and its sets in order; tallies and total are as of the position `at`. `results`: whom tallies are
    shown to while they are not final: everyone, those who have voted, staff alone. `accuracy`: how well the crowd foresaw
    what was played; null: that is not known yet, or not for whoever asks.
    """

    votes_per_user_max: int | None
    requires_ticket: bool
    results: Results
    accuracy: Accuracy | None
    attendance_count: int
    at: int
    total: int
    now_playing: int | None
    bill: list[BilledArtist]
    setlists: list[Setlist]
    sources: list[ShowSource]


class ArtistItem(ArtistName):
    """An artist in a list."""

    genre: str
    country: str


class ArtistPage(TypedDict):
    """A page of artists."""

    items: list[ArtistItem]
    next: str | None


class Plays(TypedDict):
    """In how many setlists a song was expected, and in how many it was played."""

    predicted_count: int
    played_count: int
    last_played_on: Day | None


class ArtistSong(Plays):
    """A song an artist plays."""

    id: int
    title: str


class Artist(ArtistItem):
    """An artist with the next shows, and the songs played most."""

    follower_count: int
    show_count: int
    songs: list[ArtistSong]
    shows: list[ShowItem]
    sources: list[Source]


class VenueItem(VenueName):
    """A venue in a list; `distance_km` is there when the list is of what is near."""

    time_zone: str
    distance_km: NotRequired[float]


class VenuePage(TypedDict):
    """A page of venues."""

    items: list[VenueItem]
    next: str | None


class Venue(VenueItem):
    """A venue with its next shows and what its approved reviews say; `rating` is their mean, 1 to 5."""

    review_count: int
    rating: float | None
    shows: list[ShowItem]
    sources: list[Source]


class SongItem(TypedDict):
    """A song in a list."""

    id: int
    title: str
    artist: ArtistName


class SongArtist(ArtistName, Plays):
    """An artist who plays a song."""


class SongShow(TypedDict):
    """A show where a song's setlists are told."""

    id: int
    slug: str
    name: str
    status: ShowStatus
    local_date: Day


class SongSetlist(TypedDict):
    """A setlist that holds a song."""

    id: int
    type: SetlistType
    name: str
    position: int
    show: SongShow


class Song(SongItem):
    """A song with who plays it, most often first, and the latest setlists it is in."""

    artists: list[SongArtist]
    setlists: list[SongSetlist]
    sources: list[Source]


class SearchResults(TypedDict):
    """What a search found of each kind, best first."""

    artists: list[ArtistItem]
    songs: list[SongItem]
    venues: list[VenueItem]
    shows: list[ShowItem]
