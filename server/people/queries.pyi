# "make queries" writes this file from the .sql files of this room.

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from typing import Any, Literal, TypedDict

from server.store.database import Connection

# people/access_monitor.sql
class ActiveBansRow(TypedDict):
    user_id: int
    kind: str | Any
    reason: str
    expires_at: datetime | None

class CurrentRolesRow(TypedDict):
    user_id: int | Any
    role: str | Any

class CurrentKeyRolesRow(TypedDict):
    key_hash: bytes | Any
    role: str | Any

class _AccessMonitor:
    def active_bans(self, connection: Connection) -> AsyncIterator[ActiveBansRow]: ...
    def current_roles(
        self, connection: Connection, *, user_ids: Sequence[int | None] | None, staff_ids: Sequence[int | None] | None
    ) -> AsyncIterator[CurrentRolesRow]: ...
    def current_key_roles(
        self, connection: Connection, *, key_hashes: Sequence[bytes | None] | None
    ) -> AsyncIterator[CurrentKeyRolesRow]: ...

# people/accounts.sql
class ListAccountsRow(TypedDict):
    id: int
    role: Literal["user", "moderator", "admin"]
    created_at: datetime
    display_name: str | None
    is_banned: bool | Any

class FetchAccountRow(TypedDict):
    id: int
    role: Literal["user", "moderator", "admin"]
    created_at: datetime
    display_name: str | None
    bio: str | Any
    city: str | Any
    country: str | Any
    is_public: bool | Any
    status: Literal["pending", "approved", "rejected"] | Any
    follow_count: int | Any
    attendance_count: int | Any
    vote_count: int | Any
    review_count: int | Any

class LockAdminsRow(TypedDict):
    id: int

class AllBansRow(TypedDict):
    id: int
    kind: Literal["vote", "write", "all"]
    reason: str
    banned_by: int | None
    banned_at: datetime
    expires_at: datetime | None
    lifted_at: datetime | None

class InsertBanRow(TypedDict):
    id: int
    kind: Literal["vote", "write", "all"]
    reason: str
    banned_by: int | None
    banned_at: datetime
    expires_at: datetime | None
    lifted_at: datetime | None

class LockBanRow(TypedDict):
    id: int
    lifted_at: datetime | None

class _Accounts:
    def list_accounts(
        self,
        connection: Connection,
        *,
        after_id: int | None,
        role: str | None,
        name: str | None,
        wanted: int | None,
        banned: bool | None,
        count: int | None,
    ) -> AsyncIterator[ListAccountsRow]: ...
    async def fetch_account(self, connection: Connection, *, user_id: int | None) -> FetchAccountRow | None: ...
    async def role_of(
        self, connection: Connection, *, user_id: int | None
    ) -> Literal["user", "moderator", "admin"] | None: ...
    def lock_admins(self, connection: Connection) -> AsyncIterator[LockAdminsRow]: ...
    async def set_role(self, connection: Connection, *, role: str | None, user_id: int | None) -> str: ...
    def all_bans(self, connection: Connection, *, user_id: int | None) -> AsyncIterator[AllBansRow]: ...
    async def insert_ban(
        self,
        connection: Connection,
        *,
        user_id: int | None,
        kind: str | None,
        reason: str | None,
        banned_by: int | None,
        expires_at: datetime | None,
    ) -> InsertBanRow: ...
    async def lock_ban(self, connection: Connection, *, id: int | None, user_id: int | None) -> LockBanRow | None: ...
    async def lift_ban(self, connection: Connection, *, lifted_by: int | None, id: int | None) -> str: ...

# people/calendars.sql
class ShowsOfUserRow(TypedDict):
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
    async def fetch_nonce(self, connection: Connection, *, user_id: int | None) -> Any | None: ...
    async def renew_nonce(self, connection: Connection, *, user_id: int | None) -> Any | None: ...
    async def delete_feed(self, connection: Connection, *, user_id: int | None) -> str: ...
    def shows_of_user(
        self, connection: Connection, *, user_id: int | None, since: datetime | None, count: int | None
    ) -> AsyncIterator[ShowsOfUserRow]: ...

# people/ended_sessions.sql
class EndedSessionsRow(TypedDict):
    session_ids: list[int] | Any
    user_ids: list[int] | Any

