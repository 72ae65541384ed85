# "make queries" writes this file from the .sql files of this room.

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal, TypedDict

from server.store.database import Connection

# catalog/brands.sql
class ServedBrandsRow(TypedDict):
    id: int
    host: str
    name: str
    colours: str | Any
    has_logo: bool | Any
    revision: int
    artist_slug: str | Any
    venue_slug: str | Any

class LogoOfBrandRow(TypedDict):
    logo: bytes | None
    logo_type: str | None

class ListBrandsRow(TypedDict):
    id: int
    host: str
    name: str
    artist: int | None
    venue: int | None
    colours: str | Any
    logo_bytes: int | Any
    logo_type: str | None
    revision: int
    created_at: datetime

class _Brands:
    def served_brands(self, connection: Connection) -> AsyncIterator[ServedBrandsRow]: ...
    async def logo_of_brand(self, connection: Connection, *, id: int | None) -> LogoOfBrandRow | None: ...
    def list_brands(
        self, connection: Connection, *, id: int | None, after_id: int | None, count: int | None
    ) -> AsyncIterator[ListBrandsRow]: ...
    async def lock_brand(self, connection: Connection, *, id: int | None) -> int | None: ...
    async def count_brands(self, connection: Connection) -> int | Any: ...
    async def insert_brand(
        self,
        connection: Connection,
        *,
        host: str | None,
        name: str | None,
        artist: int | None,
        venue: int | None,
        colours: str | None,
        logo: bytes | None,
        logo_type: str | None,
    ) -> int: ...
    async def update_brand(
        self,
        connection: Connection,
        *,
        host: str | None,
        name: str | None,
        artist: int | None,
        venue: int | None,
        colours: str | None,
        id: int | None,
    ) -> str: ...
    async def update_logo(
        self, connection: Connection, *, logo: bytes | None, logo_type: str | None, id: int | None
    ) -> str: ...
    async def delete_brand(self, connection: Connection, *, id: int | None) -> str: ...
    async def unknown_subject(
        self, connection: Connection, *, artist: int | None, venue: int | None
    ) -> str | Any | None: ...

# catalog/calendars.sql
class ShowsOfArtistRow(TypedDict):
    id: int
    slug: str
    name: str
    status: Literal["upcoming", "live", "finished", "cancelled"]
    starts_at: datetime
    time_zone: str
    revision: int
    updated_at: datetime
    is_certain: bool | Any
    artist_name: str
    venue_name: str
    city: str
    region: str
    country: str
    latitude: float
    longitude: float

class _Calendars:
    def shows_of_artist(
        self, connection: Connection, *, artist_id: int | None, since: datetime | None, count: int | None
    ) -> AsyncIterator[ShowsOfArtistRow]: ...

# catalog/catalogue.sql
class ListShowsRow(TypedDict):
    id: int
    slug: str
    name: str
    status: Literal["upcoming", "live", "finished", "cancelled"]
    local_date: date
    starts_at: datetime
    time_zone: str
    opens_at: datetime
    closes_at: datetime
    is_locked: bool
    is_final: bool | Any
    vote_count: int
    list_group: int | Any
    artist_id: int
    artist_slug: str
    artist_name: str
    venue_id: int
    venue_slug: str
    venue_name: str
    city: str
    region: str
    country: str
    latitude: float
    longitude: float
    capacity: int | None

class ShowByReferenceRow(TypedDict):
    id: int
    slug: str
    name: str
    status: Literal["upcoming", "live", "finished", "cancelled"]
    local_date: date
    starts_at: datetime
    time_zone: str
    opens_at: datetime
    closes_at: datetime
    is_locked: bool
    is_final: bool | Any
    vote_count: int
    votes_per_user_max: int | None
    requires_ticket: bool
    ticket_source: str | Any
    attendance_count: int
    position: int
    revision: int
    results: Literal["live", "after_vote", "after_closing"]
    audience: int | Any
    accuracy: str | Any
    artist_id: int
    artist_slug: str
    artist_name: str
    venue_id: int
    venue_slug: str
    venue_name: str
    city: str
    region: str
    country: str
    latitude: float
    longitude: float
    capacity: int | None

class BillOfShowRow(TypedDict):
    id: int
    slug: str
    name: str
    billing: Literal["headliner", "support"]

class SourcesOfShowRow(TypedDict):
    service: str | Any
    url: str | Any
    about: str | Any

class SourcesOfArtistRow(TypedDict):
    service: str | Any
    url: str

class SourcesOfVenueRow(TypedDict):
    service: str | Any
    url: str

class SourcesOfSongRow(TypedDict):
    service: str | Any
    url: str

