-- What the catalogue asks PostgreSQL. One query, one statement; named parameters, bound by the driver.

-- name: list_shows
-- takes: filters (null or empty: no filter), patterns text[] (ILIKE, all must match), the place after which to go
--        on (after_group null: from the top), count bigint
-- gives: 0..count rows: live, then upcoming, soonest first; then finished, then cancelled, latest first; by id at last
-- cost:  each of the four walks its shows in order of start and ends with the page; words that occur nowhere read
--        every show (0.5 s at 200,000 shows on 2 cores)
with matching as not materialized (
    select s.id, s.slug, s.name, s.status, s.local_date, s.starts_at, s.time_zone, s.opens_at, s.closes_at,
           s.is_locked, s.finalised_at is not null as is_final, s.vote_count,
           a.id as artist_id, a.slug as artist_slug, a.name as artist_name,
           v.id as venue_id, v.slug as venue_slug, v.name as venue_name, v.city, v.region, v.country,
           v.latitude, v.longitude, v.capacity
      from shows s
      join artists a on a.id = s.artist_id
      join venues v on v.id = s.venue_id
     where (:status::text is null or s.status = :status::text::show_status)
       and (:artist_id::bigint is null or s.artist_id = :artist_id)
       and (:artist_slug::text is null or a.slug = :artist_slug)
       and (:venue_id::bigint is null or s.venue_id = :venue_id)
       and (:venue_slug::text is null or v.slug = :venue_slug)
       and (:first::date is null or s.local_date >= :first)
       and (:last::date is null or s.local_date <= :last)
       and concat_ws(' ', s.name, a.name, v.name, v.city) ilike all (:patterns::text[])
       and (:latitude::float8 is null or 2 * 6371.0088 * asin(least(1.0, sqrt(
               sind((v.latitude - :latitude) / 2) ^ 2
               + cosd(:latitude) * cosd(v.latitude) * sind((v.longitude - :longitude::float8) / 2) ^ 2)))
            <= :radius_km::float8)
       and (not :is_unfinished_only::boolean or s.status in ('upcoming', 'live'))
), live as (
    select 0 as list_group, m.* from matching m
     where m.status = 'live'
       and (:after_group::int is null or (:after_group = 0 and (m.starts_at, m.id) > (:after_starts_at::timestamptz, :after_id::bigint)))
     order by m.starts_at, m.id limit :count::bigint
), upcoming as (
    select 1 as list_group, m.* from matching m
     where m.status = 'upcoming'
       and (:after_group is null or :after_group < 1 or (:after_group = 1 and (m.starts_at, m.id) > (:after_starts_at, :after_id)))
     order by m.starts_at, m.id limit :count
), finished as (
    select 2 as list_group, m.* from matching m
     where m.status = 'finished'
       and (:after_group is null or :after_group < 2 or (:after_group = 2 and (m.starts_at, m.id) < (:after_starts_at, :after_id)))
     order by m.starts_at desc, m.id desc limit :count
), cancelled as (
    select 3 as list_group, m.* from matching m
     where m.status = 'cancelled'
       and (:after_group is null or :after_group < 3 or (m.starts_at, m.id) < (:after_starts_at, :after_id))
     order by m.starts_at desc, m.id desc limit :count
), page as (
    select * from live union all select * from upcoming union all select * from finished union all select * from cancelled
)
select * from page
 order by list_group,
          case when list_group < 2 then starts_at end, case when list_group < 2 then id end,
          starts_at desc, id desc
 limit :count;

-- name: show_by_reference^
-- takes: id bigint or null, slug text or null; exactly one is given
-- gives: 0..1 row
select s.id, s.slug, s.name, s.status, s.local_date, s.starts_at, s.time_zone, s.opens_at, s.closes_at,
       s.is_locked, s.finalised_at is not null as is_final, s.vote_count,
       s.votes_per_user_max, s.position, s.revision,
       a.id as artist_id, a.slug as artist_slug, a.name as artist_name,
       v.id as venue_id, v.slug as venue_slug, v.name as venue_name, v.city, v.region, v.country,
       v.latitude, v.longitude, v.capacity
  from shows s
  join artists a on a.id = s.artist_id
  join venues v on v.id = s.venue_id
 where s.id = :id::bigint or s.slug = :slug::text;

