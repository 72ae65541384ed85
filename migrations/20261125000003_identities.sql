-- migrate:up

-- Who an identity provider's users are here (docs/adr/0014).

set local lock_timeout = '1s';  -- votes wait behind us; the start tries again
lock table log_positions in exclusive mode;

create table user_identities (
    issuer     text        not null check (char_length(issuer) <= 255),     -- '' when its tokens name none
    subject    text        not null check (char_length(subject) between 1 and 255),
    user_id    bigint      not null references users (id) on delete cascade,
    created_at timestamptz not null default now(),
    primary key (issuer, subject)                                           -- one of our users each
);

create index user_identities_user_id_idx on user_identities (user_id);

alter table user_identities enable row level security;
grant select on user_identities to mysetlist_request;
create policy user_identities_own on user_identities for select to mysetlist_request
    using (user_id = (select app_user_id()));

-- takes: who the provider says it is; how long its token is good
-- gives: which of our users that is, made if need be, and what their account may do
-- Who comes is nobody here yet, so no policy could let them in. Twice at once is once. Written once a day at most.
create function sign_in_as(wanted_issuer text, wanted_subject text, ttl interval)
    returns table (user_id bigint, role user_role)
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    found_id bigint;
begin
    loop
        select i.user_id into found_id
          from user_identities i where i.issuer = wanted_issuer and i.subject = wanted_subject;
        exit when found;
        insert into users default values returning id into found_id;
        insert into user_identities (issuer, subject, user_id) values (wanted_issuer, wanted_subject, found_id)
            on conflict do nothing;
        exit when found;
        delete from users where id = found_id;
    end loop;
    update users u set token_until = now() + ttl
     where u.id = found_id and u.token_until < now() + ttl - interval '1 day';
    return query select u.id, u.role from users u where u.id = found_id;
end $$;
revoke execute on function sign_in_as from public;
grant execute on function sign_in_as to mysetlist_request;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

drop function sign_in_as;
drop table user_identities;