class SongsOfShowRow(TypedDict):
    setlist_id: int
    type: Literal["predicted", "actual"]
    kind: Literal["main", "encore", "alternate"]
    setlist_name: str
    artist_id: int | Any
    artist_slug: str | Any
    artist_name: str | Any
    id: int | Any
    song_id: int | Any
    title: str | Any
    position: int | Any
    up_count: int | Any
    down_count: int | Any
    played_at: datetime | None
    is_tape: bool | Any
    medley: int | None
    note: str | Any
    cover_id: int | Any
    cover_name: str | Any

class SetlistsOfShowRow(TypedDict):
    revision: int
    accuracy: str | Any

class StatusOfShowRow(TypedDict):
    revision: int
    status: Literal["upcoming", "live", "finished", "cancelled"]
    opens_at: datetime
    closes_at: datetime
    is_locked: bool
    is_final: bool | Any
    results: Literal["live", "after_vote", "after_closing"]
    accuracy: str | Any
    now_playing: int | Any

class ListArtistsRow(TypedDict):
    id: int
    slug: str
    name: str
    genre: str
    country: str

class ArtistByReferenceRow(TypedDict):
    id: int
    slug: str
    name: str
    genre: str
    country: str
    follower_count: int
    show_count: int

class SongsOfArtistRow(TypedDict):
    id: int
    title: str
    predicted_count: int
    played_count: int
    last_played_on: date | None

class ListVenuesRow(TypedDict):
    id: int
    slug: str
    name: str
    city: str
    region: str
    country: str
    latitude: float
    longitude: float
    time_zone: str
    capacity: int | None

class ListVenuesNearRow(TypedDict):
    id: int
    slug: str
    name: str
    city: str
    region: str
    country: str
    latitude: float
    longitude: float
    time_zone: str
    capacity: int | None
    distance_km: float | Any

class VenuesWithinRow(TypedDict):
    id: int
    distance_km: float | Any

class VenueByReferenceRow(TypedDict):
    id: int
    slug: str
    name: str
    city: str
    region: str
    country: str
    latitude: float
    longitude: float
    time_zone: str
    capacity: int | None
    review_count: int
    rating: float | Any

class SongByIdRow(TypedDict):
    id: int
    title: str
    artist_id: int
    artist_slug: str
    artist_name: str

class ArtistsOfSongRow(TypedDict):
    id: int
    slug: str
    name: str
    predicted_count: int
    played_count: int
    last_played_on: date | None

class SetlistsOfSongRow(TypedDict):
    id: int
    type: Literal["predicted", "actual"]
    name: str
    position: int
    up: int | Any
    down: int | Any
    show_id: int
    show_slug: str
    show_name: str
    show_status: Literal["upcoming", "live", "finished", "cancelled"]
    local_date: date
    artist_id: int
    artist_slug: str
    artist_name: str
    venue_id: int
    venue_slug: str
    venue_name: str
    city: str

class VotesOfSongRow(TypedDict):
    up: int | Any
    down: int | Any

class TalliesOfShowRow(TypedDict):
    setlist_id: int
    type: Literal["predicted", "actual"]
    setlist_name: str
    id: int
    song_id: int
    title: str
    position: int
    up_count: int
    down_count: int
    score: int | Any
    rank: int | Any
    set_aside_up_count: int
    set_aside_down_count: int
    artist_name: str
    artist_mbid: str | Any
    isrc: str | Any

