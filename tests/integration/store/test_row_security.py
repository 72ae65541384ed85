"""Row security: every role tries every operation on every table.

Two users have one row each in every table; `own` is the row of the first user, for whom all requests here act.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

ANONYMOUS, USER, MODERATOR, ADMIN, WRITER = "anonymous", "user", "moderator", "admin", "writer"
ROLES = ("mysetlist_request", "mysetlist_writer")
OPERATIONS = ("select", "insert", "update", "delete")

# The rights of a role: select, insert, update, delete, each on the own row and another's. A dot: refused.
NOTHING = ".. .. .. .."
READ = "ss .. .. .."


@dataclass(frozen=True)
class Expected:
    """The rights of each role on a table."""

    anonymous: str = NOTHING
    user: str = NOTHING
    moderator: str = NOTHING
    admin: str = NOTHING
    writer: str = NOTHING


def public(writer: str = READ) -> Expected:
    return Expected(READ, READ, READ, READ, writer)


EXPECTED = {
    "artists": public(),
    "venues": public(),
    "songs": public(),
    "shows": public(writer="ss .. uu .."),
    "setlists": public(writer="ss .. uu .."),
    "setlist_songs": public(writer="ss .. uu .."),
    "show_artists": public(),
    "artist_songs": public(),
    "artist_stats": public(),
    "artist_identities": public(),
    "venue_identities": Expected(READ, READ, READ, READ),
    "show_identities": public(),
    "song_identities": Expected(READ, READ, READ, READ),
    "identity_reviews": Expected(),
    "show_predictions": public(),
    "sync_schedules": Expected(),
    "sync_pauses": Expected(),
    "service_alerts": Expected(),
    "external_cache": Expected(admin=READ),
    "show_trending": public(),
    "show_accuracy": public(),
    "voter_accuracy": Expected(user="s. .. .. ..", moderator=READ, admin=READ),
    "shows_to_score": Expected(),
    "platform_stats": public(),
    "service_health": public(),
    "vote_rollups": public(writer="ss ii uu .."),
    "log_positions": public(writer="ss .. uu .."),
    "log_commits": Expected(writer="ss ii .. dd"),
    "users": Expected(user="s. .. .. ..", moderator=READ, admin="ss .. uu ..", writer=READ),
    "votes": Expected(user="s. .. .. ..", moderator=READ, admin=READ, writer="ss ii uu dd"),
    "vote_analytics": Expected(user="s. .. .. ..", moderator=READ, admin=READ, writer="ss ii .. .."),
    "user_vote_limits": Expected(user="s. .. .. ..", moderator=READ, admin=READ, writer="ss ii uu .."),
    "user_profiles": Expected(user="s. i. u. d.", moderator="ss i. uu d.", admin="ss i. uu dd"),
    "user_follows_artists": Expected(user="s. .. .. ..", moderator=READ, admin=READ, writer="ss ii .. dd"),
    "user_show_attendance": Expected(user="s. .. .. ..", moderator=READ, admin=READ, writer="ss ii .. dd"),
    "activity": public(),
    "activity_clock": public(),
    "venue_reviews": Expected(user="s. i. u. d.", moderator="ss i. uu dd", admin="ss i. uu dd"),
    "content_moderation": Expected(user="s. i. .. ..", moderator="ss ii uu ..", admin="ss ii uu .."),
    "reports": Expected(user="s. i. .. ..", moderator="ss i. uu ..", admin="ss i. uu .."),
    "user_bans": Expected(user="s. .. .. ..", moderator="ss ii uu ..", admin="ss ii uu ..", writer=READ),
    "moderation_log": Expected(user="s. .. .. ..", moderator="ss i. .. ..", admin="ss i. .. .."),
    "audit_log": Expected(user="s. .. .. ..", moderator="s. i. .. ..", admin="ss i. .. .."),
    "email_preferences": Expected(user="s. i. u. d.", moderator="s. i. u. d.", admin="s. i. u. d."),
    "email_queue": Expected(user="s. i. .. ..", moderator="s. i. .. ..", admin="s. i. .. .."),
    "email_log": Expected(user="s. .. .. ..", moderator="s. .. .. ..", admin="s. .. .. .."),
    "email_unsubscribes": Expected(),
    "song_suggestions": Expected(user="s. i. .. d.", moderator="ss i. .. d.", admin="ss i. .. d."),
    "ticket_codes": Expected(user="s. .. .. ..", moderator="s. .. .. ..", admin="ss .. .. ..", writer=READ),
    "user_identities": Expected(user="s. .. .. ..", moderator="s. .. .. ..", admin="s. .. .. .."),
    "api_keys": Expected(user="s. .. .. ..", moderator="s. .. .. ..", admin="ss i. uu dd"),
    "sync_jobs": Expected(admin=READ),
    "sync_progress": Expected(admin=READ),
    "import_log": Expected(admin=READ),
    "database_operations": Expected(admin=READ),
    "schema_migrations": Expected(),
}

# Personal data without a foreign key to users: the history outlives its users, a hash outlives its account.
PERSONAL = {"users", "vote_analytics", "moderation_log", "audit_log", "email_unsubscribes"}

_SHOW = (
    "(slug, artist_id, venue_id, name, local_date, time_zone, starts_at, opens_at, closes_at)"
    " values ('show-{n}', {n}, {n}, 'Show', current_date, 'UTC', now(), now(), now() + interval '1 day')"
)


@dataclass(frozen=True)
class Row:
    """How row n of a table is inserted, found and changed; n is the id of its user and of its parents."""

    values: str
    where: str = "id = {n}"
    change: str = "created_at = now()"


# In the order in which they can be inserted.
ROWS = {
    "users": Row("default values", change="role = 'admin'"),
    "artists": Row("(slug, name) values ('artist-{n}', 'Artist')"),
    "venues": Row(
        "(slug, name, city, country, latitude, longitude, time_zone)"
        " values ('venue-{n}', 'Venue', 'Ghent', 'BE', 51, 3.7, 'Europe/Brussels')"
    ),
    "songs": Row("(artist_id, title) values ({n}, 'Song')"),
    "shows": Row(_SHOW),
    "setlists": Row("(show_id, type, name) values ({n}, 'predicted', 'Main set')"),
    "setlist_songs": Row("(setlist_id, show_id, song_id, position) values ({n}, {n}, {n}, 1)", change="position = 1"),
    "show_artists": Row(
        "(show_id, artist_id, billing, position) values ({n}, 3 - {n}, 'support', 2)",
        "show_id = {n} and billing = 'support'",
        "position = 2",
    ),
    "artist_songs": Row(
        "(artist_id, song_id) values ({n}, 3 - {n})", "artist_id = {n} and song_id <> artist_id", "played_count = 1"
    ),
    "artist_stats": Row("(artist_id) values ({n})", "artist_id = {n}", "score = 1"),
    "show_trending": Row("values ({n}, 1, 1, now())", "show_id = {n}", "score = 1"),
    "show_accuracy": Row(
        "(show_id, offered, predicted, hits, played) values ({n}, 1, 1, 1, 1)", "show_id = {n}", "hits = 0"
    ),
    "voter_accuracy": Row(
        "(user_id, show_id, predicted, hits, played) values ({n}, {n}, 1, 1, 1)", "user_id = {n}", "hits = 0"
    ),
    "shows_to_score": Row("(show_id) values ({n})", change="show_id = 1"),
    "activity": Row(
        "(position, previous, kind, show_id, name) values ({n}, 0, 'live', {n}, 'Show')", "position = {n}", "count = 1"
    ),
    "activity_clock": Row("values ({n}, {n})", "id = {n}", "position = 5"),
    "platform_stats": Row(
        "values (date '2026-01-01' + {n}, 0, 0, 0, 0, 0, 0, 0, 0, 0)", "day = date '2026-01-01' + {n}", "show_count = 1"
    ),
    "artist_identities": Row(
        "(service, external_id, artist_id, confidence, evidence) values ('spotify', '{n}', {n}, 1, 'told')",
        "artist_id = {n}",
        "confidence = 0.5",
    ),
    "venue_identities": Row(
        "(service, external_id, venue_id, confidence, evidence) values ('ticketmaster', '{n}', {n}, 1, 'told')",
        "venue_id = {n}",
        "confidence = 0.5",
    ),
    "show_identities": Row(
        "(service, external_id, show_id, confidence, evidence) values ('ticketmaster', '{n}', {n}, 1, 'told')",
        "show_id = {n}",
        "confidence = 0.5",
    ),
    "song_identities": Row(
        "(service, external_id, song_id) values ('spotify', '{n}', {n})", "song_id = {n}", "isrc = 'x'"
    ),
    "identity_reviews": Row(
        "(service, external_id, name, artist_id, confidence, evidence) values ('spotify', '{n}', 'A', {n}, 0.5, 'told')",
        "artist_id = {n}",
        "confidence = 0.6",
    ),
    "show_predictions": Row("(show_id, songs, basis) values ({n}, '{{}}', 1)", "show_id = {n}", "basis = 2"),
    "sync_schedules": Row(
        "(name, every_s) values ('s' || repeat('x', {n}), 60)", "name = 's' || repeat('x', {n})", "every_s = 61"
    ),
    "service_alerts": Row(
        "(service, status) values ('s_' || repeat('x', {n}), 'ok')",
        "service = 's_' || repeat('x', {n})",
        "detail = 'x'",
    ),
    "sync_pauses": Row(
        "(service) values ((enum_range(null::sync_service))[{n}])",
        "service = (enum_range(null::sync_service))[{n}]",
        "paused_at = 'epoch'",
    ),
    "external_cache": Row(
        "(service, asked, kind, fresh_until) values ('spotify', '/{n}', 'artist', now())",
        "asked = '/{n}'",
        "etag = 'x'",
    ),
    "service_health": Row(
        "(service, hour, last_status) values ('s_' || repeat('x', {n}), date_trunc('hour', now(), 'UTC'), 'ok')",
        "service = 's_' || repeat('x', {n})",
        "ok_count = 1",
    ),
    "votes": Row("values ({n}, {n}, {n}, 'up', now())", "user_id = {n}", "choice = 'down'"),
    "vote_analytics": Row(
        "(show_id, setlist_song_id, user_id, choice, cast_at) values ({n}, {n}, {n}, 'up', now())",
        "user_id = {n}",
        "choice = 'down'",
    ),
    "vote_rollups": Row("values ({n}, date_trunc('hour', now(), 'UTC'), 1)", "show_id = {n}", "up_count = 2"),
    "user_vote_limits": Row("values ({n}, current_date, 1)", "user_id = {n}", "spent = 2"),
    "log_positions": Row("values ({n})", "shard = {n}", "position = 1"),
    "log_commits": Row("(shard, position, entries) values ({n}, 1, '{{}}')", "shard = {n}", "position = 2"),
    "user_profiles": Row("(user_id, display_name) values ({n}, 'Fan')", "user_id = {n}", "bio = 'Hello'"),
    "user_follows_artists": Row("values ({n}, {n})", "user_id = {n}"),
    "user_show_attendance": Row("values ({n}, {n})", "user_id = {n}"),
    "venue_reviews": Row("(venue_id, user_id, rating) values ({n}, {n}, 4)", change="rating = 3"),
    "content_moderation": Row("(review_id) values ({n})", "review_id = {n}", "note = 'seen'"),
    "reports": Row(
        "(reporter_id, review_id, reason) values ({n}, 3 - {n}, 'rude')", "reporter_id = {n}", "priority = 'high'"
    ),
    "user_bans": Row("(user_id, kind, reason) values ({n}, 'vote', 'a robot')", "user_id = {n}", "lifted_at = now()"),
    "moderation_log": Row(
        "(moderator_id, action, subject) values ({n}, 'review.approve', 'review:1')",
        "moderator_id = {n}",
        "detail = '{{}}'",
    ),
    "audit_log": Row("(actor_id, action) values ({n}, 'show.lock')", "actor_id = {n}", "detail = '{{}}'"),
    "email_preferences": Row(
        "(user_id, address) values ({n}, 'fan{n}@example.org')", "user_id = {n}", "frequency = 'daily'"
    ),
    "email_queue": Row(
        "(user_id, kind, about) values ({n}, 'confirm_address', 'address:{n}')", "user_id = {n}", "attempts = 1"
    ),
    "email_log": Row(
        "(queue_id, user_id, kind, status) values ({n}, {n}, 'show_result', 'sent')", "user_id = {n}", "detail = 'ok'"
    ),
    "email_unsubscribes": Row("values (sha256('{n}'), 'link')", "address_hash = sha256('{n}')", "reason = 'bounce'"),
    "song_suggestions": Row("(show_id, user_id, title) values ({n}, {n}, 'Song')", change="reason = 'x'"),
    "ticket_codes": Row(
        "(show_id, code_hash, user_id, redeemed_at) values ({n}, sha256('{n}'), {n}, now())",
        "user_id = {n}",
        "redeemed_at = now()",
    ),
    "user_identities": Row("(issuer, subject, user_id) values ('i', '{n}', {n})", "user_id = {n}"),
    "api_keys": Row(
        "(name, key_hash, role, user_id) values ('key', sha256('{n}'), 'user', {n})",
        "user_id = {n}",
        "revoked_at = now()",
    ),
    "sync_jobs": Row("(service, kind, subject) values ('file', 'import', '{n}')", change="status = 'failed'"),
    "sync_progress": Row("(job_id, stage, total) values ({n}, 'read', 1)", "job_id = {n}", "done = 1"),
    "import_log": Row(
        "(job_id, stage, outcome, message) values ({n}, 'read', 'added', '')", "job_id = {n}", "message = 'x'"
    ),
    "database_operations": Row(
        "(operation, status, finished_at, started_by) values ('vacuum', 'succeeded', now(), {n})",
        "started_by = {n}",
        "done = 1",
    ),
    "schema_migrations": Row("values ('{n}')", "version = '{n}'", "version = version || 'x'"),
}


@pytest.fixture
async def sql(database_url: str) -> AsyncIterator[Any]:
    """The owner's connection, with two rows in every table."""
    connection = await asyncpg.connect(database_url)
    try:
        for table, row in ROWS.items():
            for n in (1, 2):
                if not await connection.fetchval(f"select exists (select from {table} where {row.where.format(n=n)})"):
                    await connection.execute(f"insert into {table} {row.values.format(n=n)}")
        yield connection
    finally:
        await connection.close()


