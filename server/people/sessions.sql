-- Accounts of users who sign in, and their sessions.

-- name: make_installation!
-- gives: nothing; afterwards the database has an id
insert into installation default values on conflict do nothing;

-- name: fetch_installation$
-- gives: the id of the database
select id::text from installation;

-- name: sign_up^
-- takes: device; address_hash, agent_hash, subnet_hash, of the client; ttl_s, the life of the session
-- gives: 1 row: the new anonymous user, with the session and its end
select user_id, session_id, expires_at
  from sign_up(:device::text, :address_hash::bytea, make_interval(secs => :ttl_s::float8), :agent_hash::bytea,
               :subnet_hash::bytea);

-- name: fetch_role$
-- takes: user_id bigint
-- gives: the role of the account; null: it is gone
select role from users where id = :user_id::bigint;

-- name: renew_session^
-- takes: session_id; ttl_s, the life of a fan's session after the renewal
-- gives: 0..1 row: the role of the acting user's account and the end of the session; no row: one of the two is over
-- locks: the row of the user, then the session
select role::text as role, session_id, expires_at
  from renew_session(:session_id::bigint, make_interval(secs => :ttl_s::float8));

-- name: adopt_token^
-- takes: device; token_until, of a token that names no session; is_fan, whether the token is a fan's; ttl_s
-- gives: as renew_session, for a new session in the token's place
select role::text as role, session_id, expires_at
  from adopt_token(:device::text, :token_until::timestamptz, :is_fan::boolean, make_interval(secs => :ttl_s::float8));

-- name: open_link^
-- takes: session_id, which the link opens; device; ttl_s, the life of the session
-- gives: as renew_session; no row: the link was used, or is over
-- locks: the row of the user, then the session
select role::text as role, session_id, expires_at
  from open_link(:session_id::bigint, :device::text, make_interval(secs => :ttl_s::float8));

-- name: make_code$
-- takes: code_hash; ttl_s, the life of the code
-- gives: when the code ends; null: the account of the acting user is gone, or of staff
select make_code(:code_hash::bytea, make_interval(secs => :ttl_s::float8));

-- name: open_code^
-- takes: code_hash; device; ttl_s, the life of the session
-- gives: 0..1 row: the user and the session; no row: the code is wrong, was used, or is over
-- locks: the row of the user, then the session
select user_id, role::text as role, session_id, expires_at
  from open_code(:code_hash::bytea, :device::text, make_interval(secs => :ttl_s::float8));

-- name: insert_user^
-- takes: role; kind, link or command; ttl_s, the life of the session; detail, of the audit log, as JSON
-- gives: 1 row: the new user and the session
with made as (
    insert into users (role, token_until)
    values (:role::text::user_role, now() + make_interval(secs => :ttl_s::float8))
    returning id
), logged as (
    insert into audit_log (action, subject, detail)
    select 'user.make', 'user:' || id, :detail::text::jsonb from made
)
insert into sessions (user_id, kind, expires_at)
select id, :kind::text::session_kind, now() + make_interval(secs => :ttl_s::float8) from made
returning user_id, id as session_id;

-- name: lock_first_admin
-- locks: an advisory lock until the transaction ends, so that two nodes that start together create one administrator
select pg_advisory_xact_lock(hashtext('mysetlist.first_admin'));

-- name: has_admin$
-- gives: whether an administrator exists
select exists (select from users where role = 'admin');

-- name: sign_in_as^
-- takes: issuer and subject, from the token of an identity provider; ttl_s, the life of that token
-- gives: the id and role of the account, which is created on first use
-- locks: the row of the user
select user_id, role::text as role
  from sign_in_as(:issuer::text, :subject::text, make_interval(secs => :ttl_s::float8));

-- name: update_role!
-- takes: user_id; role, from a claim of an identity provider; issuer, its name
-- locks: that row of users
with changed as (
    update users set role = :role::text::user_role
     where id = :user_id::bigint and role <> :role::text::user_role
    returning id
)
insert into audit_log (action, subject, detail)
select 'user.role', 'user:' || id, jsonb_build_object('to', :role::text, 'by', 'the identity provider ' || :issuer::text)
  from changed;

-- name: list_sessions
-- takes: user_id; after_id (null: first page); count
-- gives: 0..count rows: the open sessions of the user, newest first
select id, kind::text as kind, device, created_at, renewed_at, expires_at
  from sessions
 where user_id = :user_id::bigint and ended_at is null and expires_at > now() and (kind <> 'link' or opened_at is not null)
   and (:after_id::bigint is null or id < :after_id)
 order by id desc
 limit :count::bigint;

-- name: end_session$
-- takes: user_id; id
-- gives: the id; null: the user has no such session
-- locks: that row of sessions
update sessions set ended_at = coalesce(ended_at, now())
 where id = :id::bigint and user_id = :user_id::bigint and kind <> 'unlisted'
returning id;

-- name: end_sessions
-- takes: user_id
-- gives: the ids of the sessions that ended, links included
-- locks: their rows
update sessions set ended_at = now() where user_id = :user_id::bigint and ended_at is null returning id;

-- name: end_unlisted!
-- takes: user_id; ttl_s, the longest life of a token
-- Ends every token of the user that names no session.
-- An erased user has none.
insert into sessions (user_id, kind, expires_at, ended_at)
select id, 'unlisted', now() + make_interval(secs => :ttl_s::float8), now() from users where id = :user_id::bigint;
