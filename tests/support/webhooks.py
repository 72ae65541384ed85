"""A receiver of webhooks, and a database with facts to tell it, on a clock that the test moves."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web
from standardwebhooks import Webhook

from server.clock import SystemClock
from server.outgoing.addresses import LookUp, look_up
from server.protocol.http.signatures import key_text
from server.settings import _networks
from server.store.database import Database
from server.webhooks.posting import Poster
from server.webhooks.sender import WebhookSender
from tests.support.clock import FakeClock
from tests.support.row_factory import RowFactory

LOCAL = _networks("127.0.0.0/8")
SECRET, OLD_SECRET = b"s" * 32, b"o" * 32
EVENTS = ["show.opened", "show.closed", "show.final", "show.milestone", "song.played", "group.flagged"]


@dataclass(frozen=True)
class Arrived:
    """One message, as it arrived."""

    headers: dict[str, str]
    raw: bytes

    @property
    def id(self) -> str:
        """The header by which a receiver knows what it has."""
        return self.headers["webhook-id"]

    @property
    def body(self) -> Any:
        """The JSON."""
        return msgspec.json.decode(self.raw)

    def verify(self, secret: bytes = SECRET) -> Any:
        """Verifies the signature as receivers do. Raises: WebhookVerificationError."""
        return Webhook(key_text(secret)).verify(self.raw, self.headers)

    def verify_text(self, secret: str) -> None:
        """The same with a secret as the console shows it."""
        Webhook(secret).verify(self.raw, self.headers)


@dataclass
class Receiver:
    """Takes messages. statuses: of the next answers; then 204. hangs: no answer until it is set."""

    url: str = ""
    arrived: list[Arrived] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    hangs: asyncio.Event | None = None
    body: bytes = b""
    at_once: int = 0
    at_once_max: int = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
        """Listens on this machine."""
        receiver = cls()
        app = web.Application()
        app.add_routes([web.post("/{path:.*}", receiver._take)])
        runner = web.AppRunner(app, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        receiver.url = f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}/hook"
        yield receiver
        if receiver.hangs is not None:
            receiver.hangs.set()
        await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        self.arrived.append(
            Arrived({name.lower(): value for name, value in request.headers.items()}, await request.read())
        )
        self.at_once += 1
        self.at_once_max = max(self.at_once_max, self.at_once)
        try:
            if self.hangs is not None:
                await self.hangs.wait()
        finally:
            self.at_once -= 1
        status = self.statuses.pop(0) if self.statuses else 204
        headers = {"Location": "/elsewhere"} if status in (301, 302, 307) else {}
        return web.Response(status=status, headers=headers, body=self.body)

    @property
    def types(self) -> list[str]:
        """The types of the events, in order of arrival."""
        return [one.body["type"] for one in self.arrived]


class Hooks:
    """Rows for tests of webhooks, and senders. Its clock begins now."""

    def __init__(self, owner: Database, factory: RowFactory) -> None:
        self.sql = factory.sql
        self.owner = owner
        self.factory = factory
        self.clock = FakeClock(SystemClock().now_ms())

    async def webhook(self, url: str, events: list[str] = EVENTS, *, is_enabled: bool = True) -> int:
        """Inserts a webhook."""
        webhook_id: int = await self.sql.fetchval(
            "insert into webhooks (url, events, secret, is_enabled) values ($1, $2::text[]::webhook_event[], $3, $4) returning id",
            url, events, SECRET, is_enabled,
        )  # fmt: skip
        return webhook_id

    async def facts(self, count: int, show_id: int = 1) -> None:
        """Notes events of a show, as the triggers do."""
        await self.sql.execute(
            "select queue_webhook_events('show.milestone', array[$1::bigint], jsonb_build_object('votes', n))"
            " from generate_series(1, $2::int) n",
            show_id, count,
        )  # fmt: skip

    def sender(self, *, look_up: LookUp = look_up, timeout_s: float = 5.0) -> WebhookSender:
        """Builds a sender that may reach this machine."""
        return WebhookSender(self.owner, self.clock, Poster(LOCAL, look_up=look_up, timeout_s=timeout_s))

    async def send(self, sender: WebhookSender | None = None) -> None:
        """Sends until nothing is due."""
        sender = sender or self.sender()
        while await sender.start_due():
            await sender.finished()
        await sender._poster.close()

    async def states(self, webhook_id: int | None = None) -> list[tuple[str, int]]:
        """The state and the attempts of each delivery, in order."""
        rows = await self.sql.fetch(
            "select state::text, attempts from webhook_deliveries where $1::bigint is null or webhook_id = $1 order by id",
            webhook_id,
        )
        return [tuple(row) for row in rows]