async def act_as(sql: Any, actor: str, user: str = "1") -> None:
    """From here to the end of the transaction the connection is `actor`, acting for `user`."""
    if actor in (USER, MODERATOR, ADMIN):
        await sql.execute("select set_config('app.user_id', $1, true), set_config('app.role', $2, true)", user, actor)
    await sql.execute(f"set local role {'mysetlist_writer' if actor == WRITER else 'mysetlist_request'}")


async def is_refused(sql: Any, statement: str) -> bool:
    """Whether a statement is refused for lack of rights; other errors are raised, and its effects are undone."""
    point = sql.transaction()
    await point.start()
    try:
        await sql.execute(statement)
    except (asyncpg.InsufficientPrivilegeError, asyncpg.RestrictViolationError):
        return True
    else:
        return False
    finally:
        await point.rollback()


async def can(sql: Any, actor: str, operation: str, table: str, n: int) -> bool:
    """Tries one operation on one row, and undoes it."""
    row = ROWS[table]
    where, values = row.where.format(n=n), row.values.format(n=n)
    statements = {
        "select": f"select from {table} where {where}",
        "insert": f"insert into {table} {values}",
        "update": f"update {table} set {row.change.format(n=n)} where {where}",
        "delete": f"delete from {table} where {where}",
    }
    transaction = sql.transaction()
    await transaction.start()
    try:
        if operation == "insert":
            # Deleted as if it had never been there: without cascades and counting.
            await sql.execute(
                f"set local session_replication_role = replica; delete from {table} where {where};"
                " set local session_replication_role = origin"
            )
        await act_as(sql, actor)
        status: str = await sql.execute(statements[operation])
    except (asyncpg.InsufficientPrivilegeError, asyncpg.RestrictViolationError):
        return False
    else:
        count = int(status.rsplit(" ", 1)[1])
        assert count <= 1, f"{statements[operation]}: {status}"
        return count == 1
    finally:
        await transaction.rollback()


