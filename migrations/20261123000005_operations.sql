-- migrate:up

-- What the house keeps about itself: imports and syncs, health by the hour, days in numbers, long operations.

set local lock_timeout = '1s';  -- votes wait behind us; the start tries again

create type sync_service     as enum ('file', 'spotify', 'ticketmaster', 'setlistfm', 'musicbrainz');
create type sync_status      as enum ('queued', 'running', 'succeeded', 'failed', 'cancelled');
create type import_stage     as enum ('read', 'artists', 'venues', 'songs', 'shows', 'setlists');
create type health_status    as enum ('ok', 'degraded', 'down');
create type operation_status as enum ('running', 'succeeded', 'failed', 'interrupted');

-- One row a run: a file that was imported, a provider that was asked.
create table sync_jobs (
    id          bigint generated always as identity primary key,
    service     sync_service   not null,
    kind        text           not null check (char_length(kind) between 1 and 80),   -- import, artist, show
    subject     text           not null default '' check (char_length(subject) <= 300),  -- the file's name, the artist's
    priority    priority_level not null default 'normal',
    status      sync_status    not null default 'queued',
    error       text           not null default '' check (char_length(error) <= 1000),
    created_at  timestamptz    not null default now(),
    started_at  timestamptz,
    finished_at timestamptz
);

create index sync_jobs_recent_idx on sync_jobs (id desc) include (status);

create table sync_progress (
    job_id     bigint       not null references sync_jobs (id) on delete cascade,
    stage      import_stage not null,
    done       bigint       not null default 0 check (done >= 0),
    total      bigint       not null check (total >= 0),
    updated_at timestamptz  not null default now(),
    constraint sync_progress_pkey primary key (job_id, stage)
);

-- What became of each record that was not simply there already.
create table import_log (
    id      bigint generated always as identity primary key,
    job_id  bigint       not null references sync_jobs (id) on delete cascade,
    stage   import_stage not null,
    line    integer      check (line > 0),                 -- in the file; null: the record has none
    outcome text         not null check (outcome in ('added', 'changed', 'refused')),
    message text         not null check (char_length(message) <= 500)
);

create index import_log_job_id_idx on import_log (job_id, id);

-- Availability and latency of each service by the hour, over all nodes.
create table service_health (
    service        text          not null check (service ~ '^[a-z_]+$'),  -- postgres, valkey, smtp, spotify, …
    hour           timestamptz   not null check (hour = date_trunc('hour', hour, 'UTC')),
    ok_count       integer       not null default 0 check (ok_count >= 0),
    degraded_count integer       not null default 0 check (degraded_count >= 0),
    down_count     integer       not null default 0 check (down_count >= 0),
    latency_sum_ms float8        not null default 0 check (latency_sum_ms >= 0),
    latency_max_ms float8        not null default 0 check (latency_max_ms >= 0),
    last_status    health_status not null,
    last_detail    text          not null default '' check (char_length(last_detail) <= 500),
    last_at        timestamptz   not null default now(),
    constraint service_health_pkey primary key (service, hour)
) with (fillfactor = 70);

-- Days (UTC) in numbers. The last two days are counted again until they are over.
create table platform_stats (
    day               date        primary key,
    user_count        bigint      not null check (user_count >= 0),        -- at the end of the day
    new_user_count    bigint      not null check (new_user_count >= 0),
    vote_count        bigint      not null check (vote_count >= 0),        -- cast that day, withdrawals apart
    withdrawn_count   bigint      not null check (withdrawn_count >= 0),
    voted_show_count  bigint      not null check (voted_show_count >= 0),
    new_follow_count  bigint      not null check (new_follow_count >= 0),
    new_going_count   bigint      not null check (new_going_count >= 0),
    new_review_count  bigint      not null check (new_review_count >= 0),
    show_count        bigint      not null check (show_count >= 0),        -- on that local date
    refreshed_at      timestamptz not null default now()
);

-- Long operations on the database, one at a time. Whoever runs one holds an advisory lock meanwhile, so that a row
-- that says `running` without it is known to be a dead node's (server/admin).
create table database_operations (
    id          bigint generated always as identity primary key,
    operation   text             not null check (char_length(operation) between 1 and 40),
    options     jsonb            not null default '{}',
    status      operation_status not null default 'running',
    stage       text             not null default '' check (char_length(stage) <= 200),
    done        bigint           not null default 0 check (done >= 0),
    total       bigint           not null default 0 check (total >= 0),
    result      jsonb            not null default '{}',
    error       text             not null default '' check (char_length(error) <= 1000),
    started_by  bigint           references users (id) on delete set null,
    started_at  timestamptz      not null default now(),
    finished_at timestamptz,
    constraint database_operations_finished check ((status = 'running') = (finished_at is null))
);

