"""Tickets for work of the device, or for a confirmed email."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest_asyncio

from tests.support import one_node
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory, Show
from tests.support.running_node import until

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people = one_node.node, one_node.emptied, one_node.people

ADMIN = "/api/admin/shows/7/tickets"
EARNED = "/api/shows/7/ticket/earned"


def done(work: dict[str, Any]) -> dict[str, Any]:
    """Does the work."""
    number = next(
        n for n in range(work["maxnumber"] + 1)
        if hashlib.sha256(f"{work['salt']}{n}".encode()).hexdigest() == work["challenge"]
    )  # fmt: skip
    return {**{name: work[name] for name in ("challenge", "salt", "signature")}, "number": number}


@pytest_asyncio.fixture(loop_scope="module")
async def show(factory: RowFactory) -> Show:
    """A show."""
    return await factory.show(7)


async def vote(fan: Person, show: Show) -> int:
    """Casts a vote, and gives the status."""
    status, _ = await fan.ask("POST", "/api/shows/7/votes", {"votes": [[show.first, "up"]]})
    return status


async def test_work_gives_a_ticket_to_the_account_that_did_it(people: People, show: Show) -> None:
    """The next vote is taken. Work of another account, wrong work and no work give none; repeating it changes nothing."""
    admin, fan, other = await people.person("admin"), await people.person(), await people.person()
    asked = await admin.ok("PUT", ADMIN, {"requires_ticket": True, "source": "work"})
    assert asked.pop("revision") > 0
    assert asked == {
        "requires_ticket": True, "source": "work", "code_count": 0, "redeemed_count": 0,
        "effect": {"fans_stopped": 0, "is_preview": False, "votes_kept": 0},
    }  # fmt: skip
    assert (await fan.ok("GET", "/api/shows/7"))["ticket_source"] == "work"
    assert await vote(fan, show) == 403
    work = done(await fan.ok("GET", "/api/shows/7/ticket/work"))
    assert await other.refused("POST", EARNED, {"work": work}) == "bad_request"
    assert (
        await fan.refused("POST", EARNED, {"work": {**work, "number": (work["number"] + 1) % 50_000}}) == "bad_request"
    )
    assert await fan.refused("POST", EARNED, {}) == "forbidden"
    for _ in range(2):
        assert await fan.ok("POST", EARNED, {"work": work}) == {"show": 7}
    assert await vote(fan, show) == 200
    assert (await fan.ok("GET", "/api/shows/7/ticket"))["has_ticket"] is True
    assert await vote(other, show) == 403


async def test_a_confirmed_email_gives_a_ticket(people: People, factory: RowFactory, show: Show) -> None:
    """An address that is not confirmed gives none, and neither does work."""
    admin, fan = await people.person("admin"), await people.person()
    await admin.ok("PUT", ADMIN, {"requires_ticket": True, "source": "mail"})
    assert await fan.refused("POST", EARNED, {}) == "forbidden"
    await factory.sql.execute(
        "insert into email_preferences (user_id, address) values ($1, 'fan@mail.example')", fan.id
    )
    assert await fan.refused("POST", EARNED, {}) == "forbidden"
    work = done(await fan.ok("GET", "/api/shows/7/ticket/work"))
    assert await fan.refused("POST", EARNED, {"work": work}) == "forbidden"
    await factory.sql.execute("update email_preferences set confirmed_at = now()")
    await fan.ok("POST", EARNED, {})
    assert await vote(fan, show) == 200
    assert await factory.audit_log("show:7") == [
        ("show.tickets", {"requires_ticket": [False, True]}), ("show.tickets", {"source": ["code", "mail"]}),
    ]  # fmt: skip
    # Another account with the same mailbox gets none, also after the first account is gone; for another show it gets one.
    second, third = await people.person(), await people.person()
    for person, address in ((second, "Fan+again@mail.example"), (third, "other@mail.example")):
        await factory.sql.execute(
            "insert into email_preferences (user_id, address, confirmed_at) values ($1, $2, now())", person.id, address
        )
    status, problem = await second.ask("POST", EARNED, {})
    assert (status, problem["code"], "Another account has the ticket of this mailbox" in problem["detail"]) == (
        409,
        "conflict",
        True,
    )
    assert await vote(second, show) == 403
    await third.ok("POST", EARNED, {})
    await fan.ok("POST", EARNED, {})
    await fan.ok("DELETE", "/api/me", status=204)
    assert await second.refused("POST", EARNED, {}) == "conflict"
    await factory.show(8)
    await admin.ok("PUT", "/api/admin/shows/8/tickets", {"requires_ticket": True, "source": "mail"})
    await second.ok("POST", "/api/shows/8/ticket/earned", {})
    await admin.ok("PUT", ADMIN, {"requires_ticket": True})
    assert await third.refused("POST", EARNED, {}) == "forbidden"


async def test_two_changes_at_once_go_one_after_the_other(people: People, factory: RowFactory, show: Show) -> None:
    """Two administrators who saw the same show press Save in one instant: the second learns of the first."""
    admin, other = await people.person("admin"), await people.person("admin")
    revision = (await admin.ok("GET", ADMIN))["revision"]
    waiting = (
        "select count(*) >= 2 from pg_locks l join pg_stat_activity a using (pid)"
        " where a.datname = current_database() and not l.granted"
    )
    async with factory.sql.transaction():
        await factory.sql.execute("select from shows where id = 7 for update")
        saving = [
            asyncio.create_task(
                person.ask("PUT", ADMIN, {"requires_ticket": True, "source": source, "revision": revision})
            )
            for person, source in ((admin, "work"), (other, "mail"))
        ]
        await until(lambda: factory.sql.fetchval(waiting))
    (first, _), (second, problem) = sorted(await asyncio.gather(*saving), key=lambda answer: answer[0])
    assert (first, second) == (200, 409)
    assert "did show.tickets (requires_ticket)" in problem["detail"]
    assert (await admin.ok("GET", ADMIN))["source"] in ("work", "mail")
    assert len(await factory.audit_log("show:7")) == 2
