-- Compares counts with the rows they count.

-- name: fetch_miscounts
-- gives: every count that differs from the rows it counts
select subject, id, count_of, stored, counted, show_id from miscounts() order by subject, id, count_of;

-- name: repair_counts$
-- gives: how many rows it changed
-- locks: every row of log_positions, so that no writer commits meanwhile; see the function in migrations
select repair_counts();

-- name: update_trending_scores$
-- gives: how many shows have votes
-- locks: every row of log_positions; see the function in migrations
select update_trending_scores();

-- name: fetch_shard_tallies
-- takes: shows of one shard, shard
-- gives: the shard's position and the counts of the shows' songs, in one snapshot
select p.position, s.show_id, s.id, s.up_count, s.down_count
  from log_positions p
  left join setlist_songs s on s.show_id = any(:show_ids::bigint[])
 where p.shard = :shard;

-- name: fetch_ballots
-- takes: show
-- gives: every fan's choices; a nobody casts no votes, so Valkey has no ballot of it
select v.user_id, v.setlist_song_id, v.choice::text as choice
  from votes v join users u on u.id = v.user_id
 where v.show_id = :show_id and u.nobody is null;

-- name: fetch_set_aside
-- takes: shows
-- gives: every ballot of these shows that is set aside
select show_id, user_id from vote_group_members where show_id = any(:show_ids::bigint[]) and is_set_aside;
