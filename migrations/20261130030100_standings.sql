-- migrate:up
-- Leaderboards: the final points of a show, and their sums for an artist, a tour and a season (docs/game.md).

set local lock_timeout = '1s';
-- A commit begins at log_positions, so a writer waits here and holds no other lock.
lock table log_positions in exclusive mode;

create type board_kind as enum ('show', 'artist', 'tour', 'season');

create table tours (
    id         bigint generated always as identity primary key,
    artist_id  bigint not null references artists (id) on delete cascade,
    name       text not null check (char_length(name) between 1 and 200),
    first_date date not null,
    last_date  date not null,
    constraint tours_dates check (first_date <= last_date)
);
comment on table tours is 'A tour of an artist: all shows of the artist from its first to its last date, as tickets have them.';
create index tours_artist_idx on tours (artist_id, first_date);

create table standings (
    board      board_kind not null,
    subject_id bigint not null,
    user_id    bigint not null references users (id) on delete cascade,
    points     integer not null check (points >= 0),
    show_count integer not null check (show_count > 0),
    rank       integer not null check (rank > 0),
    number     integer not null check (number >= rank),
    constraint standings_pkey primary key (board, subject_id, user_id)
);
comment on table standings is 'A fan''s place on a leaderboard. Those of a show are its final points; the others are sums of them.';
comment on column standings.subject_id is 'The show, the artist or the tour; of a season, the year.';
comment on column standings.rank is 'The same points share a place; the places of erased fans stay empty.';
comment on column standings.number is 'The number of the row in the list of this board, by which pages go on: it tells nobody who the fan is.';
create unique index standings_number_idx on standings (board, subject_id, number);
create index standings_user_id_idx on standings (user_id);

create table boards_to_count (
    id         bigint generated always as identity primary key,
    board      board_kind not null,
    subject_id bigint not null
);
comment on table boards_to_count is
    'A note to count a leaderboard again: one row for each reason. A change adds a row and never waits; counting deletes the rows that it has seen.';
create index boards_to_count_board_idx on boards_to_count (board, subject_id);

alter table standings enable row level security;
create policy standings_own    on standings for select to mysetlist_request
    using (user_id = (select app_user_id()) or (select app_is_staff()));
create policy standings_writer on standings for select to mysetlist_writer using (true);
grant select on standings to mysetlist_request, mysetlist_writer;
alter table tours enable row level security;
create policy tours_read on tours for select to mysetlist_request, mysetlist_writer using (true);
grant select on tours to mysetlist_request, mysetlist_writer;
alter table boards_to_count enable row level security;
create policy boards_to_count_writer on boards_to_count for select to mysetlist_writer using (true);
grant select on boards_to_count to mysetlist_writer;

-- gives: the boards that are sums with the points of a show of this artist and date
create function boards_of_show(of_artist bigint, on_date date) returns table (board board_kind, subject_id bigint)
language sql stable as $$
    select 'artist'::board_kind, of_artist
    union all select 'season', date_part('year', on_date)::bigint
    union all select 'tour', t.id from tours t where t.artist_id = of_artist and on_date between t.first_date and t.last_date
$$;

-- gives: the shows whose points a board sums up
create function shows_of_board(wanted board_kind, wanted_id bigint) returns table (id bigint) language sql stable as $$
    select w.id from shows w where wanted = 'artist' and w.artist_id = wanted_id
    union all
    select w.id from shows w
     where wanted = 'season'
       and w.local_date between make_date(case when wanted = 'season' then wanted_id::integer else 1 end, 1, 1)
                            and make_date(case when wanted = 'season' then wanted_id::integer else 1 end, 12, 31)
    union all
    select w.id
      from tours t
      join shows w on w.artist_id = t.artist_id and w.local_date between t.first_date and t.last_date
     where wanted = 'tour' and t.id = wanted_id
$$;

-- A finished show that has changed is counted again; one that has another artist or date leaves the boards of the old ones.
create function note_boards() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if tg_op = 'UPDATE' then
        insert into boards_to_count (board, subject_id)
        select 'show', new.id where exists (select from picked_shows where show_id = new.id);
        if old.artist_id = new.artist_id and old.local_date = new.local_date then
            return null;
        end if;
    end if;
    insert into boards_to_count (board, subject_id)
    select b.board, b.subject_id
      from (select 'show'::board_kind as board, old.id as subject_id
             union all select * from boards_of_show(old.artist_id, old.local_date)) b
     where exists (select from standings s where s.board = 'show' and s.subject_id = old.id);
    return null;
