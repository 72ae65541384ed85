"""Checks once, before anything is changed, that a Valkey or Redis server can hold votes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import redis.asyncio
from redis.exceptions import AuthenticationError, BusyLoadingError, NoPermissionError, RedisError

from server.errors import SetupError

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


def place(url: str) -> str:
    """The host and port, or the socket, of an address, without its password: for messages."""
    parts = urlsplit(url)
    return parts.path if parts.scheme == "unix" else parts.netloc.rpartition("@")[2]


async def check_valkey(url: str) -> ValkeyState:
    """Checks the server; changes nothing.

    Raises: SetupError: the server is unreachable, a cluster, a replica, too old, or configured to evict keys
    Cost:   one connection, two commands
    """
    if url.startswith("redis+cluster://"):
        raise SetupError("REDIS_URL: clusters are not supported yet; use the address of a single Valkey or Redis")
    where = place(url)
    client = redis.asyncio.Redis.from_url(
        url, socket_connect_timeout=CONNECT_TIMEOUT_S, socket_timeout=CONNECT_TIMEOUT_S
    )
    try:
        info: dict[str, Any] = await client.info("all")
        started, before = time.monotonic(), time.time()
        second, microsecond = await client.time()
        took_s = time.monotonic() - started
    except (AuthenticationError, NoPermissionError) as error:
        raise SetupError(f"REDIS_URL: the server at {where} refuses this user: {_reason(error)}") from error
    except BusyLoadingError as error:
        raise SetupError(f"REDIS_URL: the server at {where} is still loading its data; try again") from error
    except (RedisError, OSError, ValueError) as error:
        raise SetupError(f"REDIS_URL: cannot reach Valkey or Redis at {where}: {_reason(error)}") from error
    finally:
        await client.aclose()
    return judge(info, where, clock_ahead_ms=(second + microsecond / 1e6 - before - took_s / 2) * 1000)


def judge(info: dict[str, Any], where: str, *, clock_ahead_ms: float = 0.0) -> ValkeyState:
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
    if info.get("redis_mode") == "cluster" or str(info.get("cluster_enabled")) == "1":
        raise SetupError(f"REDIS_URL: {name} at {where} is part of a cluster; clusters are not supported yet")
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
    return ValkeyState(
        name=name,
        version=version,
        eviction=eviction,
        persistence="append-only file" if has_log else "none or snapshots",
        clock_ahead_ms=clock_ahead_ms,
        warnings=tuple(warnings),
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:300]
