-- migrate:up
-- A fan who votes in one more show is counted again in the scopes of this show, and no longer in those of all shows of the fan.

set local lock_timeout = '1s';

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
    ), scoped as materialized (
        select s.scope, s.scope_id, v.user_id, v.day, v.was_known, v.counts, v.counted
          from visit v join shows w on w.id = v.show_id cross join lateral scopes_of_show(w.id, w.artist_id, w.venue_id) s
    -- In the other scopes of these fans nothing is new.
    ), day as materialized (
        select scope, scope_id, user_id, day, bool_or(was_known) as was_known, bool_or(counts) as counts, bool_or(counted) as counted
          from scoped
         where (scope, scope_id, user_id) in (select scope, scope_id, user_id from scoped where not was_known or counts <> counted)
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

-- migrate:down
set local lock_timeout = '1s';

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
