-- name: sign_up$
-- gives: the id of a new user
select sign_up();

-- name: fetch_role$
-- takes: user_id bigint
-- gives: the account's role; none: it is gone
select role from users where id = :user_id::bigint;

-- name: keep_account$
-- takes: ttl_s, how long the token is good that the user is about to get
-- gives: the account's role; null: it is gone
select keep_account(make_interval(secs => :ttl_s::float8));

-- name: insert_user$
-- takes: role, ttl_s of the token it is made for
-- gives: the new user's id
insert into users (role, token_until) values (:role::user_role, now() + make_interval(secs => :ttl_s::float8)) returning id;

-- name: lock_first_admin
-- locks: nothing but itself, until the transaction ends, against two nodes that start at once
select pg_advisory_xact_lock(hashtext('mysetlist.first_admin'));

-- name: insert_first_admin$
-- gives: the id of a new administrator; none when there is one already
insert into users (role)
select 'admin' where not exists (select 1 from users where role = 'admin')
returning id;

-- name: sign_in_as^
-- takes: issuer and subject, whom an identity provider names; ttl_s, how long its token is good
-- gives: who that is here, made if need be, and what their account may do
select user_id, role::text as role
  from sign_in_as(:issuer::text, :subject::text, make_interval(secs => :ttl_s::float8));

-- name: follow_provider!
-- takes: user_id, role that the provider gives
update users set role = :role::text::user_role where id = :user_id::bigint and role <> :role::text::user_role;
