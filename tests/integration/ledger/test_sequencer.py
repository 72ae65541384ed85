"""The sequencer without a node: two of them, one that dies, and one that an erasure stands in the way of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest_asyncio

from server.clock import SystemClock
from server.errors import StoreError
from server.ledger.entries import BLANK, NO_FAN, Entry, entries_in
from server.ledger.queries import sequencer as queries
from server.ledger.sequencer import Sequencer
from server.ledger.tree import leaf_hash
from server.store.database import translated_all
from tests.support import one_node
from tests.support.row_factory import RowFactory, Show

database_url, redis_url = one_node.database_url, one_node.redis_url
factory = one_node.emptied_database

SECRET = "a secret of tests, and long enough"


@pytest_asyncio.fixture(loop_scope="module")
async def other(database_url: str) -> AsyncIterator[Any]:
    """A second connection."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


def sequencer(secret: str = SECRET) -> Sequencer:
    return Sequencer("", SystemClock(), secret, "localhost")


async def put_votes(factory: RowFactory, show: Show, users: list[int]) -> None:
    """Votes that came otherwise than by casts, an entry each."""
    await factory.sql.execute(
        "insert into votes (setlist_song_id, user_id, show_id, choice, cast_at) select $1, u, $2, 'up', now() from unnest($3::bigint[]) u",
        show.first, show.id, users,
    )  # fmt: skip


async def append(connection: Any, one: Sequencer | None = None) -> int:
    """Appends once; gives the number of notes that are done, 0 when something stood in the way."""
    try:
        with translated_all():
            return await (one or sequencer()).append_next(connection)
    except StoreError:
        return 0


async def sizes(factory: RowFactory) -> dict[int, int]:
    """The sizes of the ledgers, checked against their rows."""
    assert not await factory.sql.fetch(
        "select l.show_id from ledger_logs l left join ledger_entries e using (show_id) group by l.show_id"
        " having sum(e.count) <> l.size or max(e.first + e.count) <> l.size"
    )
    return {row["show_id"]: row["size"] for row in await factory.sql.fetch("select show_id, size from ledger_logs")}


async def test_two_sequencers(factory: RowFactory, other: Any) -> None:
    """Two that both believe to have the turn append everything once."""
    users = await factory.users(5)
    for number in range(3):
        await put_votes(factory, await factory.show(7 + number), users)
    one, another = sequencer(), sequencer()
    for _ in range(10):
        await asyncio.gather(append(factory.sql, one), append(other, another))
    assert await sizes(factory) == {7: 6, 8: 6, 9: 6}
    assert await factory.sql.fetchval("select count(*) from ledger_epochs") == 1


async def test_a_sequencer_that_dies(factory: RowFactory, database_url: str) -> None:
    """What it had appended and signed without the commit is gone; the next one does it again, under the same origin."""
    show = await factory.show(7)
    users = await factory.users(4)
    await put_votes(factory, show, users[:2])
    assert await append(factory.sql) > 0
    before = await factory.sql.fetchval("select checkpoint from ledger_logs")
    await put_votes(factory, show, users[2:])
    dying = await asyncpg.connect(database_url)
    await dying.transaction().start()
    assert await append(dying) > 0
    dying.terminate()
    assert await factory.sql.fetchval("select checkpoint from ledger_logs") == before
    while not await append(factory.sql):
        pass
    assert await sizes(factory) == {7: 5}
    origins = await factory.sql.fetch("select distinct split_part(checkpoint, e'\\n', 1) from ledger_logs")
    assert [row[0] for row in origins] == [before.split("\n")[0]]


async def test_an_erasure_in_the_way(factory: RowFactory, other: Any) -> None:
    """A fan whose erasure is under way gets no name; when it is done there is nothing of the fan, else the votes are appended."""
    show = await factory.show(7)
    (leaver,) = await factory.users(1)
    await put_votes(factory, show, [leaver])
    for end, count in (("rollback", 2), ("commit", 4)):
        await other.execute("begin")
        await other.execute("select erase_user($1)", leaver)
        assert await append(factory.sql) == 0
        await other.execute(end)
        while await append(factory.sql):
            pass
        # Opened and the vote; then the vote of the nobody, and that a fan was erased.
        assert await sizes(factory) == {7: count}
    assert await factory.sql.fetchval("select count(*) from ledger_secrets where user_id = $1", leaver) == 0
    assert await factory.sql.fetchval("select array_agg(user_id) from ledger_secrets") is not None


