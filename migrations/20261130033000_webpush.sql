-- migrate:up
-- Web push: what a fan's devices are told, also while no page is open (docs/webpush.md).

set local lock_timeout = '1s';

create type webpush_kind as enum ('voting_closes', 'show_begins', 'song_on');

create table webpush_key (
    is_only     boolean     primary key default true check (is_only),
    private_key bytea       not null check (octet_length(private_key) = 32),
    created_at  timestamptz not null default now()
);
comment on table webpush_key is 'The key of this service towards push services (VAPID). Devices are bound to it: with another one, all must ask again.';
comment on column webpush_key.private_key is 'A number of the curve P-256. No role but the owner reads it.';

create table webpush_devices (
    id          bigint         generated always as identity primary key,
    user_id     bigint         not null references users (id) on delete cascade,
    session_id  bigint         references sessions (id) on delete cascade,
    endpoint    text           not null check (char_length(endpoint) between 1 and 1000),
    public_key  bytea          not null check (octet_length(public_key) = 65),
    auth_secret bytea          not null check (octet_length(auth_secret) = 16),
    kinds       webpush_kind[] not null check (cardinality(kinds) between 1 and 10),
    time_zone   text           not null check (time_zone ~ '^[A-Za-z_]+(/[A-Za-z0-9_+-]+)*$'),
    quiet_from  time,
    quiet_to    time,
    failures    smallint       not null default 0 check (failures >= 0),
    created_at  timestamptz    not null default now(),
    constraint webpush_devices_endpoint_key unique (endpoint),
    constraint webpush_devices_quiet check ((quiet_from is null) = (quiet_to is null) and coalesce(quiet_from <> quiet_to, true))
);
comment on table webpush_devices is 'A browser that a fan lets this service wake.';
comment on column webpush_devices.session_id is 'The sign-in of that browser; when it ends, the device is told nothing any more. Null: a token without a session.';
comment on column webpush_devices.endpoint is 'The address of the device at its push service. Who knows it can send to the device if they have the key too.';
comment on column webpush_devices.quiet_from is 'From then to quiet_to, in its time zone, the device is told nothing. Null: it has no quiet hours.';
comment on column webpush_devices.failures is 'Notices in a row that could not be delivered.';
create index webpush_devices_user_id_idx on webpush_devices (user_id);
create index webpush_devices_session_id_idx on webpush_devices (session_id);

create table webpush_notices (
    id         bigint       generated always as identity primary key,
    user_id    bigint       not null references users (id) on delete cascade,
    kind       webpush_kind not null,
    show_id    bigint       not null,
    song       text         not null default '' check (char_length(song) <= 300),
    made_at    timestamptz  not null,
    expires_at timestamptz  not null,
    constraint webpush_notices_once unique (user_id, kind, show_id)
);
comment on table webpush_notices is 'What a fan is told of a show: each kind once. Kept for 7 days, so that it is not told again.';
comment on column webpush_notices.show_id is 'Without a foreign key: it would lock the show. A notice of a show that is gone is not sent.';
comment on column webpush_notices.expires_at is 'From then on it is not sent any more.';
create index webpush_notices_made_at_idx on webpush_notices (made_at);

create table webpush_deliveries (
    id         bigint      generated always as identity primary key,
    notice_id  bigint      not null references webpush_notices (id) on delete cascade,
    device_id  bigint      not null references webpush_devices (id) on delete cascade,
    attempts   smallint    not null default 0 check (attempts >= 0),
    not_before timestamptz not null,
    constraint webpush_deliveries_once unique (notice_id, device_id)
);
comment on table webpush_deliveries is 'A notice on its way to one device. The row is deleted when it is delivered or given up.';
comment on column webpush_deliveries.not_before is 'The next attempt is after this instant. While it is being sent, no other node takes it before.';
create index webpush_deliveries_due_idx on webpush_deliveries (not_before, id);
create index webpush_deliveries_device_id_idx on webpush_deliveries (device_id);

-- gives: whether an instant lies in the quiet hours, which may cross midnight
create function is_quiet(instant timestamptz, time_zone text, quiet_from time, quiet_to time) returns boolean
language sql stable parallel safe
return case when quiet_from is null then false
            when quiet_from < quiet_to then (instant at time zone time_zone)::time >= quiet_from and (instant at time zone time_zone)::time < quiet_to
            else (instant at time zone time_zone)::time >= quiet_from or (instant at time zone time_zone)::time < quiet_to end;

-- gives: the devices that are told of this kind now: whose sign-in has not ended, outside their quiet hours
create function awake_devices(wanted webpush_kind, instant timestamptz) returns table (id bigint, user_id bigint)
language sql stable as $$
    select d.id, d.user_id
      from webpush_devices d left join sessions s on s.id = d.session_id
     where wanted = any (d.kinds) and not is_quiet(instant, d.time_zone, d.quiet_from, d.quiet_to)
       and (d.session_id is null or s.ended_at is null and s.expires_at > instant)
$$;

-- gives: the fans who go to a show, have votes in it, or follow an act on its bill
create function fans_of_show(wanted bigint) returns table (user_id bigint)
language sql stable as $$
    select a.user_id from user_show_attendance a where a.show_id = wanted
     union
    select v.user_id from setlist_songs e join votes v on v.setlist_song_id = e.id where e.show_id = wanted
     union
    select f.user_id from show_artists b join user_follows_artists f on f.artist_id = b.artist_id where b.show_id = wanted
$$;

revoke execute on function awake_devices, fans_of_show from public;

alter table webpush_devices enable row level security;
create policy webpush_devices_own on webpush_devices for select to mysetlist_request using (user_id = (select app_user_id()));
grant select on webpush_devices to mysetlist_request;
alter table webpush_notices enable row level security;
create policy webpush_notices_own on webpush_notices for select to mysetlist_request using (user_id = (select app_user_id()));
grant select on webpush_notices to mysetlist_request;

-- migrate:down

set local lock_timeout = '1s';

drop function fans_of_show, awake_devices;
drop table webpush_deliveries, webpush_notices, webpush_devices, webpush_key;
drop function is_quiet;
drop type webpush_kind;
