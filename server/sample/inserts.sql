-- Inserts of sample data. Each query takes all its rows as one JSON document or as arrays, and inserts them in one statement.

-- name: make_history_months$
-- takes: first and last, dates
-- gives: the number of new partitions of the vote history
-- locks: vote_analytics, for a moment
select ensure_vote_analytics_partitions(:first::date, :last::date);

-- name: insert_artists
-- takes: rows jsonb, [{slug, name, genre, country}]
-- gives: one row for each new artist; existing artists stay as they are
insert into artists (slug, name, genre, country)
select r.slug, r.name, r.genre, r.country
  from jsonb_to_recordset(:rows::jsonb) as r (slug text, name text, genre text, country text)
    on conflict on constraint artists_slug_key do nothing
returning id;

-- name: insert_venues
-- takes: rows jsonb, [{slug, name, city, region, country, latitude, longitude, time_zone, capacity}]
-- gives: one row for each new venue; existing venues stay as they are
insert into venues (slug, name, city, region, country, latitude, longitude, time_zone, capacity)
select r.slug, r.name, r.city, r.region, r.country, r.latitude, r.longitude, r.time_zone, r.capacity
  from jsonb_to_recordset(:rows::jsonb) as r (slug text, name text, city text, region text, country text,
       latitude float8, longitude float8, time_zone text, capacity integer)
    on conflict on constraint venues_slug_key do nothing
returning id;

-- name: insert_songs
-- takes: rows jsonb, [{slug, songs: [title]}], slug of the artist
-- gives: one row for each new song; existing songs stay as they are
insert into songs (artist_id, title)
select a.id, t.title
  from jsonb_to_recordset(:rows::jsonb) as r (slug text, songs jsonb)
  join artists a on a.slug = r.slug
 cross join jsonb_array_elements_text(r.songs) with ordinality as t (title, place)
 order by a.id, t.place
    on conflict on constraint songs_artist_title_key do nothing
returning id;

-- name: insert_fans
-- takes: count bigint; first and last timestamptz, between which they join
-- gives: one row for each new user
insert into users (created_at, updated_at)
select f.joined_at, f.joined_at
  from generate_series(1, :count::bigint) n
 cross join lateral (select :first::timestamptz + (:last::timestamptz - :first) * (n::float8 / :count) as joined_at) f
returning id;

-- name: insert_shows
-- takes: rows jsonb, planned shows (show_plans.PlannedShow); artists and venues by slug
-- gives: one row for each new show
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

-- name: insert_supports!
-- takes: rows jsonb, [{show_id, artist, position}], artist by slug
insert into show_artists (show_id, artist_id, billing, position)
select r.show_id, a.id, 'support', r.position
  from jsonb_to_recordset(:rows::jsonb) as r (show_id bigint, artist text, position smallint)
  join artists a on a.slug = r.artist
 order by r.show_id, r.position;

-- name: insert_setlists
-- takes: rows jsonb, [{show_id, type, position, kind, name, artist}], artist by slug, null for the show's own artist
-- gives: one row for each setlist
insert into setlists (show_id, type, position, kind, name, artist_id)
select r.show_id, r.type::setlist_type, r.position, r.kind::set_kind, r.name, a.id
  from jsonb_to_recordset(:rows::jsonb) as r (show_id bigint, type text, position integer, kind text, name text, artist text)
  left join artists a on a.slug = r.artist
 order by r.show_id, r.type, r.position
returning id, show_id, type, position;

-- name: insert_setlist_songs
-- takes: rows jsonb, [{setlist_id, show_id, position, song: {artist, title, played_at, is_tape, medley, note}}]
-- gives: one row for each song
insert into setlist_songs (setlist_id, show_id, song_id, position, played_at, is_tape, medley, note)
select r.setlist_id, r.show_id, g.id, r.position, e.played_at, e.is_tape, e.medley, e.note
  from jsonb_to_recordset(:rows::jsonb) as r (setlist_id bigint, show_id bigint, position integer, song jsonb)
 cross join jsonb_to_record(r.song) as e (artist text, title text, played_at timestamptz, is_tape boolean,
       medley smallint, note text)
  join artists a on a.slug = e.artist
  join songs g on g.artist_id = a.id and g.title = e.title
 order by r.setlist_id, r.position
