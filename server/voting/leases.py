"""Leases: the shards that the writer of this node works on.

Leases are session-level advisory locks on a connection of their own: a node that dies loses them with its connection.
Every live node announces itself with a shared lock under its number. Each shard prefers the node with the highest hash
of (node, shard) (rendezvous hashing, Thaler and Ravishankar 1998), so a new node takes its share, and a dead node's
share is spread over the others.

Leases avoid waste. Only the fencing in the writer's transaction guarantees that no vote counts twice.
"""

from __future__ import annotations

import hmac
import secrets
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import structlog

from server.errors import SetupError
from server.store.database import connect, translated
from server.store.hosts import check_takes_writes
from server.telemetry import SHARDS_HELD
from server.voting.queries import voting as queries

if TYPE_CHECKING:
    from server.store.database import Connection

log = structlog.get_logger()

# The first halves of advisory lock keys, for leases and for nodes. The numbers have no other use in this database.
LEASE_CLASS = 0x6D73_6C31
NODE_CLASS = 0x6D73_6C32
# The first half of the locks that tell with which key a node signs tokens (admin/operations.py has the number between).
KEY_CLASS = 0x6D73_6C34
# The name of the connection in pg_stat_activity.application_name.
LEASES = "mysetlist leases"
# The writer uses the connection twice a second. A node that does not, for this long, loses its leases: it is stopped, or its
# connection is silent although both ends think that it is open.
IDLE_S_MAX = 5.0


def preferred_node(nodes: list[int], shard: int) -> int:
    """The live node that a shard prefers."""
    return max(nodes, key=lambda node: blake2b(f"{node}:{shard}".encode(), digest_size=8).digest())


async def live_nodes(url: str) -> list[int]:
    """The numbers of the live nodes of this database.

    Raises: StoreUnavailable
    """
    connection = await connect(url)
    try:
        with translated():
            return [row["node"] async for row in queries.fetch_nodes(connection, node_class=NODE_CLASS)]
    finally:
        connection.terminate()


def key_fingerprint(secret: str) -> int:
    """A number that tells keys apart and tells nothing about them; it fits into an integer of PostgreSQL."""
    return int.from_bytes(hmac.digest(secret.encode(), b"mysetlist key", "sha256")[:4]) >> 1


async def has_other_keys(connection: Connection, secret: str) -> bool:
    """Whether a live node of this database signs tokens with another key.

    Raises: the driver's exceptions
    """
    own = key_fingerprint(secret)
    return any([row["fingerprint"] != own async for row in queries.fetch_keys(connection, key_class=KEY_CLASS)])


async def refuse_other_keys(url: str, secret: str) -> None:
    """Refuses to go on with a key that the live nodes of this database do not have.

    Raises: SetupError; StoreUnavailable
    """
    connection = await connect(url)
    try:
        with translated():
            differs = await has_other_keys(connection, secret)
    finally:
        connection.terminate()
    if differs:
        raise SetupError(
            "MYSETLIST_SECRET: the running nodes of this database sign tokens with another secret; give every node the"
            " same one, and stop all nodes before you change it"
        )


class Leases:
    """The shards that this node holds through one connection, and loses with it; after `close`, `refresh` connects again.

    Takes: secret, whose fingerprint other nodes compare with theirs; empty: it is not announced
    """

    def __init__(self, url: str, shard_count: int, secret: str = "") -> None:
        self._secret = secret
        self._url = url
        self._shard_count = shard_count
        self._node = secrets.randbelow(2**31)
        self._connection: Any = None
        self.held: set[int] = set()

    async def refresh(self) -> set[int]:
        """Announces the node, takes the shards that prefer it, and releases shards that prefer another live node.

        Call it only between transactions of the writer: another node may take a released shard at once.
        Gives:  the shards held from now on
        Raises: StoreUnavailable: the connection is gone and all leases with it
        """
        if self._connection is None:
            self._connection = await connect(self._url, name=LEASES, idle_max_s=IDLE_S_MAX)
            await self._value(queries.announce_node, node_class=NODE_CLASS, node=self._node)
            if self._secret:
                fingerprint = key_fingerprint(self._secret)
                await self._value(queries.announce_key, key_class=KEY_CLASS, fingerprint=fingerprint)
        check_takes_writes(self._connection)
        with translated():
            rows = [row async for row in queries.fetch_nodes(self._connection, node_class=NODE_CLASS)]
        nodes = [row["node"] for row in rows]
        wanted = {s for s in range(self._shard_count) if preferred_node(nodes, s) == self._node}
        before = set(self.held)
        for shard in sorted(self.held - wanted):
            await self._value(queries.release_lease, lease_class=LEASE_CLASS, shard=shard)
            self.held.discard(shard)
        for shard in sorted(wanted - self.held):
            if await self._value(queries.try_lease, lease_class=LEASE_CLASS, shard=shard):
                self.held.add(shard)
        if self.held != before:
            SHARDS_HELD.set(len(self.held))
            log.info("leases.changed", held=sorted(self.held), nodes=len(nodes))
        return self.held

    async def close(self) -> None:
        """Releases all shards: closes the connection."""
        self.held = set()
        SHARDS_HELD.set(0)
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.terminate()

    async def _value(self, query: Any, **parameters: int) -> Any:
        with translated():
            return await query(self._connection, **parameters)
