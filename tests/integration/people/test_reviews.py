"""Reviews of venues: one for each user, shown or held, and the rating."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.node.node import Node
from server.people.queries import reviews as queries
from tests.support import one_node
from tests.support.people import People
from tests.support.row_factory import RowFactory

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people = one_node.node, one_node.emptied, one_node.people

PATH = "/api/venues/hall/reviews"
SPAM = "cheap tickets at www.example.org"


async def test_a_fan_has_one_review_of_a_venue(people: People) -> None:
    """The first request creates it (201), the next changes it (200). The rating follows. Deleting twice changes nothing."""
    ann, bob = await people.persons(2)
    nobody = people.nobody()
    empty: dict[str, Any] = {"items": [], "next": None, "rating": {"average": None, "count": 0}, "own": None}
    assert await nobody.ok("GET", PATH) == empty
    made = await ann.ok("POST", PATH, {"rating": 5, "body": "  Great sound. 🤘 \n"}, status=201)
    assert (made["rating"], made["body"], made["status"], made["reasons"]) == (5, "Great sound. 🤘", "approved", [])
    await bob.ok("POST", PATH, {"rating": 2}, status=201)
    changed = await ann.ok("POST", PATH, {"rating": 4, "body": "Good sound."})
    assert (changed["id"], changed["rating"], changed["status"]) == (made["id"], 4, "approved")

    page = await nobody.ok("GET", PATH)
    assert page["rating"] == {"average": 3.0, "count": 2}
    assert [(item["rating"], item["body"]) for item in page["items"]] == [
        (4, "Good sound."),
        (2, ""),
    ]  # latest change first
    assert page["own"] is None
    own = (await ann.ok("GET", PATH))["own"]
    assert own == {name: value for name, value in changed.items() if name != "reasons"}

    for _ in range(2):
        await ann.ok("DELETE", PATH, status=204)
    page = await ann.ok("GET", PATH)
    assert (page["rating"], page["own"], len(page["items"])) == ({"average": 2.0, "count": 1}, None, 1)


async def test_the_author_is_shown_if_the_profile_is_public(people: People) -> None:
    """The author is null if the profile is private, held or missing."""
    ann, bob = await people.persons(2)
    await ann.ok("POST", PATH, {"rating": 5}, status=201)
    await bob.ok("POST", PATH, {"rating": 5}, status=201)

    moderator = await people.person("moderator")

    async def authors() -> list[object]:
        items = (await people.nobody().ok("GET", PATH))["items"]
        assert (await moderator.ok("GET", PATH))["items"] == items  # staff see the same list
        return [item["author"] for item in items]

    await ann.ok("PATCH", "/api/me", {"display_name": "Ann"})
    assert await authors() == [None, None]
    await ann.ok("PATCH", "/api/me", {"is_public": True})
    await bob.ok("PATCH", "/api/me", {"is_public": True})
    assert await authors() == [{"id": bob.id, "display_name": None}, {"id": ann.id, "display_name": "Ann"}]
    await ann.ok("PATCH", "/api/me", {"display_name": "www.ann.example"})
    assert await authors() == [{"id": bob.id, "display_name": None}, None]


async def test_a_suspicious_review_is_held(people: People) -> None:
    """Only its author sees it, with the reasons. A harmless edit makes it public."""
    ann, moderator = await people.person(), await people.person("moderator")
    held = await ann.ok("POST", PATH, {"rating": 1, "body": SPAM}, status=201)
    assert (held["status"], held["reasons"]) == ("pending", ["links"])
    page = await ann.ok("GET", PATH)
    assert (page["items"], page["rating"]["count"], page["own"]["status"]) == ([], 0, "pending")
    assert (await moderator.ok("GET", PATH))["items"] == []  # staff see it in the queue
    again = await ann.ok("POST", PATH, {"rating": 2, "body": SPAM})
    assert (again["rating"], again["status"]) == (2, "pending")
    shown = await ann.ok("POST", PATH, {"rating": 2, "body": "Mediocre."})
    assert (shown["status"], shown["reasons"]) == ("approved", [])
    assert (await people.nobody().ok("GET", PATH))["rating"] == {"average": 2.0, "count": 1}
    assert (await moderator.ok("GET", "/api/admin/moderation"))["items"] == []
    held = await ann.ok("POST", PATH, {"rating": 2, "body": SPAM})
    assert held["status"] == "pending"
    assert (await people.nobody().ok("GET", PATH))["rating"]["count"] == 0


async def test_reviews_are_paged(people: People, factory: RowFactory) -> None:
    """Every page size gives each review once, also if many have the same instant."""
    await factory.sql.execute(
        "with author as (insert into users select from generate_series(1, 25) returning id)"
        " insert into venue_reviews (venue_id, user_id, rating, status) select 1, id, 3, 'approved' from author"
    )
    for limit in (1, 7, 100):
        ids = [item["id"] for item in await people.nobody().pages(PATH, limit)]
        assert len(ids) == 25
        assert ids == sorted(ids, reverse=True)


BAD_REVIEWS: list[object] = [
    b"", b"{", b"null", b"[1]", b"\xff", {}, {"rating": 0}, {"rating": 6}, {"rating": -1}, {"rating": 10**9},
    {"rating": 10**30}, {"rating": 4.5}, {"rating": "5"}, {"rating": True}, {"rating": None}, {"rating": 5, "body": None},
    {"rating": 5, "body": "x" * 2001}, {"rating": 5, "body": "a\u0000b"}, {"rating": 5, "body": "a\u001bb"},
    {"rating": 5, "body": 7},
]  # fmt: skip


async def test_bad_reviews_are_refused(people: People) -> None:
    """Invalid ratings and bodies give 400, unknown venues give 404, and nothing is written."""
    ann = await people.person()
    for body in BAD_REVIEWS:
        assert await ann.refused("POST", PATH, body) == "bad_request", body
    for venue in ("0", "99", "-1", "9" * 30, "no-hall", "%00", "%FF", "x" * 2000):
        path = f"/api/venues/{venue}/reviews"
        assert await ann.refused("POST", path, {"rating": 5}) == "not_found", venue
        assert await ann.refused("DELETE", path) == "not_found", venue
        assert await ann.refused("GET", path) == "not_found", venue
    for query in ("limit=0", "limit=-1", "limit=1000000000", "cursor=x", "cursor=" + "A" * 500):
        assert await ann.refused("GET", f"{PATH}?{query}") == "bad_request", query
    for method in ("POST", "DELETE"):
        assert await people.nobody().refused(method, PATH, {"rating": 5}) == "unauthenticated"
    for words in ("'; drop table venues; --", "<b>", "a\u202eb", "ش" * 2000, "👩‍👩‍👧‍👦" * 100):
        assert (await ann.ask("POST", PATH, {"rating": 3, "body": words}))[0] in (200, 201)
        assert (await ann.ok("GET", PATH))["own"]["body"] == words


async def test_concurrent_requests_of_one_user_create_one_review(people: People, factory: RowFactory) -> None:
    """One of twenty requests creates the review, the others change it, and the counts are right."""
    ann = await people.person()
    answers = await asyncio.gather(
        *(ann.ask("POST", PATH, {"rating": n % 5 + 1, "body": SPAM if n % 2 else f"Visit {n}"}) for n in range(20))
    )
    assert sorted(status for status, _ in answers) == [200] * 19 + [201]
    assert await factory.sql.fetchval("select count(*) from venue_reviews") == 1
    assert await factory.sql.fetch("select * from miscounts()") == []
    own = (await ann.ok("GET", PATH))["own"]
    waiting = await factory.sql.fetchval("select count(*) from content_moderation where status = 'pending'")
    assert waiting == (own["status"] == "pending")


async def test_row_security_guards_reviews(node: Node, people: People, factory: RowFactory) -> None:
    """Row security refuses to change, delete or create a review of another user, and hides a held one."""
    ann, thief = await people.persons(2)
    requests = node.rooms.databases.requests
    for words, may_be_read in (("Fine.", True), (SPAM, False)):
        _, review = await ann.ask("POST", PATH, {"rating": 5, "body": words})
        for identity in (thief.identity, None):
            async with requests.acting(identity) as connection:
                stolen = await queries.update_review(
                    connection, id=review["id"], rating=1, body="Bad.", status="approved"
                )
                assert stolen is None
                seen = await queries.own_review(connection, venue_id=1, user_id=ann.id)
                assert (seen is not None) == may_be_read
                await queries.delete_own_review(connection, venue_id=1, user_id=ann.id)
        assert await factory.sql.fetchval("select body from venue_reviews") == words
    victim = await people.person()
    with pytest.raises(Exception, match="row-level security"):
        async with requests.acting(thief.identity) as connection:
            await queries.insert_review(connection, venue_id=1, user_id=victim.id, rating=1, body="", status="approved")
