-- migrate:up
-- A pick is a fan's own bet on a show (docs/game.md). It goes the way of a vote (docs/adr/0044).

set local lock_timeout = '1s';
-- A commit begins at log_positions, so a writer waits here and holds no other lock.
lock table log_positions in exclusive mode;

create table picks (
    id        bigint generated always as identity primary key,
    show_id   bigint not null references shows (id) on delete cascade,
    user_id   bigint references users (id) on delete set null,
    song_ids  bigint[] not null,
    opener    bigint,
    closer    bigint,
    encore    bigint,
    picked_at timestamptz not null,
    constraint picks_of_fan unique (user_id, show_id),
    constraint picks_songs check (cardinality(song_ids) between 1 and 10),
    constraint picks_places check (song_ids @> array_remove(array[opener, closer, encore], null))
) with (fillfactor = 80);
comment on table picks is 'A fan''s own bet on the songs of a show, made before it begins: one row for each fan and show.';
comment on column picks.user_id is 'Null: the account was erased. The pick stays, so what the songs are worth does not change.';
comment on column picks.song_ids is 'Up to ten songs, without foreign keys: a merge may take a song away (merges tells where it went).';
comment on column picks.opener is 'The picked song that opens the show; closer: that ends it; encore: that is played in an encore. Null: none.';
create index picks_show_idx on picks (show_id, id);

create table picked_shows (
    show_id  bigint primary key references shows (id) on delete cascade,
    position bigint not null
);
comment on table picked_shows is 'A show that fans have made picks for.';
comment on column picked_shows.position is 'The log position of the last commit that changed a pick. Nodes read the picks again when it moves.';

alter table picks enable row level security;
create policy picks_writer on picks for all to mysetlist_writer using (true) with check (true);
create policy picks_own    on picks for select to mysetlist_request
    using (user_id = (select app_user_id()) or (select app_is_staff()));
grant select, insert, update, delete on picks to mysetlist_writer;
grant select on picks to mysetlist_request;

alter table picked_shows enable row level security;
create policy picked_shows_writer on picked_shows for all to mysetlist_writer using (true) with check (true);
create policy picked_shows_read   on picked_shows for select to mysetlist_request using (true);
grant select, insert, update on picked_shows to mysetlist_writer;
grant select on picked_shows to mysetlist_request;

-- An erased fan's pick keeps no instant by which somebody could know the fan.
create function forget_picker() returns trigger language plpgsql as $$
begin
    new.picked_at := date_trunc('hour', new.picked_at, 'UTC');
    return new;
end $$;
create trigger picks_forget before update of user_id on picks for each row when (new.user_id is null)
    execute function forget_picker();

-- gives: the instant at which the show begins: its start, or its first song that was marked as played, whichever is earlier
create function show_begins_at(wanted bigint) returns timestamptz language sql stable as $$
    select least(w.starts_at, (select min(e.played_at) from setlist_songs e where e.show_id = w.id))
      from shows w where w.id = wanted
$$;

-- Writes the picks of a commit, before commit_log() moves the positions in the same statement.
--
-- takes: the shards of the commit with their old and new positions; the last pick of each fan in each show: its songs ("101,102";
--        "": the pick is withdrawn), its places (null: none), and its instant [ms]
-- gives: the shards, so that a statement can have commit_log() wait for this call;
--        refused, JSON: picks that came when the show had begun: [show, fan, pick_ms, "pick"], or null
-- When another writer was faster, nothing is written; commit_log() then finds the same.
create function commit_picks(
    shards smallint[], old_positions bigint[], new_positions bigint[],
    user_ids bigint[], show_ids bigint[], songs text[], openers bigint[], closers bigint[], encores bigint[], pick_ms bigint[],
    out committed_shards smallint[], out refused jsonb
) language plpgsql as $$
#variable_conflict use_column
declare
    shard_count integer := (select count(*) from log_positions);
begin
    committed_shards := shards;
    perform from log_positions where shard = any(shards) order by shard for update;
    if cardinality(shards) <> (select count(*)
                                 from log_positions p
                                 join unnest(shards, old_positions) as m (shard, position) using (shard, position)) then
        return;
    end if;
    with made as materialized (
        select c.user_id, c.show_id, string_to_array(c.songs, ',')::bigint[] as song_ids, c.opener, c.closer, c.encore,
               c.pick_ms, t.picked_at, t.picked_at >= show_begins_at(c.show_id) as is_late
          from unnest(user_ids, show_ids, songs, openers, closers, encores, pick_ms)
               as c (user_id, show_id, songs, opener, closer, encore, pick_ms)
         cross join lateral (select to_timestamp(c.pick_ms / 1000.0) as picked_at) t
          join users u on u.id = c.user_id
          join shows w on w.id = c.show_id
    ), withdrawn as (
        delete from picks p using made m
         where m.song_ids = '{}' and not m.is_late and p.user_id = m.user_id and p.show_id = m.show_id
    ), put as (
        insert into picks (user_id, show_id, song_ids, opener, closer, encore, picked_at)
        select user_id, show_id, song_ids, opener, closer, encore, picked_at
          from made
         where song_ids <> '{}' and not is_late
         order by user_id, show_id
        on conflict (user_id, show_id) do update
           set song_ids = excluded.song_ids, opener = excluded.opener, closer = excluded.closer,
               encore = excluded.encore, picked_at = excluded.picked_at
    ), noted as (
        insert into picked_shows (show_id, position)
        select distinct c.show_id, m.position
          from made c
          join unnest(shards, new_positions) as m (shard, position) on m.shard = c.show_id % shard_count
         where not c.is_late
         order by c.show_id
        on conflict (show_id) do update set position = excluded.position
    )
    select jsonb_agg(jsonb_build_array(show_id, user_id, pick_ms, 'pick')) into refused from made where is_late;
    -- commit_log() announces the commits later, so no node confirms a refused pick. A payload has at most 100 picks.
    perform pg_notify('refusals', format('[%s]', string_agg(pick, ',')))
       from (select format('[%s,%s,%s,"pick"]', r.pick->>0, r.pick->>1, r.pick->>2) as pick,
                    (row_number() over () - 1) / 100 as part
               from jsonb_array_elements(refused) as r (pick)) numbered
      group by part;
end $$;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

drop function commit_picks, show_begins_at;
drop table picked_shows, picks;
drop function forget_picker;
