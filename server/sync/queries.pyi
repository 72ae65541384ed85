# "make queries" writes this file from the .sql files of this room.

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from typing import Any, Literal, TypedDict

from server.store.database import Connection

# sync/forgetting.sql
class ListShowsRow(TypedDict):
    id: int
    slug: str

class LockShowsRow(TypedDict):
    id: int

class ListExpiredRow(TypedDict):
    id: int
    slug: str

class DeleteRowsRow(TypedDict):
    answers: int | Any
    links: int | Any
    questions: int | Any
    notes: int | Any
    log_lines: int | Any

class _Forgetting:
    def list_shows(
        self, connection: Connection, *, after_id: int | None, service: str | None, count: int | None
    ) -> AsyncIterator[ListShowsRow]: ...
    def lock_shows(
        self, connection: Connection, *, ids: Sequence[int | None] | None
    ) -> AsyncIterator[LockShowsRow]: ...
    def list_expired(
        self, connection: Connection, *, after_id: int | None, days: int | None, count: int | None
    ) -> AsyncIterator[ListExpiredRow]: ...
    async def delete_played(
        self, connection: Connection, *, ids: Sequence[int | None] | None, service: str | None
    ) -> int | Any: ...
    async def settle_shows(self, connection: Connection, *, ids: Sequence[int | None] | None) -> str: ...
    async def delete_settled(
        self, connection: Connection, *, ids: Sequence[int | None] | None, service: str | None
    ) -> str: ...
    async def delete_predicted(
        self, connection: Connection, *, ids: Sequence[int | None] | None, service: str | None
    ) -> int | Any: ...
    async def delete_shows(
        self, connection: Connection, *, ids: Sequence[int | None] | None, service: str | None
    ) -> int | Any: ...
    async def delete_venues(self, connection: Connection, *, service: str | None, count: int | None) -> int | Any: ...
    async def delete_rows(
        self, connection: Connection, *, service: str | None, count: int | None, job_id: int | None
    ) -> DeleteRowsRow: ...

# sync/identities.sql
class FindArtistsByIdRow(TypedDict):
    external_id: str
    artist_id: int
    slug: str
    name: str

class FetchArtistRow(TypedDict):
    id: int
    slug: str
    name: str
    identities: str | Any

class ListWithoutDetailsRow(TypedDict):
    external_id: str
    artist_id: int
    slug: str
    name: str

class FetchTitlesRow(TypedDict):
    id: int
    title: str

class FindVenueByIdRow(TypedDict):
    id: int
    slug: str
    name: str
    city: str
    country: str
    latitude: float
    longitude: float
    time_zone: str
    evidence: str

class VenueBySlugRow(TypedDict):
    id: int
    slug: str
    name: str
    city: str
    country: str
    latitude: float
    longitude: float
    time_zone: str

class VenuesAroundRow(TypedDict):
    id: int
    slug: str
    name: str
    city: str
    country: str
    latitude: float
    longitude: float
    time_zone: str

class FindShowsByIdRow(TypedDict):
    external_id: str
    version: str
    id: int
    slug: str
    artist_id: int
    local_date: date
    starts_at: datetime
    opens_at: datetime
    closes_at: datetime
    status: str | Any

class ShowsOfArtistRow(TypedDict):
    id: int
    slug: str
    artist_id: int
    local_date: date
    starts_at: datetime
    opens_at: datetime
    closes_at: datetime
    status: str | Any
    vote_count: int
    venue_id: int
    venue_name: str
    city: str
    country: str
    latitude: float
    longitude: float
    identities: str | Any

class FetchShowRow(TypedDict):
    id: int
    slug: str
    artist_id: int
    local_date: date
    starts_at: datetime
    opens_at: datetime
    closes_at: datetime
    status: str | Any
    vote_count: int
    venue_id: int
    venue_name: str
    city: str
    country: str
    latitude: float
    longitude: float
    artist_name: str
    identities: str | Any

class ListReviewsRow(TypedDict):
    id: int
    service: str | Any
    external_id: str
    name: str
    url: str
    confidence: float
    evidence: str
    created_at: datetime
    kind: str | Any
    our_id: int | Any
    our_name: str | Any

class ListReviewsWithEvidenceRow(TypedDict):
    id: int
    service: str | Any
    external_id: str
    name: str
    url: str
    confidence: float
    evidence: str
    created_at: datetime
    kind: str | Any
    our_id: int | Any
    our_slug: str | Any
    our_name: str | Any
    country: str | Any
    genre: str | Any
    city: str | Any
    latitude: float | Any
    longitude: float | Any
    show_count: int | Any
    known: str | Any
    songs: list[str] | Any
    held_by: int | Any

