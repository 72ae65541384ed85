-- migrate:up
-- Statistics know both numbers: what counts, without ballots that are set aside, and everything that was cast (docs/statistics.md).
-- Over 400 lines: the functions that count are replaced as a whole, and stand here again for the way back.

set local lock_timeout = '1s';
-- A commit begins at log_positions, so a writer waits here and holds no other lock.
lock table log_positions in exclusive mode;

create table set_aside_hours (
    show_id         bigint      not null,
    hour            timestamptz not null check (hour = date_trunc('hour', hour, 'UTC')),
    -- No checks: a row is also the difference that is added to another one.
    up_count        bigint      not null,
    down_count      bigint      not null,
    withdrawn_count bigint      not null,
    constraint set_aside_hours_pkey primary key (show_id, hour)
);
comment on table set_aside_hours is
    'The part of vote_rollups that was cast with ballots that are set aside now. A trigger deletes the rows of a deleted show.';

create table set_asides_to_count (
    show_id bigint not null
);
comment on table set_asides_to_count is
    'Ballots of a show were set aside or count again, and the statistics do not know it yet. Rows may be equal.';

alter table votes_to_count add column aside_up integer not null default 0, add column aside_down integer not null default 0,
    add column aside_withdrawn integer not null default 0;
comment on column votes_to_count.aside_up is 'How many of up_count were cast with ballots that are set aside; the next ones likewise.';
alter table voter_days add column is_set_aside boolean not null default false;
comment on column voter_days.is_set_aside is 'As the statistics know the ballot: set aside, so it counts only in raw numbers.';
alter table voter_links add column raw_voter_count bigint not null default 0;
comment on column voter_links.raw_voter_count is
    'As voter_count, with ballots that are set aside. A link of voter_count goes by the days that count, one of this by all days.';
update voter_links set raw_voter_count = voter_count;
create index setlist_songs_set_aside_idx on setlist_songs (show_id) where set_aside_up_count + set_aside_down_count > 0;
grant select on set_aside_hours to mysetlist_request, mysetlist_writer;

create or replace function note_votes_to_count() returns trigger language plpgsql as $$
begin
    insert into votes_to_count (show_id, minute, up_count, down_count, withdrawn_count, aside_up, aside_down, aside_withdrawn)
    select a.show_id, date_trunc('minute', a.cast_at), count(*) filter (where a.choice = 'up'),
           count(*) filter (where a.choice = 'down'), count(*) filter (where a.choice is null),
           count(m.user_id) filter (where a.choice = 'up'), count(m.user_id) filter (where a.choice = 'down'),
           count(m.user_id) filter (where a.choice is null)
      from added a
      left join vote_group_members m on m.show_id = a.show_id and m.user_id = a.user_id and m.is_set_aside
     group by 1, 2;
    insert into voters_to_count (show_id, user_id, day)
    select a.show_id, a.user_id, a.day
      from (select distinct show_id, user_id, (cast_at at time zone 'UTC')::date as day from added where choice is not null) a
     where not exists (select from voter_days v where (v.show_id, v.user_id, v.day) = (a.show_id, a.user_id, a.day));
    return null;
end $$;

create or replace function move_ballots(show_ids bigint[], user_ids bigint[], steps integer[]) returns void
language sql as $$
    select move_tallies(array_agg(id), array_agg(-up), array_agg(-down), array_agg(up), array_agg(down))
      from (select v.setlist_song_id as id, coalesce(sum(b.step) filter (where v.choice = 'up'), 0) as up,
                   coalesce(sum(b.step) filter (where v.choice = 'down'), 0) as down
              from (select show_id, user_id, sum(step)::integer as step
                      from unnest(show_ids, user_ids, steps) as b (show_id, user_id, step)
                     group by 1, 2 having sum(step) <> 0) b
              join votes v on v.user_id = b.user_id and v.show_id = b.show_id
             group by 1) moved;
    select shift_heat(array_agg(show_id), array_agg(heat), -step)
      from (select b.show_id, b.step, sum_of_heats(array_agg(trending_heat(v.cast_at))) as heat
              from (select show_id, user_id, sum(step)::integer as step
                      from unnest(show_ids, user_ids, steps) as b (show_id, user_id, step)
                     group by 1, 2 having sum(step) <> 0) b
              join votes v on v.user_id = b.user_id and v.show_id = b.show_id
             group by 1, 2) moved
     group by step
     order by step;
    insert into set_asides_to_count (show_id) select distinct show_id from unnest(show_ids) as b (show_id)