async def test_a_log_that_somebody_holds(factory: RowFactory, other: Any) -> None:
    """The sequencer does not wait for it: it would hold notes, for which erasures wait, and votes for those."""
    show = await factory.show(7)
    await put_votes(factory, show, await factory.users(1))
    while await append(factory.sql):
        pass
    await put_votes(factory, show, await factory.users(1))
    async with other.transaction():
        await other.execute("select from ledger_logs for update")
        assert await append(factory.sql) == 0
    while await append(factory.sql):
        pass
    assert await sizes(factory) == {7: 3}


async def test_another_key(factory: RowFactory) -> None:
    """Another secret gives another key: every ledger goes on under another origin, signed with it."""
    show = await factory.show(7)
    users = await factory.users(2)
    await put_votes(factory, show, users[:1])
    await append(factory.sql)
    await put_votes(factory, show, users[1:])
    other_key = sequencer("another secret of tests, long enough")
    while await append(factory.sql, other_key):
        pass
    assert await sizes(factory) == {7: 4}
    reasons = await factory.sql.fetch("select reason::text from ledger_epochs order by id")
    assert [row[0] for row in reasons] == ["first", "key"]


async def names(factory: RowFactory, show: int) -> list[bytes]:
    """The names of fans in the entries of a ledger, in their order."""
    rows = await factory.sql.fetch("select entries from ledger_entries where show_id = $1 order by first", show)
    parsed = [Entry.parse(data) for row in rows for data in entries_in(row["entries"])]
    return [entry.fan for entry in parsed if entry is not None and entry.fan != NO_FAN]


async def test_names(factory: RowFactory) -> None:
    """A fan has one name in a show, whichever node appends, and PostgreSQL knows it; another one in another show."""
    show, other_show = await factory.show(7), await factory.show(8)
    fans = await factory.users(2)
    for each in (show, other_show):
        await put_votes(factory, each, fans)
    while await append(factory.sql):
        pass
    first = await names(factory, 7)
    assert len(set(first) | set(await names(factory, 8))) == 4
    await factory.sql.execute("update votes set choice = 'down' where show_id = 7")
    while await append(factory.sql):
        pass
    assert sorted(await names(factory, 7)) == sorted(first * 2)
    told = await factory.sql.fetch("select ledger_name(s, 7) from ledger_secrets s order by user_id")
    assert [row[0] for row in told] == first


async def test_names_from_before_the_secret(factory: RowFactory) -> None:
    """A fan who was in a ledger before there were secrets keeps the name there; an erasure blanks it too."""
    show, other_show = await factory.show(7), await factory.show(8)
    (fan,) = await factory.users(1)
    old = bytes(range(16))
    await factory.sql.execute("insert into ledger_secrets values ($1, sha256('x'), '{7}', array[$2::bytea])", fan, old)
    for each in (show, other_show):
        await put_votes(factory, each, [fan])
    while await append(factory.sql):
        pass
    assert await names(factory, 7) == [old]
    assert await names(factory, 8) != [old]
    await factory.sql.execute("delete from votes where show_id = 7")
    while await append(factory.sql):
        pass
    await factory.sql.execute("select erase_user($1)", fan)
    while await append(factory.sql):
        pass
    # Opened, the vote, that it was taken back, that a fan was erased; in the other show a nobody holds the vote.
    assert await sizes(factory) == {7: 4, 8: 4}
    assert old not in await names(factory, 7)


async def test_an_erased_fan_without_votes(factory: RowFactory) -> None:
    """Entries of a fan who has taken every vote back are blanked too, whether or not the statistics know the fan already."""
    (fan,) = await factory.users(1)
    for show in (await factory.show(7), await factory.show(8)):
        await put_votes(factory, show, [fan])
        await factory.sql.execute("delete from votes where show_id = $1", show.id)
    while await append(factory.sql):
        pass
    await factory.sql.execute("insert into voter_days values (7, $1, current_date)", fan)
    await factory.sql.execute("insert into voters_to_count values (8, $1, current_date)", fan)
    await factory.sql.execute("select erase_user($1)", fan)
    while await append(factory.sql):
        pass
    for show_id in (7, 8):
        rows = await factory.sql.fetch("select entries from ledger_entries where show_id = $1", show_id)
        assert [data for row in rows for data in entries_in(row["entries"])].count(BLANK) == 2
        assert await names(factory, show_id) == []


