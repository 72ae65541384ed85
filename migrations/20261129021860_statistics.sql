-- migrate:up
-- Statistics of the platform, an artist, a venue or a show (docs/statistics.md). The writer's transaction only notes which votes
-- changed. Once a second a chore counts the notes, so that a request reads sums.
-- Over 400 lines: tables, functions and triggers of one topic are read together, and a migration is one file.

set local lock_timeout = '1s';
-- A commit begins at log_positions, so a writer waits here and holds no other lock.
lock table log_positions in exclusive mode;

drop function get_vote_stats;

create type statistics_scope as enum ('platform', 'artist', 'venue', 'show');

create table votes_to_count (
    show_id         bigint      not null,
    minute          timestamptz not null,
    up_count        integer     not null,
    down_count      integer     not null,
    withdrawn_count integer     not null
);
comment on table votes_to_count is
    'Votes of one commit and minute of a show that the statistics do not have yet. It has no keys, because every commit adds rows; a'
    ' chore takes them out again.';

create table voters_to_count (
    show_id bigint not null,
    user_id bigint not null,
    day     date   not null
);
comment on table voters_to_count is
    'A fan cast their first vote of a day in a show, and the statistics do not know it yet. As votes_to_count; rows may be equal.';

create table vote_minutes (
    show_id    bigint      not null,
    minute     timestamptz not null,
    vote_count bigint      not null check (vote_count >= 0),
    constraint vote_minutes_pkey primary key (show_id, minute)
);
comment on table vote_minutes is 'One minute of a show in the last two hours: how many votes were cast.';
create index vote_minutes_minute_idx on vote_minutes (minute);

create table platform_hours (
    hour            timestamptz primary key check (hour = date_trunc('hour', hour, 'UTC')),
    up_count        bigint      not null check (up_count >= 0),
    down_count      bigint      not null check (down_count >= 0),
    withdrawn_count bigint      not null check (withdrawn_count >= 0)
);
comment on table platform_hours is 'As vote_rollups, over all shows; deleted shows stay in it.';

create table show_days (
    show_id     bigint not null,
    day         date   not null,
    vote_count  bigint not null default 0 check (vote_count >= 0),
    visit_count bigint not null default 0 check (visit_count >= 0),
    constraint show_days_pkey primary key (show_id, day)
);
comment on table show_days is 'One day (UTC) of a show: how many votes were cast, and how many connections began to watch it.';
comment on column show_days.visit_count is 'Each node adds its own every few seconds; a node that is killed loses its last ones.';
create index show_days_day_idx on show_days (day);

create table voter_days (
    show_id bigint not null,
    user_id bigint not null,
    day     date   not null,
    constraint voter_days_pkey primary key (show_id, user_id, day)
);
comment on table voter_days is
    'A fan cast a vote in a show on that day (UTC). Foreign keys would cost as much as all the rest of counting a voter: triggers'
    ' delete the rows of a user or show that is deleted.';
create index voter_days_user_id_idx on voter_days (user_id);

-- Voters of days a to b: the links whose day lies there and whose previous day lies before a. Each voter has exactly one.
create table voter_links (
    scope        statistics_scope not null,
    scope_id     bigint           not null,
    day          date             not null,
    previous_day date             not null,
    visit        smallint         not null check (visit between 1 and 3),
    voter_count  bigint           not null,
    constraint voter_links_pkey primary key (scope, scope_id, day, previous_day, visit)
);
comment on table voter_links is
    'How many fans voted on a day whose day of voting before was previous_day. Sums of it are the voters of any period.';
comment on column voter_links.scope_id is 'The artist, venue or show; 0 for the platform.';
comment on column voter_links.previous_day is '-infinity: it was their first day.';
comment on column voter_links.visit is '1: their first day; 2: their second; 3: a later one.';

create table scopes_to_recount (
    scope    statistics_scope not null,
    scope_id bigint           not null
);
comment on table scopes_to_recount is
    'Statistics whose shows have changed: a show was deleted, or moved to another artist or venue. A chore counts them again.';

