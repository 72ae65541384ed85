-- migrate:up
-- Running the service: health by the hour, daily statistics, long operations, and checks of invariants.

set local lock_timeout = '1s';
-- A commit begins at log_positions, so a writer waits here and holds no other lock.
lock table log_positions in exclusive mode;

create table service_health (
    service        text          not null check (service ~ '^[a-z_]+$'),
    hour           timestamptz   not null check (hour = date_trunc('hour', hour, 'UTC')),
    ok_count       integer       not null default 0 check (ok_count >= 0),
    degraded_count integer       not null default 0 check (degraded_count >= 0),
    down_count     integer       not null default 0 check (down_count >= 0),
    cached_count   integer       not null default 0 check (cached_count >= 0),
    latency_sum_ms float8        not null default 0 check (latency_sum_ms >= 0),
    latency_max_ms float8        not null default 0 check (latency_max_ms >= 0),
    last_status    health_status not null,
    last_detail    text          not null default '' check (char_length(last_detail) <= 500),
    last_at        timestamptz   not null default now(),
    constraint service_health_pkey primary key (service, hour)
) with (fillfactor = 70);
comment on table service_health is 'Availability and latency of a service in one hour, over all nodes.';
comment on column service_health.service is 'postgres, valkey, smtp, or a provider.';
comment on column service_health.cached_count is 'The number of requests that external_cache answered instead of the service.';

create table service_alerts (
    service text          primary key check (service ~ '^[a-z_]+$'),
    status  health_status not null,
    detail  text          not null default '' check (char_length(detail) <= 500),
    since   timestamptz   not null default now()
);
comment on table service_alerts is 'The status of a service in its last alert. A change of status gives one alert.';

create table platform_stats (
    day               date        primary key,
    user_count        bigint      not null check (user_count >= 0),
    new_user_count    bigint      not null check (new_user_count >= 0),
    vote_count        bigint      not null check (vote_count >= 0),
    withdrawn_count   bigint      not null check (withdrawn_count >= 0),
    voted_show_count  bigint      not null check (voted_show_count >= 0),
    new_follow_count  bigint      not null check (new_follow_count >= 0),
    new_going_count   bigint      not null check (new_going_count >= 0),
    new_review_count  bigint      not null check (new_review_count >= 0),
    show_count        bigint      not null check (show_count >= 0),
    refreshed_at      timestamptz not null default now()
);
comment on table platform_stats is 'Statistics of one day (UTC). A chore refreshes today and yesterday.';
comment on column platform_stats.user_count is 'At the end of the day.';
comment on column platform_stats.vote_count is 'Cast that day, withdrawals not included.';
comment on column platform_stats.show_count is 'Shows on that local date.';

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
comment on table database_operations is
    'A long operation: vacuum, reindex, integrity check, clean-up, seed. One at a time, under an advisory lock.';
comment on column database_operations.status is 'A running row without the advisory lock belongs to a node that died.';

create unique index database_operations_one_idx on database_operations ((true)) where status = 'running';
create index database_operations_started_by_idx on database_operations (started_by) where started_by is not null;

-- takes: a day (UTC); writes its statistics, or replaces them
-- Nobodies, which hold the votes of erased accounts, are not counted as users.
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

-- The extension counts the time of statements. It works only if the server was started with its library, and some owners
-- of a database may not create it.
do $$
begin
    create extension if not exists pg_stat_statements;
exception when insufficient_privilege or undefined_file or feature_not_supported then
    raise notice 'no pg_stat_statements here: %', sqlerrm;
end $$;

-- takes: the largest number of rows
-- gives: the statements of this database that took the most time in total; an error if the server has no extension that
--        counts them
create function slowest_statements(count integer)
returns table (query text, calls bigint, total_ms float8, mean_ms float8, max_ms float8, rows bigint, cache_hit_rate float8)
language plpgsql stable as $$
begin
    -- `execute` plans the query only when it runs: the view may not exist.
    return query execute
        'select left(s.query, 500), s.calls, s.total_exec_time, s.mean_exec_time, s.max_exec_time, s.rows,
                s.shared_blks_hit::float8 / nullif(s.shared_blks_hit + s.shared_blks_read, 0)
           from pg_stat_statements s
          where s.dbid = (select oid from pg_database where datname = current_database())
          order by s.total_exec_time desc
          limit least(greatest($1, 0), 100)' using count;
end $$;

-- ────────────────────────────────────────────────────────────────── invariants

