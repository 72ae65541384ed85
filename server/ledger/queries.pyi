# "make queries" writes this file from the .sql files of this room.

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, TypedDict

from server.store.database import Connection

# ledger/routes.sql
class FetchLogRow(TypedDict):
    size: int | Any
    checkpoint: str | Any
    origin: str | Any
    public_key: bytes | Any
    is_open: bool | Any

class FetchOwnVotesRow(TypedDict):
    setlist_song_id: int
    choice: str | Any

class FetchOwnRow(TypedDict):
    pseudonym: bytes | Any
    first: int | Any
    entries: bytes | Any

class _Routes:
    async def fetch_log(self, connection: Connection, *, show_id: int | None) -> FetchLogRow | None: ...
    async def fetch_hashes(
        self,
        connection: Connection,
        *,
        show_id: int | None,
        level: int | None,
        first: int | None,
        end_number: int | None,
    ) -> bytes | Any | None: ...
    async def fetch_entries(
        self, connection: Connection, *, show_id: int | None, first: int | None, end_number: int | None
    ) -> bytes | Any | None: ...
    def fetch_own_votes(
        self, connection: Connection, *, show_id: int | None, user_id: int | None
    ) -> AsyncIterator[FetchOwnVotesRow]: ...
    def fetch_own(self, connection: Connection, *, show_id: int | None) -> AsyncIterator[FetchOwnRow]: ...

# ledger/sequencer.sql
class FetchEpochRow(TypedDict):
    id: int
    origin: str
    public_key: bytes
    fingerprint: str

class InsertEpochRow(TypedDict):
    id: int
    origin: str
    public_key: bytes
    fingerprint: str

class LockNotesRow(TypedDict):
    ids: list[int] | Any
    kind: str | Any
    show_id: int
    noted_ms: int | Any
    user_id: int | Any
    setlist_song_id: int | Any
    choice: int | Any
    at_ms: int | Any
    last_ms: int | Any
    count: int | Any
    pseudonym: bytes | Any

class FetchCastsRow(TypedDict):
    number: int | Any
    votes: bytes | Any

class FetchAllVotesRow(TypedDict):
    votes: bytes | Any
    first_ms: int | Any
    last_ms: int | Any

class FetchSetAsideRow(TypedDict):
    user_id: int

class PutSecretsRow(TypedDict):
    user_id: int | Any
    secrets: bytes | Any
    show_ids: list[int] | Any
    names: list[bytes] | Any

class LockLogsRow(TypedDict):
    show_id: int
    epoch_id: int
    size: int
    frontier: bytes
    was_opened: bool

class ShowsLeftRow(TypedDict):
    id: int

class EntriesOfFansRow(TypedDict):
    first: int
    entries: bytes

class _Sequencer:
    async def try_lock_ledger(self, connection: Connection) -> bool | Any: ...
    async def behind_s(self, connection: Connection) -> float | Any | None: ...
    async def fetch_epoch(self, connection: Connection) -> FetchEpochRow | None: ...
    async def fetch_fingerprint(self, connection: Connection) -> str | Any: ...
    async def insert_epoch(
        self,
        connection: Connection,
        *,
        name: str | None,
        origin: str | None,
        public_key: bytes | None,
        fingerprint: str | None,
        reason: str | None,
    ) -> InsertEpochRow: ...
    async def note_epoch(self, connection: Connection, *, epoch_id: int | None) -> str: ...
    def lock_notes(
        self, connection: Connection, *, count: int | None, entry_count: int | None
    ) -> AsyncIterator[LockNotesRow]: ...
    async def delete_notes(self, connection: Connection, *, ids: Sequence[int | None] | None) -> str: ...
    def fetch_casts(
        self,
        connection: Connection,
        *,
        ids: Sequence[int | None] | None,
        numbers: Sequence[int | None] | None,
        show_ids: Sequence[int | None] | None,
    ) -> AsyncIterator[FetchCastsRow]: ...
    async def fetch_all_votes(self, connection: Connection, *, show_id: int | None) -> FetchAllVotesRow: ...
    def fetch_set_aside(self, connection: Connection, *, show_id: int | None) -> AsyncIterator[FetchSetAsideRow]: ...
    def put_secrets(
        self, connection: Connection, *, secrets: bytes | None, user_ids: Sequence[int | None] | None
    ) -> AsyncIterator[PutSecretsRow]: ...
    async def users_left(self, connection: Connection, *, user_ids: Sequence[int | None] | None) -> bool | Any: ...
    def lock_logs(
        self, connection: Connection, *, show_ids: Sequence[int | None] | None
    ) -> AsyncIterator[LockLogsRow]: ...
    def shows_left(
        self, connection: Connection, *, show_ids: Sequence[int | None] | None
    ) -> AsyncIterator[ShowsLeftRow]: ...
    async def put_logs(
        self,
        connection: Connection,
        *,
        show_ids: Sequence[int | None] | None,
        old_sizes: Sequence[int | None] | None,
        sizes: Sequence[int | None] | None,
        frontiers: Sequence[bytes | None] | None,
        were_opened: Sequence[bool | None] | None,
        checkpoints: Sequence[str | None] | None,
        epoch_id: int | None,
        signed_at: datetime | None,
    ) -> int | Any: ...
    async def insert_entries(
        self,
        connection: Connection,
        *,
        entries: bytes | None,
        show_ids: Sequence[int | None] | None,
        firsts: Sequence[int | None] | None,
        counts: Sequence[int | None] | None,
        first_ms: Sequence[int | None] | None,
        last_ms: Sequence[int | None] | None,
        leaves: Sequence[bytes | None] | None,
    ) -> str: ...
    async def insert_nodes(
        self,
        connection: Connection,
        *,
        show_ids: Sequence[int | None] | None,
        levels: Sequence[int | None] | None,
        numbers: Sequence[int | None] | None,
        hashes: Sequence[bytes | None] | None,
    ) -> str: ...
    def entries_of_fans(
        self, connection: Connection, *, show_id: int | None, pseudonyms: Sequence[bytes | None] | None
    ) -> AsyncIterator[EntriesOfFansRow]: ...
    async def update_entries(
        self, connection: Connection, *, entries: bytes | None, show_id: int | None, first: int | None
    ) -> str: ...

routes: _Routes
sequencer: _Sequencer