class _Catalogue:
    def list_shows(
        self,
        connection: Connection,
        *,
        after_group: int | None,
        after_place: timedelta | None,
        after_id: int | None,
        first_group: int | None,
        last_group: int | None,
        artist_id: int | None,
        venue_ids: Sequence[int | None] | None,
        first: date | None,
        last: date | None,
        words: str | None,
        like: str | None,
        similar: Sequence[str | None] | None,
        closeness: float | None,
        count: int | None,
    ) -> AsyncIterator[ListShowsRow]: ...
    async def show_by_reference(
        self, connection: Connection, *, id: int | None, slug: str | None
    ) -> ShowByReferenceRow | None: ...
    def bill_of_show(self, connection: Connection, *, show_id: int | None) -> AsyncIterator[BillOfShowRow]: ...
    def sources_of_show(self, connection: Connection, *, show_id: int | None) -> AsyncIterator[SourcesOfShowRow]: ...
    def sources_of_artist(
        self, connection: Connection, *, artist_id: int | None
    ) -> AsyncIterator[SourcesOfArtistRow]: ...
    def sources_of_venue(self, connection: Connection, *, venue_id: int | None) -> AsyncIterator[SourcesOfVenueRow]: ...
    def sources_of_song(self, connection: Connection, *, song_id: int | None) -> AsyncIterator[SourcesOfSongRow]: ...
    def songs_of_show(self, connection: Connection, *, show_id: int | None) -> AsyncIterator[SongsOfShowRow]: ...
    async def setlists_of_show(self, connection: Connection, *, show_id: int | None) -> SetlistsOfShowRow | None: ...
    async def status_of_show(self, connection: Connection, *, show_id: int | None) -> StatusOfShowRow | None: ...
    def list_artists(
        self,
        connection: Connection,
        *,
        after_slug: str | None,
        words: str | None,
        like: str | None,
        similar: Sequence[str | None] | None,
        closeness: float | None,
        count: int | None,
    ) -> AsyncIterator[ListArtistsRow]: ...
    async def artist_id_of_slug(self, connection: Connection, *, slug: str | None) -> int | None: ...
    async def artist_by_reference(
        self, connection: Connection, *, id: int | None, slug: str | None
    ) -> ArtistByReferenceRow | None: ...
    def songs_of_artist(
        self, connection: Connection, *, artist_id: int | None, count: int | None
    ) -> AsyncIterator[SongsOfArtistRow]: ...
    def list_venues(
        self,
        connection: Connection,
        *,
        after_slug: str | None,
        words: str | None,
        like: str | None,
        similar: Sequence[str | None] | None,
        closeness: float | None,
        count: int | None,
    ) -> AsyncIterator[ListVenuesRow]: ...
    def list_venues_near(
        self,
        connection: Connection,
        *,
        latitude: float | None,
        longitude: float | None,
        radius_km: float | None,
        after_km: float | None,
        after_id: int | None,
        words: str | None,
        like: str | None,
        similar: Sequence[str | None] | None,
        closeness: float | None,
        count: int | None,
    ) -> AsyncIterator[ListVenuesNearRow]: ...
    def venues_within(
        self, connection: Connection, *, latitude: float | None, longitude: float | None, radius_km: float | None
    ) -> AsyncIterator[VenuesWithinRow]: ...
    async def venue_id_of_slug(self, connection: Connection, *, slug: str | None) -> int | None: ...
    async def venue_by_reference(
        self, connection: Connection, *, id: int | None, slug: str | None
    ) -> VenueByReferenceRow | None: ...
    async def song_by_id(self, connection: Connection, *, id: int | None) -> SongByIdRow | None: ...
    def artists_of_song(
        self, connection: Connection, *, song_id: int | None, count: int | None
    ) -> AsyncIterator[ArtistsOfSongRow]: ...
    def setlists_of_song(
        self, connection: Connection, *, song_id: int | None, count: int | None
    ) -> AsyncIterator[SetlistsOfSongRow]: ...
    async def votes_of_song(self, connection: Connection, *, song_id: int | None) -> VotesOfSongRow: ...
    def tallies_of_show(self, connection: Connection, *, show_id: int | None) -> AsyncIterator[TalliesOfShowRow]: ...

# catalog/entry_editing.sql
class FetchArtistRow(TypedDict):
    id: int
    slug: str
    name: str
    genre: str
    country: str
    updated_at: datetime
    show_count: int | Any

class FetchVenueRow(TypedDict):
    id: int
    slug: str
    name: str
    city: str
    region: str
    country: str
    latitude: float
    longitude: float
    time_zone: str
    capacity: int | None
    updated_at: datetime
    show_count: int | Any

class FetchSongRow(TypedDict):
    id: int
    artist: int
    artist_name: str
    title: str
    updated_at: datetime
    show_count: int | Any

class LockShardsOfArtistRow(TypedDict):
    shard: int

class LockShardsOfVenueRow(TypedDict):
    shard: int

