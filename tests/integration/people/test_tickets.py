"""Ticket codes: they are made, redeemed once, and known to the vote path immediately.

Over 400 lines: one topic, whose limits are tested beside what they limit.
"""

from __future__ import annotations

import asyncio
import random
import re
from ipaddress import ip_network
from typing import Any

import pytest
import pytest_asyncio
import redis.asyncio

from server.errors import CacheUnavailable, Refused
from server.node.node import Node
from server.people.queries import tickets
from server.people.ticket_codes import keyed_hash, keying_of, make_code, refuse_guessable, unkeyed_hash
from server.protocol.limits import DEFAULT_LIMITS, Limits
from server.store.database import Database
from server.voting.warm_up import WarmUp
from tests.support import one_node
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory, Show
from tests.support.running_node import SECRET, running_node, until, until_a_lock_is_awaited
from tests.support.socket_client import SocketClient

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people, database = one_node.node, one_node.emptied, one_node.people, one_node.database

PATH = "/api/admin/shows/7/tickets"
REDEEM, VOTES = "/api/shows/7/ticket", "/api/shows/7/votes"
BY_CODE = {"requires_ticket": True, "source": "code"}


@pytest_asyncio.fixture(loop_scope="module")
async def admin(people: People) -> Person:
    """The administrator who makes the codes."""
    return await people.person("admin")


@pytest_asyncio.fixture(loop_scope="module")
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
    given = {"codes": ["7k3m9qxd", "7K3M-9QXD", "t2abw4zp", new["codes"][0]]}
    assert await admin.ok("POST", PATH, given, status=201) == {"added": 2, "codes": [], "is_preview": False}
    assert await admin.ok("POST", PATH, given, status=201) == {"added": 0, "codes": [], "is_preview": False}
    assert await redeem(await people.person(), " t2 abw4-ZP ") == "ok"
    assert (await admin.ok("GET", PATH)).items() >= {**BY_CODE, "code_count": 5, "redeemed_count": 1}.items()
    rows = " ".join(row[0] for row in await factory.sql.fetch("select t::text from ticket_codes t"))
    assert not any(code.lower() in rows.lower() for code in (*new["codes"], *given["codes"]))
    audited = await factory.sql.fetch(
        "select actor_id, subject, detail - 'revision' as detail from audit_log where action = 'show.codes'"
    )
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
    assert (await admin.ok("GET", PATH)).items() >= {**BY_CODE, "code_count": 0, "redeemed_count": 0}.items()


def test_a_code_belongs_to_one_show() -> None:
    """The hash depends on the show, but not on case, spaces, dashes and look-alike letters."""
    code = make_code()
    assert unkeyed_hash(7, code) != unkeyed_hash(8, code)
    assert unkeyed_hash(7, "0I1L-OABC-DE") == unkeyed_hash(7, "o1i1 0abcde")


RANDOM = random.Random(7)


@pytest.mark.parametrize(
    ("codes", "is_taken"),
    [
        (["A1A1A1A1", "7K3M9QXD"], False),
        (["123456789012"], False),
        (["ABCDEFGH"], False),
        (["ROW1SEAT22", "ROW1SEAT23", "ROW1SEAT24"], False),
        ([f"EVENT2026{number:05d}" for number in range(0, 9000, 9)], False),
        ([str(4_006_381_333_000 + number) for number in range(100)], False),
        (["7K3M9QXD"], True),
        ([make_code() for _ in range(2_000)], True),
        (["".join(RANDOM.choices("0123456789", k=13)) for _ in range(2_000)], True),
        (["".join(RANDOM.choices("ABCDEFGHJKMNPQRSTVWXYZ0123456789", k=8)) for _ in range(1_000)], True),
    ],
)
def test_codes_that_can_be_guessed_are_refused(codes: list[str], is_taken: bool) -> None:
    """Short ones, and lists in which codes follow each other. The refusal says which form is wanted."""
    if is_taken:
        refuse_guessable(codes)
        return
    with pytest.raises(Refused, match="Wanted: random codes of 8 or more letters and digits") as refused:
        refuse_guessable(codes)
    assert refused.value.code == "bad_request"


async def test_codes_are_stored_with_the_secret(
    people: People, admin: Person, show: Show, factory: RowFactory, database: Database
) -> None:
    """A code that an older version stored works before and after its hash is replaced, is not added twice, and no plain
    hash of a code stays.
    """
    codes = ["7K3M9QXD", "T2ABW4ZP", "M4T7XQ2B"]
    for code in codes[:2]:
        await factory.sql.execute(
            "insert into ticket_codes (show_id, code_hash, is_keyed) values (7, $1, false)", unkeyed_hash(7, code)
        )
    assert await admin.ok("POST", PATH, {"codes": codes}, status=201) == {"added": 1, "codes": [], "is_preview": False}
    ann, ben, eve = await people.persons(3)
    assert await redeem(ann, codes[0]) == "ok"
    for _ in range(2):
        async with database.connection() as connection:
            await keying_of(SECRET).work(connection)
    stored = {row["code_hash"] for row in await factory.sql.fetch("select code_hash from ticket_codes")}
    assert stored == {keyed_hash(SECRET, unkeyed_hash(7, code)) for code in codes}
    assert await redeem(ann, codes[0]) == "ok"
    assert [await redeem(ben, code) for code in codes[:2]] == ["not_found", "ok"]
    assert await redeem(eve, codes[2]) == "ok"


# ────────────────────────────────────────────────────────────────────── redeeming


