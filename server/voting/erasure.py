"""Removes a user from the hot copy when their account is erased (docs/adr/0009)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import structlog

from server.cache.connection import Command, Connection
from server.cache.keys import shard_prefix
from server.voting.rules import shard_of

log = structlog.get_logger()

ERASE_SCRIPT = Path(__file__).with_name("erase.lua").read_bytes()


class HotErasure:
    """Removes users from Valkey.

    Takes: url, of Valkey; this connection opens no shard, because the caller holds the shards' rows
    """

    def __init__(self, url: str, *, shard_count: int) -> None:
        self._shard_count = shard_count
        self._connection = Connection(url)

    async def erase(self, user_id: int, ballots: Mapping[int, str], positions: Mapping[int, int]) -> None:
        """Removes all of a user from Valkey but log entries, which are trimmed when the writer is past them.

        Call it inside the erasing transaction, while that holds every row of log_positions: no commit can then come
        between the database's ballots and this change. If the transaction fails afterwards, a few shows and ballots are
        cold, and no harm is done.

        Before that transaction call it without positions: it connects, so that nobody waits for a connection while every row is
        locked, and nothing is locked while Valkey is down.

        Takes:  the result of erase_user(): ballots, show -> "101u102d", songs in order; positions, by shard
        Raises: CacheUnavailable, CacheError
        Cost:   one round trip; the script looks at every warm show
        """
        if not positions:
            await self._connection.probe()
            return
        by_shard: dict[int, list[int | str]] = {shard: [] for shard in positions}
        for show_id, ballot in ballots.items():
            by_shard[shard_of(show_id, self._shard_count)] += [show_id, ballot]
        commands: list[Command] = [
            (
                "EVAL", ERASE_SCRIPT, 1, shard_prefix(shard),
                msgspec.msgpack.encode((user_id, position, by_shard[shard])),
            )
            for shard, position in positions.items()
        ]  # fmt: skip
        cold_counts = await self._connection.ask(commands)
        log.info("ballots.forgotten", cold_shows=sum(count for count in cold_counts if count > 0))

    async def close(self) -> None:
        """Closes the connection to Valkey."""
        await self._connection.close()