class DecideReviewRow(TypedDict):
    service: str | Any
    external_id: str
    url: str
    artist_id: int | None
    venue_id: int | None

class FetchPredictionRow(TypedDict):
    written: list[int] | Any
    basis: int | Any
    standing: list[int] | Any
    vote_count: int | Any

class FetchCanonicalTitlesRow(TypedDict):
    mbid: str | Any
    id: int | Any
    title: str | Any

class _Identities:
    def find_artists_by_id(
        self, connection: Connection, *, service: str | None, external_ids: Sequence[str | None] | None
    ) -> AsyncIterator[FindArtistsByIdRow]: ...
    async def fetch_artist(self, connection: Connection, *, artist_id: int | None) -> FetchArtistRow | None: ...
    def list_without_details(
        self, connection: Connection, *, count: int | None
    ) -> AsyncIterator[ListWithoutDetailsRow]: ...
    async def set_lacks_details(
        self, connection: Connection, *, lacks_details: bool | None, external_id: str | None
    ) -> str: ...
    async def delete_identity(self, connection: Connection, *, service: str | None, external_id: str | None) -> str: ...
    def fetch_titles(
        self, connection: Connection, *, artist_id: int | None, count: int | None
    ) -> AsyncIterator[FetchTitlesRow]: ...
    async def put_venue_identity(
        self,
        connection: Connection,
        *,
        service: str | None,
        external_id: str | None,
        venue_id: int | None,
        url: str | None,
        confidence: float | None,
        evidence: str | None,
    ) -> str: ...
    async def find_venue_by_id(
        self, connection: Connection, *, service: str | None, external_id: str | None
    ) -> FindVenueByIdRow | None: ...
    async def venue_by_slug(self, connection: Connection, *, slug: str | None) -> VenueBySlugRow | None: ...
    async def touch_venue(self, connection: Connection, *, service: str | None, external_id: str | None) -> str: ...
    def venues_around(
        self, connection: Connection, *, latitude: float | None, radius_km: float | None, longitude: float | None
    ) -> AsyncIterator[VenuesAroundRow]: ...
    async def put_show_identity(
        self,
        connection: Connection,
        *,
        service: str | None,
        external_id: str | None,
        show_id: int | None,
        url: str | None,
        version: str | None,
        confidence: float | None,
        evidence: str | None,
    ) -> str: ...
    async def put_played_songs(
        self, connection: Connection, *, service: str | None, external_id: str | None
    ) -> str: ...
    async def put_show_origin(self, connection: Connection, *, service: str | None, show_id: int | None) -> str: ...
    async def put_venue_origin(self, connection: Connection, *, service: str | None, venue_id: int | None) -> str: ...
    async def touch_show(self, connection: Connection, *, service: str | None, external_id: str | None) -> str: ...
    def find_shows_by_id(
        self, connection: Connection, *, service: str | None, external_ids: Sequence[str | None] | None
    ) -> AsyncIterator[FindShowsByIdRow]: ...
    def shows_of_artist(
        self, connection: Connection, *, artist_id: int | None, first: date | None, last: date | None
    ) -> AsyncIterator[ShowsOfArtistRow]: ...
    async def fetch_show(self, connection: Connection, *, show_id: int | None) -> FetchShowRow | None: ...
    async def find_show_id(self, connection: Connection, *, slug: str | None) -> int | None: ...
    async def put_song_identities(
        self,
        connection: Connection,
        *,
        service: str | None,
        external_ids: Sequence[str | None] | None,
        song_ids: Sequence[int | None] | None,
        urls: Sequence[str | None] | None,
        isrcs: Sequence[str | None] | None,
    ) -> str: ...
    async def put_review(
        self,
        connection: Connection,
        *,
        service: str | None,
        external_id: str | None,
        name: str | None,
        url: str | None,
        artist_id: int | None,
        venue_id: int | None,
        confidence: float | None,
        evidence: str | None,
    ) -> str: ...
    async def fetch_verdict(
        self,
        connection: Connection,
        *,
        service: str | None,
        external_id: str | None,
        artist_id: int | None,
        venue_id: int | None,
    ) -> str | Any | None: ...
    def list_reviews(
        self, connection: Connection, *, after_id: int | None, count: int | None
    ) -> AsyncIterator[ListReviewsRow]: ...
    def list_reviews_with_evidence(
        self, connection: Connection, *, after_id: int | None, kind: str | None, count: int | None
    ) -> AsyncIterator[ListReviewsWithEvidenceRow]: ...
    async def decide_review(
        self, connection: Connection, *, verdict: str | None, decided_by: int | None, id: int | None
    ) -> DecideReviewRow | None: ...
    async def fetch_prediction(self, connection: Connection, *, show_id: int | None) -> FetchPredictionRow: ...
    async def put_prediction(
        self, connection: Connection, *, show_id: int | None, service: str | None, basis: int | None
    ) -> str: ...
    async def cancel_show(self, connection: Connection, *, show_id: int | None) -> str: ...
    def fetch_canonical_titles(
        self, connection: Connection, *, artist_id: int | None, mbids: Sequence[str | None] | None
    ) -> AsyncIterator[FetchCanonicalTitlesRow]: ...
    async def holder_of_review(self, connection: Connection, *, id: int | None) -> int | Any | None: ...

