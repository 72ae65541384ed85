"""The JSON of the catalogue's answers; the OpenAPI document is generated from these types."""

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
    """A link to the page about something at another service; `service`: setlistfm, ticketmaster, …."""

    service: str
    url: str


class ShowSource(Source):
    """A link for a show: to a page about the show itself, or to one about its artist. `prediction` means that the sets of the
    show were predicted from that artist's page.
    """

    about: Literal["show", "prediction", "artist"]


class ArtistName(TypedDict):
    """The artist of a show, set or song: id, slug and name."""

    id: int
    slug: str
    name: str


class VenueName(TypedDict):
    """The venue of a show."""

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
    """A show in a list; `distance_km` is present in a list with `near`."""

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
    """An artist on the bill of a show: headliner or support."""

    billing: Billing


class CoveredArtist(TypedDict):
    """The artist whose song another artist plays."""

    id: int
    name: str


class SetlistSong(TypedDict):
    """A song of a setlist with its tally; the tally is null for a reader who may not see it. Neighbours with the same `medley`
    number form one medley. `was_played` says whether a played set has the song; null means not known, or a tape.
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
    """A set of a show, and the artist who plays it."""

    id: int
    type: SetlistType
    kind: SetKind
    name: str
    artist: ArtistName
    songs: list[SetlistSong]


class Show(ShowItem):
    """A show with its bill and its sets in order. `total` counts all votes; it and the tallies are as of the position `at`.
    `results` says who sees tallies before they are final: everyone, fans who have voted, or staff only. `accuracy` says how
    well the votes predicted the played sets; null means not known yet, or hidden from this reader. `revision` grows with every
    change of the show, its bill, its rules or its sets, but not with votes.
    """

    votes_per_user_max: int | None
    requires_ticket: bool
    ticket_source: Literal["code", "work", "mail"]
    results: Results
    accuracy: Accuracy | None
    attendance_count: int
    at: int
    total: int
    now_playing: int | None
    revision: int
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
    """How many predicted setlists have a song, and how many played ones."""

    predicted_count: int
    played_count: int
    last_played_on: Day | None


class ArtistSong(Plays):
    """A song that an artist plays."""

    id: int
    title: str


class Artist(ArtistItem):
    """An artist with the next shows and the songs played most often."""

    follower_count: int
    show_count: int
    songs: list[ArtistSong]
    shows: list[ShowItem]
    sources: list[Source]


class VenueItem(VenueName):
    """A venue in a list; `distance_km` is present in a list with `near`."""

    time_zone: str
    distance_km: NotRequired[float]


class VenuePage(TypedDict):
    """A page of venues."""

    items: list[VenueItem]
    next: str | None


class Venue(VenueItem):
    """A venue with its next shows; `rating` is the mean of its approved reviews, 1 to 5."""

    review_count: int
    rating: float | None
    shows: list[ShowItem]
    sources: list[Source]


class SongItem(TypedDict):
    """A song in a list."""

    id: int
    title: str
    artist: ArtistName


class SongPage(TypedDict):
    """A page of songs."""

    items: list[SongItem]
    next: str | None


class SongArtist(ArtistName, Plays):
    """An artist who plays a song."""


class PlaceName(TypedDict):
    """The venue of a show in short."""

    id: int
    slug: str
    name: str
    city: str


class SongShow(TypedDict):
    """The show of a setlist that has a song."""

    id: int
    slug: str
    name: str
    status: ShowStatus
    local_date: Day
    artist: ArtistName
    venue: PlaceName


class SongSetlist(TypedDict):
    """A setlist that has a song, with the song's tally; the tally is null while not everyone may see it."""

    id: int
    type: SetlistType
    name: str
    position: int
    up: int | None
    down: int | None
    show: SongShow


class Song(SongItem):
    """A song with the artists who play it, most often first, and the latest setlists that have it. `up` and `down` are its votes
    in all shows whose counts everyone may see.
    """

    up: int
    down: int
    artists: list[SongArtist]
    setlists: list[SongSetlist]
    sources: list[Source]


class SearchResults(TypedDict):
    """The entries of each kind that match a search, best match first."""

    artists: list[ArtistItem]
    songs: list[SongItem]
    venues: list[VenueItem]
    shows: list[ShowItem]