class _EntryEditing:
    async def fetch_artist(self, connection: Connection, *, id: int | None) -> FetchArtistRow | None: ...
    async def fetch_venue(self, connection: Connection, *, id: int | None) -> FetchVenueRow | None: ...
    async def fetch_song(self, connection: Connection, *, id: int | None) -> FetchSongRow | None: ...
    async def id_of_artist(self, connection: Connection, *, slug: str | None) -> int | None: ...
    async def id_of_venue(self, connection: Connection, *, slug: str | None) -> int | None: ...
    async def same_artist(self, connection: Connection, *, name: str | None) -> int | Any | None: ...
    async def same_venue(self, connection: Connection, *, name: str | None, city: str | None) -> int | Any | None: ...
    async def same_song(self, connection: Connection, *, artist: int | None, title: str | None) -> int | Any | None: ...
    async def insert_artist(
        self, connection: Connection, *, slug: str | None, name: str | None, genre: str | None, country: str | None
    ) -> int | None: ...
    async def insert_venue(
        self,
        connection: Connection,
        *,
        slug: str | None,
        name: str | None,
        city: str | None,
        region: str | None,
        country: str | None,
        latitude: float | None,
        longitude: float | None,
        time_zone: str | None,
        capacity: int | None,
    ) -> int | None: ...
    async def insert_song(self, connection: Connection, *, artist: int | None, title: str | None) -> int: ...
    def lock_shards_of_artist(
        self, connection: Connection, *, id: int | None
    ) -> AsyncIterator[LockShardsOfArtistRow]: ...
    def lock_shards_of_venue(
        self, connection: Connection, *, id: int | None
    ) -> AsyncIterator[LockShardsOfVenueRow]: ...
    async def lock_song(self, connection: Connection, *, id: int | None) -> int | None: ...
    async def update_artist(
        self,
        connection: Connection,
        *,
        slug: str | None,
        name: str | None,
        genre: str | None,
        country: str | None,
        id: int | None,
    ) -> str: ...
    async def update_venue(
        self,
        connection: Connection,
        *,
        slug: str | None,
        name: str | None,
        city: str | None,
        region: str | None,
        country: str | None,
        latitude: float | None,
        longitude: float | None,
        time_zone: str | None,
        capacity: int | None,
        id: int | None,
    ) -> str: ...
    async def update_song(
        self, connection: Connection, *, artist: int | None, title: str | None, id: int | None
    ) -> str: ...

# catalog/merging.sql
class FoldShowsRow(TypedDict):
    show_id: int | Any

class PreviewMergeRow(TypedDict):
    name: str | Any
    made_at: datetime | Any
    folded_songs: int | Any
    moved_votes: int | Any
    folded_votes: int | Any
    moved_follows: int | Any
    changed_shows: int | Any

class FetchMergeRow(TypedDict):
    id: int
    kind: str
    survivor_id: int
    duplicate_id: int
    name: str | Any
    made_by: int
    made_at: datetime
    undone_at: datetime | None
    can_undo: bool | Any
    folded_songs: int | Any
    moved_votes: int | Any
    folded_votes: int | Any
    moved_follows: int | Any
    changed_shows: int | Any

class ListMergesRow(TypedDict):
    id: int

class LockMergeRow(TypedDict):
    id: int
    kind: str
    survivor_id: int
    duplicate_id: int
    undone_at: datetime | None
    is_recent: bool | Any
    later: int | Any

class ShowsOfFoldsRow(TypedDict):
    show_id: int

class _Merging:
    def fold_shows(
        self, connection: Connection, *, kind: str | None, survivor: int | None, duplicate: int | None
    ) -> AsyncIterator[FoldShowsRow]: ...
    async def merge_entries(
        self,
        connection: Connection,
        *,
        kind: str | None,
        survivor: int | None,
        duplicate: int | None,
        actor_id: int | None,
    ) -> int | Any: ...
    async def preview_merge(
        self, connection: Connection, *, kind: str | None, survivor: int | None, duplicate: int | None
    ) -> PreviewMergeRow | None: ...
    async def is_name_taken(self, connection: Connection, *, id: int | None) -> bool | Any: ...
    async def fetch_merge(self, connection: Connection, *, id: int | None) -> FetchMergeRow | None: ...
    def list_merges(
        self, connection: Connection, *, before_id: int | None, count: int | None
    ) -> AsyncIterator[ListMergesRow]: ...
    async def lock_merge(self, connection: Connection, *, id: int | None) -> LockMergeRow | None: ...
    def shows_of_folds(self, connection: Connection, *, merge_id: int | None) -> AsyncIterator[ShowsOfFoldsRow]: ...
    async def undo_merge(self, connection: Connection, *, id: int | None) -> str: ...
    async def merged_into(
        self, connection: Connection, *, kind: str | None, old_id: int | None, old_slug: str | None
    ) -> int | Any | None: ...

# catalog/playlists.sql
class TracksOfShowRow(TypedDict):
    type: Literal["predicted", "actual"] | Any
    song_id: int | Any
    title: str | Any
    artist_name: str | Any
    isrc: str | Any
    url: str | Any
    artist_mbid: str | Any

class _Playlists:
    def tracks_of_show(self, connection: Connection, *, show_id: int | None) -> AsyncIterator[TracksOfShowRow]: ...

# catalog/public_data.sql
class ArtistsRow(TypedDict):
    id: int | Any
    slug: str | Any
    name: str | Any
    musicbrainz_id: str | Any

