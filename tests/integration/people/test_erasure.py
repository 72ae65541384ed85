"""The erasure of a user, over HTTP with a whole node."""

from __future__ import annotations

import asyncio
from unittest.mock import AsyncMock

import aiohttp
import asyncpg
import pytest

from server.admin.retention import Retention
from server.errors import Refused, StoreConflict
from server.node.node import Node
from server.store.database import REQUEST_ROLE, Database
from server.voting import reconcile
from tests.support import one_node
from tests.support.audit import until_drained
from tests.support.people import People, Person
from tests.support.personal_data import LEAVER, NAME, REVIEW, WORDS, fill_every_table
from tests.support.row_factory import RowFactory
from tests.support.socket_client import SocketClient
from tests.support.traces import traces_in_postgres, traces_in_valkey

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people, sql = one_node.node, one_node.emptied, one_node.people, one_node.sql


async def test_no_trace_of_the_user_remains(
    people: People, factory: RowFactory, leaver: Person, database_url: str, redis_url: str
) -> None:
    """No table, key or count has data of the user. Only the votes still count."""
    moderator = await people.person("moderator")
    show = await fill_every_table(factory, leaver, moderator)
    tally = await factory.tally(7)
    assert await leaver.ask("DELETE", "/api/me") == (204, None)
    await until_drained(database_url, redis_url)
    assert await factory.tally(7) == tally == await factory.counted(7)
    assert tally[0] == [show.first, 0, 1]
    traces = await traces_in_postgres(factory.sql, *WORDS)
    # What the user did as a member of staff keeps the number, which names nobody any more.
    assert sorted(trace.partition(":")[0] for trace in traces) == ["audit_log", "moderation_log"]
    assert all(f": {LEAVER} in " in trace for trace in traces)
    assert await factory.sql.fetch("select * from integrity_check()") == []
    assert await factory.sql.fetch("select * from miscounts()") == []
    assert await reconcile.run(database_url, redis_url) == []
    counts = await factory.sql.fetchrow(
        "select (select follower_count from artist_stats), (select attendance_count from shows where id = 7),"
        " (select review_count from venues)"
    )
    assert tuple(counts) == (1, 1, 1), "only the moderator is counted"
    # The actions of staff stay in the log, without the id of an erased subject.
    acts = await factory.sql.fetch("select moderator_id, subject, detail from moderation_log order by id")
    assert [tuple(act) for act in acts] == [
        (moderator.id, "review:0", "{}"),
        (moderator.id, "report:0", "{}"),
        (moderator.id, "profile:0", "{}"),
        (moderator.id, "user:0", "{}"),
        (LEAVER, f"user:{moderator.id}", '{"reason": "a mistake"}'),
    ]
    assert await factory.sql.fetchval("select count(*) from user_bans where banned_by is null") == 1
    await _until_no_trace(redis_url)


async def test_a_second_erasure_is_refused(people: People, leaver: Person) -> None:
    """It gives 401 to the user and 404 to an administrator, also when several requests come at the same time."""
    admin, fan, other = await people.person("admin"), await people.person(), await people.person()
    assert await leaver.ask("DELETE", "/api/me") == (204, None)
    assert await leaver.refused("DELETE", "/api/me") == "unauthenticated"
    assert await admin.ask("DELETE", f"/api/admin/users/{fan.id}") == (204, None)
    assert await admin.refused("DELETE", f"/api/admin/users/{fan.id}") == "not_found"
    both = await asyncio.gather(*[other.ask("DELETE", "/api/me") for _ in range(4)])
    assert sorted(status for status, _ in both) == [204, 401, 401, 401]


UNKNOWN_USERS = ["0", "-1", "1000000000", "9" * 30, "x", "%00", "1%3Bdrop%20table%20users", "1%20or%201=1", "%D9%A3"]


async def test_an_unknown_user_is_not_found(people: People) -> None:
    """An administrator gets 404 for an id that does not exist or is not an id."""
    admin = await people.person("admin")
    for wanted in UNKNOWN_USERS:
        assert await admin.refused("DELETE", f"/api/admin/users/{wanted}") == "not_found", wanted


