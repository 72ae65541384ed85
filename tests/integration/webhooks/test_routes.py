"""Administrators make, change, test and delete webhooks; what happens at a node reaches them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import structlog.testing
from standardwebhooks import Webhook, WebhookVerificationError

from server.node.node import Node
from server.webhooks import routes
from server.webhooks.queries import sender
from tests.support import one_node
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory
from tests.support.running_node import running_node, until
from tests.support.webhooks import EVENTS, LOCAL, Receiver

database_url, redis_url = one_node.database_url, one_node.redis_url
factory, people, moderator = one_node.emptied, one_node.people, one_node.moderator

PATH = "/api/admin/webhooks"
NAMES = {"hooks.example.org": ["8.8.8.8"], "inside.example.org": ["10.0.0.1"], "127.0.0.1": ["127.0.0.1"]}


async def look_up(host: str, port: int) -> list[str]:
    """A resolver that knows a few names."""
    return NAMES.get(host, [])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(database_url: str, redis_url: str) -> AsyncIterator[Node]:
    """One whole node, which may post to this machine."""
    async with running_node(database_url, redis_url, webhook_networks=LOCAL) as running:
        running.rooms.poster._poster._look_up = look_up
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def admin(people: People) -> Person:
    """The administrator who makes webhooks."""
    return await people.person("admin")


@pytest_asyncio.fixture(loop_scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver of this test."""
    async with Receiver.open() as opened:
        yield opened


async def make(admin: Person, url: str, **body: Any) -> dict[str, Any]:
    """Makes a webhook."""
    made: dict[str, Any] = await admin.ok("POST", PATH, {"url": url, "events": EVENTS, **body}, status=201)
    return made


async def refused(person: Person, method: str, path: str, body: Any = None, *, code: str) -> str:
    """Sends a request that must be refused with this code; gives the sentence."""
    status, problem = await person.ask(method, path, body)
    assert (status >= 400, problem["code"]) == (True, code), problem
    sentence: str = problem["detail"]
    return sentence


async def test_a_secret_is_shown_once(admin: Person, factory: RowFactory) -> None:
    """It is in the answer to the act, and not in lists, the audit log or the log; a preview has none and changes nothing."""
    with structlog.testing.capture_logs() as logged:
        body = {"url": "https://hooks.example.org/T0/KEN?a=b", "events": ["show.final", "song.played", "show.final"]}
        preview = await admin.ok("POST", f"{PATH}?preview=true", body, status=201)
        assert (preview["is_preview"], preview["secret"]) == (True, None)
        assert (await admin.ok("GET", PATH))["items"] == []
        made = await admin.ok("POST", PATH, body, status=201)
        assert made["secret"].startswith("whsec_")
        assert made["events"] == ["show.final", "song.played"]
        again = await admin.ok("POST", f"{PATH}/{made['id']}/secret", status=200)
        assert again["secret"] not in (None, made["secret"])
        assert again["previous_secret_until"] is not None
    listed = await admin.ok("GET", PATH)
    assert [item["url"] for item in listed["items"]] == [body["url"]]
    acts = await factory.sql.fetch("select action, subject, detail::text from audit_log order by id")
    assert [row["action"] for row in acts] == ["webhook.make", "webhook.secret"]
    for told in (str(listed), str([tuple(row) for row in acts]), str(logged)):
        assert not any(secret in told for secret in (made["secret"], made["secret"][6:40], again["secret"][6:40]))
    assert "hooks.example.org" in acts[0]["detail"]
    assert "KEN" not in acts[0]["detail"]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://inside.example.org/", "leads to 10.0.0.1"), ("http://hooks.example.org/", "must start with https://"),
        ("https://nowhere.example.org/", "does not resolve"), ("ftp://hooks.example.org/", "must start with https://"),
        ("https://me:hush@hooks.example.org/", "has a user"), ("", "`url` is ''"),
    ],
)  # fmt: skip
async def test_a_bad_address_is_refused(admin: Person, url: str, says: str) -> None:
    """With a sentence, when it is made and when it is changed; also in a preview."""
    made = await make(admin, "https://hooks.example.org/")
    for method, path, body in (
        ("POST", PATH, {"url": url, "events": EVENTS}),
        ("POST", f"{PATH}?preview=true", {"url": url, "events": EVENTS}),
        ("PATCH", f"{PATH}/{made['id']}", {"url": url}),
    ):
        assert says in await refused(admin, method, path, body, code="bad_request")


