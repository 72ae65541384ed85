-- How sample data is written. Rows come as one JSON document or as arrays: one statement each, whatever their number.

-- name: lock_seeding$
-- takes: nothing
-- gives: null
-- locks: seeding, until the end of the transaction: two nodes that start at once seed once
select pg_advisory_xact_lock(hashtext('mysetlist.seeding'));

-- name: demo_state^
-- takes: instant timestamptz, the time it is
-- gives: how many shows there are; how many are on with open voting; how many are to come with open voting.
--        By the clock and not by status: while no node ran, nobody moved the shows along.
select count(*) as show_count,
       count(*) filter (where is_open and starts_at <= :instant::timestamptz) as live_count,
       count(*) filter (where is_open and starts_at > :instant) as upcoming_count
  from (select starts_at,
               status in ('upcoming', 'live') and not is_locked and finalised_at is null
               and opens_at <= :instant and :instant < closes_at as is_open
          from shows) s;

-- name: booked_nights
-- takes: first date, last date
-- gives: who plays where on those nights
select a.slug as artist, v.slug as venue, s.local_date
  from shows s
  join artists a on a.id = s.artist_id
  join venues v on v.id = s.venue_id
 where s.local_date between :first::date and :last::date;

-- name: make_history_months$
-- takes: first date, last date
-- gives: how many partitions of the history were made
-- locks: vote_analytics, for a moment
select ensure_vote_analytics_partitions(:first::date, :last::date);

-- name: insert_artists
-- takes: rows jsonb, [{slug, name, genre, country}]
-- gives: the new ones; those that stand are left as they are
insert into artists (slug, name, genre, country)
select r.slug, r.name, r.genre, r.country
  from jsonb_to_recordset(:rows::jsonb) as r (slug text, name text, genre text, country text)
    on conflict on constraint artists_slug_key do nothing
returning id;

-- name: insert_venues
-- takes: rows jsonb, [{slug, name, city, region, country, latitude, longitude, time_zone, capacity}]
-- gives: the new ones; those that stand are left as they are
insert into venues (slug, name, city, region, country, latitude, longitude, time_zone, capacity)
select r.slug, r.name, r.city, r.region, r.country, r.latitude, r.longitude, r.time_zone, r.capacity
  from jsonb_to_recordset(:rows::jsonb) as r (slug text, name text, city text, region text, country text,
       latitude float8, longitude float8, time_zone text, capacity integer)
    on conflict on constraint venues_slug_key do nothing
returning id;

-- name: insert_songs
-- takes: rows jsonb, [{slug, songs: [title]}], slug an artist
-- gives: the new ones; those that stand are left as they are
insert into songs (artist_id, title)
select a.id, t.title
  from jsonb_to_recordset(:rows::jsonb) as r (slug text, songs jsonb)
  join artists a on a.slug = r.slug
 cross join jsonb_array_elements_text(r.songs) with ordinality as t (title, place)
 order by a.id, t.place
    on conflict on constraint songs_artist_title_key do nothing
returning id;

-- name: insert_voters
-- takes: count bigint, joined_at timestamptz
-- gives: that many new users who have never voted
insert into users (created_at, updated_at)
select :joined_at::timestamptz, :joined_at
  from generate_series(1, :count::bigint) n
returning id;

-- name: insert_shows
-- takes: rows jsonb, planned shows; their artists and venues by slug
-- gives: one row a new show
insert into shows (slug, artist_id, venue_id, name, local_date, time_zone, starts_at, status, opens_at, closes_at,
                   is_locked, finalised_at, votes_per_user_max)
select r.slug, a.id, v.id, r.name, r.local_date, r.time_zone, r.starts_at, r.status::show_status, r.opens_at,
       r.closes_at, r.is_locked, r.finalised_at, r.votes_per_user_max
  from jsonb_to_recordset(:rows::jsonb) as r (slug text, artist text, venue text, name text, local_date date,
       time_zone text, starts_at timestamptz, status text, opens_at timestamptz, closes_at timestamptz,
       is_locked boolean, finalised_at timestamptz, votes_per_user_max integer)
  join artists a on a.slug = r.artist
  join venues v on v.slug = r.venue
 order by r.starts_at, r.slug
returning id, slug;

-- name: insert_setlists
-- takes: rows jsonb, [{show_id, type, name}]
-- gives: one row a setlist
insert into setlists (show_id, type, name)
select r.show_id, r.type::setlist_type, r.name
  from jsonb_to_recordset(:rows::jsonb) as r (show_id bigint, type text, name text)
 order by r.show_id, r.type
returning id, show_id, type;

-- name: insert_setlist_songs
-- takes: rows jsonb, [{setlist_id, show_id, position, title, played_at}]; titles are of the artist of the show
-- gives: one row a song
insert into setlist_songs (setlist_id, show_id, song_id, position, played_at)
select r.setlist_id, r.show_id, g.id, r.position, r.played_at
  from jsonb_to_recordset(:rows::jsonb) as r (setlist_id bigint, show_id bigint, position integer, title text,
       played_at timestamptz)
  join shows s on s.id = r.show_id
  join songs g on g.artist_id = s.artist_id and g.title = r.title
 order by r.setlist_id, r.position
returning id, setlist_id, position;

-- name: insert_first_votes$
-- takes: one array a column, all of one length: song_ids, user_ids, show_ids bigint[], is_up boolean[], cast_at
--        timestamptz[]; none of these users had voted for these songs
-- gives: how many votes there are now more
-- locks: setlist_songs, setlists and shows of these votes, through the counting trigger
-- Vote, history and hourly count in one statement, so that none is ever without the others.
with voted as (
    insert into votes (setlist_song_id, user_id, show_id, choice, cast_at)
    select c.song_id, c.user_id, c.show_id, case when c.is_up then 'up'::vote_choice else 'down'::vote_choice end, c.cast_at
      from unnest(:song_ids::bigint[], :user_ids::bigint[], :show_ids::bigint[], :is_up::boolean[],
                  :cast_at::timestamptz[]) as c (song_id, user_id, show_id, is_up, cast_at)
    returning setlist_song_id, user_id, show_id, choice, cast_at
), history as (
    insert into vote_analytics (show_id, setlist_song_id, user_id, previous, choice, cast_at)
    select show_id, setlist_song_id, user_id, null, choice, cast_at from voted order by cast_at
), hours as (
    insert into vote_rollups (show_id, hour, up_count, down_count)
    select show_id, date_trunc('hour', cast_at, 'UTC'),
           count(*) filter (where choice = 'up'), count(*) filter (where choice = 'down')
      from voted
     group by 1, 2
     order by 1, 2
        on conflict on constraint vote_rollups_pkey do update
       set up_count = vote_rollups.up_count + excluded.up_count,
           down_count = vote_rollups.down_count + excluded.down_count
)
select count(*) from voted;