-- gives: every stored count that differs from the rows that it counts; none: all counts are right
create function miscounts()
returns table (subject text, id bigint, count_of text, stored bigint, counted bigint, show_id bigint)
language sql stable as $$
    with song as materialized (
        select setlist_song_id as id, count(*) filter (where choice = 'up') as up,
               count(*) filter (where choice = 'down') as down
          from votes group by 1
    ), counted_song as materialized (
        select s.id, s.setlist_id, s.show_id, s.up_count, s.down_count, coalesce(v.up, 0) as up, coalesce(v.down, 0) as down
          from setlist_songs s left join song v on v.id = s.id
    )
    select 'song', s.id, 'up', s.up_count, s.up, s.show_id from counted_song s where s.up_count <> s.up
    union all
    select 'song', s.id, 'down', s.down_count, s.down, s.show_id from counted_song s where s.down_count <> s.down
    union all
    select 'setlist', l.id, 'votes', l.vote_count, coalesce(v.votes, 0), l.show_id
      from setlists l
      left join (select setlist_id, sum(up + down)::bigint as votes from counted_song group by 1) v on v.setlist_id = l.id
     where l.vote_count <> coalesce(v.votes, 0)
    union all
    select 'show', w.id, 'votes', w.vote_count, coalesce(v.votes, 0), w.id
      from shows w
      left join (select show_id, sum(up + down)::bigint as votes from counted_song group by 1) v on v.show_id = w.id
     where w.vote_count <> coalesce(v.votes, 0)
    union all
    select 'show', w.id, 'attendance', w.attendance_count, coalesce(g.going, 0), w.id
      from shows w
      left join (select show_id, count(*) as going from user_show_attendance group by 1) g on g.show_id = w.id
     where w.attendance_count <> coalesce(g.going, 0)
    union all
    select 'artist', a.artist_id, 'followers', a.follower_count, coalesce(f.followers, 0), null
      from artist_stats a
      left join (select artist_id, count(*) as followers from user_follows_artists group by 1) f on f.artist_id = a.artist_id
     where a.follower_count <> coalesce(f.followers, 0)
    union all
    select 'artist', a.artist_id, 'shows', a.show_count, coalesce(w.shows, 0), null
      from artist_stats a
      left join (select artist_id, count(*) as shows from shows group by 1) w on w.artist_id = a.artist_id
     where a.show_count <> coalesce(w.shows, 0)
    union all
    select 'venue', v.id, 'reviews', v.review_count, coalesce(r.reviews, 0), null
      from venues v
      left join (select venue_id, count(*) as reviews from venue_reviews where status = 'approved' group by 1) r
        on r.venue_id = v.id
     where v.review_count <> coalesce(r.reviews, 0)
    union all
    select 'venue', v.id, 'ratings', v.rating_sum, coalesce(r.ratings, 0), null
      from venues v
      left join (select venue_id, sum(rating) as ratings from venue_reviews where status = 'approved' group by 1) r
        on r.venue_id = v.id
     where v.rating_sum <> coalesce(r.ratings, 0)
$$;

-- gives: the number of changed rows; it corrects every count that miscounts() lists
-- locks: all rows of log_positions, so that no writer commits meanwhile; then the rows with wrong counts, in the lock
--        order. A transaction that changes the counted rows waits for them, so the new count is complete
create function repair_counts() returns bigint language plpgsql as $$
declare
    song_ids bigint[]; setlist_ids bigint[]; show_ids bigint[]; artist_ids bigint[]; venue_ids bigint[];
    repaired bigint := 0;
    step bigint;
begin
    perform from log_positions order by shard for update;
    select array_agg(m.id) filter (where m.subject = 'song'), array_agg(m.id) filter (where m.subject = 'setlist'),
           array_agg(m.id) filter (where m.subject = 'show'), array_agg(m.id) filter (where m.subject = 'artist'),
           array_agg(m.id) filter (where m.subject = 'venue')
      into song_ids, setlist_ids, show_ids, artist_ids, venue_ids
      from miscounts() m;
    perform from setlist_songs where id = any(song_ids) order by id for update;
    perform from setlists where id = any(setlist_ids) order by id for update;
    perform from shows where id = any(show_ids) order by id for update;
    perform from artist_stats where artist_id = any(artist_ids) order by artist_id for update;
    perform from venues where id = any(venue_ids) order by id for update;

    update setlist_songs s
       set (up_count, down_count) =
           (select count(*) filter (where v.choice = 'up'), count(*) filter (where v.choice = 'down')
              from votes v where v.setlist_song_id = s.id)
     where s.id = any(song_ids);
    get diagnostics step = row_count; repaired := repaired + step;
    update setlists l
       set vote_count = (select coalesce(sum(s.up_count + s.down_count), 0) from setlist_songs s where s.setlist_id = l.id)
     where l.id = any(setlist_ids);
    get diagnostics step = row_count; repaired := repaired + step;
    update shows w
       set vote_count = (select coalesce(sum(s.up_count + s.down_count), 0) from setlist_songs s where s.show_id = w.id),
           attendance_count = (select count(*) from user_show_attendance g where g.show_id = w.id)
     where w.id = any(show_ids);
    get diagnostics step = row_count; repaired := repaired + step;
    update artist_stats a
       set follower_count = (select count(*) from user_follows_artists f where f.artist_id = a.artist_id),
           show_count = (select count(*) from shows w where w.artist_id = a.artist_id)
     where a.artist_id = any(artist_ids);
    get diagnostics step = row_count; repaired := repaired + step;
    update venues v
       set (review_count, rating_sum) =
           (select count(*), coalesce(sum(r.rating), 0) from venue_reviews r where r.venue_id = v.id and r.status = 'approved')
     where v.id = any(venue_ids);
    get diagnostics step = row_count;
    return repaired + step;
