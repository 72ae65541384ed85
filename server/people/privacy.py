"""Everything about oneself in one document, and being forgotten (docs/adr/0009)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from server.errors import Refused
from server.moderation.bans import BanKind
from server.moderation.logs import write_audit_log
from server.moderation.text_review import Status
from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.identity import Identity, Role
from server.store.database import Database
from server.store.queries import load_queries

if TYPE_CHECKING:
    from server.store.database import Connection

queries = load_queries(Path(__file__).with_name("privacy.sql"))

# A section has the newest so many rows: about 15 MB of the longest of them.
EXPORT_ROWS_MAX = 100_000
# As the statement_timeout in privacy.sql, and a little more, so that the server gives up first.
STATEMENT_TIMEOUT_S = 61.0

Choice = Literal["up", "down"]
Priority = Literal["low", "normal", "high", "urgent"]
MailKind = Literal["confirm_address", "show_announced", "show_reminder", "show_result"]


class ExportedAccount(msgspec.Struct, frozen=True):
    """The account, and until when a token of it may be good."""

    id: int
    role: Role
    token_until: str
    created_at: str
    updated_at: str


class ExportedIdentity(msgspec.Struct, frozen=True):
    """Who one is at an identity provider."""

    issuer: str
    subject: str
    created_at: str


class ExportedProfile(msgspec.Struct, frozen=True):
    """What one says about oneself."""

    display_name: str | None
    bio: str
    city: str
    country: str
    is_public: bool
    status: Status
    created_at: str
    updated_at: str


class ExportedSuggestion(msgspec.Struct, frozen=True):
    """A song one has suggested for a show."""

    id: int
    show_id: int
    show_name: str
    title: str
    status: Literal["pending", "approved", "declined"]
    reasons: list[str]
    reason: str
    created_at: str
    decided_at: str | None


class ExportedVote(msgspec.Struct, frozen=True):
    """A vote one holds."""

    show_id: int
    show_name: str
    song_id: int
    song_title: str
    choice: Choice
    cast_at: str


class ExportedAccuracy(msgspec.Struct, frozen=True):
    """How well one's votes foresaw a show."""

    show_id: int
    show_name: str
    predicted: int
    hits: int
    played: int
    precision: float | None
    recall: float
    rank_correlation: float | None


class ExportedChange(msgspec.Struct, frozen=True):
    """A change of a vote: null is no vote. Names are null when the show or the song is gone."""

    show_id: int
    show_name: str | None
    song_id: int
    song_title: str | None
    previous: Choice | None
    choice: Choice | None
    cast_at: str


class ExportedDay(msgspec.Struct, frozen=True):
    """How many votes one cast on a day (UTC)."""

    day: str
    spent: int


class ExportedFollow(msgspec.Struct, frozen=True):
    """An artist one follows."""

    artist_id: int
    artist_name: str
    created_at: str


class ExportedAttendance(msgspec.Struct, frozen=True):
    """A show one goes to."""

    show_id: int
    show_name: str
    created_at: str


class ExportedTicket(msgspec.Struct, frozen=True):
    """A show one redeemed a ticket's code for; the code itself is not kept."""

    show_id: int
    show_name: str
    created_at: str
    redeemed_at: str


class ExportedReview(msgspec.Struct, frozen=True):
    """A review one wrote."""

    id: int
    venue_id: int
    venue_name: str
    rating: int
    body: str
    status: Status
    created_at: str
    updated_at: str


class ExportedReport(msgspec.Struct, frozen=True):
    """A report one made, of a review or of a profile."""

    id: int
    review_id: int | None
    profile_id: int | None
    reason: str
    priority: Priority
    status: Literal["open", "upheld", "dismissed"]
    created_at: str
    decided_at: str | None


class ExportedModeration(msgspec.Struct, frozen=True):
    """What became of a text of one's own that was held back: a review, or the profile."""

    id: int
    review_id: int | None
    profile_id: int | None
    status: Status
    priority: Priority
    reasons: list[str]
    note: str
    created_at: str
    decided_at: str | None


