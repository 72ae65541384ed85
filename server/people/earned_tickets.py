"""Tickets that a fan earns: by some seconds of work of the own device, or by a confirmed email.

Work (a proof of work, by altcha) only raises the price of many accounts. It proves no person: who has machines buys a thousand
tickets for some cents. A confirmed email costs more to fake, and still proves no person; a mailbox gives one ticket for a show.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import structlog
from altcha.v1 import ChallengeOptions, create_challenge, extract_params, verify_solution

from server.clock import Clock
from server.errors import CacheError, Refused
from server.people.mailboxes import mailbox_hash
from server.people.queries import tickets as queries
from server.people.tickets import Redeemed, TicketLimits
from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.store.database import Database

if TYPE_CHECKING:
    from altcha.v1 import PayloadType

log = structlog.get_logger()

# A device tries half as many hashes on average: some seconds of a phone.
WORK_MAX = 50_000
WORK_LASTS_S = 600
PAYLOAD_CHARS_MAX = 300


class Work(msgspec.Struct, frozen=True):
    """Work for a device: find the number up to `maxnumber` for which SHA-256 of `salt` and the number is `challenge`."""

    algorithm: Literal["SHA-256"]
    challenge: str
    maxnumber: int
    salt: str
    signature: str


_Text = Annotated[str, msgspec.Meta(max_length=PAYLOAD_CHARS_MAX)]


class DoneWork(msgspec.Struct, frozen=True):
    """The work as it was given, and the number that was found."""

    challenge: _Text
    salt: _Text
    signature: _Text
    number: Annotated[int, msgspec.Meta(ge=0, le=WORK_MAX)]


class EarnBody(msgspec.Struct, frozen=True):
    """What was done for the ticket: `work`; null where a confirmed email is asked for."""

    work: DoneWork | None = None


class EarnedTicketRoutes:
    """The endpoints of earned tickets.

    Takes: secret, of the nodes, which signs work; the others as TicketRoutes
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        secret: str,
        grant: Callable[[int, int], Awaitable[None]],
        limits: TicketLimits,
        *,
        find_show: Callable[[str], Awaitable[int]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._secret = secret
        self._key = f"work:{secret}"
        self._grant = grant
        self._limits = limits
        self._find_show = find_show

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        return [
            Endpoint(
                method="GET", path="/api/shows/{show}/ticket/work", handler=self.get_work, access="user", answer=Work,
                codes=(Code.NOT_FOUND,), slugs=("show",), read="free",
                summary="Work for your device, for a ticket of a show that asks for it. It raises the price of many accounts, and proves nothing else.",
            ),
            Endpoint(
                method="POST", path="/api/shows/{show}/ticket/earned", handler=self.post_earned, access="user", body=EarnBody,
                answer=Redeemed, codes=(Code.NOT_FOUND, Code.CONFLICT), slugs=("show",),
                summary="Get the ticket of a show for work that was done, or for a confirmed email. Repeating it changes nothing.",
                description="A mailbox gives one ticket for a show, however it is spelled (`fan+1@…`) and in whichever account: "
                "`conflict` when another account has it.",
            ),
        ]  # fmt: skip

    async def get_work(self, call: Call) -> Answer:
        """`GET /api/shows/{show}/ticket/work`."""
        show_id = await self._find_show(call.path["show"])
        until = dt.datetime.fromtimestamp(self._clock.now_ms() / 1000 + WORK_LASTS_S, dt.UTC)
        made = create_challenge(
            ChallengeOptions(
                algorithm="SHA-256", max_number=WORK_MAX, hmac_key=self._key, expires=until,
                params={"show": str(show_id), "user": str(call.user.user_id)},
            )
        )  # fmt: skip
        return Answer(document=Work("SHA-256", made.challenge, made.max_number, made.salt, made.signature))

    async def post_earned(self, call: Call) -> Answer:
        """`POST /api/shows/{show}/ticket/earned`."""
        show_id, user, work = await self._find_show(call.path["show"]), call.user, call.body.work
        await self._limits.count_earning(user.user_id)
        if work is not None and not self._is_done(work, show_id, user.user_id):
            message = (
                "This work is not right, too old, or of another account or show. Ask for new work, and do it again."
            )
            raise Refused(Code.BAD_REQUEST, message)
        async with self._database.acting(user) as connection:
            source = await queries.ticket_source(connection, show_id=show_id)
            earned = "mail" if work is None else "work"
            address = await queries.confirmed_address(connection, user_id=user.user_id) if work is None else None
            code_hash = os.urandom(32) if address is None else mailbox_hash(self._secret, show_id, address)
            given = await queries.give_ticket(connection, show_id=show_id, earned=earned, code_hash=code_hash)
        if given == "refused":
            raise Refused(Code.FORBIDDEN, _WHY_REFUSED[source or "code"])
        if given == "taken":
            message = "Another account has the ticket of this mailbox. Each mailbox gives one for a show: vote with the account that has it."
            raise Refused(Code.CONFLICT, message)
        try:
            await self._grant(show_id, user.user_id)
        except CacheError as error:
            # The next cast of the user reads the ticket from the database.
            log.warning("ticket.not_granted", show=show_id, error=str(error))
        return Answer(document=Redeemed(show_id))

    def _is_done(self, work: DoneWork, show_id: int, user_id: int) -> bool:
        payload: PayloadType = {
            "algorithm": "SHA-256", "challenge": work.challenge, "number": work.number, "salt": work.salt,
            "signature": work.signature,
        }  # fmt: skip
        is_right, _ = verify_solution(payload, self._key, check_expires=True)
        params = extract_params(payload) if is_right else {}
        return params.get("show") == [str(show_id)] and params.get("user") == [str(user_id)]


_WHY_REFUSED = {
    "mail": "This show takes votes of fans with a confirmed email. Confirm yours on the page of your account first.",
    "work": "This show asks for work of your device first.",
    "code": "This show takes votes with the code of a ticket.",
}
