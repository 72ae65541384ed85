-- How a large catalogue is written; what a demo needs too stands in inserts.sql.

-- name: try_lock_large$
-- gives: whether this session may add a large catalogue; until it ends
select pg_try_advisory_lock(hashtext('mysetlist.seeding.large'));

-- name: standing_artists
-- takes: slugs text[]
-- gives: those that are there
select slug from artists where slug = any(:slugs::text[]);

-- name: insert_fans
-- takes: count bigint; first and last timestamptz, between which they joined
-- gives: one row a new user
insert into users (created_at, updated_at)
select f.joined_at, f.joined_at
  from generate_series(1, :count::bigint) n
 cross join lateral (select :first::timestamptz + (:last::timestamptz - :first) * (n::float8 / :count) as joined_at) f
returning id;

-- name: analyze_tables#
-- The planner would believe for a minute that the tables are as small as they were.
analyze users, user_profiles, artists, artist_stats, artist_songs, songs, venues, venue_reviews, shows, show_artists,
        setlists, setlist_songs, votes, vote_analytics, vote_rollups, user_follows_artists, user_show_attendance;