create table best_voters (
    user_id    bigint  primary key references users (id) on delete cascade,
    show_count integer not null check (show_count >= 3),
    hits       bigint  not null check (hits > 0),
    accuracy   float8  not null check (accuracy between 0 and 1)
);
comment on table best_voters is 'The hundred fans who predicted best, of those with three shows. A chore refreshes it.';
comment on column best_voters.accuracy is
    'R-precision over all their shows, with ten songs that were missed: who predicted few songs does not lead.';

-- Few shows hide their counts at a time; the statistics of the platform subtract them.
create index shows_hidden_idx on shows (id) where results <> 'live' and finalised_at is null;

alter table voter_days enable row level security;
alter table best_voters enable row level security;
alter table voters_to_count enable row level security;
create policy voters_to_count_writer on voters_to_count for insert to mysetlist_writer with check (true);
create policy voter_days_writer on voter_days for select to mysetlist_writer using (true);
grant insert on votes_to_count, voters_to_count to mysetlist_writer;
grant select on voter_days to mysetlist_writer;
grant insert, update on show_days to mysetlist_writer;
grant select on votes_to_count, vote_minutes, platform_hours, show_days, voter_links to mysetlist_request, mysetlist_writer;

-- ─────────────────────────────────────────────────────────────────────── notes

create function note_votes_to_count() returns trigger language plpgsql as $$
begin
    insert into votes_to_count (show_id, minute, up_count, down_count, withdrawn_count)
    select show_id, date_trunc('minute', cast_at), count(*) filter (where choice = 'up'),
           count(*) filter (where choice = 'down'), count(*) filter (where choice is null)
      from added
     group by 1, 2;
    insert into voters_to_count (show_id, user_id, day)
    select a.show_id, a.user_id, a.day
      from (select distinct show_id, user_id, (cast_at at time zone 'UTC')::date as day from added where choice is not null) a
     where not exists (select from voter_days v where (v.show_id, v.user_id, v.day) = (a.show_id, a.user_id, a.day));
    return null;
end $$;

create trigger vote_analytics_note_added after insert on vote_analytics
    referencing new table as added for each statement execute function note_votes_to_count();

-- Notes live for a second, so there are few.
create function forget_voter() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    delete from voters_to_count where user_id = old.id;
    delete from voter_days where user_id = old.id;
    return null;
end $$;

create trigger users_forget_voter after delete on users for each row execute function forget_voter();

create function note_scopes() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if tg_op = 'DELETE' then
        delete from voter_days where show_id = old.id;
        if not found then
            return null;  -- Nobody voted, so nothing changes. A recount of the platform reads all voters.
        end if;
        insert into scopes_to_recount (scope, scope_id) values ('show', old.id), ('platform', 0);
    else
        insert into scopes_to_recount (scope, scope_id) values ('artist', new.artist_id), ('venue', new.venue_id);
    end if;
    insert into scopes_to_recount (scope, scope_id) values ('artist', old.artist_id), ('venue', old.venue_id);
    return null;
end $$;

create trigger shows_note_scopes_moved after update of artist_id, venue_id on shows for each row
    when (old.vote_count + new.vote_count > 0
          and row(old.artist_id, old.venue_id) is distinct from row(new.artist_id, new.venue_id))
    execute function note_scopes();
create trigger shows_note_scopes_deleted after delete on shows for each row execute function note_scopes();

-- ───────────────────────────────────────────────────────────────────── counting

-- gives: the shows of an artist, a venue or a show, and whether everybody may see their counts; none for the platform
create function shows_of_scope(wanted statistics_scope, wanted_id bigint)
returns table (show_id bigint, vote_count bigint, is_open boolean) language sql stable as $$
    select w.id, w.vote_count, results_audience(w.results, w.finalised_at) = 0
      from shows w
     where (wanted = 'show' and w.id = wanted_id) or (wanted = 'artist' and w.artist_id = wanted_id)
        or (wanted = 'venue' and w.venue_id = wanted_id)