class ExportedBan(msgspec.Struct, frozen=True):
    """A ban, also when it is over."""

    id: int
    kind: BanKind
    reason: str
    banned_at: str
    expires_at: str | None
    lifted_at: str | None


class ExportedEmail(msgspec.Struct, frozen=True):
    """Where mail goes, and about what."""

    address: str
    confirmed_at: str | None
    frequency: Literal["never", "immediately", "daily", "weekly"]
    kinds: list[MailKind]
    created_at: str
    updated_at: str


class ExportedMessage(msgspec.Struct, frozen=True):
    """A message to one, sent or to be sent."""

    id: int
    kind: MailKind
    about: str
    priority: Priority
    status: Literal["queued", "sending", "sent", "failed", "suppressed"]
    attempts: int
    not_before: str
    created_at: str


class ExportedDelivery(msgspec.Struct, frozen=True):
    """What became of an attempt to send one."""

    id: int
    kind: MailKind
    status: Literal["queued", "sending", "sent", "failed", "suppressed"]
    detail: str
    at: str


class ExportedKey(msgspec.Struct, frozen=True):
    """An API key one made; the key itself is not kept."""

    id: int
    name: str
    role: Role
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    revoked_at: str | None


class ExportedAct(msgspec.Struct, frozen=True):
    """Something one did as a member of staff."""

    id: int
    action: str
    subject: str
    detail: dict[str, Any]
    at: str


class Export(msgspec.Struct, frozen=True):
    """Everything the database holds about whoever asks, newest first.

    `cut` names the sections that have EXPORT_ROWS_MAX rows and so perhaps not all there are.
    """

    cut: list[str]
    account: ExportedAccount
    identities: list[ExportedIdentity]
    profile: ExportedProfile | None
    votes: list[ExportedVote]
    accuracy: list[ExportedAccuracy]
    vote_history: list[ExportedChange]
    day_budgets: list[ExportedDay]
    follows: list[ExportedFollow]
    attendance: list[ExportedAttendance]
    tickets: list[ExportedTicket]
    suggestions: list[ExportedSuggestion]
    reviews: list[ExportedReview]
    reports_made: list[ExportedReport]
    moderation_of_own_texts: list[ExportedModeration]
    bans: list[ExportedBan]
    email_preferences: ExportedEmail | None
    email_queue: list[ExportedMessage]
    email_log: list[ExportedDelivery]
    api_keys: list[ExportedKey]
    moderation_log: list[ExportedAct]
    audit_log: list[ExportedAct]


SECTIONS = tuple(name for name in Export.__struct_fields__ if name != "cut")

# Takes: user, ballots by show, positions by shard; see voting.Forgetting.forget
Forget = Callable[[int, Mapping[int, str], Mapping[int, int]], Awaitable[None]]


class _Erased(msgspec.Struct, frozen=True):
    """What erase_user() gives and is needed further."""

    ballots: dict[int, str]
    positions: dict[int, int]


