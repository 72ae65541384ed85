# "make queries" writes this file from the .sql files of this room.

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from typing import Any, Literal, TypedDict

from server.store.database import Connection

# game/crews.sql
class ShowCrewRow(TypedDict):
    name: str | Any
    member_count: int | Any
    is_member: bool | Any

class CrewStandingsRow(TypedDict):
    user_id: int | Any
    points: int | Any
    show_count: int | Any
    rank: int | Any
    display_name: str | Any

class OwnCrewsRow(TypedDict):
    code: str
    name: str
    joined_at: datetime

class _Crews:
    async def make_crew(
        self, connection: Connection, *, code: str | None, name: str | None, crews_max: int | None
    ) -> bool | Any: ...
    async def join_crew(
        self, connection: Connection, *, code: str | None, members_max: int | None, crews_max: int | None
    ) -> str | Any | None: ...
    async def leave_crew(self, connection: Connection, *, code: str | None) -> str: ...
    async def show_crew(self, connection: Connection, *, code: str | None) -> ShowCrewRow | None: ...
    def crew_standings(self, connection: Connection, *, code: str | None) -> AsyncIterator[CrewStandingsRow]: ...
    def own_crews(self, connection: Connection, *, user_id: int | None) -> AsyncIterator[OwnCrewsRow]: ...

# game/picks.sql
class FindPickableRow(TypedDict):
    id: int
    refused_ids: list[int] | Any

class OwnPickRow(TypedDict):
    show_id: int
    revision: int
    is_locked: bool | Any
    locks_at: datetime | Any
    song_ids: list[int] | Any
    opener: int | None
    closer: int | None
    encore: int | None
    picked_at: datetime | Any

class TitlesRow(TypedDict):
    id: int | Any
    title: str

class PickableSongsRow(TypedDict):
    id: int | Any
    title: str

class ListPicksRow(TypedDict):
    starts_at: datetime
    id: int
    slug: str
    status: Literal["upcoming", "live", "finished", "cancelled"]
    local_date: date
    song_count: int | Any
    points: int | Any
    rank: int | Any
    artist_id: int
    artist_slug: str
    artist_name: str
    venue_id: int
    venue_slug: str
    venue_name: str
    city: str

class _Picks:
    async def find_pickable(
        self, connection: Connection, *, song_ids: Sequence[int | None] | None, id: int | None, slug: str | None
    ) -> FindPickableRow | None: ...
    async def own_pick(
        self, connection: Connection, *, user_id: int | None, id: int | None, slug: str | None
    ) -> OwnPickRow | None: ...
    def titles(self, connection: Connection, *, song_ids: Sequence[int | None] | None) -> AsyncIterator[TitlesRow]: ...
    def pickable_songs(
        self, connection: Connection, *, show_id: int | None, count: int | None
    ) -> AsyncIterator[PickableSongsRow]: ...
    def list_picks(
        self,
        connection: Connection,
        *,
        user_id: int | None,
        after_at: datetime | None,
        after_id: int | None,
        count: int | None,
    ) -> AsyncIterator[ListPicksRow]: ...

# game/scores.sql
class FindGameRow(TypedDict):
    id: int
    name: str
    artist: str
    venue: str
    revision: int
    status: str | Any
    position: int | Any
    is_locked: bool | Any
    is_counted: bool | Any

class ReadPicksRow(TypedDict):
    pick_count: int | Any
    last_id: int | Any
    packed: bytes | Any

class MergedSongsRow(TypedDict):
    id: int | Any
    survivor_id: int | Any

class PlayedSongsRow(TypedDict):
    song_id: int
    is_own: bool | Any
    is_encore: bool | Any

class _Scores:
    async def find_game(self, connection: Connection, *, id: int | None, slug: str | None) -> FindGameRow | None: ...
    async def read_picks(
        self, connection: Connection, *, show_id: int | None, after_id: int | None, count: int | None
    ) -> ReadPicksRow: ...
    async def count_picks(self, connection: Connection, *, show_id: int | None) -> int | Any | None: ...
    def merged_songs(
        self, connection: Connection, *, song_ids: Sequence[int | None] | None
    ) -> AsyncIterator[MergedSongsRow]: ...
    def played_songs(self, connection: Connection, *, show_id: int | None) -> AsyncIterator[PlayedSongsRow]: ...

