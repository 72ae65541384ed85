"""A Valkey Cluster of six real servers: the connection to it, and the budget of the day, which spans its servers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from server.cache.cluster import SlotMap, connection_to
from server.cache.engine import check_valkey
from server.cache.windows import Window, Windows
from server.errors import CacheError, CacheUnavailable, Refused, SetupError
from tests.support.audit import differences
from tests.support.clock import FakeClock
from tests.support.engines import DEBIAN_REDIS, debian_redis, unused_low_port
from tests.support.row_factory import RowFactory, Show
from tests.support.running_node import until
from tests.support.smtp_server import certificate
from tests.support.valkey_cluster import ValkeyCluster, valkey_cluster
from tests.support.vote_path import SHARD_COUNT, Vote, VotePath


@pytest.fixture(scope="module")
def whole_cluster() -> Iterator[ValkeyCluster]:
    """One cluster for all tests of this file."""
    with valkey_cluster() as cluster:
        yield cluster


@pytest.fixture
def cluster(whole_cluster: ValkeyCluster) -> ValkeyCluster:
    """It is whole and empty."""
    whole_cluster.heal()
    whole_cluster.flush()
    return whole_cluster


async def test_each_command_goes_to_the_server_of_its_key(cluster: ValkeyCluster) -> None:
    """The answers come in the order of the commands, and every primary is asked what has no key."""
    connection = connection_to(cluster.url)
    try:
        await connection.ask([("SET", f"{{{shard}}}:x", shard) for shard in range(SHARD_COUNT)])
        answers = await connection.ask([("GET", f"{{{shard}}}:x") for shard in range(SHARD_COUNT)])
        assert answers == [str(shard).encode() for shard in range(SHARD_COUNT)]
        primaries = {server.name for server in cluster.servers if server.is_primary()}
        assert set(await connection.ask_servers(("PING",))) == primaries
        with pytest.raises(CacheError, match="WRONGTYPE"):
            await connection.ask([("GET", "{1}:x"), ("LPUSH", "{2}:x", 1), ("GET", "{3}:x")])
    finally:
        await connection.close()


async def test_a_moved_key_is_found_again_and_never_followed_while_it_moves(cluster: ValkeyCluster) -> None:
    """ASK and MOVED are errors for the caller. After MOVED the map is read again beside the callers."""
    connection = connection_to(cluster.url)
    source = cluster.primary_of("{7}:")
    target = next(server for server in cluster.servers if server.is_primary() and server is not source)
    script = ("EVAL", "return redis.call('INCR', KEYS[1] .. 'n')", 1, "{7}:")
    other = ("GET", next(f"{{{shard}}}:x" for shard in range(16) if cluster.primary_of(f"{{{shard}}}:") is source))

    async def is_found() -> bool:
        (answer, _) = await connection.ask_shards([script, other])
        return bool(answer == 3)

    try:
        assert await connection.ask([script]) == [1]
        source.ask("CLUSTER", "SETSLOT", 1716, "MIGRATING", target.id)
        with pytest.raises(CacheUnavailable, match="ASK 1716"):
            await connection.ask([script])
        source.ask("CLUSTER", "SETSLOT", 1716, "STABLE")
        assert await connection.ask([script]) == [2]
        cluster.move_slot("{7}:", target)
        with pytest.raises(CacheUnavailable, match="MOVED 1716"):
            await connection.ask([script])
        await until(is_found)
    finally:
        await connection.close()
        cluster.move_slot("{7}:", source)


def test_the_map_names_holes_and_servers_without_a_host() -> None:
    """A server may leave out its own host, and a slot may have no primary."""
    found = SlotMap.parse([[10, 20, [b"::1", 7001, b"b"]], [0, 5, [None, 7000, b"a"], [b"h", 7003, b"c"]]], "h0:7000")
    assert [found.server_of(slot) for slot in (0, 5, 6, 10, 20, 21)] == [
        "h0:7000", "h0:7000", None, "[::1]:7001", "[::1]:7001", None
    ]  # fmt: skip


async def test_the_check_names_each_primary(cluster: ValkeyCluster) -> None:
    """Every primary is checked; an address of the other kind is refused with what to write instead."""
    state = await check_valkey(cluster.url)
    assert (state.name, state.primary_count, state.warnings, state.why_no_writes) == ("Valkey", 3, (), "")
    with pytest.raises(SetupError, match=r"is part of a cluster; list some of its servers as redis\+cluster://"):
        await check_valkey(f"redis://{cluster.servers[0].name}")
    primary = cluster.primary_of("{7}:")
    primary.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(SetupError, match=f"{primary.name} has maxmemory-policy allkeys-lru"):
            await check_valkey(cluster.url)
    finally:
        primary.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
    replica = cluster.replica_of(primary)
    replica.kill()
    primary.kill()
    assert (await check_valkey(cluster.url)).why_no_writes.startswith(f"Valkey at {primary.name}: ConnectionError")


async def test_a_server_that_is_away_holds_up_no_other(cluster: ValkeyCluster) -> None:
    """Also of a connection that begins meanwhile: what has no key is asked of a server that answers, by all callers at once."""
    primary = cluster.primary_of("{7}:")
    assert primary.ask("CLUSTER", "SLOTS")[0][2][1] == primary.port
    cluster.replica_of(primary).kill()
    primary.kill()
    connection = connection_to(f"redis+cluster://{cluster.running()[0].name}")
    try:
        for _ in range(2):
            with pytest.raises(CacheUnavailable, match=primary.name):
                await connection.ask([("GET", "{7}:x")])
        assert await asyncio.gather(*(connection.ask([("PING",)]) for _ in range(5))) == [[b"PONG"]] * 5
    finally:
        await connection.close()


async def test_a_single_server_is_no_cluster(redis_url: str) -> None:
    """The wrong address is refused before anything is changed."""
    with pytest.raises(SetupError, match="cannot learn the servers of the cluster from 127.0.0.1:9"):
        await check_valkey("redis+cluster://127.0.0.1:9")


async def test_rate_limits_are_counted_in_the_cluster(cluster: ValkeyCluster) -> None:
    """Two nodes share the windows of all subjects; while a primary is away, only its subjects are counted by each node."""
    window = Window("test", 3, 60, "Too many.", is_strict=True)
    first, second = Windows(cluster.url, FakeClock()), Windows(cluster.url, FakeClock())
    subjects = [f"subject-{number}" for number in range(12)]
    try:
        for subject in subjects:
            for windows in (first, second, first):
                await windows.count(window, subject)
            with pytest.raises(Refused, match="Too many"):
                await second.count(window, subject)
        primary = cluster.primary_of("{7}:")
        cluster.replica_of(primary).kill()
        primary.kill()
        refused = []
        for subject in subjects * 2:
            with pytest.raises(Refused) as refusal:
                await first.count(window, subject)
            refused.append(refusal.value.code)
        assert set(refused) == {"rate_limited", "unavailable"}
    finally:
        await first.close()
        await second.close()


async def test_rate_limits_while_no_server_answers() -> None:
    """The node counts alone, as without a single server."""
    windows = Windows("redis+cluster://127.0.0.1:9", FakeClock())
    window = Window("test", 1, 60, "Too many.")
    await windows.count(window, "ann")
    with pytest.raises(Refused, match="Too many"):
        await windows.count(window, "ann")
    await windows.close()


async def code_of(vote_path: VotePath, show: Show, user: int, *votes: Vote) -> str:
    """The code of a cast; it is sent again while the fan's home waits for a commit."""
    code = ""

    async def is_decided() -> bool:
        nonlocal code
        code = (await vote_path.cast(show.id, user, *votes)).code
        return code != "unavailable"

    await until(is_decided)
    return code


