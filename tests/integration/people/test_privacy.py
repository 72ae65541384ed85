"""Everything about oneself in one document, and being forgotten: over HTTP, with a whole node."""

from __future__ import annotations

import asyncio
from typing import Any, get_args

import aiohttp
import msgspec
import pytest

from server.errors import Refused, StoreConflict
from server.node.node import Node
from server.people import privacy
from server.people.privacy import SECTIONS, Export, export
from server.people.sessions import mint_token
from server.protocol.identity import Identity
from server.store.database import REQUEST_ROLE, Database
from server.voting import reconcile
from tests.support.audit import until_drained
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory, Show
from tests.support.running_node import SECRET
from tests.support.socket_client import SocketClient
from tests.support.traces import traces_in_postgres, traces_in_valkey

LEAVER = 700_000_123_457
# What nobody else says.
NAME, BIO, CITY = "Zebulon Quux", "I hum in lifts.", "Xanadu-sur-Mer"
ADDRESS = "zebulon.quux@mail.example"
REVIEW, REPORT, BAN = "The bar was made of cheese.", "This fan sings off key.", "Voted with a metronome."
WORDS = (LEAVER, NAME, BIO, CITY, ADDRESS, REVIEW, REPORT, BAN)

# Every column that names a user, and where the export says what its row says.
EXPORTED = {
    "users.id": "account",
    "user_identities.user_id": "identities",
    "user_profiles.user_id": "profile",
    "votes.user_id": "votes",
    "voter_accuracy.user_id": "accuracy",
    "vote_analytics.user_id": "vote_history",
    "user_vote_limits.user_id": "day_budgets",
    "user_follows_artists.user_id": "follows",
    "user_show_attendance.user_id": "attendance",
    "ticket_codes.user_id": "tickets",
    "song_suggestions.user_id": "suggestions",
    "venue_reviews.user_id": "reviews",
    "reports.reporter_id": "reports_made",
    "user_bans.user_id": "bans",
    "email_preferences.user_id": "email_preferences",
    "email_queue.user_id": "email_queue",
    "email_log.user_id": "email_log",
    "api_keys.user_id": "api_keys",
    "moderation_log.moderator_id": "moderation_log",
    "audit_log.actor_id": "audit_log",
    # By the text it is about, not by a column of the user's.
    "content_moderation.profile_id": "moderation_of_own_texts",
}
NOT_EXPORTED = {
    "content_moderation.decided_by": "the decision is in moderation_log, with the text and author it is about",
    "reports.decided_by": "the decision is in moderation_log, with the report",
    "reports.profile_id": "what somebody else said, and who they are, is theirs",
    "user_bans.banned_by": "the ban is in moderation_log, with its reason",
    "user_bans.lifted_by": "that it was lifted is in moderation_log",
    "identity_reviews.decided_by": "the decision is in audit_log",
    "database_operations.started_by": "says nothing about a person but that they were at work",
}
# Columns of those tables that the export leaves out: whose row it is, and
LEFT_OUT = {
    "users": {"nobody"},  # null: who asks is somebody
    "vote_analytics": {"id"},  # only an order
    "content_moderation": {"decided_by"},
    "reports": {"decided_by"},
    "user_bans": {"banned_by", "lifted_by"},
    "email_log": {"queue_id"},  # of a row that may be gone
    "api_keys": {"key_hash"},
    "ticket_codes": {"code_hash"},
    "song_suggestions": {"folded"},  # only the title again
}
RENAMED = {"setlist_song_id": "song_id"}


@pytest.fixture
async def leaver(people: People, factory: RowFactory) -> Person:
    """Somebody whose number stands nowhere else."""
    await factory.sql.execute("insert into users (id) overriding system value values ($1)", LEAVER)
    other = await people.person()
    return Person(LEAVER, "user", other.http, other.url, mint_token(SECRET, LEAVER, "user"))