class VenuesRow(TypedDict):
    id: int
    slug: str | Any
    name: str | Any
    city: str | Any
    country: str | Any

class SongsRow(TypedDict):
    id: int | Any
    artist_id: int | Any
    title: str | Any

class ShowsRow(TypedDict):
    id: int
    slug: str | Any
    artist_id: int
    venue_id: int | Any
    name: str | Any
    local_date: date | Any
    starts_at: datetime | Any
    status: str | Any
    opens_at: datetime
    closes_at: datetime
    finalised_at: datetime | None
    vote_count: int
    attendance_count: int

class CountsRow(TypedDict):
    id: int
    show_id: int
    song_id: int
    position: int
    up: int
    down: int

class PlayedRow(TypedDict):
    id: int | Any
    show_id: int | Any
    song_id: int | Any
    position: int | Any
    played_at: datetime | None
    is_tape: bool | Any

class HoursRow(TypedDict):
    show_id: int
    hour: datetime
    up: int
    down: int
    withdrawn: int

class _PublicData:
    def artists(
        self, connection: Connection, *, after_id: int | None, count: int | None
    ) -> AsyncIterator[ArtistsRow]: ...
    def venues(
        self, connection: Connection, *, after_id: int | None, count: int | None
    ) -> AsyncIterator[VenuesRow]: ...
    def songs(self, connection: Connection, *, after_id: int | None, count: int | None) -> AsyncIterator[SongsRow]: ...
    def shows(self, connection: Connection, *, after_id: int | None, count: int | None) -> AsyncIterator[ShowsRow]: ...
    def counts(
        self, connection: Connection, *, after_id: int | None, count: int | None
    ) -> AsyncIterator[CountsRow]: ...
    def played(
        self, connection: Connection, *, after_id: int | None, count: int | None
    ) -> AsyncIterator[PlayedRow]: ...
    def hours(
        self, connection: Connection, *, after_id: int | None, after_hour: datetime | None, count: int | None
    ) -> AsyncIterator[HoursRow]: ...

# catalog/removed_songs.sql
class ListRemovedRow(TypedDict):
    id: int
    setlist_id: int
    song_id: int
    title: str
    vote_count: int
    removed_at: datetime

class _RemovedSongs:
    def list_removed(self, connection: Connection, *, show_id: int | None) -> AsyncIterator[ListRemovedRow]: ...
    async def restore_song(self, connection: Connection, *, id: int | None, show_id: int | None) -> int | Any: ...

# catalog/rotation.sql
class ShowsOfRotationRow(TypedDict):
    id: int
    slug: str
    name: str
    local_date: date
    venue_id: int
    venue_slug: str
    venue_name: str
    city: str
    accuracy: str | Any

class SongsOfRotationRow(TypedDict):
    id: int
    title: str
    show_ids: list[int] | Any

class VotedSongsRow(TypedDict):
    id: int
    title: str
    up: int | Any
    down: int | Any

class _Rotation:
    def shows_of_rotation(
        self, connection: Connection, *, artist_id: int | None, count: int | None
    ) -> AsyncIterator[ShowsOfRotationRow]: ...
    def songs_of_rotation(
        self, connection: Connection, *, show_ids: Sequence[int | None] | None, count: int | None
    ) -> AsyncIterator[SongsOfRotationRow]: ...
    def voted_songs(
        self, connection: Connection, *, artist_id: int | None, show_count: int | None, count: int | None
    ) -> AsyncIterator[VotedSongsRow]: ...

# catalog/search.sql
class KindsWithWordsRow(TypedDict):
    words: list[str] | Any
    artists: bool | Any
    songs: bool | Any
    venues: bool | Any
    shows: bool | Any

class ChooseSimilarWordsRow(TypedDict):
    word: str | Any

class BestClosenessRow(TypedDict):
    artists: float | Any
    songs: float | Any
    venues: float | Any
    shows: float | Any

class BestArtistsRow(TypedDict):
    id: int
    slug: str
    name: str
    genre: str
    country: str

class BestSongsRow(TypedDict):
    id: int
    title: str
    artist_id: int
    artist_slug: str
    artist_name: str

class BestVenuesRow(TypedDict):
    id: int
    slug: str
    name: str
    city: str
    region: str
    country: str
    latitude: float
    longitude: float
    time_zone: str
    capacity: int | None

