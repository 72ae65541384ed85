-- Exports are made beside the requests that ask for them, so each is kept until its user has fetched it.

-- migrate:up

create table exports (
    user_id       bigint      primary key references users (id) on delete cascade,
    asked_at      timestamptz not null default now(),
    claimed_until timestamptz,
    tries         smallint    not null default 0,
    document      text
);
comment on table exports is 'An export that a user asked for in the last day: the newest one.';
comment on column exports.claimed_until is 'Until when the node that makes the export has it. Null: no node has begun.';
comment on column exports.document is 'The JSON. Null: it is not made yet.';

create index exports_asked_at_idx on exports (asked_at);
create index exports_waiting_idx on exports (asked_at) where document is null;

alter table exports enable row level security;
create policy exports_read on exports for select to mysetlist_request using (user_id = (select app_user_id()));
grant select on exports to mysetlist_request;

-- takes: how long an export is kept; how many may wait
-- gives: whether an export of the current user is kept or waits now; false: too many wait
create function ask_for_export(kept interval, waiting_max integer) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if (select count(*) from (select from exports where document is null limit waiting_max) w) >= waiting_max then
        return exists (select from exports where user_id = app_user_id() and asked_at > now() - kept);
    end if;
    insert into exports as e (user_id) values (app_user_id())
        on conflict (user_id) do update
       set asked_at = now(), claimed_until = null, tries = 0, document = null
     where e.asked_at <= now() - kept;
    return true;
end $$;

revoke execute on function ask_for_export from public;
grant execute on function ask_for_export to mysetlist_request;

-- migrate:down

drop function ask_for_export;
drop table exports;
