"""A database full of votes, and a writer that goes on committing votes to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import asyncpg

_FULL = """
insert into users (role) select 'user' from generate_series(1, {users}) n;
insert into user_profiles (user_id, display_name) select id, 'Fan ' || id from users where id % 3 = 0;
insert into artists (slug, name) select 'artist-' || n, 'Artist ' || n from generate_series(1, {shows} / 10 + 1) n;
insert into venues (slug, name, city, country, latitude, longitude, time_zone)
select 'venue-' || n, 'Venue ' || n, 'Köln', 'DE', 50.9, 6.9, 'Europe/Berlin' from generate_series(1, {shows} / 20 + 1) n;
insert into songs (artist_id, title) select a.id, 'Song ' || n from artists a, generate_series(1, {songs} + 4) n;
insert into shows (slug, artist_id, venue_id, name, local_date, time_zone, starts_at, opens_at, closes_at)
select 'show-' || n, 1 + n % ({shows} / 10 + 1), 1 + n % ({shows} / 20 + 1), 'Show ' || n, current_date + n % 100 - 50,
       'Europe/Berlin', now() + interval '1 day', now() - interval '30 days', now() + interval '1 day'
  from generate_series(1, {shows}) n;
insert into setlists (show_id, type, name)
select w.id, t.type, 'Main set' from shows w, unnest(array['predicted', 'actual']::setlist_type[]) as t (type)
 where t.type = 'predicted' or w.id % 4 = 0;
insert into setlist_songs (setlist_id, show_id, song_id, position)
select l.id, w.id, g.id, g.place
  from setlists l
  join shows w on w.id = l.show_id
  join (select id, artist_id, row_number() over (partition by artist_id order by id) as place from songs) g
    on g.artist_id = w.artist_id and g.place <= {songs};
alter table votes disable trigger user;
insert into votes (setlist_song_id, user_id, show_id, choice, cast_at)
select s.id, 1 + (s.id * 7919 + n * 104729) % {users}, s.show_id, (array['up', 'up', 'down']::vote_choice[])[1 + (s.id + n) % 3],
       now() - make_interval(mins => (n * 13 % 20000)::int)
  from setlist_songs s, generate_series(1, {votes_a_song}) n
    on conflict do nothing;
alter table votes enable trigger user;
insert into vote_analytics (show_id, setlist_song_id, user_id, choice, cast_at)
select show_id, setlist_song_id, user_id, choice, cast_at from votes;
insert into user_vote_limits (user_id, day, spent)
select user_id, max(cast_at)::date, count(*) from votes group by 1;
insert into vote_rollups (show_id, hour, up_count, down_count)
select show_id, date_trunc('hour', cast_at, 'UTC'), count(*) filter (where choice = 'up'), count(*) filter (where choice = 'down')
  from votes group by 1, 2;
update setlist_songs s set up_count = v.up, down_count = v.down
  from (select setlist_song_id, count(*) filter (where choice = 'up') as up, count(*) filter (where choice = 'down') as down
          from votes group by 1) v where v.setlist_song_id = s.id;
update setlists l set vote_count = (select sum(up_count + down_count) from setlist_songs where setlist_id = l.id);
update shows w set vote_count = (select sum(vote_count) from setlists where show_id = w.id);
"""


async def fill(url: str, *, shows: int = 20, songs: int = 8, users: int = 300, votes_a_song: int = 10) -> None:
    """Fills a migrated database with shows, people, votes and their history."""
    connection = await asyncpg.connect(url, command_timeout=600)
    try:
        await connection.execute(_FULL.format(shows=shows, songs=songs, users=users, votes_a_song=votes_a_song))
        await connection.execute("analyze")
    finally:
        await connection.close()


class Voting:
    """A writer: one commit after another, each at a position of its own."""

    def __init__(self, connection: Any, songs: list[Any], users: int) -> None:
        self._connection = connection
        self._songs = songs
        self._users = users
        self._random = Random(1)
        self._is_over = False
        self.votes: dict[tuple[int, int], str | None] = {}  # committed: (song, user) -> choice
        self.commit_count = 0
        self.retry_count = 0
        self.longest_s = 0.0

    @classmethod
    @asynccontextmanager
    async def going_on(cls, url: str) -> AsyncIterator[Voting]:
        """Votes until the block ends."""
        connection = await asyncpg.connect(url, server_settings={"lock_timeout": "5s", "statement_timeout": "15s"})
        songs = await connection.fetch("select id, show_id from setlist_songs")
        voting = cls(connection, songs, await connection.fetchval("select count(*) from users"))
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(voting._go_on(), name="voting")
                yield voting
                voting._is_over = True
        finally:
            await connection.close()

    async def committed(self, count: int) -> None:
        """Returns once so many more transactions are through."""
        until = self.commit_count + count
        while self.commit_count < until:
            await asyncio.sleep(0.005)

    async def _go_on(self) -> None:
        connection = self._connection
        while not self._is_over:
            songs = self._random.sample(self._songs, 20)
            votes = {
                (song["id"], 1 + self._random.randrange(self._users)): (
                    song["show_id"],
                    self._random.choice(["up", "down", None]),
                )
                for song in songs
            }
            keys = sorted(votes)
            began_s = time.monotonic()
            while True:
                position = await connection.fetchval("select position from log_positions where shard = 0")
                try:
                    gives = await connection.fetchval(
                        "select commit_votes('{0}', array[$1::bigint], array[$1::bigint + 1], '{1}', $2, $3, $4,"
                        " $5::text[]::vote_choice[], $6, '{}', '{}', '{}')",
                        position, [song for song, _ in keys], [user for _, user in keys], [votes[key][0] for key in keys],
                        [votes[key][1] for key in keys], [int(time.time() * 1000)] * len(keys),
                    )  # fmt: skip
                except (asyncpg.UndefinedColumnError, asyncpg.UndefinedFunctionError, asyncpg.InternalServerError):
                    # The writer does the same. A commit that waited while a migration replaced its function fails once.
                    continue
                except (asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError):
                    # The writer does the same.
                    self.retry_count += 1
                    continue
                # Older versions of the function give the count alone.
                changed = gives[0] if isinstance(gives, tuple) else gives
                assert changed >= 0
                break
            self.longest_s = max(self.longest_s, time.monotonic() - began_s)
            self.commit_count += 1
            self.votes |= {key: votes[key][1] for key in keys}
