"""Inserts shows and users straight into the database, and reads what the server made of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from server.people.sessions import mint_token
from server.store.listening import LISTENER
from tests.support.running_node import SECRET

HOUR_S = 3600.0


@dataclass(frozen=True)
class Show:
    """A show with the ids of its songs, in order."""

    id: int
    songs: list[int]

    @property
    def first(self) -> int:
        """The id of the first song."""
        return self.songs[0]


class RowFactory:
    """Inserts rows that a test needs, and reads rows that the server wrote."""

    def __init__(self, connection: Any) -> None:
        self.sql = connection
        self._title_count = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, database_url: str, *, is_empty: bool = True) -> AsyncIterator[RowFactory]:
        """A factory on a database with one artist and one venue; not `is_empty` when an earlier factory inserted them."""
        connection = await asyncpg.connect(database_url)
        try:
            factory = cls(connection)
            if is_empty:
                await factory.begin()
            yield factory
        finally:
            await connection.close()

    async def begin(self) -> None:
        """Inserts the artist and the venue of an empty database."""
        await self.sql.execute(
            "insert into artists (slug, name) values ('band', 'Band');"
            "insert into venues (slug, name, city, country, latitude, longitude, time_zone)"
            " values ('hall', 'Hall', 'Boston', 'US', 42.3, -71.0, 'America/New_York')"
        )

    async def show(
        self,
        show_id: int,
        *,
        song_count: int = 3,
        budget: int | None = None,
        opens_in_s: float = -HOUR_S,
        closes_in_s: float = HOUR_S,
        is_locked: bool = False,
    ) -> Show:
        """Inserts a show. The test chooses the id and so the shard, which is id mod 16."""
        await self.sql.execute(
            "insert into shows (id, slug, artist_id, venue_id, name, local_date, time_zone, starts_at, opens_at,"
            " closes_at, is_locked, votes_per_user_max) overriding system value"
            " values ($1, 'show-' || $1::bigint, 1, 1, 'Show', current_date, 'America/New_York',"
            " now() + interval '1 day', now() + make_interval(secs => $2), now() + make_interval(secs => $3), $4, $5)",
            show_id, opens_in_s, closes_in_s, is_locked, budget,
        )  # fmt: skip
        await self.sql.execute(
            "insert into setlists (show_id, type, name) values ($1, 'predicted', 'Main set')", show_id
        )
        return Show(show_id, await self.add_songs(show_id, song_count))

    async def add_songs(self, show_id: int, count: int) -> list[int]:
        """Adds songs at the end of a show's set, and gives the ids that fans vote on."""
        self._title_count += count
        titles = [f"Song {number}" for number in range(self._title_count - count, self._title_count)]
        rows = await self.sql.fetch(
            "with song as (insert into songs (artist_id, title) select 1, unnest($2::text[]) returning id)"
            " insert into setlist_songs (setlist_id, show_id, song_id, position)"
            " select l.id, l.show_id, song.id, coalesce((select max(position) from setlist_songs"
            " where setlist_id = l.id), 0) + row_number() over (order by song.id)"
            " from song, setlists l where l.show_id = $1 returning id",
            show_id, titles,
        )  # fmt: skip
        return sorted(row["id"] for row in rows)

    async def users(self, count: int) -> list[int]:
        """Inserts users, and gives their ids."""
        rows = await self.sql.fetch(
            "insert into users (role) select 'user' from generate_series(1, $1::int) returning id", count
        )
        return [row["id"] for row in rows]

    async def token(self) -> str:
        """Inserts a user, and gives a token."""
        (user_id,) = await self.users(1)
        return mint_token(SECRET, user_id, "user")

    async def cut_listeners(self) -> int:
        """Ends the LISTEN connections of all nodes, and gives their number."""
        cut: int = await self.sql.fetchval(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity"
            " where datname = current_database() and application_name = $1",
            LISTENER,
        )
        return cut

    async def last_partition(self) -> str:
        """The name of the latest monthly partition of the history."""
        name: str = await self.sql.fetchval(
            "select max(inhrelid::regclass::text) from pg_inherits where inhparent = 'vote_analytics'::regclass"
            " and inhrelid::regclass::text <> 'vote_analytics_default'"
        )
        return name

    async def tally(self, show_id: int) -> list[list[int]]:
        """The counts that stand on the songs of a show: [[song, up, down], …]."""
        rows = await self.sql.fetch(
            "select id, up_count, down_count from setlist_songs where show_id = $1 order by id", show_id
        )
        return [list(row) for row in rows]

    async def counted(self, show_id: int) -> list[list[int]]:
        """The same counts, computed from the votes that are not set aside."""
        rows = await self.sql.fetch(
            "select s.id, count(*) filter (where v.choice = 'up'), count(*) filter (where v.choice = 'down')"
            " from setlist_songs s left join votes v on v.setlist_song_id = s.id and not exists (select from"
            " vote_group_members m where m.show_id = v.show_id and m.user_id = v.user_id and m.is_set_aside)"
            " where s.show_id = $1"
            " group by s.id order by s.id",
            show_id,
        )
        return [list(row) for row in rows]

    async def aside_tally(self, show_id: int) -> list[list[int]]:
        """The counts of votes that are set aside: [[song, up, down], …]."""
        rows = await self.sql.fetch(
            "select id, set_aside_up_count, set_aside_down_count from setlist_songs where show_id = $1 order by id",
            show_id,
        )
        return [list(row) for row in rows]

    async def vote_group(self, show_id: int, user_ids: list[int]) -> int:
        """Inserts an open group of these users' ballots, and gives its id."""
        group: int = await self.sql.fetchval(
            "with made as (insert into vote_groups (show_id, score, reasons, ballot_count, began_at, ended_at)"
            " values ($1, 9, '[]', cardinality($2::bigint[]), now(), now()) returning id)"
            ", members as (insert into vote_group_members (show_id, user_id, group_id)"
            " select $1, u, made.id from made, unnest($2::bigint[]) u)"
            " select id from made",
            show_id, user_ids,
        )  # fmt: skip
        return group

    async def decide(self, group_id: int, decision: str) -> bool:
        """Stores a decision on a group; the log has to tell of it. Gives whether it was possible."""
        done: str = await self.sql.execute(
            "update vote_groups set decision = $2::vote_group_state, decided_at = now() where id = $1 and decision <> 'void'",
            group_id, decision,
        )  # fmt: skip
        return done == "UPDATE 1"

    async def set_decision_rows_max(self, count: int) -> None:
        """Sets how many ballots and votes a commit takes of a decision on a group."""
        await self.sql.execute(
            f"create or replace function decision_rows_max() returns integer language sql immutable return {count}"
        )

    async def audit_log(self, subject: str) -> list[tuple[str, Any]]:
        """The actions of the audit log with their details, in order; no entry may be about anything but `subject`.

        The revision of a show is left out of its details.
        """
        rows = await self.sql.fetch("select action, subject, detail - 'revision' as detail from audit_log order by id")
        assert {row["subject"] for row in rows} <= {subject}
        return [(row["action"], json.loads(row["detail"])) for row in rows]