$$;

-- takes: a show; gives: the scopes that it belongs to
create function scopes_of_show(show_id bigint, artist_id bigint, venue_id bigint)
returns table (scope statistics_scope, scope_id bigint) language sql immutable as $$
    values ('platform'::statistics_scope, 0::bigint), ('artist', artist_id), ('venue', venue_id), ('show', show_id)
$$;

-- takes: how many voters to take at most; the instant that counts as now
-- gives: how many it has counted
create function count_votes(most integer, as_of timestamptz default now()) returns integer language plpgsql as $$
declare
    taken_count integer;
    scopes statistics_scope[]; scope_ids bigint[];
begin
    -- An erasure takes this lock first too, so nobody who is being erased is counted meanwhile.
    perform pg_advisory_xact_lock(hashtext('mysetlist.erase_user'));
    -- One at a time: what a fan's day adds depends on their other days.
    perform pg_advisory_xact_lock(hashtext('mysetlist.count_votes'));
    with waiting as (
        delete from scopes_to_recount where ctid = any(array(select ctid from scopes_to_recount)) returning scope, scope_id
    )
    select array_agg(w.scope), array_agg(w.scope_id) into scopes, scope_ids from (select distinct * from waiting) w;
    perform recount_voters(s.scope, s.scope_id) from unnest(scopes, scope_ids) as s (scope, scope_id);

    with taken as materialized (
        delete from votes_to_count where ctid = any(array(select ctid from votes_to_count)) returning *
    ), voters as materialized (
        delete from voters_to_count where ctid = any(array(select ctid from voters_to_count limit most)) returning *
    ), minutes as (
        insert into vote_minutes (show_id, minute, vote_count)
        select show_id, minute, sum(up_count + down_count) from taken
         where minute > as_of - interval '2 hours'
         group by 1, 2
            on conflict (show_id, minute) do update set vote_count = vote_minutes.vote_count + excluded.vote_count
    ), hours as (
        insert into platform_hours (hour, up_count, down_count, withdrawn_count)
        select date_trunc('hour', minute, 'UTC'), sum(up_count), sum(down_count), sum(withdrawn_count) from taken group by 1
            on conflict (hour) do update
           set up_count = platform_hours.up_count + excluded.up_count,
               down_count = platform_hours.down_count + excluded.down_count,
               withdrawn_count = platform_hours.withdrawn_count + excluded.withdrawn_count
    ), days as (
        insert into show_days (show_id, day, vote_count)
        select show_id, (minute at time zone 'UTC')::date, sum(up_count + down_count) from taken group by 1, 2 order by 1, 2
            on conflict (show_id, day) do update set vote_count = show_days.vote_count + excluded.vote_count
    ), fresh as (
        insert into voter_days (show_id, user_id, day)
        select distinct v.show_id, v.user_id, v.day
          from voters v join users u on u.id = v.user_id join shows w on w.id = v.show_id
            on conflict do nothing
        returning show_id, user_id, day
    -- All days of these fans. This statement does not see the rows that it has just added.
    ), visit as (
        select show_id, user_id, day, false as was_known from fresh
        union all
        select v.show_id, v.user_id, v.day, true
          from (select distinct user_id from fresh) f join voter_days v on v.user_id = f.user_id
    ), day as materialized (
        select s.scope, s.scope_id, v.user_id, v.day, bool_or(v.was_known) as was_known
          from visit v join shows w on w.id = v.show_id cross join lateral scopes_of_show(w.id, w.artist_id, w.venue_id) s
         group by 1, 2, 3, 4
    -- What the fans are in with these days, minus what they were in before. Where nothing is new, both are equal.
    ), moved as (
        select scope, scope_id, day, previous_day, visit, sum(step) as moved
          from (select scope, scope_id, day, coalesce(lag(day) over w, '-infinity') as previous_day,
                       least(row_number() over w, 3)::smallint as visit, 1 as step
                  from day
                window w as (partition by scope, scope_id, user_id order by day)
                 union all
                select scope, scope_id, day, coalesce(lag(day) over w, '-infinity'), least(row_number() over w, 3)::smallint, -1
                  from day where was_known
                window w as (partition by scope, scope_id, user_id order by day)) links
         group by 1, 2, 3, 4, 5
        having sum(step) <> 0
    ), linked as (
        insert into voter_links (scope, scope_id, day, previous_day, visit, voter_count)
        select scope, scope_id, day, previous_day, visit, moved from moved
            on conflict (scope, scope_id, day, previous_day, visit) do update
           set voter_count = voter_links.voter_count + excluded.voter_count
    )
    select count(*) into taken_count from voters;
    delete from vote_minutes where minute < as_of - interval '2 hours';
    return taken_count;