# sync/jobs.sql
class ClaimJobsRow(TypedDict):
    id: int
    service: str | Any
    kind: str
    subject: str
    attempts: int
    cursor: str | Any

class RenewLeasesRow(TypedDict):
    id: int

class ListJobsRow(TypedDict):
    id: int
    service: str | Any
    kind: str
    subject: str
    priority: str | Any
    status: str | Any
    attempts: int
    created_at: datetime
    run_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: str
    stages: str | Any
    refused_count: int | Any
    warning: str | Any

class FetchJobResultsRow(TypedDict):
    id: int
    service: str | Any
    kind: str
    subject: str
    status: str | Any
    error: str
    added_count: int | Any
    changed_count: int | Any
    refused_count: int | Any

class FetchOutcomesRow(TypedDict):
    stage: Literal["read", "artists", "venues", "songs", "shows", "setlists"]
    line: int | None
    outcome: str
    message: str

class FetchServiceQueueRow(TypedDict):
    waiting: int | Any
    due: int | Any
    running: int | Any
    due_since: datetime | Any
    is_paused: bool | Any

class RetryJobRow(TypedDict):
    service: str | Any
    kind: str
    subject: str

class FetchPausesRow(TypedDict):
    service: str | Any
    paused_at: datetime

class TakeSchedulesRow(TypedDict):
    name: str

class FetchSchedulesRow(TypedDict):
    name: str
    every_s: int
    is_paused: bool
    next_at: datetime
    last_at: datetime | None