class _EndedSessions:
    async def ended_sessions(
        self, connection: Connection, *, within_s: float | None, count: int | None
    ) -> EndedSessionsRow: ...

# people/erasure.sql
class _Erasure:
    async def extend_timeout(self, connection: Connection) -> str: ...
    async def erase_history(self, connection: Connection, *, user_id: int | None) -> datetime | Any | None: ...
    async def erase_user(
        self, connection: Connection, *, user_id: int | None, history_since: datetime | None
    ) -> str | Any | None: ...

# people/export.sql
class AccountRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class IdentitiesRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class SessionsRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class ProfileRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class VotesRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class RemovedVotesRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class VoteGroupsRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class MergedVotesRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class MergedRowsRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class AccuracyRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class VoteHistoryRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class DayBudgetsRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class FollowsRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class AttendanceRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class PicksRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class CrewsRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class LedgerNamesRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class TicketsRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class SuggestionsRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class ReviewsRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class ReportsMadeRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class ModerationOfOwnTextsRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class BansRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class EmailPreferencesRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class EmailQueueRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class EmailLogRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class PushDevicesRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class PushNoticesRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class ApiKeysRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class ModerationLogRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class AuditLogRow(TypedDict):
    row_count: int | Any
    rows: str | Any

class _Export:
    async def extend_timeout(self, connection: Connection) -> str: ...
    async def account(self, connection: Connection, *, user_id: int | None, count: int | None) -> AccountRow | None: ...
    async def identities(
        self, connection: Connection, *, user_id: int | None, count: int | None
    ) -> IdentitiesRow | None: ...
    async def sessions(
        self, connection: Connection, *, user_id: int | None, count: int | None
    ) -> SessionsRow | None: ...
    async def profile(self, connection: Connection, *, user_id: int | None, count: int | None) -> ProfileRow | None: ...
    async def votes(self, connection: Connection, *, user_id: int | None, count: int | None) -> VotesRow | None: ...
    async def removed_votes(
        self, connection: Connection, *, user_id: int | None, count: int | None
    ) -> RemovedVotesRow | None: ...
    async def vote_groups(
        self, connection: Connection, *, user_id: int | None, count: int | None
    ) -> VoteGroupsRow | None: ...
    async def merged_votes(
        self, connection: Connection, *, user_id: int | None, count: int | None
    ) -> MergedVotesRow | None: ...
    async def merged_rows(
        self, connection: Connection, *, user_id: int | None, count: int | None
    ) -> MergedRowsRow | None: ...
    async def accuracy(
        self, connection: Connection, *, user_id: int | None, count: int | None
    ) -> AccuracyRow | None: ...
    async def vote_history(
        self, connection: Connection, *, user_id: int | None, count: int | None
    ) -> VoteHistoryRow | None: ...
    async def day_budgets(
        self, connection: Connection, *, user_id: int | None, count: int | None
    ) -> DayBudgetsRow | None: ...
    async def follows(self, connection: Connection, *, user_id: int | None, count: int | None) -> FollowsRow | None: ...
    async def attendance(
        self, connection: Connection, *, user_id: int | None, count: int | None
    ) -> AttendanceRow | None: ...
    async def picks(self, connection: Connection, *, user_id: int | None, count: int | None) -> PicksRow | None: ...
    async def crews(self, connection: Connection, *, user_id: int | None, count: int | None) -> CrewsRow | None: ...
    async def ledger_names(
        self, connection: Connection, *, user_id: int | None, count: int | None
    ) -> LedgerNamesRow | None: ...
    async def tickets(self, connection: Connection, *, user_id: int | None, count: int | None) -> TicketsRow | None: ...
    async def suggestions(
        self, connection: Connection, *, user_id: int | None, count: int | None
    ) -> SuggestionsRow | None: ...
    async def reviews(self, connection: Connection, *, user_id: int | None, count: int | None) -> ReviewsRow | None: ...
    async def reports_made(
        self, connection: Connection, *, user_id: int | None, count: int | None
    ) -> ReportsMadeRow | None: ...
    async def moderation_of_own_texts(
        self, connection: Connection, *, user_id: int | None, count: int | None
    ) -> ModerationOfOwnTextsRow | None: ...
    async def bans(self, connection: Connection, *, user_id: int | None, count: int | None) -> BansRow | None: ...
    async def email_preferences(
        self, connection: Connection, *, user_id: int | None, count: int | None
    ) -> EmailPreferencesRow | None: ...
    async def email_queue(
        self, connection: Connection, *, user_id: int | None, count: int | None
    ) -> EmailQueueRow | None: ...
    async def email_log(
        self, connection: Connection, *, user_id: int | None, count: int | None
    ) -> EmailLogRow | None: ...
    async def push_devices(
        self, connection: Connection, *, user_id: int | None, count: int | None
    ) -> PushDevicesRow | None: ...
    async def push_notices(
        self, connection: Connection, *, user_id: int | None, count: int | None
    ) -> PushNoticesRow | None: ...
    async def api_keys(
        self, connection: Connection, *, user_id: int | None, count: int | None
    ) -> ApiKeysRow | None: ...
    async def moderation_log(
        self, connection: Connection, *, user_id: int | None, count: int | None
    ) -> ModerationLogRow | None: ...
    async def audit_log(
        self, connection: Connection, *, user_id: int | None, count: int | None
    ) -> AuditLogRow | None: ...