async def settle_in(factory: RowFactory, person: Person, moderator: Person) -> Show:
    """A row of the person's in every table, and one of the moderator's; votes through the front door."""
    show = await factory.show(7)
    await factory.show(8)
    for choice in ("up", "none", "down"):
        await person.well("POST", "/api/shows/7/votes", {"votes": [[show.first, choice], [show.songs[1], "up"]]})
    await moderator.well("POST", "/api/shows/7/votes", {"votes": [[show.songs[2], "up"]]})
    await factory.sql.execute(
        f"""
        insert into user_profiles (user_id, display_name, bio, city, country, is_public)
        values ({person.id}, '{NAME}', '{BIO}', '{CITY}', 'FR', true);
        insert into show_accuracy (show_id, offered, predicted, hits, played) values (7, 3, 2, 1, 2);
        insert into voter_accuracy (user_id, show_id, predicted, hits, played)
        values ({person.id}, 7, 1, 1, 2), ({moderator.id}, 7, 1, 0, 2);
        insert into user_follows_artists values ({person.id}, 1);
        insert into user_show_attendance values ({person.id}, 7), ({person.id}, 8);
        insert into venue_reviews (venue_id, user_id, rating, body, status) values (1, {person.id}, 2, '{REVIEW}', 'approved');
        insert into user_profiles (user_id, display_name, is_public) values ({moderator.id}, 'Mo', true);
        insert into reports (reporter_id, profile_id, reason) values ({person.id}, {moderator.id}, '{REPORT}');
        insert into reports (reporter_id, profile_id, reason) values ({moderator.id}, {person.id}, '{REPORT}');
        insert into content_moderation (review_id, status, decided_at, decided_by, note)
        select id, 'approved', now(), {moderator.id}, '{REVIEW} Fine.' from venue_reviews;
        insert into content_moderation (profile_id, reasons) values ({person.id}, '{{link}}');
        insert into user_bans (user_id, kind, reason, banned_by) values ({person.id}, 'write', '{BAN}', {moderator.id});
        insert into user_bans (user_id, kind, reason, banned_by, lifted_by)
        values ({moderator.id}, 'write', 'a mistake', {person.id}, {person.id});
        insert into moderation_log (moderator_id, action, subject, detail) values
        ({moderator.id}, 'text.approve', 'review:1', '{{"note": "{REVIEW}"}}'),
        ({moderator.id}, 'text.approve', 'report:1', '{{"note": "{REPORT}"}}'),
        ({moderator.id}, 'text.approve', 'profile:{person.id}', '{{"note": "{NAME}"}}'),
        ({moderator.id}, 'user.ban', 'user:{person.id}', '{{"reason": "{BAN}"}}'),
        ({person.id}, 'user.ban', 'user:{moderator.id}', '{{"reason": "a mistake"}}');
        insert into audit_log (actor_id, action, subject, detail) values
        ({moderator.id}, 'user.ban', 'user:{person.id}', '{{"reason": "{BAN}"}}'),
        ({person.id}, 'user.role', 'user:{moderator.id}', '{{"to": "moderator"}}');
        insert into email_preferences (user_id, address, confirmed_at) values ({person.id}, '{ADDRESS}', now());
        insert into email_queue (user_id, kind, about) values ({person.id}, 'show_announced', 'show:7');
        insert into email_log (queue_id, user_id, kind, status, detail)
        values (1, {person.id}, 'show_announced', 'failed', '550 no {ADDRESS}');
        insert into api_keys (name, key_hash, role, user_id) values ('{NAME}', sha256('k'), 'user', {person.id});
        insert into ticket_codes (show_id, code_hash, user_id, redeemed_at)
        values (7, sha256('a'), {person.id}, now()), (7, sha256('b'), {moderator.id}, now());
        insert into song_suggestions (show_id, user_id, title) values (7, {person.id}, '{REVIEW}'), (7, {moderator.id}, 'x');
        insert into user_identities (issuer, subject, user_id) values ('i', '{NAME}', {person.id}), ('i', 'Mo', {moderator.id});
        insert into user_follows_artists values ({moderator.id}, 1);
        insert into user_show_attendance values ({moderator.id}, 7);
        insert into venue_reviews (venue_id, user_id, rating, status) values (1, {moderator.id}, 5, 'approved');
        insert into content_moderation (profile_id) values ({moderator.id});
        insert into email_preferences (user_id, address) values ({moderator.id}, 'mo@mail.example');
        insert into email_queue (user_id, kind, about) values ({moderator.id}, 'show_announced', 'show:7');
        insert into email_log (queue_id, user_id, kind, status) values (2, {moderator.id}, 'show_announced', 'sent');
        insert into api_keys (name, key_hash, role, user_id) values ('Mo', sha256('m'), 'user', {moderator.id});
        insert into database_operations (operation, status, started_by, finished_at)
        values ('vacuum', 'succeeded', {person.id}, now());
        """
    )
    return show


# ─────────────────────────────────────────────────────────────────────────── export


