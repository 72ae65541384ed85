"""Reads the ledger of a window: the log from Valkey's append-only files, its commits and the vote history from PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np

from server.voting.log import decode_entry
from tests.history.records import COMMIT, COUNT, ENTRY, EVENT, ROW, VOTE, Records, Window

_XADD = b"$4\r\nXADD\r\n"
_COPY_HEADER_BYTES = 19
_CODE = "case {0} when 'up' then 1 when 'down' then 2 else 0 end"
# The transaction of a row is the one that wrote it: so each change of the history names its commit.
_COMMITS = """
select c.xmin::text::bigint, c.shard, c.position, e.entry, (extract(epoch from c.committed_at) * 1000000)::bigint * 1000
  from log_commits c, unnest(c.entries) as e (entry)
 where c.id > {after}
"""
_ROWS = f"""
select xmin::text::bigint, user_id, show_id, setlist_song_id, round(extract(epoch from cast_at) * 1000)::bigint,
       {_CODE.format("previous")}, {_CODE.format("choice")}
  from vote_analytics
 where id > {{after}} and cast_at >= to_timestamp({{since_ms}} / 1000.0)
"""
_VOTES = f"select user_id, setlist_song_id, {_CODE.format('choice')} from votes"
_COUNTS = "select show_id, id, up_count, down_count from setlist_songs"


class Collector:
    """Give it a window when the log is drained; it adds what is new in the engines.

    log_paths: gives the append-only files that exist now, of all servers
    """

    def __init__(self, log_paths: Callable[[], Iterable[Path]]) -> None:
        self._log_paths = log_paths
        self._log_ends: dict[Path, int] = {}
        self._commit_id = 0
        self._row_id = 0
        self._since_ms = 0
        self._entries: set[tuple[int, int, int]] = set()
        self._events: set[tuple[int, ...]] = set()

    async def begin(self, connection: Any) -> None:
        """Skips what is there already."""
        self.look()
        self._take_log()
        await self._note_ends(connection)

    async def collect(self, window: Window, connection: Any) -> None:
        """Adds the ledger. Takes: a connection to the database; window, with what fans and watchers recorded."""
        self.look()
        window.entries, window.events = self._take_log()
        window.commits = await _table(connection, _COMMITS.format(after=self._commit_id), COMMIT)
        # From the clock of PostgreSQL to the one that all processes of this machine share.
        window.commits["begun_ns"] -= time.time_ns() - time.monotonic_ns()
        rows = _ROWS.format(after=self._row_id, since_ms=self._since_ms)
        window.rows = await _table(connection, rows, ROW)
        window.votes = await _table(connection, _VOTES, VOTE)
        window.counts = await _table(connection, _COUNTS, COUNT)
        if len(window.entries):
            # The log never goes back: later rows are not older than the ends of the logs, which are seconds apart at most.
            self._since_ms = int(window.entries["at"].min()) >> 10
        await self._note_ends(connection)

    async def _note_ends(self, connection: Any) -> None:
        self._commit_id = await connection.fetchval("select coalesce(max(id), 0) from log_commits") or self._commit_id
        self._row_id = max(
            self._row_id,
            await connection.fetchval(
                "select coalesce(max(id), 0) from vote_analytics where cast_at >= to_timestamp($1::bigint / 1000.0)",
                self._since_ms,
            ),
        )

    def look(self) -> None:
        """Reads on in the logs. A server that becomes a replica throws its file away, so they are read again and again."""
        for path in self._log_paths():
            with suppress(FileNotFoundError):
                for shard, at, previous, casts, end in _logged(path, self._log_ends.get(path, 0)):
                    self._log_ends[path] = end
                    # Replicas have the same entries as their primary.
                    self._entries.add((shard, at, previous))
                    self._events.update(_events(shard, at, casts))

    def _take_log(self) -> tuple[Records, Records]:
        entries, self._entries = self._entries, set()
        events, self._events = self._events, set()
        return np.array(list(entries), ENTRY), np.array(list(events), EVENT)


def _events(shard: int, at: int, casts: list[list[int]]) -> Iterator[tuple[int, ...]]:
    for place, cast in enumerate(casts):
        if not cast[0]:
            continue  # a mark or a pick
        end, order = len(cast) - 2, 0
        if cast[end - 2] < 0:
            end, order = end - 2, -cast[end - 2]
        for i in range(2, end, 2):
            yield shard, at, place, cast[1], cast[0], cast[i], order, cast[i + 1]


def _logged(path: Path, since: int) -> Iterator[tuple[int, int, int, list[list[int]], int]]:
    """The entries of one append-only file: shard, position, the one before, casts, and where the entry ends in the file."""
    with path.open("rb") as file:
        file.seek(since)
        text = file.read()
    place = text.find(_XADD)
    while place >= 0:
        fields, end = [], place + len(_XADD)
        for _ in range(6):
            line_end = text.find(b"\r\n", end)
            if line_end < 0 or line_end + 2 + int(text[end + 1 : line_end]) + 2 > len(text):
                return  # cut off: it is complete the next time
            size = int(text[end + 1 : line_end])
            fields.append(text[line_end + 2 : line_end + 2 + size])
            end = line_end + 2 + size + 2
        entry = decode_entry(fields[1], fields[2:])
        shard = int(fields[0][1 : fields[0].index(b"}")])
        yield shard, entry.position, entry.previous, entry.casts, since + end
        place = text.find(_XADD, end)


async def _table(connection: Any, query: str, kind: np.dtype[Any]) -> Records:
    """The answer to a query whose columns are those of `kind`, by COPY: a hundred times cheaper than rows."""
    assert kind.names is not None
    columns = query.strip()
    parts: list[bytes] = []

    async def take(part: bytes) -> None:
        parts.append(part)

    names = [f"c{number}" for number in range(len(kind.names))]
    wanted = ", ".join(f"{name}::bigint" for name in names)
    await connection.copy_from_query(
        f"select {wanted} from ({columns}) as t ({', '.join(names)})", output=take, format="binary"
    )
    packed = np.dtype([("count", ">i2"), *[(f"{part}{name}", f">i{4 if part == 'size_' else 8}")
                                           for name in kind.names for part in ("size_", "")]])  # fmt: skip
    found = np.frombuffer(b"".join(parts)[_COPY_HEADER_BYTES:-2], packed)
    table = np.empty(len(found), kind)
    for name in kind.names:
        table[name] = found[name]
    return table


async def connected(database_url: str) -> Any:
    """A connection for `Collector`."""
    return await asyncpg.connect(database_url, command_timeout=120)
