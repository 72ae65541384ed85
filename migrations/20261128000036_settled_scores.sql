-- migrate:up

-- What was played goes when setlist.fm has not shown it for as long as its terms let us keep it; how well it was foreseen
-- is ours, and stays.

set local lock_timeout = '1s';

alter table show_accuracy
    add column is_settled boolean not null default false;  -- what was played is not kept any more: these are the last scores

-- migrate:down

set local lock_timeout = '1s';

alter table show_accuracy drop column is_settled;
