"""What a database looks like, for comparing two."""

from __future__ import annotations

import shutil
from pathlib import Path

import asyncpg

from server.settings import data_folder

# What an extension brings is its own, and some servers have more of them than others. Parentheses that nothing hangs on
# are counted differently once an expression has been through a dump.
_OF_AN_EXTENSION = "in (select objid from pg_depend where deptype = 'e')"

_SCHEMA = f"""
select 'column' as kind, table_name || '.' || column_name as name,
       translate(concat_ws(' ', data_type, is_nullable, column_default, generation_expression), '()', '') as what
  from information_schema.columns
 where table_schema = 'public' and to_regclass(quote_ident(table_name))::oid not {_OF_AN_EXTENSION}
union all select 'index', indexname, translate(indexdef, '()', '') from pg_indexes where schemaname = 'public'
union all select 'constraint', conrelid::regclass || '.' || conname, translate(pg_get_constraintdef(oid), '()', '')
  from pg_constraint where connamespace = 'public'::regnamespace
union all select 'function', p.oid::regprocedure::text,
                 concat_ws(' ', md5(translate(pg_get_functiondef(oid), '()', '')), proacl)
  from pg_proc p where pronamespace = 'public'::regnamespace and prokind = 'f' and oid not {_OF_AN_EXTENSION}
union all select 'trigger', tgrelid::regclass || '.' || tgname, translate(pg_get_triggerdef(oid), '()', '')
  from pg_trigger where not tgisinternal
union all select 'enum', t.typname || '.' || e.enumlabel, (row_number() over (partition by t.oid order by e.enumsortorder))::text
  from pg_enum e join pg_type t on t.oid = e.enumtypid
union all select 'policy', tablename || '.' || policyname, translate(concat_ws(' ', permissive, roles, cmd, qual, with_check), '()', '')
  from pg_policies
union all select 'table', relname, concat_ws(' ', relrowsecurity, relforcerowsecurity, reloptions)
  from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and oid not {_OF_AN_EXTENSION}
union all select 'right', table_name || ' ' || grantee, privilege_type
  from information_schema.role_table_grants where table_schema = 'public' and grantee like 'mysetlist_%'
order by 1, 2, 3
"""


async def schema(url: str) -> list[tuple[str, ...]]:
    """Everything a migration may make in the public schema, dbmate's own table aside."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(_SCHEMA)
    finally:
        await connection.close()
    return [tuple(row) for row in rows if not row["name"].startswith("schema_migrations")]


def first_migrations(count: int, folder: Path) -> Path:
    """Puts the oldest migrations into a new folder, and gives it."""
    folder.mkdir()
    for file in sorted(data_folder("migrations").glob("[0-9]*.sql"))[:count]:
        shutil.copy(file, folder)
    return folder


async def take_back(url: str, path: Path) -> None:
    """What dbmate does for `rollback`: a file's way back, in one transaction. A process for each file costs ten times as much CPU."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute(path.read_text().partition("-- migrate:down")[2])
            await connection.execute("delete from schema_migrations where version = $1", path.name.partition("_")[0])
    finally:
        await connection.close()
