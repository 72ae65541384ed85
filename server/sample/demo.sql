-- Queries that only the demo uses; inserts.sql holds those that a large catalogue uses too.

-- name: catalogue_share^
-- takes: slugs of the sample artists
-- gives: how many artists there are, and how many of them are not sample artists
select count(*) as artist_count, count(*) filter (where slug <> all (:slugs::text[])) as foreign_count from artists;

-- name: lock_seeding$
-- gives: null
-- locks: seeding, until the transaction ends, so that two nodes that start at once seed once. It waits as long as a statement
--        may take, because on a slow machine a seed takes longer than the lock_timeout of the other queries.
select pg_advisory_xact_lock(hashtext('mysetlist.seeding')) from (select set_config('lock_timeout', '0', true)) patience;

-- name: demo_state^
-- takes: instant timestamptz, the current time
-- gives: 1 row: the number of shows, of live shows with open voting, and of upcoming shows with open voting. The clock, not the
--        status, decides which shows are live or upcoming: while no node runs, none advances the status.
select count(*) as show_count,
       count(*) filter (where is_open and starts_at <= :instant::timestamptz) as live_count,
       count(*) filter (where is_open and starts_at > :instant) as upcoming_count
  from (select starts_at,
               status in ('upcoming', 'live') and not is_locked and finalised_at is null
               and opens_at <= :instant and :instant < closes_at as is_open
          from shows) s;

-- name: booked_nights
-- takes: first date, last date
-- gives: the artists who play on those nights, supports included, with their venues
select a.slug as artist, v.slug as venue, s.local_date
  from shows s
  join show_artists b on b.show_id = s.id
  join artists a on a.id = b.artist_id
  join venues v on v.id = s.venue_id
 where s.local_date between :first::date and :last::date;

-- name: lock_artist_stats!
-- takes: slugs text[], of artists who get more shows and followers
-- locks: imports, syncs and merges, until the transaction ends; then the artist_stats of these artists, by id, all at once. Inserting
--        shows and then follows would lock them in two rounds, and a refresh of all artists in between would cause a deadlock.
with turn as materialized (select pg_advisory_xact_lock(hashtext('mysetlist.sync')))
select from artist_stats
 where (select count(*) from turn) = 1 and artist_id in (select id from artists where slug = any(:slugs::text[]))
 order by artist_id
   for update;
