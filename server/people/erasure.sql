-- The erasure of a user.

-- name: extend_timeout!
-- The vote history has no index by user.
set local statement_timeout = '60s';

-- name: erase_user$
-- takes and gives: see the function of that name in migrations
select erase_user(:user_id::bigint);
