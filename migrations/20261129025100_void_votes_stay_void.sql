-- migrate:up
-- Votes that were withdrawn for good do not come back with a song that is put back.

set local lock_timeout = '1s';
-- A commit begins at log_positions, so a writer waits here and holds no other lock.
lock table log_positions in exclusive mode;

-- takes: a removed song of a show whose shard the caller has locked
-- gives: the number of votes that count again; null: no such song. A set that is gone, or has the song again, is a conflict
-- locks: shows and setlist_songs, by the triggers
-- A fan whose other votes use up the budget of the show keeps those, and votes that were withdrawn for good stay so. The history says
-- that they were withdrawn.
create or replace function restore_song(wanted bigint, wanted_show bigint) returns integer
language plpgsql set search_path = public, pg_temp as $$
declare
    removed removed_songs;
    restored integer;
begin
    select * into removed from removed_songs where id = wanted and show_id = wanted_show for update;
    if not found then
        return null;
    end if;
    insert into setlist_songs (id, setlist_id, show_id, song_id, position, is_tape, medley, note)
    overriding system value
    select removed.id, removed.setlist_id, removed.show_id, removed.song_id,
           coalesce((select max(position) from setlist_songs where setlist_id = removed.setlist_id), 0) + 1,
           removed.is_tape, removed.medley, removed.note;
    with again as (
        insert into votes (setlist_song_id, user_id, show_id, choice, cast_at)
        select r.setlist_song_id, r.user_id, w.id, r.choice, r.cast_at
          from removed_votes r
          join shows w on w.id = removed.show_id
         where r.setlist_song_id = wanted and r.user_id is not null
           and (w.votes_per_user_max is null
                or (select count(*) from votes v where v.user_id = r.user_id and v.show_id = w.id) < w.votes_per_user_max)
           and not exists (select from vote_group_members m where m.show_id = w.id and m.user_id = r.user_id and m.is_void)
         order by r.user_id
        returning user_id
    )
    select count(*) into restored from again;
    with lost as (
        select r.user_id, r.choice, r.cast_at
          from removed_votes r
         where r.setlist_song_id = wanted
           and not exists (select from votes v where v.setlist_song_id = wanted and v.user_id = r.user_id)
    ), hours as (
        insert into vote_rollups (show_id, hour, withdrawn_count)
        select removed.show_id, date_trunc('hour', cast_at, 'UTC'), count(*) from lost group by 2
            on conflict (show_id, hour) do update
           set withdrawn_count = vote_rollups.withdrawn_count + excluded.withdrawn_count
    )
    insert into vote_analytics (show_id, setlist_song_id, user_id, previous, choice, cast_at)
    select removed.show_id, wanted, coalesce(user_id, 0), choice, null, cast_at from lost;
    delete from removed_songs where id = wanted;
    return restored;
end $$;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

create or replace function restore_song(wanted bigint, wanted_show bigint) returns integer
language plpgsql set search_path = public, pg_temp as $$
declare
    removed removed_songs;
    restored integer;
begin
    select * into removed from removed_songs where id = wanted and show_id = wanted_show for update;
    if not found then
        return null;
    end if;
    insert into setlist_songs (id, setlist_id, show_id, song_id, position, is_tape, medley, note)
    overriding system value
    select removed.id, removed.setlist_id, removed.show_id, removed.song_id,
           coalesce((select max(position) from setlist_songs where setlist_id = removed.setlist_id), 0) + 1,
           removed.is_tape, removed.medley, removed.note;
    with again as (
        insert into votes (setlist_song_id, user_id, show_id, choice, cast_at)
        select r.setlist_song_id, r.user_id, w.id, r.choice, r.cast_at
          from removed_votes r
          join shows w on w.id = removed.show_id
         where r.setlist_song_id = wanted and r.user_id is not null
           and (w.votes_per_user_max is null
                or (select count(*) from votes v where v.user_id = r.user_id and v.show_id = w.id) < w.votes_per_user_max)
         order by r.user_id
        returning user_id
    )
    select count(*) into restored from again;
    with lost as (
        select r.user_id, r.choice, r.cast_at
          from removed_votes r
         where r.setlist_song_id = wanted
           and not exists (select from votes v where v.setlist_song_id = wanted and v.user_id = r.user_id)
    ), hours as (
        insert into vote_rollups (show_id, hour, withdrawn_count)
        select removed.show_id, date_trunc('hour', cast_at, 'UTC'), count(*) from lost group by 2
            on conflict (show_id, hour) do update
           set withdrawn_count = vote_rollups.withdrawn_count + excluded.withdrawn_count
    )
    insert into vote_analytics (show_id, setlist_song_id, user_id, previous, choice, cast_at)
    select removed.show_id, wanted, coalesce(user_id, 0), choice, null, cast_at from lost;
    delete from removed_songs where id = wanted;
    return restored;
end $$;
