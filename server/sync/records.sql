-- Writes records to the catalogue. A statement takes a batch of rows as one JSON document. Each row has a number, and the
-- statement gives its outcome: added, changed or unchanged.

-- name: find_artists
-- takes: references text[], slugs or names
-- gives: the artists with that slug, and those whose folded name is the same; the caller compares the names
with wanted as materialized (select w as reference, fold(w) as folded from unnest(:references::text[]) w)
select r.reference, a.id, a.slug, a.name from wanted r join artists a on a.slug = r.reference
union
select r.reference, a.id, a.slug, a.name from wanted r join artists a on a.folded = r.folded
 order by id;

-- name: find_venues
-- takes: references text[], slugs or names
-- gives: the venues with that slug, and those whose folded name is the same; the caller compares the names
with wanted as materialized (select w as reference, fold(w) as folded from unnest(:references::text[]) w)
select r.reference, v.id, v.slug, v.name, v.city, v.country, v.time_zone from wanted r join venues v on v.slug = r.reference
union
select r.reference, v.id, v.slug, v.name, v.city, v.country, v.time_zone from wanted r join venues v on v.folded_name = r.folded
 order by id;

-- name: find_slugs
-- takes: table_name, artists, venues or shows; slugs text[]
-- gives: those slugs that a row of the table has
select slug from artists where :table_name::text = 'artists' and slug = any(:slugs::text[])
union all
select slug from venues where :table_name = 'venues' and slug = any(:slugs)
union all
select slug from shows where :table_name = 'shows' and slug = any(:slugs);

-- name: find_artist_id$
-- takes: slug
select id from artists where slug = :slug;

-- name: find_ids
-- takes: service, slug of an artist
-- gives: the artist's ids at that service
select i.external_id
  from artists a
  join artist_identities i on i.artist_id = a.id and i.service = :service::sync_service
 where a.slug = :slug
 order by i.external_id
 limit 5;

-- name: find_identity^
-- takes: service, external_id
-- gives: the artist with that id; no row: unknown
select a.id, a.slug
  from artist_identities i
  join artists a on a.id = i.artist_id
 where i.service = :service::sync_service and i.external_id = :external_id;

-- name: put_identities!
-- takes: artist_id; services, external_ids, urls, confidences, evidences: arrays of one length
-- locks: those rows that are there, in the order of their keys
-- An id of another artist moves to this one only when the confidence is at least as high.
insert into artist_identities as i (service, external_id, artist_id, url, confidence, evidence)
select r.service::sync_service, r.external_id, :artist_id, r.url, r.confidence, left(r.evidence, 300)
  from unnest(:services::text[], :external_ids::text[], :urls::text[], :confidences::real[], :evidences::text[])
       as r (service, external_id, url, confidence, evidence)
 order by r.service, r.external_id
    on conflict (service, external_id) do update
   set artist_id = excluded.artist_id, url = excluded.url, confidence = excluded.confidence,
       evidence = excluded.evidence, checked_at = now()
 where i.artist_id = excluded.artist_id or i.confidence <= excluded.confidence;

-- name: find_shows
-- takes: slugs text[]
select slug, id, artist_id, venue_id, local_date, starts_at, opens_at, closes_at from shows where slug = any(:slugs::text[]);

-- name: shows_of_days
-- takes: artist_ids bigint[], dates date[]
-- gives: the shows of those artists on those days
select slug, id, artist_id, venue_id, local_date, starts_at, opens_at, closes_at
  from shows
 where artist_id = any(:artist_ids::bigint[]) and local_date = any(:dates::date[])
 order by starts_at, id;

-- name: list_titles
-- takes: artist_ids bigint[]
-- gives: the titles of their songs, the oldest first
select artist_id, title from songs where artist_id = any(:artist_ids::bigint[]) order by id;

