-- migrate:up
-- Sessions: what a token of ours belongs to, so that it can be listed and ended before its time.

set local lock_timeout = '1s';
-- A commit begins at log_positions, so a writer waits here and holds no other lock.
lock table log_positions in exclusive mode;

create type session_kind as enum ('fan', 'link', 'command', 'unlisted');

create table sessions (
    id           bigint generated always as identity primary key,
    user_id      bigint       not null references users (id) on delete cascade,
    kind         session_kind not null,
    device       text         not null default '' check (char_length(device) <= 80),
    address_hash bytea        check (octet_length(address_hash) = 16),
    created_at   timestamptz  not null default now(),
    opened_at    timestamptz,
    renewed_at   timestamptz  not null default now(),
    expires_at   timestamptz  not null,
    ended_at     timestamptz,
    constraint sessions_unlisted_ended check (kind <> 'unlisted' or ended_at is not null)
);
comment on table sessions is
    'A sign-in of an account. A token names its session and is valid until the session expires or is ended.';
comment on column sessions.kind is
    'fan: an anonymous sign-in, extended at each renewal. link: by a sign-in link. command: by `mysetlist token`. '
    'unlisted: a sign-out of all tokens of the account that name no session, because an older version made them.';
comment on column sessions.address_hash is
    'HMAC of the address that a new account came from, with the secret of the nodes. Deleted after a day.';
comment on column sessions.opened_at is 'When the link was used, which works once. Null: not yet, or no link.';
comment on column sessions.renewed_at is 'When it was last renewed, exact to the day.';

create index sessions_user_id_idx on sessions (user_id);
create index sessions_expires_at_idx on sessions (expires_at);
create index sessions_ended_at_idx on sessions (ended_at) where ended_at is not null;
create index sessions_newcomers_idx on sessions (created_at) where address_hash is not null;

alter table sessions enable row level security;
create policy sessions_writer on sessions for select to mysetlist_writer using (true);
create policy sessions_own on sessions for select to mysetlist_request using (user_id = (select app_user_id()));
create policy sessions_end on sessions for update to mysetlist_request
    using (user_id = (select app_user_id())) with check (user_id = (select app_user_id()));
create policy sessions_end_unlisted on sessions for insert to mysetlist_request
    with check (user_id = (select app_user_id()) and kind = 'unlisted');
grant select on sessions to mysetlist_writer;
grant select, insert, update (ended_at) on sessions to mysetlist_request;

drop function sign_up();
drop function keep_account(interval);

-- takes: the device and the hashed address of the client; how long the session lasts
-- gives: a new account and its first session
create function sign_up(new_device text, new_address_hash bytea, ttl interval)
    returns table (user_id bigint, session_id bigint, expires_at timestamptz)
language sql security definer set search_path = public, pg_temp as $$
    with made as (
        insert into users (token_until) values (now() + ttl) returning id
    )
    insert into sessions as s (user_id, kind, device, address_hash, expires_at)
    select m.id, 'fan', new_device, new_address_hash, now() + ttl from made m
    returning s.user_id, s.id, s.expires_at
$$;

-- takes: a session of the current user; how long a fan's session lasts after a renewal
-- gives: the role of the account and the end of the session; no row: the account is gone, or the session has ended
-- Only the session of a fan is extended: what opened another session decided how long it lasts. Written once a day.
-- locks: users, then sessions
create function renew_session(wanted bigint, ttl interval) returns table (role user_role, session_id bigint, expires_at timestamptz)
language sql security definer set search_path = public, pg_temp as $$
    update users u set token_until = now() + ttl
      from sessions s
     where u.id = app_user_id() and u.role = 'user' and u.token_until < now() + ttl - interval '1 day'
       and s.id = wanted and s.user_id = u.id and s.kind = 'fan' and s.ended_at is null;
    update sessions s set expires_at = now() + ttl, renewed_at = now()
      from users u
     where u.id = app_user_id() and u.role = 'user' and s.id = wanted and s.user_id = u.id and s.kind = 'fan'
       and s.ended_at is null and s.expires_at < now() + ttl - interval '1 day';
    select u.role, s.id, s.expires_at
      from sessions s
      join users u on u.id = s.user_id
     where s.id = wanted and u.id = app_user_id() and s.ended_at is null and s.expires_at > now();
$$;

-- takes: a device; the end of a token of the current user that names no session; whether it is the token of a fan
-- gives: as renew_session, for a new session that takes the token's place
create function adopt_token(new_device text, token_until timestamptz, is_fan boolean, ttl interval)
    returns table (role user_role, session_id bigint, expires_at timestamptz)
language sql security definer set search_path = public, pg_temp as $$
    update users u set token_until = now() + ttl
     where u.id = app_user_id() and u.role = 'user' and is_fan and u.token_until < now() + ttl - interval '1 day';
    with opened as (
        insert into sessions as s (user_id, kind, device, expires_at)
        select u.id, case when is_fan then 'fan' else 'command' end::session_kind, new_device,
               case when is_fan and u.role = 'user' then now() + ttl else adopt_token.token_until end
          from users u where u.id = app_user_id()
        returning s.user_id, s.id, s.expires_at
    )
    select u.role, o.id, o.expires_at from opened o join users u on u.id = o.user_id;
$$;

-- takes: a session that a link opens, of the current user; the device; how long the session lasts
-- gives: as renew_session; no row: the link was used, is over, or the account is gone
-- locks: users, then the row of the session, so that one of two uses at once gets it
create function open_link(wanted bigint, new_device text, ttl interval)
    returns table (role user_role, session_id bigint, expires_at timestamptz)
language sql security definer set search_path = public, pg_temp as $$
    update users u set token_until = now() + ttl
      from sessions s
     where u.id = app_user_id() and s.id = wanted and s.user_id = u.id and s.kind = 'link' and s.opened_at is null;
    with opened as (
        update sessions s
           set opened_at = now(), renewed_at = now(), expires_at = now() + ttl, device = new_device
         where s.id = wanted and s.user_id = app_user_id() and s.kind = 'link' and s.opened_at is null
           and s.ended_at is null and s.expires_at > now()
        returning s.user_id, s.id, s.expires_at
    ), logged as (
        insert into audit_log (actor_id, action, subject, detail)
        select o.user_id, 'session.open_link', 'user:' || o.user_id, jsonb_build_object('session', o.id) from opened o
    )
    select u.role, o.id, o.expires_at from opened o join users u on u.id = o.user_id;
$$;

revoke execute on function sign_up, renew_session, adopt_token, open_link from public;
grant execute on function sign_up, renew_session, adopt_token, open_link to mysetlist_request;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

drop function open_link, adopt_token, renew_session, sign_up;

create function sign_up() returns bigint language sql security definer set search_path = public, pg_temp as $$
    insert into users default values returning id
$$;

-- takes: how long the token is valid that the current user gets next
-- gives: the account's role; null: the account is gone
-- The account is written at most once a day.
create function keep_account(ttl interval) returns user_role
language sql security definer set search_path = public, pg_temp as $$
    update users set token_until = now() + ttl
     where id = app_user_id() and token_until < now() + ttl - interval '1 day';
    select role from users where id = app_user_id();
$$;

revoke execute on function sign_up, keep_account from public;
grant execute on function sign_up, keep_account to mysetlist_request;

drop table sessions;
drop type session_kind;
