-- The votes and picks that a commit refused are kept beside its entries. A node that missed the notification of a commit reads both,
-- and confirms no vote that does not count (docs/adr/0003).

-- migrate:up

set local lock_timeout = '1s';
-- A commit begins at log_positions, so a writer waits here and holds no other lock.
lock table log_positions in exclusive mode;

alter table log_commits add column refused jsonb;
comment on column log_commits.refused is
    'The votes and picks that the commit at this position refused: [show, fan, cast_ms, reason] each. Such a row has no entries. Null: none.';

-- Keeps what a commit refused, in the statement of the commit. A commit that refuses nothing does not call it: it is strict.
--
-- takes: the shards of the commit with their new positions; the refused votes and picks, as commit_log() and commit_picks() give them
-- gives: the same votes and picks
create function keep_refusals(shards smallint[], new_positions bigint[], refused jsonb) returns jsonb language plpgsql strict as $$
declare
    shard_count integer := (select count(*) from log_positions);
begin
    insert into log_commits (shard, position, entries, refused)
    select m.shard, m.position, '{}', jsonb_agg(r.vote)
      from unnest(shards, new_positions) as m (shard, position)
      join jsonb_array_elements(keep_refusals.refused) as r (vote) on (r.vote->>0)::bigint % shard_count = m.shard
     group by m.shard, m.position;
    return refused;
end $$;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

drop function keep_refusals;
delete from log_commits where refused is not null;
alter table log_commits drop column refused;