async def test_there_are_only_so_many(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is a conflict."""
    monkeypatch.setattr(routes, "WEBHOOKS_MAX", 1)
    await make(admin, "https://hooks.example.org/")
    body = {"url": "https://hooks.example.org/", "events": EVENTS}
    assert "Delete one first" in await refused(admin, "POST", PATH, body, code="conflict")


async def test_moderators_see_nothing_of_webhooks(admin: Person, moderator: Person) -> None:
    """Every route is for administrators."""
    made = await make(admin, "https://hooks.example.org/")
    one = f"{PATH}/{made['id']}"
    for method, path in (
        ("GET", PATH), ("POST", PATH), ("GET", one), ("PATCH", one), ("DELETE", one), ("POST", f"{one}/secret"), ("POST", f"{one}/test"),
        ("GET", f"{one}/deliveries"), ("POST", f"{one}/again"),
    ):  # fmt: skip
        await refused(moderator, method, path, {}, code="forbidden")


async def test_what_staff_does_reaches_a_webhook(admin: Person, factory: RowFactory, receiver: Receiver) -> None:
    """A show is closed through the API; the message is signed with the secret that was shown, and listed as delivered."""
    await factory.show(1)
    made = await make(admin, receiver.url)
    await admin.ok("POST", "/api/admin/shows/1/close")
    await until(lambda: _done(bool(receiver.arrived)))
    [closed] = receiver.arrived[:1]
    assert closed.body["type"] == "show.closed"
    Webhook(made["secret"]).verify(closed.raw, closed.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(made["secret"]).verify(closed.raw + b" ", closed.headers)

    async def delivered() -> Any:
        items = (await admin.ok("GET", f"{PATH}/{made['id']}/deliveries?state=delivered"))["items"]
        return next((item for item in items if item["message_id"] == closed.id), None)

    item = await until(delivered)
    assert (item["event"], item["show"], item["attempts"], item["status"]) == ("show.closed", 1, 1, 204)
    [listed] = (await admin.ok("GET", PATH))["items"]
    assert listed["last_attempt"]["status"] == 204
    assert (await admin.ok("GET", f"{PATH}/{made['id']}"))["id"] == made["id"]


async def test_a_test_is_posted_at_once(admin: Person, factory: RowFactory, receiver: Receiver) -> None:
    """The answer's status and time are told, also of a failure and of a disabled webhook; the act is in the audit log."""
    made = await make(admin, receiver.url, is_enabled=False)
    path = f"{PATH}/{made['id']}/test"
    receiver.statuses = [200, 418]
    good, bad = await admin.ok("POST", path), await admin.ok("POST", path)
    assert (good["is_delivered"], good["status"], good["error"]) == (True, 200, "")
    assert good["took_ms"] >= 0
    assert (bad["is_delivered"], bad["status"], bad["error"]) == (False, 418, "It answered 418.")
    assert receiver.types == ["webhook.test"] * 2
    Webhook(made["secret"]).verify(receiver.arrived[0].raw, receiver.arrived[0].headers)
    acts = await factory.sql.fetch("select action from audit_log where action = 'webhook.test'")
    assert len(acts) == 2
    await factory.sql.execute("update webhooks set url = 'https://inside.example.org/'")
    kept_in = await admin.ok("POST", path)
    assert kept_in["status"] is None
    assert "10.0.0.1, which is no public address" in kept_in["error"]


async def test_dead_letters_are_sent_again(admin: Person, factory: RowFactory, receiver: Receiver) -> None:
    """One, then all; a preview says how many; a disabled webhook has to be enabled first."""
    made = await make(admin, receiver.url)
    await factory.sql.execute(
        "insert into webhook_events (type, show_id, data, is_queued) select 'song.played', 1, '{}', true from generate_series(1, 3);"
        "insert into webhook_deliveries (webhook_id, event_id, state, attempts, queued_at, not_before)"
        f" select {made['id']}, id, 'dead', 10, now(), now() from webhook_events"
    )
    path = f"{PATH}/{made['id']}"
    dead = (await admin.ok("GET", f"{path}/deliveries?state=dead"))["items"]
    assert len(dead) == 3
    assert await admin.ok("POST", f"{path}/again?preview=true") == {"is_preview": True, "count": 3}
    assert await admin.ok("POST", f"{path}/again", {"delivery": dead[0]["id"]}) == {"is_preview": False, "count": 1}
    await until(lambda: _done(len(receiver.arrived) == 1))
    await refused(admin, "POST", f"{path}/again", {"delivery": dead[0]["id"]}, code="conflict")
    await admin.ok("PATCH", path, {"is_enabled": False})
    assert "Enable it first" in await refused(admin, "POST", f"{path}/again", {}, code="conflict")
    await admin.ok("PATCH", path, {"is_enabled": True})
    assert (await admin.ok("POST", f"{path}/again"))["count"] == 2
    await until(lambda: _done(len(receiver.arrived) == 3))
    assert {one.id for one in receiver.arrived} == {one["message_id"] for one in dead}


async def test_a_change_says_what_it_ends(admin: Person, factory: RowFactory) -> None:
    """Disabling makes dead letters of what waits, deleting deletes it; previews say so and change nothing."""
    made = await make(admin, "https://hooks.example.org/a")
    await factory.sql.execute(
        "insert into webhook_events (type, show_id, data, is_queued) values ('song.played', 1, '{}', true);"
        "insert into webhook_deliveries (webhook_id, event_id, queued_at, not_before)"
        f" select {made['id']}, id, now(), now() + interval '1 day' from webhook_events"
    )
    path = f"{PATH}/{made['id']}"
    preview = await admin.ok("PATCH", f"{path}?preview=true", {"is_enabled": False})
    assert (preview["is_preview"], preview["ended"], preview["dead"]) == (True, 1, 1)
    changed = await admin.ok(
        "PATCH", path, {"is_enabled": False, "url": "https://hooks.example.org/b", "description": "A screen"}
    )
    assert (changed["is_enabled"], changed["ended"], changed["waiting"], changed["dead"]) == (False, 1, 0, 1)
    gone = await admin.ok("DELETE", f"{path}?preview=true")
    assert gone == {"id": made["id"], "is_preview": True, "waiting": 0, "dead": 1}
    assert (await admin.ok("DELETE", path))["is_preview"] is False
    assert await factory.sql.fetchval("select count(*) from webhook_deliveries") == 0
    await refused(admin, "DELETE", path, code="not_found")
    acts = await factory.sql.fetch("select action, detail::text from audit_log order by id")
    assert [row["action"] for row in acts] == ["webhook.make", "webhook.change", "webhook.delete"]
    assert '"is_enabled": [true, false]' in acts[1]["detail"]
    assert '"path"' in acts[1]["detail"]


async def test_the_second_administrator_learns_of_the_first(admin: Person, people: People, factory: RowFactory) -> None:
    """Each act moves the revision, also that of the server; a change that was made for an older one is refused and names the act."""
    made = await make(admin, "https://hooks.example.org/a")
    path, other = f"{PATH}/{made['id']}", await people.person("admin")
    told = {"description": "Lobby", "revision": made["revision"]}
    assert (await admin.ok("PATCH", f"{path}?preview=true", told))["revision"] == made["revision"] + 1
    first = await admin.ok("PATCH", path, told)
    for late in (f"{path}?preview=true", path):
        says = await refused(other, "PATCH", late, {"is_enabled": False, "revision": made["revision"]}, code="conflict")
        assert f"user {admin.id} did webhook.change (description)" in says
    assert (await other.ok("PATCH", path, {"description": "Lobby"}))["revision"] == first["revision"]
    rotated = await other.ok("POST", f"{path}/secret")
    assert rotated["revision"] > first["revision"]
    says = await refused(admin, "PATCH", path, {"is_enabled": False, "revision": first["revision"]}, code="conflict")
    assert f"user {other.id} did webhook.secret" in says
    # The sender disables it: whoever edits the address now does not enable it unawares.
    async with factory.sql.transaction():
        await sender.disable(factory.sql, webhook_id=made["id"], why="It answered 410.")
    says = await refused(admin, "PATCH", path, {"is_enabled": True, "revision": rotated["revision"]}, code="conflict")
    assert "no administrator" in says


async def _done(holds: bool) -> bool:
    return holds
