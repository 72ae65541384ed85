"""Ticket codes: a show may accept votes only from users who redeemed the code of a ticket (docs/adr/0015).

A code can be redeemed once, by one user, for one show. The user's next cast is accepted. ticket_codes.py hashes codes and
judges those that are given.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

import msgspec
import structlog

from server.errors import CacheError, Refused
from server.moderation.logs import refuse_stale, write_audit_log
from server.people.queries import tickets as queries
from server.people.ticket_codes import CODE_CHARS_MAX, keyed_hash, make_code, refuse_guessable, unkeyed_hash
from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PreviewQuery, Revision
from server.store.database import Database
from server.store.named_queries import columns
from server.store.rule_changes import ChangeRules, rehearsed

if TYPE_CHECKING:
    from server.store.database import Connection

log = structlog.get_logger()

CODES_PER_REQUEST_MAX = 2_000

TicketCode = Annotated[str, msgspec.Meta(min_length=1, max_length=CODE_CHARS_MAX)]


class RedeemBody(msgspec.Struct, frozen=True):
    """The code on the ticket. Its case, spaces and dashes do not matter."""

    code: TicketCode


class Redeemed(msgspec.Struct, frozen=True):
    """The show that accepts votes of the user now."""

    show: int


class OwnTicket(msgspec.Struct, frozen=True):
    """Whether the user has redeemed a code for the show."""

    has_ticket: bool


class CodesBody(msgspec.Struct, frozen=True, kw_only=True):
    """Either `codes`: existing codes to add; or `make`: the number of new codes."""

    codes: Annotated[list[TicketCode], msgspec.Meta(min_length=1, max_length=CODES_PER_REQUEST_MAX)] | None = None
    make: Annotated[int, msgspec.Meta(ge=1, le=CODES_PER_REQUEST_MAX)] | None = None


class NewCodes(msgspec.Struct, frozen=True):
    """The number of added codes, and the codes that were made. They are shown only this once; a preview makes none."""

    added: int
    codes: list[str]
    is_preview: bool


Source = Literal["code", "work", "mail"]


class TicketsBody(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a vote on the show requires a ticket, and how fans get one: by a code, by work of their device, by a confirmed email.
    With `revision`, the change is refused if somebody else changed the show after it.
    """

    requires_ticket: bool
    source: Source = "code"
    revision: Revision | None = None


class TicketsEffect(msgspec.Struct, frozen=True, kw_only=True):
    """What an act does for fans. `votes_kept`: votes of the show, which stay. `fans_stopped`: fans who have voted, and cannot
    vote on until they have a ticket.
    """

    is_preview: bool
    votes_kept: int
    fans_stopped: int


