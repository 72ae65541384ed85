"""The overview: what all nodes told, what the database knows, and the verdict on both."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog

from server.admin.backups import Backups, fact_of
from server.admin.health import ServiceHealth, fetch_health
from server.admin.levels import Budgets, facts_of
from server.admin.queries import overview as queries
from server.admin.ring import merge, merged_second
from server.admin.verdicts import Found, verdicts_of
from server.cache.gates import Gate
from server.clock import Clock
from server.errors import CacheError, StoreError
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.identity import Identity
from server.protocol.overview import (
    ActRow,
    ConsoleButton,
    ErrorRow,
    Errors,
    Finding,
    LevelRow,
    LiveShow,
    NodeRow,
    Overview,
    OverviewQuery,
    ServiceRow,
    VerdictSentence,
)
from server.protocol.vitals import Fact, History, NodeVitals
from server.store.database import Database

log = structlog.get_logger()

# A node that has told nothing for longer is silent.
SILENT_S = 3.0
# A node that was stopped is shown for this long.
STOPPED_S = 60.0
# Leases have found their nodes by then.
SETTLED_S = 10.0
ENGINES = ("postgres", "valkey")
PROVIDER_FACTS = ("key_refused", "provider_left_alone", "service_in_trouble")
# What the engines do not say within these times is left out: the verdict must not wait for it.
DATABASE_TIMEOUT_S = 1.5
# For so long, the reading before stands in for one that takes longer: else a busy database would seem to have no shows.
KNOWN_S_MAX = 10.0
VALKEY_TIMEOUT_S = 1.0
SHOWS_MAX = 20
ROWS_MAX = 10
SUSPECTS_MAX = 5
# Votes a second are those since the reading before, if that is not older.
RATE_S_MAX = 60.0


@dataclass(slots=True)
class _Known:
    """What the database knows; nothing while it does not answer."""

    health: list[ServiceHealth] = field(default_factory=list)
    levels: list[LevelRow] = field(default_factory=list)
    shows: list[LiveShow] = field(default_factory=list)
    acts: list[ActRow] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    troubles: list[Fact] = field(default_factory=list)  # of providers that failed lately


class Overviews:
    """Makes overviews.

    Takes: owner, a database with its owner's rights; fetch_vitals, gives what all nodes told, this one first, and whether
           the others could be asked; own_history, of this node; fetch_histories, of other nodes by their names; raises
           StoreError, CacheError; gates, of the providers by their names; shard_count, of the database; backups, of the database; budgets, of the service levels; is_traced, whether requests that fail have traces
    """

    def __init__(
        self,
        owner: Database,
        clock: Clock,
        *,
        fetch_vitals: Callable[[], Awaitable[tuple[list[NodeVitals], bool]]],
        own_history: Callable[[], History],
        fetch_histories: Callable[[Sequence[str]], Awaitable[list[History]]],
        gates: Mapping[str, Gate],
        shard_count: int,
        backups: Backups,
        budgets: Budgets,
        is_traced: bool,
    ) -> None:
        self._owner = owner
        self._clock = clock
        self._fetch_vitals = fetch_vitals
        self._own_history = own_history
        self._fetch_histories = fetch_histories
        self._gates = gates
        self._shard_count = shard_count
        self._backups = backups
        self._budgets = budgets
        self._is_traced = is_traced
        self._reading: asyncio.Task[_Known] | None = None
        self._known = (-KNOWN_S_MAX, _Known())  # the newest finished reading, and when it was finished
        self._votes: dict[int, tuple[float, int]] = {}  # show -> when it was read last, and its votes

    def endpoints(self) -> list[Endpoint]:
        """The endpoints that a node serves."""
        return [
            Endpoint(
                method="GET", path="/api/admin/overview", handler=self.get_overview, access="moderator", query=OverviewQuery,
                answer=Overview, summary="The page Now of the console: the verdict, figures, nodes, services, service levels, live shows, errors, acts.",
                description="Administrators get the same on the channel `overview`, once a second. It answers while PostgreSQL or Valkey "
                "is away, with what is known then.",
            ),
            Endpoint(
                method="GET", path="/api/admin/errors", handler=self.get_errors, access="admin", answer=Errors,
                summary="The failures that nodes have logged since their start, with count, request id and trace id, newest first.",
            ),
        ]  # fmt: skip

    async def get_overview(self, call: Call) -> Answer:
        """`GET /api/admin/overview`."""
        query: OverviewQuery = call.query
        return Answer(document=await self.overview(call.user, with_history=query.history))

    async def get_errors(self, _call: Call) -> Answer:
        """`GET /api/admin/errors`."""
        told, is_complete = await self._fetch_vitals()
        return Answer(document=Errors(items=_errors(told), is_complete=is_complete, is_traced=self._is_traced))

    async def overview(self, reader: Identity | None = None, *, with_history: bool = False) -> Overview:
        """The overview for a member of staff. Takes: reader, None: an administrator."""
        told, is_complete = await self._fetch_vitals()
        own = told[0]
        told = [vitals for vitals in told if vitals.state != "stopped" or _age_s(own, vitals) < STOPPED_S]
        known = await self._ask_database() if _knows(own, "postgres_away_s") else _Known()
        facts = [fact for vitals in told if not _is_silent(own, vitals) for fact in vitals.facts]
        facts += self._fleet_facts(told, is_complete=is_complete)
        facts += known.facts
        # Of a provider, only the closest cause.
        for more in (await self._gate_facts() if is_complete else [], known.troubles):
            failing = {fact.subject for fact in facts if fact.name in PROVIDER_FACTS}
            facts += [fact for fact in more if fact.subject not in failing]
        failing = {fact.subject for fact in facts if fact.name in PROVIDER_FACTS}
        found = verdicts_of(facts)
        running = [vitals for vitals in told if vitals.state != "stopped" and not _is_silent(own, vitals)]
        is_admin = reader is None or reader.may("admin")
        if not is_admin:
            found = [one for one in found if one.verdict.role == "moderator"]
        return Overview(
            seen_at=own.seen_at,
            is_complete=is_complete,
            verdict=_sentence(found, is_admin=is_admin),
            findings=[_finding(one) for one in found],
            figures=merged_second(vitals.second for vitals in running),
            nodes=[_node_row(vitals, is_silent=_is_silent(own, vitals)) for vitals in told] if is_admin else None,
            services=self._services(known, own, failing) if is_admin else None,
            levels=known.levels if is_admin else None,
            shows=known.shows,
            errors=_errors(told)[:ROWS_MAX] if is_admin else None,
            acts=known.acts if is_admin else None,
            is_traced=self._is_traced,
            history=await self._history([vitals.node for vitals in running[1:]]) if with_history and is_admin else None,
        )

    async def _history(self, others: Sequence[str]) -> History:
        try:
            histories = await self._fetch_histories(others)
        except (StoreError, CacheError) as error:
            log.info("history.not_complete", reason=str(error))
            histories = []
        return merge([self._own_history(), *histories])

    def _fleet_facts(self, told: list[NodeVitals], *, is_complete: bool) -> list[Fact]:
        own = told[0]
        silent = [
            Fact("node_silent_s", round(_age_s(own, vitals)), vitals.node) for vitals in told if _is_silent(own, vitals)
        ]
        running = [vitals for vitals in told if vitals.state in ("ready", "not ready") and not _is_silent(own, vitals)]
        # Leases move for a second or two whenever a node comes or goes.
        ages_s = [(own.seen_at - vitals.started_at).total_seconds() for vitals in told]
        is_settled = is_complete and not silent and len(running) == len(told) and min(ages_s) > SETTLED_S
        held = sum(vitals.shards_held for vitals in running)
        return [*silent, Fact("shards_unheld", self._shard_count - held if is_settled else 0)]

    async def _gate_facts(self) -> list[Fact]:
        facts: list[Fact] = []
        for service, gate in self._gates.items():
            try:
                async with asyncio.timeout(VALKEY_TIMEOUT_S):
                    state = await gate.fetch_state()
            except (CacheError, TimeoutError) as error:
                log.info("gate.not_read", service=service, reason=str(error) or "Valkey is slow")
                return facts
            if state.circuit == "open":
                facts.append(Fact("provider_left_alone", 1.0, service, state.reason or ""))
        return facts

    def _services(self, known: _Known, own: NodeVitals, failing: set[str]) -> list[ServiceRow]:
        away = {"postgres": not _knows(own, "postgres_away_s"), "valkey": not _knows(own, "valkey_away_s")}
        by_name = {health.service: health for health in known.health}
        rows = []
        for service in dict.fromkeys([*ENGINES, *self._gates, *by_name]):
            health = by_name.get(service)
            is_down = away.get(service, service in failing)
            rows.append(
                ServiceRow(
                    service=service,
                    kind="engine" if service in ENGINES else "provider",
                    status="down" if is_down else "ok" if service in ENGINES else health.status if health else None,
                    detail="" if health is None or (service in ENGINES and not is_down) else health.detail,
                    seen_at=health.seen_at if health else None,
                    availability_24h=health.availability_24h if health else None,
                    latency_mean_ms=health.latency_mean_ms if health else None,
                )
            )
        return rows

    async def _ask_database(self) -> _Known:
        """What the database says in time. A reading that takes longer goes on, and no other begins meanwhile."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._try_to_read(), name="overview-reading")
        # No timeout cancels it: a cancelled statement waits for the server too.
        reading = self._reading  # Another request may begin the next one meanwhile.
        done, _ = await asyncio.wait([reading], timeout=DATABASE_TIMEOUT_S)
        if done:
            return reading.result()
        read_s, known = self._known
        return known if self._clock.monotonic_s() - read_s < KNOWN_S_MAX else _Known()

    async def _try_to_read(self) -> _Known:
        try:
            known = await self._read_database()
        except StoreError as error:
            log.info("overview.not_complete", reason=str(error))
            return _Known()
        self._known = self._clock.monotonic_s(), known
        return known

    async def _read_database(self) -> _Known:
        known = _Known(health=await fetch_health(self._owner))
        async with self._owner.connection() as connection:
            load = await queries.fetch_server_load(connection)
            known.facts.append(Fact("postgres_connections_share", load["connections_share"]))
            if load["statement_pid"] is not None:
                program = load["statement_application"] or "an unnamed program"
                detail = f"PID {load['statement_pid']}, of {program}: {load['statement']}"
                known.facts.append(Fact("statement_s", load["statement_s"], detail=" ".join(detail.split())))
            rows = [row async for row in queries.list_shows_to_watch(connection, count=SHOWS_MAX)]
            known.shows = self._live_shows(rows)
            async for group in queries.list_open_groups(connection, count=SUSPECTS_MAX):
                subject = f"group {group['id']} of {group['show_name']} (show {group['show_id']})"
                known.facts.append(Fact("group_ballots", group["ballot_count"], subject))
            known.levels = await self._budgets.fetch(connection)
            known.facts += facts_of(known.levels)
            known.facts.append(fact_of(await self._backups.fetch(connection)))
            oldest = await queries.oldest_webhook_delivery(connection)
            if oldest is not None:
                subject = f"{oldest['description'] or oldest['host']} ({oldest['id']})"
                known.facts.append(Fact("webhook_behind_s", round(oldest["age_s"]), subject, oldest["error"]))
            acts = queries.list_newest_acts(connection, count=ROWS_MAX)
            known.acts = [
                ActRow(at=row["at"], actor=row["actor_id"], action=row["action"], subject=row["subject"])
                async for row in acts
            ]
        # The engines' rows are a minute old; nodes know more about them.
        known.troubles = [
            Fact("service_in_trouble", 1.0, health.service, health.detail)
            for health in known.health
            if health.service not in ENGINES and health.status == "down"
        ]
        return known

    def _live_shows(self, rows: list[Any]) -> list[LiveShow]:
        now_s = self._clock.monotonic_s()
        before, self._votes = self._votes, {}
        shows = []
        for row in rows:
            show, votes = row["id"], row["vote_count"]
            read_s, known = before.get(show, (-RATE_S_MAX, 0))
            took_s = now_s - read_s
            if took_s < 1.0 and show in before:
                self._votes[show] = before[show]
            else:
                self._votes[show] = now_s, votes
            rate = round(max(0, votes - known) / took_s, 1) if 0 < took_s < RATE_S_MAX and show in before else None
            shows.append(
                LiveShow(
                    id=show, slug=row["slug"], name=row["name"], status=row["status"], artist=row["artist"], venue=row["venue"],
                    votes=votes, votes_per_s=rate, suspicion=row["group_count"],
                )
            )  # fmt: skip
        return shows


