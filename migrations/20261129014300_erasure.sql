-- migrate:up
-- Erasures go together: one lock of the shards for many of them, and no second reading of the whole history under it.

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

drop function erase_user(bigint);

-- takes: a user
-- The functions run with their owner's rights, so current_user is the owner. `role` and session_user name the caller.
create function refuse_other_eraser(wanted bigint) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
    if (current_setting('role') = 'mysetlist_request' or not pg_has_role(session_user, current_user, 'member'))
       and coalesce(current_setting('app.role', true), '') <> 'admin'
       and not coalesce(wanted = nullif(current_setting('app.user_id', true), '')::bigint, false) then
        raise exception 'a user may erase only itself' using errcode = 'insufficient_privilege';
    end if;
end $$;

-- takes: a user; the instant from which votes were cast
-- Passes their history to user 0. It has an index by show and time, so the roll-ups say which shows had votes since then.
create function rename_history(wanted bigint, cast_since timestamptz) returns void
language sql set search_path = public, pg_temp as $$
    update vote_analytics h set user_id = 0, cast_at = date_trunc('hour', h.cast_at, 'UTC')
     where h.user_id = wanted and h.cast_at >= cast_since
       and h.show_id in (select r.show_id from vote_rollups r where r.hour >= date_trunc('hour', cast_since, 'UTC'))
$$;

-- takes: a user
-- gives: an instant; history that is written after it, is renamed by erase_user()
-- Renames the user in the history, while the writers go on. Many users can be renamed before the first of them makes the
-- writers wait. The history of a new account is short; that of an older one is read whole.
create function erase_history(wanted bigint) returns timestamptz
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    began_at timestamptz := clock_timestamp();
    made_at timestamptz;
begin
    perform refuse_other_eraser(wanted);
    select created_at into made_at from users where id = wanted and nobody is null;
    perform set_config('app.erasing', 'on', true);
    if made_at > began_at - interval '1 day' then
        -- The clock of Valkey, which gives a vote its instant, may be behind.
        perform rename_history(wanted, made_at - interval '1 minute');
    elsif found then
        update vote_analytics set user_id = 0, cast_at = date_trunc('hour', cast_at, 'UTC') where user_id = wanted;
    end if;
    perform set_config('app.erasing', '', true);
    return began_at;
end $$;

-- takes: a user; history_since, from erase_history() in the same transaction, null: it was not called
-- gives: how much was erased; the ballots that were handed on, and their positions in the log, so that the hot copy can be
--        compared with them (docs/adr/0009); null: no such user
-- locks: see the lock order in migrations/schema.sql; one erasure at a time
-- Counts stay exact. The votes pass to nobodies, users without any data, drawn at random for every show, so that nothing
-- ties the ballots of one person together. The history passes to user 0. Instants are rounded down to the hour.
-- Everything else of the user is deleted, and the name is taken out of the logs of moderators and staff.
create function erase_user(wanted bigint, history_since timestamptz default null) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    began_at timestamptz := coalesce(history_since, erase_history(wanted));
    written_since timestamptz;
    vote_count bigint;
    ballots jsonb;
    show_ids bigint[];
    heir_ids bigint[] := '{}';
    nobody_count integer;
    drawn integer;
    heir_id bigint;
    inherited bigint;
