"""Administration of accounts: the list, roles, bans, and the effects of a ban."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from server.clock import SystemClock
from server.node.node import Node
from server.people.access_monitor import AccessMonitor
from server.people.ended_sessions import EndedSessions
from server.people.queries import accounts as queries
from server.store.database import Database
from tests.support import one_node
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory
from tests.support.running_node import running_node, until
from tests.support.socket_client import SocketClient

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people = one_node.node, one_node.emptied, one_node.people

USERS = "/api/admin/users"
REVIEWS = "/api/venues/hall/reviews"


async def _ban(moderator: Person, user: Person, kind: str, **fields: Any) -> int:
    body = {"kind": kind, "reason": "a robot", **fields}
    ban = await moderator.ok("POST", f"{USERS}/{user.id}/bans", body, status=201)
    number: int = ban["id"]
    return number


def _iso(**later: float) -> str:
    return (datetime.now(UTC) + timedelta(**later)).isoformat()


# ── bans


async def test_a_ban_from_writing_refuses_writing_only(people: People, factory: RowFactory) -> None:
    """Reviews, profiles and reports are refused with the reason. Votes, follows and deletions are accepted."""
    ann, moderator = await people.person(), await people.person("moderator")
    await factory.show(1)
    await ann.ok("POST", REVIEWS, {"rating": 3}, status=201)
    await ann.ok("PATCH", "/api/me", {"display_name": "Ann", "is_public": True})
    await _ban(moderator, ann, "write", expires_at="2035-01-01T01:30:00+01:30")
    refused = [
        ("POST", REVIEWS, {"rating": 5}),
        ("PATCH", "/api/me", {"display_name": "Nan"}),
        ("PATCH", "/api/me", {"bio": None, "is_public": True}),
        ("POST", "/api/reports", {"review": 1, "reason": "x"}),
    ]
    for method, path, body in refused:
        status, problem = await ann.ask(method, path, body)
        assert (status, problem["code"]) == (403, "forbidden")
        assert problem["detail"] == "You are banned until 2035-01-01T00:00:00Z. Reason: a robot"
    await ann.ok("PUT", "/api/artists/band/follow")
    await ann.ok("PUT", "/api/shows/1/attendance")
    await ann.ok("PATCH", "/api/me", {"display_name": None, "is_public": False})
    await ann.ok("DELETE", REVIEWS, status=204)
    (ban,) = (await ann.ok("GET", "/api/me"))["bans"]
    assert (ban["kind"], ban["reason"], ban["expires_at"]) == ("write", "a robot", "2035-01-01T00:00:00Z")
    assert "banned_by" not in ban


async def test_a_ban_from_everything_allows_reading_and_undoing(people: People, factory: RowFactory) -> None:
    """A banned user cannot raise a count, but can undo what they did before the ban."""
    ann, moderator = await people.person(), await people.person("moderator")
    await factory.show(1)
    await ann.ok("PUT", "/api/artists/band/follow")
    ban = await _ban(moderator, ann, "all")
    for path in ("/api/artists/band/follow", "/api/shows/1/attendance"):
        status, problem = await ann.ask("PUT", path)
        assert (status, problem["detail"]) == (403, "You are banned permanently. Reason: a robot")
        assert (await ann.ok("DELETE", path))["count"] == 0
    assert await ann.refused("POST", REVIEWS, {"rating": 5}) == "forbidden"
    await ann.ok("GET", "/api/me/follows")
    await moderator.ok("DELETE", f"{USERS}/{ann.id}/bans/{ban}", status=204)
    await ann.ok("PUT", "/api/shows/1/attendance")
    assert (await ann.ok("GET", "/api/me"))["bans"] == []


async def test_a_ban_from_voting_acts_on_every_node(
    node: Node, people: People, factory: RowFactory, database_url: str, redis_url: str
) -> None:
    """It applies on two nodes, over HTTP and on an open websocket. After it is lifted, votes are accepted again."""
    ann, bob, moderator = await people.person(), await people.person(), await people.person("moderator")
    show = await factory.show(1)
    votes = {"votes": [[show.first, "up"]]}
    async with running_node(database_url, redis_url) as second, SocketClient.connect(second.url) as talker:
        assert ann.token is not None
        await talker.hello(ann.token)
        await talker.cast(1, (show.first, "up"))
        bans = [await _ban(moderator, ann, "vote")]

        async def is_refused() -> bool:
            return "error" in await talker.ask("cast", show=1, votes=[(show.first, "down")])

        await until(is_refused)
        reply = await talker.ask("cast", show=1, votes=[(show.first, "down")])
        assert (reply["error"]["code"], reply["error"]["message"]) == (
            "forbidden",
            "You are banned permanently. Reason: a robot",
        )
        await until(lambda: _is_refused(ann, votes))
        assert await ann.refused("POST", "/api/shows/1/votes", votes) == "forbidden"
        await ann.ok("GET", "/api/shows/1/ballot")
        await talker.ok("ballot", show=1)
        await bob.ok("POST", "/api/shows/1/votes", votes)
        bans.append(await _ban(moderator, ann, "all", expires_at=_iso(days=1)))
        assert await talker.close_code() == 4403
        await moderator.ok("DELETE", f"{USERS}/{ann.id}/bans/{bans[0]}", status=204)
        assert await ann.refused("POST", "/api/shows/1/votes", votes) == "forbidden"  # the other ban is active
        await moderator.ok("DELETE", f"{USERS}/{ann.id}/bans/{bans[1]}", status=204)

        async def is_taken() -> bool:
            return not await _is_refused(ann, votes)

        await until(is_taken)
    async with running_node(database_url, redis_url) as third, SocketClient.connect(third.url) as talker:
        await talker.hello(ann.token)
        await talker.cast(1, (show.first, "down"))


async def _is_refused(person: Person, votes: object) -> bool:
    return (await person.ask("POST", "/api/shows/1/votes", votes))[0] == 403


async def test_an_expired_ban_has_no_effect(node: Node, people: People, factory: RowFactory) -> None:
    """It refuses nothing, and only staff still see it."""
    ann, moderator = await people.person(), await people.person("moderator")
    ban = await _ban(moderator, ann, "all", expires_at=_iso(hours=1))
    monitor = node.rooms.access_monitor
    await monitor.load_bans()
    assert (monitor.why_vote_refused(ann.id) or "").startswith("You are banned until 20")
    assert monitor.why_vote_refused(moderator.id) is None
    await factory.sql.execute(
        "update user_bans set banned_at = now() - interval '2 hours', expires_at = now() - interval '1 second'"
    )
    await monitor.load_bans()
    assert monitor.why_vote_refused(ann.id) is None
    await ann.ok("POST", REVIEWS, {"rating": 5}, status=201)
    assert (await ann.ok("GET", "/api/me"))["bans"] == []
    account = await moderator.ok("GET", f"{USERS}/{ann.id}")
    assert [(item["id"], item["banned_by"], item["lifted_at"]) for item in account["bans"]] == [
        (ban, moderator.id, None)
    ]
    await _ban(moderator, ann, "all")


async def test_bans_stay_while_postgresql_is_down(database_url: str) -> None:
    """The bans loaded last stay active, and the loop tries again."""
    database = await Database.open(database_url)
    monitor = AccessMonitor(database, database, EndedSessions(database, SystemClock()), set, lambda _closes: None)
    async with database.transaction() as connection:
        user_id = await connection.fetchval("insert into users default values returning id")
        await connection.execute("insert into user_bans (user_id, kind, reason) values ($1, 'vote', 'x')", user_id)
    await monitor.load_bans()
    await database.close()
    with capture_logs() as logged:
        loop = asyncio.create_task(monitor.run())
        while not logged and not loop.done():
            await asyncio.sleep(0)
    assert not loop.done()
    assert logged[0]["event"] == "access.not_checked"
    assert monitor.why_vote_refused(user_id) == "You are banned permanently. Reason: x"
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)


async def test_moderators_cannot_ban_staff(people: People) -> None:
    """Moderators ban users only, administrators also ban staff, and nobody changes their own bans."""
    ann, moderator, other = await people.person(), await people.person("moderator"), await people.person("moderator")
    admin = await people.person("admin")
    body = {"kind": "all", "reason": "x"}
    for staff in (other, admin, moderator):
        assert await moderator.refused("POST", f"{USERS}/{staff.id}/bans", body) == "forbidden"
    assert await admin.refused("POST", f"{USERS}/{admin.id}/bans", body) == "conflict"
    ban = await _ban(admin, moderator, "write")
    assert await moderator.refused("DELETE", f"{USERS}/{moderator.id}/bans/{ban}") == "forbidden"
    assert await other.refused("DELETE", f"{USERS}/{moderator.id}/bans/{ban}") == "forbidden"
    for _ in range(2):
        await admin.ok("DELETE", f"{USERS}/{moderator.id}/bans/{ban}", status=204)
    await _ban(moderator, ann, "write")
    assert await moderator.refused("POST", f"{USERS}/{ann.id}/bans", {"kind": "write", "reason": "x"}) == "conflict"
    assert await moderator.refused("DELETE", f"{USERS}/{other.id}/bans/2") == "forbidden"
    assert await admin.refused("DELETE", f"{USERS}/{other.id}/bans/2") == "not_found"  # it is the ban of another user


async def test_bans_are_in_both_logs(people: People, factory: RowFactory) -> None:
    """The entries name the moderator, the user, the kind and the reason. Lifting a ban twice is logged once."""
    ann, moderator = await people.person(), await people.person("moderator")
    bans = f"{USERS}/{ann.id}/bans"
    previewed = await moderator.ok("POST", f"{bans}?preview=true", {"kind": "vote", "reason": "a robot"}, status=201)
    assert (previewed["kind"], previewed["votes_kept"], previewed["is_preview"]) == ("vote", 0, True)
    ban = await _ban(moderator, ann, "vote")
    assert await moderator.refused("POST", f"{bans}?preview=true", {"kind": "vote", "reason": "twice"}) == "conflict"
    lifted = await moderator.ok("DELETE", f"{bans}/{ban}?preview=true")
    assert lifted["bans"][0]["lifted_at"] is not None
    assert (await moderator.ok("GET", f"{USERS}/{ann.id}"))["bans"][0]["lifted_at"] is None
    for _ in range(2):
        await moderator.ok("DELETE", f"{bans}/{ban}", status=204)
    log = (await moderator.ok("GET", "/api/admin/moderation/log"))["items"]
    assert [(item["action"], item["subject"], item["moderator"]) for item in log] == [
        ("user.unban", f"user:{ann.id}", moderator.id),
        ("user.ban", f"user:{ann.id}", moderator.id),
    ]
    assert log[1]["detail"] == {"ban": ban, "kind": "vote", "reason": "a robot", "expires_at": None}
    rows = await factory.sql.fetch("select actor_id, action, subject from audit_log order by id")
    assert [tuple(row) for row in rows] == [
        (moderator.id, "user.ban", f"user:{ann.id}"),
        (moderator.id, "user.unban", f"user:{ann.id}"),
    ]


# ── roles


async def test_an_administrator_changes_roles(people: People, factory: RowFactory) -> None:
    """Each change is in the audit log with the old and the new role. Setting the same role again is not logged."""
    ann, admin = await people.person(), await people.person("admin")
    previewed = await admin.ok("PATCH", f"{USERS}/{ann.id}?preview=true", {"role": "moderator"})
    assert previewed["role"] == "moderator"
    assert (await admin.ok("GET", f"{USERS}/{ann.id}"))["role"] == "user"
    for role in ("moderator", "moderator", "admin", "user"):
        account = await admin.ok("PATCH", f"{USERS}/{ann.id}", {"role": role})
        assert (account["id"], account["role"]) == (ann.id, role)
    rows = await factory.sql.fetch(
        "select actor_id, action, subject, detail->'role'->>0 || '>' || (detail->'role'->>1) from audit_log order by id"
    )
    assert [tuple(row) for row in rows] == [
        (admin.id, "user.role", f"user:{ann.id}", change)
        for change in ("user>moderator", "moderator>admin", "admin>user")
    ]
    assert (await ann.ok("GET", "/api/me"))["role"] == "user"
    # An administrator who saw another role learns that somebody was faster.
    late = {"role": "admin", "before": "moderator"}
    for path in (f"{USERS}/{ann.id}?preview=true", f"{USERS}/{ann.id}"):
        status, problem = await admin.ask("PATCH", path, late)
        assert (status, problem["code"], "it is user, not moderator" in problem["detail"]) == (409, "conflict", True)
    assert (await admin.ok("PATCH", f"{USERS}/{ann.id}", late | {"before": "user"}))["role"] == "admin"


async def test_the_last_administrator_keeps_the_role(people: People, factory: RowFactory) -> None:
    """One administrator always remains, even when two demote each other at the same time."""
    admin = await people.person("admin")
    assert await admin.refused("PATCH", f"{USERS}/{admin.id}", {"role": "user"}) == "conflict"
    assert (await admin.ok("PATCH", f"{USERS}/{admin.id}", {"role": "admin"}))["role"] == "admin"
    for _ in range(5):
        await factory.sql.execute(
            "update users set role = case id when $1 then 'admin' else 'user' end::user_role", admin.id
        )
        other = await people.person("admin")
        answers = await asyncio.gather(
            admin.ask("PATCH", f"{USERS}/{other.id}", {"role": "user"}),
            other.ask("PATCH", f"{USERS}/{admin.id}", {"role": "user"}),
        )
        # The second request comes too late, or its sender is no longer an administrator.
        assert sorted(status for status, _ in answers) in ([200, 403], [200, 409])
        assert await factory.sql.fetchval("select count(*) from users where role = 'admin'") == 1


# ── the list


async def test_staff_find_an_account_by_its_address(people: People, factory: RowFactory) -> None:
    """By the whole address, whatever its case; not by a part of it."""
    ann, moderator = await people.person(), await people.person("moderator")
    await factory.sql.execute("insert into email_preferences (user_id, address) values ($1, 'Ann@Example.org')", ann.id)
    for wanted, found in (("ann@example.ORG", [ann.id]), ("ann@example", []), ("%25@example.org", [])):
        assert [item["id"] for item in (await moderator.ok("GET", f"{USERS}?q={wanted}"))["items"]] == found


async def test_accounts_are_filtered(people: People, factory: RowFactory) -> None:
    """Filters: id, a part of the name without accents, role and ban. Every page size gives the same list, newest first."""
    moderator = await people.person("moderator")
    fans = await people.persons(5)
    for fan, name in zip(fans, ("Zoë", "Zoe 50%", "Ann_X", "Anna", "O'Zoe"), strict=True):
        await fan.ok("PATCH", "/api/me", {"display_name": name})
    await _ban(moderator, fans[0], "vote")
    await _ban(moderator, fans[3], "all", expires_at=_iso(hours=1))
    lifted = await _ban(moderator, fans[4], "write")
    await moderator.ok("DELETE", f"{USERS}/{fans[4].id}/bans/{lifted}", status=204)
    await factory.sql.execute("insert into users (nobody) values (1)")

    async def found(query: str) -> list[int]:
        return [item["id"] for item in await moderator.pages(f"{USERS}?{query}", 2)]

    newest = [fan.id for fan in reversed(fans)]
    assert await found("") == [*newest, moderator.id]
    assert await found("q=zoe") == [fans[4].id, fans[1].id, fans[0].id]
    assert await found("q=ZO%C3%8B") == [fans[4].id, fans[1].id, fans[0].id]
    assert await found("q=50%25") == [fans[1].id]
    assert await found("q=%25") == []  # a percent sign separates words; it is no wildcard
    assert await found("q=ann") == [fans[3].id, fans[2].id]
    assert await found(f"q={moderator.id}") == [moderator.id]
    assert await found("q='%20or%201=1--") == []
    assert await found("role=moderator") == [moderator.id]
    assert await found("banned=true") == [fans[3].id, fans[0].id]
    assert await found("banned=false") == [fans[4].id, fans[2].id, fans[1].id, moderator.id]
    assert await found("q=zoe&banned=true&role=user") == [fans[0].id]
    listed = (await moderator.ok("GET", f"{USERS}?q=Zo%C3%AB&limit=100"))["items"]
    assert [(item["display_name"], item["is_banned"]) for item in listed] == [
        ("O'Zoe", False), ("Zoe 50%", False), ("Zoë", True),
    ]  # fmt: skip
    account = await moderator.ok("GET", f"{USERS}/{fans[0].id}")
    assert (account["display_name"], account["is_public"], account["counts"]["votes"]) == ("Zoë", False, 0)


async def test_only_staff_see_accounts(people: People) -> None:
    """Fans are refused everything. Moderators read and ban, but cannot change roles."""
    ann, moderator = await people.person(), await people.person("moderator")
    body = {"role": "user", "kind": "all", "reason": "x"}
    for method, path in (
        ("GET", USERS), ("GET", f"{USERS}/1"), ("PATCH", f"{USERS}/1"), ("POST", f"{USERS}/1/bans"),
        ("DELETE", f"{USERS}/1/bans/1"),
    ):  # fmt: skip
        assert await ann.refused(method, path, body) == "forbidden", path
        assert await people.nobody().refused(method, path, body) == "unauthenticated", path
    assert await moderator.refused("PATCH", f"{USERS}/{ann.id}", {"role": "moderator"}) == "forbidden"


async def test_bad_input_is_refused(people: People, factory: RowFactory) -> None:
    """Invalid filters, roles, bans and ids give 400 or 404, never 500."""
    ann, admin = await people.person(), await people.person("admin")
    for query in (
        "limit=0", "limit=-1", "limit=1000000000", "cursor=x", "cursor=" + "A" * 500, "role=root", "banned=maybe",
        "q=" + "x" * 101, "q=%00", "q=a%0Ab", "role=user&role=admin",
    ):  # fmt: skip
        assert await admin.refused("GET", f"{USERS}?{query}") == "bad_request", query
    for body in (b"", b"{", b"null", {}, {"role": "root"}, {"role": 1}, {"role": None}):
        assert await admin.refused("PATCH", f"{USERS}/{ann.id}", body) == "bad_request", body
    good = {"kind": "vote", "reason": "x"}
    bans: list[object] = [
        b"", b"[]", {}, {"kind": "vote"}, {"reason": "x"}, good | {"kind": "love"}, good | {"reason": ""},
        good | {"reason": "  "}, good | {"reason": "x" * 1001}, good | {"reason": "\u0000"}, good | {"expires_at": 7},
        good | {"expires_at": "soon"}, good | {"expires_at": "2035-01-01T00:00:00"}, good | {"expires_at": "2035-02-30T00:00:00Z"},
        good | {"expires_at": _iso(seconds=-1)}, good | {"expires_at": "0001-01-01T00:00:00+23:59"},
        good | {"expires_at": "9999-12-31T23:59:59-23:59"}, good | {"expires_at": _iso(days=40_000)},
    ]  # fmt: skip
    for ban in bans:
        assert await admin.refused("POST", f"{USERS}/{ann.id}/bans", ban) == "bad_request", ban
    assert await factory.sql.fetchval("select count(*) from user_bans") == 0
    nobody = await factory.sql.fetchval("insert into users (nobody) values (1) returning id")
    for user in ("0", "-1", "x", "9" * 30, "%00", "999999999", nobody):
        assert await admin.refused("GET", f"{USERS}/{user}") == "not_found", user
        assert await admin.refused("PATCH", f"{USERS}/{user}", {"role": "moderator"}) == "not_found", user
        assert await admin.refused("POST", f"{USERS}/{user}/bans", good) == "not_found", user
        assert await admin.refused("DELETE", f"{USERS}/{user}/bans/1") == "not_found", user
    for ban in ("0", "x", "9" * 30, "1"):
        assert await admin.refused("DELETE", f"{USERS}/{ann.id}/bans/{ban}") == "not_found", ban


async def test_row_security_guards_roles_and_bans(node: Node, people: People, factory: RowFactory) -> None:
    """Row security refuses these changes even if a handler forgets to check the role."""
    ann, thief, moderator = await people.person(), await people.person(), await people.person("moderator")
    await ann.ok("PATCH", "/api/me", {"display_name": "Ann"})
    ban = await _ban(moderator, thief, "vote")
    requests = node.rooms.databases.requests
    for identity in (thief.identity, None):
        async with requests.acting(identity) as connection:
            await queries.set_role(connection, user_id=thief.id, role="admin")
            await queries.lift_ban(connection, id=ban, lifted_by=thief.id)
            everybody = queries.list_accounts(
                connection, name=None, wanted=None, role=None, banned=None, after_id=None, count=10
            )
            assert {row["id"] async for row in everybody} <= {thief.id}
            named = queries.list_accounts(
                connection, name="ann", wanted=None, role=None, banned=None, after_id=None, count=10
            )
            assert [row async for row in named] == []
            assert await connection.fetch("select find_people('ann')") == []
    async with requests.acting(moderator.identity) as connection:
        await queries.set_role(connection, user_id=moderator.id, role="admin")
    assert await factory.sql.fetchval("select count(*) from users where role = 'admin'") == 0
    assert await factory.sql.fetchval("select count(*) from user_bans where lifted_at is null") == 1
    with pytest.raises(Exception, match="row-level security"):
        async with requests.acting(thief.identity) as connection:
            await queries.insert_ban(
                connection, user_id=ann.id, kind="all", reason="x", banned_by=thief.id, expires_at=None
            )
