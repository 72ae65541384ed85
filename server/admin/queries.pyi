# "make queries" writes this file from the .sql files of this room.

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from typing import Any, Literal, TypedDict

from server.store.database import Connection

# admin/alerts.sql
class ChangeAlertsRow(TypedDict):
    service: str | Any
    status: str | Any
    detail: str | Any
    since: datetime | Any

class _Alerts:
    def change_alerts(
        self, connection: Connection, *, quiet_s: float | None, bad_count: int | None
    ) -> AsyncIterator[ChangeAlertsRow]: ...

# admin/backups.sql
class NewestBackupRow(TypedDict):
    made_at: datetime
    age_s: float | Any
    file_name: str
    size_bytes: int
    host: str

class TableCountsRow(TypedDict):
    accounts: int | Any
    artists: int | Any
    shows: int | Any
    songs_of_sets: int | Any
    votes: int | Any
    casts: int | Any
    newest_cast: datetime | Any

class _Backups:
    async def insert_backup(
        self, connection: Connection, *, file_name: str | None, size_bytes: int | None, host: str | None
    ) -> str: ...
    async def newest_backup(self, connection: Connection) -> NewestBackupRow | None: ...
    async def table_counts(self, connection: Connection) -> TableCountsRow | None: ...

# admin/health.sql
class FetchHealthRow(TypedDict):
    service: str
    status: str | Any
    detail: str
    seen_at: datetime
    sample_count: int | Any
    availability_24h: float | Any
    latency_mean_ms: float | Any
    latency_max_ms: float | Any

class _Health:
    async def add_health(self, connection: Connection, *, rows: str | None) -> str: ...
    def fetch_health(self, connection: Connection, *, stale_s: float | None) -> AsyncIterator[FetchHealthRow]: ...

# admin/levels.sql
class FetchWindowsRow(TypedDict):
    level: str
    day: int | Any
    place: int | Any
    event_count: int | Any
    missed_count: int | Any
    missed_minutes: int | Any
    since: datetime | Any

class _Levels:
    async def add_minutes(
        self,
        connection: Connection,
        *,
        minutes: Sequence[datetime | None] | None,
        levels: Sequence[str | None] | None,
        event_counts: Sequence[int | None] | None,
        missed_counts: Sequence[int | None] | None,
    ) -> str: ...
    def fetch_windows(
        self,
        connection: Connection,
        *,
        ends_s: Sequence[float | None] | None,
        instant: datetime | None,
        days: int | None,
    ) -> AsyncIterator[FetchWindowsRow]: ...

# admin/operations.sql
class InsertOperationRow(TypedDict):
    id: int
    operation: str
    options: str
    status: Literal["running", "succeeded", "failed", "interrupted"]
    stage: str
    done: int
    total: int
    result: str
    error: str
    started_by: int | None
    started_at: datetime
    finished_at: datetime | None
    pid: int | Any

class LiveProgressRow(TypedDict):
    phase: str | Any
    done: int | Any
    total: int | Any

class OperationByIdRow(TypedDict):
    id: int
    operation: str
    options: str
    status: Literal["running", "succeeded", "failed", "interrupted"]
    stage: str
    done: int
    total: int
    result: str
    error: str
    started_by: int | None
    started_at: datetime
    finished_at: datetime | None

class RecentOperationsRow(TypedDict):
    id: int
    operation: str
    options: str
    status: Literal["running", "succeeded", "failed", "interrupted"]
    stage: str
    done: int
    total: int
    result: str
    error: str
    started_by: int | None
    started_at: datetime
    finished_at: datetime | None

class TablesToVacuumRow(TypedDict):
    name: str | Any
    blocks: int | Any
    bytes: int | Any
    statement: str | Any

class IndexesToReindexRow(TypedDict):
    name: str | Any
    is_leftover: bool | Any
    bytes: int | Any
    statement: str | Any

class ViolationsRow(TypedDict):
    rule: str | Any
    subject: str | Any
    detail: str | Any
    rule_count: int | Any

class MiscountedShowsRow(TypedDict):
    show_id: int | Any

class _Operations:
    async def try_operation_lock(self, connection: Connection, *, operation_class: int | None) -> bool | Any: ...
    async def is_operation_running(self, connection: Connection) -> bool | Any: ...
    async def interrupt_dead_operations(self, connection: Connection, *, operation_class: int | None) -> str: ...
    async def insert_operation(
        self,
        connection: Connection,
        *,
        user_id: int | None,
        operation: str | None,
        options: str | None,
        subject: str | None,
    ) -> InsertOperationRow: ...
    async def report_progress(
        self, connection: Connection, *, stage: str | None, done: int | None, total: int | None, id: int | None
    ) -> str: ...
    async def finish_operation(
        self,
        connection: Connection,
        *,
        status: str | None,
        stage: str | None,
        done: int | None,
        total: int | None,
        result: str | None,
        error: str | None,
        id: int | None,
    ) -> str: ...
    async def live_progress(self, connection: Connection, *, pid: int | None) -> LiveProgressRow | None: ...
    async def operation_by_id(self, connection: Connection, *, id: int | None) -> OperationByIdRow | None: ...
    def recent_operations(self, connection: Connection, *, count: int | None) -> AsyncIterator[RecentOperationsRow]: ...
    def tables_to_vacuum(
        self, connection: Connection, *, table_name: str | None
    ) -> AsyncIterator[TablesToVacuumRow]: ...
    def indexes_to_reindex(
        self, connection: Connection, *, table_name: str | None
    ) -> AsyncIterator[IndexesToReindexRow]: ...
    def violations(self, connection: Connection, *, count: int | None) -> AsyncIterator[ViolationsRow]: ...
    def miscounted_shows(self, connection: Connection) -> AsyncIterator[MiscountedShowsRow]: ...
    async def repair_counts(self, connection: Connection) -> int | Any: ...
    async def update_trending_scores(self, connection: Connection) -> int | Any: ...

