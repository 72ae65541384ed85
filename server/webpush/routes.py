"""The endpoints of web push: the key of this service, and the devices of a fan."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from typing import Annotated, Any

import msgspec

from server.errors import Refused, StoreConflict
from server.outgoing.addresses import parse_url
from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.instants import iso
from server.protocol.time_zones import canonical_zone
from server.store.database import Database
from server.webpush.encryption import is_public_key
from server.webpush.keys import ServiceKey
from server.webpush.queries import routes as queries
from server.webpush.texts import KINDS, Kind

DEVICES_MAX = 10
ENDPOINT_CHARS_MAX = 1_000
AUTH_SECRET_BYTES = 16
_USER_CONSTRAINT = "webpush_devices_user_id_fkey"
_SESSION_CONSTRAINT = "webpush_devices_session_id_fkey"

Hour = Annotated[
    str,
    msgspec.Meta(
        max_length=5,
        pattern=r"^(?:[01][0-9]|2[0-3]):[0-5][0-9]$(?!\n)",
        description="Hours and minutes.",
        examples=["22:30"],
    ),
]


class ServiceKeyAnswer(msgspec.Struct, frozen=True):
    """The public key of this service, base64url: `applicationServerKey` of a subscription."""

    key: str


class DeviceKeys(msgspec.Struct, frozen=True):
    """The keys of a device, base64url, as `PushSubscription.toJSON()` gives them."""

    p256dh: Annotated[str, msgspec.Meta(min_length=87, max_length=88)]
    auth: Annotated[str, msgspec.Meta(min_length=22, max_length=24)]


class DeviceBody(msgspec.Struct, frozen=True, kw_only=True):
    """A device and what it wants to be told. Quiet hours are in its time zone, and may cross midnight."""

    endpoint: Annotated[str, msgspec.Meta(min_length=1, max_length=ENDPOINT_CHARS_MAX)]
    keys: DeviceKeys
    kinds: Annotated[list[Kind], msgspec.Meta(min_length=1, max_length=len(KINDS))]
    time_zone: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    quiet_from: Hour | None = None
    quiet_to: Hour | None = None


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A device of the fan, and what it is told."""

    id: int
    endpoint: str
    kinds: list[Kind]
    time_zone: str
    quiet_from: str | None
    quiet_to: str | None
    created_at: str


class DeviceList(msgspec.Struct, frozen=True):
    """The devices of the fan, newest first."""

    items: list[Device]