class _Jobs:
    async def queue_job(
        self,
        connection: Connection,
        *,
        service: str | None,
        kind: str | None,
        subject: str | None,
        priority: str | None,
        delay_s: float | None,
    ) -> int: ...
    def claim_jobs(
        self,
        connection: Connection,
        *,
        service: str | None,
        kinds: Sequence[str | None] | None,
        count: int | None,
        lease_s: float | None,
    ) -> AsyncIterator[ClaimJobsRow]: ...
    def renew_leases(
        self, connection: Connection, *, lease_s: float | None, ids: Sequence[int | None] | None
    ) -> AsyncIterator[RenewLeasesRow]: ...
    async def take_over_jobs(self, connection: Connection) -> int | Any: ...
    async def save_cursor(self, connection: Connection, *, cursor: str | None, id: int | None) -> str: ...
    async def postpone_job(
        self,
        connection: Connection,
        *,
        id: int | None,
        error: str | None,
        is_counted: bool | None,
        delay_s: float | None,
    ) -> str: ...
    async def end_job(
        self, connection: Connection, *, status: str | None, error: str | None, id: int | None
    ) -> str: ...
    async def insert_job(
        self, connection: Connection, *, service: str | None, kind: str | None, subject: str | None, maker: str | None
    ) -> int: ...
    async def finish_job(
        self, connection: Connection, *, status: str | None, error: str | None, id: int | None
    ) -> str: ...
    async def put_progress(
        self, connection: Connection, *, job_id: int | None, stage: str | None, done: int | None, total: int | None
    ) -> str: ...
    async def insert_outcomes(
        self, connection: Connection, *, job_id: int | None, stage: str | None, rows: str | None
    ) -> str: ...
    def list_jobs(
        self, connection: Connection, *, before_id: int | None, count: int | None
    ) -> AsyncIterator[ListJobsRow]: ...
    def fetch_job_results(
        self, connection: Connection, *, ids: Sequence[int | None] | None
    ) -> AsyncIterator[FetchJobResultsRow]: ...
    def fetch_outcomes(
        self, connection: Connection, *, job_id: int | None, count: int | None
    ) -> AsyncIterator[FetchOutcomesRow]: ...
    async def fetch_service_queue(self, connection: Connection, *, service: str | None) -> FetchServiceQueueRow: ...
    async def cancel_job(self, connection: Connection, *, id: int | None) -> int | Any: ...
    async def retry_job(self, connection: Connection, *, id: int | None) -> RetryJobRow: ...
    async def stop_jobs(self, connection: Connection, *, service: str | None, job_id: int | None) -> str: ...
    async def pause_service(self, connection: Connection, *, service: str | None) -> str: ...
    async def resume_service(self, connection: Connection, *, service: str | None) -> str: ...
    def fetch_pauses(self, connection: Connection) -> AsyncIterator[FetchPausesRow]: ...
    async def put_schedules(
        self, connection: Connection, *, names: Sequence[str | None] | None, everies_s: Sequence[int | None] | None
    ) -> str: ...
    def take_schedules(self, connection: Connection) -> AsyncIterator[TakeSchedulesRow]: ...
    def fetch_schedules(self, connection: Connection) -> AsyncIterator[FetchSchedulesRow]: ...
    async def pause_schedule(
        self, connection: Connection, *, is_paused: bool | None, name: str | None
    ) -> int | Any: ...
    async def run_schedule(self, connection: Connection, *, name: str | None) -> int | Any: ...
    async def queue_artists(
        self,
        connection: Connection,
        *,
        service: str | None,
        older_than_s: float | None,
        count: int | None,
        spread_s: float | None,
    ) -> int | Any: ...
    async def queue_of_artists(
        self,
        connection: Connection,
        *,
        identity: str | None,
        service: str | None,
        kind: str | None,
        near_older_than_s: float | None,
        older_than_s: float | None,
        count: int | None,
        spread_s: float | None,
    ) -> int | Any: ...
    async def queue_played(
        self, connection: Connection, *, service: str | None, count: int | None, spread_s: float | None
    ) -> int | Any: ...
    async def queue_venues(
        self,
        connection: Connection,
        *,
        service: str | None,
        older_than_s: float | None,
        count: int | None,
        spread_s: float | None,
    ) -> int | Any: ...

# sync/records.sql
class FindArtistsRow(TypedDict):
    reference: str | Any
    id: int | Any
    slug: str | Any
    name: str | Any

class FindVenuesRow(TypedDict):
    reference: str | Any
    id: int | Any
    slug: str | Any
    name: str | Any
    city: str | Any
    country: str | Any
    time_zone: str | Any

class FindSlugsRow(TypedDict):
    slug: str | Any

class FindIdsRow(TypedDict):
    external_id: str

class FindIdentityRow(TypedDict):
    id: int
    slug: str

class FindShowsRow(TypedDict):
    slug: str
    id: int
    artist_id: int
    venue_id: int
    local_date: date
    starts_at: datetime
    opens_at: datetime
    closes_at: datetime

class ShowsOfDaysRow(TypedDict):
    slug: str
    id: int
    artist_id: int
    venue_id: int
    local_date: date
    starts_at: datetime
    opens_at: datetime
    closes_at: datetime

class ListTitlesRow(TypedDict):
    artist_id: int
    title: str

class PutArtistsRow(TypedDict):
    number: int | Any
    outcome: str | Any

class PutVenuesRow(TypedDict):
    number: int | Any
    outcome: str | Any

class PutSongsRow(TypedDict):
    number: int | Any
    outcome: str | Any

class PutShowsRow(TypedDict):
    number: int | Any
    slug: str | Any
    outcome: str | Any

class LockShardsRow(TypedDict):
    shard: int

class LockShardsOfNamesRow(TypedDict):
    shard: int

class PutSetsRow(TypedDict):
    id: int

class FindSongsRow(TypedDict):
    artist_id: int
    title: str
    id: int