-- name: put_artists
-- takes: rows jsonb, [{number, slug, name, genre, country}]; null: unchanged
-- locks: the artists that change, and, when a name changes, the shows with them on the bill
with given as (
    select distinct on (slug) * from jsonb_to_recordset(:rows::jsonb)
        as r (number integer, slug text, name text, genre text, country text) order by slug, number desc
), changed as (
    update artists a
       set name = g.name, genre = coalesce(g.genre, a.genre), country = coalesce(g.country, a.country)
      from given g
     where a.slug = g.slug and (a.name, a.genre, a.country)
           is distinct from (g.name, coalesce(g.genre, a.genre), coalesce(g.country, a.country))
 returning a.slug
), added as (
    insert into artists (slug, name, genre, country)
    select slug, name, coalesce(genre, ''), coalesce(country, '') from given order by slug
        on conflict (slug) do nothing
    returning slug
)
select g.number, case when a.slug is not null then 'added' when c.slug is not null then 'changed' else 'unchanged' end as outcome
  from given g left join added a using (slug) left join changed c using (slug);

-- name: put_venues
-- takes: rows jsonb, [{number, slug, name, city, region, country, latitude, longitude, time_zone, capacity}]; null: unchanged
-- locks: the venues that change, and, when a name or place changes, their shows
with given as (
    select distinct on (slug) * from jsonb_to_recordset(:rows::jsonb)
        as r (number integer, slug text, name text, city text, region text, country text, latitude float8,
              longitude float8, time_zone text, capacity integer) order by slug, number desc
), changed as (
    update venues v
       set name = g.name, city = g.city, region = coalesce(g.region, v.region), country = g.country,
           latitude = g.latitude, longitude = g.longitude, time_zone = g.time_zone,
           capacity = coalesce(g.capacity, v.capacity)
      from given g
     where v.slug = g.slug
       and (v.name, v.city, v.region, v.country, v.latitude, v.longitude, v.time_zone, v.capacity)
           is distinct from (g.name, g.city, coalesce(g.region, v.region), g.country, g.latitude, g.longitude,
                             g.time_zone, coalesce(g.capacity, v.capacity))
 returning v.slug
), added as (
    insert into venues (slug, name, city, region, country, latitude, longitude, time_zone, capacity)
    select slug, name, city, coalesce(region, ''), country, latitude, longitude, time_zone, capacity
      from given order by slug
        on conflict (slug) do nothing
    returning slug
)
select g.number, case when a.slug is not null then 'added' when c.slug is not null then 'changed' else 'unchanged' end as outcome
  from given g left join added a using (slug) left join changed c using (slug);

-- name: put_songs
-- takes: rows jsonb, [{number, artist_id, title}]
with given as (
    select distinct on (artist_id, title) * from jsonb_to_recordset(:rows::jsonb)
        as r (number integer, artist_id bigint, title text) order by artist_id, title, number
), added as (
    insert into songs (artist_id, title)
    select artist_id, title from given order by number
        on conflict (artist_id, title) do nothing
    returning artist_id, title
)
select g.number, case when a.title is not null then 'added' else 'unchanged' end as outcome
  from given g left join added a using (artist_id, title);

