"""HTTP endpoints for administrators: the state of providers, and control over jobs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from server.clock import Clock
from server.errors import CacheError, Refused
from server.protocol.codes import Code
from server.protocol.http.cursors import ID_MAX, IdCursor, decode_cursor, encode_cursor
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PageQuery
from server.store.database import Database
from server.sync.documents import (
    SERVICES,
    Action,
    Alert,
    Cache,
    Diagnostics,
    DiagnosticsQuery,
    Done,
    Hour,
    Queue,
    Review,
    Run,
    ScheduleInfo,
    Service,
    ServiceDiagnosis,
    SyncState,
)
from server.sync.identity_reviews import decide_identity
from server.sync.provider_probe import probe_provider
from server.sync.providers import Providers
from server.sync.queries import identities, jobs
from server.sync.queries import routes as queries

if TYPE_CHECKING:
    from server.store.database import Connection

# The promised share of requests that a service answers.
AVAILABILITY_TARGET = 0.99
HOURS_SHOWN = 24
REVIEWS_SHOWN_MAX = 100

_SERVICE_OF_KIND: dict[str, Service] = {
    "artist": "musicbrainz",
    "search": "musicbrainz",
    "shows": "ticketmaster",
    "show": "ticketmaster",
    "venue": "ticketmaster",
    "setlists": "setlistfm",
    "played": "setlistfm",
    "songs": "spotify",
}


class SyncRoutes:
    """Takes: owner, a database with its owner's rights; providers that this node has keys for."""

    def __init__(self, owner: Database, providers: Providers, clock: Clock) -> None:
        self._owner = owner
        self._providers = providers.by_service()
        self._clock = clock

    def endpoints(self) -> list[Endpoint]:
        """The endpoints that a node serves."""
        return [
            Endpoint(
                method="GET", path="/api/external-apis/diagnostics", handler=self.get_diagnostics, access="admin",
                query=DiagnosticsQuery, answer=Diagnostics,
                summary="The state of the data providers: health, limits, cache, circuit.",
            ),
            Endpoint(
                method="GET", path="/api/admin/sync-manager", handler=self.get_state, access="admin", query=PageQuery,
                answer=SyncState, summary="Schedules and runs that fetch data from providers, and matches to decide about.",
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
        probed = await probe_provider(provider, self._clock) if is_probed and provider is not None else None
        gate = None
        if provider is not None:
            try:
                gate = await provider.gate.fetch_state()
            except CacheError:
                gate = None
        async with self._owner.connection() as connection:
            hours = [row async for row in queries.fetch_hours(connection, service=service, hours=HOURS_SHOWN)]
            alert = await queries.fetch_alert(connection, service=service)
            cache = await queries.fetch_cache(connection, service=service)
            queue = await jobs.fetch_service_queue(connection, service=service)
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
            probe=probed,
        )

    async def get_state(self, call: Call) -> Answer:
        """`GET /api/admin/sync-manager`."""
        query: PageQuery = call.query
        before = ID_MAX if query.cursor is None else decode_cursor(query.cursor, IdCursor).id
        async with self._owner.connection() as connection:
            schedules = [ScheduleInfo(**row) async for row in jobs.fetch_schedules(connection)]
            paused = [row["service"] async for row in jobs.fetch_pauses(connection)]
            rows = [row async for row in jobs.list_jobs(connection, before_id=before, count=query.limit + 1)]
            reviews = [
                msgspec.convert(dict(row), Review)
                async for row in identities.list_reviews(connection, after_id=0, count=REVIEWS_SHOWN_MAX)
            ]
        runs = [
            msgspec.convert({**row, "stages": msgspec.json.decode(row["stages"])}, Run) for row in rows[: query.limit]
        ]
        return Answer(
            document=SyncState(
                schedules=schedules,
                paused_services=paused,
                items=runs,
                next=encode_cursor(IdCursor(runs[-1].id)) if len(rows) > query.limit else None,
                reviews=reviews,
            )
        )

    async def post_action(self, call: Call) -> Answer:
        """`POST /api/admin/sync-manager`."""
        body: Action = call.body
        run = None
        async with self._owner.transaction() as connection:
            match body.action:
                case "run":
                    run = await self._run(connection, body)
                case "retry":
                    run = await self._retry(connection, _given(body.run, "run"))
                case "cancel":
                    if not await jobs.cancel_job(connection, id=_given(body.run, "run")):
                        message = f"No run {body.run} waits or runs. Only such runs can be cancelled."
                        raise Refused(Code.NOT_FOUND, message)
                case "pause" | "resume":
                    await _pause(connection, body, is_paused=body.action == "pause")
                case "decide":
                    review, verdict = _given(body.review, "review"), _given(body.verdict, "verdict")
                    await decide_identity(connection, review, verdict, call.user.user_id)
            await queries.log_action(
                connection, actor_id=call.user.user_id, action=f"sync.{body.action}", subject=_subject(body)
            )
        return Answer(document=Done(action=body.action, run=run))

    async def _run(self, connection: Connection, body: Action) -> int | None:
        """Raises: Refused, StoreUnavailable."""
        if body.schedule is not None:
            if not await jobs.run_schedule(connection, name=body.schedule):
                raise _no_such_schedule(body.schedule)
            return None
        kind, subject = _given(body.kind, "kind"), _given(body.subject, "subject")
        service = _SERVICE_OF_KIND[kind]
        if body.service not in (None, service):
            message = f"`{kind}` is a job of {service}, not of {body.service}. Leave `service` out."
            raise Refused(Code.BAD_REQUEST, message)
        if kind not in ("venue", "search") and not (
            subject.isascii() and subject.isdigit() and len(subject) <= len(str(ID_MAX))
        ):
            raise Refused(Code.BAD_REQUEST, f"`subject` of `{kind}` must be the number of an artist or a show.")
        if service not in self._providers:
            raise Refused(Code.CONFLICT, f"The servers have no key for {service}. Whoever runs them has to set one.")
        return await _queue(connection, service, kind, subject)

    async def _retry(self, connection: Connection, run: int) -> int:
        """Raises: Refused, StoreUnavailable."""
        row = await jobs.retry_job(connection, id=run)
        if row is None:
            raise Refused(Code.NOT_FOUND, f"No run {run} failed or was cancelled. Only such runs can be retried.")
        if row["kind"] not in _SERVICE_OF_KIND:
            message = f"Run {run} ({row['kind']}) cannot be retried here. Whoever runs the servers starts it with the command `mysetlist sync`."
            raise Refused(Code.NOT_FOUND, message)
        return await _queue(connection, row["service"], row["kind"], row["subject"])


async def _queue(connection: Connection, service: str, kind: str, subject: str) -> int:
    job_id: int = await jobs.queue_job(
        connection, service=service, kind=kind, subject=subject, priority="urgent", delay_s=0.0
    )
    return job_id


async def _pause(connection: Connection, body: Action, *, is_paused: bool) -> None:
    """Raises: Refused, StoreUnavailable."""
    if (body.schedule is None) == (body.service is None):
        raise Refused(Code.BAD_REQUEST, "Give either a `schedule` or a `service`.")
    if body.schedule is not None:
        if not await jobs.pause_schedule(connection, name=body.schedule, is_paused=is_paused):
            raise _no_such_schedule(body.schedule)
    elif is_paused:
        await jobs.pause_service(connection, service=body.service)
    else:
        await jobs.resume_service(connection, service=body.service)


def _no_such_schedule(name: str) -> Refused:
    return Refused(Code.NOT_FOUND, f"No schedule is called `{name}`. The list of schedules has their names.")


def _given(value: Any, name: str) -> Any:
    """Raises: Refused: bad_request."""
    if value is None:
        raise Refused(Code.BAD_REQUEST, f"`{name}` is missing. This action needs it.")
    return value


def _subject(body: Action) -> str:
    """The subject of an action in the audit log."""
    if body.review is not None:
        return f"review:{body.review}"
    if body.run is not None:
        return f"run:{body.run}"
    return (
        f"schedule:{body.schedule}"
        if body.schedule
        else f"{body.service or 'job'}:{body.kind or ''} {body.subject or ''}"[:80]
    )