async def allowed(sql: Any, actor: str, table: str) -> str:
    """The rights of a role on a table, written as in EXPECTED."""
    words = []
    for operation in OPERATIONS:
        answers = [await can(sql, actor, operation, table, n) for n in (1, 2)]
        words.append("".join(operation[0] if answer else "." for answer in answers))
    return " ".join(words)


async def test_every_role_has_exactly_its_rights(sql: Any) -> None:
    """Every table, role and operation, on the own row and another's."""
    found = {table: Expected(*[await allowed(sql, actor, table) for actor in Expected.__annotations__])
             for table in EXPECTED}  # fmt: skip
    assert found == EXPECTED


async def test_every_table_is_expected(sql: Any) -> None:
    """A new table has to list its rights here; partitions have the rights of their parent."""
    rows = await sql.fetch(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')"
        " and not relispartition and oid not in (select objid from pg_depend where deptype = 'e')"
    )
    assert {row["relname"] for row in rows} == EXPECTED.keys() == ROWS.keys()


async def test_every_table_with_personal_data_has_row_security(sql: Any) -> None:
    """A table that references a user holds personal data."""
    rows = await sql.fetch(
        "select distinct conrelid::regclass::text as name from pg_constraint where confrelid = 'users'::regclass"
    )
    personal = {row["name"] for row in rows} | PERSONAL
    rows = await sql.fetch(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relrowsecurity and not relispartition"
    )
    assert personal - {row["relname"] for row in rows} == set()


