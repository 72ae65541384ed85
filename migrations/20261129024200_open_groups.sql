-- The page Now asks once a second for the groups that nobody has decided on, of all shows.

-- migrate:up

set local lock_timeout = '1s';

create index vote_groups_open_idx on vote_groups (show_id) where decision = 'open';

-- migrate:down

drop index vote_groups_open_idx;
