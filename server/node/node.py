"""One node: opens its rooms, starts their loops, listens, and stops in order. serve.py runs one in a process."""

from __future__ import annotations

import asyncio
import contextvars
import shutil
import socket
import time
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any

import structlog
from aiohttp import web

from server.errors import SetupError, StoreError
from server.live.handed_socket import HandedSocket
from server.live.stalled import bound_connections
from server.mail.composer import EmailComposer
from server.mail.enqueuer import EmailEnqueuer
from server.mail.sender import EmailSender
from server.mail.smtp import SmtpClient
from server.node.intervals import DEFAULT_INTERVALS, Intervals
from server.node.process_limits import files_max
from server.node.rooms import Rooms, open_rooms
from server.node.web_app import endpoints_of, web_app
from server.people.sessions import first_admin_link
from server.settings import Settings
from server.telemetry import DISK_FREE_BYTES, IS_READY
from server.web.listening import OpenConnections, Runner, listening_sockets

log = structlog.get_logger()

STOP_TIMEOUT_S = 25.0
READINESS_EVERY_S = 1.0
READY_WITHIN_S = 5.0  # a start takes longer only when something is wrong
BACKLOG_SOCKETS = 4096


class Node:
    """One running node. Create it with `start`. failed: gets the name of the first loop that dies."""

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self.endpoints = endpoints_of(rooms)
        self.failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.port = 0
        app = web_app(rooms, self.endpoints)
        settings = rooms.settings
        connections = OpenConnections(settings.limits, files_max=files_max(), trusted=settings.trusted_proxies)
        self._runner = Runner(app, connections, handler_cancellation=True, shutdown_timeout=2.0)
        self._loops: dict[str, asyncio.Task[None]] = {}
        self._stack = AsyncExitStack()

    @classmethod
    async def start(
        cls,
        settings: Settings,
        *,
        has_own_database: bool = False,
        intervals: Intervals = DEFAULT_INTERVALS,
        is_successor: bool = False,
    ) -> Node:
        """Connects, starts the loops, then listens.

        Takes:  settings with both addresses; has_own_database, whether PostgreSQL belongs to this node's own engines;
                is_successor, whether it gets the sockets that it listens on from another process (take_over.py)
        Raises: SetupError: the port is taken; StoreUnavailable: PostgreSQL does not answer
        Cancel: everything opened so far is closed, as after an error
        """
        async with AsyncExitStack() as stack:
            rooms = await open_rooms(settings, stack, intervals, has_own_database=has_own_database)
            node = cls(rooms)
            stack.push_async_callback(node._end_loops)
            for name, loop in node._all_loops().items():
                node._start_loop(name, loop)
            if not is_successor:
                node.start_writing()
            stack.push_async_callback(node._runner.cleanup)
            await node._runner.setup()
            if not is_successor:
                await node._listen()
            node._stack = stack.pop_all()
        return node

    @property
    def url(self) -> str:
        """The address of the page for a browser on this machine."""
        host = self.rooms.settings.host
        browser_host = "127.0.0.1" if host in ("0.0.0.0", "") else f"[{host}]" if ":" in host else host  # noqa: S104  no bind
        return f"http://{browser_host}:{self.port}"

    @property
    def public_url(self) -> str:
        """The address of the pages for everybody: a setting, or else the address for this machine."""
        settings = self.rooms.settings
        return settings.public_url or next(iter(settings.origins), self.url)

    async def greet_first_admin(self) -> None:
        """If the database has no administrator yet, creates one and prints a link to sign in."""
        try:
            link = await first_admin_link(self.rooms.databases.owner, self.rooms.settings.secret, self.public_url)
        except StoreError as error:
            log.warning("admin.not_made", error=str(error))
            return
        if link is not None:
            print(f"administrator sign-in, good for an hour: {link}", flush=True)  # noqa: T201

    async def wait_until_ready(self) -> None:
        """Returns once the node may get traffic, or a loop has died."""
        # Polled, not signalled: three parts have to agree, once in a node's life.
        while self.rooms.why_not_ready() and not self.failed.done():  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Drains, then closes everything.

        While it drains, the node reports that it is not ready, refuses new sockets and casts, answers the casts in flight,
        and tells its clients to reconnect elsewhere. This takes at most STOP_TIMEOUT_S.
        """
        rooms = self.rooms
        async with self._stack:
            rooms.is_stopping = True
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    # The node still listens, so that load balancers can read from /readyz that it is not ready.
                    rooms.sockets.is_draining = True
                    rooms.intake.refuse_new()
                    await self._wait_for_casts()
                    await rooms.sockets.drain()
                    await self._runner.cleanup()
            except TimeoutError:
                casts = rooms.intake.pending_acks.cast_count
                log.warning("node.drain_cut_short", sockets=len(rooms.sockets), casts=casts)

    async def _wait_for_casts(self) -> None:
        intake = self.rooms.intake
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S / 5):
                await intake.drained()
        except TimeoutError:
            log.warning("node.casts_not_committed", casts=intake.pending_acks.cast_count)

    async def _listen(self) -> None:
        settings = self.rooms.settings
        site = web.TCPSite(
            self._runner,
            settings.host,
            settings.port,
            backlog=BACKLOG_SOCKETS,
            reuse_port=settings.reuse_port or None,
        )
        try:
            await site.start()
        except OSError as error:
            raise SetupError(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}") from error
        self._has_listened()

    def _has_listened(self) -> None:
        for listening in listening_sockets(self._runner):
            bound_connections(listening, stalled_s=self.rooms.settings.limits.stalled_s)
        self.port = self._runner.addresses[0][1]

    # ── another process takes over, or this one does

    def listening(self) -> list[socket.socket]:
        """The sockets that this node listens on."""
        return listening_sockets(self._runner)

    async def listen_on(self, sockets: Sequence[socket.socket]) -> None:
        """Listens on sockets that another process has opened."""
        for listening in sockets:
            await web.SockSite(self._runner, listening, backlog=BACKLOG_SOCKETS).start()
        self._has_listened()
        self.rooms.is_leaving = False

    async def stop_listening(self) -> None:
        """Takes no new connections any more. From now on each answer ends its connection."""
        self.rooms.is_leaving = True
        for site in list(self._runner.sites):
            await site.stop()

    def start_writing(self) -> None:
        """Begins to commit votes. A successor does so when the old process has stopped it: shards that move twice wait twice."""
        self._start_loop("writer", self.rooms.writer.run())

    async def stop_writing(self) -> None:
        """Commits no votes any more; another node does."""
        writer = self._loops.pop("writer")
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)

    async def adopt(self, connected: socket.socket, handed: HandedSocket) -> None:
        """Goes on with a websocket of another process."""
        await self._runner.adopt(connected, handed.head + handed.unread, handed)

    async def finish_requests(self) -> None:
        """Answers the requests that have come, and closes their connections. Websockets and event streams stay."""
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                # Polled: this happens once in a node's life.
                while self._runner.connection_count > len(self.rooms.sockets):
                    self._runner.close_idle()
                    await asyncio.sleep(0.01)
        except TimeoutError:
            log.warning("node.requests_cut_short", count=self._runner.connection_count - len(self.rooms.sockets))

    # ── loops

    def _all_loops(self) -> dict[str, Coroutine[Any, Any, None]]:
        rooms = self.rooms
        return {
            "listener": rooms.listener.run(),
            "commit-watch": rooms.commit_watch.run(),
            "groups": rooms.group_watch.run(),
            "decisions": rooms.decisions.run(),
            "self-check": rooms.self_check.run(),
            "readiness": self._watch_readiness(),
            "intake": rooms.intake.run(),
            "pusher": rooms.hub.pusher.run(),
            "presence": rooms.presence.run(rooms.hub, interval_s=rooms.intervals.presence_s),
            "visits": rooms.visits.run(interval_s=rooms.intervals.visits_s),
            "channels": rooms.channel_refresher.run(),
            "sockets": rooms.sockets.run(),
            "fleet": rooms.fleet.run(),
            "vitals": rooms.vitals.run(),
            "overview": rooms.overview_channel.run(),
            "levels": rooms.level_counts.run(),
            **rooms.maintenance.loops(),
            **rooms.catalogue_sync.loops(),
            "access": rooms.access_monitor.run(),
            "exports": rooms.exports.run(),
            "brands": rooms.known_brands.run(),
            "ledger": rooms.sequencer.run(),
            "webhooks": rooms.webhook_sender.run(),
            "webpush": rooms.webpush_sender.run(),
            **self._mail_loops(),
            **({} if rooms.oidc is None else {"oidc": rooms.oidc.run()}),
            **({} if rooms.databases.reads.replica is None else {"replica": rooms.databases.reads.replica.run()}),
        }

    async def _watch_readiness(self) -> None:
        """Tells metrics and log whether this node is ready, and how much space its disk has."""
        data_dir = self.rooms.settings.data_dir
        told: list[str] | None = None
        started_s = time.monotonic()
        while True:
            reasons = self.rooms.why_not_ready()
            IS_READY.set(0 if reasons else 1)
            # Every node is not ready in its first moments; this is no news.
            is_starting = told is None and reasons and time.monotonic() - started_s < READY_WITHIN_S
            if reasons != told and not is_starting:
                told = reasons
                if reasons:
                    log.warning("node.not_ready", reasons=reasons)
                else:
                    log.info("node.ready")
            folder = next(path for path in (data_dir, *data_dir.parents) if path.exists())
            DISK_FREE_BYTES.set(shutil.disk_usage(folder).free)
            await asyncio.sleep(READINESS_EVERY_S)

    def _mail_loops(self) -> dict[str, Coroutine[Any, Any, None]]:
        """The loops that enqueue and send emails, on a node that has a mail server."""
        settings, owner, clock = self.rooms.settings, self.rooms.databases.owner, self.rooms.clock
        if settings.smtp_url is None:
            return {}
        composer = EmailComposer(
            mail_from=settings.mail_from or f"MySetlist <mysetlist@{socket.gethostname()}>",
            secret=settings.secret,
            public_url=lambda: self.public_url,
        )
        client = SmtpClient(settings.smtp_url, composer.sender)
        return {
            "mail-enqueuer": EmailEnqueuer(owner, clock).run(),
            "mail-sender": EmailSender(owner, clock, client, composer).run(),
        }

    def _start_loop(self, name: str, loop: Coroutine[Any, Any, None]) -> None:
        """Starts a loop. A loop that ends by itself is a bug: serve.py then stops the node."""
        context = contextvars.copy_context()
        context.run(structlog.contextvars.bind_contextvars, loop=name)
        task = asyncio.create_task(loop, name=name, context=context)
        self._loops[name] = task

        def on_done(done: asyncio.Task[None]) -> None:
            if self.rooms.is_stopping or done.cancelled():
                return
            error = done.exception() or RuntimeError(f"the loop {name} ended")
            log.error("loop.died", loop=name, exc_info=error)
            if not self.failed.done():
                self.failed.set_result(name)

        task.add_done_callback(on_done)

    async def _end_loops(self) -> None:
        self.rooms.is_stopping = True
        for task in reversed(self._loops.values()):
            task.cancel()
        await asyncio.gather(*self._loops.values(), return_exceptions=True)
