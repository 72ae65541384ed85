"""Groups for staff: lists, evidence, decisions, and the rule of a show."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from server.abuse.decisions import SubmitDecision
from server.abuse.queries import groups as queries
from server.errors import Refused
from server.moderation.logs import refuse_stale, write_audit_log
from server.protocol.codes import Code
from server.protocol.http.cursors import IdCursor, cut_page, decode_cursor
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PageQuery, PreviewQuery, Revision
from server.protocol.instants import iso
from server.protocol.outcomes import FutureWaiter
from server.store.database import Database
from server.store.named_queries import columns

if TYPE_CHECKING:
    from server.store.database import Connection

State = Literal["open", "set_aside", "restored", "void"]
REASON_CHARS_MAX = 500
# A request waits this long for the commits of a large group.
ANSWER_AFTER_S = 8.0
APPLIED_EVERY_S = 0.25

_ACTIONS = {"set_aside": "group.set-aside", "restored": "group.restore", "void": "group.void"}


class GroupQuery(PageQuery, frozen=True, kw_only=True):
    """The groups to list: those of one state, or all of them without `state`."""

    state: State | None = None


class DecisionBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A decision on a group. `void` withdraws its votes for good; the others can be changed again."""

    decision: Literal["set_aside", "restored", "void"]
    reason: Annotated[str, msgspec.Meta(max_length=REASON_CHARS_MAX)] = ""


class RuleBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether groups of a show are set aside when they are found, without a person. With `revision`, the change is refused if
    somebody else changed the show after it.
    """

    is_automatic: bool
    revision: Revision | None = None


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """The rule of a show for groups."""

    show_id: int
    is_automatic: bool
    revision: int


class Reason(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One sign of a group, in words; its weight is a part of the score. The kind `target` has the song and the choice."""

    kind: str
    weight: float
    words: str
    song: int | None = None
    choice: Literal["up", "down"] | None = None


class VoteGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Ballots that look like the work of one hand. `state` says whether they count; it follows `decision` within a moment."""

    id: int
    show_id: int
    show_name: str
    state: State
    decision: State
    score: float
    reasons: list[Reason]
    ballot_count: int
    began_at: str
    ended_at: str
    found_at: str
    decided_by: int | None
    decided_at: str | None


class VoteGroupPage(msgspec.Struct, frozen=True):
    """A page of groups."""

    items: list[VoteGroup]
    next: str | None


class GroupVotes(msgspec.Struct, frozen=True, kw_only=True):
    """The votes of a group on one song: what leaves the counts, or comes back."""

    song_id: int
    title: str
    up: int
    down: int


class VoteGroupDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A group with its votes by song."""

    group: VoteGroup
    votes: list[GroupVotes]


class GroupMember(msgspec.Struct, frozen=True, kw_only=True):
    """One ballot of a group: its account, and its votes, each `[song, choice]`, in order."""

    user_id: int
    made_at: str
    is_set_aside: bool
    first_at: str | None
    votes: list[tuple[int, Literal["up", "down"]]]


class GroupMemberPage(msgspec.Struct, frozen=True):
    """A page of members."""

    items: list[GroupMember]
    next: str | None


class DecisionEffect(msgspec.Struct, frozen=True, kw_only=True):
    """The effect of a decision: the ballots that leave the counts or come back, and their votes up and down. `withdrawn`: votes that
    are withdrawn for good, counted or not.
    """

    is_preview: bool
    ballots: int
    up: int
    down: int
    withdrawn: int


class GroupDecision(msgspec.Struct, frozen=True, kw_only=True):
    """A decision. `at`: the first position whose counts of the show include it. `accepted`: the counts follow, because the group is large or
    PostgreSQL does not answer. A preview has no position. `effect`: null when the request repeats a decision.
    """

    id: int
    decision: State
    at: int | None
    durability: Literal["committed", "accepted"] | None
    effect: DecisionEffect | None