async def test_the_roles_have_no_other_power(sql: Any) -> None:
    """They cannot log in, own nothing, bypass no policy, and have only the four kinds of rights tried above."""
    for role in ROLES:
        powers = await sql.fetchrow(
            "select rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls or rolcanlogin as any_power,"
            " exists (select from pg_class where relowner = r.oid) as owns,"
            " exists (select from pg_auth_members where member = r.oid) as is_member,"
            " has_schema_privilege(r.oid, 'public', 'create') as may_create"
            " from pg_roles r where rolname = $1",
            role,
        )
        assert dict(powers) == {"any_power": False, "owns": False, "is_member": False, "may_create": False}
    rows = await sql.fetch(
        "select table_name, privilege_type from information_schema.role_table_grants where table_schema = 'public'"
        " and grantee in ('PUBLIC', 'mysetlist_request', 'mysetlist_writer')"
        " and (grantee = 'PUBLIC' or lower(privilege_type) <> all ($1)) and table_name !~ '^pg_stat_statements'",
        list(OPERATIONS),
    )
    assert rows == []


async def test_partitions_of_the_history_are_closed(sql: Any) -> None:
    """The policies are on the parent table, so no role may access a partition directly."""
    partitions = await sql.fetch(
        "select inhrelid::regclass::text as name from pg_inherits where inhparent = 'vote_analytics'::regclass"
    )
    assert len(partitions) > 1
    for actor in (USER, ADMIN, WRITER):
        async with sql.transaction():
            await act_as(sql, actor)
            for partition in partitions:
                assert await is_refused(sql, f"select from {partition['name']}")