class _Search:
    async def kinds_with_words(
        self, connection: Connection, *, q: str | None, kinds: Sequence[str | None] | None
    ) -> KindsWithWordsRow: ...
    def choose_similar_words(
        self,
        connection: Connection,
        *,
        words: Sequence[str | None] | None,
        letters_min: int | None,
        kinds: Sequence[str | None] | None,
        rows_max: int | None,
        count: int | None,
    ) -> AsyncIterator[ChooseSimilarWordsRow]: ...
    async def best_closeness(
        self,
        connection: Connection,
        *,
        kinds: Sequence[str | None] | None,
        words: Sequence[str | None] | None,
        like: str | None,
    ) -> BestClosenessRow: ...
    def best_artists(
        self,
        connection: Connection,
        *,
        words: str | None,
        like: str | None,
        similar: Sequence[str | None] | None,
        closeness: float | None,
        q: str | None,
        count: int | None,
    ) -> AsyncIterator[BestArtistsRow]: ...
    def best_songs(
        self,
        connection: Connection,
        *,
        words: str | None,
        like: str | None,
        similar: Sequence[str | None] | None,
        closeness: float | None,
        count: int | None,
    ) -> AsyncIterator[BestSongsRow]: ...
    def best_venues(
        self,
        connection: Connection,
        *,
        words: str | None,
        like: str | None,
        similar: Sequence[str | None] | None,
        closeness: float | None,
        q: str | None,
        count: int | None,
    ) -> AsyncIterator[BestVenuesRow]: ...

# catalog/set_order.sql
class ListSetsRow(TypedDict):
    id: int
    type: str | Any
    kind: str | Any
    name: str
    artist_id: int | None
    position: int

class ListSetSongsRow(TypedDict):
    id: int
    setlist_id: int
    song_id: int
    title: str
    position: int
    note: str
    is_tape: bool
    medley: int | None
    vote_count: int | Any
    raw_count: int | Any

class FindSongsRow(TypedDict):
    id: int

class FindActsRow(TypedDict):
    artist_id: int

class _SetOrder:
    def list_sets(self, connection: Connection, *, show_id: int | None) -> AsyncIterator[ListSetsRow]: ...
    def list_set_songs(self, connection: Connection, *, show_id: int | None) -> AsyncIterator[ListSetSongsRow]: ...
    def find_songs(
        self, connection: Connection, *, ids: Sequence[int | None] | None
    ) -> AsyncIterator[FindSongsRow]: ...
    def find_acts(self, connection: Connection, *, show_id: int | None) -> AsyncIterator[FindActsRow]: ...
    async def make_way(self, connection: Connection, *, show_id: int | None) -> str: ...
    async def place_set(
        self,
        connection: Connection,
        *,
        kind: str | None,
        name: str | None,
        artist_id: int | None,
        position: int | None,
        id: int | None,
    ) -> str: ...
    async def insert_set(
        self,
        connection: Connection,
        *,
        show_id: int | None,
        type: str | None,
        kind: str | None,
        name: str | None,
        artist_id: int | None,
        position: int | None,
    ) -> int: ...
    async def delete_songs(self, connection: Connection, *, ids: Sequence[int | None] | None) -> str: ...
    async def delete_sets(self, connection: Connection, *, ids: Sequence[int | None] | None) -> str: ...
    async def place_songs(
        self,
        connection: Connection,
        *,
        ids: Sequence[int | None] | None,
        setlist_ids: Sequence[int | None] | None,
        positions: Sequence[int | None] | None,
        notes: Sequence[str | None] | None,
        tapes: Sequence[bool | None] | None,
        medleys: Sequence[int | None] | None,
    ) -> str: ...
    async def insert_songs(
        self,
        connection: Connection,
        *,
        show_id: int | None,
        setlist_ids: Sequence[int | None] | None,
        song_ids: Sequence[int | None] | None,
        positions: Sequence[int | None] | None,
        notes: Sequence[str | None] | None,
        tapes: Sequence[bool | None] | None,
        medleys: Sequence[int | None] | None,
    ) -> str: ...

# catalog/setlist_editing.sql
class FindSetRow(TypedDict):
    id: int
    type: str | Any
    artist_id: int | Any
    song_count: int | Any

class FindSongRow(TypedDict):
    id: int
    title: str

class SongOfTitleRow(TypedDict):
    id: int | Any
    title: str | Any

class AddSetSongRow(TypedDict):
    id: int

class LockSetSongRow(TypedDict):
    id: int
    setlist_id: int
    song_id: int
    title: str
    position: int
    note: str
    vote_count: int | Any

