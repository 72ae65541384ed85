-- API keys: their use and their administration.

-- name: use_key^
-- takes: key_hash bytea
-- gives: 0..1 row: the user that the key acts as, and its role now; records the use
-- locks: that row of api_keys, when its last use was a minute ago
select user_id, role::text as role from use_api_key(:key_hash::bytea);

-- name: list_keys
-- takes: after_id (null: first page); count bigint
-- gives: 0..count rows, newest first
select id, name, role::text as role, user_id, created_at, expires_at, last_used_at, revoked_at
  from api_keys
 where :after_id::bigint is null or id < :after_id
 order by id desc
 limit :count::bigint;

-- name: insert_key^
-- takes: name, key_hash bytea, role, user_id, expires_in_days (null: it does not expire)
-- gives: the key, with the columns of list_keys
insert into api_keys (name, key_hash, role, user_id, expires_at)
values (:name::text, :key_hash::bytea, :role::text::user_role, :user_id::bigint,
        now() + make_interval(days => :expires_in_days::int))
returning id, name, role::text as role, user_id, created_at, expires_at, last_used_at, revoked_at;

-- name: revoke_key$
-- takes: id
-- gives: the id; null: no such key
-- locks: that row of api_keys
update api_keys set revoked_at = coalesce(revoked_at, now()) where id = :id::bigint returning id;