# people/exports.sql
class FetchExportRow(TypedDict):
    asked_at: datetime
    document: str | None
    is_given_up: bool | Any

class _Exports:
    async def fetch_export(
        self, connection: Connection, *, tries_max: int | None, user_id: int | None, kept_s: float | None
    ) -> FetchExportRow | None: ...
    async def ask_for_export(
        self, connection: Connection, *, kept_s: float | None, waiting_max: int | None
    ) -> bool | Any | None: ...
    async def claim_export(
        self, connection: Connection, *, claim_s: float | None, tries_max: int | None
    ) -> int | None: ...
    async def store_export(self, connection: Connection, *, document: str | None, user_id: int | None) -> str: ...
    async def delete_old_exports(self, connection: Connection, *, kept_s: float | None) -> str: ...

# people/follows.sql
class ListFollowsRow(TypedDict):
    created_at: datetime
    id: int
    slug: str
    name: str
    follower_count: int

class ListAttendanceRow(TypedDict):
    starts_at: datetime
    id: int
    slug: str
    name: str
    status: Literal["upcoming", "live", "finished", "cancelled"]
    local_date: date
    attendance_count: int
    created_at: datetime
    artist_name: str
    venue_name: str

class FindFollowRow(TypedDict):
    id: int
    is_marked: bool | Any

class FindAttendanceRow(TypedDict):
    id: int
    is_marked: bool | Any

class _Follows:
    async def find_artist(self, connection: Connection, *, id: int | None, slug: str | None) -> int | None: ...
    async def find_show(self, connection: Connection, *, id: int | None, slug: str | None) -> int | None: ...
    def list_follows(
        self,
        connection: Connection,
        *,
        user_id: int | None,
        after_at: datetime | None,
        after_id: int | None,
        count: int | None,
    ) -> AsyncIterator[ListFollowsRow]: ...
    def list_attendance(
        self,
        connection: Connection,
        *,
        user_id: int | None,
        after_at: datetime | None,
        after_id: int | None,
        count: int | None,
    ) -> AsyncIterator[ListAttendanceRow]: ...
    async def find_follow(
        self, connection: Connection, *, user_id: int | None, id: int | None, slug: str | None
    ) -> FindFollowRow | None: ...
    async def find_attendance(
        self, connection: Connection, *, user_id: int | None, id: int | None, slug: str | None
    ) -> FindAttendanceRow | None: ...

# people/keys.sql
class UseKeyRow(TypedDict):
    user_id: int | Any
    role: str | Any

class ListKeysRow(TypedDict):
    id: int
    name: str
    role: str | Any
    user_id: int
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

class InsertKeyRow(TypedDict):
    id: int
    name: str
    role: str | Any
    user_id: int
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

class _Keys:
    async def use_key(self, connection: Connection, *, key_hash: bytes | None) -> UseKeyRow | None: ...
    def list_keys(
        self, connection: Connection, *, after_id: int | None, count: int | None
    ) -> AsyncIterator[ListKeysRow]: ...
    async def insert_key(
        self,
        connection: Connection,
        *,
        name: str | None,
        key_hash: bytes | None,
        role: str | None,
        user_id: int | None,
        expires_in_days: int | None,
    ) -> InsertKeyRow: ...
    async def revoke_key(self, connection: Connection, *, id: int | None) -> int | None: ...

