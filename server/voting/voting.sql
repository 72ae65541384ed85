-- The queries of the vote path. Lock order: see migrations/schema.sql.

-- name: fetch_positions
-- gives: every shard, the committed position of its log, and the position of its last reset
-- A queue of notifications that was full stays full, and every commit fails, until somebody asks how full it is: only that frees
-- what all listeners have read. A writer reads the positions after each failed commit.
select shard, position, reset_position from log_positions where (select pg_notification_queue_usage()) is not null order by shard;

-- name: settled_positions
-- gives: every shard and the committed position of its log, once the commits under way have ended
-- locks: the rows of log_positions, in order, until the statement ends
select shard, position from log_positions order by shard for share;

-- name: lock_position$
-- takes: shard
-- gives: the committed position; held until the transaction ends
-- locks: that row of log_positions
select position from log_positions where shard = :shard for update;

-- name: raise_position$
-- takes: shard, locked by lock_position; at_least, or 0 for "past every position ever assigned"
-- gives: the new position
-- locks: that row
update log_positions
   set position = case when :at_least::bigint > 0 then greatest(position, :at_least)
                       else greatest(position + 1, (extract(epoch from clock_timestamp()) * 1000)::bigint << 10) end
 where shard = :shard
returning position;

-- name: lock_positions
-- takes: shards
-- gives: each of them and its committed position; held until the transaction ends
-- locks: those rows of log_positions, in order
select shard, position from log_positions where shard = any(:shards::smallint[]) order by shard for update;

-- name: begin_logs
-- takes: shards without votes, locked by lock_positions
-- gives: each of them and its first position, an instant of now
-- locks: those rows
update log_positions set position = (extract(epoch from clock_timestamp()) * 1000)::bigint << 10
 where shard = any(:shards::smallint[])
returning shard, position;

-- name: notify_resets
-- takes: the shards whose hot copies were thrown away, locked by lock_position or lock_positions; for each the position at which Valkey goes on
-- locks: those rows
with reset as (
    update log_positions p set reset_position = greatest(p.reset_position, r.position)
      from unnest(:shards::smallint[], :positions::bigint[]) as r (shard, position)
     where p.shard = r.shard
)
select pg_notify('resets', shard::text) from unnest(:shards::smallint[]) as shard;

-- name: commit_log^
-- takes: see the function of that name in migrations
-- gives: 1 row: changed_count, the number of changed votes; negative: another writer was faster, and nothing was written;
--        refused, JSON: the votes that no rule allows, or null; they are kept for fetch_commits
-- locks: see the lock order (docs/data-model.md)
select changed_count, keep_refusals(:shards::smallint[], :new_positions::bigint[], refused)::text as refused from commit_log(
    :shards::smallint[], :old_positions::bigint[], :new_positions::bigint[], :entries::text[],
    :song_ids::bigint[], :user_ids::bigint[], :show_ids::bigint[], :choices::vote_choice[], :cast_ms::bigint[],
    :spent_user_ids::bigint[], :spent_days::int[], :spent::int[],
    :going_user_ids::bigint[], :going_show_ids::bigint[], :goings::boolean[],
    :following_user_ids::bigint[], :following_artist_ids::bigint[], :followings::boolean[],
    :order_user_ids::bigint[], :order_show_ids::bigint[], :cast_orders::bigint[], :group_ids::bigint[]);

-- name: commit_log_with_picks^
-- takes: as commit_log; the last pick of each fan in each show, see commit_picks in migrations
-- gives: as commit_log; refused has late picks too
-- locks: as commit_log
select c.changed_count, keep_refusals(:shards::smallint[], :new_positions::bigint[],
           nullif(coalesce(p.refused, '[]') || coalesce(c.refused, '[]'), '[]'))::text as refused
  from commit_picks(
    :shards::smallint[], :old_positions::bigint[], :new_positions::bigint[], :pick_user_ids::bigint[], :pick_show_ids::bigint[],
    :picked_songs::text[], :openers::bigint[], :closers::bigint[], :encores::bigint[], :pick_ms::bigint[]) p
 cross join lateral commit_log(
    p.committed_shards, :old_positions::bigint[], :new_positions::bigint[], :entries::text[],
    :song_ids::bigint[], :user_ids::bigint[], :show_ids::bigint[], :choices::vote_choice[], :cast_ms::bigint[],
    :spent_user_ids::bigint[], :spent_days::int[], :spent::int[],
    :going_user_ids::bigint[], :going_show_ids::bigint[], :goings::boolean[],
    :following_user_ids::bigint[], :following_artist_ids::bigint[], :followings::boolean[],
    :order_user_ids::bigint[], :order_show_ids::bigint[], :cast_orders::bigint[], :group_ids::bigint[]) c;