async def test_users_erase_themselves_and_administrators_erase_anyone(
    people: People, factory: RowFactory, leaver: Person
) -> None:
    """Moderators and other users are refused. The audit log has the administrator, but not the erased user."""
    fan, moderator, admin = await people.person(), await people.person("moderator"), await people.person("admin")
    path = f"/api/admin/users/{LEAVER}"
    assert await people.nobody().refused("DELETE", "/api/me") == "unauthenticated"
    assert await people.nobody().refused("DELETE", path) == "unauthenticated"
    assert await fan.refused("DELETE", path) == "forbidden"
    assert await moderator.refused("DELETE", path) == "forbidden"
    assert await admin.ask("DELETE", path) == (204, None)
    rows = await factory.sql.fetch("select actor_id, action, subject, detail from audit_log")
    assert [tuple(row) for row in rows] == [(admin.id, "user.erase", "user:0", "{}")]
    assert await traces_in_postgres(factory.sql, LEAVER) == []
    # The nobody that inherits the votes is not an account, so it cannot be erased.
    show = await factory.show(7)
    await fan.ok("POST", "/api/shows/7/votes", {"votes": [[show.first, "up"]]})
    assert await fan.ask("DELETE", "/api/me") == (204, None)
    heir = await factory.sql.fetchval("select user_id from votes")
    assert await admin.refused("DELETE", f"/api/admin/users/{heir}") == "not_found"