# ─────────────────────────────────────────────────────────── beside the matrix


async def test_an_own_row_cannot_be_given_to_another_user(sql: Any) -> None:
    """A user who may change a row may not change its owner."""
    for table in ("user_profiles", "venue_reviews", "email_preferences"):
        async with sql.transaction():
            await sql.execute(f"delete from {table} where {'id' if table == 'venue_reviews' else 'user_id'} = 2")
            await act_as(sql, USER)
            assert await is_refused(sql, f"update {table} set user_id = 2 where user_id = 1"), table


async def test_everybody_sees_published_rows(sql: Any) -> None:
    """Everybody sees a public profile and an approved review, unless a moderator rejected it."""
    for status, count in (("approved", 1), ("pending", 0), ("rejected", 0)):
        await sql.execute(f"update user_profiles set is_public = true, status = '{status}' where user_id = 2")
        await sql.execute(f"update venue_reviews set status = '{status}' where user_id = 2")
        for actor in (ANONYMOUS, USER):
            async with sql.transaction():
                await act_as(sql, actor)
                assert await sql.fetchval("select count(*) from user_profiles where user_id = 2") == count
                assert await sql.fetchval("select count(*) from venue_reviews where user_id = 2") == count


@pytest.mark.parametrize(
    "user", ["", "0", "-1", "3", "1 or true", "1; reset role", "NaN", "99999999999999999999", "²", "\n2"]
)
async def test_a_malformed_user_id_sees_nothing(sql: Any, user: str) -> None:
    """A text that is no user's id shows nothing or is an error; it never shows another user's rows."""
    async with sql.transaction():
        await act_as(sql, USER, user.replace("\n2", "2\n1"))
        try:
            async with sql.transaction():
                seen = await sql.fetchval("select count(*) from votes")
        except asyncpg.DataError:
            seen = 0
        assert seen == 0