end $$;
create trigger shows_note_boards after update on shows for each row
    when (old.revision is distinct from new.revision and (old.status = 'finished' or new.status = 'finished'))
    execute function note_boards();
create trigger shows_note_boards_deleted after delete on shows for each row
    when (old.status = 'finished') execute function note_boards();

create function note_tour() returns trigger language plpgsql as $$
begin
    insert into boards_to_count (board, subject_id) values ('tour', coalesce(new.id, old.id));
    return null;
end $$;
create trigger tours_note after insert or update or delete on tours for each row execute function note_tour();

-- A merge of songs, or its end, scores the picks of the acts' shows again. At the end of the transaction, which holds all shards.
create function revise_picked_shows() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
    update shows set revision = revision + 1
     where id in (select p.show_id
                    from picked_shows p
                    join show_artists b on b.show_id = p.show_id
                   where b.artist_id = (select artist_id from songs where id = new.survivor_id)
                      or b.artist_id = (new.duplicate->>'artist_id')::bigint);
    return null;
end $$;
create constraint trigger merges_revise_picked_shows after insert or update of undone_at on merges
    deferrable initially deferred for each row when (new.kind = 'song') execute function revise_picked_shows();

-- takes: a show; its fans with their points and places; none: the show does not count
-- Notes the boards whose sums change with it.
create function put_show_standings(wanted bigint, user_ids bigint[], points bigint[], ranks bigint[]) returns void
language plpgsql as $$
#variable_conflict use_column
begin
    -- erase_user() takes this lock first too, so a fan who is being erased gets no place meanwhile.
    perform pg_advisory_xact_lock(hashtext('mysetlist.erase_user'));
    delete from standings where board = 'show' and subject_id = wanted;
    insert into standings (board, subject_id, user_id, points, show_count, rank, number)
    select 'show', wanted, u.id, c.points, 1, c.rank, c.rank - 1 + row_number() over (partition by c.rank order by u.id)
      from unnest(user_ids, points, ranks) as c (user_id, points, rank)
      join users u on u.id = c.user_id
     order by u.id;
    insert into boards_to_count (board, subject_id)
    select b.board, b.subject_id from shows w cross join boards_of_show(w.artist_id, w.local_date) b where w.id = wanted;
end $$;

-- Adds the points of a board up again, from the final points of its shows.
create function recount_standings(wanted board_kind, wanted_id bigint) returns void language plpgsql as $$
#variable_conflict use_column
begin
    perform pg_advisory_xact_lock(hashtext('mysetlist.erase_user'));
    delete from standings where board = wanted and subject_id = wanted_id;
    insert into standings (board, subject_id, user_id, points, show_count, rank, number)
    select wanted, wanted_id, user_id, sum(points), count(*), rank() over (order by sum(points) desc),
           row_number() over (order by sum(points) desc, user_id)
      from standings
     where board = 'show' and subject_id in (select id from shows_of_board(wanted, wanted_id))
     group by user_id
     order by user_id;
end $$;

-- gives: the songs among these that were merged, each with the song that it became
create function merged_songs(song_ids bigint[]) returns table (id bigint, survivor_id bigint)
language sql stable security definer set search_path = public, pg_temp as $$
    select s.id, merged_into('song', s.id, null)
      from unnest(song_ids) as s (id)
     where exists (select from merges m where m.kind = 'song' and m.duplicate_id = s.id and m.undone_at is null)
$$;

-- gives: the names of those fans who show one: a public profile that was approved, and no ban
create function public_names(user_ids bigint[]) returns table (user_id bigint, display_name text)
language sql stable security definer set search_path = public, pg_temp as $$
    select p.user_id, p.display_name
      from user_profiles p
     where p.user_id = any(user_ids) and p.is_public and p.status = 'approved' and p.display_name is not null
       and not exists (select from user_bans b where b.user_id = p.user_id and b.lifted_at is null
                                                and (b.expires_at is null or b.expires_at > now()))
$$;

revoke execute on function put_show_standings, recount_standings, merged_songs, public_names from public;
grant execute on function merged_songs, public_names to mysetlist_writer;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

drop trigger shows_note_boards on shows;
drop trigger shows_note_boards_deleted on shows;
drop trigger merges_revise_picked_shows on merges;
drop function revise_picked_shows, note_boards, boards_of_show, shows_of_board, put_show_standings, recount_standings, merged_songs, public_names;
drop table boards_to_count, standings, tours;
drop function note_tour;
drop type board_kind;
