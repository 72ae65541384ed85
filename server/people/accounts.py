"""The administration of accounts: the list of users, their roles and their bans."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from server.clock import Clock, utc_now
from server.errors import Refused
from server.moderation.bans import Ban, BanKind, ban_from_row, list_active_bans
from server.moderation.logs import write_audit_log, write_moderation_log
from server.moderation.reports import ReasonText
from server.people.profiles import Counts, Profile, counts_of, profile_fields
from server.people.queries import accounts as queries
from server.protocol.codes import Code
from server.protocol.http.cursors import IdCursor, cut_page, decode_cursor
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PageQuery, PreviewQuery, Search
from server.protocol.identity import Identity, Role
from server.protocol.ids import parse_id
from server.protocol.instants import iso
from server.store.database import Database

if TYPE_CHECKING:
    from server.store.database import Connection

BAN_YEARS_MAX = 100  # a longer ban is permanent: leave `expires_at` out


class AccountQuery(PageQuery, frozen=True, kw_only=True):
    """The filters of the list of accounts. `q` is an id, a part of a display name, or a whole email address."""

    q: Search | None = None
    role: Role | None = None
    banned: bool | None = None


class RoleBody(msgspec.Struct, frozen=True):
    """The role of an account. A lower role takes effect within two seconds, a higher role with the next token. With `before`,
    the change is refused if the account has another role by now.
    """

    role: Role
    before: Role | None = None


class BanBody(msgspec.Struct, frozen=True, kw_only=True):
    """The kind, the reason and the end of a ban. Without `expires_at` it is permanent."""

    kind: BanKind
    reason: ReasonText
    expires_at: Annotated[dt.datetime, msgspec.Meta(tz=True)] | None = None


class AccountItem(msgspec.Struct, frozen=True, kw_only=True):
    """An account in a list."""

    id: int
    role: Role
    created_at: str
    display_name: str | None
    is_banned: bool


class AccountPage(msgspec.Struct, frozen=True):
    """A page of accounts."""

    items: list[AccountItem]
    next: str | None


class StaffBan(Ban, frozen=True, kw_only=True):
    """A ban as staff see it. Lifted and expired bans are included."""

    banned_by: int | None
    lifted_at: str | None


class NewBan(StaffBan, frozen=True, kw_only=True):
    """A ban that was made. `votes_kept`: votes of the account, which stay. `is_preview`: nothing was made."""

    votes_kept: int
    is_preview: bool


class Account(Profile, frozen=True, kw_only=True):
    """An account with its profile, its activity counts and its latest 100 bans."""

    role: Role
    counts: Counts
    bans: list[StaffBan]


class AccountRoutes:
    """The endpoints of accounts, for staff."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        path, missing, refusals = "/api/admin/users", (Code.NOT_FOUND,), (Code.NOT_FOUND, Code.CONFLICT)
        return [
            Endpoint(
                method="GET", path=path, handler=self.get_accounts, access="moderator", query=AccountQuery,
                answer=AccountPage, summary="List accounts, newest first.",
            ),
            Endpoint(
                method="GET", path=path + "/{user}", handler=self.get_account, access="moderator", answer=Account,
                codes=missing, summary="Show an account with its profile and its bans.",
            ),
            Endpoint(
                method="PATCH", path=path + "/{user}", handler=self.patch_account, access="admin", query=PreviewQuery,
                body=RoleBody, answer=Account, codes=refusals,
                summary="Change the role of an account. The last administrator keeps the role.",
            ),
            Endpoint(
                method="POST", path=path + "/{user}/bans", handler=self.post_ban, access="moderator",
                query=PreviewQuery, body=BanBody, status=201, answer=NewBan, codes=refusals, summary="Ban a user. Only an administrator can ban staff.",
            ),
            Endpoint(
                method="DELETE", path=path + "/{user}/bans/{ban}", handler=self.delete_ban, access="moderator",
                query=PreviewQuery, status=204, other_status=200, other_answer=Account, codes=missing,
                summary="Lift a ban. Repeating it changes nothing. A preview answers with the account as it would be.",
            ),
        ]  # fmt: skip

    async def get_accounts(self, call: Call) -> Answer:
        """`GET /api/admin/users`."""
        query = call.query
        after = decode_cursor(query.cursor, IdCursor) if query.cursor else None
        async with self._db.acting(call.identity) as connection:
            rows = [
                row
                async for row in queries.list_accounts(
                    connection,
                    name=query.q,
                    wanted=parse_id(query.q) if query.q else None,
                    role=query.role,
                    banned=query.banned,
                    after_id=after.id if after else None,
                    count=query.limit + 1,
                )
            ]
        page, following = cut_page(rows, query.limit, lambda last: IdCursor(last["id"]))
        items = [
            AccountItem(
                id=row["id"],
                role=row["role"],
                created_at=iso(row["created_at"]),
                display_name=row["display_name"],
                is_banned=row["is_banned"],
            )
            for row in page
        ]
        return Answer(document=AccountPage(items, following))

    async def get_account(self, call: Call) -> Answer:
        """`GET /api/admin/users/{user}`."""
        async with self._db.acting(call.identity) as connection:
            return Answer(document=await _fetch(connection, call.id("user")))

    async def patch_account(self, call: Call) -> Answer:
        """`PATCH /api/admin/users/{user}`."""
        user_id, role, actor = call.id("user"), call.body.role, call.user
        async with self._db.acting(actor, is_preview=call.query.preview) as connection:
            admins = {row["id"] async for row in queries.lock_admins(connection)}
            before = await _role_of(connection, user_id)
            if call.body.before not in (None, before):
                raise Refused(
                    Code.CONFLICT,
                    "Somebody else changed the role of this account since you read it: "
                    f"it is {before}, not {call.body.before}. Read it again, then repeat your change.",
                )
            if admins == {user_id} and role != "admin":
                raise Refused(Code.CONFLICT, "This is the last administrator. Give another account the role first.")
            if before != role:
                await queries.set_role(connection, user_id=user_id, role=role)
                await write_audit_log(connection, actor, "user.role", f"user:{user_id}", {"role": [before, role]})
            return Answer(document=await _fetch(connection, user_id))

    async def post_ban(self, call: Call) -> Answer:
        """`POST /api/admin/users/{user}/bans`."""
        user_id, body, actor, is_preview = call.id("user"), call.body, call.user, call.query.preview
        self._check_expiry(body.expires_at)
        async with self._db.acting(actor, is_preview=is_preview) as connection:
            await _check_may_ban(connection, actor, user_id)
            if any(ban.kind == body.kind for ban in await list_active_bans(connection, user_id)):
                raise Refused(Code.CONFLICT, "This user already has an active ban of this kind. Lift it first.")
            row = await queries.insert_ban(
                connection,
                user_id=user_id,
                kind=body.kind,
                reason=body.reason.strip(),
                banned_by=actor.user_id,
                expires_at=body.expires_at,
            )
            detail = {
                "ban": row["id"], "kind": body.kind, "reason": row["reason"], "expires_at": iso(row["expires_at"]),
            }  # fmt: skip
            await _log_both(connection, actor, "user.ban", user_id, detail)
            votes_kept = (await _fetch(connection, user_id)).counts.votes
        made = msgspec.structs.asdict(_staff_ban(row))
        return Answer(document=NewBan(**made, votes_kept=votes_kept, is_preview=is_preview))

    async def delete_ban(self, call: Call) -> Answer:
        """`DELETE /api/admin/users/{user}/bans/{ban}`."""
        user_id, ban_id, actor, is_preview = call.id("user"), call.id("ban"), call.user, call.query.preview
        async with self._db.acting(actor, is_preview=is_preview) as connection:
            await _check_may_ban(connection, actor, user_id)
            found = await queries.lock_ban(connection, id=ban_id, user_id=user_id)
            if found is None:
                raise Refused(Code.NOT_FOUND, "This user has no such ban.")
            if found["lifted_at"] is None:
                await queries.lift_ban(connection, id=ban_id, lifted_by=actor.user_id)
                await _log_both(connection, actor, "user.unban", user_id, {"ban": ban_id})
            return Answer(document=await _fetch(connection, user_id), status=200) if is_preview else Answer()

    def _check_expiry(self, expires_at: dt.datetime | None) -> None:
        if expires_at is None:
            return
        now = utc_now(self._clock)
        if not now < expires_at < now + dt.timedelta(days=365 * BAN_YEARS_MAX):
            message = f"`expires_at` has to be in the next {BAN_YEARS_MAX} years. Leave it out for a permanent ban."
            raise Refused(Code.BAD_REQUEST, message)


