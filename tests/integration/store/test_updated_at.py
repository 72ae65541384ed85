"""Every `updated_at` changes with its row, and does not change with a count alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.row_factory import RowFactory

# For each table: a change of a row, and a change of its counts alone.
CHANGES = {
    "users": ("role = 'moderator'", None),
    "artists": ("name = name || '!'", None),
    "venues": ("name = name || '!'", "review_count = review_count + 1"),
    "songs": ("title = title || '!'", None),
    "shows": ("name = name || '!'", "vote_count = vote_count + 1, attendance_count = attendance_count + 1"),
    "setlists": ("name = name || '!'", "vote_count = vote_count + 1"),
    "user_profiles": ("bio = bio || '!'", None),
    "venue_reviews": ("body = body || '!'", None),
    "email_preferences": ("frequency = 'weekly'", None),
}
KEPT_BY_HAND = {"sync_progress"}  # one query writes it, and sets updated_at


@pytest.fixture
async def filled(factory: RowFactory) -> Any:
    """A connection to a database with one row at least in every table of CHANGES."""
    await factory.show(7)
    (user,) = await factory.users(1)
    await factory.sql.execute(
        f"insert into user_profiles (user_id) values ({user});"
        f" insert into email_preferences (user_id, address) values ({user}, 'a@example.org');"
        f" insert into venue_reviews (venue_id, user_id, rating) values (1, {user}, 4)"
    )
    return factory.sql


async def test_every_table_with_updated_at_is_listed(sql: Any) -> None:
    """A new table's `updated_at` has to have a trigger, and to be listed here."""
    rows = await sql.fetch(
        "select table_name from information_schema.columns where table_schema = 'public' and column_name = 'updated_at'"
    )
    assert {row["table_name"] for row in rows} == CHANGES.keys() | KEPT_BY_HAND


async def test_it_changes_with_the_row_and_not_with_a_count(filled: Any) -> None:
    """A change of the row sets it to now; a change of a count leaves it."""
    old = "2020-01-01 00:00:00+00"
    for table, (change, count) in CHANGES.items():
        key = "user_id" if table in ("user_profiles", "email_preferences") else "id"
        where = f"where {key} = (select min({key}) from {table})"
        # The triggers would not let it be set back.
        await filled.execute(
            f"begin; set local session_replication_role = replica; update {table} set updated_at = '{old}' {where}; commit"
        )
        if count is not None:
            await filled.execute(f"update {table} set {count} {where}")
            assert await filled.fetchval(f"select updated_at::text from {table} {where}") == old, table
        await filled.execute(f"update {table} set {change} {where}")
        assert await filled.fetchval(f"select updated_at::text from {table} {where}") != old, table
