"""Staff changes a show: previews, two administrators at once, a new date, another venue, and the bill."""

from __future__ import annotations

import datetime as dt

from server.node.node import Node
from tests.support import one_node
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory, Show
from tests.support.socket_client import SocketClient

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people, moderator = one_node.node, one_node.emptied, one_node.people, one_node.moderator

SHOW = "/api/admin/shows/7"


def in_days(days: float) -> str:
    """An instant so many days from now."""
    return (dt.datetime.now(dt.UTC) + dt.timedelta(days=days)).isoformat()


def changed(before: dict[str, object], after: dict[str, object]) -> set[str]:
    """The fields of settings that differ."""
    return {name for name, value in after.items() if value != before[name]} - {"effect", "revision"}


async def _show_with_a_vote(node: Node, factory: RowFactory) -> Show:
    show = await factory.show(7)
    async with SocketClient.connect(node.url) as fan:
        await fan.hello(await factory.token())
        await fan.cast(7, (show.first, "up"))
    return show


async def test_a_preview_changes_nothing(node: Node, people: People, moderator: Person, factory: RowFactory) -> None:
    """It answers as the act would, for every act on a show, and leaves the show, its log and its votes as they were."""
    show = await _show_with_a_vote(node, factory)
    admin = await people.person("admin")
    before = await admin.ok("GET", SHOW)
    for method, path, body, fields in (
        ("PATCH", SHOW, {"status": "cancelled"}, {"status", "voting"}),
        ("PATCH", SHOW, {"name": "Other", "bill": []}, {"name"}),
        ("POST", f"{SHOW}/lock", {"is_locked": True}, {"is_locked", "voting"}),
        ("POST", f"{SHOW}/close", None, {"closes_at", "closes_local", "voting"}),
        ("POST", f"{SHOW}/played", {"song": show.first, "played": True}, set()),
    ):
        previewed = await admin.ok(method, f"{path}?preview=true", body)
        assert changed(before, previewed) == fields, path
        assert previewed["effect"] == {
            "is_preview": True, "votes_kept": 1, "votes_lost": 0, "fans_going": 0, "fans_mailed": 0,
        }  # fmt: skip
    assert await moderator.refused("POST", f"{SHOW}/played?preview=true", {"song": 999, "played": True}) == "not_found"
    assert await admin.ok("GET", SHOW) == before
    assert await factory.audit_log("show:7") == []
    done = await admin.ok("PATCH", SHOW, {"status": "cancelled", "reason": "Storm"})
    assert (done["voting"], done["effect"]["is_preview"]) == ("closed", False)
    assert await factory.audit_log("show:7") == [
        ("show.change", {"status": ["upcoming", "cancelled"], "reason": "Storm"})
    ]


async def test_the_preview_counts_the_fans_who_are_mailed(people: People, factory: RowFactory) -> None:
    """Of a cancelled and of a moved show, once each; another hour of the same day is no news."""
    show = await factory.show(7)
    admin = await people.person("admin")
    (fan,) = await factory.users(1)
    await factory.sql.execute(
        "insert into email_preferences (user_id, address, confirmed_at) values ($1, 'fan@example.org', now())", fan
    )
    await factory.sql.execute("insert into user_show_attendance (user_id, show_id) values ($1, 7)", fan)
    start = await factory.sql.fetchval("select starts_at from shows where id = 7")
    bodies = ({"status": "cancelled"}, {"starts_at": (start + dt.timedelta(days=9)).isoformat()}, {"name": "Other"})
    assert show.id == 7
    for body, mailed in zip(bodies, (1, 1, 0), strict=True):
        previewed = await admin.ok("PATCH", f"{SHOW}?preview=true", body)
        assert previewed["effect"]["fans_mailed"] == mailed, body
    assert await factory.sql.fetchval("select count(*) from show_news") == 0
    assert (await admin.ok("PATCH", SHOW, {"status": "cancelled"}))["effect"]["fans_mailed"] == 1
    assert await factory.sql.fetchval("select change from show_news") == "cancelled"