async def test_the_budget_of_the_day_spans_all_servers(database_url: str, cluster: ValkeyCluster) -> None:
    """Sixteen shows, one in each shard, and five votes a day: five are taken, wherever they are, and a withdrawal is free."""
    async with (
        RowFactory.open(database_url) as factory,
        VotePath.open(database_url, cluster.url, votes_per_day_max=5) as vote_path,
        vote_path.writer(),
    ):
        shows = [await factory.show(number) for number in range(1, SHARD_COUNT + 1)]
        fan, other = await factory.users(2)
        codes = await asyncio.gather(*(code_of(vote_path, show, fan, (show.first, "up")) for show in shows))
        taken = [show for show, code in zip(shows, codes, strict=True) if code == "ok"]
        assert sorted(codes) == ["budget"] * 11 + ["ok"] * 5
        for choice, code in (("up", "ok"), ("none", "ok"), ("up", "budget")):
            assert await code_of(vote_path, taken[0], fan, (taken[0].first, choice)) == code
        # What a repetition does not need is given back.
        for _ in range(3):
            assert await code_of(vote_path, shows[0], other, *[(song, "up") for song in shows[0].songs]) == "ok"
        assert await code_of(vote_path, shows[1], other, *[(song, "up") for song in shows[1].songs[:2]]) == "ok"
        assert await code_of(vote_path, shows[2], other, (shows[2].first, "up")) == "budget"
        await until(vote_path.is_drained)
    assert await differences(database_url, cluster.url) == []


