"""The export of all data about a user, over HTTP with a whole node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, get_args

import msgspec
import pytest

from server.people import exports as exports_module
from server.people.export import SECTIONS, Export, export
from server.store.database import REQUEST_ROLE, Database
from tests.support import one_node
from tests.support.people import People, Person
from tests.support.personal_data import ADDRESS, BAN, BIO, CITY, LEAVER, NAME, REPORT, REVIEW, fill_every_table
from tests.support.row_factory import RowFactory
from tests.support.running_node import until

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people = one_node.node, one_node.emptied, one_node.people

# Every column that names a user, and the section of the export that has its rows.
EXPORTED = {
    "users.id": "account",
    "user_identities.user_id": "identities",
    "sessions.user_id": "sessions",
    "user_profiles.user_id": "profile",
    "votes.user_id": "votes",
    "removed_votes.user_id": "removed_votes",
    "vote_group_members.user_id": "vote_groups",
    "merge_votes.user_id": "merged_votes",
    "merge_rows.user_id": "merged_rows",
    "voter_accuracy.user_id": "accuracy",
    "vote_analytics.user_id": "vote_history",
    "user_vote_limits.user_id": "day_budgets",
    "user_follows_artists.user_id": "follows",
    "user_show_attendance.user_id": "attendance",
    "picks.user_id": "picks",
    "crew_members.user_id": "crews",
    "ledger_secrets.user_id": "ledger_names",
    "ticket_codes.user_id": "tickets",
    "song_suggestions.user_id": "suggestions",
    "venue_reviews.user_id": "reviews",
    "reports.reporter_id": "reports_made",
    "user_bans.user_id": "bans",
    "email_preferences.user_id": "email_preferences",
    "email_queue.user_id": "email_queue",
    "email_log.user_id": "email_log",
    "webpush_devices.user_id": "push_devices",
    "webpush_notices.user_id": "push_notices",
    "api_keys.user_id": "api_keys",
    "moderation_log.moderator_id": "moderation_log",
    "audit_log.actor_id": "audit_log",
    # Found by the review or profile, not by a column with the user.
    "content_moderation.profile_id": "moderation_of_own_texts",
}
NOT_EXPORTED = {
    "exports.user_id": "it is the export",
    "standings.user_id": "the points of each show are in picks; other boards are sums of them",
    "ledger_notes.user_id": "votes of the last second, which votes has",
    "voters_to_count.user_id": "votes of the last second, which vote_history has",
    "voter_days.user_id": "the days of vote_history",
    "best_voters.user_id": "sums of accuracy",
    "calendar_feeds.user_id": "a number from which the address of the calendar follows; the shows are in attendance and follows",
    "cast_orders.user_id": "a number by which a late cast is known; the casts are in votes and vote_history",
    "content_moderation.decided_by": "the decision is in moderation_log, with its subject",
    "reports.decided_by": "the decision is in moderation_log, with the report",
    "reports.profile_id": "the report is data of its reporter",
    "user_bans.banned_by": "the ban is in moderation_log, with its reason",
    "user_bans.lifted_by": "that it was lifted is in moderation_log",
    "vote_groups.decided_by": "the decision is in audit_log",
    "identity_reviews.decided_by": "the decision is in audit_log",
    "merges.made_by": "the merge is in audit_log",
    "database_operations.started_by": "it says nothing about a person except that they were at work",
}
# Columns that the export leaves out. The column that names the user is always left out.
LEFT_OUT = {
    "audit_log": {"salt"},  # random, says nothing by itself
    "users": {"nobody"},  # always null for a user who asks
    "vote_analytics": {"id"},  # only an order of rows
    "content_moderation": {"decided_by"},
    "reports": {"decided_by"},
    "user_bans": {"banned_by", "lifted_by"},
    "removed_votes": {"id"},  # only an order of rows
    "vote_group_members": {"group_id"},  # says nothing by itself
    "merge_votes": {"fold_id"},  # the show and the song say which
    "merge_rows": {"id", "merge_id"},  # only an order of rows
    # Hashes that only the nodes can make, for a day; of a code for another device for five minutes.
    "sessions": {"address_hash", "agent_hash", "subnet_hash", "code_hash"},
    "email_log": {"queue_id"},  # the row of the queue may be gone
    "webpush_devices": {"session_id", "public_key", "auth_secret", "failures"},  # secrets of the device, and its health
    "webpush_notices": {"id", "expires_at"},  # an order of rows, and the end of its use
    "api_keys": {"key_hash"},
    "picks": {"id"},  # only an order of rows
    "crew_members": {"crew_id"},  # its name and code say which
    "ledger_secrets": {"secret", "show_ids", "names"},  # the names of all shows follow from them
    "ticket_codes": {"code_hash", "is_keyed"},
    "song_suggestions": {"folded"},  # the title in another form
}
RENAMED = {"setlist_song_id": "song_id"}


async def test_the_export_has_all_data_of_the_user(people: People, factory: RowFactory, leaver: Person) -> None:
    """Every section has the rows of the user and no rows of others, although others have rows in every table."""
    moderator = await people.person("moderator")
    show = await fill_every_table(factory, leaver, moderator)
    document = await leaver.ok("GET", "/api/me/export")
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
    assert [(device.endpoint, device.kinds) for device in found.push_devices] == [
        (f"https://push.example/{leaver.id}", ["song_on"])
    ]
    assert [(notice.kind, notice.show_id, notice.song) for notice in found.push_notices] == [("song_on", 7, NAME)]
    assert [(key.name, key.role) for key in found.api_keys] == [(NAME, "user")]
    assert "hash" not in str(document)
    assert [(act.action, act.subject) for act in found.moderation_log] == [("user.ban", f"user:{moderator.id}")]
    assert [(act.action, act.detail) for act in found.audit_log] == [("user.role", {"to": "moderator"})]


async def test_a_new_account_exports_empty_lists(people: People) -> None:
    """Only the section of the account has data."""
    fan = await people.person()
    document = await fan.ok("GET", "/api/me/export")
    assert document.pop("account")["id"] == fan.id
    assert {section for section, rows in document.items() if rows} == set()


async def test_staff_export_only_their_own_data(
    people: People, factory: RowFactory, leaver: Person, database_url: str
) -> None:
    """The export of an administrator runs with the role of a user, so row security hides the rows of others."""
    admin = await people.person("admin")
    await fill_every_table(factory, leaver, await people.person("moderator"))
    document = await admin.ok("GET", "/api/me/export")
    assert document.pop("account")["id"] == admin.id
    assert {section for section, rows in document.items() if rows} == set()
    roles: set[str] = set()

    class Watched(Database):
        @asynccontextmanager
        async def snapshot(self) -> AsyncIterator[Any]:
            async with super().snapshot() as connection:
                yield connection
                roles.add(await connection.fetchval("select current_setting('app.role')"))

    database = await Watched.open(database_url, role=REQUEST_ROLE)
    await export(database, admin.id)
    await database.close()
    assert roles == {"user"}


async def test_a_section_is_limited(people: People, factory: RowFactory, database_url: str) -> None:
    """At the limit, a section has the newest rows and is named in `cut`."""
    fan = await people.person()
    await factory.sql.execute(
        "insert into user_vote_limits select $1::bigint, date '2026-01-01' + n, n from generate_series(1, 3) n", fan.id
    )
    database = await Database.open(database_url, role=REQUEST_ROLE)
    document = msgspec.json.decode(await export(database, fan.id, rows_max=2))
    await database.close()
    assert document["cut"] == ["day_budgets"]
    assert [day["spent"] for day in document["day_budgets"]] == [3, 2]


async def test_a_long_export_is_made_beside_the_requests(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node makes one at a time. Users get 202 with the time of their request until theirs is ready; past the end of the
    line the answer is `overloaded`.
    """
    go_on, running = asyncio.Event(), asyncio.Queue[int]()

    async def slow_export(database: Database, user_id: int) -> bytes:
        running.put_nowait(user_id)
        await go_on.wait()
        return await export(database, user_id)

    monkeypatch.setattr(exports_module, "export", slow_export)
    monkeypatch.setattr(exports_module, "EXPORTS_WAITING_MAX", 2)
    monkeypatch.setattr(exports_module, "PATIENCE_S", 0.01)
    first, second, third = await people.persons(3)
    queued = await first.ok("GET", "/api/me/export", status=202)
    assert queued == {"status": "queued", "asked_at": queued["asked_at"]}
    assert await running.get() == first.id
    await second.ok("GET", "/api/me/export", status=202)
    assert await third.refused("GET", "/api/me/export") == "overloaded"
    assert await first.ok("GET", "/api/me/export", status=202) == queued
    assert running.empty()
    go_on.set()
    for person in (first, second):

        async def made(person: Person = person) -> Any:
            status, document = await person.ask("GET", "/api/me/export")
            return document if status == 200 else None

        assert (await until(made))["account"]["id"] == person.id


