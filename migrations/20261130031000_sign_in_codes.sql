-- A fan signs in on another device with a short code. It is a session that nobody has opened yet, as of a sign-in link.

-- migrate:up

set local lock_timeout = '1s';

alter table sessions add code_hash bytea check (octet_length(code_hash) = 32);
comment on column sessions.code_hash is 'HMAC of the code that opens this session on another device, with the secret of the nodes. Null: no code, or it was used.';
create unique index sessions_code_hash_idx on sessions (code_hash) where code_hash is not null;

-- takes: the hash of a new code; how long it can be used
-- gives: when it ends; null: the account is gone, or of staff, who sign in by links
-- The user has one code: an older one that was not used is gone.
create function make_code(new_hash bytea, ttl interval) returns timestamptz
language sql security definer set search_path = public, pg_temp as $$
    delete from sessions where user_id = app_user_id() and code_hash is not null;
    insert into sessions (user_id, kind, expires_at, code_hash)
    select id, 'link', now() + ttl, new_hash from users where id = app_user_id() and role = 'user'
    returning expires_at;
$$;

-- takes: the hash of a code, the name of the device, and the life of the session
-- gives: the fan's session, which is like any other from now on; no row: the code is wrong, was used, or is over
-- locks: users, then the row of the session, so that one of two uses at once gets it
create function open_code(given_hash bytea, new_device text, ttl interval)
    returns table (user_id bigint, role user_role, session_id bigint, expires_at timestamptz)
language sql security definer set search_path = public, pg_temp as $$
    update users u set token_until = now() + ttl
      from sessions s
     where s.code_hash = given_hash and s.ended_at is null and s.expires_at > now()
       and u.id = s.user_id and u.role = 'user' and u.token_until < now() + ttl - interval '1 day';
    with opened as (
        update sessions s
           set kind = 'fan', code_hash = null, opened_at = now(), renewed_at = now(), expires_at = now() + ttl, device = new_device
          from users u
         where s.code_hash = given_hash and s.ended_at is null and s.expires_at > now() and u.id = s.user_id and u.role = 'user'
        returning u.id as user_id, u.role, s.id, s.expires_at
    )
    select o.user_id, o.role, o.id, o.expires_at from opened o;
$$;

revoke execute on function make_code, open_code from public;
grant execute on function make_code, open_code to mysetlist_request;

-- migrate:down

set local lock_timeout = '1s';

drop function open_code(bytea, text, interval);
drop function make_code(bytea, interval);
alter table sessions drop code_hash;