-- name: put_shows
-- takes: rows jsonb, [{number, slug, artist_id, venue_id, name, default_name, local_date, time_zone, starts_at, opens_at, closes_at,
--        default_opens_at, votes_per_user_max, status}]; name, votes_per_user_max, status null: unchanged; opens_at, closes_at
--        null: the window of a show that is there moves with its start;
--        at, the instant since which no vote of these shows is decided, null: now
-- locks: the rows of those shows
-- Votes that were cast until now count, so voting ends no earlier than now, or than it has ended.
with given as (
    select distinct on (slug) * from jsonb_to_recordset(:rows::jsonb)
        as r (number integer, slug text, artist_id bigint, venue_id bigint, name text, default_name text, local_date date,
              time_zone text, starts_at timestamptz, opens_at timestamptz, closes_at timestamptz,
              default_opens_at timestamptz, votes_per_user_max integer, status text) order by slug, number desc
), wanted as (
    select g.*, coalesce(g.opens_at, o.opens_at + (g.starts_at - o.starts_at)) as new_opens_at,
           coalesce(g.closes_at, o.closes_at + (g.starts_at - o.starts_at)) as new_closes_at
      from given g left join shows o on o.slug = g.slug
), changed as (
    update shows s
       set artist_id = g.artist_id, venue_id = g.venue_id, name = coalesce(g.name, s.name), local_date = g.local_date,
           time_zone = g.time_zone, starts_at = g.starts_at, opens_at = g.new_opens_at,
           closes_at = greatest(g.new_closes_at, least(s.closes_at, coalesce(:at::timestamptz, clock_timestamp()))),
           votes_per_user_max = coalesce(g.votes_per_user_max, s.votes_per_user_max),
           status = coalesce(g.status::show_status, s.status)
      from wanted g
     where s.slug = g.slug
       and (s.artist_id, s.venue_id, s.name, s.local_date, s.time_zone, s.starts_at, s.opens_at, s.closes_at,
            s.votes_per_user_max, s.status)
           is distinct from (g.artist_id, g.venue_id, coalesce(g.name, s.name), g.local_date, g.time_zone, g.starts_at,
                             g.new_opens_at, greatest(g.new_closes_at, least(s.closes_at, coalesce(:at, clock_timestamp()))),
                             coalesce(g.votes_per_user_max, s.votes_per_user_max),
                             coalesce(g.status::show_status, s.status))
 returning s.slug
), added as (
    insert into shows (slug, artist_id, venue_id, name, local_date, time_zone, starts_at, status, opens_at, closes_at,
                       votes_per_user_max)
    select slug, artist_id, venue_id, coalesce(name, default_name), local_date, time_zone, starts_at,
           coalesce(status, 'upcoming')::show_status, coalesce(opens_at, default_opens_at), coalesce(closes_at, starts_at), votes_per_user_max
      from given order by slug
        on conflict (slug) do nothing
    returning slug
)
select g.number, g.slug, case when a.slug is not null then 'added' when c.slug is not null then 'changed' else 'unchanged' end as outcome
  from given g left join added a using (slug) left join changed c using (slug);

-- name: lock_shards
-- takes: slugs text[] of shows; unknown slugs are ignored
-- locks: the log_positions rows of their shards, in order
select p.shard
  from log_positions p
 where p.shard in (select s.id % (select count(*) from log_positions) from shows s where s.slug = any(:slugs::text[]))
 order by p.shard
   for update;

-- name: take_turn$
-- gives: null
-- locks: all other syncs of shows and sets until the transaction ends: they count the same songs and artists, each in an
--        order of its own
select pg_advisory_xact_lock(hashtext('mysetlist.sync'));

-- name: lock_shards_of_names
-- takes: table_name, artists or venues; rows jsonb, [{slug, name, …}] with the new values
-- locks: the log_positions rows of the shards of shows whose search words have a name that changes, in order
with renamed as (
    select b.show_id
      from jsonb_to_recordset(:rows::jsonb) as r (slug text, name text)
      join artists a on a.slug = r.slug and a.name <> r.name
      join show_artists b on b.artist_id = a.id
     where :table_name::text = 'artists'
    union all
    select s.id
      from jsonb_to_recordset(:rows::jsonb) as r (slug text, name text, city text, region text)
      join venues v on v.slug = r.slug
                   and (v.name, v.city, v.region) is distinct from (r.name, r.city, coalesce(r.region, v.region))
      join shows s on s.venue_id = v.id
     where :table_name = 'venues'
)
select p.shard
  from log_positions p
 where p.shard in (select show_id % (select count(*) from log_positions) from renamed)
 order by p.shard
   for update;

-- name: put_supports!
-- takes: slugs of shows, artist_ids of their support acts in the order of the bill: arrays of one length
-- Acts that are already on the bill keep their places.
insert into show_artists (show_id, artist_id, billing, position)
select s.id, g.artist_id, 'support',
       (select max(b.position) from show_artists b where b.show_id = s.id)
       + row_number() over (partition by s.id order by g.number)
  from unnest(:slugs::text[], :artist_ids::bigint[]) with ordinality as g (slug, artist_id, number)
  join shows s on s.slug = g.slug
 where not exists (select from show_artists b where b.show_id = s.id and b.artist_id = g.artist_id);

-- name: defer_places!
-- Lets songs swap places: the constraint that every place is unique is checked at the end of the transaction.
set constraints setlist_songs_place_key, show_artists_place_key deferred;

-- name: check_places!
-- Checks the deferred constraints now.
set constraints setlist_songs_place_key, show_artists_place_key, setlists_artist_fkey immediate;