-- name: songs_of_show
-- takes: show_id bigint
-- gives: one row a song, in the order of setlists (predicted first) and places; a setlist without songs gives one
--        row whose id is null
select l.id as setlist_id, l.type, l.name as setlist_name, e.id, e.song_id, g.title, e.position,
       e.up_count, e.down_count, e.played_at
  from setlists l
  left join setlist_songs e on e.setlist_id = l.id
  left join songs g on g.id = e.song_id
 where l.show_id = :show_id::bigint
 order by l.type, l.position, l.id, e.position;

-- name: show_revision$
-- takes: show_id bigint
-- gives: its revision, or null: no such show
select revision from shows where id = :show_id::bigint;

-- name: status_of_show^
-- takes: show_id bigint
-- gives: 0..1 row; now_playing is the song played last, and null unless the show is live
select s.revision, s.status, s.opens_at, s.closes_at, s.is_locked, s.finalised_at is not null as is_final,
       case when s.status = 'live' then (
           select e.id from setlist_songs e
            where e.show_id = s.id and e.played_at is not null
            order by e.played_at desc, e.position desc, e.id desc limit 1
       ) end as now_playing
  from shows s
 where s.id = :show_id::bigint;

-- name: list_artists
-- takes: patterns text[], after_slug text or null, count bigint
-- gives: 0..count rows, by slug
select id, slug, name, genre, country
  from artists
 where (:after_slug::text is null or slug > :after_slug)
   and name ilike all (:patterns::text[])
 order by slug
 limit :count::bigint;

-- name: artist_by_reference^
-- takes: id bigint or null, slug text or null; exactly one is given
-- gives: 0..1 row
select id, slug, name, genre, country from artists where id = :id::bigint or slug = :slug::text;

-- name: list_venues
-- takes: patterns text[], after_slug text or null, count bigint
-- gives: 0..count rows, by slug
select id, slug, name, city, region, country, latitude, longitude, time_zone, capacity
  from venues
 where (:after_slug::text is null or slug > :after_slug)
   and concat_ws(' ', name, city, region) ilike all (:patterns::text[])
 order by slug
 limit :count::bigint;

-- name: venue_by_reference^
-- takes: id bigint or null, slug text or null; exactly one is given
-- gives: 0..1 row
select id, slug, name, city, region, country, latitude, longitude, time_zone, capacity
  from venues
 where id = :id::bigint or slug = :slug::text;

-- name: advance_shows
-- takes: instant timestamptz, the time it is
-- gives: the shows that moved; a show whose end has passed too goes from upcoming to finished in one step
-- locks: the rows of those shows
-- A show ends four hours after it starts, or when its voting closes, whichever is later.
update shows
   set status = case when greatest(starts_at + interval '4 hours', closes_at) <= :instant::timestamptz
                     then 'finished'::show_status else 'live'::show_status end
 where (status = 'upcoming' and starts_at <= :instant)
    or (status = 'live' and greatest(starts_at + interval '4 hours', closes_at) <= :instant)
returning id, status;

-- name: tallies_of_show
-- takes: show_id bigint
-- gives: one row a song in the order of setlists and places; rank 1 is the best score of its setlist, equals share it
select l.id as setlist_id, l.type, l.name as setlist_name, e.id, e.song_id, g.title, e.position,
       e.up_count, e.down_count, e.up_count - e.down_count as score,
       rank() over (partition by l.id order by e.up_count - e.down_count desc) as rank
  from setlists l
  join setlist_songs e on e.setlist_id = l.id
  join songs g on g.id = e.song_id
 where l.show_id = :show_id::bigint
 order by l.type, l.position, l.id, e.position;