# admin/overview.sql
class FetchServerLoadRow(TypedDict):
    connections_share: float | Any
    statement_pid: int | Any
    statement_s: float | Any
    statement_application: str | Any
    statement: str | Any

class ListShowsToWatchRow(TypedDict):
    id: int | Any
    slug: str | Any
    name: str | Any
    status: str | Any
    artist: str | Any
    venue: str | Any
    vote_count: int | Any
    group_count: int | Any

class ListOpenGroupsRow(TypedDict):
    id: int
    ballot_count: int
    show_id: int
    show_name: str

class OldestWebhookDeliveryRow(TypedDict):
    id: int
    description: str
    host: str | Any
    error: str
    age_s: float | Any

class ListNewestActsRow(TypedDict):
    at: datetime
    actor_id: int | None
    action: str
    subject: str

class _Overview:
    async def fetch_server_load(self, connection: Connection) -> FetchServerLoadRow: ...
    def list_shows_to_watch(
        self, connection: Connection, *, count: int | None
    ) -> AsyncIterator[ListShowsToWatchRow]: ...
    def list_open_groups(self, connection: Connection, *, count: int | None) -> AsyncIterator[ListOpenGroupsRow]: ...
    async def oldest_webhook_delivery(self, connection: Connection) -> OldestWebhookDeliveryRow | None: ...
    def list_newest_acts(self, connection: Connection, *, count: int | None) -> AsyncIterator[ListNewestActsRow]: ...

# admin/retention.sql
class DeleteVoteLimitsRow(TypedDict):
    deleted: int | Any
    seen: int | Any
    user_id: int | Any
    day: date | Any

class DeleteCastOrdersRow(TypedDict):
    deleted: int | Any
    seen: int | Any
    user_id: int | Any
    show_id: int | Any

class OrphanedUsersRow(TypedDict):
    id: int

class _Retention:
    async def delete_log_commits(self, connection: Connection, *, minutes: int | None) -> int | Any: ...
    async def delete_vote_limits(
        self,
        connection: Connection,
        *,
        after_user_id: int | None,
        after_day: date | None,
        count: int | None,
        days: int | None,
    ) -> DeleteVoteLimitsRow: ...
    async def delete_cast_orders(
        self, connection: Connection, *, after_user_id: int | None, after_show_id: int | None, count: int | None
    ) -> DeleteCastOrdersRow: ...
    async def delete_email_log(self, connection: Connection, *, days: int | None, count: int | None) -> int | Any: ...
    async def delete_email_queue(self, connection: Connection, *, days: int | None, count: int | None) -> int | Any: ...
    async def delete_webhook_events(
        self, connection: Connection, *, days: int | None, count: int | None
    ) -> int | Any: ...
    async def delete_webpush_notices(
        self, connection: Connection, *, days: int | None, count: int | None
    ) -> int | Any: ...
    async def delete_import_log(self, connection: Connection, *, days: int | None, count: int | None) -> int | Any: ...
    async def delete_sync_jobs(self, connection: Connection, *, days: int | None, count: int | None) -> int | Any: ...
    async def delete_service_health(self, connection: Connection, *, days: int | None) -> int | Any: ...
    async def delete_show_news(self, connection: Connection, *, days: int | None, count: int | None) -> int | Any: ...
    async def delete_backups(self, connection: Connection, *, days: int | None, count: int | None) -> int | Any: ...
    async def delete_level_minutes(
        self, connection: Connection, *, days: int | None, count: int | None
    ) -> int | Any: ...
    async def delete_operations(self, connection: Connection, *, days: int | None) -> int | Any: ...
    async def delete_answers(
        self,
        connection: Connection,
        *,
        services: Sequence[str | None] | None,
        kept_days: Sequence[int | None] | None,
        days: int | None,
        count: int | None,
    ) -> int | Any: ...
    async def delete_links(
        self,
        connection: Connection,
        *,
        services: Sequence[str | None] | None,
        kept_days: Sequence[int | None] | None,
        count: int | None,
    ) -> int | Any: ...
    async def delete_activity(self, connection: Connection, *, days: int | None, count: int | None) -> int | Any: ...
    async def delete_sessions(self, connection: Connection, *, count: int | None) -> int | Any: ...
    async def forget_address_hashes(
        self, connection: Connection, *, hours: int | None, count: int | None
    ) -> int | Any: ...
    async def delete_merge_rows(self, connection: Connection, *, days: int | None, count: int | None) -> int | Any: ...
    async def delete_merge_folds(self, connection: Connection, *, days: int | None, count: int | None) -> int | Any: ...
    async def delete_removed_songs(
        self, connection: Connection, *, days: int | None, count: int | None
    ) -> int | Any: ...
    def orphaned_users(
        self, connection: Connection, *, days: int | None, count: int | None
    ) -> AsyncIterator[OrphanedUsersRow]: ...
    async def delete_orphans(self, connection: Connection, *, ids: Sequence[int | None] | None) -> int | Any: ...
    async def delete_vote_groups(self, connection: Connection, *, days: int | None, count: int | None) -> int | Any: ...

