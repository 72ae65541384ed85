"""The rows that all paths want, and the tables that they lie in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

# Two of everything. Each first row is written again, so that it lies behind the second one in the table, and a scan
# finds the rows in another order than a primary key does; the second show begins and closes first.
WORLD = """
insert into artists (slug, name) values ('a1', 'Artist 1'), ('a2', 'Artist 2');
insert into venues (slug, name, city, country, latitude, longitude, time_zone)
values ('v1', 'Venue 1', 'Köln', 'DE', 51, 7, 'Europe/Berlin'), ('v2', 'Venue 2', 'Köln', 'DE', 51, 7, 'Europe/Berlin');
insert into songs (artist_id, title) select 1, 'Song ' || n from generate_series(1, 5) n;
insert into shows (slug, artist_id, venue_id, name, local_date, time_zone, starts_at, opens_at, closes_at, origin)
select 's' || n, n, n, 'Show ' || n, current_date, 'Europe/Berlin', now() - interval '1 hour' * n, now() - interval '9 days',
       now() - interval '1 minute' * n, 'ticketmaster'
  from generate_series(1, 2) n;
insert into show_artists (show_id, artist_id, billing, position) values (1, 2, 'support', 2), (2, 1, 'support', 2);
insert into setlists (show_id, type, name, artist_id) select w, t, 'Main', 1
  from generate_series(1, 2) w, unnest(array['predicted', 'actual']::setlist_type[]) t order by t, w;
insert into setlist_songs (setlist_id, show_id, song_id, position)
select l.id, l.show_id, n, n from setlists l, generate_series(1, 2) n;
insert into users (role) values ('moderator'), ('moderator');
insert into user_profiles (user_id, display_name) values (1, 'One'), (2, 'Two');
insert into votes (setlist_song_id, user_id, show_id, choice, cast_at)
select e.id, u, e.show_id, 'up', date_trunc('hour', now()) - interval '2 days'
  from setlist_songs e join setlists l on l.id = e.setlist_id, generate_series(1, 2) u where l.type = 'predicted';