@pytest.mark.parametrize("role", ["", "Admin", "admin ", "admin,user", "owner", "postgres", "\u202eadmin"])
async def test_a_malformed_role_is_a_users(sql: Any, role: str) -> None:
    """Only the two exact words give the rights of staff."""
    async with sql.transaction():
        await sql.execute("select set_config('app.role', $1, true)", role)
        await sql.execute("select set_config('app.user_id', '1', true)")
        await sql.execute("set local role mysetlist_request")
        assert await sql.fetchval("select count(*) from votes") == 1
        assert await sql.fetchval("select count(*) from sync_jobs") == 0


async def test_a_user_may_only_erase_themselves(sql: Any) -> None:
    """An administrator may erase every account; anonymous clients, moderators and the writer may erase no other account."""
    for actor, refused in ((ANONYMOUS, True), (USER, True), (MODERATOR, True), (ADMIN, False), (WRITER, True)):
        async with sql.transaction():
            await act_as(sql, actor)
            assert await is_refused(sql, "select erase_user(2)") is refused, actor
            assert await is_refused(sql, "select erase_user(null)") is refused, actor
    async with sql.transaction():
        await act_as(sql, USER)
        assert not await is_refused(sql, "select erase_user(1)")


async def test_a_login_that_is_a_member_is_no_owner(sql: Any) -> None:
    """A login with rights by membership has only the rights of a request, also before it sets the role."""
    await sql.execute("create role narrow_login in role mysetlist_request")
    try:
        for role in ("none", "narrow_login", "mysetlist_request"):
            await sql.execute("set session authorization narrow_login")
            await sql.execute(f"set role {role}")
            assert await is_refused(sql, "select erase_user(2)"), role
            assert await sql.fetchval("select count(*) from votes") == 0
            await sql.execute("reset session authorization")
    finally:
        await sql.execute("reset session authorization; drop role narrow_login")


async def test_signing_up_makes_a_plain_user(sql: Any) -> None:
    """A request can create an account without rights, and only by signing up."""
    async with sql.transaction():
        await act_as(sql, ANONYMOUS)
        user_id = await sql.fetchval("select sign_up()")
        await sql.execute("reset role")
        row = await sql.fetchrow("select role::text, nobody from users where id = $1", user_id)
        assert dict(row) == {"role": "user", "nobody": None}
    async with sql.transaction():
        await act_as(sql, WRITER)
        assert await is_refused(sql, "select sign_up()")


async def test_functions_with_the_owners_rights_are_known(sql: Any) -> None:
    """Every such function sets its search path, the temporary schema last; a request may call only these few."""
    rows = await sql.fetch(
        "select proname, prorettype = 'trigger'::regtype as is_trigger, proconfig,"
        " has_function_privilege('mysetlist_request', oid, 'execute') as by_request,"
        " has_function_privilege('mysetlist_writer', oid, 'execute') as by_writer"
        " from pg_proc where pronamespace = 'public'::regnamespace and prosecdef"
    )
    assert {row["proname"] for row in rows if "search_path=public, pg_temp" not in row["proconfig"]} == set()
    callable_ones = [row for row in rows if not row["is_trigger"]]
    assert {row["proname"] for row in callable_ones if row["by_request"]} == {
        "sign_up", "keep_account", "erase_user", "get_vote_stats", "leave_queue", "find_people", "use_api_key",
        "sign_in_as", "redeem_ticket", "require_ticket", "decision_on_suggestion",
    }  # fmt: skip
    assert {row["proname"] for row in callable_ones if row["by_writer"]} == {"get_vote_stats"}


