-- Trending. Functions in the migrations calculate it.

-- name: rank_artists$
-- gives: how many artists have waited for their sum
-- locks: artist_stats rows, in the order of their keys
select rank_artists();

-- name: trending_formula^
-- gives: one row: the half-life of a score [s], and the instant for which scores are told: the start of this second
select extract(epoch from trending_half_life())::bigint as half_life_s, date_trunc('second', now()) as as_of;

-- name: trending_shows
-- takes: count bigint; as_of, the instant for which scores are told
-- gives: 0..count rows, highest score first
select t.rank, t.show_id, t.slug, t.name, t.status::text as status, t.starts_at, s.local_date, t.artist_id, t.artist_name,
       t.venue_id, t.venue_name, t.score, t.vote_count, t.votes_24h, t.votes_this_hour, t.attendance_count
  from get_trending_shows((:count::bigint)::int, :as_of::timestamptz) t
  join shows s on s.id = t.show_id
 order by t.rank;

-- name: trending_artists
-- takes: count bigint; as_of, the instant for which scores are told
-- gives: 0..count rows, highest score first
select rank, artist_id, slug, name, score, vote_count, follower_count, show_count
  from get_trending_artists((:count::bigint)::int, :as_of::timestamptz)
 order by rank;

-- name: ranking_position^
-- gives: one row: now, on the scale of log positions; the start of this minute
select (extract(epoch from clock_timestamp()) * 1000)::bigint << 10 as at, date_trunc('minute', now()) as as_of;