# people/own_shows.sql
class ListOwnShowsRow(TypedDict):
    id: int
    slug: str
    name: str
    status: Literal["upcoming", "live", "finished", "cancelled"]
    local_date: date
    starts_at: datetime
    time_zone: str
    vote_count: int
    artist_id: int
    artist_slug: str
    artist_name: str
    venue_id: int
    venue_slug: str
    venue_name: str
    city: str
    is_going: bool | Any
    is_following: bool | Any
    own_vote_count: int | Any

class ListBallotsRow(TypedDict):
    starts_at: datetime
    id: int
    slug: str
    name: str
    status: Literal["upcoming", "live", "finished", "cancelled"]
    local_date: date
    time_zone: str
    vote_count: int
    artist_id: int
    artist_slug: str
    artist_name: str
    venue_id: int
    venue_slug: str
    venue_name: str
    city: str
    up: int | Any
    down: int | Any
    hits: int | Any
    predicted: int | Any
    played: int | Any

class _OwnShows:
    def list_own_shows(
        self, connection: Connection, *, user_id: int | None, count: int | None
    ) -> AsyncIterator[ListOwnShowsRow]: ...
    def list_ballots(
        self,
        connection: Connection,
        *,
        user_id: int | None,
        after_at: datetime | None,
        after_id: int | None,
        count: int | None,
    ) -> AsyncIterator[ListBallotsRow]: ...

# people/profiles.sql
class FetchMeRow(TypedDict):
    id: int
    role: Literal["user", "moderator", "admin"]
    created_at: datetime
    display_name: str | None
    bio: str | Any
    city: str | Any
    country: str | Any
    is_public: bool | Any
    status: Literal["pending", "approved", "rejected"] | Any
    language: str | Any
    follow_count: int | Any
    attendance_count: int | Any
    vote_count: int | Any
    review_count: int | Any
    show_count: int | Any
    precision: float | Any
    recall: float | Any
    rank_correlation: float | Any
    address: str | Any
    is_confirmed: bool | Any
    frequency: Literal["never", "immediately", "daily", "weekly"] | Any
    kinds: list[Literal["confirm_address", "show_announced", "show_reminder", "show_result"]] | Any

class FetchProfileRow(TypedDict):
    user_id: int
    display_name: str | None
    bio: str
    city: str
    country: str
    is_public: bool
    status: Literal["pending", "approved", "rejected"]
    created_at: datetime

class LockProfileRow(TypedDict):
    display_name: str | None
    bio: str
    city: str
    country: str
    is_public: bool
    status: Literal["pending", "approved", "rejected"]
    language: str

class _Profiles:
    async def fetch_me(self, connection: Connection, *, user_id: int | None) -> FetchMeRow | None: ...
    async def fetch_profile(
        self, connection: Connection, *, wanted: int | None, user_id: int | None
    ) -> FetchProfileRow | None: ...
    async def begin_profile(self, connection: Connection, *, user_id: int | None) -> str: ...
    async def lock_profile(self, connection: Connection, *, user_id: int | None) -> LockProfileRow | None: ...
    async def update_profile(
        self,
        connection: Connection,
        *,
        display_name: str | None,
        bio: str | None,
        city: str | None,
        country: str | None,
        is_public: bool | None,
        status: str | None,
        language: str | None,
        user_id: int | None,
    ) -> str: ...

# people/relation_counts.sql
class FollowerCountsRow(TypedDict):
    id: int
    at: int
    count: int

class AttendanceCountsRow(TypedDict):
    id: int
    at: int
    count: int

class _RelationCounts:
    def follower_counts(
        self, connection: Connection, *, ids: Sequence[int | None] | None
    ) -> AsyncIterator[FollowerCountsRow]: ...
    def attendance_counts(
        self, connection: Connection, *, ids: Sequence[int | None] | None
    ) -> AsyncIterator[AttendanceCountsRow]: ...
    async def is_there(self, connection: Connection, *, marked: str | None, id: int | None) -> bool | Any | None: ...