async def test_functions_with_the_owners_rights_do_little(sql: Any) -> None:
    """An author removes only their own text from the queue; only staff searches people by name."""
    await sql.execute("insert into content_moderation (profile_id) values (1), (2)")
    for actor in (ANONYMOUS, USER, MODERATOR):
        async with sql.transaction():
            await act_as(sql, actor)
            await sql.execute("select leave_queue(2, 2)")
            found = [row["find_people"] for row in await sql.fetch("select find_people('fan')")]
            assert found == ([1, 2] if actor == MODERATOR else [])
    assert await sql.fetchval("select count(*) from content_moderation") == 4
    async with sql.transaction():
        await act_as(sql, USER)
        await sql.execute("select leave_queue(1, null), leave_queue(null, 1)")
    assert [tuple(row) for row in await sql.fetch("select review_id, profile_id from content_moderation order by 1")] == [
        (2, None), (None, 2),
    ]  # fmt: skip


async def test_temporary_objects_do_not_get_in_the_way(sql: Any) -> None:
    """The owner's rights are not used on a temporary table or function of the caller."""
    async with sql.transaction():
        await sql.execute("set local search_path = pg_temp, public")
        await act_as(sql, USER)
        await sql.execute(
            "create temp table users (id bigint default 2, role text); create temp table votes (user_id bigint)"
        )
        await sql.execute("create function pg_temp.hashtext(text) returns integer language sql as 'select 1 / 0'")
        new_user = await sql.fetchval("select public.sign_up()")
        assert new_user > 2
        assert await sql.fetchval("select voter_count from public.get_vote_stats(1)") == 1
        assert await is_refused(sql, "select public.erase_user(2)")
        assert not await is_refused(sql, "select public.erase_user(1)")
        assert await sql.fetchval("select count(*) from users") == 0
        assert await is_refused(sql, "create table public.mine ()")


async def test_history_stays_with_any_setting(sql: Any) -> None:
    """The setting that lets erase_user() change the history gives no role a new right."""
    for actor in (ADMIN, WRITER):
        async with sql.transaction():
            await act_as(sql, actor)
            await sql.execute("set local app.erasing = 'on'")
            for table in ("vote_analytics", "moderation_log", "audit_log"):
                assert await is_refused(sql, f"delete from {table}")


async def test_counts_are_repaired_by_the_owner_only(sql: Any) -> None:
    """No request and no writer may repair counts."""
    for actor in (ADMIN, WRITER):
        async with sql.transaction():
            await act_as(sql, actor)
            assert await is_refused(sql, "select repair_counts()")
            assert await is_refused(sql, "select move_review_counts('{1}', '{1}', '{5}')")


# ───────────────────────────────────────────────────────────────────────── cost


async def plan(sql: Any, statement: str) -> str:
    return "\n".join([row[0] for row in await sql.fetch(f"explain {statement}")])


async def test_row_security_costs_the_vote_path_nothing(sql: Any) -> None:
    """The writer's policies do not appear in its plans, which equal the owner's."""
    for statement in (
        "select choice from votes where setlist_song_id = 1 and user_id = 1",
        "insert into votes values (1, 2, 1, 'up', now())",
        "select id from users where id = any ('{1,2}')",
        "insert into user_vote_limits values (1, '2020-01-01', 1)",
    ):
        owners = await plan(sql, statement)
        async with sql.transaction():
            await act_as(sql, WRITER)
            assert await plan(sql, statement) == owners


async def test_a_request_reads_its_user_once_for_each_statement(sql: Any) -> None:
    """An InitPlan reads the settings, and an index finds the own rows; nothing is read for each row."""
    async with sql.transaction():
        await sql.execute("set local enable_seqscan = off")
        await act_as(sql, USER)
        for statement in (
            "select * from votes where show_id = 1",
            "select * from user_vote_limits",
            "update user_profiles set bio = ''",
            "select * from user_follows_artists where artist_id = 1",
        ):
            text = await plan(sql, statement)
            assert "InitPlan" in text, text
            for line in text.splitlines():
                if "Filter" in line or "Cond" in line:
                    assert "current_setting" not in line, text
                    assert "app_" not in line, text