class _SetlistEditing:
    async def find_set(
        self, connection: Connection, *, show_id: int | None, setlist_id: int | None
    ) -> FindSetRow | None: ...
    async def find_song(self, connection: Connection, *, id: int | None) -> FindSongRow | None: ...
    async def song_of_title(
        self, connection: Connection, *, artist_id: int | None, title: str | None
    ) -> SongOfTitleRow: ...
    async def make_room(self, connection: Connection, *, setlist_id: int | None, position: int | None) -> str: ...
    async def close_gap(self, connection: Connection, *, setlist_id: int | None, position: int | None) -> str: ...
    async def add_set_song(
        self,
        connection: Connection,
        *,
        setlist_id: int | None,
        show_id: int | None,
        song_id: int | None,
        position: int | None,
        note: str | None,
    ) -> AddSetSongRow | None: ...
    async def lock_set_song(
        self, connection: Connection, *, id: int | None, show_id: int | None
    ) -> LockSetSongRow | None: ...
    async def defer_positions(self, connection: Connection) -> str: ...
    async def move_set_song(
        self, connection: Connection, *, position: int | None, note: str | None, id: int | None
    ) -> str: ...
    async def delete_set_song(self, connection: Connection, *, id: int | None) -> str: ...

# catalog/show_control.sql
class ShowSettingsRow(TypedDict):
    id: int
    slug: str
    name: str
    artist_id: int
    venue_id: int
    local_date: date
    starts_at: datetime
    revision: int
    status: str | Any
    opens_at: datetime
    closes_at: datetime
    is_locked: bool
    is_final: bool | Any
    votes_per_user_max: int | None
    results: str | Any
    time_zone: str
    requires_ticket: bool
    vote_count: int
    attendance_count: int
    bill: str | Any

class _ShowControl:
    async def lock_shard(self, connection: Connection, *, id: int | None, slug: str | None) -> int: ...
    async def lock_show_row(self, connection: Connection, *, id: int | None, slug: str | None) -> int | None: ...
    async def show_settings(
        self, connection: Connection, *, id: int | None, slug: str | None
    ) -> ShowSettingsRow | None: ...
    async def take_turn(self, connection: Connection) -> None: ...
    async def this_instant(self, connection: Connection) -> datetime | Any: ...
    async def update_show(
        self,
        connection: Connection,
        *,
        name: str | None,
        venue_id: int | None,
        time_zone: str | None,
        starts_at: datetime | None,
        local_date: date | None,
        opens_at: datetime | None,
        closes_at: datetime | None,
        is_locked: bool | None,
        status: str | None,
        votes_per_user_max: int | None,
        results: str | None,
        is_final: bool | None,
        id: int | None,
    ) -> str: ...
    async def count_fans_to_tell(self, connection: Connection, *, show_id: int | None) -> int | Any: ...
    async def time_zone_of_venue(self, connection: Connection, *, id: int | None) -> str | None: ...
    async def empty_bill(self, connection: Connection, *, show_id: int | None) -> str: ...
    async def fill_bill(
        self, connection: Connection, *, show_id: int | None, artist_ids: Sequence[int | None] | None
    ) -> str: ...
    async def check_bill(self, connection: Connection) -> str: ...
    async def mark_played(
        self,
        connection: Connection,
        *,
        is_played: bool | None,
        at: datetime | None,
        id: int | None,
        show_id: int | None,
    ) -> int | None: ...

# catalog/show_making.sql
class FetchNamesRow(TypedDict):
    artist: str
    artist_slug: str
    venue: str
    venue_slug: str
    time_zone: str

class _ShowMaking:
    async def fetch_names(
        self, connection: Connection, *, artist: int | None, venue: int | None
    ) -> FetchNamesRow | None: ...
    async def lock_first_shard(self, connection: Connection) -> int | None: ...
    async def insert_show(
        self,
        connection: Connection,
        *,
        slug: str | None,
        artist: int | None,
        venue: int | None,
        name: str | None,
        local_date: date | None,
        time_zone: str | None,
        starts_at: datetime | None,
        opens_at: datetime | None,
        closes_at: datetime | None,
        votes_per_user_max: int | None,
        results: str | None,
        requires_ticket: bool | None,
    ) -> int | None: ...
    async def insert_first_set(self, connection: Connection, *, show_id: int | None) -> str: ...
    async def count_fans_to_mail(
        self, connection: Connection, *, artist_ids: Sequence[int | None] | None
    ) -> int | Any: ...

# catalog/show_status.sql
class AdvanceShowsRow(TypedDict):
    id: int

class _ShowStatus:
    def advance_shows(self, connection: Connection, *, instant: datetime | None) -> AsyncIterator[AdvanceShowsRow]: ...

# catalog/sitemap.sql
class LastIdsRow(TypedDict):
    shows: int | Any
    artists: int | Any
    venues: int | Any
    songs: int | Any

class ShowsBetweenRow(TypedDict):
    reference: str
    updated_at: datetime