def _knows(own: NodeVitals, away: str) -> bool:
    return not any(fact.name == away for fact in own.facts)


def _age_s(own: NodeVitals, vitals: NodeVitals) -> float:
    """How long ago a node told something. Both instants are by Valkey's clock."""
    return (own.seen_at - vitals.seen_at).total_seconds()


def _is_silent(own: NodeVitals, vitals: NodeVitals) -> bool:
    return vitals.state != "stopped" and _age_s(own, vitals) > SILENT_S


def _button(found: Found) -> ConsoleButton | None:
    button = found.verdict.button
    return None if button is None else ConsoleButton(label=button.label, page=button.page)


def _finding(found: Found) -> Finding:
    verdict = found.verdict
    return Finding(
        name=verdict.name,
        severity=verdict.severity,
        cause=found.cause,
        act=verdict.act,
        by=verdict.by,
        button=_button(found),
    )


def _sentence(found: list[Found], *, is_admin: bool) -> VerdictSentence:
    if not found:
        return VerdictSentence(
            level="well",
            sentence="All well." if is_admin else "Nothing waits for you.",
            act="",
            by="staff",
            button=None,
        )
    first = _finding(found[0])
    return VerdictSentence(level=first.severity, sentence=first.cause, act=first.act, by=first.by, button=first.button)


def _node_row(vitals: NodeVitals, *, is_silent: bool) -> NodeRow:
    return NodeRow(
        node=vitals.node,
        state="silent" if is_silent else vitals.state,
        reasons=vitals.reasons,
        version=vitals.version,
        started_at=vitals.started_at,
        seen_at=vitals.seen_at,
        shards_held=vitals.shards_held,
        connection_count=vitals.connection_count,
        figures=vitals.second,
    )


def _errors(told: list[NodeVitals]) -> list[ErrorRow]:
    """The failures of all nodes, those of one kind together, newest first."""
    merged: dict[tuple[str, str], ErrorRow] = {}
    for vitals in told:
        for group in vitals.errors:
            key = group.action, group.detail
            row = ErrorRow(**msgspec.structs.asdict(group), nodes=[vitals.node])
            if (other := merged.get(key)) is not None:
                newest = max(row, other, key=lambda one: one.last_at)
                row = msgspec.structs.replace(
                    newest, count=row.count + other.count, nodes=sorted({*other.nodes, vitals.node})
                )
            merged[key] = row
    return sorted(merged.values(), key=lambda row: row.last_at, reverse=True)