class PrivacyRoutes:
    """Export and erasure over HTTP.

    Takes: forget, takes a user out of the hot copy of the votes; hang_up, ends a user's connections to this node
    """

    def __init__(self, database: Database, forget: Forget, hang_up: Callable[[int], object]) -> None:
        self._database = database
        self._forget = forget
        self._hang_up = hang_up
        self._is_exporting = False
        self._erasing = asyncio.Lock()

    def endpoints(self) -> list[Endpoint]:
        """What app serves."""
        return [
            Endpoint(
                method="GET", path="/api/me/export", handler=self.get_export, access="user", answer=Export,
                codes=(Code.OVERLOADED,), summary="Everything the database holds about oneself.",
            ),
            Endpoint(
                method="DELETE", path="/api/me", handler=self.delete_me, access="user", status=204,
                codes=(Code.FORBIDDEN,), summary="Be forgotten, at once and for good; one's votes count on as nobody's.",
            ),
            Endpoint(
                method="DELETE", path="/api/admin/users/{user}", handler=self.delete_user, access="admin", status=204,
                codes=(Code.NOT_FOUND,), summary="Have somebody forgotten; their votes count on as nobody's.",
            ),
        ]  # fmt: skip

    async def get_export(self, call: Call) -> Answer:
        """`GET /api/me/export`."""
        if self._is_exporting:
            # Each takes up to a minute of a connection, and some memory.
            raise Refused(Code.OVERLOADED, "Somebody else's export is under way. Try again.", retry_after_ms=5_000)
        self._is_exporting = True
        try:
            document = await export(self._database, call.user.user_id)
        finally:
            self._is_exporting = False
        return Answer(document=document, headers={"Content-Disposition": 'attachment; filename="mysetlist.json"'})

    async def delete_me(self, call: Call) -> Answer:
        """`DELETE /api/me`."""
        if not await self._erase(call.user, call.user.user_id):
            raise Refused(Code.UNAUTHENTICATED, "This account is gone. Sign in again.")
        return Answer(session="")

    async def delete_user(self, call: Call) -> Answer:
        """`DELETE /api/admin/users/{user}`."""
        if not await self._erase(call.user, call.id("user")):
            raise Refused(Code.NOT_FOUND, "No such user.")
        return Answer()

    async def _erase(self, actor: Identity, user_id: int) -> bool:
        if actor.is_key and actor.user_id == user_id:
            raise Refused(Code.FORBIDDEN, "A key does not erase whom it speaks for. Sign in.")
        # In the database they wait for each other anyway, each with a connection that others need.
        async with self._erasing:
            is_erased = await erase(self._database, self._forget, actor, user_id)
        if is_erased:
            self._hang_up(user_id)
        return is_erased


async def export(database: Database, user_id: int) -> bytes:
    """Everything the database holds about a user, as an Export in JSON.

    Raises: Refused: unauthenticated, the account is gone; StoreUnavailable
    Cost:   the history is read from end to end. PostgreSQL writes the JSON, because a hundred thousand rows would keep
            the event loop busy for too long
    """
    cut, parts = [], []
    # Staff may read more than their own, so the export of one of them is read as any user's.
    async with database.acting(Identity(user_id, "user"), is_snapshot=True) as connection:
        await queries.allow_a_minute(connection)
        for section in SECTIONS:
            row_count, rows = await _read(connection, section, user_id)
            parts.append(f'"{section}":{rows}')
            if row_count >= EXPORT_ROWS_MAX:
                cut.append(section)
            if section == "account" and not row_count:
                raise Refused(Code.UNAUTHENTICATED, "This account is gone. Sign in again.")
    return f'{{"cut":{msgspec.json.encode(cut).decode()},{",".join(parts)}}}'.encode()


async def erase(database: Database, forget: Forget, actor: Identity, user_id: int) -> bool:
    """Forgets a user, in PostgreSQL and in Valkey, or in neither; gives whether there was one.

    Raises: StoreUnavailable, CacheError: nothing was erased; try again
    Cost:   the history is read from end to end while votes are written; then all shards are locked for some milliseconds
    """
    async with database.acting(actor) as connection:
        await queries.allow_a_minute(connection)
        found = await connection.fetchval(queries.erase_user.sql, user_id, timeout=STATEMENT_TIMEOUT_S)
        if found is None:
            return False
        if actor.user_id != user_id:
            # That somebody was erased, and by whom; not who it was.
            await write_audit_log(connection, actor, "user.erase", "user:0", {})
        erased = msgspec.json.decode(found, type=_Erased)
        # Last, and before the commit: until then no vote is committed, and if Valkey is away nothing is erased.
        await forget(user_id, erased.ballots, erased.positions)
    return True


async def _read(connection: Connection, section: str, user_id: int) -> tuple[int, str]:
    statement: str = getattr(queries, section).sql
    row = await connection.fetchrow(statement, user_id, EXPORT_ROWS_MAX, timeout=STATEMENT_TIMEOUT_S)
    return (0, "null") if row is None else (row["row_count"], row["rows"])
