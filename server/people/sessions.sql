-- Accounts of users who sign in.

-- name: make_installation!
-- gives: nothing; afterwards the database has an id
insert into installation default values on conflict do nothing;

-- name: fetch_installation$
-- gives: the id of the database
select id::text from installation;

-- name: sign_up$
-- gives: the id of the new anonymous user
select sign_up();

-- name: fetch_role$
-- takes: user_id bigint
-- gives: the role of the account; null: it is gone
select role from users where id = :user_id::bigint;

-- name: renew_account$
-- takes: ttl_s, the life of the token that the user gets
-- gives: the role of the acting user's account; null: it is gone
select keep_account(make_interval(secs => :ttl_s::float8));

-- name: insert_user$
-- takes: role; ttl_s, the life of the token that the user gets
-- gives: the id of the new user
insert into users (role, token_until) values (:role::user_role, now() + make_interval(secs => :ttl_s::float8)) returning id;

-- name: lock_first_admin
-- locks: an advisory lock until the transaction ends, so that two nodes that start together create one administrator
select pg_advisory_xact_lock(hashtext('mysetlist.first_admin'));

-- name: insert_first_admin$
-- gives: the id of the new administrator; null: an administrator exists
insert into users (role)
select 'admin' where not exists (select 1 from users where role = 'admin')
returning id;

-- name: sign_in_as^
-- takes: issuer and subject, from the token of an identity provider; ttl_s, the life of that token
-- gives: the id and role of the account, which is created on first use
select user_id, role::text as role
  from sign_in_as(:issuer::text, :subject::text, make_interval(secs => :ttl_s::float8));

-- name: update_role!
-- takes: user_id, role
update users set role = :role::text::user_role where id = :user_id::bigint and role <> :role::text::user_role;