-- name: fetch_commits
-- takes: shards, and the oldest pending position of each
-- gives: the committed position and the one of the last reset, the entries committed since the oldest pending one, and what those
--        commits refused: JSON, a list for each commit that refused something, or null
select p.shard, p.position, p.reset_position, coalesce(array_agg(e.entry) filter (where e.entry is not null), '{}') as entries,
       jsonb_agg(c.refused) filter (where c.refused is not null)::text as refused
  from unnest(:shards::smallint[], :positions::bigint[]) as w (shard, oldest)
  join log_positions p on p.shard = w.shard
  left join log_commits c on c.shard = w.shard and c.position >= w.oldest
  left join lateral unnest(c.entries) as e (entry) on true
 group by p.shard, p.position, p.reset_position;

-- name: shards_to_reset
-- takes: held, shards
-- gives: those of them whose hot copy counts votes that a commit has refused: no reset has come after it
select distinct c.shard
  from log_commits c
  join log_positions p on p.shard = c.shard and c.position > p.reset_position
 where c.refused is not null and c.shard = any(:held::smallint[])
 order by c.shard;

-- name: delete_old_commits!
-- locks: those rows
-- A node that missed a notification asks within seconds; ten minutes are far more.
delete from log_commits where committed_at < now() - interval '10 minutes';

-- name: fetch_warm_up_shows
-- takes: shows
-- gives: the rules and counts of each, for cast.lua; a cancelled or final show is closed for good; is_new: no cast of it was ever
--        committed, so it has no votes and no orders of casts
select w.id, w.revision,
       ceil(extract(epoch from w.opens_at) * 1000)::bigint as opens_ms,
       case when w.status = 'cancelled' or w.finalised_at is not null then 0
            else ceil(extract(epoch from w.closes_at) * 1000)::bigint end as closes_ms,
       w.is_locked, coalesce(w.votes_per_user_max, 0) as budget, w.requires_ticket,
       results_audience(w.results, w.finalised_at) as audience,
       coalesce(array_agg(s.id order by s.id) filter (where s.id is not null), '{}') as song_ids,
       coalesce(array_agg(s.up_count order by s.id) filter (where s.id is not null), '{}') as ups,
       coalesce(array_agg(s.down_count order by s.id) filter (where s.id is not null), '{}') as downs,
       coalesce(' ' || string_agg(s.id::text, ' ') filter (where s.played_at is not null) || ' ', '') as played,
       case when w.status <> 'upcoming' then 0
            else ceil(extract(epoch from show_begins_at(w.id)) * 1000)::bigint end as picks_close_ms,
       w.position = 0 and w.vote_count = 0 as is_new
  from shows w
  left join setlist_songs s on s.show_id = w.id
 where w.id = any(:show_ids::bigint[])
 group by w.id;

-- name: fetch_warm_up_ballots
-- takes: pairs of show and user
-- gives: each pair's ballot as cast.lua keeps it, the user's last day with votes and the votes spent in it, and whether they
--        have a ticket
select p.show_id, p.user_id, u.id is not null as is_known, case when m.is_set_aside then '-' else '' end || coalesce(o.cast_order || ':', '') || coalesce(b.ballot, '') as ballot,
       coalesce(l.day - date '1970-01-01', 0) as day, coalesce(l.spent, 0) as spent,
       exists (select from ticket_codes t where t.user_id = p.user_id and t.show_id = p.show_id) as has_ticket
  from unnest(:show_ids::bigint[], :user_ids::bigint[]) as p (show_id, user_id)
  left join users u on u.id = p.user_id
  left join cast_orders o on o.user_id = p.user_id and o.show_id = p.show_id
  left join vote_group_members m on m.user_id = p.user_id and m.show_id = p.show_id
  left join lateral (
       select string_agg(v.setlist_song_id::text || left(v.choice::text, 1), '' order by v.cast_at, v.setlist_song_id) as ballot
         from votes v where v.user_id = p.user_id and v.show_id = p.show_id) b on true
  left join lateral (
       select day, spent from user_vote_limits where user_id = p.user_id order by day desc limit 1) l on true;

-- name: fetch_voters
-- takes: pairs of show and user; shard_count
-- gives: whether each user holds a committed vote in the show, and the position of the show's shard in the same snapshot
select p.show_id, p.user_id, l.position,
       exists (select from votes v where v.user_id = p.user_id and v.show_id = p.show_id) as has_voted
  from unnest(:show_ids::bigint[], :user_ids::bigint[]) as p (show_id, user_id)
  join log_positions l on l.shard = p.show_id % :shard_count::int;