$$;

-- takes: shows
-- gives: what was cast in each hour with ballots that are set aside now, from the history; votes of erased fans are nobody's
create function casts_set_aside(show_ids bigint[])
returns table (show_id bigint, hour timestamptz, up_count bigint, down_count bigint, withdrawn_count bigint)
language sql stable as $$
    select h.show_id, date_trunc('hour', h.cast_at, 'UTC'), count(*) filter (where h.choice = 'up'),
           count(*) filter (where h.choice = 'down'), count(*) filter (where h.choice is null)
      from vote_analytics h
      join vote_group_members m on m.show_id = h.show_id and m.user_id = h.user_id and m.is_set_aside
     where h.show_id = any(show_ids) and m.show_id = any(show_ids)
     group by 1, 2
$$;
revoke execute on function casts_set_aside from public;

create or replace function count_votes(most integer, as_of timestamptz default now()) returns integer language plpgsql as $$
declare
    taken_count integer;
begin
    -- An erasure takes this lock first too, so nobody who is being erased is counted meanwhile.
    perform pg_advisory_xact_lock(hashtext('mysetlist.erase_user'));
    -- One at a time: what a fan's day adds depends on their other days.
    perform pg_advisory_xact_lock(hashtext('mysetlist.count_votes'));
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
    -- Where flags have changed, the casts of ballots that are set aside are added up again; elsewhere the notes say what is new.
    ), flagged as materialized (
        delete from set_asides_to_count where ctid = any(array(select ctid from set_asides_to_count)) returning show_id
    ), aside as (
        select show_id, date_trunc('hour', minute, 'UTC') as hour, aside_up as up, aside_down as down, aside_withdrawn as withdrawn
          from taken
         where aside_up + aside_down + aside_withdrawn > 0 and show_id not in (select show_id from flagged)
        union all
        select show_id, hour, up_count, down_count, withdrawn_count
          from casts_set_aside(array(select distinct show_id from flagged))
        union all
        select show_id, hour, -up_count, -down_count, -withdrawn_count
          from set_aside_hours where show_id in (select show_id from flagged)
    ), aside_hours as (
        insert into set_aside_hours (show_id, hour, up_count, down_count, withdrawn_count)
        select a.show_id, a.hour, sum(a.up), sum(a.down), sum(a.withdrawn)
          from aside a join shows w on w.id = a.show_id
         group by 1, 2
        having (sum(a.up), sum(a.down), sum(a.withdrawn)) <> (0, 0, 0)
            on conflict (show_id, hour) do update
           set up_count = set_aside_hours.up_count + excluded.up_count,
               down_count = set_aside_hours.down_count + excluded.down_count,
               withdrawn_count = set_aside_hours.withdrawn_count + excluded.withdrawn_count
    ), flips as materialized (
        select v.show_id, v.user_id, v.day, not v.is_set_aside as is_set_aside
          from (select distinct show_id from flagged) f
          join voter_days v on v.show_id = f.show_id
          left join vote_group_members m on m.show_id = v.show_id and m.user_id = v.user_id and m.is_set_aside
         where v.is_set_aside <> (m.user_id is not null)
         limit most
    ), flipped as (
        update voter_days v
           set is_set_aside = f.is_set_aside
          from flips f
         where v.show_id = f.show_id and v.user_id = f.user_id and v.day = f.day
    ), more as (
        insert into set_asides_to_count (show_id)
        select distinct show_id from flagged where (select count(*) from flips) = most
    ), fresh as (
        insert into voter_days (show_id, user_id, day, is_set_aside)
        select distinct v.show_id, v.user_id, v.day, m.user_id is not null
          from voters v
          join users u on u.id = v.user_id
          join shows w on w.id = v.show_id
          left join vote_group_members m on m.show_id = v.show_id and m.user_id = v.user_id and m.is_set_aside
            on conflict do nothing
        returning show_id, user_id, day, is_set_aside
    -- All days of these fans. This statement does not see the rows that it has just added or changed.
    ), visit as (
        select show_id, user_id, day, not is_set_aside as counts, false as was_known, false as counted from fresh
        union all
        select v.show_id, v.user_id, v.day, not coalesce(f.is_set_aside, v.is_set_aside), true, not v.is_set_aside
          from (select user_id from fresh union select user_id from flips) n
          join voter_days v on v.user_id = n.user_id
          left join flips f on f.show_id = v.show_id and f.user_id = v.user_id and f.day = v.day
    ), day as materialized (
        select s.scope, s.scope_id, v.user_id, v.day, bool_or(v.was_known) as was_known, bool_or(v.counts) as counts,
               bool_or(v.counted) as counted
          from visit v join shows w on w.id = v.show_id cross join lateral scopes_of_show(w.id, w.artist_id, w.venue_id) s
         group by 1, 2, 3, 4
    -- What the fans are in with these days, minus what they were in before. Where nothing is new, both are equal.
    ), moved as (
        select scope, scope_id, day, previous_day, visit, sum(step) as moved, sum(raw_step) as raw_moved
          from (select scope, scope_id, day, coalesce(lag(day) over w, '-infinity') as previous_day,
                       least(row_number() over w, 3)::smallint as visit, 1 as step, 0 as raw_step
                  from day where counts
                window w as (partition by scope, scope_id, user_id order by day)
                 union all
                select scope, scope_id, day, coalesce(lag(day) over w, '-infinity'), least(row_number() over w, 3)::smallint, -1, 0
                  from day where counted
                window w as (partition by scope, scope_id, user_id order by day)
                 union all
                select scope, scope_id, day, coalesce(lag(day) over w, '-infinity'), least(row_number() over w, 3)::smallint, 0, 1
                  from day
                window w as (partition by scope, scope_id, user_id order by day)
                 union all
                select scope, scope_id, day, coalesce(lag(day) over w, '-infinity'), least(row_number() over w, 3)::smallint, 0, -1
                  from day where was_known
                window w as (partition by scope, scope_id, user_id order by day)) links
         group by 1, 2, 3, 4, 5
        having (sum(step), sum(raw_step)) <> (0, 0)
    ), linked as (
        insert into voter_links (scope, scope_id, day, previous_day, visit, voter_count, raw_voter_count)
        select scope, scope_id, day, previous_day, visit, moved, raw_moved from moved
            on conflict (scope, scope_id, day, previous_day, visit) do update
           set voter_count = voter_links.voter_count + excluded.voter_count,
               raw_voter_count = voter_links.raw_voter_count + excluded.raw_voter_count
    )
    select greatest((select count(*) from voters), (select count(*) from flips)) into taken_count;
    delete from vote_minutes where minute < as_of - interval '2 hours';
    return taken_count;
