"""Checks once, before anything is changed, that a Valkey or Redis server can hold votes."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import redis.asyncio
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)

from server.cache.cluster import SCHEMES, ClusterAddress, connection_to
from server.cache.connection import AWAY, Connection, resets_told
from server.cache.keys import FLEET_KEY, PROBE_KEY, SPENT_KEY, log_key, meta_key, node_key, shard_prefix
from server.errors import CacheError, CacheUnavailable, SetupError

# Valkey 8 passes this check too: it tells old clients that it is Redis 7.2.
REDIS_VERSION_MIN = (7, 0)
CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class ValkeyState:
    """The result of a check of Valkey or Redis."""

    name: str  # "Valkey" or "Redis"
    version: str
    eviction: str  # always "noeviction" once checked
    persistence: str  # "append-only file" or "none or snapshots"
    clock_ahead_ms: float  # the server's clock minus ours, less half the round trip
    warnings: tuple[str, ...]  # one line each: the server works, but the operator should know
    why_no_writes: str = ""  # one line: it takes no writes now
    primary_count: int | None = None  # of a cluster


def place(url: str) -> str:
    """The host and port, or the socket, of an address, without its password: for messages."""
    parts = urlsplit(url)
    return parts.path if parts.scheme == "unix" else parts.netloc.rpartition("@")[2]


async def check_valkey(url: str) -> ValkeyState:
    """Checks the server, or every primary of a cluster; changes nothing.

    Raises: SetupError: the server is unreachable, a replica, too old, or configured to evict keys; it is part of a cluster, and
            the address is not, or the other way round; of a cluster, no primary answers
    Cost:   one connection to each server, some commands
    """
    if urlsplit(url).scheme in SCHEMES:
        return await _check_cluster(url)
    return await _check_server(url, place(url), is_cluster=False)


async def _check_cluster(url: str) -> ValkeyState:
    where = place(url)
    connection = connection_to(url)
    try:
        answers = await connection.ask_servers(("PING",))
    except CacheUnavailable as error:
        raise SetupError(f"REDIS_URL: cannot learn the servers of the cluster from {where}: {error}") from error
    finally:
        await connection.close()
    silent = [f"Valkey at {answer}" for answer in answers.values() if isinstance(answer, CacheError)]
    servers = [server for server, answer in answers.items() if not isinstance(answer, CacheError)]
    if not servers:
        raise SetupError(f"REDIS_URL: no primary of the cluster at {where} answers: {'; '.join(silent)}")
    address = ClusterAddress.parse(url)
    states = [await _check_server(address.url_of(server), server, is_cluster=True) for server in servers]
    return replace(
        states[0],
        primary_count=len(answers),
        clock_ahead_ms=max((state.clock_ahead_ms for state in states), key=abs),
        persistence=", ".join(sorted({state.persistence for state in states})),
        warnings=tuple(warning for state in states for warning in state.warnings),
        why_no_writes="; ".join([*silent, *(state.why_no_writes for state in states if state.why_no_writes)]),
    )


async def _check_server(url: str, where: str, *, is_cluster: bool) -> ValkeyState:
    """Checks one server. Raises: SetupError."""
    client = redis.asyncio.Redis.from_url(
        # As nodes do: a password that the server does not want is refused by the older protocol only.
        url,
        protocol=2,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=CONNECT_TIMEOUT_S,
        driver_info=None,  # as in connection.py
    )
    try:
        with resets_told():
            info = await _info(client, where)
            clock_ms = await clock_ahead_ms(client.execute_command)
        state = judge(info, where, clock_ahead_ms=clock_ms, is_cluster=is_cluster)
        with resets_told():
            forbidden = await _forbidden_commands(client)
    except (AuthenticationError, NoPermissionError) as error:
        raise SetupError(f"REDIS_URL: the server at {where} refuses this user: {_reason(error)}") from error
    except BusyLoadingError as error:
        raise SetupError(f"REDIS_URL: the server at {where} is still loading its data; try again") from error
    except (*AWAY, ValueError) as error:
        raise SetupError(f"REDIS_URL: cannot reach Valkey or Redis at {where}: {_reason(error)}") from error
    finally:
        await client.aclose()
    if forbidden:
        raise SetupError(
            f"REDIS_URL: this user of the server at {where} may not do all that mysetlist needs: {forbidden[0]};"
            " give it all keys and commands except administration: ACL SETUSER <user> ~* +@all -@admin +info"
        )
    return state


async def _info(client: Any, where: str) -> dict[str, Any]:
    """The answer to INFO.

    Raises: SetupError: this user may not send it; the driver's exceptions
    """
    try:
        info: dict[str, Any] = await client.info("all")
    except NoPermissionError as error:
        raise SetupError(
            f"REDIS_URL: this user of the server at {where} may not send INFO, which tells whether the server can evict votes;"
            " allow it: ACL SETUSER <user> +info"
        ) from error
    return info


# One command of each kind that a node sends, on a key of each part of it. They read, or change what is not there.
_TRIALS: tuple[tuple[str | int, ...], ...] = (
    ("SET", PROBE_KEY, "", "XX", "EX", 1),
    ("MGET", node_key("doctor")),
    ("DEL", node_key("doctor")),
    ("ZRANGE", FLEET_KEY, 0, 0),
    ("ZREM", FLEET_KEY, "doctor"),
    ("HGET", meta_key(0), "last"),
    ("HDEL", SPENT_KEY, "doctor"),
    ("SMEMBERS", f"{shard_prefix(0)}shows"),
    ("XREVRANGE", log_key(0), "+", "-", "COUNT", 1),
    ("XREAD", "COUNT", 1, "STREAMS", log_key(0), "$"),
    ("XTRIM", log_key(0), "MINID", "0"),
    ("SCRIPT", "LOAD", "return 1"),
    ("EVAL", "return redis.call('UNLINK', KEYS[1])", 1, f"{shard_prefix(0)}doctor"),
)


async def _forbidden_commands(client: Any) -> list[str]:
    """The replies to commands that this user may not send."""
    forbidden = []
    for command in _TRIALS:
        try:
            await client.execute_command(*command)
        except NoPermissionError as error:
            forbidden.append(_reason(error))
        except (OutOfMemoryError, ReadOnlyError):
            # These say nothing about rights; the caller judges them.
            continue
        except ResponseError as error:
            # Inside a script, Valkey names the missing right in the text only.
            if "ACL" in str(error) or "NOPERM" in str(error):
                forbidden.append(_reason(error))
    return forbidden


async def clock_ahead_ms(run: Callable[[str], Awaitable[Any]]) -> float:
    """The server's clock minus ours, less half the round trip. Takes: run, which sends a command and gives its answer."""
    before_s, started_s = time.time(), time.monotonic()
    return _ahead_ms(await run("TIME"), before_s, time.monotonic() - started_s)


