"""A fan's address and wishes, and the links in letters."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec

from server.clock import Clock
from server.errors import Refused, StoreConflict
from server.mail import pages
from server.mail.enqueuer import queries
from server.mail.items import CONFIRMATIONS_PER_HOUR_MAX, KINDS, Frequency, Kind, confirmation_about
from server.mail.tokens import mailbox_hash, read_confirmation, read_unsubscribe
from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.identity import Identity
from server.protocol.instants import from_ms, ms_of
from server.store.database import Database

ADDRESS_CHARS_MAX = 254
LINK_TOKEN_CHARS_MAX = 1_000
UNSUBSCRIBE_PATH = "/unsubscribe"
_HOUR = timedelta(hours=1)
_ACCOUNT_CONSTRAINT = "email_preferences_user_id_fkey"

# A dot-atom and a host name with a dot (RFC 5321, section 4.1.2), in ASCII: a name in another script is given as its
# host's A-label. No comments, no quotes, no line break at the end, which `$` alone would let through.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
ADDRESS_PATTERN = rf"^{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_LABEL}$(?!\n)"

Address = Annotated[
    str,
    msgspec.Meta(
        min_length=3, max_length=ADDRESS_CHARS_MAX, pattern=ADDRESS_PATTERN, extra_json_schema={"format": "email"}
    ),
]
Kinds = Annotated[list[Kind], msgspec.Meta(max_length=len(KINDS))]
StoppedBy = Literal["link", "bounce", "complaint", "staff"]


class EmailBody(msgspec.Struct, frozen=True):
    """Where letters go, how often, and about what."""

    address: Address
    frequency: Frequency = "immediately"
    kinds: Kinds = msgspec.field(default_factory=lambda: list(KINDS))


class EmailAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a fan has asked for, and whether letters come.

    `is_confirmed`: nothing but the confirmation is sent before. `can_send`: false on a service without a mail server;
    what is asked for is kept, nothing is sent, and once it can, asking again sends the confirmation. `stopped_by`: why a
    confirmed address gets nothing all the same, null: it does; `link` ends when its owner asks for letters again.
    """

    address: str | None
    frequency: Frequency
    kinds: list[Kind]
    is_confirmed: bool
    can_send: bool
    stopped_by: StoppedBy | None


class LinkQuery(msgspec.Struct, frozen=True):
    """What stands in the link of a letter."""

    token: Annotated[
        str, msgspec.Meta(min_length=1, max_length=LINK_TOKEN_CHARS_MAX, description="As it stands in the letter.")
    ]