end $$;

-- gives: every violation of these rules; none: all rules hold
-- rules: tally      a stored count differs from the rows it counts
--        history    the history of a song's votes does not add up to its tally
--        rollup     an hour's roll-up differs from the history of that hour
--        window     votes were cast before voting opened or after it closed (also after the window was moved)
--        budget     a fan has more votes in a show than it allows (also after the budget was lowered)
--        position   a show's position is ahead of its shard's log
--        bill       a show's own artist is not the headliner of its bill
create function integrity_check() returns table (rule text, subject text, detail text) language sql stable as $$
    select 'tally', m.subject || ':' || m.id, format('%s is %s, the rows say %s', m.count_of, m.stored, m.counted)
      from miscounts() m
    union all
    select 'history', 'song:' || s.id,
           format('tally %s/%s, history %s/%s', s.up_count, s.down_count, coalesce(h.up, 0), coalesce(h.down, 0))
      from setlist_songs s
      left join (select setlist_song_id,
                        count(*) filter (where choice = 'up') - count(*) filter (where previous = 'up') as up,
                        count(*) filter (where choice = 'down') - count(*) filter (where previous = 'down') as down
                   from vote_analytics group by 1) h on h.setlist_song_id = s.id
     where (s.up_count, s.down_count) is distinct from (coalesce(h.up, 0), coalesce(h.down, 0))
    union all
    select 'rollup', 'show:' || coalesce(r.show_id, h.show_id),
           format('%s: roll-up %s/%s/%s, history %s/%s/%s', coalesce(r.hour, h.hour),
                  r.up_count, r.down_count, r.withdrawn_count, h.up_count, h.down_count, h.withdrawn_count)
      from vote_rollups r
      full join (select show_id, date_trunc('hour', cast_at, 'UTC') as hour,
                        count(*) filter (where choice = 'up') as up_count,
                        count(*) filter (where choice = 'down') as down_count,
                        count(*) filter (where choice is null) as withdrawn_count
                   from vote_analytics where show_id in (select id from shows) group by 1, 2) h
        on h.show_id = r.show_id and h.hour = r.hour
     where (r.up_count, r.down_count, r.withdrawn_count) is distinct from (h.up_count, h.down_count, h.withdrawn_count)
    union all
    select 'window', 'show:' || w.id, format('%s votes outside of %s to %s', v.outside, w.opens_at, w.closes_at)
      from shows w
      join (select v.show_id, count(*) as outside
              from votes v join shows w on w.id = v.show_id
             where v.cast_at < w.opens_at or v.cast_at >= w.closes_at group by 1) v on v.show_id = w.id
    union all
    select 'budget', 'show:' || b.show_id, format('%s fans have more than %s votes', count(*), b.votes_per_user_max)
      from (select v.show_id, w.votes_per_user_max
              from votes v join shows w on w.id = v.show_id and w.votes_per_user_max is not null
             group by v.show_id, v.user_id, w.votes_per_user_max having count(*) > w.votes_per_user_max) b
     group by b.show_id, b.votes_per_user_max
    union all
    select 'position', 'show:' || w.id, format('position %s, its shard stands at %s', w.position, p.position)
      from shows w
      join log_positions p on p.shard = w.id % (select count(*) from log_positions)
     where w.position > p.position
    union all
    select 'bill', 'show:' || w.id, 'its artist is not the headliner'
      from shows w
     where not exists (select from show_artists a
                        where a.show_id = w.id and a.artist_id = w.artist_id and a.billing = 'headliner')
$$;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;
drop function integrity_check, repair_counts, miscounts, slowest_statements, refresh_platform_stats;
do $$
begin
    drop extension if exists pg_stat_statements;
exception when insufficient_privilege then
    raise notice 'pg_stat_statements stays: it has another owner';
end $$;
drop table database_operations, platform_stats, service_alerts, service_health;