async def test_the_second_of_two_administrators_learns_of_the_first(
    people: People, moderator: Person, factory: RowFactory
) -> None:
    """Every act with an old revision is a conflict that names who changed what, and nothing changes."""
    await factory.show(7)
    admin = await people.person("admin")
    await admin.ok("PATCH", "/api/me", {"display_name": "Ann"})
    seen = await moderator.ok("GET", SHOW)
    await admin.ok("PATCH", SHOW, {"votes_per_user_max": 5, "is_locked": True, "revision": seen["revision"]})
    for path, body in (
        (f"{SHOW}/lock", {"is_locked": False}), (f"{SHOW}/close", {}),
    ):  # fmt: skip
        status, problem = await moderator.ask("POST", path, body | {"revision": seen["revision"]})
        assert (status, problem["code"]) == (409, "conflict")
        assert f"Ann (user {admin.id}) did show.change (is_locked, votes_per_user_max)" in problem["detail"]
    assert (await moderator.ok("GET", SHOW))["voting"] == "locked"
    assert len(await factory.audit_log("show:7")) == 1
    # What no administrator did is told as such.
    seen = await moderator.ok("GET", SHOW)
    await factory.sql.execute("update shows set name = 'By a sync' where id = 7")
    _, problem = await moderator.ask("POST", f"{SHOW}/close", {"revision": seen["revision"]})
    assert "no administrator" in problem["detail"]


async def test_a_postponed_show_keeps_its_votes(node: Node, people: People, factory: RowFactory) -> None:
    """Voting ends with the new date and began when it began; an opening still to come moves along; a cancelled show is back."""
    await _show_with_a_vote(node, factory)
    await factory.show(8, opens_in_s=3600, closes_in_s=7200)
    admin = await people.person("admin")
    for show_id, opening_moves in ((7, False), (8, True)):
        path = f"/api/admin/shows/{show_id}"
        before = await admin.ok("PATCH", path, {"status": "cancelled"})
        starts_at = dt.datetime.fromisoformat(before["starts_at"]) + dt.timedelta(days=30)
        after = await admin.ok("PATCH", path, {"starts_at": starts_at.isoformat()})
        moved = {"starts_at", "closes_at"} | ({"opens_at"} if opening_moves else set())
        for name in ("starts_at", "opens_at", "closes_at"):
            days = (dt.datetime.fromisoformat(after[name]) - dt.datetime.fromisoformat(before[name])).days
            assert days == (30 if name in moved else 0), name
        assert after["status"] == "upcoming"
        assert after["local_date"] == after["starts_local"][:10]
    assert await factory.sql.fetchval("select vote_count from shows where id = 7") == 1
    assert await factory.sql.fetch("select * from integrity_check() where rule <> 'history' and rule <> 'rollup'") == []
    given = await admin.ok("PATCH", SHOW, {"starts_at": in_days(50), "closes_at": in_days(49), "status": "live"})
    assert (given["status"], given["closes_at"][:10]) == ("live", in_days(49)[:10])


async def test_a_show_moves_to_another_venue_and_its_bill_changes(people: People, factory: RowFactory) -> None:
    """Local times are those of the new venue; acts stand in order; an act that plays a set stays on the bill."""
    await factory.show(7)
    admin = await people.person("admin")
    await factory.sql.execute(
        "insert into venues (slug, name, city, country, latitude, longitude, time_zone)"
        " values ('arena', 'Arena', 'Honolulu', 'US', 21.3, -157.8, 'Pacific/Honolulu');"
        "insert into artists (slug, name) values ('one', 'One'), ('two', 'Two')"
    )
    moved = await admin.ok("PATCH", SHOW, {"venue": 2, "starts_at": "2030-01-01T20:00:00"})
    assert (moved["time_zone"], moved["starts_local"], moved["local_date"]) == (
        "Pacific/Honolulu", "2030-01-01T20:00:00-10:00", "2030-01-01",
    )  # fmt: skip
    billed = await admin.ok("PATCH", SHOW, {"bill": [3, 2]})
    assert [(act["slug"], act["billing"]) for act in billed["bill"]] == [
        ("band", "headliner"), ("two", "support"), ("one", "support"),
    ]  # fmt: skip
    for bill, code in (([1], "bad_request"), ([2, 2], "bad_request"), ([999], "not_found")):
        assert await admin.refused("PATCH", SHOW, {"bill": bill}) == code
    assert await admin.refused("PATCH", SHOW, {"venue": 99}) == "not_found"
    await factory.sql.execute(
        "insert into setlists (show_id, type, position, name, artist_id) values (7, 'predicted', 2, 'Two', 3)"
    )
    assert await admin.refused("PATCH", SHOW, {"bill": [2]}) == "conflict"
    assert [act["id"] for act in (await admin.ok("PATCH", SHOW, {"bill": [2, 3]}))["bill"]] == [1, 2, 3]
    _, last = (await factory.audit_log("show:7"))[-1]
    assert last == {"bill": [[3, 2], [2, 3]]}