end $$;

create or replace function recount_voters(wanted statistics_scope, wanted_id bigint) returns void language sql as $$
    delete from voter_links where scope = wanted and scope_id = wanted_id;
    with day as materialized (
        select user_id, day, bool_or(not is_set_aside) as counts
          from (select user_id, day, is_set_aside from voter_days where wanted = 'platform'
                union all
                select v.user_id, v.day, v.is_set_aside
                  from shows_of_scope(wanted, wanted_id) s join voter_days v on v.show_id = s.show_id) d
         group by 1, 2
    )
    insert into voter_links (scope, scope_id, day, previous_day, visit, voter_count, raw_voter_count)
    select wanted, wanted_id, l.*
      from (select day, previous_day, visit, sum(step), sum(raw_step)
      from (select day, coalesce(lag(day) over w, '-infinity') as previous_day, least(row_number() over w, 3)::smallint as visit,
                   1 as step, 0 as raw_step
              from day where counts
            window w as (partition by user_id order by day)
             union all
            select day, coalesce(lag(day) over w, '-infinity'), least(row_number() over w, 3)::smallint, 0, 1
              from day
            window w as (partition by user_id order by day)) links
     group by 1, 2, 3) l
$$;

create or replace function recount_statistics() returns void language plpgsql as $$
begin
    perform pg_advisory_xact_lock(hashtext('mysetlist.erase_user'));
    perform pg_advisory_xact_lock(hashtext('mysetlist.count_votes'));
    perform from log_positions order by shard for update;
    truncate votes_to_count, voters_to_count, vote_minutes, platform_hours, voter_days, voter_links, scopes_to_recount, set_asides_to_count, set_aside_hours;
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
    insert into set_aside_hours (show_id, hour, up_count, down_count, withdrawn_count)
    select a.* from casts_set_aside(array(select distinct show_id from vote_group_members where is_set_aside)) a
      join shows w on w.id = a.show_id;
    insert into voter_days (show_id, user_id, day, is_set_aside)
    select distinct h.show_id, h.user_id, (h.cast_at at time zone 'UTC')::date, m.user_id is not null
      from vote_analytics h
      join users u on u.id = h.user_id
      join shows w on w.id = h.show_id
      left join vote_group_members m on m.show_id = h.show_id and m.user_id = h.user_id and m.is_set_aside
     where h.choice is not null;
    with day as materialized (
        select s.scope, s.scope_id, v.user_id, v.day, bool_or(not v.is_set_aside) as counts
          from voter_days v
          join shows w on w.id = v.show_id
         cross join lateral scopes_of_show(w.id, w.artist_id, w.venue_id) s
         group by 1, 2, 3, 4
    )
    insert into voter_links (scope, scope_id, day, previous_day, visit, voter_count, raw_voter_count)
    select scope, scope_id, day, previous_day, visit, sum(step), sum(raw_step)
      from (select scope, scope_id, day, coalesce(lag(day) over w, '-infinity') as previous_day, least(row_number() over w, 3)::smallint as visit,
                   1 as step, 0 as raw_step
              from day where counts
            window w as (partition by scope, scope_id, user_id order by day)
             union all
            select scope, scope_id, day, coalesce(lag(day) over w, '-infinity'), least(row_number() over w, 3)::smallint, 0, 1
              from day
            window w as (partition by scope, scope_id, user_id order by day)) links
     group by 1, 2, 3, 4, 5;