async def _role_of(connection: Connection, user_id: int) -> str:
    role: str | None = await queries.role_of(connection, user_id=user_id)
    if role is None:
        raise Refused(Code.NOT_FOUND, "No such user.")
    return role


async def _check_may_ban(connection: Connection, actor: Identity, user_id: int) -> None:
    """Checks that the actor may ban this account: moderators ban users, administrators also ban staff, nobody themselves."""
    role = await _role_of(connection, user_id)
    if role != "user" and not actor.may("admin"):
        raise Refused(Code.FORBIDDEN, "Only an administrator can change the bans of staff.")
    if user_id == actor.user_id:
        raise Refused(Code.CONFLICT, "You cannot change your own bans. Ask another administrator.")


async def _fetch(connection: Connection, user_id: int) -> Account:
    row = await queries.fetch_account(connection, user_id=user_id)
    if row is None:
        raise Refused(Code.NOT_FOUND, "No such user.")
    return Account(
        id=row["id"],
        role=row["role"],
        counts=counts_of(row),
        bans=[_staff_ban(ban) async for ban in queries.all_bans(connection, user_id=user_id)],
        **profile_fields(row),
    )


def _staff_ban(row: Any) -> StaffBan:
    ban = msgspec.structs.asdict(ban_from_row(row))
    return StaffBan(**ban, banned_by=row["banned_by"], lifted_at=iso(row["lifted_at"]))


async def _log_both(connection: Connection, actor: Identity, action: str, user_id: int, detail: dict[str, Any]) -> None:
    subject = f"user:{user_id}"
    await write_moderation_log(connection, actor, action, subject, detail)
    await write_audit_log(connection, actor, action, subject, detail)
