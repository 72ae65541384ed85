-- Shows that administrators make by hand.

-- name: fetch_names^
-- takes: artist, venue: ids
-- gives: 0..1 row: the names of both; none when one of them is missing
select a.name as artist, a.slug as artist_slug, v.name as venue, v.slug as venue_slug, v.time_zone
  from artists a, venues v
 where a.id = :artist::bigint and v.id = :venue::bigint;

-- name: lock_first_shard$
-- locks: a row of log_positions. A new show has no id yet; whoever locks all shards waits for this one
select shard from log_positions order by shard limit 1 for update;

-- name: insert_show$
-- takes: slug, artist, venue, name, local_date, time_zone, starts_at, opens_at, closes_at, votes_per_user_max, results, requires_ticket
-- gives: the id; null: the slug is taken
insert into shows (slug, artist_id, venue_id, name, local_date, time_zone, starts_at, opens_at, closes_at, votes_per_user_max,
                   results, requires_ticket)
values (:slug, :artist::bigint, :venue::bigint, :name, :local_date, :time_zone, :starts_at, :opens_at, :closes_at,
        :votes_per_user_max, :results::results_visibility, :requires_ticket)
    on conflict (slug) do nothing
returning id;

-- name: insert_first_set!
-- takes: show_id
insert into setlists (show_id, type, name) values (:show_id::bigint, 'predicted', 'Main set');

-- name: count_fans_to_mail$
-- takes: artist_ids, the acts of a new show
-- gives: the number of fans who get an email about the show: they follow an act, have confirmed their address and want these emails
select count(distinct f.user_id)
  from user_follows_artists f
  join email_preferences p on p.user_id = f.user_id
 where f.artist_id = any(:artist_ids::bigint[])
   and p.confirmed_at is not null and p.frequency <> 'never' and 'show_announced' = any(p.kinds);
