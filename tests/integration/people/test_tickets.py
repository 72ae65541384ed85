"""Ticket codes: they are made, redeemed once, and known to the vote path immediately."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
import redis.asyncio

from server.errors import CacheUnavailable
from server.node.node import Node
from server.people.tickets import hash_code, make_code
from server.protocol.limits import DEFAULT_LIMITS
from server.voting.warm_up import WarmUp
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory, Show
from tests.support.running_node import running_node, until
from tests.support.socket_client import SocketClient

PATH = "/api/admin/shows/7/tickets"
REDEEM = "/api/shows/7/ticket"
VOTES = "/api/shows/7/votes"


@pytest.fixture
async def admin(people: People) -> Person:
    """The administrator who makes the codes."""
    return await people.person("admin")


@pytest.fixture
async def show(factory: RowFactory) -> Show:
    """A show that requires a ticket for votes."""
    show = await factory.show(7)
    await factory.sql.execute("update shows set requires_ticket = true where id = 7")
    return show


async def make_codes(admin: Person, count: int) -> list[str]:
    """Makes new codes for the show."""
    codes: list[str] = (await admin.ok("POST", PATH, {"make": count}, status=201))["codes"]
    return codes


async def redeem(person: Person, code: str) -> str:
    """Redeems a code; gives "ok" or the code of the refusal."""
    status, answer = await person.ask("POST", REDEEM, {"code": code})
    return "ok" if status == 200 else str(answer["code"])


async def vote(person: Person, show: Show, choice: str = "up") -> str:
    """Votes over HTTP; gives "ok" or the code of the refusal."""
    status, answer = await person.ask("POST", VOTES, {"votes": [[show.first, choice]]})
    return "ok" if status == 200 else str(answer["code"])


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of casts in each warm-up read from PostgreSQL."""
    found: list[int] = []
    read = WarmUp._read

    async def counting(self: WarmUp, casts: Any) -> Any:
        found.append(len(casts))
        return await read(self, casts)

    monkeypatch.setattr(WarmUp, "_read", counting)
    return found


# ────────────────────────────────────────────────────────────────────────── codes


