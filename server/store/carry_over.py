"""Converts databases from before the first release: eight migrations by topic replaced their 26 migrations.

Their tables differ only in the order of columns, on which nothing depends. Functions and comments are created again
from the new files. A database of a release has none of the old versions. Delete this module when no database from
before the first release exists any more.
"""

from __future__ import annotations

import re
from pathlib import Path

import asyncpg

from server.errors import SetupError
from server.store.engine import CONNECT_TIMEOUT_S, connect, reason

# The versions in `schema_migrations` of a database at the last of the 26 migrations.
VERSIONS_BEFORE = frozenset(
    f"{day}{number:06}"
    for day, numbers in {
        "20261123": range(1, 9),
        "20261125": (1, 2, 3, 6, 7, 12, 13, 14, 16, 21, 22, 23, 25, 32, 33, 34),
        "20261128": (35, 36),
    }.items()
    for number in numbers
)
# The versions of the eight migrations, which make the same schema.
VERSIONS_AFTER = frozenset(f"2026112900000{number}" for number in range(1, 9))

_FUNCTION = re.compile(r"^create function [^$;]*?(?:\$\$.*?\$\$|^return .*?);$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"^comment on .*?';$", re.MULTILINE | re.DOTALL)


async def carry_over(url: str, folder: Path) -> set[str]:
    """Converts a database from before the first release to the eight migrations, in one transaction.

    Gives:  the versions that the database has now
    Raises: SetupError: the database has only some of the 26 migrations; nothing was changed
    Locks:  schema_migrations, so that only one of several nodes converts it
    """
    connection = await connect(url)
    try:
        async with connection.transaction():
            await connection.execute("lock table schema_migrations in exclusive mode")
            applied = {row["version"] for row in await connection.fetch("select version from schema_migrations")}
            if applied.isdisjoint(VERSIONS_BEFORE):
                return applied
            if applied != VERSIONS_BEFORE:
                raise SetupError(
                    f"DATABASE_URL: the database was made before the first release and has {len(applied)} of its"
                    f" {len(VERSIONS_BEFORE)} migrations; start with an empty database, or apply the others with the"
                    " version that made it"
                )
            for path in sorted(folder.glob("[0-9]*.sql")):
                if path.name[:14] in VERSIONS_AFTER:
                    text = path.read_text()
                    for function in _FUNCTION.findall(text):
                        await connection.execute(function.replace("create", "create or replace", 1))
                    for comment in _COMMENT.findall(text):
                        await connection.execute(comment)
            await connection.execute("delete from schema_migrations")
            await connection.execute("insert into schema_migrations select unnest($1::text[])", sorted(VERSIONS_AFTER))
            return set(VERSIONS_AFTER)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise SetupError(f"DATABASE_URL: cannot carry the database over: {reason(error)}") from error
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)