# people/reviews.sql
class FindVenueRow(TypedDict):
    id: int
    review_count: int
    rating_sum: int

class ListReviewsRow(TypedDict):
    id: int
    rating: int
    body: str
    created_at: datetime
    updated_at: datetime
    author_id: int | Any
    display_name: str | None

class OwnReviewRow(TypedDict):
    id: int
    rating: int
    body: str
    status: Literal["pending", "approved", "rejected"]
    created_at: datetime
    updated_at: datetime

class InsertReviewRow(TypedDict):
    id: int
    rating: int
    body: str
    status: Literal["pending", "approved", "rejected"]
    created_at: datetime
    updated_at: datetime

class LockOwnReviewRow(TypedDict):
    id: int
    body: str
    status: Literal["pending", "approved", "rejected"]

class UpdateReviewRow(TypedDict):
    id: int
    rating: int
    body: str
    status: Literal["pending", "approved", "rejected"]
    created_at: datetime
    updated_at: datetime

class _Reviews:
    async def find_venue(self, connection: Connection, *, id: int | None, slug: str | None) -> FindVenueRow | None: ...
    def list_reviews(
        self,
        connection: Connection,
        *,
        venue_id: int | None,
        after_at: datetime | None,
        after_id: int | None,
        count: int | None,
    ) -> AsyncIterator[ListReviewsRow]: ...
    async def own_review(
        self, connection: Connection, *, venue_id: int | None, user_id: int | None
    ) -> OwnReviewRow | None: ...
    async def insert_review(
        self,
        connection: Connection,
        *,
        venue_id: int | None,
        user_id: int | None,
        rating: int | None,
        body: str | None,
        status: str | None,
    ) -> InsertReviewRow | None: ...
    async def lock_own_review(
        self, connection: Connection, *, venue_id: int | None, user_id: int | None
    ) -> LockOwnReviewRow | None: ...
    async def update_review(
        self, connection: Connection, *, rating: int | None, body: str | None, status: str | None, id: int | None
    ) -> UpdateReviewRow | None: ...
    async def delete_own_review(self, connection: Connection, *, venue_id: int | None, user_id: int | None) -> str: ...

# people/sessions.sql
class SignUpRow(TypedDict):
    user_id: int | Any
    session_id: int | Any
    expires_at: datetime | Any

class RenewSessionRow(TypedDict):
    role: str | Any
    session_id: int | Any
    expires_at: datetime | Any

class AdoptTokenRow(TypedDict):
    role: str | Any
    session_id: int | Any
    expires_at: datetime | Any

class OpenLinkRow(TypedDict):
    role: str | Any
    session_id: int | Any
    expires_at: datetime | Any

class OpenCodeRow(TypedDict):
    user_id: int | Any
    role: str | Any
    session_id: int | Any
    expires_at: datetime | Any

class InsertUserRow(TypedDict):
    user_id: int
    session_id: int

class LockFirstAdminRow(TypedDict):
    pg_advisory_xact_lock: None

class SignInAsRow(TypedDict):
    user_id: int | Any
    role: str | Any

class ListSessionsRow(TypedDict):
    id: int
    kind: str | Any
    device: str
    created_at: datetime
    renewed_at: datetime
    expires_at: datetime

class EndSessionsRow(TypedDict):
    id: int

