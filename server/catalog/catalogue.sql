-- Reads of the catalogue, with the rights of requests. Each query is one statement; the driver binds its named parameters.

-- name: list_shows
-- takes: after_group smallint, after_place interval, after_id bigint: the sort key of the last show of the page before;
--        -1, 0, 0: this is the first page. first_group and last_group: the first and the last group of the list that is wanted.
--        The filters: null when nobody asks for one. The search parameters (search.sql). count bigint
-- gives: 0..count rows. Live shows come first, then upcoming ones, the soonest first. Then come finished shows, then cancelled
--        ones, the latest first. Equal shows are in the order of their ids
-- plan:  PostgreSQL plans each call anew for REQUEST_ROLE, so each combination of filters has its own plan. Where few shows have the
--        artist, venue, date or word, PostgreSQL reads these shows and sorts them. Else it reads the shows in the order of the list,
--        until the page is full
select s.id, s.slug, s.name, s.status, s.local_date, s.starts_at, s.time_zone, s.opens_at, s.closes_at,
       s.is_locked, s.finalised_at is not null as is_final, s.vote_count, s.list_group,
       a.id as artist_id, a.slug as artist_slug, a.name as artist_name,
       v.id as venue_id, v.slug as venue_slug, v.name as venue_name, v.city, v.region, v.country,
       v.latitude, v.longitude, v.capacity
  from (select *, list_group(status) as list_group, list_place(status, starts_at) as list_place
          from shows
         where (list_group(status), list_place(status, starts_at), id)
               > (:after_group::smallint, :after_place::interval, :after_id::bigint)
           and list_group(status) between :first_group::smallint and :last_group::smallint
           and (:artist_id::bigint is null or artist_id = :artist_id)
           and (:venue_ids::bigint[] is null or venue_id = any(:venue_ids))
           and (:first::date is null or local_date >= :first)
           and (:last::date is null or local_date <= :last)
           and (:words::text is null or search @@ query_of(:words))
           and (:like::text is null or search_text %> :like)
           and (:similar::text[] is null or closeness(search_text, :similar) >= :closeness::float8)
         order by list_group(status), list_place(status, starts_at), id
         limit :count::bigint) s
  join artists a on a.id = s.artist_id
  join venues v on v.id = s.venue_id
 order by s.list_group, s.list_place, s.id;

-- name: show_by_reference^
-- takes: id bigint or null, slug text or null; exactly one is given
-- gives: 0..1 row
select s.id, s.slug, s.name, s.status, s.local_date, s.starts_at, s.time_zone, s.opens_at, s.closes_at,
       s.is_locked, s.finalised_at is not null as is_final, s.vote_count,
       s.votes_per_user_max, s.requires_ticket, s.ticket_source::text as ticket_source, s.attendance_count, s.position, s.revision, s.results,
       results_audience(s.results, s.finalised_at) as audience, accuracy_of(s.id)::text as accuracy,
       a.id as artist_id, a.slug as artist_slug, a.name as artist_name,
       v.id as venue_id, v.slug as venue_slug, v.name as venue_name, v.city, v.region, v.country,
       v.latitude, v.longitude, v.capacity
  from shows s
  join artists a on a.id = s.artist_id
  join venues v on v.id = s.venue_id
 where s.id = :id::bigint or s.slug = :slug::text;

-- name: bill_of_show
-- takes: show_id bigint
-- gives: the artists who play, in the order of the bill
select a.id, a.slug, a.name, b.billing
  from show_artists b
  join artists a on a.id = b.artist_id
 where b.show_id = :show_id::bigint
 order by b.position;

-- name: sources_of_show
-- takes: show_id bigint
-- gives: one page for each service: about the show, or about its artist when that service has none about the show.
--        `about` is show, artist, or prediction: the artist's page from which the show's sets were predicted
select service::text, url, about from (
    select distinct on (service) service, url, about
      from (select i.service, i.url, 'show' as about, 0 as rank, i.external_id
              from show_identities i where i.show_id = :show_id::bigint
            union all
            select i.service, i.url, case when p.service is null then 'artist' else 'prediction' end, 1, i.external_id
              from shows s
              join artist_identities i on i.artist_id = s.artist_id
              left join show_predictions p on p.show_id = s.id and p.service = i.service
             where s.id = :show_id) u
     where url <> ''
     order by service, rank, external_id) f
 order by service;

-- name: sources_of_artist
-- takes: artist_id bigint
-- gives: one page about the artist for each service
select distinct on (service) service::text, url
  from artist_identities
 where artist_id = :artist_id::bigint and url <> ''
 order by service, confidence desc, external_id;

-- name: sources_of_venue
-- takes: venue_id bigint
-- gives: one page about the venue for each service
select distinct on (service) service::text, url
  from venue_identities
 where venue_id = :venue_id::bigint and url <> ''
 order by service, confidence desc, external_id;

