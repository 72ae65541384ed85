"""What a cold cast reads from PostgreSQL, and which casts are not cold."""

from __future__ import annotations

from typing import Any

import pytest
import redis.asyncio

from server.cache.keys import ballots_key
from server.voting import reconcile
from server.voting.warm_up import WarmUp
from tests.support.row_factory import RowFactory
from tests.support.running_node import until
from tests.support.vote_path import VotePath


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, bool]]:
    """Of each cast that was warmed up: show, user, and whether the show was read too."""
    found: list[tuple[int, int, bool]] = []
    read = WarmUp._read

    async def noting(self: WarmUp, casts: Any) -> Any:
        found.extend((*cast.ballot_key, cast.needs_show) for cast in casts)
        return await read(self, casts)

    monkeypatch.setattr(WarmUp, "_read", noting)
    return found


async def test_the_ballots_of_a_new_show_are_known(
    vote_path: VotePath, factory: RowFactory, database_url: str, redis_url: str, reads: list[tuple[int, int, bool]]
) -> None:
    """Nobody has voted in it, so only the show, and a fan without a cast of the day, are read; a later copy of it reads ballots."""
    here, there = await factory.show(7), await factory.show(8)
    first, second = await factory.users(2)
    async with vote_path.writer():
        for show, user in ((here, first), (there, second), (here, second), (there, first)):
            assert (await vote_path.cast(show.id, user, (show.first, "up"), order=5)).code == "ok"
        assert reads == [(7, first, True), (8, second, True)]
        assert (await vote_path.cast(8, first, (there.first, "none"), order=6)).code == "ok"
        await until(vote_path.is_drained)
        assert [str(one) for one in await reconcile.run(database_url, redis_url)] == []
        async with redis.asyncio.Redis.from_url(redis_url) as valkey:
            await valkey.delete(ballots_key(7, 7))
            (lost, other) = await reconcile.run(database_url, redis_url)
            assert f"ballot of user {first} in show 7: Valkey has {{}}, the rows say" in str(lost)
            assert f"ballot of user {second}" in str(other)
        await reconcile.reopen_shards(vote_path.database, redis_url, [7, 8])
        reads.clear()
        assert (await vote_path.cast(7, first, (here.songs[1], "up"), order=7)).ballot == {
            here.first: "up",
            here.songs[1]: "up",
        }
        assert (await vote_path.cast(8, first, (there.first, "up"), order=6)).code == "conflict"
        assert (await vote_path.cast(7, second)).ballot == {here.first: "up"}
        assert reads == [(7, first, True), (8, first, True), (7, second, False)]
