-- A calendar program subscribes to a fan's shows by an address that nobody can guess, and that the fan can renew.

-- migrate:up

set local lock_timeout = '1s';
-- The key to users needs a lock on them. A commit begins at log_positions, so a writer waits here and holds no other lock.
lock table log_positions in exclusive mode;

create table calendar_feeds (
    user_id    bigint      primary key references users (id) on delete cascade,
    nonce      uuid        not null default gen_random_uuid(),
    created_at timestamptz not null default now()
);
comment on table calendar_feeds is 'A fan has a calendar that programs may subscribe to. Without a row there is none.';
comment on column calendar_feeds.nonce is
    'The address follows from it and from the secret of the service, so this table alone opens no calendar. Renewed with the address.';

alter table calendar_feeds enable row level security;
create policy calendar_feeds_own on calendar_feeds for all to mysetlist_request
    using (user_id = (select app_user_id())) with check (user_id = (select app_user_id()));
grant select, insert, update, delete on calendar_feeds to mysetlist_request;

-- migrate:down

drop table calendar_feeds;