create unique index database_operations_one_idx on database_operations ((true)) where status = 'running';
create index database_operations_started_by_idx on database_operations (started_by) where started_by is not null;

-- takes: a day (UTC); counts it (again)
-- Nobodies, who keep the votes of erased accounts, are no users.
create function refresh_platform_stats(wanted date) returns void language sql as $$
    insert into platform_stats (day, user_count, new_user_count, vote_count, withdrawn_count, voted_show_count,
                                new_follow_count, new_going_count, new_review_count, show_count)
    select wanted,
           (select count(*) from users where created_at < b.ends_at and nobody is null),
           (select count(*) from users
             where created_at >= b.begins_at and created_at < b.ends_at and nobody is null),
           v.vote_count, v.withdrawn_count, v.show_count,
           (select count(*) from user_follows_artists where created_at >= b.begins_at and created_at < b.ends_at),
           (select count(*) from user_show_attendance where created_at >= b.begins_at and created_at < b.ends_at),
           (select count(*) from venue_reviews where created_at >= b.begins_at and created_at < b.ends_at),
           (select count(*) from shows where local_date = wanted)
      from (select wanted::timestamp at time zone 'UTC' as begins_at,
                   (wanted + 1)::timestamp at time zone 'UTC' as ends_at) b
     cross join lateral (
           select coalesce(sum(up_count + down_count), 0) as vote_count, coalesce(sum(withdrawn_count), 0) as withdrawn_count,
                  count(distinct show_id) as show_count
             from vote_rollups where hour >= b.begins_at and hour < b.ends_at) v
        on conflict (day) do update
       set user_count = excluded.user_count, new_user_count = excluded.new_user_count,
           vote_count = excluded.vote_count, withdrawn_count = excluded.withdrawn_count,
           voted_show_count = excluded.voted_show_count, new_follow_count = excluded.new_follow_count,
           new_going_count = excluded.new_going_count, new_review_count = excluded.new_review_count,
           show_count = excluded.show_count, refreshed_at = now();
$$;

-- Nobody commits votes from here on. Whoever does takes log_positions first, so they hold none of these tables now.
lock table log_positions in exclusive mode;

create index users_created_at_idx on users (created_at);
create index user_follows_artists_created_at_idx on user_follows_artists (created_at);
create index user_show_attendance_created_at_idx on user_show_attendance (created_at);
create index venue_reviews_created_at_idx on venue_reviews (created_at);
create index vote_rollups_hour_idx on vote_rollups (hour);
create index shows_local_date_idx on shows (local_date);

-- What the slowest statements are. It works where the server was started with it, and not everybody may make it.
do $$
begin
    create extension if not exists pg_stat_statements;
exception when insufficient_privilege or undefined_file or feature_not_supported then
    raise notice 'no pg_stat_statements here: %', sqlerrm;
end $$;

-- takes: how many at most
-- gives: the statements of this database that took the most time in all; an error where the server does not count them
create function slowest_statements(count integer)
returns table (query text, calls bigint, total_ms float8, mean_ms float8, max_ms float8, rows bigint, cache_hit_rate float8)
language plpgsql stable as $$
begin
    -- Planned only when it runs: the view may not be there.
    return query execute
        'select left(s.query, 500), s.calls, s.total_exec_time, s.mean_exec_time, s.max_exec_time, s.rows,
                s.shared_blks_hit::float8 / nullif(s.shared_blks_hit + s.shared_blks_read, 0)
           from pg_stat_statements s
          where s.dbid = (select oid from pg_database where datname = current_database())
          order by s.total_exec_time desc
          limit least(greatest($1, 0), 100)' using count;
end $$;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

drop index shows_local_date_idx, vote_rollups_hour_idx, users_created_at_idx;
drop index user_follows_artists_created_at_idx, user_show_attendance_created_at_idx, venue_reviews_created_at_idx;
drop function slowest_statements, refresh_platform_stats;
do $$
begin
    drop extension if exists pg_stat_statements;
exception when insufficient_privilege then
    raise notice 'pg_stat_statements stays: somebody else made it';
end $$;
drop table database_operations, platform_stats, service_health, import_log, sync_progress, sync_jobs;
drop type operation_status, health_status, import_stage, sync_status, sync_service;