insert into vote_rollups (show_id, hour, up_count)
select show_id, date_trunc('hour', cast_at), count(*) from votes group by 1, 2;
insert into user_vote_limits (user_id, day, spent) values (1, '2026-01-01', 1), (2, '2026-01-01', 1);
insert into cast_orders (user_id, show_id, cast_order) select u.id, w.id, 1 from users u, shows w where u.id < 3;
insert into vote_groups (show_id, score, reasons, ballot_count, began_at, ended_at, decision, decided_at)
select w, 9, '[]', 2, now(), now(), 'set_aside', now() from generate_series(1, 2) w;
insert into vote_group_members (show_id, user_id, group_id) select w, u, w from generate_series(1, 2) w, generate_series(1, 2) u;
insert into user_show_attendance (user_id, show_id) select u, w from generate_series(1, 2) u, generate_series(1, 2) w;
insert into user_follows_artists (user_id, artist_id) select u, a from generate_series(1, 2) u, generate_series(1, 2) a;
insert into picks (show_id, user_id, song_ids, picked_at) select w, u, '{1}', now() from generate_series(1, 2) w, generate_series(1, 2) u;
insert into picked_shows select w, 1 from generate_series(1, 2) w;
insert into ledger_logs select w, 0, 1, sha256('x'), true, '', now() from generate_series(2, 1, -1) w;
insert into standings select b::board_kind, w, u, 9, 1, u, u from unnest(array['show', 'artist']) b, generate_series(1, 2) w, generate_series(1, 2) u;
insert into crews (code, name) values ('000000000000000a', 'A'), ('000000000000000b', 'B');
insert into crew_members (crew_id, user_id) values (1, 1), (2, 2);
insert into song_suggestions (show_id, user_id, title) select w, u, 'Song 4' from generate_series(1, 2) w, generate_series(1, 2) u;
insert into venue_reviews (venue_id, user_id, rating, status) select v, u, 3, 'approved' from generate_series(1, 2) v, generate_series(1, 2) u;
insert into reports (reporter_id, review_id, reason) select 1 + r % 2, r, 'rude' from generate_series(1, 4) r;
insert into content_moderation (profile_id) values (1), (2);
insert into user_bans (user_id, kind, reason, banned_by) values (1, 'write', 'rude', 2), (2, 'write', 'rude', 1);
insert into email_preferences (user_id, address, confirmed_at) values (1, 'a@b', now()), (2, 'c@d', now());
insert into email_queue (user_id, kind, about, status, not_before)
select u, 'show_result', 'show:' || w, 'sending', '2030-01-01' from generate_series(1, 2) u, generate_series(1, 2) w;
insert into removed_songs (id, show_id, setlist_id, song_id, is_tape, note, vote_count)
select 1000 + w, w, (select min(id) from setlists where show_id = w and type = 'predicted'), 5, false, '', 2 from generate_series(1, 2) w;
insert into removed_votes (setlist_song_id, user_id, choice, cast_at)
select 1000 + w, u, 'up', date_trunc('hour', now()) - interval '2 days' from generate_series(1, 2) w, generate_series(1, 2) u;
update shows set ticket_source = 'work' where id = 2;
insert into ticket_codes (show_id, code_hash) select w, sha256('ticket') from generate_series(1, 2) w;
insert into show_identities (service, external_id, show_id, confidence, evidence, songs, checked_at)
select 'setlistfm', 'x' || w, w, 1, 'listed there', songs_in_order(w, 'actual'), now() - interval '99 days' from generate_series(1, 2) w;
select score_show(w) from generate_series(1, 2) w;
insert into open_shows (show_id) values (2), (1);
insert into webhooks (url, events, secret) values ('https://a/', '{show.final}', sha256('x')), ('https://b/', '{song.played}', sha256('x'));
insert into webhook_events (type, show_id, data, is_queued) select 'show.closed', n, '{}', true from generate_series(1, 2) n;
insert into webhook_deliveries (webhook_id, event_id, state, queued_at, not_before)
select w, e, 'sending', now(), '2030-01-01' from generate_series(2, 1, -1) w, generate_series(1, 2) e;
insert into webpush_devices (user_id, endpoint, public_key, auth_secret, kinds, time_zone)
select 1 + n % 2, 'https://p/' || n, sha512('x') || '\\x00', substr(sha256('x'), 1, 16), '{song_on}', 'UTC' from generate_series(4, 1, -1) n;
insert into webpush_notices (user_id, kind, show_id, made_at, expires_at) select u, 'song_on', 1, now(), now() from generate_series(1, 2) u;
insert into webpush_deliveries (notice_id, device_id, not_before)
select n.id, d.id, '2030-01-01' from webpush_notices n join webpush_devices d on d.user_id = n.user_id order by n.id desc, d.id;
update log_positions set position = 1000;
update artists set updated_at = now() where id = 1;
update venues set updated_at = now() where id = 1;
update shows set updated_at = now() where id = 1;
update setlists set updated_at = now() where show_id = 1;
update setlist_songs set note = 'again' where show_id = 1;
update artist_stats set heat = heat where artist_id = 1;
update users set updated_at = now() where id = 1;
select update_trending_scores();
update show_trending set heat = heat where show_id = 1;
insert into artists_to_rank (artist_id) values (2), (1);
update vote_groups set score = 8 where id = 1;
update vote_group_members set group_id = 1 where show_id = 1;
update vote_rollups set up_count = up_count where show_id = 1;
update venue_reviews set updated_at = now() where user_id = 1;
-- A third show was over long ago; only its group is wanted.
insert into shows (slug, artist_id, venue_id, name, local_date, time_zone, starts_at, opens_at, closes_at, finalised_at, status)
values ('s3', 1, 1, 'Show 3', '2020-01-01', 'Europe/Berlin', '2020-01-01', '2020-01-01', '2020-01-02', '2020-01-03', 'finished');
insert into vote_groups (show_id, score, reasons, ballot_count, began_at, ended_at) values (3, 9, '[]', 2, now(), now());
insert into vote_group_members (show_id, user_id, group_id) values (3, 2, 3), (3, 1, 3);
-- Counts that are wrong, so that there is something to repair.
update setlist_songs e set up_count = e.up_count + 10 from setlists l where l.id = e.setlist_id and l.type = 'predicted';
update setlists set vote_count = vote_count + 100;
update shows set vote_count = vote_count + 100, attendance_count = attendance_count + 100;
update artist_stats set follower_count = follower_count + 100, show_count = show_count + 100;
update venues set review_count = review_count + 100, rating_sum = rating_sum + 1000;
"""

# The tables with rows that several kinds of transactions lock.
TABLES = (
    "log_positions", "artists", "show_artists", "shows", "setlists", "setlist_songs", "votes", "vote_rollups",
    "user_vote_limits", "cast_orders", "vote_groups", "vote_group_members", "user_show_attendance", "user_follows_artists", "song_suggestions", "ticket_codes",
    "artist_songs", "show_accuracy", "voter_accuracy", "picks", "picked_shows", "standings", "crew_members", "crews", "show_identities", "show_trending", "artist_stats",
    "venue_reviews", "user_profiles", "content_moderation", "reports", "venues", "email_preferences", "email_queue",
    "user_bans", "users", "open_shows", "activity_clock", "webhooks", "webhook_deliveries",
    "ledger_notes", "ledger_logs", "ledger_secrets", "webpush_devices", "webpush_deliveries",
)  # fmt: skip

Transaction = Callable[[Any], Awaitable[None]]


async def build(url: str) -> None:
    """Fills an empty database with the rows that the paths want."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(WORLD)
    finally:
        await connection.close()


async def all_rows(rows: Any) -> list[Any]:
    """What a query gives."""
    return [row async for row in rows]
