"""A result is final only when every vote from before the closing is in PostgreSQL."""

from __future__ import annotations

import asyncpg
import pytest
from redis.asyncio import Redis

from tests.faults.conftest import Place
from tests.support.audit import differences, until_drained
from tests.support.node_process import until_async
from tests.support.stepped_client import SteppedClient

pytestmark = pytest.mark.timeout(60)


async def test_postgres_is_away_at_the_closing(place: Place) -> None:
    """The final result counts every vote that was accepted before the closing."""
    node = await place.start_node()
    show, (song, *_) = place.shows[0].id, place.shows[0].songs
    async with SteppedClient.connected(node.url, place.users[0]) as client:
        assert (await client.cast(show, {song: "down"}))["durability"] == "committed"
        connection = await asyncpg.connect(place.database_url)
        revision = await connection.fetchval(
            "update shows set closes_at = now() + interval '4 seconds' where id = $1 returning revision", show
        )
        await connection.close()
        async with Redis.from_url(place.redis_url) as valkey:

            async def is_revised() -> bool:
                for key in await valkey.keys(f"*show:{show}"):
                    if int(await valkey.hget(key, "r") or -1) >= revision:
                        return True
                return False

            await until_async(is_revised, "Valkey knows the closing")
        place.engines.kill("postgres")
        accepted = await client.cast(show, {song: "up"})
        assert accepted["durability"] == "accepted"

        async def is_closed() -> bool:
            answer = await client.send_cast(show, {song: "up"})
            return (answer.get("error") or {}).get("code") == "closed"

        await until_async(is_closed, "voting has closed", timeout_s=15)
        place.engines.revive("postgres")
        connection = await asyncpg.connect(place.database_url)

        async def is_final() -> bool:
            row = await connection.fetchrow(
                "select w.finalised_at, s.up_count, s.down_count from shows w join setlist_songs s on s.show_id = w.id "
                "where w.id = $1 and s.id = $2",
                show,
                song,
            )
            assert row is not None
            if row["finalised_at"] is None:
                return False
            assert (row["up_count"], row["down_count"]) == (1, 0)
            return True

        await until_async(is_final, "the result is final", timeout_s=20)
        await connection.close()
    await until_drained(place.database_url, place.redis_url)
    assert await differences(place.database_url, place.redis_url) == []
