"""Reads the counts of shows, and keeps their voting rules in Valkey (the hot rules) up to date."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from server.cache.cluster import connection_to
from server.cache.connection import SERVER, Ask, Line
from server.cache.keys import shard_prefix
from server.errors import CacheError, StoreError
from server.protocol.embargo import Audience, Embargo
from server.store.database import Database
from server.voting.log import ADVANCE_SCRIPT, GRANT_SCRIPT, TALLY_SCRIPT, open_shards
from server.voting.queries import voting as queries
from server.voting.rule_changes import fetch_rules, revise_commands
from server.voting.rules import shard_of


@dataclass(frozen=True, slots=True)
class Tally:
    """A show's counts as of a position.

    counts: [(song, up, down)]; total: votes held; embargo: who may see them; without_log: Valkey was away, and its log may
    have newer votes
    """

    at: int
    total: int
    counts: list[tuple[int, int, int]]
    embargo: Embargo
    without_log: bool = False


class Tallies:
    """Reads the tally from Valkey when the show is warm, else from PostgreSQL."""

    def __init__(self, url: str, database: Database, *, shard_count: int) -> None:
        self._database = database
        self._shard_count = shard_count
        self._connection = connection_to(url, on_connect=self._open_shards)

    async def read(self, show_id: int, database: Database | None = None) -> Tally | None:
        """The newest tally of a show; None: no such show.

        Takes:  database, where a cold show is read; None: that of the vote path
        Raises: StoreUnavailable: PostgreSQL is away, and the show is cold or Valkey is away too
        """
        try:
            hot = (await self.read_hot([show_id]))[show_id]
        except (CacheError, StoreError):
            committed = await self.read_committed(show_id, database)
            return None if committed is None else replace(committed, without_log=True)
        return hot or await self.read_committed(show_id, database)

    async def read_hot(self, show_ids: list[int]) -> dict[int, Tally | None]:
        """The tallies that Valkey holds; None for a cold show.

        A show whose server in a cluster does not answer counts as cold, unless none of them does.

        Raises: CacheError; StoreUnavailable: Valkey was away, and PostgreSQL cannot confirm that its data is complete
        """
        prefixes = [shard_prefix(shard_of(show, self._shard_count)) for show in show_ids]
        answers = await self._connection.ask_shards(
            [("EVAL", TALLY_SCRIPT, 1, prefix, show, SERVER) for prefix, show in zip(prefixes, show_ids, strict=True)]
        )
        tallies: dict[int, Tally | None] = {}
        for show_id, answer in zip(show_ids, answers, strict=True):
            if answer is None or isinstance(answer, CacheError):
                tallies[show_id] = None
                continue
            at, revision, audience, fields = answer
            counts = []
            for song, packed in zip(fields[::2], fields[1::2], strict=True):
                up, _, down = packed.partition(b" ")
                counts.append((int(song), int(up), int(down)))
            counts.sort()
            # A show that an older version warmed up has no audience in Valkey: it is everyone.
            embargo = Embargo(int(revision), Audience(int(audience or 0)))
            tallies[show_id] = Tally(int(at), sum(up + down for _, up, down in counts), counts, embargo)
        return tallies

    async def read_committed(self, show_id: int, database: Database | None = None) -> Tally | None:
        """The tally that PostgreSQL holds, as of the shard's committed position; None: no such show.

        Takes:  database, as `read`
        Raises: StoreUnavailable
        """
        async with (database or self._database).connection() as connection:
            fetched = queries.fetch_tally(connection, show_id=show_id, shard_count=self._shard_count)
            rows = [row async for row in fetched]
        if not rows:
            return None
        counts = [(row["id"], row["up_count"], row["down_count"]) for row in rows if row["id"] is not None]
        embargo = Embargo(rows[0]["revision"], Audience(rows[0]["audience"]))
        return Tally(rows[0]["position"], rows[0]["total"], counts, embargo)

    async def show_of_song(self, song_id: int, database: Database) -> int | None:
        """The show whose setlist has this song; None: no such song.

        Raises: StoreUnavailable
        """
        async with database.connection() as connection:
            show_id: int | None = await queries.show_of_song(connection, song_id=song_id)
        return show_id

    async def advance(self, show_id: int, at: int) -> None:
        """Moves the log of a show's shard past a position, because the show's songs are others than those shown at it.

        Raises: CacheError; StoreUnavailable: as read_hot
        """
        prefix = shard_prefix(shard_of(show_id, self._shard_count))
        await self._connection.ask([("EVAL", ADVANCE_SCRIPT, 1, prefix, at)])

    async def revise(self, show_ids: list[int]) -> None:
        """Updates the hot rules of shows from PostgreSQL; cold shows stay cold.

        Raises: StoreUnavailable, CacheError
        """
        await _revise(self._database, self._connection.ask, self._shard_count, show_ids)

    async def revise_all(self) -> None:
        """Updates the hot rules of every warm show, when notifications may have been missed.

        Raises: StoreUnavailable, CacheError
        """
        await revise_warm(self._database, self._connection.ask_shards, range(self._shard_count), self._shard_count)

    async def grant_ticket(self, show_id: int, user_id: int) -> None:
        """Adds a user's ticket to a warm show, for the next cast; a cold show reads it with the ballot.

        Raises: CacheError; StoreUnavailable: as read_hot
        """
        prefix = shard_prefix(shard_of(show_id, self._shard_count))
        await self._connection.ask([("EVAL", GRANT_SCRIPT, 1, prefix, show_id, user_id)])

    async def _open_shards(self, line: Line) -> None:
        # A Valkey that came back without its newest data has old counts. If they were shown, counts would go backwards.
        await open_shards(self._database, line)

    async def close(self) -> None:
        """Closes the connection to Valkey."""
        await self._connection.close()


async def revise_warm(database: Database, ask: Ask, shards: Iterable[int], shard_count: int) -> None:
    """Updates the hot rules of every warm show of some shards from PostgreSQL.

    Takes:  ask, which may give a CacheError in place of an answer: a shard that moves is read again when it has moved
    Raises: StoreUnavailable, CacheError
    """
    answers = await ask([("SMEMBERS", f"{shard_prefix(shard)}shows") for shard in shards])
    warm = [int(show) for shows in answers if not isinstance(shows, CacheError) for show in shows]
    await _revise(database, ask, shard_count, sorted(warm))


async def _revise(database: Database, ask: Ask, shard_count: int, show_ids: list[int]) -> None:
    if not show_ids:
        return
    async with database.connection() as connection:
        rules = await fetch_rules(connection, show_ids)
    if commands := revise_commands(rules, shard_count):
        await ask(commands)