async def test_a_user_gets_one_export_a_day(people: People, factory: RowFactory) -> None:
    """Requests of the same day get the same export, also at once; a day later a new one is made."""
    ann, ben = await people.persons(2)

    async def made() -> Any:
        status, document = await ann.ask("GET", "/api/me/export")
        return document if status == 200 else None  # 202: another of these requests asked for it a moment ago

    documents = await asyncio.gather(*(until(made) for _ in range(4)))
    assert documents[1:] == documents[:1] * 3
    await ben.ok("GET", "/api/me/export")
    await factory.sql.execute("update users set token_until = '2030-01-01Z' where id = $1", ann.id)
    assert await ann.ok("GET", "/api/me/export") == documents[0]
    await factory.sql.execute("update exports set asked_at = asked_at - interval '1 day'")
    assert (await ann.ok("GET", "/api/me/export"))["account"]["token_until"].startswith("2030")


async def test_an_export_of_a_dead_node_is_made_by_another(
    people: People, factory: RowFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its claim ends; a third failure is told to the user, and the node goes on."""
    monkeypatch.setattr(exports_module, "PATIENCE_S", 0.01)
    ann, ben = await people.persons(2)
    claim = "insert into exports (user_id, claimed_until, tries) values ($1, now() + make_interval(secs => $2), $3)"
    await factory.sql.execute(claim, ann.id, 60, 1)
    await factory.sql.execute(claim, ben.id, -1, exports_module.TRIES_MAX)
    await ann.ok("GET", "/api/me/export", status=202)
    assert await ben.refused("GET", "/api/me/export") == "unavailable"
    await factory.sql.execute("update exports set claimed_until = now()")
    monkeypatch.setattr(exports_module, "PATIENCE_S", 2)
    await (await people.person()).ok("GET", "/api/me/export")
    assert (await ann.ok("GET", "/api/me/export"))["account"]["id"] == ann.id


async def test_every_column_that_names_a_user_is_listed(factory: RowFactory) -> None:
    """Columns are found by name or foreign key. Each is exported, or has a reason why not."""
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


async def test_every_column_of_exported_tables_is_listed(factory: RowFactory) -> None:
    """A new column of one of these tables must be exported, or left out on purpose."""
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


async def test_the_queries_alone_select_only_rows_of_the_user(
    people: People, factory: RowFactory, leaver: Person, database_url: str
) -> None:
    """The owner, for whom row security does not apply, gets the same export."""
    await fill_every_table(factory, leaver, await people.person("moderator"))
    requests = await Database.open(database_url, role=REQUEST_ROLE)
    owner = await Database.open(database_url)
    try:
        assert await export(requests, LEAVER) == await export(owner, LEAVER)
    finally:
        await requests.close()
        await owner.close()
