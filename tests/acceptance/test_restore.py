"""`mysetlist restore`: a restored service has every vote of the file and no later one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import redis.asyncio

from server.cache.keys import PROBE_KEY, log_key, meta_key
from server.cli.backup_file import backup, restore
from server.embedded import EmbeddedEngines
from server.errors import SetupError
from server.store.dumps import USER_IDS_LEAP
from tests.support.audit import SHARD_COUNT, differences, until_counted, until_drained
from tests.support.backups import no_progress, rows_of, value
from tests.support.commands import plain_environ, run_command
from tests.support.engines import FAST_SETTINGS, execute
from tests.support.node_process import NodeProcess
from tests.support.open_shows import make_shows, make_users
from tests.support.row_factory import RowFactory
from tests.support.running_node import until
from tests.support.schema import schema
from tests.support.stepped_client import SteppedClient
from tests.support.vote_path import VotePath

pytestmark = pytest.mark.timeout(60)


async def test_a_restored_service_has_the_votes_of_the_file(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """A backup under a running node, later votes, a restore: the ballots and counts are those of the file, and voting works."""
    show, other = await make_shows(database_url, count=2)
    users = await make_users(database_url, 3)
    node = NodeProcess(tmp_path, DATABASE_URL=database_url, REDIS_URL=redis_url)
    environ = plain_environ() | {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    file = tmp_path / "votes.backup"
    await node.start()
    try:
        async with SteppedClient.connected(node.url, users[0]) as client:
            await client.cast(show.id, {show.songs[0]: "up", show.songs[1]: "down"})
            assert (await client.cast(other.id, {other.songs[0]: "up"}))["durability"] == "committed"
            await until_drained(database_url, redis_url)
            # A chore counts them a moment later: between reading the rows and the backup nothing may change.
            await until_counted(database_url)
            before = await rows_of(database_url)
            code, _, errors = await run_command("backup", str(file), "--data-dir", str(tmp_path / "d"), environ=environ)
            assert (code, errors) == (0, "")
            await client.cast(show.id, {show.songs[0]: "none", show.songs[2]: "up"})
        async with SteppedClient.connected(node.url, users[1]) as client:
            await client.cast(show.id, {show.songs[0]: "down"})
        with pytest.raises(SetupError, match=r"^nodes are running on this database \(1\); stop them first$"):
            await restore(database_url, redis_url, file, no_progress)
        await node.terminate()

        code, printed, errors = await run_command(
            "restore",
            str(file),
            "--yes",
            "--data-dir",
            str(tmp_path / "d"),
            environ=environ,
        )
        assert (code, errors) == (0, "")
        assert printed == f"restored {file}; all counts agree with the rows\n"
        assert await rows_of(database_url) == before

        await node.start()
        async with SteppedClient.connected(node.url, users[0]) as client:
            ballot = (await client.ask(op="ballot", show=show.id))["ok"]["ballot"]
            assert ballot == {str(show.songs[0]): "up", str(show.songs[1]): "down"}
            assert (await client.cast(show.id, {show.songs[0]: "down"}))["durability"] == "committed"
        async with SteppedClient.connected(node.url, users[2]) as client:
            assert (await client.cast(other.id, {other.songs[0]: "up"}))["durability"] == "committed"
        await until_drained(database_url, redis_url)
        assert await differences(database_url, redis_url) == []
        assert await value(database_url, "select count(*) from votes") == 4
        assert node.tracebacks() == ""
    finally:
        await node.end()


async def test_a_restore_drops_votes_that_only_valkey_has(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """Votes that are accepted and not committed at the restore do not exist after it, and their log is empty."""
    file = tmp_path / "votes.backup"
    async with RowFactory.open(database_url) as factory, VotePath.open(database_url, redis_url) as vote_path:
        show = await factory.show(7)
        first, second = await factory.users(2)
        await vote_path.cast(7, first, (show.first, "up"))
        async with vote_path.writer():
            await until(vote_path.is_drained)
        await backup(database_url, file, no_progress)
        await vote_path.cast(7, first, (show.songs[1], "up"))
        await vote_path.cast(7, second, (show.first, "down"))
    await restore(database_url, redis_url, file, no_progress)
    async with redis.asyncio.Redis.from_url(redis_url) as valkey:
        assert await valkey.xlen(log_key(7)) == 0
        assert sorted([key async for key in valkey.scan_iter("*")]) == sorted(
            [
                key.encode()
                for shard in range(SHARD_COUNT)
                for key in (meta_key(shard), *([log_key(7)] if shard == 7 else []))
            ]
            + [PROBE_KEY.encode()]
        )
    await votes_go_on(database_url, redis_url, [[show.first, 1, 0], [show.songs[1], 0, 0], [show.songs[2], 0, 0]])


async def test_a_restore_that_dies_before_valkey_is_reset_keeps_no_later_vote(
    database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The restored positions are beyond Valkey's log, so a node that starts reads none of it."""
    file = tmp_path / "votes.backup"
    async with RowFactory.open(database_url) as factory, VotePath.open(database_url, redis_url) as vote_path:
        show = await factory.show(7)
        (user,) = await factory.users(1)
        await vote_path.cast(7, user, (show.first, "up"))
        async with vote_path.writer():
            await until(vote_path.is_drained)
        await backup(database_url, file, no_progress)
        await vote_path.cast(7, user, (show.songs[1], "up"))

    async def die(*_: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr("server.cli.backup_file.restart_logs", die)
    with pytest.raises(asyncio.CancelledError):
        await restore(database_url, redis_url, file, no_progress)
    await votes_go_on(database_url, redis_url, [[show.first, 1, 0], [show.songs[1], 0, 0], [show.songs[2], 0, 0]])


async def votes_go_on(database_url: str, redis_url: str, tally: list[list[int]]) -> None:
    """Checks that show 7 has these counts in rows and in Valkey, and takes another vote."""
    async with (
        RowFactory.open(database_url, is_empty=False) as factory,
        VotePath.open(database_url, redis_url) as vote_path,
    ):
        async with vote_path.writer():
            (user,) = await factory.users(1)
            assert await factory.tally(7) == await factory.counted(7) == tally
            assert (await vote_path.cast(7, user, (tally[0][0], "up"))).code == "ok"
            await until(vote_path.is_drained)
        tally[0][1] += 1
        assert await factory.tally(7) == await factory.counted(7) == tally
        assert await differences(database_url, redis_url) == []


async def test_a_restore_gives_no_id_or_position_twice(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """Ids, positions and revisions from after the backup are not given again: tokens and open pages still have them."""
    (show,) = await make_shows(database_url)
    await make_users(database_url, 2)
    file = tmp_path / "votes.backup"
    await backup(database_url, file, no_progress)
    (newer,) = await make_shows(database_url)
    (user,) = await make_users(database_url, 1)
    await execute(database_url, f"update shows set is_locked = true where id = {show.id}")
    revision = await value(database_url, f"select revision from shows where id = {show.id}")
    ahead = 1 << 52  # the clock of Valkey is far ahead
    async with redis.asyncio.Redis.from_url(redis_url) as valkey:
        await valkey.hset(meta_key(3), "last", ahead)
        await valkey.xadd(log_key(4), {"p": 0}, id=f"{(ahead >> 10) + 1}-0")
    await restore(database_url, redis_url, file, no_progress)
    (later,) = await make_shows(database_url)
    (new_user,) = await make_users(database_url, 1)
    assert later.id > newer.id
    assert min(later.songs) > max(newer.songs)
    assert new_user.id > user.id + USER_IDS_LEAP / 2
    assert await value(database_url, f"select revision from shows where id = {show.id}") > revision
    assert await value(database_url, "select min(position) from log_positions") > ahead
    async with redis.asyncio.Redis.from_url(redis_url) as valkey:
        assert int(await valkey.hget(meta_key(3), "last") or 0) == await value(
            database_url, "select position from log_positions where shard = 3"
        )


async def test_a_restore_into_an_empty_cluster(
    database_url: str, redis_url: str, engine_dir: Path, tmp_path: Path
) -> None:
    """A cluster without roles and extensions gets the same rows and the same schema, and a node runs on it."""
    file = tmp_path / "votes.backup"
    await execute(database_url, "insert into artists (slug, name) values ('beyonce', 'Beyoncé'), ('ac-dc', 'AC/DC')")
    await make_shows(database_url, count=3)
    await backup(database_url, file, no_progress)
    fresh = await EmbeddedEngines.start(engine_dir, postgres_settings=FAST_SETTINGS)
    try:
        assert await restore(fresh.database_url, fresh.redis_url, file, no_progress) == []
        assert await rows_of(fresh.database_url) == await rows_of(database_url)
        assert await schema(fresh.database_url) == await schema(database_url)
        assert await value(fresh.database_url, "select id from artists where search @@ query_of('beyonce')")
        async with NodeProcess.running(
            tmp_path / "n", DATABASE_URL=fresh.database_url, REDIS_URL=fresh.redis_url
        ) as node:
            assert node.tracebacks() == ""
    finally:
        await fresh.stop()