class _Records:
    def find_artists(
        self, connection: Connection, *, references: Sequence[str | None] | None
    ) -> AsyncIterator[FindArtistsRow]: ...
    def find_venues(
        self, connection: Connection, *, references: Sequence[str | None] | None
    ) -> AsyncIterator[FindVenuesRow]: ...
    def find_slugs(
        self, connection: Connection, *, table_name: str | None, slugs: Sequence[str | None] | None
    ) -> AsyncIterator[FindSlugsRow]: ...
    async def find_artist_id(self, connection: Connection, *, slug: str | None) -> int | None: ...
    def find_ids(
        self, connection: Connection, *, service: str | None, slug: str | None
    ) -> AsyncIterator[FindIdsRow]: ...
    async def find_identity(
        self, connection: Connection, *, service: str | None, external_id: str | None
    ) -> FindIdentityRow | None: ...
    async def put_identities(
        self,
        connection: Connection,
        *,
        artist_id: int | None,
        services: Sequence[str | None] | None,
        external_ids: Sequence[str | None] | None,
        urls: Sequence[str | None] | None,
        confidences: Sequence[float | None] | None,
        evidences: Sequence[str | None] | None,
    ) -> str: ...
    def find_shows(
        self, connection: Connection, *, slugs: Sequence[str | None] | None
    ) -> AsyncIterator[FindShowsRow]: ...
    def shows_of_days(
        self, connection: Connection, *, artist_ids: Sequence[int | None] | None, dates: Sequence[date | None] | None
    ) -> AsyncIterator[ShowsOfDaysRow]: ...
    def list_titles(
        self, connection: Connection, *, artist_ids: Sequence[int | None] | None
    ) -> AsyncIterator[ListTitlesRow]: ...
    def put_artists(self, connection: Connection, *, rows: str | None) -> AsyncIterator[PutArtistsRow]: ...
    def put_venues(self, connection: Connection, *, rows: str | None) -> AsyncIterator[PutVenuesRow]: ...
    def put_songs(self, connection: Connection, *, rows: str | None) -> AsyncIterator[PutSongsRow]: ...
    def put_shows(
        self, connection: Connection, *, rows: str | None, at: datetime | None
    ) -> AsyncIterator[PutShowsRow]: ...
    def lock_shards(
        self, connection: Connection, *, slugs: Sequence[str | None] | None
    ) -> AsyncIterator[LockShardsRow]: ...
    async def take_turn(self, connection: Connection) -> None: ...
    def lock_shards_of_names(
        self, connection: Connection, *, rows: str | None, table_name: str | None
    ) -> AsyncIterator[LockShardsOfNamesRow]: ...
    async def put_supports(
        self, connection: Connection, *, slugs: Sequence[str | None] | None, artist_ids: Sequence[int | None] | None
    ) -> str: ...
    async def defer_places(self, connection: Connection) -> str: ...
    async def check_places(self, connection: Connection) -> str: ...
    def put_sets(
        self, connection: Connection, *, show_id: int | None, type: str | None, rows: str | None
    ) -> AsyncIterator[PutSetsRow]: ...
    async def put_set_songs(
        self, connection: Connection, *, rows: str | None, show_id: int | None, type: str | None
    ) -> int | Any: ...
    async def delete_empty_sets(
        self, connection: Connection, *, show_id: int | None, type: str | None, count: int | None
    ) -> str: ...
    def find_songs(
        self, connection: Connection, *, artist_ids: Sequence[int | None] | None, titles: Sequence[str | None] | None
    ) -> AsyncIterator[FindSongsRow]: ...

# sync/routes.sql
class FetchHoursRow(TypedDict):
    hour: datetime
    ok_count: int
    degraded_count: int
    down_count: int
    cached_count: int
    latency_mean_ms: float | Any
    latency_max_ms: float
    last_status: str | Any
    last_detail: str
    last_at: datetime

class FetchAlertRow(TypedDict):
    status: str | Any
    detail: str
    since: datetime

class FetchCacheRow(TypedDict):
    answer_count: int | Any
    fresh_count: int | Any
    bytes: int | Any
    withdrawn: list[str] | Any

class _Routes:
    def fetch_hours(
        self, connection: Connection, *, service: str | None, hours: int | None
    ) -> AsyncIterator[FetchHoursRow]: ...
    async def fetch_alert(self, connection: Connection, *, service: str | None) -> FetchAlertRow | None: ...
    async def fetch_cache(self, connection: Connection, *, service: str | None) -> FetchCacheRow: ...
    async def log_action(
        self, connection: Connection, *, actor_id: int | None, action: str | None, subject: str | None
    ) -> str: ...
    async def put_decided_artist(
        self,
        connection: Connection,
        *,
        service: str | None,
        external_id: str | None,
        our_id: int | None,
        url: str | None,
    ) -> str: ...
    async def put_decided_venue(
        self,
        connection: Connection,
        *,
        service: str | None,
        external_id: str | None,
        our_id: int | None,
        url: str | None,
    ) -> str: ...

forgetting: _Forgetting
identities: _Identities
jobs: _Jobs
records: _Records
routes: _Routes