# admin/statistics.sql
class ServerRow(TypedDict):
    version: str | Any
    database: str | Any
    started_at: datetime | Any
    connections_max: int | Any
    size_bytes: int | Any
    commits: int | Any
    rollbacks: int | Any
    deadlocks: int | Any
    temp_bytes: int | Any
    counted_since: datetime | Any
    cache_hit_rate: float | Any

class TablesRow(TypedDict):
    name: str | Any
    rows_estimate: int | Any
    dead_rows_estimate: int | Any
    sequential_scans: int | Any
    index_scans: int | Any
    last_vacuum_at: datetime | Any
    last_autovacuum_at: datetime | Any
    last_analyze_at: datetime | Any
    last_autoanalyze_at: datetime | Any

class IndexesRow(TypedDict):
    name: str | Any
    table: str | Any
    scans: int | Any
    is_unused: bool | Any
    is_valid: bool | Any

class SetLockTimeoutRow(TypedDict):
    set_config: str | Any

class SizesRow(TypedDict):
    name: str | Any
    bytes: int | Any
    index_bytes: int | Any

class ConnectionsRow(TypedDict):
    state: str | Any
    application: str | Any
    count: int | Any

class StandbysRow(TypedDict):
    name: str | Any
    state: str | Any
    sync_state: str | Any
    lag_bytes: int | Any
    lag_s: float | Any

class SlotsRow(TypedDict):
    name: str | Any
    type: str | Any
    is_active: bool | Any
    kept_bytes: int | Any

class LongestTransactionRow(TypedDict):
    pid: int | Any
    application: str | Any
    state: str | Any
    age_s: float | Any
    query: str | Any

class WaitingLocksRow(TypedDict):
    pid: int | Any
    type: str | Any
    mode: str | Any
    relation: str | Any
    waiting_s: float | Any
    blocked_by: list[int] | Any
    query: str | Any

class SlowestStatementsRow(TypedDict):
    query: str | Any
    calls: int | Any
    total_ms: float | Any
    mean_ms: float | Any
    max_ms: float | Any
    rows: int | Any
    cache_hit_rate: float | Any

class AppliedMigrationsRow(TypedDict):
    version: str

class PlatformDaysRow(TypedDict):
    day: date
    user_count: int
    new_user_count: int
    vote_count: int
    withdrawn_count: int
    voted_show_count: int
    new_follow_count: int
    new_going_count: int
    new_review_count: int
    show_count: int
    refreshed_at: datetime

class RefreshPlatformStatsRow(TypedDict):
    refresh_platform_stats: None

class _Statistics:
    async def server(self, connection: Connection) -> ServerRow: ...
    def tables(self, connection: Connection) -> AsyncIterator[TablesRow]: ...
    def indexes(self, connection: Connection) -> AsyncIterator[IndexesRow]: ...
    def set_lock_timeout(
        self, connection: Connection, *, lock_timeout: str | None
    ) -> AsyncIterator[SetLockTimeoutRow]: ...
    def sizes(self, connection: Connection) -> AsyncIterator[SizesRow]: ...
    def connections(self, connection: Connection) -> AsyncIterator[ConnectionsRow]: ...
    def standbys(self, connection: Connection) -> AsyncIterator[StandbysRow]: ...
    def slots(self, connection: Connection) -> AsyncIterator[SlotsRow]: ...
    async def longest_transaction(self, connection: Connection) -> LongestTransactionRow | None: ...
    def waiting_locks(self, connection: Connection, *, count: int | None) -> AsyncIterator[WaitingLocksRow]: ...
    def slowest_statements(
        self, connection: Connection, *, count: int | None
    ) -> AsyncIterator[SlowestStatementsRow]: ...
    def applied_migrations(self, connection: Connection) -> AsyncIterator[AppliedMigrationsRow]: ...
    def platform_days(self, connection: Connection, *, count: int | None) -> AsyncIterator[PlatformDaysRow]: ...
    def refresh_platform_stats(self, connection: Connection) -> AsyncIterator[RefreshPlatformStatsRow]: ...
    async def ensure_partitions(self, connection: Connection, *, months: int | None) -> int | Any: ...

alerts: _Alerts
backups: _Backups
health: _Health
levels: _Levels
operations: _Operations
overview: _Overview
retention: _Retention
statistics: _Statistics