async def clocks_ahead_ms(connection: Connection) -> dict[str, float]:
    """As clock_ahead_ms for each server that answers, by "Valkey", in a cluster "Valkey host:port".

    Raises: CacheError
    """
    before_s, started_s = time.time(), time.monotonic()
    answers = await connection.ask_servers(("TIME",))
    took_s = time.monotonic() - started_s
    return {
        f"Valkey {server}".rstrip(): _ahead_ms(answer, before_s, took_s)
        for server, answer in answers.items()
        if not isinstance(answer, CacheError)
    }


def _ahead_ms(answer: Any, before_s: float, took_s: float) -> float:
    second, microsecond = answer
    return (int(second) + int(microsecond) / 1e6 - before_s - took_s / 2) * 1000


def judge(info: dict[str, Any], where: str, *, clock_ahead_ms: float = 0.0, is_cluster: bool = False) -> ValkeyState:
    """Checks the answer to INFO: whether this server can hold votes.

    Raises: SetupError: as check_valkey does
    Cost:   no I/O
    """
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = str(info.get("valkey_version") or info.get("redis_version") or "0")
    if _numbers(str(info.get("redis_version") or "0")) < REDIS_VERSION_MIN:
        raise SetupError(
            f"REDIS_URL: {name} at {where} is version {version}; mysetlist needs Redis 7.0 or Valkey 8 or newer"
        )
    if not is_cluster and (info.get("redis_mode") == "cluster" or str(info.get("cluster_enabled")) == "1"):
        raise SetupError(
            f"REDIS_URL: {name} at {where} is part of a cluster; list some of its servers as redis+cluster://host:port,host:port"
        )
    if info.get("redis_mode") == "sentinel":
        raise SetupError(f"REDIS_URL: {where} is a sentinel; use the address of the {name} that it watches")
    if info.get("role") == "slave":
        raise SetupError(f"REDIS_URL: {name} at {where} is a replica; mysetlist needs the primary")
    # Read from INFO, because hosted servers often forbid CONFIG GET.
    eviction = str(info.get("maxmemory_policy", "unknown"))
    if eviction != "noeviction":
        raise SetupError(
            f"REDIS_URL: {name} at {where} has maxmemory-policy {eviction} and could evict votes; set it to noeviction"
        )
    has_log = str(info.get("aof_enabled")) == "1"
    warnings = []
    if not has_log:
        warnings.append(
            f"{name} at {where} has appendonly no: votes accepted while PostgreSQL is down are lost if it crashes"
        )
    if is_cluster and not int(info.get("connected_slaves", 0)):
        warnings.append(f"{name} at {where} has no replica: if it is lost, its shards take no votes until it is back")
    return ValkeyState(
        why_no_writes=_why_no_writes(info, f"{name} at {where}"),
        name=name,
        version=version,
        eviction=eviction,
        persistence="append-only file" if has_log else "none or snapshots",
        clock_ahead_ms=clock_ahead_ms,
        warnings=tuple(warnings),
    )


def _why_no_writes(info: dict[str, Any], server: str) -> str:
    limit, used = int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
    if limit and used >= limit:
        return (
            f"{server} is full and refuses votes: it uses {used / 1e6:.0f} MB of maxmemory {limit / 1e6:.0f} MB;"
            " raise maxmemory, or remove data of others from it"
        )
    if info.get("aof_last_write_status") == "err":
        return f"{server} cannot write its append-only file and refuses votes; free space on its disk, then see its log"
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:300]