end $$;

-- takes: a scope whose voters are counted again, from voter_days. Erased accounts are in it no more.
create function recount_voters(wanted statistics_scope, wanted_id bigint) returns void language sql as $$
    delete from voter_links where scope = wanted and scope_id = wanted_id;
    insert into voter_links (scope, scope_id, day, previous_day, visit, voter_count)
    select wanted, wanted_id, day, previous_day, visit, count(*)
      from (select day, coalesce(lag(day) over w, '-infinity') as previous_day, least(row_number() over w, 3)::smallint as visit
              from (select user_id, day from voter_days where wanted = 'platform'
                    union
                    select v.user_id, v.day
                      from shows_of_scope(wanted, wanted_id) s join voter_days v on v.show_id = s.show_id) d
            window w as (partition by user_id order by day)) links
     group by 3, 4, 5
$$;

-- Counts everything again, from the history.
-- locks: all rows of log_positions, so that no vote changes meanwhile
create function recount_statistics() returns void language plpgsql as $$
begin
    perform pg_advisory_xact_lock(hashtext('mysetlist.erase_user'));
    perform pg_advisory_xact_lock(hashtext('mysetlist.count_votes'));
    perform from log_positions order by shard for update;
    truncate votes_to_count, voters_to_count, vote_minutes, platform_hours, voter_days, voter_links, scopes_to_recount;
    insert into vote_minutes (show_id, minute, vote_count)
    select show_id, date_trunc('minute', cast_at), count(*) from vote_analytics
     where choice is not null and cast_at > now() - interval '2 hours'
     group by 1, 2;
    insert into platform_hours (hour, up_count, down_count, withdrawn_count)
    select date_trunc('hour', cast_at, 'UTC'), count(*) filter (where choice = 'up'), count(*) filter (where choice = 'down'),
           count(*) filter (where choice is null)
      from vote_analytics group by 1;
    update show_days set vote_count = 0;
    insert into show_days (show_id, day, vote_count)
    select show_id, (hour at time zone 'UTC')::date, sum(up_count + down_count) from vote_rollups group by 1, 2 order by 1, 2
        on conflict (show_id, day) do update set vote_count = excluded.vote_count;
    insert into voter_days (show_id, user_id, day)
    select distinct h.show_id, h.user_id, (h.cast_at at time zone 'UTC')::date
      from vote_analytics h join users u on u.id = h.user_id join shows w on w.id = h.show_id
     where h.choice is not null;
    insert into voter_links (scope, scope_id, day, previous_day, visit, voter_count)
    select scope, scope_id, day, previous_day, visit, count(*)
      from (select scope, scope_id, day, coalesce(lag(day) over w, '-infinity') as previous_day,
                   least(row_number() over w, 3)::smallint as visit
              from (select distinct s.scope, s.scope_id, v.user_id, v.day
                      from voter_days v join shows w on w.id = v.show_id
                     cross join lateral scopes_of_show(w.id, w.artist_id, w.venue_id) s) d
            window w as (partition by scope, scope_id, user_id order by day)) links
     group by 1, 2, 3, 4, 5;