-- name: sources_of_song
-- takes: song_id bigint
-- gives: one recording of the song for each service
select distinct on (service) service::text, url
  from song_identities
 where song_id = :song_id::bigint and url <> ''
 order by service, external_id;

-- name: songs_of_show
-- takes: show_id bigint
-- gives: one row for each song, by set (predicted first) and position, with the artist who plays it and, for a cover, the
--        artist it belongs to; a set without songs gives one row whose id is null
select l.id as setlist_id, l.type, l.kind, l.name as setlist_name, p.id as artist_id, p.slug as artist_slug,
       p.name as artist_name, e.id, e.song_id, g.title, e.position, e.up_count, e.down_count, e.played_at, e.is_tape,
       e.medley, e.note, o.id as cover_id, o.name as cover_name
  from setlists l
  join shows s on s.id = l.show_id
  join artists p on p.id = coalesce(l.artist_id, s.artist_id)
  left join setlist_songs e on e.setlist_id = l.id
  left join songs g on g.id = e.song_id
  left join artists o on o.id = g.artist_id and o.id <> p.id
 where l.show_id = :show_id::bigint
 order by l.type, l.position, l.id, e.position;

-- name: setlists_of_show^
-- takes: show_id bigint
-- gives: 0..1 row: the revision, and the accuracy when everyone may see the counts
select revision, case when results_audience(results, finalised_at) = 0 then accuracy_of(id)::text end as accuracy
  from shows
 where id = :show_id::bigint;

-- name: status_of_show^
-- takes: show_id bigint
-- gives: 0..1 row; now_playing is the song played last, null unless the show is live; accuracy as in setlists_of_show
select s.revision, s.status, s.opens_at, s.closes_at, s.is_locked, s.finalised_at is not null as is_final, s.results,
       case when results_audience(s.results, s.finalised_at) = 0 then accuracy_of(s.id)::text end as accuracy,
       case when s.status = 'live' then (
           select e.id from setlist_songs e
            where e.show_id = s.id and e.played_at is not null
            order by e.played_at desc, e.position desc, e.id desc limit 1
       ) end as now_playing
  from shows s
 where s.id = :show_id::bigint;

-- name: list_artists
-- takes: after_slug text, empty for the first page; the search parameters (search.sql); count bigint
-- gives: 0..count rows, by slug
select id, slug, name, genre, country
  from artists
 where slug > :after_slug::text
   and (:words::text is null or search @@ query_of(:words))
   and (:like::text is null or folded %> :like)
   and (:similar::text[] is null or closeness(folded, :similar) >= :closeness::float8)
 order by slug
 limit :count::bigint;

-- name: artist_id_of_slug$
-- takes: slug text
-- gives: the artist's id, or null
select id from artists where slug = :slug::text;

-- name: artist_by_reference^
-- takes: id bigint or null, slug text or null; exactly one is given
-- gives: 0..1 row
select a.id, a.slug, a.name, a.genre, a.country, t.follower_count, t.show_count
  from artists a
  join artist_stats t on t.artist_id = a.id
 where a.id = :id::bigint or a.slug = :slug::text;

-- name: songs_of_artist
-- takes: artist_id bigint, count bigint
-- gives: 0..count rows: the songs that the artist plays most often, covers included
select g.id, g.title, s.predicted_count, s.played_count, s.last_played_on
  from artist_songs s
  join songs g on g.id = s.song_id
 where s.artist_id = :artist_id::bigint
 order by s.played_count desc, s.predicted_count desc, g.title, g.id
 limit :count::bigint;

-- name: list_venues
-- takes: after_slug text, empty for the first page; the search parameters (search.sql); count bigint
-- gives: 0..count rows, by slug
select id, slug, name, city, region, country, latitude, longitude, time_zone, capacity
  from venues
 where slug > :after_slug::text
   and (:words::text is null or search @@ query_of(:words))
   and (:like::text is null or folded %> :like)
   and (:similar::text[] is null or closeness(folded, :similar) >= :closeness::float8)
 order by slug
 limit :count::bigint;

-- name: list_venues_near
-- takes: latitude, longitude float8, radius_km float8; the sort key of the last venue before this page (after_km float8,
--        after_id bigint; -1, 0 for the first page); the search parameters (search.sql); count bigint
-- gives: 0..count rows, the nearest first
select id, slug, name, city, region, country, latitude, longitude, time_zone, capacity,
       earth_km(point, earth_point(:latitude::float8, :longitude::float8)) as distance_km
  from venues
 where latitude between :latitude - :radius_km::float8 / 111 and :latitude + :radius_km / 111 -- a degree is 111.2 km
   and earth_km(point, earth_point(:latitude, :longitude)) <= :radius_km
   and (earth_km(point, earth_point(:latitude, :longitude)), id) > (:after_km::float8, :after_id::bigint)
   and (:words::text is null or search @@ query_of(:words))
   and (:like::text is null or folded %> :like)
   and (:similar::text[] is null or closeness(folded, :similar) >= :closeness::float8)
 order by distance_km, id
 limit :count::bigint;

