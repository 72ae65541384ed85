"""JSON documents of the endpoints for providers and runs (a run is a job); the OpenAPI document is made from these."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from server.cache.gates import GateState
from server.protocol.http.cursors import ID_MAX

Service = Literal["musicbrainz", "setlistfm", "ticketmaster", "spotify"]
SERVICES: tuple[Service, ...] = ("musicbrainz", "setlistfm", "ticketmaster", "spotify")
JobId = Annotated[int, msgspec.Meta(ge=1, le=ID_MAX, description="The number of a run.")]
ScheduleName = Annotated[
    str, msgspec.Meta(min_length=1, max_length=40, pattern="^[a-z-]+$", examples=["upcoming-shows"])
]
ServiceName = Annotated[Service, msgspec.Meta(description="Only this service.")]


class DiagnosticsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The services to diagnose, and whether to probe them."""

    service: ServiceName | None = None
    probe: Annotated[Literal[0, 1], msgspec.Meta(description="1: send each service a small request now.")] = 0


class Hour(msgspec.Struct, frozen=True, kw_only=True):
    """An hour of a service: requests that were answered, answered late, not answered, and answered from the cache."""

    hour: datetime
    ok_count: int
    degraded_count: int
    down_count: int
    cached_count: int
    latency_mean_ms: float | None
    latency_max_ms: float


class Cache(msgspec.Struct, frozen=True, kw_only=True):
    """Cached responses, the fresh ones among them, and their share of the requests of 24 hours, 0 to 1."""

    answer_count: int
    fresh_count: int
    bytes: int
    hit_rate_24h: float | None
    withdrawn: list[str]


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of a service's jobs: waiting, due among them, and running; since when the oldest due job waits."""

    waiting: int = 0
    due: int = 0
    running: int = 0
    due_since: datetime | None = None
    is_paused: bool = False


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a request that was sent just now."""

    is_ok: bool
    took_ms: int
    error: str | None
    is_key_refused: bool


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """The alert about a service with failures."""

    status: str
    detail: str
    since: datetime


class ServiceDiagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """A provider. Without `has_key` it gets no requests. `gate` null: Valkey does not answer, so it gets none either.

    `availability_24h` is null without requests; `is_on_target`: it reaches `availability_target`.
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
    """All providers, or the requested one."""

    services: list[ServiceDiagnosis]


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of a stage of a run."""

    stage: str
    done: int
    total: int


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run: it waits, runs or is over. `warning` is the first of its refused records; null: none was refused."""

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
    warning: str | None


class ScheduleInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule: it queues runs again and again."""

    name: str
    every_s: int
    is_paused: bool
    next_at: datetime
    last_at: datetime | None


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """An artist or a venue of a service that may be one of ours; `our_id` is the id here."""

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
    """Schedules, a page of runs (the newest first), and matches that wait for a decision (the oldest first)."""

    schedules: list[ScheduleInfo]
    paused_services: list[str]
    items: list[Run]
    next: str | None
    reviews: list[Review]


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """An action, and the fields that it needs.

    run: `schedule`, or `kind` and `subject` of a job; cancel, retry: `run`; pause, resume: `schedule` or `service`;
    decide: `review` and `verdict`
    """

    action: Literal["run", "cancel", "retry", "pause", "resume", "decide"]
    schedule: ScheduleName | None = None
    service: Service | None = None
    kind: Literal["artist", "search", "shows", "show", "venue", "setlists", "played", "songs"] | None = None
    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=300)] | None = None
    run: JobId | None = None
    review: JobId | None = None
    verdict: Literal["same", "different"] | None = None


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """The action that was done; `run`: the number of the queued run."""

    action: str
    run: int | None = None
