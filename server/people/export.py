"""The export of all data about a user, in one document (docs/adr/0009-erasure.md).

Over 400 lines: one type for each kind of data that names a user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from server.errors import Refused
from server.moderation.bans import BanKind
from server.moderation.text_review import Status
from server.people.queries import export as queries
from server.protocol.codes import Code
from server.protocol.identity import Identity, Role
from server.store.database import act_as
from server.store.reads import Readable

if TYPE_CHECKING:
    from server.store.database import Connection

# The newest rows of a section: about 15 MB for the section with the longest rows.
EXPORT_ROWS_MAX = 100_000
# A little longer than the statement_timeout in export.sql and erasure.sql, so that PostgreSQL gives up first.
STATEMENT_TIMEOUT_S = 61.0

Choice = Literal["up", "down"]
Priority = Literal["low", "normal", "high", "urgent"]
NoticeKind = Literal["voting_closes", "show_begins", "song_on"]
MailKind = Literal["confirm_address", "show_announced", "show_reminder", "show_result"]


class ExportedAccount(msgspec.Struct, frozen=True):
    """The account. No token of it is valid after `token_until`."""

    id: int
    role: Role
    token_until: str
    created_at: str
    updated_at: str


class ExportedIdentity(msgspec.Struct, frozen=True):
    """The identity of the user at an identity provider."""

    issuer: str
    subject: str
    created_at: str


class ExportedSession(msgspec.Struct, frozen=True):
    """A session. `unlisted` stands for tokens of an older version, which were signed out together."""

    id: int
    kind: Literal["fan", "link", "command", "unlisted"]
    device: str
    created_at: str
    opened_at: str | None
    renewed_at: str
    expires_at: str
    ended_at: str | None


class ExportedProfile(msgspec.Struct, frozen=True):
    """The profile."""

    display_name: str | None
    bio: str
    city: str
    country: str
    is_public: bool
    status: Status
    language: str
    created_at: str
    updated_at: str


class ExportedSuggestion(msgspec.Struct, frozen=True):
    """A song that the user suggested for a show."""

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
    """A current vote."""

    show_id: int
    show_name: str
    song_id: int
    song_title: str
    choice: Choice
    cast_at: str


class ExportedGroup(msgspec.Struct, frozen=True):
    """A group of alike ballots that the user's votes in a show were found in; whether they are set aside for it, or withdrawn for good."""

    show_id: int
    show_name: str
    is_set_aside: bool
    is_void: bool
    reasons: list[dict[str, str | float]]
    found_at: str
    decided_at: str | None


class ExportedMergedVote(msgspec.Struct, frozen=True):
    """A vote that moved to another song of the show, because two songs were one; `kept_choice`: the vote that it met there."""

    show_id: int
    show_name: str
    song_id: int
    choice: Choice
    cast_at: str
    kept_choice: Choice | None
    kept_cast_at: str | None


class ExportedMergedRow(msgspec.Struct, frozen=True):
    """A follow or a review as it was before two artists or venues became one; kept while that can be undone."""

    relation: str
    row_id: int | None
    was: dict[str, Any]


class ExportedAccuracy(msgspec.Struct, frozen=True):
    """The accuracy of the votes of the user for a show (docs/accuracy.md)."""

    show_id: int
    show_name: str
    predicted: int
    hits: int
    played: int
    precision: float | None
    recall: float
    rank_correlation: float | None


class ExportedChange(msgspec.Struct, frozen=True):
    """A change of a vote. A choice of null is no vote. A name is null when the show or song is gone."""

    show_id: int
    show_name: str | None
    song_id: int
    song_title: str | None
    previous: Choice | None
    choice: Choice | None
    cast_at: str


class ExportedDay(msgspec.Struct, frozen=True):
    """The number of votes cast on a day (UTC)."""

    day: str
    spent: int


class ExportedFollow(msgspec.Struct, frozen=True):
    """A followed artist."""

    artist_id: int
    artist_name: str
    created_at: str


class ExportedAttendance(msgspec.Struct, frozen=True):
    """An attended show."""

    show_id: int
    show_name: str
    created_at: str


class ExportedPick(msgspec.Struct, frozen=True):
    """The user's pick for a show; its final points and place, null until the show is over."""

    show_id: int
    show_name: str
    song_ids: list[int]
    opener: int | None
    closer: int | None
    encore: int | None
    picked_at: str
    points: int | None
    rank: int | None


class ExportedCrew(msgspec.Struct, frozen=True):
    """A crew that the user is in."""

    name: str
    code: str
    joined_at: str


class ExportedTicket(msgspec.Struct, frozen=True):
    """A show for which the user redeemed a ticket code. The code itself is not stored."""

    show_id: int
    show_name: str
    created_at: str
    redeemed_at: str


class ExportedReview(msgspec.Struct, frozen=True):
    """A review of a venue by the user."""

    id: int
    venue_id: int
    venue_name: str
    rating: int
    body: str
    status: Status
    created_at: str
    updated_at: str


class ExportedLedgerName(msgspec.Struct, frozen=True):
    """The random name of the user in the public ledger of a show (docs/ledger.md), 32 hexadecimal digits."""

    show_id: int
    show_name: str
    name: str