-- name: put_sets
-- takes: show_id, type, rows jsonb, [{position, name, kind, artist_id}]
-- gives: the sets that were added or changed
-- locks: the sets that change, in the order of their positions
insert into setlists (show_id, type, name, position, kind, artist_id)
select :show_id, :type::setlist_type, r.name, r.position, r.kind::set_kind, r.artist_id
  from jsonb_to_recordset(:rows::jsonb) as r (position integer, name text, kind text, artist_id bigint)
 order by r.position
    on conflict on constraint setlists_place_key do update
   set name = excluded.name, kind = excluded.kind, artist_id = excluded.artist_id
 where (setlists.name, setlists.kind, setlists.artist_id) is distinct from (excluded.name, excluded.kind, excluded.artist_id)
returning id;

-- name: put_set_songs$
-- takes: show_id, type, rows jsonb, [{set, position, song_id, is_tape, medley, note}], all sets of that type
-- gives: the number of songs that were added, moved, changed or removed
-- locks: setlist_songs, setlists and the show, through the triggers
-- A song that moves keeps its row and its votes. A song that is missing from rows is deleted, unless it has votes: then it
-- moves to the end of its set. The n-th occurrence of a song in rows is its n-th existing row.
with given as (
    select l.id as setlist_id, r.position, r.song_id, r.is_tape, r.medley, r.note,
           row_number() over (partition by r.song_id order by r.set, r.position) as occurrence
      from jsonb_to_recordset(:rows::jsonb)
           as r (set integer, position integer, song_id bigint, is_tape boolean, medley smallint, note text)
      join setlists l on l.show_id = :show_id and l.type = :type::setlist_type and l.position = r.set
), standing as (
    select e.id, e.setlist_id, e.song_id, e.up_count + e.down_count as votes,
           row_number() over (partition by e.song_id order by l.position, e.position) as occurrence
      from setlist_songs e
      join setlists l on l.id = e.setlist_id
     where l.show_id = :show_id and l.type = :type::setlist_type
), kept as (
    update setlist_songs e
       set setlist_id = g.setlist_id, position = g.position, is_tape = g.is_tape, medley = g.medley, note = g.note
      from given g
      join standing s using (song_id, occurrence)
     where e.id = s.id
       and (e.setlist_id, e.position, e.is_tape, e.medley, e.note)
           is distinct from (g.setlist_id, g.position, g.is_tape, g.medley, g.note)
 returning 1
), pushed_back as (
    update setlist_songs e
       set position = o.position
      from (select s.id, coalesce((select max(g.position) from given g where g.setlist_id = s.setlist_id), 0)
                         + row_number() over (partition by s.setlist_id order by s.id) as position
              from standing s
             where s.votes > 0 and not exists (select from given g
                                                where g.song_id = s.song_id and g.occurrence = s.occurrence)) o
     where e.id = o.id and e.position <> o.position
 returning 1
), removed as (
    delete from setlist_songs e
     using standing s
     where e.id = s.id and s.votes = 0
       and not exists (select from given g where g.song_id = s.song_id and g.occurrence = s.occurrence)
 returning 1
), added as (
    insert into setlist_songs (setlist_id, show_id, song_id, position, is_tape, medley, note)
    select g.setlist_id, :show_id, g.song_id, g.position, g.is_tape, g.medley, g.note
      from given g
     where not exists (select from standing s where s.song_id = g.song_id and s.occurrence = g.occurrence)
     order by g.setlist_id, g.position
 returning 1
)
select (select count(*) from kept) + (select count(*) from pushed_back) + (select count(*) from removed)
       + (select count(*) from added);

-- name: delete_empty_sets!
-- takes: show_id, type; count, the new number of sets
-- locks: those rows
delete from setlists l
 where l.show_id = :show_id and l.type = :type::setlist_type and l.position > :count
   and not exists (select from setlist_songs e where e.setlist_id = l.id);

-- name: find_songs
-- takes: artist_ids bigint[], titles text[]: arrays of one length
select s.artist_id, s.title, s.id
  from unnest(:artist_ids::bigint[], :titles::text[]) as w (artist_id, title)
  join songs s on s.artist_id = w.artist_id and s.title = w.title;