returning id, setlist_id, position;

-- name: insert_profiles!
-- takes: rows jsonb, [{user_id, display_name, city, country, is_public}], of users without a profile
insert into user_profiles (user_id, display_name, city, country, is_public)
select r.user_id, r.display_name, r.city, r.country, r.is_public
  from jsonb_to_recordset(:rows::jsonb) as r (user_id bigint, display_name text, city text, country text,
       is_public boolean);

-- name: insert_follows!
-- takes: user_ids bigint[] and artists text[], slugs, of the same length; first and last timestamptz, between which they follow
-- Multiples of the golden ratio, modulo 1, spread evenly (Weyl): the instants look random and are the same every time.
insert into user_follows_artists (user_id, artist_id, created_at)
select r.user_id, a.id, :first::timestamptz + (:last::timestamptz - :first) * mod(r.n * 0.618034, 1)::float8
  from unnest(:user_ids::bigint[], :artists::text[]) with ordinality as r (user_id, artist, n)
  join artists a on a.slug = r.artist
 order by r.n;

-- name: insert_attendance!
-- takes: user_ids and show_ids bigint[] of the same length; last timestamptz. The instants lie between the opening of voting
--        and `last`, or the start of the show when that is earlier
insert into user_show_attendance (user_id, show_id, created_at)
select r.user_id, r.show_id, s.opens_at + (least(s.starts_at, :last::timestamptz) - s.opens_at) * mod(r.n * 0.618034, 1)::float8
  from unnest(:user_ids::bigint[], :show_ids::bigint[]) with ordinality as r (user_id, show_id, n)
  join shows s on s.id = r.show_id
 order by r.n;

-- name: insert_reviews!
-- takes: rows jsonb, [{user_id, venue, rating, body, created_at}], venue by slug
-- locks: those venues, by id, because several tours may review the same venue at once
with place as materialized (
    select id, slug from venues
     where slug in (select r.venue from jsonb_to_recordset(:rows::jsonb) as r (venue text))
     order by id for no key update
)
insert into venue_reviews (venue_id, user_id, rating, body, status, created_at, updated_at)
select p.id, r.user_id, r.rating, r.body, 'approved', r.created_at, r.created_at
  from jsonb_to_recordset(:rows::jsonb) as r (user_id bigint, venue text, rating smallint, body text,
       created_at timestamptz)
  join place p on p.slug = r.venue
 order by p.id, r.user_id;

-- name: insert_history!
-- takes: song_ids bigint[], all songs of new shows, after their votes were inserted
-- Inserts the history and the hourly roll-ups of these votes, and the last day of each voter. Each vote was cast once and
-- never changed.
with voted as materialized (
    select show_id, setlist_song_id, user_id, choice, cast_at from votes where setlist_song_id = any(:song_ids::bigint[])
), history as (
    insert into vote_analytics (show_id, setlist_song_id, user_id, previous, choice, cast_at)
    select show_id, setlist_song_id, user_id, null, choice, cast_at from voted order by cast_at
), voters as (
    insert into user_vote_limits (user_id, day, spent)
    select user_id, (max(cast_at) at time zone 'UTC')::date, 0 from voted group by user_id order by user_id
    on conflict do nothing
)
insert into vote_rollups (show_id, hour, up_count, down_count)
select show_id, date_trunc('hour', cast_at, 'UTC'),
       count(*) filter (where choice = 'up'), count(*) filter (where choice = 'down')
  from voted
 group by 1, 2
 order by 1, 2;