-- name: venues_within
-- takes: latitude, longitude float8, radius_km float8
-- gives: every venue within the radius, and its distance
select id, earth_km(point, earth_point(:latitude::float8, :longitude::float8)) as distance_km
  from venues
 where latitude between :latitude - :radius_km::float8 / 111 and :latitude + :radius_km / 111 -- a degree is 111.2 km
   and earth_km(point, earth_point(:latitude, :longitude)) <= :radius_km;

-- name: venue_id_of_slug$
-- takes: slug text
-- gives: the venue's id, or null
select id from venues where slug = :slug::text;

-- name: venue_by_reference^
-- takes: id bigint or null, slug text or null; exactly one is given
-- gives: 0..1 row; rating is null while no review is approved
select id, slug, name, city, region, country, latitude, longitude, time_zone, capacity, review_count,
       round(rating_sum::numeric / nullif(review_count, 0), 2)::float8 as rating
  from venues
 where id = :id::bigint or slug = :slug::text;

-- name: song_by_id^
-- takes: id bigint
-- gives: 0..1 row
select s.id, s.title, a.id as artist_id, a.slug as artist_slug, a.name as artist_name
  from songs s
  join artists a on a.id = s.artist_id
 where s.id = :id::bigint;

-- name: artists_of_song
-- takes: song_id bigint, count bigint
-- gives: 0..count rows: the artists who play it most often
select a.id, a.slug, a.name, s.predicted_count, s.played_count, s.last_played_on
  from artist_songs s
  join artists a on a.id = s.artist_id
 where s.song_id = :song_id::bigint
 order by s.played_count desc, s.predicted_count desc, a.id
 limit :count::bigint;

-- name: setlists_of_song
-- takes: song_id bigint, count bigint
-- gives: 0..count rows, the latest show first; up and down: null while not everyone may see the counts of the show
select l.id, l.type, l.name, e.position, e.up, e.down, e.show_id, e.show_slug, e.show_name, e.show_status, e.local_date,
       a.id as artist_id, a.slug as artist_slug, a.name as artist_name,
       v.id as venue_id, v.slug as venue_slug, v.name as venue_name, v.city
  from (select e.setlist_id, e.position, case when results_audience(w.results, w.finalised_at) = 0 then e.up_count end as up,
               case when results_audience(w.results, w.finalised_at) = 0 then e.down_count end as down,
               w.id as show_id, w.slug as show_slug, w.name as show_name, w.status as show_status, w.local_date, w.starts_at,
               w.artist_id, w.venue_id
          from setlist_songs e
          join shows w on w.id = e.show_id
         where e.song_id = :song_id::bigint
         order by w.starts_at desc, w.id desc
         limit :count::bigint) e
  join setlists l on l.id = e.setlist_id
  join artists a on a.id = e.artist_id
  join venues v on v.id = e.venue_id
 order by e.starts_at desc, e.show_id desc, l.type, l.position;

-- name: votes_of_song^
-- takes: song_id bigint
-- gives: 1 row: its votes up and down in the shows whose counts everyone may see
-- cost:  reads every place of the song in a set
select coalesce(sum(e.up_count), 0)::bigint as up, coalesce(sum(e.down_count), 0)::bigint as down
  from setlist_songs e
  join shows w on w.id = e.show_id
 where e.song_id = :song_id::bigint and e.up_count + e.down_count > 0 and results_audience(w.results, w.finalised_at) = 0;

-- name: tallies_of_show
-- takes: show_id bigint
-- gives: one row for each song, by setlist and position; rank 1 is the best score of its setlist, equal scores share a rank; the artist
--        who wrote it, and the ISRC of a recording
select l.id as setlist_id, l.type, l.name as setlist_name, e.id, e.song_id, g.title, e.position,
       e.up_count, e.down_count, e.up_count - e.down_count as score,
       rank() over (partition by l.id order by e.up_count - e.down_count desc) as rank,
       e.set_aside_up_count, e.set_aside_down_count, a.name as artist_name,
       (select i.external_id from artist_identities i where i.artist_id = a.id and i.service = 'musicbrainz'
         order by i.confidence desc, i.external_id limit 1) as artist_mbid,
       (select min(nullif(i.isrc, '')) from song_identities i where i.song_id = g.id) as isrc
  from setlists l
  join setlist_songs e on e.setlist_id = l.id
  join songs g on g.id = e.song_id
  join artists a on a.id = g.artist_id
 where l.show_id = :show_id::bigint
 order by l.type, l.position, l.id, e.position;
