-- Who may vote and stay, looked at once a second.

-- name: bans_in_force
-- gives: every ban that keeps somebody from voting at this moment; of a user's, the one that lasts longest comes last
-- cost:  reads the bans that nobody has lifted
select user_id, kind::text as kind, reason, expires_at
  from user_bans
 where kind in ('vote', 'all') and lifted_at is null and (expires_at is null or expires_at > now())
 order by user_id, expires_at nulls last;

-- name: roles_now
-- takes: user_ids, of everybody connected; staff_ids, those of them who came as staff
-- gives: the role of each member of staff, and of anybody whose account is gone: null
-- cost:  one look into the index of users each
select c.user_id, u.role::text as role
  from unnest(:user_ids::bigint[]) as c (user_id)
  left join users u on u.id = c.user_id
 where u.id is null or c.user_id = any(:staff_ids::bigint[]);

-- name: keys_now
-- takes: key_hashes, of the API keys that are connected
-- gives: a row for each that is still good, with what it may do now; being connected is a use of it
select k.key_hash, u.role::text as role
  from unnest(:key_hashes::bytea[]) as k (key_hash)
 cross join lateral use_api_key(k.key_hash) as u;
