-- Queries that only the large catalogue needs; inserts.sql has those that the demo needs too.

-- name: try_lock_large$
-- gives: true when this session may add a large catalogue; the lock lasts as long as the session
select pg_try_advisory_lock(hashtext('mysetlist.seeding.large'));

-- name: existing_artists
-- takes: slugs text[]
-- gives: the slugs of artists that exist
select slug from artists where slug = any(:slugs::text[]);

-- name: analyze_tables#
-- Without this the planner believes for a minute that the tables are still small.
analyze users, user_profiles, artists, artist_stats, artist_songs, songs, venues, venue_reviews, shows, show_artists,
        setlists, setlist_songs, votes, vote_analytics, vote_rollups, user_follows_artists, user_show_attendance;