class MailRoutes:
    """Mail over HTTP.

    Takes: requests, where row security holds; owner, for the hashes of addresses, which no request may read
    """

    def __init__(self, requests: Database, owner: Database, clock: Clock, secret: str, *, can_send: bool) -> None:
        self._requests = requests
        self._owner = owner
        self._clock = clock
        self._secret = secret
        self._can_send = can_send

    def endpoints(self) -> list[Endpoint]:
        """What app serves."""
        return [
            Endpoint(
                method="GET", path="/api/me/email", handler=self.get_email, access="user", answer=EmailAnswer,
                summary="Where your letters go, how often, about what, and whether they come.",
            ),
            Endpoint(
                method="PUT", path="/api/me/email", handler=self.put_email, access="user", body=EmailBody,
                answer=EmailAnswer, codes=(Code.RATE_LIMITED,),
                summary="Ask for letters; an address that is not confirmed is sent a link, at most three an hour.",
            ),
            Endpoint(
                method="DELETE", path="/api/me/email", handler=self.delete_email, access="user", status=204,
                summary="Forget the address: no letters.",
            ),
            Endpoint(
                method="GET", path="/confirm-email", handler=self.get_confirm, query=LinkQuery, answer=str,
                media_type="text/html", summary="The link of a confirmation: letters may come from now on.",
            ),
            Endpoint(
                method="GET", path=UNSUBSCRIBE_PATH, handler=self.get_unsubscribe, query=LinkQuery, answer=str,
                media_type="text/html", summary="The link of every letter: a page with a button. Changes nothing.",
            ),
            Endpoint(
                method="POST", path=UNSUBSCRIBE_PATH, handler=self.post_unsubscribe, query=LinkQuery, answer=str,
                media_type="text/html", summary="No more letters to that address; one click (RFC 8058), from anywhere.",
            ),
        ]  # fmt: skip

    async def get_email(self, call: Call) -> Answer:
        """`GET /api/me/email`."""
        async with self._requests.acting(call.user) as connection:
            row = await queries.fetch_preferences(connection, user_id=call.user.user_id)
        return Answer(document=await self._answer(row))

    async def put_email(self, call: Call) -> Answer:
        """`PUT /api/me/email`."""
        body: EmailBody = call.body
        user_id = call.user.user_id
        try:
            async with self._requests.acting(call.user) as connection:
                row = await queries.save_preferences(
                    connection,
                    user_id=user_id,
                    address=body.address,
                    frequency=body.frequency,
                    kinds=[kind for kind in KINDS if kind in body.kinds],
                )
                if self._can_send and not row["is_confirmed"]:
                    await self._queue_confirmation(connection, user_id, body.address)
        except StoreConflict as error:
            if error.constraint != _ACCOUNT_CONSTRAINT:
                raise
            raise Refused(Code.UNAUTHENTICATED, "This account is gone. Sign in again.") from error
        if row["is_confirmed"] and body.frequency != "never":
            # Only who has shown that the address is theirs takes back what was said from it.
            async with self._owner.connection() as connection:
                await queries.resume_address(connection, address_hash=mailbox_hash(body.address))
        return Answer(document=await self._answer(row))

    async def delete_email(self, call: Call) -> Answer:
        """`DELETE /api/me/email`."""
        async with self._requests.acting(call.user) as connection:
            await queries.delete_preferences(connection, user_id=call.user.user_id)
        return Answer()

    async def get_confirm(self, call: Call) -> Answer:
        """`GET /confirm-email?token=`."""
        now = self._now()
        found = read_confirmation(self._secret, call.query.token, now=now)
        if found is None:
            return Answer(document=pages.GONE)
        user_id, address_hash = found
        async with self._requests.acting(Identity(user_id, "user")) as connection:
            confirmed = await queries.confirm_address(
                connection, user_id=user_id, address_hash=address_hash, instant=now
            )
        # Too late, another address by now, no such account: the page is the same.
        return Answer(document=pages.GONE if confirmed is None else pages.CONFIRMED)

    async def get_unsubscribe(self, call: Call) -> Answer:
        """`GET /unsubscribe?token=`: programs that look at links before people do must not unsubscribe anybody."""
        read_unsubscribe(self._secret, call.query.token)
        return Answer(document=pages.ask_unsubscribe(f"{UNSUBSCRIBE_PATH}?token={call.query.token}"))

    async def post_unsubscribe(self, call: Call) -> Answer:
        """`POST /unsubscribe?token=`: the button, and the one click of mail programs. Again: nothing more happens."""
        address_hash = read_unsubscribe(self._secret, call.query.token)
        async with self._owner.connection() as connection:
            await queries.stop_address(connection, address_hash=address_hash, reason="link", instant=self._now())
        return Answer(document=pages.UNSUBSCRIBED)

    async def _queue_confirmation(self, connection: Any, user_id: int, address: str) -> None:
        """Queues a confirmation, in the transaction that holds the user's row.

        Raises: Refused: rate_limited; then nothing of the transaction stays
        """
        now = self._now()
        rows = queries.fetch_confirmations(
            connection, user_id=user_id, since=now - _HOUR, count=CONFIRMATIONS_PER_HOUR_MAX
        )
        asked = [row["created_at"] async for row in rows]
        if len(asked) >= CONFIRMATIONS_PER_HOUR_MAX:
            raise Refused(
                Code.RATE_LIMITED,
                f"At most {CONFIRMATIONS_PER_HOUR_MAX} confirmations an hour are sent. Nothing was changed.",
                retry_after_ms=max(1, ms_of(asked[-1] + _HOUR) - ms_of(now)),
            )
        about = confirmation_about(address, ms_of(now))
        await queries.queue_confirmation(connection, user_id=user_id, about=about, instant=now)

    async def _answer(self, row: Any) -> EmailAnswer:
        if row is None:
            return EmailAnswer(
                address=None, frequency="never", kinds=[], is_confirmed=False, can_send=self._can_send, stopped_by=None
            )
        stopped_by = None
        if row["is_confirmed"]:
            # Not for others' addresses: it would say that somebody has asked for letters there before.
            async with self._owner.connection() as connection:
                stopped_by = await queries.fetch_stop(connection, address_hash=mailbox_hash(row["address"]))
        return EmailAnswer(**dict(row), can_send=self._can_send, stopped_by=stopped_by)

    def _now(self) -> datetime:
        return from_ms(self._clock.now_ms())
