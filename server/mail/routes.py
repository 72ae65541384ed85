"""The endpoints of mail: the address and preferences of a user, and the links in emails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from server.clock import Clock, utc_now
from server.errors import Refused, StoreConflict
from server.mail import pages
from server.mail.items import CONFIRMATIONS_PER_HOUR_MAX, KINDS, EmailKind, Frequency, confirmation_about
from server.mail.queries import routes as queries
from server.mail.tokens import mailbox_hash, read_confirmation, read_unsubscribe
from server.mail.unsubscribes import StoppedBy, fetch_stop, resume_address, stop_address
from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.identity import Identity
from server.protocol.instants import ms_of
from server.store.database import Database
from server.words.texts import Language, shipped

if TYPE_CHECKING:
    from server.store.database import Connection

ADDRESS_CHARS_MAX = 254
LINK_TOKEN_CHARS_MAX = 1_000
UNSUBSCRIBE_PATH = "/unsubscribe"
CONFIRM_PATH = "/confirm-email"
_HOUR = timedelta(hours=1)
_ACCOUNT_CONSTRAINT = "email_preferences_user_id_fkey"

# A dot-atom and a host name with a dot (RFC 5321, section 4.1.2), in ASCII: a host name in another script has to be
# given as its A-label. No comments and no quotes. `$` alone would accept a line break at the end.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
ADDRESS_PATTERN = rf"^{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_LABEL}$(?!\n)"

Address = Annotated[
    str,
    msgspec.Meta(
        min_length=3,
        max_length=ADDRESS_CHARS_MAX,
        pattern=ADDRESS_PATTERN,
        examples=["fan@example.org"],
        extra_json_schema={"format": "email"},
    ),
]
Kinds = Annotated[list[EmailKind], msgspec.Meta(max_length=len(KINDS))]


class EmailBody(msgspec.Struct, frozen=True):
    """The address, the frequency and the kinds of emails."""

    address: Address
    frequency: Frequency = "immediately"
    kinds: Kinds = msgspec.field(default_factory=lambda: list(KINDS))


class EmailAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The preferences of a user, and whether emails are sent.

    `is_confirmed`: before the confirmation, no other email is sent. `can_send`: false on a service without a mail server.
    The preferences are stored, but nothing is sent; once there is a mail server, saving them again sends the
    confirmation. `stopped_by`: the reason why a confirmed address gets no emails, null if it does. A stop by `link` ends
    when the user asks for emails again.
    """

    address: str | None
    frequency: Frequency
    kinds: list[EmailKind]
    is_confirmed: bool
    can_send: bool
    stopped_by: StoppedBy | None


class LinkQuery(msgspec.Struct, frozen=True):
    """The token of a link in an email."""

    token: Annotated[
        str,
        msgspec.Meta(
            min_length=1, max_length=LINK_TOKEN_CHARS_MAX, description="The token from the link in the email."
        ),
    ]


