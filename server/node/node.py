"""The composition root: builds, starts and stops one node. What is around it in a process: serving.py."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Coroutine
from functools import partial
from typing import Any

import structlog
from aiohttp import web

from server.cache.connection import Connection
from server.catalog.routes import CatalogRoutes
from server.catalog.setlist_editing import EditingRoutes
from server.catalog.show_control import DirectionRoutes
from server.catalog.shows import find_show_id
from server.catalog.suggestions import SuggestionRoutes
from server.clock import Clock, SystemClock
from server.errors import SetupError, StoreError
from server.insight.routes import InsightRoutes
from server.live.connection_limits import ConnectionLimits
from server.live.fleet import Fleet
from server.live.listener import Listener, Sources
from server.live.routes import LiveRoutes
from server.live.services import Services
from server.live.sockets import Sockets
from server.live.sse import EVENTS, EventRoutes
from server.live.stalled import bound_connections
from server.live.subscriptions import SubscriptionRoutes
from server.mail.composer import Letterhead
from server.mail.enqueuer import Queueing
from server.mail.routes import MailRoutes
from server.mail.sender import Sender
from server.mail.smtp import MailServer
from server.moderation.decisions import DecisionRoutes
from server.moderation.queue import QueueRoutes
from server.moderation.reports import ReportRoutes
from server.node.catalogue_sync import CatalogueSync
from server.node.channel_states import Feeds
from server.node.maintenance import Maintenance
from server.node.rate_limits import RateLimits
from server.people.access_monitor import AccessMonitor
from server.people.accounts import AccountRoutes
from server.people.authenticator import Authenticator
from server.people.erasure import ErasureRoutes
from server.people.export import ExportRoutes
from server.people.follows import FollowRoutes
from server.people.keys import KeyRoutes
from server.people.marks import Marks
from server.people.oidc import Claims, OidcVerifier
from server.people.profiles import ProfileRoutes
from server.people.reviews import ReviewRoutes
from server.people.session_routes import SessionRoutes
from server.people.sessions import TOKEN_TTL_S, first_admin_link, sign_in_with_claims, verify_token
from server.people.tickets import TicketRoutes
from server.protocol.http.endpoints import BODY_BYTES_MAX, Endpoint
from server.protocol.identity import Identity
from server.settings import Settings, data_folder
from server.store.database import Databases
from server.tracing import Traces, open_traces
from server.voting import log as voting_log
from server.voting.ballots import has_voted
from server.voting.forgetting import Forgetting
from server.voting.intake import Intake
from server.voting.routes import VotingRoutes
from server.voting.rules import ballot_json
from server.voting.tallies import Tallies
from server.voting.writer import Writer
from server.web.asyncapi import asyncapi_endpoint
from server.web.errors import answer_errors
from server.web.identity import addresser, counting, identifier
from server.web.listening import Runner, listening_sockets
from server.web.openapi import document_endpoint
from server.web.origins import check_origins
from server.web.pages import Pages, add_headers
from server.web.request_log import add_request_id, observer
from server.web.routing import routes_of

log = structlog.get_logger()

STOP_TIMEOUT_S = 25.0
BACKLOG_SOCKETS = 4096


class Node:
    """One node: all rooms, connected. Build it with `start`.

    Takes: settings with both addresses given; has_own_database, whether PostgreSQL is of this node's own engines
    """

    def __init__(
        self,
        settings: Settings,
        databases: Databases,
        catalogue_sync: CatalogueSync,
        shard_count: int,
        *,
        has_own_database: bool = False,
    ) -> None:
        assert settings.redis_url is not None
        clock = self._clock = SystemClock()
        self._settings = settings
        self._databases = databases
        self._catalogue_sync = catalogue_sync
        database = databases.writer
        self._tallies = Tallies(settings.redis_url, database, shard_count=shard_count)
        self._name = secrets.token_hex(4)
        self._valkey = Connection(settings.redis_url)  # for what may wait a little: presence
        self._feeds = Feeds(
            database,
            self._tallies,
            clock,
            node=self._name,
            ask=self._valkey.ask,
            buffer_bytes_max=settings.limits.send_buffer_bytes,
        )
        self._rate_limits = RateLimits(settings.redis_url, clock, settings.limits)
        self._maintenance = Maintenance(
            databases.owner,
            settings.redis_url,
            clock,
            is_own=has_own_database,
            kept_days=settings.kept_days,
            alert_webhook_url=settings.alert_webhook_url,
        )
        self._sockets = Sockets(clock, settings.limits)
        self._access_monitor = AccessMonitor(
            database, databases.requests, self._sockets.identities, self._sockets.dismiss
        )
        self._intake = Intake(
            settings.redis_url,
            database,
            clock,
            shard_count=shard_count,
            votes_per_day_max=settings.votes_per_day_max,
            why_refused=self._access_monitor.why_vote_refused,
        )
        self._has_voted = partial(has_voted, self._intake)
        self._find_show = partial(find_show_id, databases.requests)
        self._marks = Marks(database, clock, self._intake.submit_mark)
        self._writer = Writer(settings.redis_url, database, clock, shard_count=shard_count)
        self._fleet = Fleet(self._name, settings.redis_url, self._feeds.hub, self._sockets, clock)
        self._listener = Listener(
            database.url,
            self._feeds.hub,
            Sources(
                committed=self._intake.pending_acks.committed,
                fetch_positions=voting_log.queries.fetch_show_positions,
                reload_tallies=self._feeds.reload_tallies,
                reload_show=self._feeds.reload_show,
                compare_crowds=self._feeds.compare_crowds,
                reload_all=self._feeds.reload_all,
                poll_hot=self._feeds.poll_hot,
                asked=self._fleet.hear,
                shard_count=shard_count,
            ),
            clock,
        )
        self._traces = _traces(settings, self._fleet.node, shard_count)
        for stage in (self._intake, self._writer, self._listener, self._feeds.hub.pusher):
            stage.traces = self._traces
        self._oidc = _oidc_verifier(settings, clock)
        self._forgetting = Forgetting(settings.redis_url, shard_count=shard_count)
        self._runner = self._build_web()
        self._loops: dict[str, asyncio.Task[None]] = {}
        self._is_stopping = False
        self.failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.port = 0

    @classmethod
    async def start(cls, settings: Settings, *, has_own_database: bool = False) -> Node:
        """Connects, starts the loops, then listens.

        Raises: SetupError: the port is taken; StoreUnavailable: PostgreSQL does not answer
        """
        assert settings.database_url is not None
        databases = await Databases.open(settings.database_url)
        async with databases.writer.connection() as connection:
            rows = [row async for row in voting_log.queries.fetch_positions(connection)]
        assert settings.redis_url is not None
        catalogue_sync = await CatalogueSync.open(settings, databases.owner, settings.redis_url, SystemClock())
        node = cls(settings, databases, catalogue_sync, len(rows), has_own_database=has_own_database)
        for name, loop in node._all_loops().items():
            node._run_loop(name, loop)
        await node._runner.setup()
        site = web.TCPSite(
            node._runner,
            settings.host,
            settings.port,
            backlog=BACKLOG_SOCKETS,
            reuse_port=settings.reuse_port or None,
        )
        try:
            await site.start()
        except OSError as error:
            await node.stop()
            raise SetupError(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}") from error
        for listening in listening_sockets(node._runner):
            bound_connections(listening, stalled_s=settings.limits.stalled_s)
        node.port = node._runner.addresses[0][1]
        return node

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the page."""
        host = self._settings.host
        shown = "127.0.0.1" if host in ("0.0.0.0", "") else f"[{host}]" if ":" in host else host  # noqa: S104  no bind
        return f"http://{shown}:{self.port}"

    async def greet_first_admin(self) -> None:
        """On the first start nobody may administrate: makes an administrator, prints a link to sign in."""
        try:
            link = await first_admin_link(self._databases.owner, self._settings.secret, self.url)
        except StoreError as error:
            log.warning("admin.not_made", error=str(error))
            return
        if link is not None:
            print(f"administrator sign-in, good for an hour: {link}", flush=True)  # noqa: T201

    async def stop(self) -> None:
        """Drains: not ready, no new sockets and casts, those in flight answered, sockets sent away; then ends everything."""
        self._is_stopping = True
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                # It goes on listening meanwhile, so that load balancers hear from /readyz that it is not ready any more.
                self._sockets.is_draining = True
                self._intake.refuse_new()
                await self._wait_for_casts()
                await self._sockets.drain()
                await self._runner.cleanup()
        except TimeoutError:
            log.warning("node.drain_cut_short", sockets=len(self._sockets), casts=self._intake.pending_acks.cast_count)
        for task in reversed(self._loops.values()):
            task.cancel()
        await asyncio.gather(*self._loops.values(), return_exceptions=True)
        await self._tallies.close()
        await self._valkey.close()
        await self._rate_limits.close()
        if self._oidc is not None:
            await self._oidc.close()
        await self._forgetting.close()
        await self._catalogue_sync.close()
        await self._databases.close()
        if self._traces is not None:
            await asyncio.to_thread(self._traces.close)

    async def _wait_for_casts(self) -> None:
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S / 5):
                await self._intake.drained()
        except TimeoutError:
            log.warning("node.casts_not_committed", casts=self._intake.pending_acks.cast_count)

    # ── loops

    def _all_loops(self) -> dict[str, Coroutine[Any, Any, None]]:
        return {
            "listener": self._listener.run(),
            "writer": self._writer.run(),
            "intake": self._intake.run(),
            "pusher": self._feeds.hub.pusher.run(),
            "feeds": self._feeds.run(),
            "sockets": self._sockets.run(),
            "fleet": self._fleet.run(),
            **self._maintenance.loops(),
            **self._catalogue_sync.loops(),
            "access-monitor": self._access_monitor.run(),
            **self._mail_loops(),
            **({} if self._oidc is None else {"oidc": self._oidc.run()}),
        }

    def _mail_loops(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Letters, on a node that has a mail server."""
        settings = self._settings
        if settings.smtp_url is None:
            return {}
        letterhead = Letterhead(
            mail_from=settings.mail_from or f"MySetlist <mysetlist@{socket.gethostname()}>",
            secret=settings.secret,
            public_url=lambda: settings.public_url or self.url,
        )
        server = MailServer(settings.smtp_url, letterhead.sender)
        owner = self._databases.owner
        return {
            "mail-queueing": Queueing(owner, self._clock).run(),
            "mail-sender": Sender(owner, self._clock, server, letterhead).run(),
        }

    def _run_loop(self, name: str, loop: Coroutine[Any, Any, None]) -> None:
        """A loop that ends by itself is a bug, and stops the node."""
        task = asyncio.create_task(loop, name=name)
        self._loops[name] = task

        def on_done(done: asyncio.Task[None]) -> None:
            if self._is_stopping or done.cancelled():
                return
            error = done.exception() or RuntimeError(f"the loop {name} ended")
            log.error("loop.died", loop=name, exc_info=error)
            if not self.failed.done():
                self.failed.set_result(name)

        task.add_done_callback(on_done)

    # ── web

    def _endpoints(self) -> list[Endpoint]:
        clock = self._clock
        requests = self._databases.requests
        return [
            *CatalogRoutes(requests, clock, self._has_voted).endpoints(),
            *DirectionRoutes(self._databases.owner, clock).endpoints(),
            *EditingRoutes(self._databases.owner, self._tallies.revise).endpoints(),
            *SuggestionRoutes(
                requests,
                self._databases.owner,
                clock,
                self._tallies.revise,
                pending_max=self._settings.limits.suggestions_waiting,
            ).endpoints(),
            *VotingRoutes(self._intake, self._find_show).endpoints(),
            *SessionRoutes(requests, self._settings.secret, self._rate_limits.count_session).endpoints(),
            *InsightRoutes(requests, clock, self._has_voted).endpoints(),
            *self._maintenance.endpoints(),
            *self._catalogue_sync.endpoints(),
            *SubscriptionRoutes(self._databases.owner, self._fleet).endpoints(),
            *ProfileRoutes(requests).endpoints(),
            *FollowRoutes(requests, self._marks).endpoints(),
            *ReviewRoutes(requests).endpoints(),
            *ReportRoutes(requests).endpoints(),
            *QueueRoutes(requests).endpoints(),
            *DecisionRoutes(requests).endpoints(),
            *AccountRoutes(requests, clock).endpoints(),
            *KeyRoutes(requests).endpoints(),
            *ExportRoutes(requests).endpoints(),
            *ErasureRoutes(requests, self._forgetting.forget, self._sockets.hang_up_user).endpoints(),
            *TicketRoutes(
                requests, self._tallies.grant_ticket, self._rate_limits.count_redemption, self._find_show
            ).endpoints(),
            *MailRoutes(
                requests,
                self._databases.owner,
                clock,
                self._settings.secret,
                can_send=self._settings.smtp_url is not None,
            ).endpoints(),
        ]

    def _build_web(self) -> web.AppRunner:
        settings = self._settings

        def verify(token: str) -> Identity:
            return verify_token(settings.secret, token)

        async def sign_in(claims: Claims) -> Identity:
            databases = self._databases
            return await sign_in_with_claims(databases.requests, databases.owner, claims, self._clock.now_ms())

        authenticator = Authenticator(self._databases.requests, self._clock, verify, self._oidc, sign_in)
        self.endpoints = self._endpoints()
        self.endpoints.append(asyncapi_endpoint())
        self.endpoints.append(document_endpoint([*self.endpoints, EVENTS]))
        services = Services(
            hub=self._feeds.hub,
            connection_limits=ConnectionLimits(settings.limits),
            clock=self._clock,
            node=self._name,
            submit=self._intake.submit,
            mark=self._marks.submit,
            authenticate=authenticator.identify,
            why_banned=self._access_monitor.why_connection_refused,
            count_entry=self._rate_limits.count_entry,
            has_voted=self._has_voted,
            ballot_json=ballot_json,
        )
        app = web.Application(
            middlewares=[observer(settings.trusted_proxies), answer_errors, check_origins(settings.origins)],
            client_max_size=BODY_BYTES_MAX,
        )
        app.on_response_prepare.extend([add_headers, add_request_id])
        identify, address_of = identifier(authenticator.identify), addresser(settings.trusted_proxies)
        counted = counting(identify, self._rate_limits.count_request)
        app.add_routes(routes_of(self.endpoints, counted, TOKEN_TTL_S, address_of))
        app.add_routes(LiveRoutes(services, self._sockets, identify, address_of).routes())
        app.add_routes(EventRoutes(services, self._sockets, identify, address_of, self._find_show).routes())
        app.add_routes(Pages(data_folder("static"), self._why_not_ready).routes())
        return Runner(app, settings.limits.handshake_s, handler_cancellation=True, shutdown_timeout=2.0)

    def _why_not_ready(self) -> list[str]:
        reasons = {
            "the node is stopping": self._is_stopping,
            "PostgreSQL does not answer": not self._listener.is_listening,
            "Valkey does not answer": not self._intake.is_ready,
        }
        return [reason for reason, holds in reasons.items() if holds]

    async def wait_until_ready(self) -> None:
        """Returns once the node may be sent traffic, or a loop has died."""
        # Looked at, not signalled: three parts have to agree, once in a node's life.
        while self._why_not_ready() and not self.failed.done():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def _traces(settings: Settings, node: str, shard_count: int) -> Traces | None:
    """None: nobody wants any, and each stage of a vote only looks whether there are some."""
    if settings.otlp_endpoint is None:
        return None
    return open_traces(settings.otlp_endpoint, settings.traces_ratio, node, shard_count)


def _oidc_verifier(settings: Settings, clock: Clock) -> OidcVerifier | None:
    if settings.jwks_url is None:
        return None
    assert settings.jwt_audience is not None
    return OidcVerifier(
        settings.jwks_url,
        settings.jwt_audience,
        clock,
        issuer=settings.jwt_issuer,
        role_claim=settings.jwt_role_claim,
    )
