-- The erasure of users.

-- name: extend_timeout!
-- The vote history has no index by user.
set local statement_timeout = '60s';

-- name: erase_history$
-- takes and gives: see the function of that name in migrations
-- locks: erasures (mysetlist.erase_user), then the rows of the user in vote_analytics
select erase_history(:user_id::bigint);

-- name: erase_user$
-- takes and gives: see the function of that name in migrations
-- locks: see the lock order (docs/data-model.md)
select erase_user(:user_id::bigint, :history_since::timestamptz);
