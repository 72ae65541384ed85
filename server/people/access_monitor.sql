-- The active bans, and the current roles of connected users and API keys. Every node reads them once a second.

-- name: active_bans
-- gives: every active ban that refuses votes; of several bans of a user, the one that ends last comes last
-- cost:  reads all bans that are not lifted
select user_id, kind::text as kind, reason, expires_at
  from user_bans
 where kind in ('vote', 'all') and lifted_at is null and (expires_at is null or expires_at > now())
 order by user_id, expires_at nulls last;

-- name: current_roles
-- takes: user_ids, of all connected users; staff_ids, of the users that connected as staff
-- gives: a row for each member of staff, with the role; and a row for each account that is gone, with the role null
-- cost:  one lookup in the index of users for each id
select c.user_id, u.role::text as role
  from unnest(:user_ids::bigint[]) as c (user_id)
  left join users u on u.id = c.user_id
 where u.id is null or c.user_id = any(:staff_ids::bigint[]);

-- name: current_key_roles
-- takes: key_hashes, of the API keys that are connected
-- gives: a row for each key that is still valid, with its role now; a connection counts as a use of its key
-- locks: those rows of api_keys whose last use was a minute ago, in the order of their hashes
select k.key_hash, u.role::text as role
  from (select key_hash from unnest(:key_hashes::bytea[]) as given (key_hash) order by key_hash) k
 cross join lateral use_api_key(k.key_hash) as u;
