"""Profiles: the profile of the signed-in user, and what others see of it."""

from __future__ import annotations

import pytest

from server.errors import StoreError
from server.node.node import Node
from server.people.queries import profiles as queries
from tests.support import one_node
from tests.support.people import People
from tests.support.row_factory import RowFactory

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people = one_node.node, one_node.emptied, one_node.people


async def test_a_new_account_has_an_empty_profile(people: People) -> None:
    """Its fields are empty, its counts are zero, and it has no bans and no address."""
    fan = await people.person()
    me = await fan.ok("GET", "/api/me")
    assert me.pop("created_at").endswith("Z")
    assert me == {
        "id": fan.id,
        "role": "user",
        "display_name": None,
        "bio": None,
        "city": None,
        "country": None,
        "is_public": False,
        "status": "approved",
        "language": None,
        "counts": {"follows": 0, "attendance": 0, "votes": 0, "reviews": 0},
        "accuracy": {"shows": 0, "precision": None, "recall": None, "rank_correlation": None},
        "bans": [],
        "email": None,
    }
    assert await people.nobody().refused("GET", "/api/me") == "unauthenticated"


async def test_a_profile_is_changed_field_by_field(people: People) -> None:
    """A missing field stays, null clears it, white space is normalised, and the answer is the new profile."""
    fan = await people.person()
    me = await fan.ok(
        "PATCH",
        "/api/me",
        {
            "display_name": "  Björk  🤘 \n أم كلثوم ",
            "bio": "\nI sing.\nI dance.\n",
            "city": "Reykjavík",
            "country": "IS",
        },
    )
    assert (me["display_name"], me["bio"]) == ("Björk 🤘 أم كلثوم", "I sing.\nI dance.")
    me = await fan.ok("PATCH", "/api/me", {"is_public": True, "bio": None, "unknown": 7})
    assert (me["display_name"], me["bio"], me["city"], me["is_public"]) == (
        "Björk 🤘 أم كلثوم", None, "Reykjavík", True,
    )  # fmt: skip
    assert await fan.ok("PATCH", "/api/me", {}) == me == await fan.ok("GET", "/api/me")
    me = await fan.ok("PATCH", "/api/me", {"display_name": None, "city": "", "country": None, "is_public": None})
    assert [me[name] for name in ("display_name", "city", "country", "is_public")] == [None, None, None, False]


async def test_the_profile_has_counts_and_email_preferences(people: People, factory: RowFactory) -> None:
    """They count and show only the rows of the user."""
    fan, other = await people.persons(2)
    show = await factory.show(1)
    for person in (fan, other):
        await factory.sql.execute(
            "insert into email_preferences (user_id, address, confirmed_at, frequency, kinds)"
            " values ($1::bigint, 'fan' || $1 || '@example.org', now(), 'weekly', '{show_result}')",
            person.id,
        )
        await factory.sql.execute(
            "insert into votes (setlist_song_id, user_id, show_id, choice, cast_at) values ($1, $2, 1, 'up', now())",
            show.first, person.id,
        )  # fmt: skip
    await fan.ok("PUT", "/api/artists/band/follow")
    await fan.ok("PUT", "/api/shows/1/attendance")
    await fan.ok("POST", "/api/venues/hall/reviews", {"rating": 4}, status=201)
    me = await fan.ok("GET", "/api/me")
    assert me["counts"] == {"follows": 1, "attendance": 1, "votes": 1, "reviews": 1}
    assert me["email"] == {
        "address": f"fan{fan.id}@example.org",
        "confirmed": True,
        "frequency": "weekly",
        "kinds": ["show_result"],
    }


async def test_others_see_a_profile_that_is_public_and_approved(people: People) -> None:
    """Private and held profiles are hidden from others and from staff. A public profile does not show the address."""
    fan, reader, moderator = await people.person(), await people.person(), await people.person("moderator")
    path = f"/api/users/{fan.id}"
    assert await fan.refused("GET", path) == "not_found"  # the profile does not exist yet
    await fan.ok("PATCH", "/api/me", {"display_name": "Ann"})
    assert (await fan.ok("GET", path))["display_name"] == "Ann"
    for person in (reader, moderator, people.nobody()):
        assert await person.refused("GET", path) == "not_found"

    await fan.ok("PATCH", "/api/me", {"is_public": True})
    shown = await people.nobody().ok("GET", path)
    assert set(shown) == {"id", "created_at", "display_name", "bio", "city", "country", "is_public", "status"}
    assert (shown["id"], shown["display_name"]) == (fan.id, "Ann")

    me = await fan.ok("PATCH", "/api/me", {"bio": "cheap tickets at www.example.org"})
    assert me["status"] == "pending"
    for person in (reader, moderator, people.nobody()):
        assert await person.refused("GET", path) == "not_found"
    assert (await fan.ok("GET", path))["status"] == "pending"
    me = await fan.ok("PATCH", "/api/me", {"bio": None})
    assert me["status"] == "approved"
    await reader.ok("GET", path)
    assert (await moderator.ok("GET", "/api/admin/moderation"))["items"] == []


INVALID_USER_IDS = ["0", "-1", "x", "1e3", "9" * 30, "%00", "%FF", "999999999"]


