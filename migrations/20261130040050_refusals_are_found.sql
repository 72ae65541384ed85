-- A writer looks once a second for shards whose hot copy counts votes that a commit has refused. Commits that refuse nothing are not in
-- the index.

-- migrate:up

set local lock_timeout = '1s';
-- A commit begins at log_positions, so a writer waits here and holds no other lock.
lock table log_positions in exclusive mode;
create index log_commits_refused_idx on log_commits (shard, position) where refused is not null;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;
drop index log_commits_refused_idx;
