-- Counts of followers and attendances. A count changes only through the log of its shard, so the committed position of
-- that log says how recent the count is.

-- name: follower_counts
-- takes: ids of artists
-- gives: the follower count of each artist that exists, with the committed position of its shard
select s.artist_id as id, p.position as at, s.follower_count as count
  from artist_stats s
  join log_positions p on p.shard = s.artist_id % (select count(*) from log_positions)
 where s.artist_id = any(:ids::bigint[]);

-- name: attendance_counts
-- takes: ids of shows
-- gives: the attendance count of each show that exists, with the committed position of its shard
select w.id, p.position as at, w.attendance_count as count
  from shows w
  join log_positions p on p.shard = w.id % (select count(*) from log_positions)
 where w.id = any(:ids::bigint[]);

-- name: is_there$
-- takes: marked, show or artist; id
select case :marked::text when 'show' then exists (select from shows where id = :id::bigint)
            else exists (select from artists where id = :id::bigint) end;
