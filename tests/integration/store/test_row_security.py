"""Row security: every role tries every operation on every table.

Two users have one row each in every table; `own` is the row of the first user, for whom all requests here act.
The rights stand in tests/support/table_rights.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import asyncpg
import pytest

from tests.support.engines import OpenDatabase, shared_database
from tests.support.table_rights import (
    ADMIN,
    ANONYMOUS,
    EXPECTED,
    MODERATOR,
    OPERATIONS,
    PERSONAL,
    ROLES,
    ROWS,
    USER,
    WRITER,
    Expected,
)


@pytest.fixture(scope="module")
def filled_url(new_database: OpenDatabase) -> Iterator[str]:
    """A database with two rows in every table."""
    with shared_database(new_database, fill) as url:
        yield url


async def fill(url: str) -> None:
    """Inserts the rows that no migration and no trigger has inserted."""
    connection = await asyncpg.connect(url)
    try:
        for table, row in ROWS.items():
            for n in (1, 2):
                if not await connection.fetchval(f"select exists (select from {table} where {row.where.format(n=n)})"):
                    await connection.execute(f"insert into {table} {row.values.format(n=n)}")
    finally:
        await connection.close()


@pytest.fixture
async def sql(filled_url: str, copy_database: Callable[[str], AbstractAsyncContextManager[str]]) -> AsyncIterator[Any]:
    """The owner's connection to a copy of this database."""
    async with copy_database(filled_url) as url:
        connection = await asyncpg.connect(url)
        try:
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
    """A new table has to list its rights in EXPECTED; partitions have the rights of their parent."""
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


MALFORMED_USER_IDS = ["", "0", "-1", "3", "1 or true", "1; reset role", "NaN", "99999999999999999999", "²", "\n2"]


async def test_a_malformed_user_id_sees_nothing(sql: Any) -> None:
    """A text that is no user's id shows nothing or is an error; it never shows another user's rows."""
    for user in MALFORMED_USER_IDS:
        async with sql.transaction():
            await act_as(sql, USER, user.replace("\n2", "2\n1"))
            try:
                async with sql.transaction():
                    seen = await sql.fetchval("select count(*) from votes")
            except asyncpg.DataError:
                seen = 0
            assert seen == 0, user


MALFORMED_ROLES = ["", "Admin", "admin ", "admin,user", "owner", "postgres", "\u202eadmin"]


async def test_a_malformed_role_is_a_users(sql: Any) -> None:
    """Only the two exact words give the rights of staff."""
    for role in MALFORMED_ROLES:
        async with sql.transaction():
            await sql.execute("select set_config('app.role', $1, true)", role)
            await sql.execute("select set_config('app.user_id', '1', true)")
            await sql.execute("set local role mysetlist_request")
            assert await sql.fetchval("select count(*) from votes") == 1, role
            assert await sql.fetchval("select count(*) from sync_jobs") == 0, role


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
        user_id = await sql.fetchval("select user_id from sign_up('', null, interval '1 day')")
        await sql.execute("reset role")
        row = await sql.fetchrow("select role::text, nobody from users where id = $1", user_id)
        assert dict(row) == {"role": "user", "nobody": None}
    async with sql.transaction():
        await act_as(sql, WRITER)
        assert await is_refused(sql, "select sign_up('', null, interval '1 day')")


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
        "sign_up", "renew_session", "adopt_token", "open_link", "erase_history", "erase_user", "leave_queue", "ask_for_export", "find_people", "use_api_key",
        "last_vote_at", "most_accurate_voters", "sign_in_as", "redeem_ticket", "require_ticket", "decision_on_suggestion", "merged_into",
        "find_people_by_address", "lock_show", "set_group_rule", "set_ticket_source", "give_ticket", "make_crew", "join_crew", "leave_crew", "show_crew", "crew_standings",
        "make_code", "open_code", "ledger_log", "ledger_hashes", "ledger_opened", "ledger_own", "ledger_own_names",
    }  # fmt: skip
    assert {row["proname"] for row in callable_ones if row["by_writer"]} == {
        "apply_decisions",
        "drop_unfinished_index",
        "ensure_vote_analytics_partitions",
        "merged_songs",
        "public_names",
    }


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
        new_user = await sql.fetchval("select user_id from public.sign_up('', null, interval '1 day')")
        assert new_user > 2
        assert await sql.fetchval("select count(*) from public.most_accurate_voters('show', 1, 9)") == 1
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