class Tickets(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a vote requires a ticket, how fans get one, and the numbers of codes and of redeemed codes. `effect` is what the
    act that was asked for does, or would do; null: nothing was asked for.
    """

    requires_ticket: bool
    source: Source
    code_count: int
    redeemed_count: int
    revision: int
    effect: TicketsEffect | None = None


class TicketLimits(Protocol):
    """Limits the attempts to redeem a code, over all nodes (node.RateLimits). Raises Refused(rate_limited, unavailable)."""

    async def count_redemption(self, user_id: int, address: str, show_id: int, /) -> None:
        """Counts an attempt of a user, and refuses it while the address or the show had too many wrong codes."""

    async def count_earning(self, user_id: int, /) -> None:
        """Counts an attempt to earn a ticket."""

    async def count_wrong_code(self, address: str, show_id: int, /) -> None:
        """Counts a wrong code."""


class TicketRoutes:
    """The endpoints of tickets.

    Takes: grant, records in the hot copy that a user has a ticket for a show; raises CacheError;
           limits, of the attempts;
           find_show, gives the id of a show for an id or slug; raises Refused(not_found);
           change_rules, on all nodes
    """

    def __init__(
        self,
        database: Database,
        secret: str,
        grant: Callable[[int, int], Awaitable[None]],
        limits: TicketLimits,
        find_show: Callable[[str], Awaitable[int]],
        *,
        change_rules: ChangeRules,
    ) -> None:
        self._database = database
        self._secret = secret
        self._grant = grant
        self._limits = limits
        self._find_show = find_show
        self._change_rules = change_rules

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        path = "/api/admin/shows/{show}/tickets"
        return [
            Endpoint(
                method="POST", path="/api/shows/{show}/ticket", handler=self.post_ticket, access="user",
                body=RedeemBody, answer=Redeemed, codes=(Code.NOT_FOUND, Code.CONFLICT), slugs=("show",),
                summary="Redeem the code of your ticket for a show that requires one. Repeating it changes nothing.",
            ),
            Endpoint(
                method="GET", path="/api/shows/{show}/ticket", handler=self.get_ticket, access="user", answer=OwnTicket,
                codes=(Code.NOT_FOUND,), slugs=("show",), summary="Say whether you have redeemed a code for the show.",
            ),
            Endpoint(
                method="GET", path=path, handler=self.get_tickets, access="admin", answer=Tickets,
                slugs=("show",), summary="Say whether a show requires tickets, and count its codes.",
            ),
            Endpoint(
                method="PUT", path=path, handler=self.put_tickets, access="admin", query=PreviewQuery,
                body=TicketsBody, answer=Tickets, codes=(Code.CONFLICT,), slugs=("show",),
                summary="Require a ticket for votes on a show, or stop requiring it. Existing votes stay.",
            ),
            Endpoint(
                method="POST", path=path, handler=self.post_codes, access="admin", query=PreviewQuery,
                body=CodesBody, status=201, answer=NewCodes, slugs=("show",),
                summary="Add given codes to a show, or make new ones. Codes that the show already has are skipped.",
            ),
        ]  # fmt: skip

    async def post_ticket(self, call: Call) -> Answer:
        """`POST /api/shows/{show}/ticket`."""
        show_id, user = await self._find_show(call.path["show"]), call.user
        await self._limits.count_redemption(user.user_id, call.address, show_id)
        unkeyed = unkeyed_hash(show_id, call.body.code)
        async with self._database.acting(user) as connection:
            outcome = await queries.redeem_ticket(
                connection, show_id=show_id, code_hash=keyed_hash(self._secret, unkeyed), unkeyed_hash=unkeyed
            )
        match outcome:
            case "refused":
                await self._limits.count_wrong_code(call.address, show_id)
                # The same answer for a code that does not exist and for one that is used: it helps nobody to guess.
                raise Refused(
                    Code.NOT_FOUND,
                    "This code gives no ticket for this show. Check the code on your ticket; each code works once. "
                    "If it is right, ask the seller of your ticket.",
                )
            case "held":
                raise Refused(Code.CONFLICT, "You already have a ticket for this show. The code was not used.")
        try:
            await self._grant(show_id, user.user_id)
        except CacheError as error:
            # The ticket is redeemed anyway: the next cast of the user reads it from the database.
            log.warning("ticket.not_granted", show=show_id, error=str(error))
        return Answer(document=Redeemed(show_id))

    async def get_ticket(self, call: Call) -> Answer:
        """`GET /api/shows/{show}/ticket`."""
        show_id, user = await self._find_show(call.path["show"]), call.user
        async with self._database.acting(user) as connection:
            has_ticket = await queries.has_ticket(connection, show_id=show_id, user_id=user.user_id)
        if has_ticket is None:
            raise Refused(Code.NOT_FOUND, "No such show. Check its id or slug.")
        return Answer(document=OwnTicket(has_ticket))

    async def get_tickets(self, call: Call) -> Answer:
        """`GET /api/admin/shows/{show}/tickets`."""
        show_id = await self._find_show(call.path["show"])
        async with self._database.acting(call.user) as connection:
            return Answer(document=await _fetch(connection, show_id))

    async def put_tickets(self, call: Call) -> Answer:
        """`PUT /api/admin/shows/{show}/tickets`."""
        show_id, is_preview = await self._find_show(call.path["show"]), call.query.preview
        is_required, source = call.body.requires_ticket, call.body.source
        acting = self._database.acting(call.user, is_preview=is_preview)
        async with rehearsed(acting) if is_preview else self._change_rules(acting) as change:
            connection = change.connection
            await change.hold([show_id])
            await queries.lock_show(connection, show_id=show_id)
            before = await _fetch(connection, show_id)
            await refuse_stale(connection, f"show:{show_id}", before.revision, call.body.revision)
            if before.requires_ticket != is_required:
                await queries.require_ticket(connection, show_id=show_id, is_required=is_required)
                detail = {"requires_ticket": [before.requires_ticket, is_required]}
                await write_audit_log(connection, call.user, "show.tickets", f"show:{show_id}", detail)
            if before.source != source:
                await queries.set_ticket_source(connection, show_id=show_id, source=source)
                detail_of_source = {"source": [before.source, source]}
                await write_audit_log(connection, call.user, "show.tickets", f"show:{show_id}", detail_of_source)
            after = await _fetch(connection, show_id)
            row = await queries.effect_of_tickets(connection, show_id=show_id)
            effect = TicketsEffect(**columns(row), is_preview=is_preview)
        return Answer(document=msgspec.structs.replace(after, effect=effect))

    async def post_codes(self, call: Call) -> Answer:
        """`POST /api/admin/shows/{show}/tickets`."""
        show_id, body, is_preview = await self._find_show(call.path["show"]), call.body, call.query.preview
        if (body.codes is None) == (body.make is None):
            raise Refused(Code.BAD_REQUEST, "Give exactly one of `codes` and `make`.")
        made = [make_code() for _ in range(body.make or 0)]
        refuse_guessable(body.codes or ())
        unkeyed = [unkeyed_hash(show_id, code) for code in body.codes or made]
        hashes = [keyed_hash(self._secret, one) for one in unkeyed]
        async with self._database.acting(call.user, is_preview=is_preview) as connection:
            await _fetch(connection, show_id)
            added = await queries.insert_codes(connection, show_id=show_id, code_hashes=hashes, unkeyed_hashes=unkeyed)
            await write_audit_log(connection, call.user, "show.codes", f"show:{show_id}", {"added": added})
        return Answer(document=NewCodes(added, [] if is_preview else made, is_preview))


async def _fetch(connection: Connection, show_id: int) -> Tickets:
    row = await queries.fetch_tickets(connection, show_id=show_id)
    if row is None:
        raise Refused(Code.NOT_FOUND, "No such show.")
    return Tickets(**columns(row))