class GroupRoutes:
    """The endpoints of groups.

    Takes: database, in the role of requests; submit_decision, of the intake; find_show, id or slug -> show id, raises
           Refused(not_found)
    """

    def __init__(
        self, database: Database, submit_decision: SubmitDecision, find_show: Callable[[str], Awaitable[int]]
    ) -> None:
        self._database = database
        self._submit_decision = submit_decision
        self._find_show = find_show

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        return [
            Endpoint(
                method="GET", path="/api/admin/groups", handler=self.get_groups, access="moderator", query=GroupQuery,
                answer=VoteGroupPage, summary="List groups of ballots that look like the work of one hand, newest first.",
            ),
            Endpoint(
                method="GET", path="/api/admin/shows/{show}/groups", handler=self.get_groups_of_show, access="moderator",
                query=GroupQuery, answer=VoteGroupPage, codes=(Code.NOT_FOUND,), slugs=("show",),
                summary="List the groups of a show, newest first.",
            ),
            Endpoint(
                method="GET", path="/api/admin/groups/{group}", handler=self.get_group, access="moderator",
                answer=VoteGroupDetail, codes=(Code.NOT_FOUND,), summary="A group, its reasons, and its votes by song.",
            ),
            Endpoint(
                method="GET", path="/api/admin/groups/{group}/members", handler=self.get_members, access="moderator",
                query=PageQuery, answer=GroupMemberPage, codes=(Code.NOT_FOUND,), summary="List the ballots of a group.",
            ),
            Endpoint(
                method="POST", path="/api/admin/groups/{group}", handler=self.post_group, access="moderator",
                query=PreviewQuery, body=DecisionBody, answer=GroupDecision, codes=(Code.NOT_FOUND, Code.CONFLICT, Code.OVERLOADED, Code.UNAVAILABLE),
                summary="Set a group's votes aside, restore them, or void them for good. After the answer no count differs.",
            ),
            Endpoint(
                method="GET", path="/api/admin/shows/{show}/group-rule", handler=self.get_rule, access="moderator", answer=Rule,
                codes=(Code.NOT_FOUND,), slugs=("show",), summary="Whether groups of a show are set aside without a person.",
            ),
            Endpoint(
                method="PUT", path="/api/admin/shows/{show}/group-rule", handler=self.put_rule, access="moderator",
                query=PreviewQuery, body=RuleBody, answer=Rule, codes=(Code.NOT_FOUND, Code.CONFLICT), slugs=("show",),
                summary="Say whether groups of a show are set aside when they are found, without a person.",
            ),
        ]  # fmt: skip

    async def get_groups(self, call: Call) -> Answer:
        """`GET /api/admin/groups`."""
        return await self._list(call, None)

    async def get_groups_of_show(self, call: Call) -> Answer:
        """`GET /api/admin/shows/{show}/groups`."""
        return await self._list(call, await self._find_show(call.path["show"]))

    async def _list(self, call: Call, show_id: int | None) -> Answer:
        query = call.query
        after = decode_cursor(query.cursor, IdCursor) if query.cursor else None
        async with self._database.acting(call.user) as connection:
            if show_id is not None:
                await _fetch_rule(connection, show_id)  # Raises for a show that does not exist.
            listed = queries.list_groups(
                connection,
                show_id=show_id,
                state=query.state,
                after_id=after.id if after else None,
                count=query.limit + 1,
            )
            rows = [row async for row in listed]
        page, following = cut_page(rows, query.limit, lambda last: IdCursor(last["id"]))
        return Answer(document=VoteGroupPage([_group(row) for row in page], following))

    async def get_group(self, call: Call) -> Answer:
        """`GET /api/admin/groups/{group}`."""
        async with self._database.acting(call.user) as connection:
            row = await queries.find_group(connection, id=call.id("group"))
            if row is None:
                raise _no_group()
            votes = [GroupVotes(**columns(vote)) async for vote in queries.votes_of_group(connection, id=row["id"])]
        return Answer(document=VoteGroupDetail(group=_group(row), votes=votes))

    async def get_members(self, call: Call) -> Answer:
        """`GET /api/admin/groups/{group}/members`."""
        query = call.query
        after = decode_cursor(query.cursor, IdCursor) if query.cursor else None
        group_id = call.id("group")
        async with self._database.acting(call.user) as connection:
            if await queries.find_group(connection, id=group_id) is None:
                raise _no_group()
            listed = queries.list_members(
                connection, group_id=group_id, after_user=after.id if after else None, count=query.limit + 1
            )
            rows = [row async for row in listed]
        page, following = cut_page(rows, query.limit, lambda last: IdCursor(last["user_id"]))
        items = [
            GroupMember(
                user_id=row["user_id"], made_at=iso(row["made_at"]), is_set_aside=row["is_set_aside"],
                first_at=None if row["first_at"] is None else iso(row["first_at"]), votes=msgspec.json.decode(row["votes"]),
            )
            for row in page
        ]  # fmt: skip
        return Answer(document=GroupMemberPage(items, following))

    async def post_group(self, call: Call) -> Answer:
        """`POST /api/admin/groups/{group}`."""
        group_id, is_preview = call.id("group"), call.query.preview
        show_id, effect = await self._decide(call, group_id)
        told: dict[str, Any] = {"id": group_id, "decision": call.body.decision, "effect": effect}
        if is_preview:
            return Answer(document=GroupDecision(**told, at=None, durability=None))
        at = await self._applied_at(call, group_id)
        durability: Literal["committed", "accepted"] = "committed"
        if at is None:  # Else the request repeats a decision that the counts have.
            waiter = FutureWaiter()
            self._submit_decision(group_id, show_id, waiter)
            outcome = await waiter.outcome
            if outcome.durability == "committed":
                # A large group takes several commits; server/abuse/decisions.py hands in their notes.
                until_s = time.monotonic() + ANSWER_AFTER_S
                # This polls, because another node may make the last commit.
                while (at := await self._applied_at(call, group_id)) is None and time.monotonic() < until_s:  # noqa: ASYNC110
                    await asyncio.sleep(APPLIED_EVERY_S)
            if at is None:
                at, durability = outcome.at, "accepted"
        return Answer(document=GroupDecision(**told, at=at, durability=durability))

    async def _decide(self, call: Call, group_id: int) -> tuple[int, DecisionEffect | None]:
        """Stores the decision of a request; gives its show and its effect. A repeated request finds its own decision, and changes
        nothing.
        """
        body, user, is_preview = call.body, call.user, call.query.preview
        async with self._database.acting(user, is_preview=is_preview) as connection:
            decided = await queries.decide(connection, id=group_id, decision=body.decision, decided_by=user.user_id)
            if decided is not None:
                detail = {"show": decided["show_id"], "reason": body.reason}
                await write_audit_log(connection, user, _ACTIONS[body.decision], f"group:{group_id}", detail)
                row = await queries.effect_of_decision(connection, id=group_id, decision=body.decision)
                return int(decided["show_id"]), DecisionEffect(
                    is_preview=is_preview, ballots=row["ballots"], up=row["up"], down=row["down"],
                    withdrawn=row["votes"] if body.decision == "void" else 0,
                )  # fmt: skip
            found = await queries.find_group(connection, id=group_id)
        if found is None or is_preview or (found["decision"], found["decided_by"]) != (body.decision, user.user_id):
            raise _why_not(found)
        return int(found["show_id"]), None

    async def _applied_at(self, call: Call, group_id: int) -> int | None:
        """The position of the show's counts, once they have the whole decision of a request; None: they do not have it."""
        async with self._database.acting(call.user) as connection:
            at: int | None = await queries.applied_at(connection, id=group_id, decision=call.body.decision)
        return at

    async def get_rule(self, call: Call) -> Answer:
        """`GET /api/admin/shows/{show}/group-rule`."""
        show_id = await self._find_show(call.path["show"])
        async with self._database.acting(call.user) as connection:
            return Answer(document=await _fetch_rule(connection, show_id))

    async def put_rule(self, call: Call) -> Answer:
        """`PUT /api/admin/shows/{show}/group-rule`."""
        show_id, is_automatic = await self._find_show(call.path["show"]), call.body.is_automatic
        async with self._database.acting(call.user, is_preview=call.query.preview) as connection:
            await queries.lock_show(connection, show_id=show_id)
            before = await _fetch_rule(connection, show_id)
            await refuse_stale(connection, f"show:{show_id}", before.revision, call.body.revision)
            if before.is_automatic != is_automatic:
                await queries.set_group_rule(connection, show_id=show_id, is_automatic=is_automatic)
                detail = {"is_automatic": [before.is_automatic, is_automatic]}
                await write_audit_log(connection, call.user, "show.group-rule", f"show:{show_id}", detail)
            return Answer(document=await _fetch_rule(connection, show_id))


async def _fetch_rule(connection: Connection, show_id: int) -> Rule:
    row = await queries.group_rule(connection, show_id=show_id)
    if row is None:
        raise Refused(Code.NOT_FOUND, "No such show.")
    return Rule(**columns(row))


def _group(row: Any) -> VoteGroup:
    fields = {name: iso(value) if name.endswith("_at") and value is not None else value for name, value in row.items()}
    return VoteGroup(**(fields | {"reasons": msgspec.json.decode(row["reasons"], type=list[Reason])}))


def _no_group() -> Refused:
    return Refused(Code.NOT_FOUND, "No such group. Load the list of groups again.")


def _why_not(found: Any | None) -> Refused:
    """Explains why no group was decided on."""
    if found is None:
        return _no_group()
    if found["decision"] == "void":
        return Refused(Code.CONFLICT, "This group is void: its votes were withdrawn for good.")
    return Refused(Code.CONFLICT, "This was decided already. Load the group again.")