async def test_everything_about_oneself(people: People, factory: RowFactory, leaver: Person) -> None:
    """Every section says what was put there, and nothing of anybody else, although others are in every table too."""
    moderator = await people.person("moderator")
    show = await settle_in(factory, leaver, moderator)
    document = await leaver.well("GET", "/api/me/export")
    found = msgspec.convert(document, Export, strict=True)
    assert set(document) == {*SECTIONS, "cut"}
    assert found.cut == []
    assert (found.account.id, found.account.role) == (LEAVER, "user")
    assert found.profile is not None
    assert (found.profile.display_name, found.profile.bio, found.profile.city) == (NAME, BIO, CITY)
    assert {(vote.show_name, vote.song_id, vote.choice) for vote in found.votes} == {
        ("Show", show.first, "down"), ("Show", show.songs[1], "up"),
    }  # fmt: skip
    assert [(score.show_id, score.hits, score.precision, score.recall) for score in found.accuracy] == [
        (7, 1, 1.0, 0.5)
    ]
    changes = [(change.previous, change.choice) for change in found.vote_history if change.song_id == show.first]
    assert changes == [(None, "down"), ("up", None), (None, "up")]
    assert [day.spent for day in found.day_budgets] == [3]
    assert [follow.artist_name for follow in found.follows] == ["Band"]
    assert sorted(going.show_id for going in found.attendance) == [7, 8]
    assert [(review.venue_name, review.rating, review.body) for review in found.reviews] == [("Hall", 2, REVIEW)]
    assert [(report.profile_id, report.reason) for report in found.reports_made] == [(moderator.id, REPORT)]
    assert [(held.profile_id, held.status, held.note) for held in found.moderation_of_own_texts] == [
        (LEAVER, "pending", ""), (None, "approved", f"{REVIEW} Fine."),
    ]  # fmt: skip
    assert [(ban.kind, ban.reason) for ban in found.bans] == [("write", BAN)]
    assert found.email_preferences is not None
    assert found.email_preferences.address == ADDRESS
    assert [(message.kind, message.about) for message in found.email_queue] == [("show_announced", "show:7")]
    assert [delivery.detail for delivery in found.email_log] == [f"550 no {ADDRESS}"]
    assert [(key.name, key.role) for key in found.api_keys] == [(NAME, "user")]
    assert "hash" not in str(document)
    assert [(act.action, act.subject) for act in found.moderation_log] == [("user.ban", f"user:{moderator.id}")]
    assert [(act.action, act.detail) for act in found.audit_log] == [("user.role", {"to": "moderator"})]


async def test_nothing_yet(people: People) -> None:
    """A new account has an id and a role; every list is empty."""
    fan = await people.person()
    document = await fan.well("GET", "/api/me/export")
    assert document.pop("account")["id"] == fan.id
    assert {section for section, rows in document.items() if rows} == set()


async def test_staff_get_their_own_only(people: People, factory: RowFactory, leaver: Person, database_url: str) -> None:
    """An administrator's powers to read others' rows are put aside, not only left unused by the queries."""
    admin = await people.person("admin")
    await settle_in(factory, leaver, await people.person("moderator"))
    document = await admin.well("GET", "/api/me/export")
    assert document.pop("account")["id"] == admin.id
    assert {section for section, rows in document.items() if rows} == set()
    roles: set[str] = set()

    class Watched(Database):
        def acting(self, identity: Identity | None, *, is_snapshot: bool = False) -> Any:
            assert is_snapshot
            roles.add(identity.role if identity else "")
            return super().acting(identity, is_snapshot=is_snapshot)

    database = await Watched.open(database_url, role=REQUEST_ROLE)
    await export(database, admin.id)
    await database.close()
    assert roles == {"user"}


