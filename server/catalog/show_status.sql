-- Moves the status of shows with time. This is the catalogue's only write that no person starts.

-- name: advance_shows
-- takes: instant timestamptz, the current time
-- gives: one row for each show that moved; a show that should have ended already goes from upcoming to finished in one step
-- locks: the log_positions rows of their shards, in order, because a commit may update the same shows in another order;
--        then the rows of those shows
-- A show ends four hours after it starts, or when its voting closes, whichever is later.
with due as materialized (
    select id from shows
     where (status = 'upcoming' and starts_at <= :instant::timestamptz)
        or (status = 'live' and greatest(starts_at + interval '4 hours', closes_at) <= :instant)
), held as materialized (
    select shard from log_positions
     where shard in (select id % (select count(*) from log_positions) from due)
     order by shard for update
)
update shows
   set status = case when greatest(starts_at + interval '4 hours', closes_at) <= :instant
                     then 'finished'::show_status else 'live'::show_status end
 where id in (select id from due) and (select count(*) from held) > 0
   and ((status = 'upcoming' and starts_at <= :instant)
        or (status = 'live' and greatest(starts_at + interval '4 hours', closes_at) <= :instant))
returning id;