end $$;

create or replace function note_scopes() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if tg_op = 'DELETE' then
        delete from set_aside_hours where show_id = old.id;
        delete from voter_days where show_id = old.id;
        if not found then
            return null;  -- Nobody voted, so nothing changes. A recount of the platform reads all voters.
        end if;
        insert into scopes_to_recount (scope, scope_id) values ('show', old.id), ('platform', 0);
    else
        if not exists (select from vote_rollups where show_id = old.id) then
            return null;
        end if;
        insert into scopes_to_recount (scope, scope_id) values ('artist', new.artist_id), ('venue', new.venue_id);
    end if;
    insert into scopes_to_recount (scope, scope_id) values ('artist', old.artist_id), ('venue', old.venue_id);
    return null;
end $$;

-- gives: the votes cast in each hour, without ballots that are set aside, and raw_votes with them; up and down only of shows whose counts
--        everybody may see (docs/statistics.md), or of the one show that is wanted. Several rows may have the same hour.
drop function hours_of_scope;
create function hours_of_scope(wanted statistics_scope, wanted_id bigint, first timestamptz, following timestamptz)
returns table (hour timestamptz, votes bigint, withdrawn bigint, up bigint, down bigint, raw_votes bigint) language sql stable as $$
    select p.hour, p.up_count + p.down_count, p.withdrawn_count, p.up_count, p.down_count, p.up_count + p.down_count
      from platform_hours p
     where wanted = 'platform' and p.hour >= first and p.hour < following
    union all
    select r.hour, 0, 0, -r.up_count, -r.down_count, 0
      from shows w join vote_rollups r on r.show_id = w.id
     where wanted = 'platform' and w.results <> 'live' and w.finalised_at is null and r.hour >= first and r.hour < following
    union all
    -- The roll-ups have votes already that platform_hours gets a second later: without these the difference would tell them.
    select date_trunc('hour', v.minute, 'UTC'), 0, 0, v.up_count, v.down_count, 0
      from votes_to_count v join shows w on w.id = v.show_id
     where wanted = 'platform' and w.results <> 'live' and w.finalised_at is null and v.minute >= first and v.minute < following
    union all
    select r.hour, r.up_count + r.down_count, r.withdrawn_count,
           case when s.is_open or wanted = 'show' then r.up_count else 0 end,
           case when s.is_open or wanted = 'show' then r.down_count else 0 end, r.up_count + r.down_count
      from shows_of_scope(wanted, wanted_id) s join vote_rollups r on r.show_id = s.show_id
     where r.hour >= first and r.hour < following
    union all
    -- Ballots that are set aside. Of a hidden show, nothing is left in up and down that they could be taken off.
    select a.hour, -(a.up_count + a.down_count), -a.withdrawn_count, case when s.is_open or wanted = 'show' then -a.up_count else 0 end,
           case when s.is_open or wanted = 'show' then -a.down_count else 0 end, 0
      from shows_of_scope(wanted, wanted_id) s
      join set_aside_hours a on a.show_id = s.show_id and a.hour >= first and a.hour < following
    union all
    select a.hour, -(a.up_count + a.down_count), -a.withdrawn_count, case when h.id is null then -a.up_count else 0 end,
           case when h.id is null then -a.down_count else 0 end, 0
      from set_aside_hours a
      left join shows h on h.id = a.show_id and h.results <> 'live' and h.finalised_at is null
     where wanted = 'platform' and a.hour >= first and a.hour < following
