-- The shows of an artist's calendar.

-- name: shows_of_artist
-- takes: artist_id; since; count
-- gives: 0..count rows: the shows with the artist on the bill that start after that, soonest first
select w.id, w.slug, w.name, w.status, w.starts_at, w.time_zone, w.revision, w.updated_at, true as is_certain,
       a.name as artist_name, v.name as venue_name, v.city, v.region, v.country, v.latitude, v.longitude
  from show_artists b
  join shows w on w.id = b.show_id
  join artists a on a.id = w.artist_id
  join venues v on v.id = w.venue_id
 where b.artist_id = :artist_id::bigint and w.starts_at > :since::timestamptz
 order by w.starts_at, w.id
 limit :count::bigint;
