-- migrate:up
-- A song that is removed from a show with its votes can be put back with them for some time.

set local lock_timeout = '1s';
-- A commit begins at log_positions, so a writer waits here and holds no other lock.
lock table log_positions in exclusive mode;

create table removed_songs (
    id         bigint      primary key,
    show_id    bigint      not null references shows (id) on delete cascade,
    setlist_id bigint      not null,
    song_id    bigint      not null,
    is_tape    boolean     not null,
    medley     smallint,
    note       text        not null,
    vote_count bigint      not null check (vote_count > 0),
    removed_at timestamptz not null default now()
);
comment on table removed_songs is 'A song with votes that was removed from a set. It can be put back for 30 days.';
comment on column removed_songs.song_id is 'The song; it may be gone, and then it cannot be put back.';
comment on column removed_songs.id is 'The id that fans voted on, in setlist_songs.';

create table removed_votes (
    id              bigint      generated always as identity primary key,
    setlist_song_id bigint      not null references removed_songs (id) on delete cascade,
    user_id         bigint      references users (id) on delete set null,
    choice          vote_choice not null,
    cast_at         timestamptz not null
);
comment on table removed_votes is 'A vote on a removed song.';
comment on column removed_votes.user_id is 'Null: the user was erased. Such a vote is not put back.';

create index removed_songs_show_id_idx on removed_songs (show_id);
create index removed_songs_removed_at_idx on removed_songs (removed_at);
create index removed_votes_setlist_song_id_idx on removed_votes (setlist_song_id);
create index removed_votes_user_id_idx on removed_votes (user_id) where user_id is not null;

alter table removed_songs enable row level security;
alter table removed_votes enable row level security;
create policy removed_votes_own on removed_votes for select to mysetlist_request using (user_id = (select app_user_id()));
create policy removed_songs_read on removed_songs for select to mysetlist_request using (true);
grant select on removed_songs, removed_votes to mysetlist_request;

-- A show or a song that is deleted as a whole takes its votes along.
create function keep_removed_song() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into removed_songs (id, show_id, setlist_id, song_id, is_tape, medley, note, vote_count)
    select old.id, old.show_id, old.setlist_id, old.song_id, old.is_tape, old.medley, old.note, old.up_count + old.down_count
     where exists (select from shows where id = old.show_id) and exists (select from songs where id = old.song_id);
    if found then
        insert into removed_votes (setlist_song_id, user_id, choice, cast_at)
        select setlist_song_id, user_id, choice, cast_at from votes where setlist_song_id = old.id;
    end if;
    return old;
end $$;

create trigger setlist_songs_keep_removed before delete on setlist_songs
    for each row when (old.up_count + old.down_count > 0) execute function keep_removed_song();

-- takes: a removed song of a show whose shard the caller has locked
-- gives: the number of votes that count again; null: no such song. A set that is gone, or has the song again, is a conflict
-- locks: shows and setlist_songs, by the triggers
-- A fan whose other votes use up the budget of the show keeps those. The history says that the vote was withdrawn.
create function restore_song(wanted bigint, wanted_show bigint) returns integer
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

revoke execute on function restore_song, keep_removed_song from public;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

drop function restore_song;
drop trigger setlist_songs_keep_removed on setlist_songs;
drop function keep_removed_song;
drop table removed_votes, removed_songs;
