"""The address of a user over HTTP, the links in emails, and a whole node that sends emails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from server.mail.tokens import confirmation_token, exact_hash, mailbox_hash, unsubscribe_token
from server.node.node import Node
from server.people.sessions import mint_token
from server.protocol.limits import Limits
from tests.support import one_node
from tests.support.engines import unused_port
from tests.support.people import People
from tests.support.row_factory import RowFactory
from tests.support.running_node import SECRET, running_node, until
from tests.support.smtp_server import SmtpServer

KINDS = ["show_announced", "show_reminder", "show_result"]
ADDRESS = "Fan+sets@mail.example.org"

database_url, redis_url = one_node.database_url, one_node.redis_url
factory, people = one_node.emptied, one_node.people


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(database_url: str, redis_url: str) -> AsyncIterator[Node]:
    """A node whose mail server is down: emails are queued, but not sent."""
    async with running_node(database_url, redis_url, smtp_url=f"smtp://localhost:{unused_port()}") as running:
        yield running


async def page(url: str, method: str = "GET", **options: Any) -> tuple[int, str, str]:
    """Requests a page without a cookie; gives the status, the content type and the text."""
    async with aiohttp.ClientSession() as http, http.request(method, URL(url, encoded=True), **options) as response:
        return response.status, response.content_type, await response.text()


async def confirmations(factory: RowFactory) -> int:
    """Counts the confirmations in the queue."""
    count: int = await factory.sql.fetchval("select count(*) from email_queue where kind = 'confirm_address'")
    return count


async def test_an_address_is_saved_changed_and_deleted(people: People, factory: RowFactory) -> None:
    """Missing fields have defaults. A new address needs a confirmation, new preferences do not."""
    fan = await people.person()
    nothing: dict[str, Any] = {
        "address": None, "frequency": "never", "kinds": [], "is_confirmed": False, "can_send": True, "stopped_by": None,
    }  # fmt: skip
    assert await fan.ok("GET", "/api/me/email") == nothing
    kept = await fan.ok("PUT", "/api/me/email", {"address": ADDRESS})
    assert kept == nothing | {"address": ADDRESS, "frequency": "immediately", "kinds": KINDS}
    assert await confirmations(factory) == 1
    await factory.sql.execute("update email_preferences set confirmed_at = now()")
    wishes = {"address": ADDRESS, "frequency": "weekly", "kinds": ["show_result", "show_announced", "show_result"]}
    changed = await fan.ok("PUT", "/api/me/email", wishes)
    assert changed == nothing | wishes | {"kinds": ["show_announced", "show_result"], "is_confirmed": True}
    assert await fan.ok("GET", "/api/me/email") == changed
    assert await confirmations(factory) == 1
    moved = await fan.ok("PUT", "/api/me/email", wishes | {"address": ADDRESS.lower()})
    assert moved["is_confirmed"] is False
    assert await confirmations(factory) == 2
    await fan.ok("DELETE", "/api/me/email", status=204)
    await fan.ok("DELETE", "/api/me/email", status=204)
    assert await fan.ok("GET", "/api/me/email") == nothing


async def test_each_user_has_their_own_preferences(people: People) -> None:
    """Two users may give the same address, and do not see each other. Anonymous users are refused."""
    one, other = await people.persons(2)
    await one.ok("PUT", "/api/me/email", {"address": ADDRESS})
    assert (await other.ok("GET", "/api/me/email"))["address"] is None
    await other.ok("PUT", "/api/me/email", {"address": ADDRESS, "frequency": "never"})
    await other.ok("DELETE", "/api/me/email", status=204)
    assert (await one.ok("GET", "/api/me/email"))["address"] == ADDRESS
    for method in ("GET", "PUT", "DELETE"):
        body = {"address": ADDRESS} if method == "PUT" else None
        assert await people.nobody().refused(method, "/api/me/email", body) == "unauthenticated"


async def test_a_fourth_confirmation_in_an_hour_is_refused(people: People, factory: RowFactory) -> None:
    """It is refused for other addresses too, and the saved address stays."""
    fan = await people.person()
    for number in range(3):
        await fan.ok("PUT", "/api/me/email", {"address": f"fan{number}@example.org"})
    status, problem = await fan.ask("PUT", "/api/me/email", {"address": "fan3@example.org"})
    assert (status, problem["code"]) == (429, "rate_limited")
    assert 0 < problem["retry_after_ms"] <= 3_600_000
    assert (await fan.ok("GET", "/api/me/email"))["address"] == "fan2@example.org"
    assert await confirmations(factory) == 3
    other = await people.person()
    await other.ok("PUT", "/api/me/email", {"address": "fan3@example.org"})
    await factory.sql.execute("update email_queue set created_at = created_at - interval '61 minutes'")
    await fan.ok("PUT", "/api/me/email", {"address": "fan3@example.org"})


async def test_concurrent_confirmations_are_counted(people: People, factory: RowFactory) -> None:
    """Eight concurrent requests of a user enqueue three confirmations."""
    fan = await people.person()
    answers = await asyncio.gather(
        *(fan.ask("PUT", "/api/me/email", {"address": f"f{n}@example.org"}) for n in range(8))
    )
    taken = [status for status, _ in answers].count(200)
    assert taken == await confirmations(factory) == 3
    assert {status for status, _ in answers} == {200, 429}


INVALID_ADDRESSES = [
    "", "a@b", "fan", "fan@", "@example.org", "fan@example", "fan example@example.org", "fan@exa\nmple.org",
    "fan@example.org\r\nBcc: x@example.org", "fan@exam\tple.org", '"fan"@example.org', "fan@[127.0.0.1]",
    "Fan <fan@example.org>", "fan@example.org,other@example.org", "fan..x@example.org", ".fan@example.org",
    "fan@-example.org", "fan@example-.org", "fan@example..org", "fän@example.org", "fan@exämple.org", "🎸@example.org",
    "fan@exa\u202emple.org", "'; drop table users; --@example.org", "x" * 254 + "@example.org",
    "fan@" + "x" * 64 + ".org", "fan@" + "x." * 130 + "org", "fan@example.org" * 1000, "fan\u0000@example.org",
]  # fmt: skip


async def test_an_invalid_address_is_refused(people: People, factory: RowFactory) -> None:
    """Nothing is saved."""
    fan = await people.person()
    for address in INVALID_ADDRESSES:
        assert await fan.refused("PUT", "/api/me/email", {"address": address}) == "bad_request", address
        assert await factory.sql.fetchval("select count(*) from email_preferences") == 0, address


@pytest.mark.parametrize(
    "address", ["o'brien@example.org", "a%b@example.org", "x" * 64 + "@a.io", "{a}|b@xn--bcher-kva.example"]
)
async def test_an_unusual_address_is_accepted(address: str, people: People) -> None:
    """Characters with a meaning in SQL, HTML or mail are ordinary characters."""
    fan = await people.person()
    assert (await fan.ok("PUT", "/api/me/email", {"address": address}))["address"] == address


MALFORMED_BODIES = [
    b"", b"{", b"[]", b"null", b'{"address":5}', b'{"frequency":"daily"}', b"\xff", b"[" * 10_000,
    b'{"address":"fan@example.org","frequency":"hourly"}', b'{"address":"fan@example.org","frequency":null}',
    b'{"address":"fan@example.org","kinds":["confirm_address"]}', b'{"address":"fan@example.org","kinds":"all"}',
    b'{"address":"fan@example.org","kinds":["show_result","show_result","show_result","show_result"]}',
]  # fmt: skip


async def test_a_malformed_body_is_refused(people: People) -> None:
    """Each gives `bad_request`."""
    fan = await people.person()
    for body in MALFORMED_BODIES:
        assert await fan.refused("PUT", "/api/me/email", body) == "bad_request", body


async def test_a_body_that_is_too_large_is_refused(people: People) -> None:
    """It gives `too_large`."""
    fan = await people.person()
    assert await fan.refused("PUT", "/api/me/email", b" " * 70_000) == "too_large"


async def test_an_erased_account_cannot_save_an_address(people: People, factory: RowFactory) -> None:
    """Its token may still be valid for weeks."""
    fan = await people.person()
    await factory.sql.execute("select erase_user($1)", fan.id)
    assert await fan.refused("PUT", "/api/me/email", {"address": ADDRESS}) == "unauthenticated"
    assert (await fan.ok("GET", "/api/me/email"))["address"] is None


async def test_without_a_mail_server_preferences_are_saved(
    database_url: str, redis_url: str, factory: RowFactory
) -> None:
    """The answer says `can_send: false`, and no confirmation is enqueued."""
    async with running_node(database_url, redis_url) as node, People.open(node, factory) as people:
        fan = await people.person()
        for _ in range(5):
            kept = await fan.ok("PUT", "/api/me/email", {"address": ADDRESS})
        assert (kept["can_send"], kept["is_confirmed"]) == (False, False)
        assert await confirmations(factory) == 0
    async with (
        running_node(database_url, redis_url, smtp_url=f"smtp://localhost:{unused_port()}") as node,
        People.open(node, factory) as people,
    ):
        fan = await people.person()
        assert (await fan.ok("PUT", "/api/me/email", {"address": ADDRESS}))["can_send"] is True
        assert await confirmations(factory) == 1


# ── the links


async def test_a_confirmation_confirms_only_its_address(node: Node, people: People, factory: RowFactory) -> None:
    """Repeating it changes nothing. Expired links and changed addresses give the same page."""
    fan, other = await people.persons(2)
    now = datetime.now(UTC)
    token = confirmation_token(SECRET, fan.id, ADDRESS, now=now)
    link = f"{node.url}/confirm-email?token={token}"
    too_old = await page(link, "POST")
    assert too_old[:2] == (200, "text/html")
    await fan.ok("PUT", "/api/me/email", {"address": ADDRESS})
    await other.ok("PUT", "/api/me/email", {"address": ADDRESS})
    old = confirmation_token(SECRET, fan.id, ADDRESS, now=now - timedelta(hours=48, seconds=1))
    for method in ("GET", "POST"):
        assert await page(f"{node.url}/confirm-email?token={old}", method) == too_old
    # A mail program that opens the link confirms nothing: the page has a button.
    status, kind, text = await page(link)
    assert (status, kind, f'<form method="post" action="/confirm-email?token={token}">' in text) == (
        200,
        "text/html",
        True,
    )
    assert (await fan.ok("GET", "/api/me/email"))["is_confirmed"] is False
    confirmed = await page(link, "POST")
    assert confirmed != too_old
    assert await page(link, "POST") == confirmed
    assert (await fan.ok("GET", "/api/me/email"))["is_confirmed"] is True
    assert (await other.ok("GET", "/api/me/email"))["is_confirmed"] is False
    await fan.ok("PUT", "/api/me/email", {"address": "new@example.org"})
    assert await page(link, "POST") == too_old
    assert (await fan.ok("GET", "/api/me/email"))["is_confirmed"] is False


async def test_an_address_of_a_client_asks_for_few_confirmations(
    database_url: str, redis_url: str, factory: RowFactory
) -> None:
    """Fresh accounts do not help to send mail to strangers; the refusal changes nothing."""
    smtp_url = f"smtp://localhost:{unused_port()}"
    limited = running_node(database_url, redis_url, smtp_url=smtp_url, limits=Limits(confirmations_per_address=3))
    async with limited as node, People.open(node, factory) as people:
        fans = await people.persons(5)
        answers = [
            (await fan.ask("PUT", "/api/me/email", {"address": f"stranger{fan.id}@example.org"}))[0] for fan in fans
        ]
    assert answers == [200] * 3 + [429] * 2
    assert await confirmations(factory) == await factory.sql.fetchval("select count(*) from email_preferences") == 3


async def test_pages_follow_the_content_security_policy(node: Node) -> None:
    """They have no scripts and no inline styles. The style sheet and the form belong to this site."""
    token = unsubscribe_token(SECRET, ADDRESS)
    async with aiohttp.ClientSession() as http, http.get(f"{node.url}/unsubscribe?token={token}") as response:
        text = await response.text()
        assert "script-src 'self'" in response.headers["Content-Security-Policy"]
        assert response.headers["Cache-Control"] == "no-store"
    assert "<script" not in text
    assert "style=" not in text
    assert "<style" not in text
    assert f'<form method="post" action="/unsubscribe?token={token}">' in text
    assert (await page(f"{node.url}/static/style.css"))[0] == 200


async def test_one_click_from_any_site_unsubscribes(node: Node, people: People, factory: RowFactory) -> None:
    """It needs no cookie, works from other origins and for unknown addresses. Opening the page changes nothing."""
    link = f"{node.url}/unsubscribe?token={unsubscribe_token(SECRET, ADDRESS)}"
    status, kind, text = await page(link)
    assert (status, kind, "<button" in text) == (200, "text/html", True)
    assert await factory.sql.fetchval("select count(*) from email_unsubscribes") == 0
    body = {"List-Unsubscribe": "One-Click"}
    answers = [
        await page(link, "POST", data=body, headers={"Origin": "https://mail.example.com"}),
        await page(link, "POST", data=body),
        await page(link, "POST", headers={"Origin": "null"}),
    ]
    assert answers == [answers[0]] * 3
    assert answers[0][:2] == (200, "text/html")
    rows = await factory.sql.fetch("select address_hash, reason from email_unsubscribes")
    assert [tuple(row) for row in rows] == [(mailbox_hash(ADDRESS), "link")]


async def test_other_routes_refuse_other_origins(people: People) -> None:
    """Only the link with a token accepts requests from other sites."""
    fan = await people.person()
    headers = {"Authorization": f"Bearer {fan.token}", "Origin": "https://mail.example.com"}
    for method, path in [("PUT", "/api/me/email"), ("DELETE", "/api/me/email"), ("POST", "/unsubscribe/x")]:
        status, _, text = await page(fan.url + path, method, json={"address": ADDRESS}, headers=headers)
        assert (status, '"forbidden"' in text) == (403, True)


async def test_only_the_user_of_a_confirmed_address_resumes_it(people: People, factory: RowFactory) -> None:
    """Other users neither resume it nor learn that it is stopped. A stop by the mail server stays."""
    owner, stranger = await people.persons(2)
    for fan in (owner, stranger):
        await fan.ok("PUT", "/api/me/email", {"address": ADDRESS})
    await factory.sql.execute("update email_preferences set confirmed_at = now() where user_id = $1", owner.id)
    await page(f"{owner.url}/unsubscribe?token={unsubscribe_token(SECRET, ADDRESS.upper())}", "POST")
    assert (await stranger.ok("GET", "/api/me/email"))["stopped_by"] is None
    assert (await owner.ok("GET", "/api/me/email"))["stopped_by"] == "link"
    assert (await stranger.ok("PUT", "/api/me/email", {"address": ADDRESS}))["stopped_by"] is None
    never = await owner.ok("PUT", "/api/me/email", {"address": ADDRESS, "frequency": "never"})
    assert never["stopped_by"] == "link"
    assert (await owner.ok("PUT", "/api/me/email", {"address": ADDRESS}))["stopped_by"] is None
    await factory.sql.execute(
        "insert into email_unsubscribes (address_hash, reason) values ($1, 'bounce')", mailbox_hash(ADDRESS)
    )
    assert (await owner.ok("PUT", "/api/me/email", {"address": ADDRESS}))["stopped_by"] == "bounce"


LINKS = ["GET /confirm-email", "POST /confirm-email", "GET /unsubscribe", "POST /unsubscribe"]


async def test_other_tokens_are_refused(node: Node, factory: RowFactory) -> None:
    """Tokens of sessions, of the other link or with another secret, and garbage give `bad_request` and change nothing."""
    for path in LINKS:
        method, _, route = path.partition(" ")
        now = datetime.now(UTC)
        confirm, unsubscribe = confirmation_token(SECRET, 1, ADDRESS, now=now), unsubscribe_token(SECRET, ADDRESS)
        other = "another secret, as long as the first one is"
        tokens = [
            mint_token(SECRET, 1, "admin"),
            unsubscribe if route == "/confirm-email" else confirm,
            confirmation_token(other, 1, ADDRESS, now=now),
            unsubscribe_token(other, ADDRESS),
            "", "x", "a.b.c", "'; drop table users; --", "\u05d0🎸", "%00", "%ED%A0%80", "x" * 1001, "x" * 5_000,
            exact_hash(ADDRESS).hex(),
        ]  # fmt: skip
        for token in tokens:
            text = token if token.startswith("%") else quote(token)
            for url in (f"{node.url}{route}?token={text}", f"{node.url}{route}"):
                status, kind, told = await page(url, method)
                assert (status, kind) == (400, "application/problem+json"), path
                assert '"code":"bad_request"' in told, path
        status, _, told = await page(f"{node.url}{route}?token={unsubscribe}&token={unsubscribe}", method)
        assert (status, '"code":"bad_request"' in told) == (400, True), path
        assert await factory.sql.fetchval("select count(*) from email_unsubscribes") == 0, path


async def test_no_link_is_a_session(people: People) -> None:
    """The tokens of links are refused as bearer tokens."""
    fan = await people.person()
    for token in (
        confirmation_token(SECRET, fan.id, ADDRESS, now=datetime.now(UTC)),
        unsubscribe_token(SECRET, ADDRESS),
    ):
        status, _, _ = await page(f"{fan.url}/api/me/email", headers={"Authorization": f"Bearer {token}"})
        assert status == 401


async def test_a_node_sends_emails_from_confirmation_to_unsubscription(
    database_url: str, redis_url: str, factory: RowFactory
) -> None:
    """Address, confirmation, announcement, one click, no more emails; and the metrics count them."""
    async with (
        SmtpServer.open() as smtp_server,
        running_node(
            database_url,
            redis_url,
            smtp_url=smtp_server.url(),
            mail_from="Sets <sets@example.org>",
            public_url="https://sets.example.org",
        ) as node,
        People.open(node, factory) as people,
    ):
        fan = await people.person()
        await fan.ok("PUT", "/api/me/email", {"address": ADDRESS})

        async def arrived(count: int) -> bool:
            return len(smtp_server.arrived) >= count

        await until(lambda: arrived(1))
        confirmation = smtp_server.arrived[0]
        assert confirmation.message["From"] == "Sets <sets@example.org>"
        link = next(line for line in confirmation.text.splitlines() if "/confirm-email?" in line)
        assert link.startswith("https://sets.example.org/confirm-email?token=")
        assert (await page(link.replace("https://sets.example.org", node.url), "POST"))[0] == 200
        assert (await fan.ok("GET", "/api/me/email"))["is_confirmed"] is True

        await factory.sql.execute("insert into user_follows_artists (user_id, artist_id) values ($1, 1)", fan.id)
        await factory.show(1)
        await factory.sql.execute(
            "insert into email_queue (user_id, kind, about) values ($1, 'show_announced', 'show:1')", fan.id
        )
        await until(lambda: arrived(2))
        email = smtp_server.arrived[1]
        unsubscribe_link = email.message["List-Unsubscribe"].strip("<>").replace("https://sets.example.org", node.url)
        await page(
            unsubscribe_link,
            "POST",
            data={"List-Unsubscribe": "One-Click"},
            headers={"Origin": "https://mail.example.com"},
        )
        assert (await fan.ok("GET", "/api/me/email"))["stopped_by"] == "link"
        await factory.sql.execute(
            "insert into email_queue (user_id, kind, about) values ($1, 'show_reminder', 'show:1')", fan.id
        )

        settled = "select bool_and(status in ('sent', 'suppressed')) from email_queue"
        await until(lambda: factory.sql.fetchval(settled))
        assert len(smtp_server.arrived) == 2

        async def has_counted() -> bool:
            _, _, metrics = await page(f"{node.url}/metrics")
            counters = ('{kind="confirm_address",outcome="sent"}', '{kind="show_reminder",outcome="suppressed"}')
            return all(f"mysetlist_letters_total{counter}" in metrics for counter in counters)

        # The node counts an email after it has written what became of it.
        await until(has_counted)