-- name: finalise_shows!
-- takes: shards whose log was in the database to its end at hot_now, shards held by this writer, shard_count; hot_now, the time by Valkey's clock
-- locks: the log_positions rows of the shards of those shows, in order; then the rows of those shows
-- A closed show is final once nothing cast before its closing can still be in the log.
with due as materialized (
    select w.id
      from shows w
      join log_positions p on p.shard = w.id % :shard_count::int and p.shard = any(:held::smallint[])
     where w.finalised_at is null and w.closes_at < least(now(), :hot_now::timestamptz) - interval '2 seconds'
       and (p.shard = any(:empty::smallint[])
            or p.position >= (extract(epoch from w.closes_at + interval '2 seconds') * 1000)::bigint << 10)
), locked as materialized (
    select shard from log_positions where shard in (select id % :shard_count from due) order by shard for update
)
update shows
   set finalised_at = now()
 where id in (select id from due) and (select count(*) from locked) > 0
   and finalised_at is null and closes_at < least(now(), :hot_now) - interval '2 seconds';

-- name: try_lease$
-- takes: shard
-- gives: whether this session holds it now
select pg_try_advisory_lock(:lease_class::int, :shard::int);

-- name: release_lease$
select pg_advisory_unlock(:lease_class::int, :shard::int);

-- name: announce_node$
-- takes: this node's number; the lock is shared, so it never blocks
select pg_try_advisory_lock_shared(:node_class::int, :node::int);

-- name: announce_key$
-- takes: the fingerprint of the key that this node signs tokens with; the lock is shared
select pg_try_advisory_lock_shared(:key_class::int, :fingerprint::int);

-- name: fetch_keys
-- gives: the fingerprints of the keys of all nodes with a lease connection
select distinct objid::bigint as fingerprint
  from pg_locks
 where locktype = 'advisory' and classid = :key_class::int and objsubid = 2 and granted
   and database = (select oid from pg_database where datname = current_database());

-- name: fetch_nodes
-- gives: the numbers of all nodes with a lease connection
select objid::bigint as node
  from pg_locks
 where locktype = 'advisory' and classid = :node_class::int and objsubid = 2 and granted
   and database = (select oid from pg_database where datname = current_database());

-- name: fetch_revised_shows
-- takes: shows
-- gives: the rules of each, for revise.lua; a deleted show is closed and has no songs
select r.id, coalesce(w.revision, next_revision(0)) as revision,
       coalesce(ceil(extract(epoch from w.opens_at) * 1000)::bigint, 0) as opens_ms,
       case when w.id is null or w.status = 'cancelled' or w.finalised_at is not null then 0
            else ceil(extract(epoch from w.closes_at) * 1000)::bigint end as closes_ms,
       coalesce(w.is_locked, true) as is_locked, coalesce(w.votes_per_user_max, 0) as budget,
       coalesce(w.requires_ticket, false) as requires_ticket,
       case when w.id is null then 0 else results_audience(w.results, w.finalised_at) end as audience,
       array(select s.id from setlist_songs s where s.show_id = r.id order by s.id) as song_ids,
       array(select s.id from setlist_songs s where s.show_id = r.id and s.played_at is not null) as played_ids,
       case when w.status = 'upcoming' then ceil(extract(epoch from show_begins_at(w.id)) * 1000)::bigint
            else 0 end as picks_close_ms
  from unnest(:show_ids::bigint[]) as r (id)
  left join shows w on w.id = r.id;

-- name: fetch_tally
-- takes: show
-- gives: every song's counts, with the show's total and the position of its shard in the same snapshot; no row: no
--        such show
select p.position, w.vote_count as total, w.revision, results_audience(w.results, w.finalised_at) as audience,
       s.id, s.up_count, s.down_count
  from shows w
  join log_positions p on p.shard = w.id % :shard_count::int
  left join setlist_songs s on s.show_id = w.id
 where w.id = :show_id
 order by s.id;

-- name: show_of_song$
-- takes: song_id, of a song in a setlist
select show_id from setlist_songs where id = :song_id;

-- name: fetch_show_positions
-- takes: shows, shard_count
-- gives: the position from which each show's tally is what it is: of the last commit that moved it, or of the last reset
--        of its shard; and its revision
select w.id, greatest(w.position, p.reset_position) as position, w.revision
  from shows w
  join log_positions p on p.shard = w.id % :shard_count::int
 where w.id = any(:show_ids::bigint[]);
