-- The erasure of users.

-- name: extend_timeout!
-- The vote history has no index by user.
set local statement_timeout = '60s';

-- name: erase_history$
-- takes and gives: see the function of that name in migrations
select erase_history(:user_id::bigint);

-- name: erase_user$
-- takes and gives: see the function of that name in migrations
select erase_user(:user_id::bigint, :history_since::timestamptz);
