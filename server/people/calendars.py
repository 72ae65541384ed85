"""A fan's calendar: the shows to which they go, and those of the artists whom they follow.

A calendar program cannot sign in, so whoever has the address of a calendar reads it. The address ends when the fan renews or
deletes it, and with the account.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime
from uuid import UUID

import msgspec

from server.errors import Refused
from server.people.queries import calendars as queries
from server.protocol.calendars import PAST, SHOWS_MAX, CalendarShow, show_of_row
from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.identity import Identity
from server.protocol.ids import parse_id
from server.store.database import Database

_PURPOSE = b"mysetlist-calendar"
_SIGNATURE_BYTES = 18


class CalendarFeed(msgspec.Struct, frozen=True):
    """The path of your calendar, for a calendar program; null: you have none. Whoever has it sees to which shows you go."""

    path: str | None


class CalendarRoutes:
    """The endpoints with which fans make and renew the address of their calendar. Takes: secret, of the service."""

    def __init__(self, db: Database, secret: str) -> None:
        self._db = db
        self._secret = secret

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        path = "/api/me/calendar"
        return [
            Endpoint(
                method="GET", path=path, handler=self.get_calendar, access="user", answer=CalendarFeed,
                summary="Show the address of your calendar.",
            ),
            Endpoint(
                method="POST", path=path, handler=self.post_calendar, access="user", answer=CalendarFeed,
                summary="Make your calendar, or give it a new address. The address before ends at once.",
            ),
            Endpoint(
                method="DELETE", path=path, handler=self.delete_calendar, access="user", status=204,
                summary="Delete your calendar. Its address ends at once.",
            ),
        ]  # fmt: skip

    async def get_calendar(self, call: Call) -> Answer:
        """`GET /api/me/calendar`."""
        async with self._db.acting(call.user) as connection:
            nonce = await queries.fetch_nonce(connection, user_id=call.user.user_id)
        return Answer(document=self._feed(call.user.user_id, nonce))

    async def post_calendar(self, call: Call) -> Answer:
        """`POST /api/me/calendar`."""
        async with self._db.acting(call.user) as connection:
            nonce = await queries.renew_nonce(connection, user_id=call.user.user_id)
        return Answer(document=self._feed(call.user.user_id, nonce))

    async def delete_calendar(self, call: Call) -> Answer:
        """`DELETE /api/me/calendar`."""
        async with self._db.acting(call.user) as connection:
            await queries.delete_feed(connection, user_id=call.user.user_id)
        return Answer()

    def _feed(self, user_id: int, nonce: UUID | None) -> CalendarFeed:
        return CalendarFeed(None if nonce is None else f"/calendars/{token_of(self._secret, user_id, nonce)}.ics")


def token_of(secret: str, user_id: int, nonce: UUID) -> str:
    """The part of a calendar's address that opens it."""
    signed = hmac.digest(secret.encode(), b"%s %d %s" % (_PURPOSE, user_id, nonce.bytes), hashlib.sha256)
    return f"{user_id}-{base64.urlsafe_b64encode(signed[:_SIGNATURE_BYTES]).decode()}"


async def fetch_calendar_of_user(db: Database, secret: str, token: str, *, now: datetime) -> list[CalendarShow]:
    """The shows of the calendar that a token opens.

    Raises: Refused: not_found
    """
    user_id = parse_id(token.partition("-")[0])
    if user_id is None or not token.isascii():
        raise _no_calendar()
    # Acts for the owner before the token is checked, and gives nothing away until then.
    async with db.acting(Identity(user_id, "user"), is_snapshot=True) as connection:
        nonce = await queries.fetch_nonce(connection, user_id=user_id)
        if nonce is None or not hmac.compare_digest(token, token_of(secret, user_id, nonce)):
            raise _no_calendar()
        shows = queries.shows_of_user(connection, user_id=user_id, since=now - PAST, count=SHOWS_MAX)
        return [show_of_row(show) async for show in shows]


def _no_calendar() -> Refused:
    return Refused(Code.NOT_FOUND, "No such calendar. Its owner may have renewed the address: copy it again.")
