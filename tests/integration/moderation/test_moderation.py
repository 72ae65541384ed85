"""Moderation: the queue and its order, decisions, reports, and the log."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.moderation.queries import decisions as queries
from server.moderation.queries import logs as log_queries
from server.moderation.queries import text_review as review_queries
from server.moderation.queue import QueueCursor
from server.node.node import Node
from server.protocol.http.cursors import ID_MAX, encode_cursor
from tests.support import one_node
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory = one_node.node, one_node.emptied
people, moderator = one_node.people, one_node.moderator

REVIEWS = "/api/venues/hall/reviews"
QUEUE = "/api/admin/moderation"
SPAM = "cheap tickets at www.example.org"


async def _review(author: Person, body: str, rating: int = 4) -> int:
    _, review = await author.ask("POST", REVIEWS, {"rating": rating, "body": body})
    number: int = review["id"]
    return number


async def _queue(moderator: Person) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await moderator.ok("GET", QUEUE))["items"]
    return items


async def test_a_moderator_approves_or_rejects_a_held_text(people: People, factory: RowFactory) -> None:
    """An approved review is shown and counted, a rejected one is not. Both leave the queue and are logged."""
    ann, bob, moderator = await people.person(), await people.person(), await people.person("moderator")
    shown, hidden = await _review(ann, SPAM), await _review(bob, SPAM, 1)
    first, second = await _queue(moderator)
    assert (first["kind"], first["reasons"], first["review"]) == (
        "held", ["links"],
        {"id": shown, "venue": 1, "user": ann.id, "rating": 4, "body": SPAM, "status": "pending"},
    )  # fmt: skip
    answer = await moderator.ok("POST", f"{QUEUE}/{first['id']}", {"decision": "approve", "note": "It is the venue's."})
    assert answer == {
        "id": first["id"], "decision": "approve", "subject": f"review:{shown}", "also_answered": 0, "is_preview": False,
    }  # fmt: skip
    await moderator.ok("POST", f"{QUEUE}/{second['id']}", {"decision": "reject"})
    assert await _queue(moderator) == []
    page = await people.nobody().ok("GET", REVIEWS)
    assert ([item["id"] for item in page["items"]], page["rating"]) == ([shown], {"average": 4.0, "count": 1})
    assert (await bob.ok("GET", REVIEWS))["own"]["status"] == "rejected"
    assert await moderator.refused("POST", f"{QUEUE}/{second['id']}", {"decision": "approve"}) == "conflict"

    log = (await moderator.ok("GET", f"{QUEUE}/log"))["items"]
    assert [(item["moderator"], item["action"], item["subject"]) for item in log] == [
        (moderator.id, "text.reject", f"review:{hidden}"),
        (moderator.id, "text.approve", f"review:{shown}"),
    ]
    assert log[1]["detail"] == {"moderation": first["id"], "reasons": ["links"], "note": "It is the venue's."}
    assert await factory.sql.fetch("select * from miscounts()") == []


async def test_a_decision_applies_to_the_text_that_the_moderator_read(people: People) -> None:
    """An edit removes the old text from the queue, so that nobody approves a text they have not seen."""
    ann, moderator = await people.person(), await people.person("moderator")
    await _review(ann, SPAM)
    (seen,) = await _queue(moderator)
    await _review(ann, SPAM + ", and worse")
    assert await moderator.refused("POST", f"{QUEUE}/{seen['id']}", {"decision": "approve"}) == "not_found"
    (waiting,) = await _queue(moderator)
    assert waiting["review"]["body"].endswith("worse")
    # Sending the same words again, or changing only the rating, is not a new text.
    await _review(ann, SPAM + ", and worse", 1)
    assert [item["id"] for item in await _queue(moderator)] == [waiting["id"]]
    # An approved review stays approved while its words stay the same.
    await moderator.ok("POST", f"{QUEUE}/{waiting['id']}", {"decision": "approve"})
    await _review(ann, SPAM + ", and worse", 5)
    assert await _queue(moderator) == []
    assert (await people.nobody().ok("GET", REVIEWS))["rating"] == {"average": 5.0, "count": 1}


async def test_a_rejected_text_is_shown_again_only_by_a_moderator(people: People) -> None:
    """A harmless edit of a rejected review or profile is held. A new rating alone changes nothing."""
    ann, moderator = await people.person(), await people.person("moderator")
    await _review(ann, SPAM)
    await ann.ok("PATCH", "/api/me", {"display_name": "www.ann.example", "is_public": True})
    for item in await _queue(moderator):
        await moderator.ok("POST", f"{QUEUE}/{item['id']}", {"decision": "reject"})
    await _review(ann, SPAM, 5)
    assert (await ann.ok("GET", REVIEWS))["own"]["status"] == "rejected"
    await _review(ann, "Lovely.")
    assert (await ann.ok("PATCH", "/api/me", {"is_public": True}))["status"] == "rejected"
    assert (await ann.ok("PATCH", "/api/me", {"display_name": "Ann"}))["status"] == "pending"
    waiting = await _queue(moderator)
    assert [item["reasons"] for item in waiting] == [["rejected_before"], ["rejected_before"]]
    assert waiting[1]["profile"] == {"user": ann.id, "display_name": "Ann", "bio": "", "city": "", "status": "pending"}
    for item in waiting:
        await moderator.ok("POST", f"{QUEUE}/{item['id']}", {"decision": "approve"})
    assert (await people.nobody().ok("GET", REVIEWS))["items"][0]["author"]["display_name"] == "Ann"


async def test_a_reader_reports_once(people: People) -> None:
    """A reader has one open report of a subject. After the decision they can report it again."""
    ann, reader, moderator = await people.person(), await people.person(), await people.person("moderator")
    review = await _review(ann, "A lie.")
    await ann.ok("PATCH", "/api/me", {"display_name": "Ann", "is_public": True})
    for subject in ({"review": review}, {"profile": ann.id}):
        report = await reader.ok("POST", "/api/reports", {"reason": " rude ", **subject}, status=201)
        assert await reader.refused("POST", "/api/reports", {"reason": "rude", **subject}) == "conflict"
        assert await ann.refused("POST", "/api/reports", {"reason": "rude", **subject}) == "bad_request"
        (item,) = await _queue(moderator)
        assert (item["kind"], item["id"], item["reason"], item["reporter"]) == (
            "report",
            report["id"],
            "rude",
            reader.id,
        )
        assert (item["review"] is None, item["profile"] is None) == ("review" not in subject, "profile" not in subject)
        path = f"/api/admin/reports/{report['id']}"
        await moderator.ok("POST", path, {"decision": "dismiss", "note": "It is not."})
        assert await moderator.refused("POST", path, {"decision": "uphold"}) == "conflict"
        report = await reader.ok("POST", "/api/reports", {"reason": "still rude", **subject}, status=201)
        await moderator.ok("POST", f"/api/admin/reports/{report['id']}", {"decision": "uphold"})
        assert (
            await reader.refused("POST", "/api/reports", {"reason": "x", **subject}) == "not_found"
        )  # the text is hidden now
    assert (await people.nobody().ok("GET", REVIEWS))["items"] == []
    assert await people.nobody().refused("GET", f"/api/users/{ann.id}") == "not_found"
    actions = [item["action"] for item in (await moderator.ok("GET", f"{QUEUE}/log"))["items"]]
    assert actions == ["report.uphold", "report.dismiss"] * 2


async def test_upholding_one_report_closes_the_others(people: People) -> None:
    """A hidden text needs no other decision: its other reports are upheld, and its held text is rejected."""
    ann, moderator = await people.person(), await people.person("moderator")
    review = await _review(ann, "A lie.")
    reports = [
        (await reader.ok("POST", "/api/reports", {"review": review, "reason": "a lie"}, status=201))["id"]
        for reader in await people.persons(3)
    ]
    await _review(ann, SPAM)
    assert len(await _queue(moderator)) == 4
    path = f"/api/admin/reports/{reports[1]}"
    previewed = await moderator.ok("POST", f"{path}?preview=true", {"decision": "uphold"})
    assert len(await _queue(moderator)) == 4
    done = await moderator.ok("POST", path, {"decision": "uphold"})
    assert previewed["also_answered"] == 3
    assert previewed == done | {"is_preview": True}
    assert await _queue(moderator) == []
    assert (await ann.ok("GET", REVIEWS))["own"]["status"] == "rejected"


async def test_the_queue_is_paged_most_urgent_first(people: People, factory: RowFactory) -> None:
    """Held texts and reports are in one list. Every page size gives each item once."""
    moderator = await people.person("moderator")
    texts = [SPAM, "a shit place", SPAM, "a shit place", SPAM]
    authors = await people.persons(5)
    for author, text in zip(authors, texts, strict=True):
        await _review(author, text)
    shown = await _review(await people.person(), "Fine.")
    for reader in authors[:3]:
        await reader.ok("POST", "/api/reports", {"review": shown, "reason": "not fine"}, status=201)
    whole = await _queue_by_pages(moderator, 100)
    assert [(item["kind"], item["priority"]) for item in whole] == [
        *[("held", "high")] * 2, *[("held", "normal")] * 3, *[("report", "normal")] * 3,
    ]  # fmt: skip
    await factory.sql.execute("update reports set created_at = now()")
    await factory.sql.execute("update content_moderation set created_at = (select min(created_at) from reports)")
    whole = await _queue_by_pages(moderator, 100)
    for limit in (1, 2, 3, 5):
        assert await _queue_by_pages(moderator, limit) == whole
    # The log has pages too.
    for item in whole[:5]:
        await moderator.ok("POST", f"{QUEUE}/{item['id']}", {"decision": "reject"})
    log = await moderator.pages(f"{QUEUE}/log", 2)
    assert [item["id"] for item in log] == sorted((item["id"] for item in log), reverse=True)
    assert len(log) == 5


async def test_suggestions_wait_in_the_same_queue(people: People, moderator: Person, factory: RowFactory) -> None:
    """One item for a song that several fans suggest, behind texts and reports, the oldest first; each page has its place."""
    fans = await people.persons(3)
    await factory.show(7)
    for fan, title in ((fans[0], "Déjà Vu"), (fans[1], "deja vu"), (fans[2], "Other")):
        await fan.ok("POST", "/api/shows/7/suggestions", {"title": title}, status=201)
    await _review(fans[0], SPAM)
    whole = await _queue_by_pages(moderator, 100)
    assert [(item["kind"], item["priority"], item["suggestion"] and item["suggestion"]["title"]) for item in whole] == [
        ("held", "normal", None), ("suggestion", "low", "Déjà Vu"), ("suggestion", "low", "Other"),
    ]  # fmt: skip
    assert whole[1]["suggestion"] == {"show": 7, "show_name": "Show", "title": "Déjà Vu", "fan_count": 2}
    for limit in (1, 2):
        assert await _queue_by_pages(moderator, limit) == whole
    await moderator.ok("POST", f"/api/admin/suggestions/{whole[1]['id']}", {"decision": "decline"})
    assert [item["id"] for item in await _queue_by_pages(moderator, 100)] == [whole[0]["id"], whole[2]["id"]]


async def _queue_by_pages(moderator: Person, limit: int) -> list[Any]:
    return await moderator.pages(QUEUE, limit)


async def test_only_staff_moderate(people: People) -> None:
    """Fans and anonymous readers are refused the queue, the log and the decisions."""
    ann = await people.person()
    await _review(ann, SPAM)
    for method, path in (
        ("GET", QUEUE), ("GET", f"{QUEUE}/log"), ("POST", f"{QUEUE}/1"), ("POST", "/api/admin/reports/1"),
    ):  # fmt: skip
        assert await ann.refused(method, path, {"decision": "approve"}) == "forbidden", path
        assert await people.nobody().refused(method, path, {"decision": "approve"}) == "unauthenticated", path


async def test_bad_input_is_refused(people: People) -> None:
    """Invalid decisions, reports, ids, limits and cursors give 400 or 404, never 500."""
    ann, moderator = await people.person(), await people.person("moderator")
    review = await _review(await people.person(), "Fine.")
    bodies: list[object] = [b"", b"{", b"[]", {}, {"decision": "maybe"}, {"decision": 1}, {"decision": None}]
    for path, right in ((f"{QUEUE}/1", "approve"), ("/api/admin/reports/1", "dismiss")):
        wrong = [*bodies, {"decision": right, "note": "x" * 1001}, {"decision": right, "note": "\u0000"},
                 {"decision": right, "note": None}]  # fmt: skip
        for body in wrong:
            assert await moderator.refused("POST", path, body) == "bad_request", body
        assert await moderator.refused("POST", path, {"decision": right}) == "not_found"
        for number in ("0", "-1", "9" * 30, "x", "%00"):
            assert await moderator.refused("POST", path[:-1] + number, {"decision": right}) == "not_found", number
    reports: list[object] = [
        b"", b"null", {}, {"review": review}, {"reason": "x"}, {"review": review, "profile": 1, "reason": "x"},
        {"review": 0, "reason": "x"}, {"review": -1, "reason": "x"}, {"review": 10**30, "reason": "x"},
        {"review": "1", "reason": "x"}, {"review": review, "reason": ""}, {"review": review, "reason": " \n "},
        {"review": review, "reason": "x" * 1001}, {"review": review, "reason": "\u0000"}, {"review": review, "reason": 1},
    ]  # fmt: skip
    for report in reports:
        assert await ann.refused("POST", "/api/reports", report) == "bad_request", report
    for missing in ({"review": 2**53 - 1}, {"profile": 2**53 - 1}, {"profile": moderator.id}):
        assert await ann.refused("POST", "/api/reports", {"reason": "x", **missing}) == "not_found"
    assert await people.nobody().refused("POST", "/api/reports", {"review": 1, "reason": "x"}) == "unauthenticated"
    for path in (QUEUE, f"{QUEUE}/log"):
        for query in ("limit=0", "limit=-1", "limit=1000000000", "cursor=x", "cursor=%00", "cursor=" + "A" * 500):
            assert await moderator.refused("GET", f"{path}?{query}") == "bad_request", query
    for us in (-62_135_510_400_000_000, 253_402_214_400_000_000):
        cursor = encode_cursor(QueueCursor("low", us, 1, ID_MAX))
        assert await moderator.ok("GET", f"{QUEUE}?cursor={cursor}") == {"items": [], "next": None}


async def test_authors_and_moderators_write_at_the_same_time(people: People, factory: RowFactory) -> None:
    """Concurrent edits and decisions on the same reviews do not deadlock, and all counts stay right."""
    authors, moderators = await people.persons(6), [await people.person("moderator") for _ in range(3)]

    async def write(author: Person) -> None:
        for n in range(6):
            assert (await author.ask("POST", REVIEWS, {"rating": n % 5 + 1, "body": f"{SPAM} {n}"}))[0] in (200, 201)
        await author.ok("POST", REVIEWS, {"rating": 3, "body": "Fine after all."})

    async def decide(moderator: Person, decision: str) -> None:
        for _ in range(6):
            for item in await _queue(moderator):
                status, answer = await moderator.ask("POST", f"{QUEUE}/{item['id']}", {"decision": decision})
                assert status in (200, 404, 409), answer

    await asyncio.gather(
        *map(write, authors), *(decide(m, "approve") for m in moderators[:2]), decide(moderators[2], "reject")
    )
    assert await factory.sql.fetch("select * from miscounts()") == []
    rows = await factory.sql.fetch(
        "select r.status::text, m.id from venue_reviews r"
        " left join content_moderation m on m.review_id = r.id and m.status = 'pending'"
    )
    assert all((row["status"] == "pending") == (row["id"] is not None) for row in rows)


async def test_row_security_guards_the_queue(node: Node, people: People, factory: RowFactory) -> None:
    """Row security refuses a fan's decisions and queue changes even if a handler forgets to check the role."""
    ann, thief = await people.persons(2)
    review = await _review(ann, SPAM)
    held = await factory.sql.fetchval("select id from content_moderation")
    requests = node.rooms.databases.requests
    async with requests.acting(thief.identity) as connection:
        assert await queries.find_held(connection, id=held) is None
        async for _ in review_queries.leave_queue(connection, review=review, profile=ann.id):
            pass
        await queries.reject_held(connection, review=review, profile=None, decided_by=thief.id, note="")
        await queries.set_review_status(connection, id=review, status="approved")
    async with requests.acting(ann.identity) as connection:
        decided = await queries.decide_held(connection, id=held, status="approved", decided_by=ann.id, note="")
        assert decided is None
    row = await factory.sql.fetchrow("select id, status::text from content_moderation")
    assert tuple(row) == (held, "pending")
    assert await factory.sql.fetchval("select status::text from venue_reviews") == "pending"
    for person in (thief, people.nobody()):
        with pytest.raises(Exception, match="row-level security"):
            async with requests.acting(person.identity if person.id else None) as connection:
                await log_queries.insert_moderation_entry(
                    connection, moderator_id=ann.id, action="text.approve", subject="review:1", detail="{}"
                )
