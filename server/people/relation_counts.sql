-- How many follow artists and go to shows. The position is that of the log which moves the count: what a snapshot holds
-- is as new as that says.

-- name: fetch_followers
-- takes: ids of artists
-- gives: each one's followers, as of a position of its shard's log
select s.artist_id as id, p.position as at, s.follower_count as count
  from artist_stats s
  join log_positions p on p.shard = s.artist_id % (select count(*) from log_positions)
 where s.artist_id = any(:ids::bigint[]);

-- name: fetch_going
-- takes: ids of shows
-- gives: how many go to each, as of a position of its shard's log
select w.id, p.position as at, w.attendance_count as count
  from shows w
  join log_positions p on p.shard = w.id % (select count(*) from log_positions)
 where w.id = any(:ids::bigint[]);

-- name: is_there$
-- takes: marked, show or artist; id
select case :marked::text when 'show' then exists (select from shows where id = :id::bigint)
            else exists (select from artists where id = :id::bigint) end;