async def test_the_token_of_an_erased_user_is_refused(
    people: People, factory: RowFactory, leaver: Person, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every endpoint and the websocket answer `unauthenticated`, and nothing is written."""
    # Once a second the monitor closes the websockets of erased users; what they are answered until then is tested here.
    monkeypatch.setattr(node.rooms.access_monitor, "check_connections", AsyncMock())
    show = await factory.show(7)
    assert await leaver.ask("DELETE", "/api/me") == (204, None)
    for method, path, body in (
        ("GET", "/api/me", None),
        ("GET", "/api/me/export", None),
        ("PATCH", "/api/me", {"display_name": NAME}),
        ("PATCH", "/api/me", {}),
        ("POST", "/api/shows/7/votes", {"votes": [[show.first, "up"]]}),
        ("GET", "/api/shows/7/ballot", None),
        ("PUT", "/api/artists/1/follow", None),
        ("DELETE", "/api/artists/1/follow", None),
        ("PUT", "/api/shows/7/attendance", None),
        ("POST", "/api/venues/1/reviews", {"rating": 5, "body": REVIEW}),
    ):
        assert await leaver.refused(method, path, body) == "unauthenticated", path
    async with SocketClient.connect(node.url, headers=bearer(leaver)) as talker:
        assert await talker.refusal("cast", show=7, votes=[[show.first, "up"]]) == "unauthenticated"
        assert await talker.refusal("ballot", show=7) == "unauthenticated"
    assert await traces_in_postgres(factory.sql, *WORDS) == []
    await _until_no_trace(str(node.rooms.settings.redis_url))


async def test_the_token_of_erased_staff_is_refused(people: People, factory: RowFactory) -> None:
    """Accounts of staff are looked up, so the token is refused after a second."""
    admin, fan = await people.person("admin"), await people.person()
    assert await admin.ask("DELETE", "/api/me") == (204, None)
    async with asyncio.timeout(5):
        while (await admin.ask("GET", "/api/admin/users"))[0] != 401:
            await asyncio.sleep(0.05)
    for method, path, body in (
        ("DELETE", f"/api/admin/users/{fan.id}", None),
        ("POST", "/api/admin/api-keys", {"name": "a key"}),
        ("POST", f"/api/admin/users/{fan.id}/bans", {"kind": "all", "reason": "because"}),
        ("PATCH", f"/api/admin/users/{fan.id}", {"role": "admin"}),
        ("POST", "/api/database/operations", {"operation": "vacuum"}),
    ):
        assert await admin.refused(method, path, body) == "unauthenticated", path
    assert await factory.sql.fetchval("select count(*) from audit_log") == 0


async def test_a_write_after_the_erasure_is_unauthenticated(
    factory: RowFactory, leaver: Person, database_url: str
) -> None:
    """A foreign key that fails because the user was just erased gives `unauthenticated`; any other stays a conflict."""
    database = await Database.open(database_url, role=REQUEST_ROLE)

    async def review(venue_id: int, *, late: str) -> None:
        async with database.acting(leaver.identity) as connection:
            assert await connection.fetchval("select count(*) from users") == 1
            await factory.sql.execute(late)
            await connection.execute(
                "insert into venue_reviews (user_id, venue_id, rating) values ($1, $2, 3)", LEAVER, venue_id
            )

    try:
        with pytest.raises(StoreConflict, match="venue_reviews_venue_id_fkey"):
            await review(999, late="select")
        with pytest.raises(Refused, match="gone") as refusal:
            await review(1, late=f"delete from users where id = {LEAVER}")
        assert refusal.value.code == "unauthenticated"
    finally:
        await database.close()


async def test_the_cookie_of_an_erased_user_gets_a_new_account(node: Node, factory: RowFactory) -> None:
    """`keep` with the cookie of an erased user creates a new account instead of failing again and again."""
    async with aiohttp.ClientSession(node.url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        async with http.post("/api/session") as response:
            first = (await response.json())["user"]["id"]
        cookies = {cookie.key: cookie.value for cookie in http.cookie_jar}
        async with http.delete("/api/me") as response:
            assert response.status == 204
            assert response.cookies["mysetlist_session"].value == ""
        http.cookie_jar.update_cookies(cookies)
        async with http.post("/api/session", json={"keep": True}) as response:
            second = (await response.json())["user"]["id"]
        assert second != first
        async with http.post("/api/session", json={"keep": True}) as response:
            assert (await response.json())["user"]["id"] == second
    assert await factory.sql.fetchval("select count(*) from users") == 1


async def test_open_connections_of_the_user_are_closed(
    node: Node, people: People, leaver: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their connections to this node close with 1000. Other connections stay open."""
    # The access monitor would close them too, a second later.
    monkeypatch.setattr(node.rooms.access_monitor, "_connected", set)
    fan = await people.person()
    async with (
        SocketClient.connect(node.url, headers=bearer(leaver)) as one,
        SocketClient.connect(node.url, headers=bearer(leaver)) as two,
        SocketClient.connect(node.url, headers=bearer(fan)) as other,
        SocketClient.connect(node.url) as reader,
    ):
        assert await leaver.ask("DELETE", "/api/me") == (204, None)
        assert [await one.close_code(), await two.close_code()] == [1000, 1000]
        assert await other.is_alive()
        assert await reader.is_alive()


async def test_the_log_does_not_name_the_user(
    people: People, factory: RowFactory, leaver: Person, capfd: pytest.CaptureFixture[str]
) -> None:
    """The log of the node does not contain the id or the texts of the user, before and after the erasure."""
    show = await fill_every_table(factory, leaver, await people.person("moderator"))
    assert await leaver.ask("DELETE", "/api/me") == (204, None)
    await leaver.refused("PATCH", "/api/me", {"display_name": NAME})
    await leaver.refused("POST", "/api/shows/7/votes", {"votes": [[show.first, "up"]]})
    await leaver.refused("DELETE", "/api/me")
    out, err = capfd.readouterr()
    written = out + err
    assert "ballots.forgotten" in written
    assert [word for word in WORDS if str(word) in written] == []


async def test_nothing_is_erased_while_valkey_fails(
    people: People,
    factory: RowFactory,
    leaver: Person,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The answer is `unavailable` and the log does not name the user. Once Valkey works, the erasure works."""
    admin = await people.person("admin")
    await fill_every_table(factory, leaver, await people.person("moderator"))
    before = await factory.sql.fetch("select * from votes order by 1, 2")
    with monkeypatch.context() as patch:
        patch.setattr("server.voting.erasure.ERASE_SCRIPT", b"return redis.error_reply('not now')")
        assert await leaver.refused("DELETE", "/api/me") == "unavailable"
        assert await admin.refused("DELETE", f"/api/admin/users/{LEAVER}") == "unavailable"
    out, err = capfd.readouterr()
    assert "erasure.failed" in out + err
    assert str(LEAVER) not in out + err
    assert await factory.sql.fetch("select * from votes order by 1, 2") == before
    assert (await leaver.ok("GET", "/api/me/export"))["profile"]["display_name"] == NAME
    assert await leaver.ask("DELETE", "/api/me") == (204, None)


def bearer(person: Person) -> dict[str, str]:
    return {"Authorization": f"Bearer {person.token}"}


async def _until_no_trace(redis_url: str) -> None:
    """The writer removes the last log entries of the user when it next reads the log."""
    async with asyncio.timeout(20):
        while await traces_in_valkey(redis_url, *WORDS):
            await asyncio.sleep(0.05)


async def test_an_old_account_that_never_voted_is_cheap(
    people: People, factory: RowFactory, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Its erasure reads nothing of the history. A voter whose day budgets were deleted long ago keeps the newest one, so their
    history is found.
    """
    show = await factory.show(7)
    voter, reader = await people.persons(2)
    await voter.ok("POST", "/api/shows/7/votes", {"votes": [[show.first, "up"]]})
    await voter.ok("POST", "/api/shows/7/votes", {"votes": [[show.first, "none"]]})
    await factory.sql.execute("update users set created_at = now() - interval '1 year'")
    await factory.sql.execute("update user_vote_limits set day = day - 300")
    assert await Retention({}).steps["vote_limits"](factory.sql) == 0
    read = {}
    for person in (reader, voter):
        # A connection of its own: it counts what was read in a transaction, and earlier statements of the other one linger there.
        async with sql.transaction():
            await sql.fetchval("select erase_history($1)", person.id)
            read[person] = await sql.fetchval(
                "select sum(pg_stat_get_xact_tuples_returned(relid)) from pg_partition_tree('vote_analytics') where isleaf"
            )
    assert (read[reader], read[voter]) == (0, 2)