class _Sessions:
    async def make_installation(self, connection: Connection) -> str: ...
    async def fetch_installation(self, connection: Connection) -> str | Any: ...
    async def sign_up(
        self,
        connection: Connection,
        *,
        device: str | None,
        address_hash: bytes | None,
        ttl_s: float | None,
        agent_hash: bytes | None,
        subnet_hash: bytes | None,
    ) -> SignUpRow: ...
    async def fetch_role(
        self, connection: Connection, *, user_id: int | None
    ) -> Literal["user", "moderator", "admin"] | None: ...
    async def renew_session(
        self, connection: Connection, *, session_id: int | None, ttl_s: float | None
    ) -> RenewSessionRow | None: ...
    async def adopt_token(
        self,
        connection: Connection,
        *,
        device: str | None,
        token_until: datetime | None,
        is_fan: bool | None,
        ttl_s: float | None,
    ) -> AdoptTokenRow: ...
    async def open_link(
        self, connection: Connection, *, session_id: int | None, device: str | None, ttl_s: float | None
    ) -> OpenLinkRow | None: ...
    async def make_code(
        self, connection: Connection, *, code_hash: bytes | None, ttl_s: float | None
    ) -> datetime | Any | None: ...
    async def open_code(
        self, connection: Connection, *, code_hash: bytes | None, device: str | None, ttl_s: float | None
    ) -> OpenCodeRow | None: ...
    async def insert_user(
        self, connection: Connection, *, role: str | None, ttl_s: float | None, detail: str | None, kind: str | None
    ) -> InsertUserRow: ...
    def lock_first_admin(self, connection: Connection) -> AsyncIterator[LockFirstAdminRow]: ...
    async def has_admin(self, connection: Connection) -> bool | Any: ...
    async def sign_in_as(
        self, connection: Connection, *, issuer: str | None, subject: str | None, ttl_s: float | None
    ) -> SignInAsRow: ...
    async def update_role(
        self, connection: Connection, *, role: str | None, user_id: int | None, issuer: str | None
    ) -> str: ...
    def list_sessions(
        self, connection: Connection, *, user_id: int | None, after_id: int | None, count: int | None
    ) -> AsyncIterator[ListSessionsRow]: ...
    async def end_session(self, connection: Connection, *, id: int | None, user_id: int | None) -> int | None: ...
    def end_sessions(self, connection: Connection, *, user_id: int | None) -> AsyncIterator[EndSessionsRow]: ...
    async def end_unlisted(self, connection: Connection, *, ttl_s: float | None, user_id: int | None) -> str: ...

# people/tickets.sql
class FetchTicketsRow(TypedDict):
    requires_ticket: bool
    source: str | Any
    code_count: int | Any
    redeemed_count: int | Any
    revision: int

class EffectOfTicketsRow(TypedDict):
    votes_kept: int | Any
    fans_stopped: int | Any

class UnkeyedCodesRow(TypedDict):
    show_id: int
    code_hash: bytes

class _Tickets:
    async def fetch_tickets(self, connection: Connection, *, show_id: int | None) -> FetchTicketsRow | None: ...
    async def lock_show(self, connection: Connection, *, show_id: int | None) -> bool | Any: ...
    async def effect_of_tickets(self, connection: Connection, *, show_id: int | None) -> EffectOfTicketsRow: ...
    async def require_ticket(
        self, connection: Connection, *, show_id: int | None, is_required: bool | None
    ) -> bool | Any: ...
    async def insert_codes(
        self,
        connection: Connection,
        *,
        show_id: int | None,
        code_hashes: Sequence[bytes | None] | None,
        unkeyed_hashes: Sequence[bytes | None] | None,
    ) -> int | Any: ...
    async def has_ticket(
        self, connection: Connection, *, user_id: int | None, show_id: int | None
    ) -> bool | Any | None: ...
    async def redeem_ticket(
        self, connection: Connection, *, show_id: int | None, code_hash: bytes | None, unkeyed_hash: bytes | None
    ) -> str | Any: ...
    def unkeyed_codes(self, connection: Connection, *, count: int | None) -> AsyncIterator[UnkeyedCodesRow]: ...
    async def key_codes(
        self,
        connection: Connection,
        *,
        show_ids: Sequence[int | None] | None,
        unkeyed_hashes: Sequence[bytes | None] | None,
        code_hashes: Sequence[bytes | None] | None,
    ) -> str: ...
    async def ticket_source(self, connection: Connection, *, show_id: int | None) -> str | Any | None: ...
    async def set_ticket_source(
        self, connection: Connection, *, show_id: int | None, source: str | None
    ) -> bool | Any: ...
    async def confirmed_address(self, connection: Connection, *, user_id: int | None) -> str | None: ...
    async def give_ticket(
        self, connection: Connection, *, show_id: int | None, earned: str | None, code_hash: bytes | None
    ) -> str | Any: ...

access_monitor: _AccessMonitor
accounts: _Accounts
calendars: _Calendars
ended_sessions: _EndedSessions
erasure: _Erasure
export: _Export
exports: _Exports
follows: _Follows
keys: _Keys
own_shows: _OwnShows
profiles: _Profiles
relation_counts: _RelationCounts
reviews: _Reviews
sessions: _Sessions
tickets: _Tickets
