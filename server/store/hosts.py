"""Connects to the right one of the hosts of an address: the primary, which takes writes, or a replica of it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from server.errors import StoreUnavailable
from server.store.address import hosts_of
from server.store.type_lookup import Connection

# So long a host is asked alone, before the next one is asked too: a machine that is switched off answers nothing.
HEAD_START_S = 0.5


async def connect_to_primary(url: str, **options: Any) -> Any:
    """A connection to the first host that takes writes. A standby, and a server that is set to read-only, is passed over.

    Takes:  options, of asyncpg.connect
    Gives:  asyncpg.Connection
    Raises: the driver's exceptions, of the first host that failed
    """
    return (await _first(hosts_of(url), SessionAttribute.read_write, options))[1]


async def connect_to_replica(url: str, **options: Any) -> Any:
    """A connection to the first host that is a replica; otherwise like `connect_to_primary`."""
    return (await _first(hosts_of(url), SessionAttribute.standby, options))[1]


async def primary_of(url: str, **options: Any) -> str:
    """The address of the one host that takes writes, for a program that knows no lists of hosts.

    Raises: the driver's exceptions
    """
    hosts = hosts_of(url)
    if len(hosts) == 1:
        return url
    host, connection = await _first(hosts, SessionAttribute.read_write, options)
    await connection.close()
    return host


def check_takes_writes(connection: Any) -> None:
    """Checks what the server last told this connection: a primary may become read-only while its sessions go on.

    Raises: StoreUnavailable
    """
    told = connection.get_settings()
    if "on" in (told.in_hot_standby, told.default_transaction_read_only):
        raise StoreUnavailable("the server takes no writes any more")


async def _first(hosts: list[str], wanted: SessionAttribute, options: dict[str, Any]) -> tuple[str, Any]:
    """The first host of the wanted kind, and a connection to it."""
    if len(hosts) == 1:
        return hosts[0], await _connect(hosts[0], wanted, options)
    left, attempts, failed = deque(hosts), dict[asyncio.Task[Any], str](), list[asyncio.Task[Any]]()
    try:
        while left or attempts:
            if left:
                host = left.popleft()
                attempts[asyncio.create_task(_connect(host, wanted, options))] = host
            head_start_s = HEAD_START_S if left else None
            done, _ = await asyncio.wait(attempts, timeout=head_start_s, return_when=asyncio.FIRST_COMPLETED)
            for attempt in [each for each in attempts if each in done]:
                host = attempts.pop(attempt)
                if attempt.exception() is None:
                    return host, attempt.result()
                failed.append(attempt)
    finally:
        for attempt in attempts:
            attempt.add_done_callback(_give_up)
            attempt.cancel()
    return hosts[0], failed[0].result()  # raises


async def _connect(host: str, wanted: SessionAttribute, options: dict[str, Any]) -> Any:
    return await asyncpg.connect(host, target_session_attrs=wanted, **options | {"connection_class": Connection})


def _give_up(attempt: asyncio.Task[Any]) -> None:
    """Closes the connection of an attempt that was not needed any more."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().terminate()
