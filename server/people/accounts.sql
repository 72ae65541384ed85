-- Accounts and bans, read and changed by staff.

-- name: list_accounts
-- takes: filters (null: no filter): name, a part of a display name or a whole email address; wanted bigint, an id that matches besides the name; role; banned boolean;
--        after_id (null: first page); count
-- gives: 0..count rows, newest first
-- cost:  reads accounts from the newest on until the page is full; with a name, the names are searched first
select u.id, u.role, u.created_at, p.display_name,
       exists (select from user_bans b
                where b.user_id = u.id and b.lifted_at is null
                  and (b.expires_at is null or b.expires_at > now())) as is_banned
  from users u
  left join user_profiles p on p.user_id = u.id
 where u.nobody is null
   and (:after_id::bigint is null or u.id < :after_id)
   and (:role::text is null or u.role = :role::text::user_role)
   and (:name::text is null or u.id = :wanted::bigint or fold(:name) <> '' and u.id in (select find_people(:name))
        or u.id in (select find_people_by_address(:name)))
   and (:banned::boolean is null
        or :banned = (u.id in (select b.user_id from user_bans b
                                where b.lifted_at is null and (b.expires_at is null or b.expires_at > now()))))
 order by u.id desc
 limit :count::bigint;

-- name: fetch_account^
-- takes: user_id
-- gives: 0..1 row: the account with its profile and activity counts
select u.id, u.role, u.created_at, p.display_name, p.bio, p.city, p.country, p.is_public, p.status,
       (select count(*) from user_follows_artists f where f.user_id = u.id) as follow_count,
       (select count(*) from user_show_attendance g where g.user_id = u.id) as attendance_count,
       (select count(*) from votes v where v.user_id = u.id) as vote_count,
       (select count(*) from venue_reviews r where r.user_id = u.id) as review_count
  from users u
  left join user_profiles p on p.user_id = u.id
 where u.id = :user_id::bigint and u.nobody is null;

-- name: role_of$
-- takes: user_id
-- gives: the role of the account; null: no such account
select role from users where id = :user_id::bigint and nobody is null;

-- name: lock_admins
-- gives: the administrators
-- locks: their rows, so that two administrators cannot remove the role of each other at the same time
select id from users where role = 'admin' order by id for update;

-- name: set_role!
-- takes: user_id, role
-- locks: that row
update users set role = :role::text::user_role where id = :user_id::bigint;

-- name: all_bans
-- takes: user_id bigint
-- gives: the latest 100 bans of the user, latest first; lifted and expired bans are included
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

-- name: lock_ban^
-- takes: id bigint, user_id bigint
-- gives: 0..1 row
-- locks: that row of user_bans
select id, lifted_at from user_bans where id = :id::bigint and user_id = :user_id::bigint for update;

-- name: lift_ban!
-- takes: id bigint, lifted_by bigint
-- locks: that row
update user_bans set lifted_at = now(), lifted_by = :lifted_by::bigint where id = :id::bigint;