$$;

insert into set_asides_to_count (show_id) select distinct show_id from vote_group_members where is_set_aside;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

drop function hours_of_scope;
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

create or replace function note_scopes() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if tg_op = 'DELETE' then
        delete from voter_days where show_id = old.id;
        if not found then
            return null;  -- Nobody voted, so nothing changes. A recount of the platform reads all voters.
        end if;
        insert into scopes_to_recount (scope, scope_id) values ('show', old.id), ('platform', 0);
    else
        if not exists (select from vote_rollups where show_id = old.id) then
            return null;
        end if;
        insert into scopes_to_recount (scope, scope_id) values ('artist', new.artist_id), ('venue', new.venue_id);
    end if;
    insert into scopes_to_recount (scope, scope_id) values ('artist', old.artist_id), ('venue', old.venue_id);
    return null;
end $$;

create or replace function recount_statistics() returns void language plpgsql as $$
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

create or replace function recount_voters(wanted statistics_scope, wanted_id bigint) returns void language sql as $$
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

create or replace function count_votes(most integer, as_of timestamptz default now()) returns integer language plpgsql as $$
declare
    taken_count integer;
begin
    -- An erasure takes this lock first too, so nobody who is being erased is counted meanwhile.
    perform pg_advisory_xact_lock(hashtext('mysetlist.erase_user'));
    -- One at a time: what a fan's day adds depends on their other days.
    perform pg_advisory_xact_lock(hashtext('mysetlist.count_votes'));
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

drop function casts_set_aside;
create or replace function move_ballots(show_ids bigint[], user_ids bigint[], steps integer[]) returns void
language sql as $$
    select move_tallies(array_agg(id), array_agg(-up), array_agg(-down), array_agg(up), array_agg(down))
      from (select v.setlist_song_id as id, coalesce(sum(b.step) filter (where v.choice = 'up'), 0) as up,
                   coalesce(sum(b.step) filter (where v.choice = 'down'), 0) as down
              from (select show_id, user_id, sum(step)::integer as step
                      from unnest(show_ids, user_ids, steps) as b (show_id, user_id, step)
                     group by 1, 2 having sum(step) <> 0) b
              join votes v on v.user_id = b.user_id and v.show_id = b.show_id
             group by 1) moved;
    select shift_heat(array_agg(show_id), array_agg(heat), -step)
      from (select b.show_id, b.step, sum_of_heats(array_agg(trending_heat(v.cast_at))) as heat
              from (select show_id, user_id, sum(step)::integer as step
                      from unnest(show_ids, user_ids, steps) as b (show_id, user_id, step)
                     group by 1, 2 having sum(step) <> 0) b
              join votes v on v.user_id = b.user_id and v.show_id = b.show_id
             group by 1, 2) moved
     group by step
     order by step
$$;

create or replace function note_votes_to_count() returns trigger language plpgsql as $$
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

drop index setlist_songs_set_aside_idx;
-- The version before counts every ballot.
update voter_links set voter_count = raw_voter_count;
alter table voter_links drop column raw_voter_count;
alter table voter_days drop column is_set_aside;
alter table votes_to_count drop column aside_up, drop column aside_down, drop column aside_withdrawn;
drop table set_asides_to_count, set_aside_hours;
