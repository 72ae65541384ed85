"""An operator cheats with SQL, as the owner of the database, with every trigger off: an audit with a kept checkpoint finds it."""

from __future__ import annotations

from typing import Any

import pytest

from server.ledger.audit import audit
from server.ledger.files import public_files
from server.ledger.recount import Audit
from server.node.node import Node
from tests.support import one_node
from tests.support.people import People
from tests.support.row_factory import RowFactory, Show
from tests.support.running_node import until

database_url, redis_url, node, factory = one_node.database_url, one_node.redis_url, one_node.node, one_node.factory
people, sql = one_node.people, one_node.sql

# An entry in the bytes of a row: from 1 on. The first one tells that voting opened.
_SECOND, _THIRD = 1 + 58, 1 + 2 * 58


async def audited(node: Node, show: int, earlier: str) -> Audit:
    async with public_files(node.url) as get:
        return await audit(get, str(show), earlier=earlier, settle_s=0)


async def voted(node: Node, show: Show, people: People, sql: Any) -> str:
    """Three fans vote for the first song in one commit each; gives the checkpoint."""
    for fan in await people.persons(3):
        await fan.ok("POST", f"/api/shows/{show.id}/votes", {"votes": [[show.first, "up"]]})

    async def is_appended() -> bool:
        return not await sql.fetchval("select exists (select from ledger_notes)")

    await until(is_appended)
    # One row, so that the cheats need not ask where an entry is.
    await sql.execute(
        "with whole as (delete from ledger_entries where show_id = $1 returning *)"
        " insert into ledger_entries select show_id, 0, sum(count), min(first_ms), max(last_ms),"
        " string_agg(leaves, '' order by first), string_agg(entries, '' order by first) from whole group by show_id",
        show.id,
    )
    async with public_files(node.url) as get:
        return (await get(f"api/shows/{show.id}/ledger/checkpoint")).decode()


# What is cheated -> the SQL, and the problem that the audit finds.
CHEATS = {
    "a vote is changed, and counted so": (
        (
            "update votes set choice = 'down' where ctid = (select min(ctid) from votes where show_id = {show});"
            " update setlist_songs set up_count = 2, down_count = 1 where id = {song}"
        ),
        "the ledger counts 3 up and 0 down",
    ),
    "votes are deleted, and not counted": (
        "delete from votes where show_id = {show}; update setlist_songs set up_count = 0 where id = {song}",
        "the ledger counts 3 up and 0 down",
    ),
    "a count is as large as it may be": (
        "update setlist_songs set up_count = 2147483647 where id = {song}",
        "published are 2147483647 up",
    ),
    "the choice of an entry is changed": (
        f"update ledger_entries set entries = set_byte(entries, {_SECOND + 16}, 2) where show_id = {{show}}",
        "do not give the root",
    ),
    "the choice of an entry is changed, and its leaf stays": (
        (
            "update ledger_entries set leaves = ledger_leaves(entries) where show_id = {show};"
            f"update ledger_entries set entries = set_byte(entries, {_SECOND + 16}, 2) where show_id = {{show}}"
        ),
        "Entry 1 is not the one that was signed",
    ),
    "the fan of an entry is another one": (
        (
            f"update ledger_entries set entries = overlay(entries placing substr(entries, {_THIRD + 34}, 16) from {_SECOND + 34})"
            " where show_id = {show}"
        ),
        "do not give the root",
    ),
    "two entries change their places, with their leaves": (
        (
            f"update ledger_entries set entries = substr(entries, 1, 58) || substr(entries, {_THIRD}, 58)"
            f" || substr(entries, {_SECOND}, 58) || substr(entries, {_THIRD + 58}), leaves = substr(leaves, 1, 32)"
            " || substr(leaves, 65, 32) || substr(leaves, 33, 32) || substr(leaves, 97) where show_id = {show}"
        ),
        "do not give the root",
    ),
    "the last entry is cut off": (
        (
            "update ledger_entries set count = count - 1, leaves = substr(leaves, 1, octet_length(leaves) - 32),"
            " entries = substr(entries, 1, octet_length(entries) - 58) where show_id = {show}"
        ),
        "96 bytes; its 4 hashes have 128",
    ),
    "an entry is blanked without an erasure": (
        f"update ledger_entries set entries = overlay(entries placing '\\x{'00' * 58}'::bytea from {_SECOND}) where show_id = {{show}}",
        "1 entries are blank, and the ledger tells of 0",
    ),
    "the checkpoint has another size": (
        "update ledger_logs set checkpoint = replace(checkpoint, e'\\n4\\n', e'\\n3\\n') where show_id = {show}",
        "wrong signature",
    ),
}


@pytest.mark.parametrize("cheat", CHEATS)
async def test_cheats(node: Node, factory: RowFactory, people: People, sql: Any, cheat: str) -> None:
    """Votes and counts, entries, leaves and checkpoints that are changed by hand."""
    statements, problem = CHEATS[cheat]
    show = await factory.show(30 + list(CHEATS).index(cheat))
    checkpoint = await voted(node, show, people, sql)
    assert (await audited(node, show.id, checkpoint)).problems == []
    await sql.execute(
        f"set session_replication_role = replica; {statements.format(show=show.id, song=show.first)};"
        " set session_replication_role = origin"
    )
    problems = (await audited(node, show.id, checkpoint)).problems
    assert any(problem in found for found in problems), problems


async def test_a_ledger_that_is_written_anew(node: Node, factory: RowFactory, people: People, sql: Any) -> None:
    """The operator throws a ledger away, changes a vote, and lets the nodes write it anew, with the right key and the right counts."""
    show = await factory.show(40)
    checkpoint = await voted(node, show, people, sql)
    await sql.execute("delete from ledger_logs where show_id = 40")
    await sql.execute("update votes set choice = 'down' where ctid = (select min(ctid) from votes where show_id = 40)")
    await sql.execute("insert into ledger_notes (kind, show_id) values ('all_votes', 40)")

    async def is_written() -> bool:
        return not await sql.fetchval("select exists (select from ledger_notes)")

    await until(is_written)
    problems = (await audited(node, 40, checkpoint)).problems
    assert any("The ledger was rewritten" in found for found in problems), problems
