"""A push service that decrypts what arrives, devices, and a database with shows, on a clock that the test moves."""

from __future__ import annotations

import base64
import datetime as dt
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import http_ece
import jwt
import msgspec
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from server.clock import SystemClock, utc_now
from server.outgoing.posting import CheckedPoster
from server.settings import _networks
from server.store.database import Database
from server.webpush.keys import ServiceKey
from server.webpush.notices import Notices
from server.webpush.sender import WebpushSender
from tests.support.clock import FakeClock
from tests.support.row_factory import RowFactory

LOCAL = _networks("127.0.0.0/8")
CONTACT = "mailto:ops@example.org"


class Keys:
    """The keys of a browser."""

    def __init__(self) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.auth = secrets.token_bytes(16)

    @property
    def public(self) -> bytes:
        """The public key, as a subscription has it."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )

    def body(self, endpoint: str, **more: Any) -> dict[str, Any]:
        """The body of `PUT /api/me/push`."""
        keys = {"p256dh": text_of(self.public), "auth": text_of(self.auth)}
        wish = {"kinds": ["voting_closes", "show_begins", "song_on"], "time_zone": "Europe/Berlin"}
        return {"endpoint": endpoint, "keys": keys, **wish, **more}


@dataclass(frozen=True)
class Arrived:
    """A message, as its device reads it. Takes: origin and signer, that the push service checks."""

    device: str
    headers: dict[str, str]
    shown: Any


@dataclass
class PushService:
    """Takes messages for devices. statuses: of the next answers; then 201."""

    url: str = ""
    arrived: list[Arrived] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    keys: dict[str, Keys] = field(default_factory=dict)
    connections: set[Any] = field(default_factory=set)
    retry_after: str = ""

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[PushService]:
        """Listens on this machine."""
        service = cls()
        app = web.Application()
        app.add_routes([web.post("/{device}", service._take)])
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield service
        await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        self.connections.add(request.transport)
        device = request.match_info["device"]
        keys = self.keys[device]
        clear = http_ece.decrypt(
            await request.read(), private_key=keys.private, auth_secret=keys.auth, version="aes128gcm"
        )
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.arrived.append(Arrived(device, headers, msgspec.json.decode(clear)))
        status = self.statuses.pop(0) if self.statuses else 201
        return web.Response(status=status, headers={"Retry-After": self.retry_after} if self.retry_after else {})

    def signer(self, arrived: Arrived) -> tuple[str, dict[str, Any]]:
        """Checks the signature as a push service does. Gives the public key of the sender, and its claims."""
        scheme, _, fields = arrived.headers["authorization"].partition(" ")
        assert scheme == "vapid"
        given = dict(part.strip().split("=", 1) for part in fields.split(","))
        point = base64.urlsafe_b64decode(given["k"] + "=")
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        # The clock of the test is not that of this machine.
        claims: dict[str, Any] = jwt.decode(
            given["t"], public, algorithms=["ES256"], audience=self.url, options={"verify_exp": False}
        )
        return given["k"], claims


class Push:
    """Rows for tests of web push, and senders. Its clock begins now."""

    def __init__(self, owner: Database, factory: RowFactory, service: PushService) -> None:
        self.sql = factory.sql
        self.owner = owner
        self.factory = factory
        self.service = service
        self.clock = FakeClock(SystemClock().now_ms())
        self.poster = CheckedPoster(LOCAL, setting="MYSETLIST_WEBPUSH_NETWORKS", keeps_connections=True)

    @property
    def now(self) -> dt.datetime:
        """The instant of the clock."""
        return utc_now(self.clock)

    async def device(
        self,
        user: int,
        *,
        kinds: str = "{voting_closes,show_begins,song_on}",
        time_zone: str = "UTC",
        quiet: tuple[str, str] | None = None,
        session: int | None = None,
        url: str = "",
    ) -> str:
        """Inserts a device. Gives its name at the push service."""
        name, keys = secrets.token_hex(8), Keys()
        self.service.keys[name] = keys
        quiet_from, quiet_to = (dt.time.fromisoformat(hour) for hour in quiet) if quiet else (None, None)
        await self.sql.execute(
            "insert into webpush_devices (user_id, session_id, endpoint, public_key, auth_secret, kinds, time_zone, quiet_from, quiet_to)"
            " values ($1, $2, $3, $4, $5, $6::text::webpush_kind[], $7, $8, $9)",
            user, session, f"{url or self.service.url}/{name}", keys.public, keys.auth, kinds, time_zone, quiet_from, quiet_to,
        )  # fmt: skip
        return name

    async def going(self, *users: int, show: int = 7) -> None:
        """Inserts that fans go to a show."""
        await self.sql.executemany(
            "insert into user_show_attendance (user_id, show_id) values ($1, $2)", [(user, show) for user in users]
        )

    async def move_show(self, column: str, after_s: float, show: int = 7) -> None:
        """Sets an instant of a show, so long after now."""
        await self.sql.execute(
            f"update shows set {column} = $1 where id = $2", self.now + dt.timedelta(seconds=after_s), show
        )

    async def played(self, song: int, after_s: float = 0.0) -> None:
        """Marks a song of a set as played, so long after now."""
        at = self.now + dt.timedelta(seconds=after_s)
        await self.sql.execute("update setlist_songs set played_at = $2 where id = $1", song, at)

    def sender(self) -> WebpushSender:
        """A sender like that of a node, on the clock of the test."""
        key = ServiceKey(self.owner, self.clock, CONTACT)
        return WebpushSender(self.owner, self.clock, self.notices(), key, self.poster)

    def notices(self, batch_max: int = 5_000) -> Notices:
        """What makes notices, on the clock of the test."""
        return Notices(self.owner, self.clock, batch_max=batch_max)

    async def send(self) -> list[Arrived]:
        """Makes notices, sends what is due, and gives what arrived, in any order."""
        before = len(self.service.arrived)
        await self.notices().make_due()
        sender = self.sender()
        await sender.start_due()
        await sender.finished()
        return self.service.arrived[before:]

    async def noticed(self) -> list[tuple[int, str]]:
        """The notices that exist: fan and kind."""
        rows = await self.sql.fetch("select user_id, kind::text from webpush_notices order by 1, 2")
        return [(row["user_id"], row["kind"]) for row in rows]


def text_of(key: bytes) -> str:
    """A key as browsers write it."""
    return base64.urlsafe_b64encode(key).rstrip(b"=").decode()
