-- Bans that are active: not lifted and not expired.

-- name: fetch_longest_ban^
-- takes: user_id bigint, kinds text[] of ban_kind
-- gives: 0..1 row: the active ban of these kinds that ends last, or nulls if there is none; no row: the account is gone
select u.id, b.reason, b.expires_at
  from users u
  left join lateral (
       select reason, expires_at from user_bans
        where user_id = u.id and kind = any(:kinds::text[]::ban_kind[]) and lifted_at is null
          and (expires_at is null or expires_at > now())
        order by expires_at desc nulls first limit 1) b on true
 where u.id = :user_id::bigint;

-- name: active_bans
-- takes: user_id bigint
-- gives: the active bans of the user, latest first
select id, kind, reason, banned_at, expires_at
  from user_bans
 where user_id = :user_id::bigint and lifted_at is null and (expires_at is null or expires_at > now())
 order by id desc;
