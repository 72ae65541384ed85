"""Writes migrations/schema.sql: the whole schema, for people to read. `make schema` runs it.

It stands here and not in server/, because only a development checkout needs it, and because a test compares its result
with the file.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path

from server.embedded import EmbeddedEngines
from server.embedded.postgres import programs_folder
from server.settings import data_folder
from server.store.dumps import libpq_address
from server.store.migrations import migrate_up
from tests.support.engines import FAST_SETTINGS, short_folder

ROOT = Path(__file__).parents[2]
FILE = ROOT / "migrations" / "schema.sql"
_PAGE = ROOT / "docs" / "data-model.md"

_HEAD = """\
-- The schema, as the migrations leave it: for reading, nothing runs this file.
-- `make schema` writes it; a test compares it with a migrated database.
-- What the functions take, give and lock is said beside them in the migrations.
--
"""
# Entries of pg_dump about something else than a table.
_ABOVE = {"EXTENSION": "extensions", "TYPE": "types", "FUNCTION": "functions"}


async def schema_file(url: str) -> str:
    """The schema of a migrated database as one file: extensions, types, functions; then each table with all it has.

    Partitions by month are left out, because they depend on the day.
    """
    address, environ = libpq_address(url)
    folder = programs_folder()
    assert folder is not None
    flags = ["--schema-only", "--no-owner", "--exclude-table=schema_migrations", "--exclude-table=vote_analytics_2*"]
    done = await asyncio.to_thread(
        subprocess.run,
        [str(folder / "pg_dump"), *flags, address],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    sections: dict[str, list[str]] = {name: [] for name in _ABOVE.values()}
    tables: dict[str, list[str]] = {}
    entries = re.split(r"^--\n-- (?:Name|Data for Name): (.*?); Type: (.*?); .*\n--\n", done.stdout, flags=re.MULTILINE)
    for name, kind, text in zip(entries[1::3], entries[2::3], entries[3::3], strict=True):
        lines = [line for line in text.strip().splitlines() if not re.match(r"(\\|SET |--)", line)]
        sql = re.sub(r"\n{2,}(?=ALTER|CREATE|COMMENT|GRANT|REVOKE)", "\n", "\n".join(lines)).strip()
        # An entry of rights and comments names the kind of its subject first: FUNCTION fold(words text).
        subject = name.split(" ", 1)[0] if kind in ("ACL", "COMMENT") else kind
        if subject in _ABOVE:
            if (subject, kind) != ("EXTENSION", "COMMENT"):
                sections[_ABOVE[subject]].append(sql.replace(" public.", " ", 1))
        else:
            sql = re.sub(r"(?<=AS IDENTITY) \(.*?\)", "", sql.replace("public.", ""), flags=re.DOTALL)
            sql = sql.replace("\n    ADD CONSTRAINT", " ADD CONSTRAINT")
            tables.setdefault(_table(kind, name, sql), []).append(sql)
    parts = [_HEAD + _lock_order()]
    for name, found in sections.items():
        parts += [_rule(name), *found]
    for name in sorted(tables):
        parts += [_rule(name), "\n".join(tables[name])]
    return "\n\n".join(parts) + "\n"


def _table(kind: str, name: str, sql: str) -> str:
    """The table to which an entry of pg_dump belongs."""
    if kind in ("INDEX", "INDEX ATTACH"):
        found = re.search(r" ON (?:ONLY )?(\w+) | INDEX (\w+?)_(?:pkey|show_idx) ATTACH", sql)
    elif kind == "SEQUENCE":
        found = re.match(r"ALTER TABLE (\w+)", sql)
    else:
        found = re.match(r"(?:TABLE |COLUMN )?(\w+)", name)
    assert found is not None, (kind, name)
    return next(group for group in found.groups() if group)


def _rule(name: str) -> str:
    return f"-- {'─' * (115 - len(name))} {name}"


def _lock_order() -> str:
    """What docs/data-model.md says about it, as comments."""
    text = _PAGE.read_text()
    begin = text.index("## Lock order")
    lines = text[begin : text.index("\n## ", begin)].strip().splitlines()
    return "\n".join(f"-- {line}".rstrip() for line in lines)


async def main() -> None:
    """Makes a database, migrates it and writes the file."""
    with short_folder() as folder:
        engines = await EmbeddedEngines.start(folder, valkey=False, postgres_settings=FAST_SETTINGS)
        try:
            await migrate_up(engines.database_url, data_folder("migrations"))
            FILE.write_text(await schema_file(engines.database_url))
        finally:
            await engines.stop()


if __name__ == "__main__":
    asyncio.run(main())