async def test_a_section_has_an_end(people: People, factory: RowFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the limit the newest rows are there, and the section is named as cut."""
    monkeypatch.setattr(privacy, "EXPORT_ROWS_MAX", 2)
    fan = await people.person()
    await factory.sql.execute(
        "insert into user_vote_limits select $1::bigint, date '2026-01-01' + n, n from generate_series(1, 3) n", fan.id
    )
    document = await fan.well("GET", "/api/me/export")
    assert document["cut"] == ["day_budgets"]
    assert [day["spent"] for day in document["day_budgets"]] == [3, 2]


async def test_one_export_at_a_time(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """Meanwhile others are told to come back, and afterwards they may."""
    go_on, began = asyncio.Event(), asyncio.Event()

    async def slow_export(database: Database, user_id: int) -> bytes:
        began.set()
        await go_on.wait()
        return await export(database, user_id)

    monkeypatch.setattr(privacy, "export", slow_export)
    first, second = await people.persons(2)
    under_way = asyncio.create_task(first.well("GET", "/api/me/export"))
    await began.wait()
    assert await second.refused("GET", "/api/me/export") == "overloaded"
    go_on.set()
    assert (await under_way)["account"]["id"] == first.id
    assert (await second.well("GET", "/api/me/export"))["account"]["id"] == second.id


async def test_every_column_that_names_a_user_is_thought_of(factory: RowFactory) -> None:
    """By its name or by its foreign key; in the export, or with a reason why not."""
    rows = await factory.sql.fetch(
        """
        select c.table_name || '.' || c.column_name
          from information_schema.columns c
          join pg_class t on t.relname = c.table_name and t.relkind in ('r', 'p') and not t.relispartition
         where c.table_schema = 'public'
           and c.column_name ~ '^(user_id|reporter_id|actor_id|moderator_id|author_id|owner_id|profile_id|.*_by)$'
        union
        select f.conrelid::regclass || '.' || a.attname
          from pg_constraint f
          join pg_attribute a on a.attrelid = f.conrelid and a.attnum = any(f.conkey)
         where f.contype = 'f' and f.confrelid in ('users'::regclass, 'user_profiles'::regclass)
        union
        select 'users.id'
        """
    )
    assert {row[0] for row in rows} == EXPORTED.keys() | NOT_EXPORTED.keys()
    assert set(EXPORTED.values()) == set(SECTIONS)


async def test_every_column_of_ones_rows_is_thought_of(factory: RowFactory) -> None:
    """A column that is added to one of these tables is exported, or left out on purpose."""
    fields = {field.name: field.type for field in msgspec.structs.fields(Export)}
    for reference, section in EXPORTED.items():
        table, owner = reference.split(".")
        rows = await factory.sql.fetch(
            "select column_name from information_schema.columns where table_schema = 'public' and table_name = $1",
            table,
        )
        columns = {RENAMED.get(row[0], row[0]) for row in rows} - LEFT_OUT.get(table, set())
        columns -= {owner} if owner != "id" and table != "content_moderation" else set()
        (struct,) = [
            kind for kind in (*get_args(fields[section]), fields[section]) if hasattr(kind, "__struct_fields__")
        ]
        assert columns <= set(struct.__struct_fields__), table


async def test_the_queries_themselves_are_narrow(
    people: People, factory: RowFactory, leaver: Person, database_url: str
) -> None:
    """Row security is the second lock: read as the owner, who may see everything, the export is the same."""
    await settle_in(factory, leaver, await people.person("moderator"))
    requests = await Database.open(database_url, role=REQUEST_ROLE)
    owner = await Database.open(database_url)
    try:
        assert await export(requests, LEAVER) == await export(owner, LEAVER)
    finally:
        await requests.close()
        await owner.close()


# ────────────────────────────────────────────────────────────────────────── erasure


async def test_nothing_is_left(
    people: People, factory: RowFactory, leaver: Person, database_url: str, redis_url: str
) -> None:
    """No table, no key, no counter; votes count on, everything else of theirs does not."""
    moderator = await people.person("moderator")
    show = await settle_in(factory, leaver, moderator)
    tally = await factory.tally(7)
    assert await leaver.ask("DELETE", "/api/me") == (204, None)
    await until_drained(database_url, redis_url)
    assert await factory.tally(7) == tally == await factory.counted(7)
    assert tally[0] == [show.first, 0, 1]
    assert await traces_in_postgres(factory.sql, *WORDS) == []
    assert await factory.sql.fetch("select * from integrity_check()") == []
    assert await factory.sql.fetch("select * from miscounts()") == []
    assert await reconcile.run(database_url, redis_url) == []
    counts = await factory.sql.fetchrow(
        "select (select follower_count from artist_stats), (select attendance_count from shows where id = 7),"
        " (select review_count from venues)"
    )
    assert tuple(counts) == (1, 1, 1), "the moderator's"
    # What staff did stays, without the name of whom they did it to, or of who did it.
    acts = await factory.sql.fetch("select moderator_id, subject, detail from moderation_log order by id")
    assert [tuple(act) for act in acts] == [
        (moderator.id, "review:0", "{}"),
        (moderator.id, "report:0", "{}"),
        (moderator.id, "profile:0", "{}"),
        (moderator.id, "user:0", "{}"),
        (None, f"user:{moderator.id}", '{"reason": "a mistake"}'),
    ]
    assert await factory.sql.fetchval("select count(*) from user_bans where banned_by is null") == 1
    await _until_no_trace(redis_url)


async def test_twice_is_refused(people: People, leaver: Person) -> None:
    """The second time nobody is there: 401 for oneself, 404 for an administrator, also when both come at once."""
    admin, fan, other = await people.person("admin"), await people.person(), await people.person()
    assert await leaver.ask("DELETE", "/api/me") == (204, None)
    assert await leaver.refused("DELETE", "/api/me") == "unauthenticated"
    assert await admin.ask("DELETE", f"/api/admin/users/{fan.id}") == (204, None)
    assert await admin.refused("DELETE", f"/api/admin/users/{fan.id}") == "not_found"
    both = await asyncio.gather(*[other.ask("DELETE", "/api/me") for _ in range(4)])
    assert sorted(status for status, _ in both) == [204, 401, 401, 401]


@pytest.mark.parametrize(
    "wanted", ["0", "-1", "1000000000", "9" * 30, "x", "%00", "1%3Bdrop%20table%20users", "1%20or%201=1", "%D9%A3"]
)
async def test_nobody_of_that_name(people: People, wanted: str) -> None:
    """An administrator names somebody who is not there, or nobody at all."""
    admin = await people.person("admin")
    assert await admin.refused("DELETE", f"/api/admin/users/{wanted}") == "not_found"


async def test_who_may_erase_whom(people: People, factory: RowFactory, leaver: Person) -> None:
    """Oneself, and anybody for an administrator, which is written down without a name."""
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
    # A nobody is no account that could be erased.
    show = await factory.show(7)
    await fan.well("POST", "/api/shows/7/votes", {"votes": [[show.first, "up"]]})
    assert await fan.ask("DELETE", "/api/me") == (204, None)
    heir = await factory.sql.fetchval("select user_id from votes")
    assert await admin.refused("DELETE", f"/api/admin/users/{heir}") == "not_found"


async def test_the_old_token_does_nothing(
    people: People, factory: RowFactory, leaver: Person, node: Node, redis_url: str
) -> None:
    """Wherever it is shown, it is `unauthenticated`, and nothing is written."""
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
    await _until_no_trace(redis_url)


async def test_the_old_token_of_staff_does_nothing(people: People, factory: RowFactory) -> None:
    """Who could change what is not their own is looked up: within a second nothing is theirs to do any more."""
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


async def test_erased_between_the_look_and_the_write(factory: RowFactory, leaver: Person, database_url: str) -> None:
    """A foreign key that fails because its user was erased a moment ago is `unauthenticated`; any other is not."""
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


async def test_a_cookie_of_somebody_erased(node: Node, factory: RowFactory) -> None:
    """The page keeps who the cookie names; when that one is gone, it gets a new account instead of going in circles."""
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


async def test_open_connections_are_closed(node: Node, people: People, leaver: Person) -> None:
    """Those of the user on this node, with the code of a normal end; nobody else's."""
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


async def test_a_log_without_names(
    people: People, factory: RowFactory, leaver: Person, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever was done and refused, before and after: what the node writes to its log does not name the user."""
    show = await settle_in(factory, leaver, await people.person("moderator"))
    assert await leaver.ask("DELETE", "/api/me") == (204, None)
    await leaver.refused("PATCH", "/api/me", {"display_name": NAME})
    await leaver.refused("POST", "/api/shows/7/votes", {"votes": [[show.first, "up"]]})
    await leaver.refused("DELETE", "/api/me")
    out, err = capfd.readouterr()
    written = out + err
    assert "ballots.forgotten" in written
    assert [word for word in WORDS if str(word) in written] == []


async def test_valkey_refuses(
    people: People,
    factory: RowFactory,
    leaver: Person,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """`unavailable`, nothing was erased, and the log does not say who it was about; afterwards it works."""
    admin = await people.person("admin")
    await settle_in(factory, leaver, await people.person("moderator"))
    before = await leaver.well("GET", "/api/me/export")
    with monkeypatch.context() as patch:
        patch.setattr("server.voting.forgetting.FORGET_SCRIPT", b"return redis.error_reply('not now')")
        assert await leaver.refused("DELETE", "/api/me") == "unavailable"
        assert await admin.refused("DELETE", f"/api/admin/users/{LEAVER}") == "unavailable"
    out, err = capfd.readouterr()
    assert "request.unavailable" in out + err
    assert str(LEAVER) not in out + err
    assert await leaver.well("GET", "/api/me/export") == before
    assert await leaver.ask("DELETE", "/api/me") == (204, None)


def bearer(person: Person) -> dict[str, str]:
    return {"Authorization": f"Bearer {person.token}"}


async def _until_no_trace(redis_url: str) -> None:
    """The last log entries of theirs go with the writer's next look at the log."""
    async with asyncio.timeout(20):
        while await traces_in_valkey(redis_url, *WORDS):
            await asyncio.sleep(0.05)
