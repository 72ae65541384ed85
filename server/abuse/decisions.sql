-- Decisions on groups that are not applied yet.

-- name: fetch_undone
-- takes: shards, shard_count; begun_ids, groups whose decision may be applied in part; older_s, of the others; count
-- gives: decisions in these shards of which something is left, or whose note in the log was lost or has not come yet; position: up to
--        which the log of their shard is committed
select g.id, g.show_id, p.position
  from vote_groups g
  join log_positions p on p.shard = g.show_id % :shard_count::int and p.shard = any(:shards::smallint[])
 where g.state <> g.decision
   and (g.id = any(:begun_ids::bigint[]) or g.decided_at < now() - make_interval(secs => :older_s::float8))
 order by g.decided_at limit :count::bigint;
