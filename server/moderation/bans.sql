-- Who is banned from what.

-- name: admit^
-- takes: user_id bigint, kinds text[] of ban_kind
-- gives: 1 row, with the ban of these kinds that lasts longest, or nulls; none: the account is gone
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
-- gives: a user's bans that are in force, latest first
select id, kind, reason, banned_by, banned_at, expires_at, lifted_at
  from user_bans
 where user_id = :user_id::bigint and lifted_at is null and (expires_at is null or expires_at > now())
 order by id desc;

-- name: all_bans
-- takes: user_id bigint
-- gives: every ban a user ever had, latest first; at most 100
select id, kind, reason, banned_by, banned_at, expires_at, lifted_at
  from user_bans
 where user_id = :user_id::bigint
 order by id desc
 limit 100;

-- name: insert_ban^
-- takes: user_id, kind, reason, banned_by, expires_at timestamptz or null
-- gives: the ban
insert into user_bans (user_id, kind, reason, banned_by, expires_at)
values (:user_id::bigint, :kind::text::ban_kind, :reason::text, :banned_by::bigint, :expires_at::timestamptz)
returning id, kind, reason, banned_by, banned_at, expires_at, lifted_at;

-- name: find_ban^
-- takes: id bigint, user_id bigint
-- gives: 0..1 row
-- locks: that row of user_bans
select id, lifted_at from user_bans where id = :id::bigint and user_id = :user_id::bigint for update;

-- name: lift_ban!
-- takes: id bigint, lifted_by bigint
update user_bans set lifted_at = now(), lifted_by = :lifted_by::bigint where id = :id::bigint;