end $$;

-- takes: the numbers of fans in one or more shows; gives: how well they predicted, 0 to 1
create function pooled_accuracy(hits numeric, needed numeric) returns float8 language sql immutable parallel safe
return hits / (needed + 10)::float8;

-- Adds up the predictions of all fans.
create function refresh_best_voters() returns void language sql as $$
    delete from best_voters;
    insert into best_voters (user_id, show_count, hits, accuracy)
    select user_id, count(*), sum(hits), pooled_accuracy(sum(hits), sum(greatest(predicted, played)))
      from voter_accuracy
     group by 1
    having count(*) >= 3 and sum(hits) > 0
     order by 4 desc, 1
     limit 100
$$;

-- ────────────────────────────────────────────────────────────────────── reading

-- gives: the votes cast in each hour; up and down only of shows whose counts everybody may see (docs/statistics.md), or of the one
--        show that is wanted. Several rows may have the same hour.
create function hours_of_scope(wanted statistics_scope, wanted_id bigint, first timestamptz, following timestamptz)
returns table (hour timestamptz, votes bigint, withdrawn bigint, up bigint, down bigint) language sql stable as $$
    select p.hour, p.up_count + p.down_count, p.withdrawn_count, p.up_count, p.down_count
      from platform_hours p
     where wanted = 'platform' and p.hour >= first and p.hour < following
    union all
    select r.hour, 0, 0, -r.up_count, -r.down_count
      from shows w join vote_rollups r on r.show_id = w.id
     where wanted = 'platform' and w.results <> 'live' and w.finalised_at is null and r.hour >= first and r.hour < following
    union all
    -- The roll-ups have votes already that platform_hours gets a second later: without these the difference would tell them.
    select date_trunc('hour', v.minute, 'UTC'), 0, 0, v.up_count, v.down_count
      from votes_to_count v join shows w on w.id = v.show_id
     where wanted = 'platform' and w.results <> 'live' and w.finalised_at is null and v.minute >= first and v.minute < following
    union all
    select r.hour, r.up_count + r.down_count, r.withdrawn_count,
           case when s.is_open or wanted = 'show' then r.up_count else 0 end,
           case when s.is_open or wanted = 'show' then r.down_count else 0 end
      from shows_of_scope(wanted, wanted_id) s join vote_rollups r on r.show_id = s.show_id
     where r.hour >= first and r.hour < following
$$;

-- gives: the time of a show's last vote that was not a withdrawal
-- Runs with its owner's rights, because it reads the history of all fans; it gives a time only.
create function last_vote_at(wanted bigint) returns timestamptz
language sql stable security definer set search_path = public, pg_temp as $$
    select cast_at from vote_analytics where show_id = wanted and choice is not null order by cast_at desc limit 1
$$;

-- gives: the fans who predicted best; over the platform only those with three shows. Names are those of public profiles; the others
--        have none.
-- Runs with its owner's rights, because it reads the scores of all fans; it gives no ids.
create function most_accurate_voters(wanted statistics_scope, wanted_id bigint, most integer)
returns table (name text, show_count bigint, hits bigint, accuracy float8)
language sql stable security definer set search_path = public, pg_temp as $$
    select p.display_name, b.show_count, b.hits, b.accuracy
      from ((select v.user_id, v.show_count::bigint as show_count, v.hits, v.accuracy
               from best_voters v
              where wanted = 'platform'
              order by v.accuracy desc, v.user_id limit most)
            union all
            (select a.user_id, count(*), sum(a.hits), pooled_accuracy(sum(a.hits), sum(greatest(a.predicted, a.played)))
               from shows_of_scope(wanted, wanted_id) s join voter_accuracy a on a.show_id = s.show_id
              where s.is_open or wanted = 'show'
              group by 1
              order by 4 desc, 1 limit most)) b
      left join user_profiles p on p.user_id = b.user_id and p.is_public and p.status = 'approved'
     where b.hits > 0
     order by b.accuracy desc, b.user_id
