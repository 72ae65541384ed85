"""Surges: a crowd of new accounts of one address that votes for one song is shown to staff."""

from __future__ import annotations

from typing import Any

from structlog.testing import capture_logs

from server.people.session_routes import hash_address
from server.people.surges import find_surges
from server.store.database import Database
from server.telemetry import VOTE_SURGES
from tests.support.people import People
from tests.support.row_factory import RowFactory, Show
from tests.support.running_node import SECRET

PATH = "/api/admin/moderation/surges"
CROWD = 10


async def crowd(sql: Any, show: Show, address: str, songs: list[int], *, age: str = "1 minute") -> None:
    """New accounts of one address, each with a vote for each of the songs."""
    for _ in range(CROWD):
        user_id = await sql.fetchval("insert into users default values returning id")
        await sql.execute(
            "insert into sessions (user_id, kind, address_hash, created_at, expires_at)"
            " values ($1, 'fan', $2, now() - $3::text::interval, now() + interval '1 day')",
            user_id, hash_address(SECRET, address), age,
        )  # fmt: skip
        for song in songs:
            await sql.execute("insert into votes values ($1, $2, $3, 'up', now())", song, user_id, show.id)


async def test_a_crowd_for_one_song_is_shown(people: People, factory: RowFactory, database: Database) -> None:
    """Once, with its number of accounts, in the list, the log and the metric; a crowd that spreads its votes is not."""
    show, other = await factory.show(7), await factory.show(8)
    before = VOTE_SURGES._value.get()

    async def found() -> list[Any]:
        with capture_logs() as logged:
            async with database.connection() as connection:
                await find_surges(connection, accounts_min=CROWD)
        return [entry for entry in logged if entry["event"] == "votes.surge"]

    await crowd(factory.sql, show, "198.51.100.1", list(show.songs))
    await crowd(factory.sql, show, "198.51.100.2", [show.first], age="2 hours")
    assert await found() == []
    await crowd(factory.sql, show, "198.51.100.3", [show.songs[1]])
    (told,) = await found()
    assert (told["show"], told["song"], told["accounts"]) == (7, show.songs[1], CROWD)
    assert await found() == []
    await crowd(factory.sql, show, "198.51.100.3", [show.songs[1]])
    await crowd(factory.sql, other, "198.51.100.3", [other.first])
    assert [entry["show"] for entry in await found()] == [8]
    assert VOTE_SURGES._value.get() == before + 2
    moderator = await people.person("moderator")
    first, second = await moderator.pages(PATH, 1)
    assert (first["show_id"], first["account_count"]) == (8, CROWD)
    assert (second["song_id"], second["account_count"]) == (show.songs[1], 2 * CROWD)
    assert first["address"] == second["address"]
    assert await (await people.person()).refused("GET", PATH) == "forbidden"


async def test_a_new_account_leaves_the_hash_of_its_address(people: People, factory: RowFactory) -> None:
    """Equal for one address, and not the address itself."""
    nobody = people.nobody()
    for _ in range(2):
        await nobody.ok("POST", "/api/session", status=201)
    hashes = {row["address_hash"] for row in await factory.sql.fetch("select address_hash from sessions")}
    assert hashes == {hash_address(SECRET, "127.0.0.1")}
