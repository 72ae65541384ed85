-- migrate:up
-- Voters of a scope are counted again in a transaction of their own: one that fails stops no other statistics. A show whose votes were
-- all withdrawn takes its voters along. The best voters of the platform are those of shows whose counts everybody may see.

set local lock_timeout = '1s';
-- A commit begins at log_positions, so a writer waits here and holds no other lock.
lock table log_positions in exclusive mode;

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

-- takes: a scope that waits in scopes_to_recount
-- locks: advisory locks only, as count_votes()
create function recount_scope(wanted statistics_scope, wanted_id bigint) returns void language plpgsql as $$
begin
    perform pg_advisory_xact_lock(hashtext('mysetlist.erase_user'));
    perform pg_advisory_xact_lock(hashtext('mysetlist.count_votes'));
    -- What comes meanwhile stays, and is counted next time.
    delete from scopes_to_recount where scope = wanted and scope_id = wanted_id;
    perform recount_voters(wanted, wanted_id);
end $$;
revoke execute on function recount_scope from public;

-- The roll-ups know that somebody voted, from the commit of the vote on.
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

drop trigger shows_note_scopes_moved on shows;
create trigger shows_note_scopes_moved after update of artist_id, venue_id on shows for each row
    when (row(old.artist_id, old.venue_id) is distinct from row(new.artist_id, new.venue_id))
    execute function note_scopes();

-- Adds up the predictions of all fans, in shows whose counts everybody may see.
create or replace function refresh_best_voters() returns void language sql as $$
    delete from best_voters;
    insert into best_voters (user_id, show_count, hits, accuracy)
    select a.user_id, count(*), sum(a.hits), pooled_accuracy(sum(a.hits), sum(greatest(a.predicted, a.played)))
      from voter_accuracy a
      join shows w on w.id = a.show_id
     where results_audience(w.results, w.finalised_at) = 0
     group by 1
    having count(*) >= 3 and sum(a.hits) > 0
     order by 4 desc, 1
     limit 100
$$;

select refresh_best_voters();

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

create or replace function refresh_best_voters() returns void language sql as $$
    delete from best_voters;
    insert into best_voters (user_id, show_count, hits, accuracy)
    select user_id, count(*), sum(hits), pooled_accuracy(sum(hits), sum(greatest(predicted, played)))
      from voter_accuracy
     group by 1
    having count(*) >= 3 and sum(hits) > 0
     order by 4 desc, 1
     limit 100
$$;

drop trigger shows_note_scopes_moved on shows;
create trigger shows_note_scopes_moved after update of artist_id, venue_id on shows for each row
    when (old.vote_count + new.vote_count > 0
          and row(old.artist_id, old.venue_id) is distinct from row(new.artist_id, new.venue_id))
    execute function note_scopes();

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
        insert into scopes_to_recount (scope, scope_id) values ('artist', new.artist_id), ('venue', new.venue_id);
    end if;
    insert into scopes_to_recount (scope, scope_id) values ('artist', old.artist_id), ('venue', old.venue_id);
    return null;
end $$;

drop function recount_scope;
create or replace function count_votes(most integer, as_of timestamptz default now()) returns integer language plpgsql as $$
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
