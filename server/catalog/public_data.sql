-- The data that `mysetlist dump-public` writes, in pages, with the rights of a request of nobody. A name that a provider gave is left
-- out: its terms do not let us pass it on. `limit 1` in a lateral query has it look by key for each row of the page: joined, it would
-- read a whole table for each page.

-- name: artists
-- takes: after_id; count
-- gives: 0..count rows, by id. The name is null when only a provider's terms would let us use it: MusicBrainz gives names to everybody
select a.id, a.slug,
       case when m.mbid is not null or not exists (select from artist_identities i where i.artist_id = a.id) then a.name end as name,
       m.mbid as musicbrainz_id
  from artists a
  left join lateral (select i.external_id as mbid from artist_identities i where i.artist_id = a.id and i.service = 'musicbrainz'
                      order by i.confidence desc, i.external_id limit 1) m on true
 where a.id > :after_id::bigint
 order by a.id
 limit :count::bigint;

-- name: venues
-- takes: after_id; count
-- gives: 0..count rows, by id; of a venue that a provider listed, the id alone
select id, case when origin is null then slug end as slug, case when origin is null then name end as name,
       case when origin is null then city end as city, case when origin is null then country end as country
  from venues
 where id > :after_id::bigint
 order by id
 limit :count::bigint;

-- name: songs
-- takes: after_id; count
-- gives: 0..count rows, by id. The title is null when the song is only in sets that a provider gave
select g.id, g.artist_id, case when o.is_ours then g.title end as title
  from songs g
  left join lateral (select true as is_ours
                       from setlist_songs e
                       join lateral (select origin from shows s where s.id = e.show_id limit 1) w on w.origin is null
                       left join lateral (select true as is_given from show_predictions p where p.show_id = e.show_id limit 1) p on true
                       left join lateral (select true as is_given from show_identities i
                                           where i.show_id = e.show_id and i.songs is not null limit 1) i on true
                      where e.song_id = g.id and p.is_given is null and i.is_given is null
                      limit 1) o on true
 where g.id > :after_id::bigint
 order by g.id
 limit :count::bigint;

-- name: shows
-- takes: after_id; count
-- gives: 0..count rows, by id; of a show that a provider listed, no name, venue and time
select w.id, case when w.origin is null then w.slug end as slug, w.artist_id,
       case when w.origin is null then w.venue_id end as venue_id, case when w.origin is null then w.name end as name,
       case when w.origin is null then w.local_date end as local_date, case when w.origin is null then w.starts_at end as starts_at,
       w.status::text as status, w.opens_at, w.closes_at, w.finalised_at, w.vote_count, w.attendance_count
  from shows w
 where w.id > :after_id::bigint
 order by w.id
 limit :count::bigint;

-- name: counts
-- takes: after_id; count
-- gives: 0..count rows, by id: the songs of predicted sets with their counts, of shows whose counts everyone may see
select e.id, e.show_id, e.song_id, e.position, e.up_count as up, e.down_count as down
  from setlist_songs e
  join setlists l on l.id = e.setlist_id
  join shows w on w.id = e.show_id
 where e.id > :after_id::bigint and l.type = 'predicted' and results_audience(w.results, w.finalised_at) = 0
 order by e.id
 limit :count::bigint;

-- name: played
-- takes: after_id; count
-- gives: 0..count rows, by id: the songs of played sets that no provider gave
select e.id, e.show_id, e.song_id, e.position, e.played_at, e.is_tape
  from setlist_songs e
  join setlists l on l.id = e.setlist_id
  left join lateral (select true as is_given from show_identities i
                      where i.show_id = e.show_id and i.songs is not null limit 1) i on true
 where e.id > :after_id::bigint and l.type = 'actual' and i.is_given is null
 order by e.id
 limit :count::bigint;

-- name: hours
-- takes: after_id; after_hour; count
-- gives: 0..count rows, by show and hour: the votes cast in an hour, of shows whose counts everyone may see
select r.show_id, r.hour, r.up_count as up, r.down_count as down, r.withdrawn_count as withdrawn
  from vote_rollups r
  join lateral (select results_audience(s.results, s.finalised_at) as audience from shows s where s.id = r.show_id limit 1) w
    on w.audience = 0
 where (r.show_id, r.hour) > (:after_id::bigint, :after_hour::timestamptz)
 order by r.show_id, r.hour
 limit :count::bigint;