class MailRoutes:
    """The endpoints of mail.

    Takes: requests, the database of the request role, with row security; owner, the database of the owner, for hashes
           of addresses, which the request role may not read; count, counts confirmations by the address of the client;
           raises Refused(rate_limited); brand_of, the brand of a host
    """

    def __init__(
        self,
        requests: Database,
        owner: Database,
        clock: Clock,
        secret: str,
        count: Callable[[str], Awaitable[None]],
        *,
        brand_of: Callable[[str], pages.PageBrand | None],
        can_send: bool,
    ) -> None:
        self._requests = requests
        self._owner = owner
        self._clock = clock
        self._secret = secret
        self._count = count
        self._brand_of = brand_of
        self._can_send = can_send

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        return [
            Endpoint(
                method="GET", path="/api/me/email", handler=self.get_email, access="user", answer=EmailAnswer,
                summary="Show your email address and preferences, and whether emails are sent.",
            ),
            Endpoint(
                method="PUT", path="/api/me/email", handler=self.put_email, access="user", body=EmailBody,
                answer=EmailAnswer, codes=(Code.RATE_LIMITED,),
                summary="Save your email address and preferences. A new address gets a confirmation link, at most three an hour.",
            ),
            Endpoint(
                method="DELETE", path="/api/me/email", handler=self.delete_email, access="user", status=204,
                summary="Delete your email address. No more emails are sent.",
            ),
            Endpoint(
                method="GET", path=CONFIRM_PATH, handler=self.get_confirm, query=LinkQuery, answer=str,
                media_type="text/html", summary="The link of a confirmation email: shows a page with a button, and changes nothing.",
            ),
            Endpoint(
                method="POST", path=CONFIRM_PATH, handler=self.post_confirm, query=LinkQuery, answer=str,
                media_type="text/html", summary="Confirm the address of the token.",
            ),
            Endpoint(
                method="GET", path=UNSUBSCRIBE_PATH, handler=self.get_unsubscribe, query=LinkQuery, answer=str,
                media_type="text/html", summary="The unsubscribe link of an email: shows a page with a button, and changes nothing.",
            ),
            Endpoint(
                method="POST", path=UNSUBSCRIBE_PATH, handler=self.post_unsubscribe, query=LinkQuery, answer=str,
                media_type="text/html", summary="Unsubscribe the address of the token, also by one click (RFC 8058) from any site.",
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
        brand = self._brand_of(call.host)
        try:
            async with self._requests.acting(call.user) as connection:
                row = await queries.save_preferences(
                    connection,
                    user_id=user_id,
                    address=body.address,
                    frequency=body.frequency,
                    kinds=[kind for kind in KINDS if kind in body.kinds],
                    host="" if brand is None else brand.host,
                )
                if self._can_send and not row["is_confirmed"]:
                    # The address may be a stranger's.
                    await self._count(call.address)
                    await self._enqueue_confirmation(connection, user_id, body.address)
        except StoreConflict as error:
            if error.constraint != _ACCOUNT_CONSTRAINT:
                raise
            raise Refused(Code.UNAUTHENTICATED, "This account is gone. Sign in again.") from error
        if row["is_confirmed"] and body.frequency != "never":
            # Only a user who confirmed the address may undo its unsubscription.
            async with self._owner.connection() as connection:
                await resume_address(connection, mailbox_hash(body.address))
        return Answer(document=await self._answer(row))

    async def delete_email(self, call: Call) -> Answer:
        """`DELETE /api/me/email`."""
        async with self._requests.acting(call.user) as connection:
            await queries.delete_preferences(connection, user_id=call.user.user_id)
        return Answer()

    async def get_confirm(self, call: Call) -> Answer:
        """`GET /confirm-email?token=`. It changes nothing, because mail programs may open links before their user does."""
        reader = self._reader(call)
        if read_confirmation(self._secret, call.query.token, now=utc_now(self._clock)) is None:
            return Answer(document=pages.expired_page(*reader))
        return Answer(document=pages.confirm_page(*reader, f"{CONFIRM_PATH}?token={call.query.token}"))

    async def post_confirm(self, call: Call) -> Answer:
        """`POST /confirm-email?token=`, from the button. Repeating it changes nothing."""
        reader, now = self._reader(call), utc_now(self._clock)
        found = read_confirmation(self._secret, call.query.token, now=now)
        if found is None:
            return Answer(document=pages.expired_page(*reader))
        user_id, address_hash = found
        async with self._requests.acting(Identity(user_id, "user")) as connection:
            confirmed = await queries.confirm_address(
                connection, user_id=user_id, address_hash=address_hash, instant=now
            )
        # The page is the same for an expired link, a changed address and an erased account.
        return Answer(document=pages.expired_page(*reader) if confirmed is None else pages.confirmed_page(*reader))

    async def get_unsubscribe(self, call: Call) -> Answer:
        """`GET /unsubscribe?token=`. It changes nothing, because mail programs may open links before their user does."""
        read_unsubscribe(self._secret, call.query.token)
        target = f"{UNSUBSCRIBE_PATH}?token={call.query.token}"
        return Answer(document=pages.unsubscribe_page(*self._reader(call), target))

    async def post_unsubscribe(self, call: Call) -> Answer:
        """`POST /unsubscribe?token=`, from the button or by the one click of a mail program. Repeating it changes nothing."""
        address_hash = read_unsubscribe(self._secret, call.query.token)
        async with self._owner.connection() as connection:
            await stop_address(connection, address_hash, "link", utc_now(self._clock))
        return Answer(document=pages.unsubscribed_page(*self._reader(call)))

    def _reader(self, call: Call) -> tuple[Language, pages.PageBrand | None]:
        """The language and the brand of a page."""
        return shipped().language(call.language()), self._brand_of(call.host)

    async def _enqueue_confirmation(self, connection: Connection, user_id: int, address: str) -> None:
        """Enqueues a confirmation, in the transaction that locks the row of the user.

        Raises: Refused: rate_limited; the whole transaction is rolled back
        """
        now = utc_now(self._clock)
        rows = queries.fetch_confirmations(
            connection, user_id=user_id, since=now - _HOUR, count=CONFIRMATIONS_PER_HOUR_MAX
        )
        asked = [row["created_at"] async for row in rows]
        if len(asked) >= CONFIRMATIONS_PER_HOUR_MAX:
            raise Refused(
                Code.RATE_LIMITED,
                f"You asked for {CONFIRMATIONS_PER_HOUR_MAX} confirmations within an hour. Nothing was changed. Try again later.",
                retry_after_ms=max(1, ms_of(asked[-1] + _HOUR) - ms_of(now)),
            )
        about = confirmation_about(address, ms_of(now))
        await queries.enqueue_confirmation(connection, user_id=user_id, about=about, instant=now)

    async def _answer(self, row: Any) -> EmailAnswer:
        if row is None:
            return EmailAnswer(
                address=None, frequency="never", kinds=[], is_confirmed=False, can_send=self._can_send, stopped_by=None
            )
        stopped_by = None
        if row["is_confirmed"]:
            # Not for an unconfirmed address: it would reveal that others asked for emails to it.
            async with self._owner.connection() as connection:
                stopped_by = await fetch_stop(connection, mailbox_hash(row["address"]))
        return EmailAnswer(**dict(row), can_send=self._can_send, stopped_by=stopped_by)