async def test_a_code_is_valid_once(people: People, admin: Person, show: Show, factory: RowFactory) -> None:
    """One user redeems it and may repeat that. A second code is not used up. Other shows and unknown codes are refused."""
    await factory.show(8)
    first, second = await make_codes(admin, 2)
    ann, ben = await people.persons(2)
    assert await ann.refused("POST", "/api/shows/8/ticket", {"code": first}) == "not_found"
    assert await redeem(ann, make_code()) == "not_found"
    assert [await redeem(ann, first) for _ in range(2)] == ["ok", "ok"]
    status, used = await ben.ask("POST", REDEEM, {"code": first})
    assert (status, used) == await ben.ask("POST", REDEEM, {"code": make_code()})
    # Whoever holds a ticket learns nothing about other codes.
    assert [await redeem(ann, code) for code in (second, first.lower(), make_code())] == ["conflict", "ok", "conflict"]
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
    assert sorted(answers) == ["not_found"] * 19 + ["ok"]
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


async def test_wrong_codes_have_a_budget(factory: RowFactory, show: Show, database_url: str, redis_url: str) -> None:
    """Fresh accounts do not help: an address and a show have a number of wrong codes, over all nodes. Right codes cost
    nothing, and an address that is over its budget does not keep others out.
    """
    limits = Limits(wrong_codes_per_address=4, wrong_codes_per_show=10)
    proxies = (ip_network("127.0.0.0/8"),)
    await factory.show(8)
    right = [make_code() for _ in range(6)]
    for code in right:
        hashed = keyed_hash(SECRET, unkeyed_hash(7, code))
        await factory.sql.execute("insert into ticket_codes (show_id, code_hash) values (7, $1)", hashed)
    async with (
        running_node(database_url, redis_url, limits=limits, trusted_proxies=proxies) as one,
        running_node(database_url, redis_url, limits=limits, trusted_proxies=proxies) as two,
        People.open(one, factory) as here,
        People.open(two, factory) as there,
    ):

        async def attempt(number: int, code: str, host: int, show_id: int = 7) -> str:
            fan = await (here if number % 2 else there).person()
            headers = {"Authorization": f"Bearer {fan.token}", "X-Forwarded-For": f"198.51.100.{host}"}
            url = f"{fan.url}/api/shows/{show_id}/ticket"
            async with fan.http.post(url, json={"code": code}, headers=headers) as response:
                return "ok" if response.status == 200 else str((await response.json())["code"])

        assert [await attempt(number, code, 1) for number, code in enumerate(right[:5])] == ["ok"] * 5
        guesses = [await attempt(number, make_code(), 1) for number in range(6)]
        assert guesses == ["not_found"] * 4 + ["rate_limited"] * 2
        assert await attempt(0, right[5], 2) == "ok"
        of_others = [await attempt(number, make_code(), 3 + number // 3) for number in range(9)]
        assert of_others == ["not_found"] * 6 + ["rate_limited"] * 3
        assert await attempt(0, make_code(), 9, show_id=8) == "not_found"


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
    previewed = await admin.ok("PUT", f"{PATH}?preview=true", {"requires_ticket": True})
    assert previewed["effect"] == {"is_preview": True, "votes_kept": 1, "fans_stopped": 1}
    assert (await admin.ok("GET", PATH))["requires_ticket"] is False
    for _ in range(2):
        answer = await admin.ok("PUT", PATH, {"requires_ticket": True})
        assert answer["requires_ticket"] is True
        assert answer["effect"] == {"is_preview": False, "votes_kept": 1, "fans_stopped": 1}

    async def is_required() -> bool:
        return await vote(ben, show) == "forbidden"

    await until(is_required)
    assert await vote(ann, show, "down") == "forbidden"
    assert await factory.counted(7) == await factory.tally(7)
    assert (await factory.tally(7))[0][1:] in ([1, 0], [2, 0])
    body = {"requires_ticket": False, "revision": previewed["revision"]}
    status, problem = await admin.ask("PUT", PATH, body)
    assert status == 409
    assert f"user {admin.id} did show.tickets (requires_ticket)" in problem["detail"]
    await admin.ok("PUT", PATH, body | {"revision": answer["revision"]})

    async def is_free() -> bool:
        return await vote(ben, show) == "ok"

    await until(is_free)
    details = await factory.sql.fetch(
        "select detail - 'revision' as detail from audit_log where action = 'show.tickets' order by id"
    )
    assert [row["detail"] for row in details] == [
        '{"requires_ticket": [false, true]}', '{"requires_ticket": [true, false]}',
    ]  # fmt: skip


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
    assert await redeem(await people.person(), code) == "not_found"
    assert (await admin.ok("GET", PATH)).items() >= {**BY_CODE, "code_count": 1, "redeemed_count": 1}.items()
    assert await factory.sql.fetchval("select user_id from ticket_codes") is None
    async with redis.asyncio.Redis.from_url(redis_url) as valkey:
        assert not await valkey.sismember("{7}:tickets:7", str(ann.id))


async def test_lists_with_the_same_codes_do_not_deadlock(show: Show, factory: RowFactory, database: Database) -> None:
    """Two administrators bring the codes of a show in another order; each code is stored once."""
    first, last = b"a" * 32, b"b" * 32

    async def insert(connection: Any, *hashes: bytes) -> Any:
        return await tickets.insert_codes(
            connection, show_id=show.id, code_hashes=hashes, unkeyed_hashes=[hash_[::-1] * 2 for hash_ in hashes]
        )

    async def insert_both() -> None:
        async with database.transaction() as connection:
            assert await insert(connection, last, first) == 0

    async with asyncio.TaskGroup() as tasks, database.transaction() as connection:
        assert await insert(connection, first) == 1
        tasks.create_task(insert_both())
        await until_a_lock_is_awaited(factory.sql, "ticket_codes")
        assert await insert(connection, last) == 1