async def test_an_undone_secret(factory: RowFactory) -> None:
    """A sequencer whose commit has failed makes the secret again, and does not go on with one that is nowhere stored."""
    show = await factory.show(7)
    await put_votes(factory, show, await factory.users(1))
    await factory.sql.execute(
        "create function refuse_logs() returns trigger language plpgsql as $$ begin raise exception 'undone'; end $$;"
        " create constraint trigger refuse_logs after insert on ledger_logs deferrable initially deferred"
        " for each row execute function refuse_logs()"
    )
    one = sequencer()
    assert await append(factory.sql, one) == 0
    await factory.sql.execute("drop function refuse_logs cascade")
    while await append(factory.sql, one):
        pass
    told = await factory.sql.fetch("select ledger_name(s, 7) from ledger_secrets s")
    assert await names(factory, 7) == [row[0] for row in told]


async def test_an_erasure_is_noted_twice(factory: RowFactory) -> None:
    """A name that is noted with the votes that are handed on, and again with the account, is looked for once."""
    (fan,) = await factory.users(1)
    await put_votes(factory, await factory.show(7), [fan])
    while await append(factory.sql):
        pass
    await factory.sql.execute("insert into voter_days values (7, $1, current_date)", fan)
    await factory.sql.execute("select erase_user($1)", fan)
    assert await factory.sql.fetchval("select count(*) from ledger_notes where kind = 'erased'") == 2
    # Both notes, then the vote of the nobody.
    assert [await append(factory.sql), await append(factory.sql), await append(factory.sql)] == [2, 1, 0]


async def test_leaves(factory: RowFactory) -> None:
    """The hashes of entries are the same whether a row has them, as rows of older versions do, or they follow from its entries.

    They stay when entries are blanked.
    """
    show = await factory.show(7)
    fans = await factory.users(3)
    for fan in fans:
        await put_votes(factory, show, [fan])
        while await append(factory.sql):
            pass
    (rows,) = await factory.sql.fetch("select array_agg(entries order by first) from ledger_entries")
    leaves = [leaf_hash(entry) for row in rows[0] for entry in entries_in(row)]
    ranges = [(0, 4), (1, 3), (2, 4), (3, 4)]

    async def hashes() -> list[bytes]:
        return [await factory.sql.fetchval("select ledger_hashes(7, 0, $1, $2)", *numbers) for numbers in ranges]

    expected = [b"".join(leaves[first:end]) for first, end in ranges]
    assert await factory.sql.fetchval("select count(leaves) from ledger_entries") == 0
    assert await hashes() == expected
    await factory.sql.execute("update ledger_entries set leaves = ledger_leaves(entries) where first = 0")
    assert await hashes() == expected
    for fan in fans:
        await factory.sql.execute("select erase_user($1)", fan)
    while await append(factory.sql):
        pass
    assert (
        await factory.sql.fetchval("select count(leaves) from ledger_entries where position($1 in entries) > 0", BLANK)
        == 3
    )
    assert await hashes() == expected


async def test_notes_that_are_taken_together(factory: RowFactory) -> None:
    """Casts of a show are one row until something else of the show, or an erasure, comes; the last note is the one that reaches the limit."""
    await factory.sql.execute(
        "insert into ledger_notes (kind, show_id, count) select k::ledger_note, s, c from unnest($1::text[], $2::bigint[], $3::int[]) n (k, s, c)",
        ["casts", "casts", "casts", "changed", "casts", "casts", "erased", "casts", "casts", "casts"],
        [7, 8, 7, 8, 8, 7, 9, 7, 8, 7],
        [10, 20, 30, 1, 40, 50, 1, 60, 70, 80],
    )

    async def taken(**limits: int) -> list[tuple[str, int, int]]:
        async with factory.sql.transaction():
            rows = [row async for row in queries.lock_notes(factory.sql, **limits)]
        return [(row["kind"], row["show_id"], row["count"]) for row in rows]

    all_of_them = [
        ("casts", 7, 90), ("casts", 8, 20), ("changed", 8, 1), ("casts", 8, 40), ("erased", 9, 1), ("casts", 7, 140), ("casts", 8, 70),
    ]  # fmt: skip
    assert await taken(count=100, entry_count=1000) == all_of_them
    assert await taken(count=6, entry_count=1000) == all_of_them[:4]
    assert await taken(count=100, entry_count=30) == [("casts", 7, 10), ("casts", 8, 20)]
    assert await taken(count=100, entry_count=31) == [("casts", 7, 40), ("casts", 8, 20)]