class ArtistsBetweenRow(TypedDict):
    reference: str
    updated_at: datetime

class VenuesBetweenRow(TypedDict):
    reference: str
    updated_at: datetime

class SongsBetweenRow(TypedDict):
    reference: str | Any
    updated_at: datetime

class _Sitemap:
    async def last_ids(self, connection: Connection) -> LastIdsRow: ...
    def shows_between(
        self, connection: Connection, *, from_id: int | None, to_id: int | None
    ) -> AsyncIterator[ShowsBetweenRow]: ...
    def artists_between(
        self, connection: Connection, *, from_id: int | None, to_id: int | None
    ) -> AsyncIterator[ArtistsBetweenRow]: ...
    def venues_between(
        self, connection: Connection, *, from_id: int | None, to_id: int | None
    ) -> AsyncIterator[VenuesBetweenRow]: ...
    def songs_between(
        self, connection: Connection, *, from_id: int | None, to_id: int | None
    ) -> AsyncIterator[SongsBetweenRow]: ...

# catalog/song_lists.sql
class NewestSongsRow(TypedDict):
    id: int
    title: str
    artist_id: int
    artist_slug: str
    artist_name: str

class SongsByTitleRow(TypedDict):
    id: int
    title: str
    artist_id: int
    artist_slug: str
    artist_name: str

class _SongLists:
    def newest_songs(
        self, connection: Connection, *, after_id: int | None, count: int | None
    ) -> AsyncIterator[NewestSongsRow]: ...
    def songs_by_title(
        self, connection: Connection, *, artist_id: int | None, after_id: int | None, count: int | None
    ) -> AsyncIterator[SongsByTitleRow]: ...

# catalog/suggestions.sql
class SongInShowRow(TypedDict):
    id: int
    title: str

class OwnSuggestionsRow(TypedDict):
    id: int
    title: str
    status: str | Any
    reason: str
    created_at: datetime
    decided_at: datetime | None

class InsertSuggestionRow(TypedDict):
    id: int
    title: str
    status: str | Any
    reason: str
    created_at: datetime
    decided_at: datetime | None

class OwnSuggestionOfTitleRow(TypedDict):
    id: int
    title: str
    status: str | Any
    reason: str
    created_at: datetime
    decided_at: datetime | None

class PendingSuggestionsRow(TypedDict):
    id: int
    show_id: int
    show_name: str
    title: str
    created_at: datetime
    fan_count: int | Any
    reasons: list[str]

class SuggestionByIdRow(TypedDict):
    id: int
    show_id: int
    title: str
    status: str | Any

class _Suggestions:
    async def song_in_show(
        self, connection: Connection, *, show_id: int | None, title: str | None
    ) -> SongInShowRow | None: ...
    async def decision_on_suggestion(
        self, connection: Connection, *, show_id: int | None, title: str | None
    ) -> str | Any | None: ...
    def own_suggestions(
        self, connection: Connection, *, user_id: int | None, show_id: int | None
    ) -> AsyncIterator[OwnSuggestionsRow]: ...
    async def insert_suggestion(
        self,
        connection: Connection,
        *,
        show_id: int | None,
        user_id: int | None,
        title: str | None,
        reasons: Sequence[str | None] | None,
        pending_max: int | None,
    ) -> InsertSuggestionRow | None: ...
    async def own_suggestion_of_title(
        self, connection: Connection, *, user_id: int | None, show_id: int | None, title: str | None
    ) -> OwnSuggestionOfTitleRow | None: ...
    async def delete_suggestion(
        self, connection: Connection, *, id: int | None, show_id: int | None, user_id: int | None
    ) -> int | None: ...
    def pending_suggestions(
        self, connection: Connection, *, after_id: int | None, show_id: int | None, count: int | None
    ) -> AsyncIterator[PendingSuggestionsRow]: ...
    async def suggestion_by_id(self, connection: Connection, *, id: int | None) -> SuggestionByIdRow | None: ...
    async def decide_suggestions(
        self, connection: Connection, *, status: str | None, reason: str | None, show_id: int | None, title: str | None
    ) -> int | Any: ...

brands: _Brands
calendars: _Calendars
catalogue: _Catalogue
entry_editing: _EntryEditing
merging: _Merging
playlists: _Playlists
public_data: _PublicData
removed_songs: _RemovedSongs
rotation: _Rotation
search: _Search
set_order: _SetOrder
setlist_editing: _SetlistEditing
show_control: _ShowControl
show_making: _ShowMaking
show_status: _ShowStatus
sitemap: _Sitemap
song_lists: _SongLists
suggestions: _Suggestions
