"""Removes users from the hot copy when their accounts are erased (docs/adr/0009)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
import structlog

from server.cache.cluster import connection_to
from server.cache.connection import Command
from server.cache.keys import ballots_key, shard_prefix, show_key, spent_key, tally_key, tickets_key
from server.voting.rules import shard_of

log = structlog.get_logger()

ERASE_SCRIPT = Path(__file__).with_name("erase.lua").read_bytes()


class HotErasure:
    """Removes users from Valkey.

    Takes: url, of Valkey; this connection opens no shard, because the caller holds the shards' rows
    """

    def __init__(self, url: str, *, shard_count: int) -> None:
        self._shard_count = shard_count
        self._connection = connection_to(url)

    async def erase(self, leavers: Mapping[int, Mapping[int, str]], positions: Mapping[int, int]) -> list[int]:
        """Removes all of some users from Valkey but log entries, which are trimmed when the writer is past them.

        Call it inside the erasing transaction, while that holds every row of log_positions: no commit can then come
        between the database's ballots and this change. If the transaction fails afterwards, call `make_cold`.

        Takes:  user -> the result of erase_user(): ballots, show -> "101u102d", songs in order; positions, by shard
        Gives:  the shows whose counts lost votes that were only in the log
        Raises: CacheUnavailable, CacheError
        Cost:   one round trip; the script looks at every warm show
        """
        users = list(leavers)
        commands: list[Command] = []
        for shard, position in positions.items():
            ballots = [
                [item for show, ballot in leavers[user].items() if shard_of(show, self._shard_count) == shard
                 for item in (show, ballot)]
                for user in users
            ]  # fmt: skip
            change = msgspec.msgpack.encode((position, users, ballots))
            spent = spent_key(shard, is_cluster=self._connection.is_cluster)
            commands.append(("EVAL", ERASE_SCRIPT, 2, shard_prefix(shard), spent, change))
        corrected: list[int] = []
        cold_count = 0
        for shows in await self._connection.ask(commands):
            if shows:
                place = shows.index(0)
                corrected += shows[:place]
                cold_count += len(shows) - place - 1
        log.info("ballots.forgotten", users=len(users), corrected_shows=len(corrected), cold_shows=cold_count)
        return corrected

    async def probe(self) -> None:
        """Makes sure that Valkey takes writes, and connects.

        Raises: CacheUnavailable, CacheError
        """
        for error in (await self._connection.probe(range(self._shard_count))).values():
            raise error

    async def make_cold(self, show_ids: Iterable[int]) -> None:
        """Makes shows cold: their counts and ballots are read again from PostgreSQL.

        Raises: CacheUnavailable, CacheError
        """
        commands: list[Command] = []
        for show_id in show_ids:
            shard = shard_of(show_id, self._shard_count)
            keys = [key(shard, show_id) for key in (show_key, tally_key, ballots_key, tickets_key)]
            commands += [("UNLINK", *keys), ("SREM", f"{shard_prefix(shard)}shows", show_id)]
        if commands:
            await self._connection.ask(commands)

    async def close(self) -> None:
        """Closes the connection to Valkey."""
        await self._connection.close()
