-- Trending, and the statistics of a show. Functions in the migrations calculate both.

-- name: update_trending_scores$
-- gives: how many shows have a score
-- locks: show_trending and artist_stats rows, in the order of their keys
select update_trending_scores();

-- name: trending_formula^
-- gives: one row: half-life and horizon of a score [s]
select extract(epoch from trending_half_life())::bigint as half_life_s,
       extract(epoch from trending_horizon())::bigint as horizon_s;

-- name: trending_shows
-- takes: count bigint
-- gives: 0..count rows, highest score first
select t.rank, t.show_id, t.slug, t.name, t.status::text as status, t.starts_at, s.local_date, t.artist_id, t.artist_name,
       t.venue_id, t.venue_name, t.score, t.vote_count, t.votes_24h, t.votes_this_hour, t.attendance_count, t.refreshed_at
  from get_trending_shows((:count::bigint)::int) t
  join shows s on s.id = t.show_id
 order by t.rank;

-- name: trending_artists
-- takes: count bigint
-- gives: 0..count rows, highest score first
select rank, artist_id, slug, name, score, vote_count, follower_count, show_count, refreshed_at
  from get_trending_artists((:count::bigint)::int)
 order by rank;

-- name: ranking_position$
-- gives: now, on the scale of log positions
select (extract(epoch from clock_timestamp()) * 1000)::bigint << 10;

-- name: show_of_reference^
-- takes: id bigint or null, slug text or null; exactly one of them is not null
-- gives: 0..1 row
select id, slug, name, time_zone, results_audience(results, finalised_at) as audience, accuracy_of(id)::text as accuracy
  from shows where id = :id::bigint or slug = :slug::text;

-- name: vote_stats^
-- takes: show_id bigint
-- gives: 0..1 row; songs, velocity and pattern are JSON
select vote_count, up_count, down_count, voter_count, last_vote_at, songs, velocity, pattern
  from get_vote_stats(:show_id::bigint);

-- name: vote_series
-- takes: show_id bigint, the first hour and the hour after the last
-- gives: one row an hour with votes, oldest first
select hour, up_count as up, down_count as down, withdrawn_count as withdrawn
  from vote_rollups
 where show_id = :show_id::bigint and hour >= :first::timestamptz and hour < :following::timestamptz
 order by hour;
