# "make queries" writes this file from the .sql files of this room.

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from typing import Any, Literal, TypedDict

from server.store.database import Connection

# sample/demo.sql
class CatalogueShareRow(TypedDict):
    artist_count: int | Any
    foreign_count: int | Any

class DemoStateRow(TypedDict):
    show_count: int | Any
    live_count: int | Any
    upcoming_count: int | Any

class BookedNightsRow(TypedDict):
    artist: str
    venue: str
    local_date: date

class _Demo:
    async def catalogue_share(
        self, connection: Connection, *, slugs: Sequence[str | None] | None
    ) -> CatalogueShareRow: ...
    async def lock_seeding(self, connection: Connection) -> None: ...
    async def demo_state(self, connection: Connection, *, instant: datetime | None) -> DemoStateRow: ...
    def booked_nights(
        self, connection: Connection, *, first: date | None, last: date | None
    ) -> AsyncIterator[BookedNightsRow]: ...
    async def lock_artist_stats(self, connection: Connection, *, slugs: Sequence[str | None] | None) -> str: ...

# sample/inserts.sql
class InsertArtistsRow(TypedDict):
    id: int

class InsertVenuesRow(TypedDict):
    id: int

class InsertSongsRow(TypedDict):
    id: int

class InsertFansRow(TypedDict):
    id: int

class InsertShowsRow(TypedDict):
    id: int
    slug: str

class InsertSetlistsRow(TypedDict):
    id: int
    show_id: int
    type: Literal["predicted", "actual"]
    position: int

class InsertSetlistSongsRow(TypedDict):
    id: int
    setlist_id: int
    position: int

class _Inserts:
    async def make_history_months(
        self, connection: Connection, *, first: date | None, last: date | None
    ) -> int | Any: ...
    def insert_artists(self, connection: Connection, *, rows: str | None) -> AsyncIterator[InsertArtistsRow]: ...
    def insert_venues(self, connection: Connection, *, rows: str | None) -> AsyncIterator[InsertVenuesRow]: ...
    def insert_songs(self, connection: Connection, *, rows: str | None) -> AsyncIterator[InsertSongsRow]: ...
    def insert_fans(
        self, connection: Connection, *, count: int | None, first: datetime | None, last: datetime | None
    ) -> AsyncIterator[InsertFansRow]: ...
    def insert_shows(self, connection: Connection, *, rows: str | None) -> AsyncIterator[InsertShowsRow]: ...
    async def insert_supports(self, connection: Connection, *, rows: str | None) -> str: ...
    def insert_setlists(self, connection: Connection, *, rows: str | None) -> AsyncIterator[InsertSetlistsRow]: ...
    def insert_setlist_songs(
        self, connection: Connection, *, rows: str | None
    ) -> AsyncIterator[InsertSetlistSongsRow]: ...
    async def insert_profiles(self, connection: Connection, *, rows: str | None) -> str: ...
    async def insert_follows(
        self,
        connection: Connection,
        *,
        first: datetime | None,
        last: datetime | None,
        user_ids: Sequence[int | None] | None,
        artists: Sequence[str | None] | None,
    ) -> str: ...
    async def insert_attendance(
        self,
        connection: Connection,
        *,
        last: datetime | None,
        user_ids: Sequence[int | None] | None,
        show_ids: Sequence[int | None] | None,
    ) -> str: ...
    async def insert_reviews(self, connection: Connection, *, rows: str | None) -> str: ...
    async def insert_history(self, connection: Connection, *, song_ids: Sequence[int | None] | None) -> str: ...

# sample/large.sql
class ExistingArtistsRow(TypedDict):
    slug: str

class _Large:
    async def try_lock_large(self, connection: Connection) -> bool | Any: ...
    def existing_artists(
        self, connection: Connection, *, slugs: Sequence[str | None] | None
    ) -> AsyncIterator[ExistingArtistsRow]: ...
    async def analyze_tables(self, connection: Connection) -> str: ...

demo: _Demo
inserts: _Inserts
large: _Large