class ExportedReport(msgspec.Struct, frozen=True):
    """A report by the user, of a review or a profile."""

    id: int
    review_id: int | None
    profile_id: int | None
    reason: str
    priority: Priority
    status: Literal["open", "upheld", "dismissed"]
    created_at: str
    decided_at: str | None


class ExportedModeration(msgspec.Struct, frozen=True):
    """The moderation of a held text of the user: a review or the profile."""

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
    """A ban. Lifted and expired bans are included."""

    id: int
    kind: BanKind
    reason: str
    banned_at: str
    expires_at: str | None
    lifted_at: str | None


class ExportedEmail(msgspec.Struct, frozen=True):
    """The address and preferences for emails."""

    address: str
    confirmed_at: str | None
    frequency: Literal["never", "immediately", "daily", "weekly"]
    kinds: list[MailKind]
    host: str
    created_at: str
    updated_at: str


class ExportedMessage(msgspec.Struct, frozen=True):
    """An email to the user, sent or queued."""

    id: int
    kind: MailKind
    about: str
    priority: Priority
    status: Literal["queued", "sending", "sent", "failed", "suppressed"]
    attempts: int
    not_before: str
    created_at: str


class ExportedDelivery(msgspec.Struct, frozen=True):
    """The result of an attempt to send an email."""

    id: int
    kind: MailKind
    status: Literal["queued", "sending", "sent", "failed", "suppressed"]
    detail: str
    at: str


class ExportedDevice(msgspec.Struct, frozen=True):
    """A device that gets notices, and which. Its keys are not exported: with them, others could read what it gets."""

    id: int
    endpoint: str
    kinds: list[NoticeKind]
    time_zone: str
    quiet_from: str | None
    quiet_to: str | None
    created_at: str


class ExportedNotice(msgspec.Struct, frozen=True):
    """A notice of a show to the user's devices, of the last seven days. song_id: of the song that was on, 0: of none."""

    kind: NoticeKind
    show_id: int
    song_id: int
    song: str
    made_at: str


class ExportedKey(msgspec.Struct, frozen=True):
    """An API key of the user. The key itself is not stored."""

    id: int
    name: str
    role: Role
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    revoked_at: str | None


class ExportedAct(msgspec.Struct, frozen=True):
    """An action of the user as a member of staff."""

    id: int
    action: str
    subject: str
    detail: dict[str, Any]
    at: str


class Export(msgspec.Struct, frozen=True):
    """Everything that the database holds about the user, newest first.

    `cut` names the sections that reached 100,000 rows, so older rows may be missing.
    """

    cut: list[str]
    account: ExportedAccount
    identities: list[ExportedIdentity]
    sessions: list[ExportedSession]
    profile: ExportedProfile | None
    votes: list[ExportedVote]
    removed_votes: list[ExportedVote]
    vote_groups: list[ExportedGroup]
    merged_votes: list[ExportedMergedVote]
    merged_rows: list[ExportedMergedRow]
    accuracy: list[ExportedAccuracy]
    vote_history: list[ExportedChange]
    day_budgets: list[ExportedDay]
    follows: list[ExportedFollow]
    attendance: list[ExportedAttendance]
    picks: list[ExportedPick]
    crews: list[ExportedCrew]
    ledger_names: list[ExportedLedgerName]
    tickets: list[ExportedTicket]
    suggestions: list[ExportedSuggestion]
    reviews: list[ExportedReview]
    reports_made: list[ExportedReport]
    moderation_of_own_texts: list[ExportedModeration]
    bans: list[ExportedBan]
    email_preferences: ExportedEmail | None
    email_queue: list[ExportedMessage]
    email_log: list[ExportedDelivery]
    push_devices: list[ExportedDevice]
    push_notices: list[ExportedNotice]
    api_keys: list[ExportedKey]
    moderation_log: list[ExportedAct]
    audit_log: list[ExportedAct]


SECTIONS = tuple(name for name in Export.__struct_fields__ if name != "cut")


async def export(database: Readable, user_id: int, *, rows_max: int = EXPORT_ROWS_MAX) -> bytes:
    """Exports everything that the database holds about a user, as the JSON of an Export.

    Raises: Refused: unauthenticated, the account is gone; StoreUnavailable
    Cost:   reads the whole vote history. PostgreSQL writes the JSON, because a hundred thousand rows would block the
            event loop for too long
    """
    cut, parts = [], []
    # The role is always `user`: a moderator or administrator could read rows of others.
    async with database.snapshot() as connection:
        await act_as(connection, Identity(user_id, "user"))
        await queries.extend_timeout(connection)
        for section in SECTIONS:
            row_count, rows = await _read(connection, section, user_id, rows_max)
            parts.append(f'"{section}":{rows}')
            if row_count >= rows_max:
                cut.append(section)
            if section == "account" and not row_count:
                raise Refused(Code.UNAUTHENTICATED, "This account is gone. Sign in again.")
    return f'{{"cut":{msgspec.json.encode(cut).decode()},{",".join(parts)}}}'.encode()


async def _read(connection: Connection, section: str, user_id: int, rows_max: int) -> tuple[int, str]:
    """Gives the number of rows of a section, and the rows as JSON."""
    statement: str = getattr(queries, section).sql
    row = await connection.fetchrow(statement, user_id, rows_max, timeout=STATEMENT_TIMEOUT_S)
    return (0, "null") if row is None else (row["row_count"], row["rows"])