begin
    perform refuse_other_eraser(wanted);
    perform pg_advisory_xact_lock(hashtext('mysetlist.erase_user'));
    if not exists (select from users where id = wanted and nobody is null) then
        return null;
    end if;
    -- The setting lasts until the end of this call. A `set` clause of the function would need a superuser to create the
    -- function.
    perform set_config('app.erasing', 'on', true);
    perform from log_positions order by shard for update;
    -- Now the rows that were written during the first update, however old their log entries are. A commit that the first
    -- update did not see began at most one statement timeout before it.
    select to_timestamp((min(entries[1]) >> 10) / 1000.0) into written_since
      from log_commits where committed_at > began_at - interval '1 minute';
    perform rename_history(wanted, written_since);

    select coalesce(jsonb_object_agg(show_id, ballot), '{}'), coalesce(array_agg(show_id), '{}')
      into ballots, show_ids
      from (select show_id, string_agg(setlist_song_id || left(choice::text, 1), '' order by setlist_song_id) as ballot
              from votes where user_id = wanted group by show_id) b;
    -- No show needs more nobodies than there were erasures; a hundred leave room for chance.
    if show_ids <> '{}' then
        select coalesce(max(nobody), 0) into nobody_count from users;
        insert into users (nobody) select generate_series(nobody_count + 1, greatest(nobody_count + 1, 100));
        select max(nobody) into nobody_count from users;
    end if;
    foreach inherited in array show_ids loop
        loop
            drawn := 1 + floor(random() * nobody_count);
            select u.id into heir_id
              from users u
             where u.nobody = drawn
               and not exists (select from votes v where v.user_id = u.id and v.show_id = inherited);
            exit when found;
        end loop;
        heir_ids := heir_ids || heir_id;
    end loop;
    with handed_on as (
        update votes v
           set user_id = h.user_id, cast_at = greatest(date_trunc('hour', v.cast_at, 'UTC'), w.opens_at)
          from unnest(show_ids, heir_ids) as h (show_id, user_id)
          join shows w on w.id = h.show_id
         where v.user_id = wanted and v.show_id = h.show_id
     returning 1
    )
    select count(*) into vote_count from handed_on;

    update moderation_log set subject = split_part(subject, ':', 1) || ':0', detail = '{}'
     where subject in (select unnest(array['user:' || wanted, 'profile:' || wanted])
                       union all select 'review:' || id from venue_reviews where user_id = wanted
                       union all select 'report:' || id from reports where reporter_id = wanted);
    update audit_log set subject = 'user:0', detail = '{}' where subject = 'user:' || wanted;
    -- The cascade would delete these too, but in another order than the lock order. A transaction that holds one of these
    -- rows may still ask whether the user exists, so the user is deleted last.
    delete from user_show_attendance where user_id = wanted;
    delete from user_follows_artists where user_id = wanted;
    delete from venue_reviews where user_id = wanted;
    delete from reports where reporter_id = wanted;
    delete from user_profiles where user_id = wanted;
    delete from email_queue where user_id = wanted;
    delete from email_preferences where user_id = wanted;
    delete from user_bans where user_id = wanted;
    update user_bans set banned_by = null where banned_by = wanted;
    delete from users where id = wanted;
    perform set_config('app.erasing', '', true);
    return jsonb_build_object(
        'votes', vote_count, 'ballots', ballots,
        'positions', (select jsonb_object_agg(shard, position) from log_positions));
end $$;

revoke execute on function refuse_other_eraser, rename_history, erase_history, erase_user from public;
grant execute on function erase_history, erase_user to mysetlist_request;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

drop function erase_user(bigint, timestamptz), erase_history, rename_history, refuse_other_eraser;

-- takes: a user
-- gives: how much was erased; the ballots that were handed on, and their positions in the log, so that the hot copy can be
--        compared with them (docs/adr/0009); null: no such user
-- locks: see the lock order in migrations/schema.sql; one erasure at a time
-- Counts stay exact. The votes pass to nobodies, users without any data, drawn at random for every show, so that nothing
-- ties the ballots of one person together. The history passes to user 0. Instants are rounded down to the hour.
-- Everything else of the user is deleted, and the name is taken out of the logs of moderators and staff.
create function erase_user(wanted bigint) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    began_at timestamptz := clock_timestamp();
    written_since timestamptz;
    history_count bigint;
    later_count bigint;
    vote_count bigint;
    ballots jsonb;
    show_ids bigint[];
    heir_ids bigint[] := '{}';
    nobody_count integer;
    drawn integer;
    heir_id bigint;
    inherited bigint;