async def test_the_budget_of_the_day_outlives_a_primary(database_url: str, cluster: ValkeyCluster) -> None:
    """The fan's home loses everything that it had not replicated; the votes that the logs have still count as spent."""
    async with (
        RowFactory.open(database_url) as factory,
        VotePath.open(database_url, cluster.url, votes_per_day_max=3) as vote_path,
    ):
        home, shows = 1, [await factory.show(number) for number in (4, 5)]
        (fan,) = await factory.users(1)
        assert fan % SHARD_COUNT == home
        primary = cluster.primary_of(f"{{{home}}}:")
        replica = cluster.replica_of(primary)
        assert cluster.primary_of("{4}:") is not primary
        async with vote_path.writer():
            assert await code_of(vote_path, shows[0], fan, (shows[0].first, "up")) == "ok"
            await until(vote_path.is_drained)
        primary.cut_off_replicas()
        # Two more, which only the log of a shard on another server has.
        assert (await vote_path.cast(shows[0].id, fan, *[(song, "up") for song in shows[0].songs])).code == "ok"
        primary.kill()
        cluster.promote(replica)
        async with vote_path.writer():
            assert await code_of(vote_path, shows[0], fan, (shows[0].first, "none")) == "ok"
            assert await code_of(vote_path, shows[0], fan, (shows[0].first, "up")) == "budget"


@pytest.mark.skipif(not DEBIAN_REDIS.exists(), reason=f"no {DEBIAN_REDIS} (.ci/run installs it)")
async def test_a_cluster_with_tls_and_a_password(tmp_path: Path) -> None:
    """Each line has the password and the options of the address, and the server may leave out its own host."""
    _, chain = certificate(tmp_path)
    port = unused_low_port()
    flags = (
        "--cluster-enabled", "yes", "--cluster-port", str(unused_low_port()), "--requirepass", "p@ss,word", "--tls-cluster", "yes",
        "--tls-port", str(port), "--tls-cert-file", str(chain), "--tls-key-file", str(tmp_path / "key.pem"),
        "--tls-ca-cert-file", str(chain), "--tls-auth-clients", "no",
    )  # fmt: skip
    address = f"rediss+cluster://default:p%40ss%2Cword@localhost:{port}"
    with debian_redis(*flags) as plain:
        async with Redis.from_url(plain, password="p@ss,word") as opened:
            valkey: Any = opened
            await valkey.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)

            async def is_up() -> bool:
                return "cluster_state:ok" in str(await valkey.execute_command("CLUSTER", "INFO"))

            await until(is_up)
        # The client of the rate limits takes "localhost" for an address, which the certificate does not have.
        url = f"{address}?ssl_ca_certs={chain}&ssl_check_hostname=false"
        connection = connection_to(url)
        assert await connection.ask([("SET", "{7}:x", 1), ("GET", "{7}:x")]) == [b"OK", b"1"]
        await connection.close()
        state = await check_valkey(url)
        assert (state.name, state.primary_count) == ("Redis", 1)
        assert any("has no replica" in warning for warning in state.warnings)
        windows = Windows(url, FakeClock())
        await windows.count(Window("test", 3, 60, "Too many.", is_strict=True), "ann")
        await windows.close()
        with pytest.raises(SetupError, match="certificate verify failed"):
            await check_valkey(address)
