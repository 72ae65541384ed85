"""HTTP of providers and of the jobs that ask them, for administrators."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from server.cache.gates import GateState
from server.clock import Clock
from server.errors import CacheError, ProviderError, Refused
from server.protocol.codes import Code
from server.protocol.cursors import ID_MAX, IdPlace, decode_cursor, encode_cursor
from server.protocol.endpoints import Answer, Call, Endpoint
from server.protocol.parameters import PageQuery
from server.store.database import Database
from server.store.queries import load_queries
from server.sync.artists import identities
from server.sync.providers import Providers
from server.sync.scheduler import jobs, queue_job

# A service that answers less often than this is not what was promised.
AVAILABILITY_TARGET = 0.99
HOURS_TOLD = 24
REVIEWS_TOLD_MAX = 100

queries = load_queries(Path(__file__).with_name("routes.sql"))

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


# Something small that always has an answer.
_PROBES: dict[Service, tuple[str, dict[str, str]]] = {
    "musicbrainz": ("/ws/2/artist/a74b1b7f-71a5-4011-9441-d0b5e4122711", {"fmt": "json"}),
    "setlistfm": ("/rest/1.0/search/countries", {}),
    "ticketmaster": ("/discovery/v2/events.json", {"size": "1"}),
    "spotify": ("/v1/search", {"q": "love", "type": "track", "limit": "1", "market": "US"}),
}
_KINDS: dict[str, Service] = {
    "artist": "musicbrainz",
    "shows": "ticketmaster",
    "show": "ticketmaster",
    "venue": "ticketmaster",
    "setlists": "setlistfm",
    "played": "setlistfm",
    "songs": "spotify",
}


class SyncRoutes:
    """Takes: owner, a database with the rights of its owner; providers, those this node may ask."""

    def __init__(self, owner: Database, providers: Providers, clock: Clock) -> None:
        self._owner = owner
        self._providers = providers.by_service()
        self._clock = clock

    def endpoints(self) -> list[Endpoint]:
        """What app serves."""
        return [
            Endpoint(
                method="GET", path="/api/external-apis/diagnostics", handler=self.get_diagnostics, access="admin",
                query=DiagnosticsQuery, answer=Diagnostics,
                summary="How the providers of data do: health, limits, cache, circuit.",
            ),
            Endpoint(
                method="GET", path="/api/admin/sync-manager", handler=self.get_state, access="admin", query=PageQuery,
                answer=SyncState, summary="Schedules and runs that ask providers, and matches to decide about.",
            ),
            Endpoint(
                method="POST", path="/api/admin/sync-manager", handler=self.post_action, access="admin", body=Action,
                answer=Done, codes=(Code.NOT_FOUND, Code.CONFLICT), summary="Run, cancel, retry, pause, resume, decide.",
            ),
        ]  # fmt: skip

    async def get_diagnostics(self, call: Call) -> Answer:
        """`GET /api/external-apis/diagnostics`."""
        query: DiagnosticsQuery = call.query
        wanted = SERVICES if query.service is None else (query.service,)
        services = await asyncio.gather(*(self._diagnose(one, is_probed=bool(query.probe)) for one in wanted))
        return Answer(document=Diagnostics(services=list(services)))

    async def _diagnose(self, service: Service, *, is_probed: bool) -> ServiceDiagnosis:
        provider = self._providers.get(service)
        probe = await self._probe(service) if is_probed and provider is not None else None
        gate = None
        if provider is not None:
            try:
                gate = await provider.gate.fetch_state()
            except CacheError:
                gate = None
        async with self._owner.connection() as connection:
            hours = [row async for row in queries.fetch_hours(connection, service=service, hours=HOURS_TOLD)]
            alert = await queries.fetch_alert(connection, service=service)
            cache = await queries.fetch_cache(connection, service=service)
            queue = await queries.fetch_service_queue(connection, service=service)
        answered = sum(row["ok_count"] + row["degraded_count"] for row in hours)
        asked = answered + sum(row["down_count"] for row in hours)
        cached = sum(row["cached_count"] for row in hours)
        availability = answered / asked if asked else None
        last = hours[0] if hours else None
        return ServiceDiagnosis(
            service=service,
            has_key=provider is not None,
            gate=gate,
            availability_24h=availability,
            availability_target=AVAILABILITY_TARGET,
            is_on_target=None if availability is None else availability >= AVAILABILITY_TARGET,
            last_status=last["last_status"] if last else None,
            last_detail=last["last_detail"] if last else None,
            last_at=last["last_at"] if last else None,
            hours=[msgspec.convert(dict(row), Hour) for row in hours],
            alert=Alert(**alert) if alert is not None else None,
            cache=Cache(**cache, hit_rate_24h=cached / (cached + asked) if cached + asked else None),
            queue=Queue(**queue),
            probe=probe,
        )

    async def _probe(self, service: Service) -> Probe:
        path, params = _PROBES[service]
        began_s = self._clock.monotonic_s()
        error = None
        try:
            # Good for no time at all: every probe asks.
            await self._providers[service].get(path, params, dict[str, Any], kind="probe", ttl_s=0.0)
        except ProviderError as trouble:
            error = str(trouble)
        took_ms = round((self._clock.monotonic_s() - began_s) * 1000)
        return Probe(is_ok=error is None, took_ms=took_ms, error=error)

    async def get_state(self, call: Call) -> Answer:
        """`GET /api/admin/sync-manager`."""
        query: PageQuery = call.query
        before = ID_MAX if query.cursor is None else decode_cursor(query.cursor, IdPlace).id
        async with self._owner.connection() as connection:
            schedules = [ScheduleInfo(**row) async for row in jobs.fetch_schedules(connection)]
            paused = [row["service"] async for row in jobs.fetch_pauses(connection)]
            rows = [row async for row in queries.list_runs(connection, before_id=before, count=query.limit + 1)]
            reviews = [
                msgspec.convert(dict(row), Review)
                async for row in identities.list_reviews(connection, after_id=0, count=REVIEWS_TOLD_MAX)
            ]
        runs = [
            msgspec.convert({**row, "stages": msgspec.json.decode(row["stages"])}, Run) for row in rows[: query.limit]
        ]
        return Answer(
            document=SyncState(
                schedules=schedules,
                paused_services=paused,
                items=runs,
                next=encode_cursor(IdPlace(runs[-1].id)) if len(rows) > query.limit else None,
                reviews=reviews,
            )
        )

    async def post_action(self, call: Call) -> Answer:
        """`POST /api/admin/sync-manager`."""
        body: Action = call.body
        run = None
        match body.action:
            case "run":
                run = await self._run(body)
            case "retry":
                run = await self._retry(_given(body.run, "run"))
            case "cancel":
                await self._cancel(_given(body.run, "run"))
            case "pause" | "resume":
                await self._pause(body, is_paused=body.action == "pause")
            case "decide":
                await self._decide(_given(body.review, "review"), _given(body.verdict, "verdict"), call.user.user_id)
        async with self._owner.connection() as connection:
            await queries.log_action(
                connection, actor_id=call.user.user_id, action=f"sync.{body.action}", subject=_subject(body)
            )
        return Answer(document=Done(action=body.action, run=run))

    async def _run(self, body: Action) -> int | None:
        """Raises: Refused."""
        if body.schedule is not None:
            async with self._owner.connection() as connection:
                if not await jobs.run_schedule(connection, name=body.schedule):
                    raise Refused(Code.NOT_FOUND, "No such schedule.")
            return None
        kind, subject = _given(body.kind, "kind"), _given(body.subject, "subject")
        service = _KINDS[kind]
        if body.service not in (None, service):
            raise Refused(Code.BAD_REQUEST, f"`{kind}` is a job of {service}.")
        if kind != "venue" and not (subject.isascii() and subject.isdigit() and len(subject) <= len(str(ID_MAX))):
            raise Refused(Code.BAD_REQUEST, "`subject` is the id of an artist or a show.")
        if service not in self._providers:
            raise Refused(Code.CONFLICT, f"This node has no key for {service}.")
        return await queue_job(self._owner, service, kind, subject, priority="urgent")

    async def _retry(self, run: int) -> int:
        """Raises: Refused."""
        async with self._owner.connection() as connection:
            row = await jobs.retry_job(connection, id=run)
        if row is None or row["kind"] not in _KINDS:
            raise Refused(
                Code.NOT_FOUND, "No such run that has failed or was cancelled, or none that can be done again."
            )
        return await queue_job(self._owner, row["service"], row["kind"], row["subject"], priority="urgent")

    async def _cancel(self, run: int) -> None:
        """Raises: Refused."""
        async with self._owner.connection() as connection:
            if not await jobs.cancel_job(connection, id=run):
                raise Refused(Code.NOT_FOUND, "No such run that waits or is under way.")

    async def _pause(self, body: Action, *, is_paused: bool) -> None:
        """Raises: Refused."""
        if (body.schedule is None) == (body.service is None):
            raise Refused(Code.BAD_REQUEST, "Name a `schedule` or a `service`, and not both.")
        async with self._owner.connection() as connection:
            if body.schedule is not None:
                if not await jobs.pause_schedule(connection, name=body.schedule, is_paused=is_paused):
                    raise Refused(Code.NOT_FOUND, "No such schedule.")
            elif is_paused:
                await jobs.pause_service(connection, service=body.service)
            else:
                await jobs.resume_service(connection, service=body.service)

    async def _decide(self, review: int, verdict: str, admin_id: int) -> None:
        """Raises: Refused."""
        async with self._owner.transaction() as connection:
            row = await identities.decide_review(connection, id=review, verdict=verdict, decided_by=admin_id)
            if row is None:
                raise Refused(Code.NOT_FOUND, "No such match that waits for a decision.")
            if verdict == "same":
                put = queries.put_decided_artist if row["artist_id"] is not None else queries.put_decided_venue
                await put(
                    connection, service=row["service"], external_id=row["external_id"], url=row["url"],
                    our_id=row["artist_id"] or row["venue_id"],
                )  # fmt: skip


def _given(value: Any, name: str) -> Any:
    """Raises: Refused: bad_request."""
    if value is None:
        raise Refused(Code.BAD_REQUEST, f"`{name}` is missing.")
    return value


def _subject(body: Action) -> str:
    """What an action was about, for the audit log."""
    if body.review is not None:
        return f"review:{body.review}"
    if body.run is not None:
        return f"run:{body.run}"
    return (
        f"schedule:{body.schedule}"
        if body.schedule
        else f"{body.service or 'job'}:{body.kind or ''} {body.subject or ''}"[:80]
    )