begin
    -- The function runs with its owner's rights, so current_user is the owner. `role` and session_user name the caller.
    if (current_setting('role') = 'mysetlist_request' or not pg_has_role(session_user, current_user, 'member'))
       and coalesce(current_setting('app.role', true), '') <> 'admin'
       and not coalesce(wanted = nullif(current_setting('app.user_id', true), '')::bigint, false) then
        raise exception 'a user may erase only itself' using errcode = 'insufficient_privilege';
    end if;
    perform pg_advisory_xact_lock(hashtext('mysetlist.erase_user'));
    if not exists (select from users where id = wanted and nobody is null) then
        return null;
    end if;
    -- The setting lasts until the end of this call. A `set` clause of the function would need a superuser to create the
    -- function.
    perform set_config('app.erasing', 'on', true);
    -- This update reads the whole history, while the writers go on.
    with renamed as (
        update vote_analytics set user_id = 0, cast_at = date_trunc('hour', cast_at, 'UTC') where user_id = wanted returning 1
    )
    select count(*) into history_count from renamed;
    perform from log_positions order by shard for update;
    -- Now the rows that were written during the first update, however old their log entries are. A commit that the first
    -- update did not see began at most one statement timeout before it.
    select to_timestamp((min(entries[1]) >> 10) / 1000.0) into written_since
      from log_commits where committed_at > began_at - interval '1 minute';
    with renamed as (
        update vote_analytics set user_id = 0, cast_at = date_trunc('hour', cast_at, 'UTC')
         where user_id = wanted and cast_at >= written_since returning 1
    )
    select count(*) into later_count from renamed;

    select coalesce(jsonb_object_agg(show_id, ballot), '{}'), coalesce(array_agg(show_id), '{}')
      into ballots, show_ids
      from (select show_id, string_agg(setlist_song_id || left(choice::text, 1), '' order by setlist_song_id) as ballot
              from votes where user_id = wanted group by show_id) b;
    -- No show needs more nobodies than there were erasures; a hundred leave room for chance.
    if show_ids <> '{}' then
        select coalesce(max(nobody), 0) into nobody_count from users;
        insert into users (nobody) select generate_series(nobody_count + 1, greatest(nobody_count + 1, 100));
        select max(nobody) into nobody_count from users;
    end if;
    foreach inherited in array show_ids loop
        loop
            drawn := 1 + floor(random() * nobody_count);
            select u.id into heir_id
              from users u
             where u.nobody = drawn
               and not exists (select from votes v where v.user_id = u.id and v.show_id = inherited);
            exit when found;
        end loop;
        heir_ids := heir_ids || heir_id;
    end loop;
    with handed_on as (
        update votes v
           set user_id = h.user_id, cast_at = greatest(date_trunc('hour', v.cast_at, 'UTC'), w.opens_at)
          from unnest(show_ids, heir_ids) as h (show_id, user_id)
          join shows w on w.id = h.show_id
         where v.user_id = wanted and v.show_id = h.show_id
     returning 1
    )
    select count(*) into vote_count from handed_on;

    update moderation_log set subject = split_part(subject, ':', 1) || ':0', detail = '{}'
     where subject in (select unnest(array['user:' || wanted, 'profile:' || wanted])
                       union all select 'review:' || id from venue_reviews where user_id = wanted
                       union all select 'report:' || id from reports where reporter_id = wanted);
    update audit_log set subject = 'user:0', detail = '{}' where subject = 'user:' || wanted;
    -- The cascade would delete these too, but in another order than the lock order. A transaction that holds one of these
    -- rows may still ask whether the user exists, so the user is deleted last.
    delete from user_show_attendance where user_id = wanted;
    delete from user_follows_artists where user_id = wanted;
    delete from venue_reviews where user_id = wanted;
    delete from reports where reporter_id = wanted;
    delete from user_profiles where user_id = wanted;
    delete from email_queue where user_id = wanted;
    delete from email_preferences where user_id = wanted;
    delete from user_bans where user_id = wanted;
    update user_bans set banned_by = null where banned_by = wanted;
    delete from users where id = wanted;
    perform set_config('app.erasing', '', true);
    return jsonb_build_object(
        'votes', vote_count, 'history', history_count + later_count, 'ballots', ballots,
        'positions', (select jsonb_object_agg(shard, position) from log_positions));
end $$;

revoke execute on function erase_user from public;
grant execute on function erase_user to mysetlist_request;
