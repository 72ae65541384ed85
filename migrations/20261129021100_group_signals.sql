-- migrate:up
-- What the search for groups needs: the program and the network of a new account, as hashes of a day, and a show's own rule.

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

alter table sessions add column agent_hash bytea check (octet_length(agent_hash) = 8);
alter table sessions add column subnet_hash bytea check (octet_length(subnet_hash) = 8);
comment on column sessions.agent_hash is 'Equal hashes are one program (User-Agent), for sign-ups of one day; deleted after a day.';
comment on column sessions.subnet_hash is 'Equal hashes are one network (/24, /48), for sign-ups of one day; deleted after a day.';

alter table shows add column sets_groups_aside boolean not null default false;
comment on column shows.sets_groups_aside is 'Groups of this show are set aside when they are found, without a person.';

create index vote_groups_undone_idx on vote_groups (decided_at) where state <> decision;

drop function sign_up(text, bytea, interval);

-- takes: what identifies the new account in the search for groups; ttl, of the session
-- gives: the new account, its session and its end
create function sign_up(
    new_device text, new_address_hash bytea, ttl interval, new_agent_hash bytea default null, new_subnet_hash bytea default null
) returns table (user_id bigint, session_id bigint, expires_at timestamptz)
language sql security definer set search_path = public, pg_temp as $$
    with made as (
        insert into users (token_until) values (now() + ttl) returning id
    )
    insert into sessions as s (user_id, kind, device, address_hash, agent_hash, subnet_hash, expires_at)
    select m.id, 'fan', new_device, new_address_hash, new_agent_hash, new_subnet_hash, now() + ttl from made m
    returning s.user_id, s.id, s.expires_at
$$;
revoke execute on function sign_up(text, bytea, interval, bytea, bytea) from public;
grant execute on function sign_up(text, bytea, interval, bytea, bytea) to mysetlist_request;

-- takes: a show; whether groups are set aside without a person
-- gives: whether there is such a show
create function set_group_rule(wanted_show bigint, is_automatic boolean) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if not app_is_staff() then
        raise exception 'only staff may change this rule' using errcode = 'insufficient_privilege';
    end if;
    update shows set sets_groups_aside = is_automatic where id = wanted_show;
    return found;
end $$;
revoke execute on function set_group_rule from public;
grant execute on function set_group_rule to mysetlist_request;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

drop function set_group_rule(bigint, boolean);
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
revoke execute on function sign_up(text, bytea, interval) from public;
grant execute on function sign_up(text, bytea, interval) to mysetlist_request;
drop function sign_up(text, bytea, interval, bytea, bytea);
drop index vote_groups_undone_idx;
alter table shows drop column sets_groups_aside;
alter table sessions drop column agent_hash;
alter table sessions drop column subnet_hash;