async def test_codes_are_made_or_given(admin: Person, people: People, show: Show, factory: RowFactory) -> None:
    """Made codes are long and shown once, existing codes are skipped, and only hashes are stored."""
    new = await admin.ok("POST", PATH, {"make": 3}, status=201)
    assert new["added"] == 3
    assert (
        len({code for code in new["codes"] if re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){2}[0-9A-HJKMNP-TV-Z]{4}", code)})
        == 3
    )
    given = {"codes": ["row1seat22", "ROW1-SEAT-22", "row1seat23", new["codes"][0]]}
    assert await admin.ok("POST", PATH, given, status=201) == {"added": 2, "codes": []}
    assert await admin.ok("POST", PATH, given, status=201) == {"added": 0, "codes": []}
    assert await redeem(await people.person(), " row1 seat-23 ") == "ok"
    assert await admin.ok("GET", PATH) == {"requires_ticket": True, "code_count": 5, "redeemed_count": 1}
    rows = " ".join(row[0] for row in await factory.sql.fetch("select t::text from ticket_codes t"))
    assert not any(code.lower() in rows.lower() for code in (*new["codes"], *given["codes"]))
    audited = await factory.sql.fetch("select actor_id, subject, detail from audit_log where action = 'show.codes'")
    assert [row["detail"] for row in audited] == ['{"added": 3}', '{"added": 2}', '{"added": 0}']
    assert {(row["actor_id"], row["subject"]) for row in audited} == {(admin.id, "show:7")}


async def test_only_administrators_make_codes(people: People, admin: Person, show: Show) -> None:
    """Other roles are refused, and invalid requests add nothing."""
    for person in (await people.person(), await people.person("moderator")):
        for method, body in (("GET", None), ("POST", {"make": 1}), ("PUT", {"requires_ticket": False})):
            assert await person.refused(method, PATH, body) == "forbidden"
    assert await people.nobody().refused("POST", REDEEM, {"code": "ABCDEFGH"}) == "unauthenticated"
    bad: tuple[Any, ...] = (
        {}, {"make": 0}, {"make": 2_001}, {"make": 1, "codes": ["ABCDEFGH"]}, {"codes": []}, {"codes": ["short"]},
        {"codes": ["ABCDEFG\u00c9"]}, {"codes": ["x" * 25]}, {"codes": ["ABCDEFG!"]}, {"codes": ["--------"]}, {"codes": [12345678]},
    )  # fmt: skip
    for body in bad:
        assert await admin.refused("POST", PATH, body) == "bad_request", body
    bad_codes: tuple[Any, ...] = (
        {},
        {"code": ""},
        {"code": "short"},
        {"code": "x" * 25},
        {"code": "ABCDEFG\0"},
        {"code": None},
    )
    for body in bad_codes:
        assert await admin.refused("POST", REDEEM, body) == "bad_request", body
    for method, body in (("GET", None), ("POST", {"make": 1}), ("PUT", {"requires_ticket": True})):
        assert await admin.refused(method, "/api/admin/shows/999/tickets", body) == "not_found"
    assert await admin.ok("GET", PATH) == {"requires_ticket": True, "code_count": 0, "redeemed_count": 0}


def test_a_code_belongs_to_one_show() -> None:
    """The hash depends on the show, but not on case, spaces, dashes and look-alike letters."""
    code = make_code()
    assert hash_code(7, code) != hash_code(8, code)
    assert hash_code(7, "0I1L-OABC-DE") == hash_code(7, "o1i1 0abcde")


# ────────────────────────────────────────────────────────────────────── redeeming


async def test_a_code_is_valid_once(people: People, admin: Person, show: Show, factory: RowFactory) -> None:
    """One user redeems it and may repeat that. A second code is not used up. Other shows and unknown codes are refused."""
    await factory.show(8)
    first, second = await make_codes(admin, 2)
    ann, ben = await people.persons(2)
    assert await ann.refused("POST", "/api/shows/8/ticket", {"code": first}) == "not_found"
    assert await redeem(ann, make_code()) == "not_found"
    assert [await redeem(ann, first) for _ in range(2)] == ["ok", "ok"]
    assert await redeem(ben, first) == "conflict"
    assert await redeem(ann, second) == "conflict"
    assert await redeem(ben, second) == "ok"
    assert await ann.refused("POST", "/api/shows/999/ticket", {"code": first}) == "not_found"


async def test_a_fan_learns_whether_they_have_a_ticket(people: People, admin: Person, show: Show) -> None:
    """Each fan asks for their own ticket only."""
    (code,) = await make_codes(admin, 1)
    fan, other = await people.person(), await people.person()
    assert await fan.ok("GET", REDEEM) == {"has_ticket": False}
    assert await redeem(fan, code) == "ok"
    assert await fan.ok("GET", REDEEM) == {"has_ticket": True}
    assert await other.ok("GET", REDEEM) == {"has_ticket": False}


async def test_concurrent_requests_redeem_a_code_once(
    people: People, admin: Person, show: Show, factory: RowFactory
) -> None:
    """One of many users gets the code. A user who sends many codes uses up only one of them."""
    (code,) = await make_codes(admin, 1)
    fans = await people.persons(20)
    answers = await asyncio.gather(*(redeem(fan, code) for fan in fans))
    assert sorted(answers) == ["conflict"] * 19 + ["ok"]
    winner = fans[answers.index("ok")]
    assert await factory.sql.fetchval("select user_id from ticket_codes") == winner.id
    greedy, codes = await people.person(), await make_codes(admin, 8)
    answers = await asyncio.gather(*(redeem(greedy, code) for code in codes))
    assert sorted(answers) == ["conflict"] * 7 + ["ok"]
    assert await factory.sql.fetchval("select count(*) from ticket_codes where redeemed_at is null") == 7


async def test_guesses_are_limited(people: People, show: Show) -> None:
    """After ten codes in a minute, further codes of this user are not checked."""
    ann = await people.person()
    answers = [await redeem(ann, make_code()) for _ in range(DEFAULT_LIMITS.redemptions_per_minute + 2)]
    assert answers == ["not_found"] * DEFAULT_LIMITS.redemptions_per_minute + ["rate_limited"] * 2
    assert await redeem(await people.person(), make_code()) == "not_found"


# ─────────────────────────────────────────────────────────────────── the vote path


async def test_a_vote_needs_a_ticket(
    *, node: Node, people: People, admin: Person, show: Show, factory: RowFactory, database_url: str, redis_url: str
) -> None:
    """Every node refuses a vote without a ticket. After one node redeems the code, both accept votes, warm or cold."""
    codes = await make_codes(admin, 2)
    ann, ben = await people.persons(2)
    async with (
        running_node(database_url, redis_url) as second,
        SocketClient.connect(node.url) as here,
        SocketClient.connect(second.url) as there,
    ):
        for talker in (here, there):
            await talker.hello(ann.token or "")
            reply = await talker.ask("cast", show=7, votes=[[show.first, "up"]])
            assert reply["error"]["code"] == "forbidden"
            assert "ticket" in reply["error"]["message"]
            assert (await talker.ok("ballot", show=7))["ballot"] == {}
        assert await vote(ann, show) == "forbidden"
        assert await redeem(ann, codes[0]) == "ok"
        assert (await there.cast(7, (show.first, "up")))["ballot"] == {str(show.first): "up"}
        await here.cast(7, (show.songs[1], "down"))
        # The ballot of Ben is cold, because nothing has read it yet.
        assert await redeem(ben, codes[1]) == "ok"
        await there.hello(ben.token or "")
        await there.cast(7, (show.first, "up"))
    assert await factory.counted(7) == [[show.first, 2, 0], [show.songs[1], 0, 1], [show.songs[2], 0, 0]]


async def test_tickets_are_required_and_no_longer_required(people: People, admin: Person, factory: RowFactory) -> None:
    """From then on new casts need a ticket, existing votes stay, and both changes are in the audit log."""
    show = await factory.show(7)
    ann, ben = await people.persons(2)
    assert await vote(ann, show) == "ok"
    for _ in range(2):
        answer = await admin.ok("PUT", PATH, {"requires_ticket": True})
        assert answer["requires_ticket"] is True

    async def is_required() -> bool:
        return await vote(ben, show) == "forbidden"

    await until(is_required)
    assert await vote(ann, show, "down") == "forbidden"
    assert await factory.counted(7) == await factory.tally(7)
    assert (await factory.tally(7))[0][1:] in ([1, 0], [2, 0])
    await admin.ok("PUT", PATH, {"requires_ticket": False})

    async def is_free() -> bool:
        return await vote(ben, show) == "ok"

    await until(is_free)
    details = await factory.sql.fetch("select detail from audit_log where action = 'show.tickets' order by id")
    assert [row["detail"] for row in details] == ['{"requires_ticket": true}', '{"requires_ticket": false}']


async def test_casts_cause_no_queries(people: People, admin: Person, show: Show, reads: list[int]) -> None:
    """A warm ballot with a ticket needs none. Without a ticket there is one query in five seconds."""
    (code,) = await make_codes(admin, 1)
    ann, ben = await people.persons(2)
    for person in (ann, ben):
        assert await vote(person, show) == "forbidden"
    assert await redeem(ann, code) == "ok"
    before = len(reads)
    for number in range(20):
        assert await vote(ann, show, "up" if number % 2 else "down") == "ok"
        assert await vote(ben, show) == "forbidden"
    assert len(reads) == before


async def test_a_ticket_lost_by_valkey_is_loaded_again(
    people: People, admin: Person, show: Show, redis_url: str
) -> None:
    """The next cast loads it from PostgreSQL, and is accepted."""
    (code,) = await make_codes(admin, 1)
    ann = await people.person()
    assert await redeem(ann, code) == "ok"
    assert await vote(ann, show) == "ok"
    async with redis.asyncio.Redis.from_url(redis_url) as valkey:
        assert await valkey.smembers("{7}:tickets:7") == {str(ann.id).encode()}
        await valkey.delete("{7}:tickets:7")
        assert await vote(ann, show, "down") == "ok"
        await valkey.flushdb()

    async def is_taken() -> bool:
        return await vote(ann, show, "up") == "ok"

    await until(is_taken)


async def test_a_code_is_redeemed_while_valkey_is_down(
    node: Node, people: People, admin: Person, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next cast finds the ticket in PostgreSQL."""
    (code,) = await make_codes(admin, 1)
    ann = await people.person()
    await ann.ok("GET", "/api/shows/7/ballot")  # makes the ballot warm, without a ticket

    async def away(*_: Any) -> None:
        raise CacheUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(node.rooms.tallies._connection, "ask", away)
        assert await redeem(ann, code) == "ok"
    assert await vote(ann, show) == "ok"


async def test_a_code_of_an_erased_user_stays_used(
    people: People, admin: Person, show: Show, factory: RowFactory, redis_url: str
) -> None:
    """Neither PostgreSQL nor Valkey says who redeemed it."""
    (code,) = await make_codes(admin, 1)
    ann = await people.person()
    assert await redeem(ann, code) == "ok"
    assert await vote(ann, show) == "ok"
    assert [t["show_id"] for t in (await ann.ok("GET", "/api/me/export"))["tickets"]] == [7]
    await ann.ok("DELETE", "/api/me", status=204)
    assert await redeem(await people.person(), code) == "conflict"
    assert await admin.ok("GET", PATH) == {"requires_ticket": True, "code_count": 1, "redeemed_count": 1}
    assert await factory.sql.fetchval("select user_id from ticket_codes") is None
    async with redis.asyncio.Redis.from_url(redis_url) as valkey:
        assert not await valkey.sismember("{7}:tickets:7", str(ann.id))
