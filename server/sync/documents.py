"""What the routes of providers and runs take and give, as JSON; the OpenAPI document is made from these."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from server.cache.gates import GateState
from server.protocol.http.cursors import ID_MAX

Service = Literal["musicbrainz", "setlistfm", "ticketmaster", "spotify"]
SERVICES: tuple[Service, ...] = ("musicbrainz", "setlistfm", "ticketmaster", "spotify")
JobId = Annotated[int, msgspec.Meta(ge=1, le=ID_MAX, description="A run's number.")]
ScheduleName = Annotated[str, msgspec.Meta(min_length=1, max_length=40, pattern="^[a-z-]+$")]
ServiceName = Annotated[Service, msgspec.Meta(description="Only this one.")]


class DiagnosticsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which service, and whether it is asked now."""

    service: ServiceName | None = None
    probe: Annotated[Literal[0, 1], msgspec.Meta(description="1: ask each service something small now.")] = 0


class Hour(msgspec.Struct, frozen=True, kw_only=True):
    """An hour of a service: questions that were answered, answered late or not at all, and answered from the cache."""

    hour: datetime
    ok_count: int
    degraded_count: int
    down_count: int
    cached_count: int
    latency_mean_ms: float | None
    latency_max_ms: float


class Cache(msgspec.Struct, frozen=True, kw_only=True):
    """Answers that are kept, how many of them are still good, and how many questions of 24 hours they answered, 0 to 1."""

    answer_count: int
    fresh_count: int
    bytes: int
    hit_rate_24h: float | None
    withdrawn: list[str]


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs of a service: waiting, of those due, under way; since when the oldest due one waits."""

    waiting: int = 0
    due: int = 0
    running: int = 0
    due_since: datetime | None = None
    is_paused: bool = False


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a question asked just now."""

    is_ok: bool
    took_ms: int
    error: str | None
    is_key_refused: bool


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """That a service is in trouble, as it was told to whoever watches."""

    status: str
    detail: str
    since: datetime


class ServiceDiagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """A provider. `has_key` false: it is not asked at all. `gate` null: Valkey is away, and it is not asked meanwhile.

    `availability_24h` is null when nobody asked; `is_on_target`: it is what AVAILABILITY_TARGET promises.
    """

    service: Service
    has_key: bool
    gate: GateState | None
    availability_24h: float | None
    availability_target: float
    is_on_target: bool | None
    last_status: str | None
    last_detail: str | None
    last_at: datetime | None
    hours: list[Hour]
    alert: Alert | None
    cache: Cache
    queue: Queue
    probe: Probe | None


class Diagnostics(msgspec.Struct, frozen=True, kw_only=True):
    """All providers, or the one asked about."""

    services: list[ServiceDiagnosis]


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """How far a stage of a run is."""

    stage: str
    done: int
    total: int


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run, to come, under way or over."""

    id: int
    service: str
    kind: str
    subject: str
    priority: str
    status: str
    attempts: int
    run_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: str
    stages: list[Stage]
    refused_count: int


class ScheduleInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is queued again and again."""

    name: str
    every_s: int
    is_paused: bool
    next_at: datetime
    last_at: datetime | None


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody or some place elsewhere that may be one of ours: `kind` artist or venue, `our_id` its id here."""

    id: int
    service: str
    external_id: str
    name: str
    url: str
    kind: Literal["artist", "venue"]
    our_id: int
    our_name: str
    confidence: float
    evidence: str
    created_at: datetime


class SyncState(msgspec.Struct, frozen=True, kw_only=True):
    """Schedules, runs (newest first, a page), and what waits for a decision, the oldest first."""

    schedules: list[ScheduleInfo]
    paused_services: list[str]
    items: list[Run]
    next: str | None
    reviews: list[Review]


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What to do.

    run: `schedule`, or `service`, `kind` and `subject` of a job; cancel, retry: `run`;
    pause, resume: `schedule` or `service`; decide: `review` and `verdict`
    """

    action: Literal["run", "cancel", "retry", "pause", "resume", "decide"]
    schedule: ScheduleName | None = None
    service: Service | None = None
    kind: Literal["artist", "shows", "show", "venue", "setlists", "played", "songs"] | None = None
    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=300)] | None = None
    run: JobId | None = None
    review: JobId | None = None
    verdict: Literal["same", "different"] | None = None


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What was done; `run`: the job that was queued."""

    action: str
    run: int | None = None