# game/standings.sql
class BoardsToCountRow(TypedDict):
    board: str | Any
    subject_id: int
    up_to: int | Any

class FindArtistRow(TypedDict):
    id: int
    name: str

class FindTourRow(TypedDict):
    id: int
    name: str
    artist_name: str

class PageOfBoardRow(TypedDict):
    user_id: int
    points: int
    show_count: int
    rank: int
    number: int

class OwnStandingRow(TypedDict):
    points: int
    show_count: int
    rank: int

class NamesOfRow(TypedDict):
    user_id: int | Any
    display_name: str | Any

class PickedShowsRow(TypedDict):
    show_id: int | Any

class StoredPlacesRow(TypedDict):
    user_id: int
    points: int
    rank: int

class WrongSumsRow(TypedDict):
    board: str | Any
    subject_id: int | Any
    fan_count: int | Any

class _Standings:
    def boards_to_count(self, connection: Connection, *, count: int | None) -> AsyncIterator[BoardsToCountRow]: ...
    async def delete_reasons(
        self, connection: Connection, *, board: str | None, subject_id: int | None, up_to: int | None
    ) -> str: ...
    async def allow_a_minute(self, connection: Connection) -> str: ...
    async def analyze_standings(self, connection: Connection) -> str: ...
    async def is_settled(self, connection: Connection, *, show_id: int | None) -> bool | Any: ...
    async def put_show_standings(
        self,
        connection: Connection,
        *,
        show_id: int | None,
        user_ids: Sequence[int | None] | None,
        points: Sequence[int | None] | None,
        ranks: Sequence[int | None] | None,
    ) -> str: ...
    async def recount_standings(self, connection: Connection, *, board: str | None, subject_id: int | None) -> str: ...
    async def find_artist(
        self, connection: Connection, *, id: int | None, slug: str | None
    ) -> FindArtistRow | None: ...
    async def find_tour(self, connection: Connection, *, id: int | None) -> FindTourRow | None: ...
    def page_of_board(
        self, connection: Connection, *, board: str | None, subject_id: int | None, after: int | None, count: int | None
    ) -> AsyncIterator[PageOfBoardRow]: ...
    async def own_standing(
        self, connection: Connection, *, board: str | None, subject_id: int | None, user_id: int | None
    ) -> OwnStandingRow | None: ...
    async def count_standings(
        self, connection: Connection, *, board: str | None, subject_id: int | None
    ) -> int | None: ...
    def names_of(
        self, connection: Connection, *, user_ids: Sequence[int | None] | None
    ) -> AsyncIterator[NamesOfRow]: ...
    def picked_shows(self, connection: Connection) -> AsyncIterator[PickedShowsRow]: ...
    def stored_places(self, connection: Connection, *, show_id: int | None) -> AsyncIterator[StoredPlacesRow]: ...
    def wrong_sums(self, connection: Connection) -> AsyncIterator[WrongSumsRow]: ...
    async def note_board(self, connection: Connection, *, board: str | None, subject_id: int | None) -> str: ...

# game/tours.sql
class ListToursRow(TypedDict):
    artist_id: int
    id: int | Any
    name: str | Any
    first_date: date | Any
    last_date: date | Any

class ListAllToursRow(TypedDict):
    id: int
    name: str
    first_date: date
    last_date: date
    artist_id: int
    artist_name: str
    show_count: int | Any

class _Tours:
    def list_tours(
        self, connection: Connection, *, id: int | None, slug: str | None
    ) -> AsyncIterator[ListToursRow]: ...
    async def insert_tour(
        self,
        connection: Connection,
        *,
        name: str | None,
        first_date: date | None,
        last_date: date | None,
        id: int | None,
        slug: str | None,
    ) -> int | None: ...
    async def delete_tour(self, connection: Connection, *, id: int | None) -> str: ...
    def list_all_tours(
        self, connection: Connection, *, id: int | None, after_id: int | None, count: int | None
    ) -> AsyncIterator[ListAllToursRow]: ...
    async def lock_tour(self, connection: Connection, *, id: int | None) -> int | None: ...
    async def update_tour(
        self,
        connection: Connection,
        *,
        name: str | None,
        first_date: date | None,
        last_date: date | None,
        id: int | None,
    ) -> str: ...

crews: _Crews
picks: _Picks
scores: _Scores
standings: _Standings
tours: _Tours