class WebpushRoutes:
    """The endpoints. Takes: owner, its database with all rights: a browser may pass from one account to another."""

    def __init__(self, owner: Database, key: ServiceKey) -> None:
        self._owner = owner
        self._key = key

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        return [
            Endpoint(
                method="GET", path="/api/push/key", handler=self.get_key, answer=ServiceKeyAnswer, is_revalidated=True,
                summary="The key of this service, with which a browser subscribes to its push service.",
            ),
            Endpoint(
                method="GET", path="/api/me/push", handler=self.get_devices, access="user", answer=DeviceList,
                summary="List your devices that get notices.",
            ),
            Endpoint(
                method="PUT", path="/api/me/push", handler=self.put_device, access="user", body=DeviceBody, answer=Device,
                codes=(Code.CONFLICT,),
                summary="Add a device, or change what it is told. Ten devices at most: the oldest goes.",
            ),
            Endpoint(
                method="DELETE", path="/api/me/push/{device}", handler=self.delete_device, access="user", status=204,
                codes=(Code.NOT_FOUND,), summary="Delete a device: it gets no notices any more.",
            ),
        ]  # fmt: skip

    async def get_key(self, _call: Call) -> Answer:
        """`GET /api/push/key`."""
        return Answer(document=ServiceKeyAnswer(await self._key.public_text()))

    async def get_devices(self, call: Call) -> Answer:
        """`GET /api/me/push`."""
        async with self._owner.connection() as connection:
            rows = queries.list_devices(connection, user_id=call.user.user_id, count=DEVICES_MAX)
            return Answer(document=DeviceList([_device(row) async for row in rows]))

    async def put_device(self, call: Call) -> Answer:
        """`PUT /api/me/push`."""
        body: DeviceBody = call.body
        user = call.user
        zone = canonical_zone(body.time_zone)
        public_key, auth_secret = _bytes(body.keys.p256dh), _bytes(body.keys.auth)
        if not is_public_key(public_key) or len(auth_secret) != AUTH_SECRET_BYTES:
            raise Refused(
                Code.BAD_REQUEST,
                "`keys` are not those of a subscription. Send `p256dh` and `auth` as `PushSubscription.toJSON()` gives them.",
            )
        _check_endpoint(body.endpoint)
        quiet_from, quiet_to = _hour(body.quiet_from), _hour(body.quiet_to)
        if (quiet_from is None) != (quiet_to is None) or (quiet_from is not None and quiet_from == quiet_to):
            raise Refused(
                Code.BAD_REQUEST,
                "Quiet hours need `quiet_from` and `quiet_to`, at different times, or neither of them.",
            )
        try:
            async with self._owner.transaction() as connection:
                # PostgreSQL has a list of zones of its own.
                if zone is None or not await queries.knows_zone(connection, time_zone=zone):
                    raise Refused(
                        Code.BAD_REQUEST, f"{body.time_zone!r} is no time zone. Send a name such as Europe/Berlin."
                    )
                row = await queries.put_device(
                    connection,
                    user_id=user.user_id,
                    session_id=user.session_id,
                    endpoint=body.endpoint,
                    public_key=public_key,
                    auth_secret=auth_secret,
                    kinds=[kind for kind in KINDS if kind in body.kinds],
                    time_zone=zone,
                    quiet_from=quiet_from,
                    quiet_to=quiet_to,
                )
                if row is None:
                    raise Refused(
                        Code.CONFLICT,
                        "This endpoint is known with other keys. Unsubscribe in the browser, subscribe again, and send the new one.",
                    )
                await queries.delete_oldest(connection, user_id=user.user_id, count=DEVICES_MAX)
        except StoreConflict as error:
            if error.constraint not in (_USER_CONSTRAINT, _SESSION_CONSTRAINT):
                raise
            raise Refused(Code.UNAUTHENTICATED, "This account is gone. Sign in again.") from error
        return Answer(document=_device(row))

    async def delete_device(self, call: Call) -> Answer:
        """`DELETE /api/me/push/{device}`."""
        async with self._owner.connection() as connection:
            found = await queries.delete_device(connection, user_id=call.user.user_id, id=call.id("device"))
        if found is None:
            raise Refused(Code.NOT_FOUND, "You have no such device.")
        return Answer()


def _device(row: Any) -> Device:
    return Device(
        id=row["id"],
        endpoint=row["endpoint"],
        kinds=row["kinds"],
        time_zone=row["time_zone"],
        quiet_from=_text(row["quiet_from"]),
        quiet_to=_text(row["quiet_to"]),
        created_at=iso(row["created_at"]),
    )


def _check_endpoint(endpoint: str) -> None:
    """Checks the form. Where it leads is checked before each connection."""
    try:
        url = parse_url(endpoint)
    except ValueError as error:
        raise Refused(Code.BAD_REQUEST, str(error).replace("`url`", "`endpoint`")) from None
    if url.scheme != "https":
        raise Refused(
            Code.BAD_REQUEST, "`endpoint` must start with https://. Send the one of the browser's subscription."
        )


def _bytes(text: str) -> bytes:
    """Bytes in base64url, with or without padding; empty: it is none."""
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""


def _hour(text: str | None) -> dt.time | None:
    return None if text is None else dt.time.fromisoformat(text)


def _text(hour: dt.time | None) -> str | None:
    return None if hour is None else f"{hour:%H:%M}"