async def test_an_invalid_user_id_is_not_found(people: People) -> None:
    """Any text in the path that is not the id of a user gives 404."""
    for user in INVALID_USER_IDS:
        assert await people.nobody().refused("GET", f"/api/users/{user}") == "not_found", user


BAD_PROFILES: list[object] = [
    b"", b"{", b"null", b"[]", b"7", b"\xff", b'{"bio": "\xed\xa0\x80"}', b'{"bio": "\\ud800"}', b"[" * 2000,
    {"display_name": "x" * 81}, {"display_name": 7}, {"display_name": "a\u0000b"}, {"bio": "x" * 501},
    {"bio": "a\u0007b"}, {"city": "x" * 121}, {"city": []}, {"country": "us"}, {"country": "USA"}, {"country": ""},
    {"country": "U\nS"}, {"country": "ÜS"}, {"is_public": 1}, {"is_public": "true"}, {"display_name": "a\u0085b"},
]  # fmt: skip


async def test_bad_profiles_are_refused(people: People) -> None:
    """Wrong types, long texts, control characters and invalid JSON give 400 and change nothing."""
    fan = await people.person()
    for body in BAD_PROFILES:
        assert await fan.refused("PATCH", "/api/me", body) == "bad_request", body
    assert await fan.refused("PATCH", "/api/me", b" " * 70_000) == "too_large"
    assert (await fan.ok("GET", "/api/me"))["display_name"] is None


async def test_unusual_texts_are_stored_unchanged(people: People) -> None:
    """SQL, HTML, emoji, combining characters and right-to-left text are ordinary text."""
    fan = await people.person()
    for name in (
        "'; drop table users; --",
        "<script>alert(1)</script>",
        "👩‍👩‍👧‍👦",
        "שלום",
        "é",
        "%_\\",
        "ﷺ" * 40,
    ):
        assert (await fan.ok("PATCH", "/api/me", {"display_name": name}))["display_name"] == name
    blank = await fan.ok("PATCH", "/api/me", {"display_name": " \t ", "bio": " \n "})
    assert (blank["display_name"], blank["bio"]) == (None, None)


async def test_an_erased_account_is_unauthenticated(people: People, factory: RowFactory) -> None:
    """Its token is still valid, but every request gives `unauthenticated` and writes nothing."""
    fan = await people.person()
    await factory.show(1)
    await factory.sql.fetch("select erase_user($1)", fan.id)
    for method, path, body in (
        ("GET", "/api/me", None),
        ("PATCH", "/api/me", {"bio": "I am back."}),
        ("PUT", "/api/artists/band/follow", None),
        ("PUT", "/api/shows/1/attendance", None),
        ("POST", "/api/venues/hall/reviews", {"rating": 5}),
        ("POST", "/api/reports", {"review": 1, "reason": "rude"}),
    ):
        assert await fan.refused(method, path, body) == "unauthenticated", path
    assert await factory.sql.fetchval("select count(*) from user_profiles") == 0


async def test_a_language_is_saved_for_emails(people: People, factory: RowFactory) -> None:
    """A tag that is no language of ours is kept too; others do not see it; a ban does not take it away; no text of it is reviewed."""
    fan, other = await people.persons(2)
    assert (await fan.ok("PATCH", "/api/me", {"language": "es"}))["language"] == "es"
    assert (await fan.ok("PATCH", "/api/me", {"language": "pt-BR", "is_public": True}))["language"] == "pt-BR"
    assert "language" not in await other.ok("GET", f"/api/users/{fan.id}")
    for wrong in ("e", "es_MX", "español", 7):
        assert await fan.refused("PATCH", "/api/me", {"language": wrong}) == "bad_request", wrong
    await factory.sql.execute("insert into user_bans (user_id, kind, reason) values ($1, 'write', 'spam')", fan.id)
    assert (await fan.ok("PATCH", "/api/me", {"language": "ja"}))["language"] == "ja"
    assert await fan.refused("PATCH", "/api/me", {"language": "ja", "city": "Osaka"}) == "forbidden"
    assert (await fan.ok("PATCH", "/api/me", {"language": None}))["language"] is None


async def test_row_security_guards_profiles(node: Node, people: People, factory: RowFactory) -> None:
    """Row security refuses to change or create the profile of another user, even if a handler forgets a check."""
    fan, thief = await people.persons(2)
    await fan.ok("PATCH", "/api/me", {"display_name": "Ann"})
    requests = node.rooms.databases.requests
    async with requests.acting(thief.identity) as connection:
        await queries.update_profile(
            connection,
            user_id=fan.id,
            display_name="Thief",
            bio="",
            city="",
            country="",
            is_public=True,
            status="approved",
            language="",
        )
        assert await queries.lock_profile(connection, user_id=fan.id) is None
    assert await factory.sql.fetchval("select display_name from user_profiles") == "Ann"
    victim = await people.person()
    with pytest.raises(Exception, match="row-level security") as refusal:
        async with requests.acting(thief.identity) as connection:
            await queries.begin_profile(connection, user_id=victim.id)
    assert not isinstance(refusal.value, StoreError)