$$;

revoke execute on function last_vote_at, most_accurate_voters, count_votes, recount_voters, recount_statistics, refresh_best_voters
    from public;
grant execute on function last_vote_at, most_accurate_voters to mysetlist_request;

select recount_statistics();
select refresh_best_voters();

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

drop function most_accurate_voters, last_vote_at, hours_of_scope;
drop trigger shows_note_scopes_moved on shows;
drop trigger shows_note_scopes_deleted on shows;
drop trigger users_forget_voter on users;
drop trigger vote_analytics_note_added on vote_analytics;
drop function refresh_best_voters, pooled_accuracy, recount_statistics, count_votes, recount_voters, shows_of_scope, scopes_of_show, note_scopes,
              forget_voter, note_votes_to_count;
drop index shows_hidden_idx;
drop table votes_to_count, voters_to_count, vote_minutes, platform_hours, show_days, voter_days, voter_links, scopes_to_recount, best_voters;
drop type statistics_scope;

-- takes: a show, and the instant that counts as now
-- gives: no row: no such show; else totals; songs by setlist, ranked (equal scores share a rank); votes an hour over the
--        last 24 hours, oldest first, quiet hours included; votes by hour of the day in the show's zone; distinct voters;
--        the instant of the last vote that was not a withdrawal
-- Runs with its owner's rights, because it counts the votes of all fans; it gives numbers only.
create function get_vote_stats(wanted bigint, as_of timestamptz default now())
returns table (show_id bigint, vote_count bigint, up_count bigint, down_count bigint, voter_count bigint,
               last_vote_at timestamptz, songs jsonb, velocity jsonb, pattern jsonb)
language sql stable security definer set search_path = public, pg_temp as $$
    select w.id, w.vote_count, t.up_count, t.down_count,
           (select count(distinct v.user_id) from setlist_songs s join votes v on v.setlist_song_id = s.id
             where s.show_id = w.id),
           (select h.cast_at from vote_analytics h
             where h.show_id = w.id and h.choice is not null order by h.cast_at desc limit 1),
           t.songs,
           (select jsonb_agg(jsonb_build_object('hour', h.hour, 'votes', coalesce(r.up_count + r.down_count, 0),
                                                'withdrawn', coalesce(r.withdrawn_count, 0)) order by h.hour)
              from generate_series(date_trunc('hour', as_of, 'UTC') - interval '23 hours',
                                   date_trunc('hour', as_of, 'UTC'), interval '1 hour') as h (hour)
              left join vote_rollups r on r.show_id = w.id and r.hour = h.hour),
           (select jsonb_agg(jsonb_build_object('hour', h.hour, 'votes', coalesce(p.votes, 0)) order by h.hour)
              from generate_series(0, 23) as h (hour)
              left join (select extract(hour from r.hour at time zone w.time_zone)::int as hour,
                                sum(r.up_count + r.down_count)::bigint as votes
                           from vote_rollups r where r.show_id = w.id group by 1) p on p.hour = h.hour)
      from shows w
     cross join lateral (
           select coalesce(sum(s.up_count), 0)::bigint as up_count, coalesce(sum(s.down_count), 0)::bigint as down_count,
                  coalesce(jsonb_agg(jsonb_build_object(
                      'id', s.id, 'setlist', s.setlist_id, 'title', s.title, 'up', s.up_count, 'down', s.down_count,
                      'score', s.up_count - s.down_count, 'rank', s.rank) order by s.type, s.place, s.rank, s.id), '[]') as songs
             from (select e.*, l.type, l.position as place, g.title,
                          rank() over (partition by e.setlist_id order by e.up_count - e.down_count desc) as rank
                     from setlist_songs e
                     join setlists l on l.id = e.setlist_id
                     join songs g on g.id = e.song_id
                    where e.show_id = w.id) s) t
     where w.id = wanted
$$;
