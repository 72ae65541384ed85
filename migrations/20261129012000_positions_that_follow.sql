-- migrate:up

-- A notification of votes names the position that it follows, so that a node which missed one knows it (docs/adr/0029).
set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

alter table log_positions add reset_position bigint not null default 0;
comment on column log_positions.reset_position is
    'The position at which Valkey began again after a loss. Counts shown before it may have votes that Valkey has lost.';

-- takes: one row a shard: shards, the positions that were read after, the new positions, the entries between ("1,2,3");
--        votes, one a song and user, in the order of the primary key: song_ids, user_ids, show_ids,
--        choices ('up', 'down', null: withdrawn), cast_ms;
--        the votes that users have spent of their daily budgets: spent_*, days since 1970
-- gives: changed_count, the number of votes that changed something; -1: another writer moved a position first, and nothing
--        was done; refused, the votes that no rule allows, [[show, user, cast_ms, "final", "window" or "played"], …], or null
-- locks: see the lock order in migrations/schema.sql
-- Votes on deleted songs, and votes of deleted users, are left out.
create or replace function commit_votes(
    shards smallint[], old_positions bigint[], new_positions bigint[], entries text[],
    song_ids bigint[], user_ids bigint[], vote_show_ids bigint[], choices vote_choice[], cast_ms bigint[],
    spent_user_ids bigint[], spent_days integer[], spent integer[],
    out changed_count integer, out refused jsonb
) language plpgsql as $$
#variable_conflict use_column
declare
    shard_count integer;
    now_ms bigint;
begin
    perform from log_positions where shard = any(shards) order by shard for update;
    if cardinality(shards) <> (select count(*)
                                 from log_positions p
                                 join unnest(shards, old_positions) as m (shard, position) using (shard, position)) then
        changed_count := -1;
        return;
    end if;
    update log_positions p
       set position = m.position
      from unnest(shards, new_positions) as m (shard, position)
     where p.shard = m.shard;
    insert into log_commits (shard, position, entries)
    select m.shard, m.position, string_to_array(m.entries, ',')::bigint[]
      from unnest(shards, new_positions, entries) as m (shard, position, entries);

    with cast_votes as materialized (
        select c.setlist_song_id, c.user_id, c.show_id, c.choice, c.cast_ms, t.cast_at, v.choice as previous,
               case when w.finalised_at is not null then 'final'
                    when t.cast_at < w.opens_at or t.cast_at >= w.closes_at then 'window'
                    when t.cast_at >= s.played_at then 'played' end as refusal
          from unnest(song_ids, user_ids, vote_show_ids, choices, cast_ms)
               as c (setlist_song_id, user_id, show_id, choice, cast_ms)
         cross join lateral (select to_timestamp(c.cast_ms / 1000.0) as cast_at) t
          join setlist_songs s on s.id = c.setlist_song_id and s.show_id = c.show_id
          join shows w on w.id = c.show_id
          join users u on u.id = c.user_id
          left join votes v on v.setlist_song_id = c.setlist_song_id and v.user_id = c.user_id
    ), changed as materialized (
        select * from cast_votes where choice is distinct from previous and refusal is null
    ), withdrawn as (
        delete from votes v using changed c
         where c.choice is null and v.setlist_song_id = c.setlist_song_id and v.user_id = c.user_id
    ), put as (
        insert into votes (setlist_song_id, user_id, show_id, choice, cast_at)
        select setlist_song_id, user_id, show_id, choice, cast_at from changed where choice is not null
        on conflict (setlist_song_id, user_id) do update set choice = excluded.choice, cast_at = excluded.cast_at
    ), history as (
        insert into vote_analytics (show_id, setlist_song_id, user_id, previous, choice, cast_at)
        select show_id, setlist_song_id, user_id, previous, choice, cast_at from changed
    ), rollup as (
        insert into vote_rollups (show_id, hour, up_count, down_count, withdrawn_count)
        select show_id, date_trunc('hour', cast_at, 'UTC'), count(*) filter (where choice = 'up'),
               count(*) filter (where choice = 'down'), count(*) filter (where choice is null)
          from changed group by 1, 2 order by 1, 2
        on conflict (show_id, hour) do update
           set up_count = vote_rollups.up_count + excluded.up_count,
               down_count = vote_rollups.down_count + excluded.down_count,
               withdrawn_count = vote_rollups.withdrawn_count + excluded.withdrawn_count
    )
    select (select count(*) from changed), (select jsonb_agg(jsonb_build_array(show_id, user_id, cast_ms, refusal))
                                              from cast_votes where choice is distinct from previous and refusal is not null)
      into changed_count, refused;

    insert into user_vote_limits (user_id, day, spent)
    select s.user_id, date '1970-01-01' + s.day, s.spent
      from unnest(spent_user_ids, spent_days, spent) as s (user_id, day, spent)
      join users u on u.id = s.user_id
     order by s.user_id, s.day
    on conflict (user_id, day) do update set spent = excluded.spent where user_vote_limits.spent < excluded.spent;

    select count(*) into shard_count from log_positions;
    now_ms := floor(extract(epoch from clock_timestamp()) * 1000);
    -- A payload has less than 8000 bytes: 120 songs with the largest possible numbers, or 400 entries. "after" is the position
    -- from which the show's counts were what this commit has changed: a node whose counts are older reads them again.
    perform pg_notify('votes', format(
                '{"show":%s,"after":%s,"at":%s,"part":%s,"parts":%s,"total":%s,"tally":[%s],"ms":%s}', w.id,
                greatest(w.position, p.reset_position), p.position, t.part, t.parts, w.vote_count, t.tally, now_ms))
       from (select show_id, part, max(part) over (partition by show_id) + 1 as parts,
                    string_agg(format('[%s,%s,%s]', id, up_count, down_count), ',' order by id) as tally
               from (select s.show_id, s.id, s.up_count, s.down_count,
                            (row_number() over (partition by s.show_id order by s.id) - 1) / 120 as part
                       from setlist_songs s where s.id = any(song_ids)) numbered
              group by show_id, part) t
       join shows w on w.id = t.show_id
       join log_positions p on p.shard = w.id % shard_count
      order by w.id, t.part;
    update shows w
       set position = m.position
      from unnest(shards, new_positions) as m (shard, position)
     where w.id = any(vote_show_ids) and m.shard = w.id % shard_count;
    -- Before the commits, so that no node confirms a refused vote. A payload has at most 100 votes.
    perform pg_notify('refusals', format('[%s]', string_agg(vote, ',')))
       from (select format('[%s,%s,%s,"%s"]', r.vote->>0, r.vote->>1, r.vote->>2, r.vote->>3) as vote,
                    (row_number() over () - 1) / 100 as part
               from jsonb_array_elements(refused) as r (vote)) numbered
      group by part;
    perform pg_notify('commits', format(
                '{"shard":%s,"at":%s,"entries":[%s],"ms":%s}', m.shard, m.position, e.entries, now_ms))
       from unnest(shards, new_positions, entries) as m (shard, position, entries),
            lateral (select string_agg(entry, ',' order by number) as entries
                       from unnest(string_to_array(m.entries, ',')) with ordinality as o (entry, number)
                      group by (number - 1) / 400) e;
end $$;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

-- takes: one row a shard: shards, the positions that were read after, the new positions, the entries between ("1,2,3");
--        votes, one a song and user, in the order of the primary key: song_ids, user_ids, show_ids,
--        choices ('up', 'down', null: withdrawn), cast_ms;
--        the votes that users have spent of their daily budgets: spent_*, days since 1970
-- gives: changed_count, the number of votes that changed something; -1: another writer moved a position first, and nothing
--        was done; refused, the votes that no rule allows, [[show, user, cast_ms, "final", "window" or "played"], …], or null
-- locks: see the lock order in migrations/schema.sql
-- Votes on deleted songs, and votes of deleted users, are left out.
create or replace function commit_votes(
    shards smallint[], old_positions bigint[], new_positions bigint[], entries text[],
    song_ids bigint[], user_ids bigint[], vote_show_ids bigint[], choices vote_choice[], cast_ms bigint[],
    spent_user_ids bigint[], spent_days integer[], spent integer[],
    out changed_count integer, out refused jsonb
) language plpgsql as $$
#variable_conflict use_column
declare
    shard_count integer;
    now_ms bigint;
begin
    perform from log_positions where shard = any(shards) order by shard for update;
    if cardinality(shards) <> (select count(*)
                                 from log_positions p
                                 join unnest(shards, old_positions) as m (shard, position) using (shard, position)) then
        changed_count := -1;
        return;
    end if;
    update log_positions p
       set position = m.position
      from unnest(shards, new_positions) as m (shard, position)
     where p.shard = m.shard;
    insert into log_commits (shard, position, entries)
    select m.shard, m.position, string_to_array(m.entries, ',')::bigint[]
      from unnest(shards, new_positions, entries) as m (shard, position, entries);

    with cast_votes as materialized (
        select c.setlist_song_id, c.user_id, c.show_id, c.choice, c.cast_ms, t.cast_at, v.choice as previous,
               case when w.finalised_at is not null then 'final'
                    when t.cast_at < w.opens_at or t.cast_at >= w.closes_at then 'window'
                    when t.cast_at >= s.played_at then 'played' end as refusal
          from unnest(song_ids, user_ids, vote_show_ids, choices, cast_ms)
               as c (setlist_song_id, user_id, show_id, choice, cast_ms)
         cross join lateral (select to_timestamp(c.cast_ms / 1000.0) as cast_at) t
          join setlist_songs s on s.id = c.setlist_song_id and s.show_id = c.show_id
          join shows w on w.id = c.show_id
          join users u on u.id = c.user_id
          left join votes v on v.setlist_song_id = c.setlist_song_id and v.user_id = c.user_id
    ), changed as materialized (
        select * from cast_votes where choice is distinct from previous and refusal is null
    ), withdrawn as (
        delete from votes v using changed c
         where c.choice is null and v.setlist_song_id = c.setlist_song_id and v.user_id = c.user_id
    ), put as (
        insert into votes (setlist_song_id, user_id, show_id, choice, cast_at)
        select setlist_song_id, user_id, show_id, choice, cast_at from changed where choice is not null
        on conflict (setlist_song_id, user_id) do update set choice = excluded.choice, cast_at = excluded.cast_at
    ), history as (
        insert into vote_analytics (show_id, setlist_song_id, user_id, previous, choice, cast_at)
        select show_id, setlist_song_id, user_id, previous, choice, cast_at from changed
    ), rollup as (
        insert into vote_rollups (show_id, hour, up_count, down_count, withdrawn_count)
        select show_id, date_trunc('hour', cast_at, 'UTC'), count(*) filter (where choice = 'up'),
               count(*) filter (where choice = 'down'), count(*) filter (where choice is null)
          from changed group by 1, 2 order by 1, 2
        on conflict (show_id, hour) do update
           set up_count = vote_rollups.up_count + excluded.up_count,
               down_count = vote_rollups.down_count + excluded.down_count,
               withdrawn_count = vote_rollups.withdrawn_count + excluded.withdrawn_count
    )
    select (select count(*) from changed), (select jsonb_agg(jsonb_build_array(show_id, user_id, cast_ms, refusal))
                                              from cast_votes where choice is distinct from previous and refusal is not null)
      into changed_count, refused;

    insert into user_vote_limits (user_id, day, spent)
    select s.user_id, date '1970-01-01' + s.day, s.spent
      from unnest(spent_user_ids, spent_days, spent) as s (user_id, day, spent)
      join users u on u.id = s.user_id
     order by s.user_id, s.day
    on conflict (user_id, day) do update set spent = excluded.spent where user_vote_limits.spent < excluded.spent;

    select count(*) into shard_count from log_positions;
    update shows w
       set position = m.position
      from unnest(shards, new_positions) as m (shard, position)
     where w.id = any(vote_show_ids) and m.shard = w.id % shard_count;

    now_ms := floor(extract(epoch from clock_timestamp()) * 1000);
    -- A payload has less than 8000 bytes: 120 songs with the largest possible numbers, or 400 entries.
    perform pg_notify('votes', format(
                '{"show":%s,"at":%s,"total":%s,"tally":[%s],"ms":%s}', w.id, w.position, w.vote_count, t.tally, now_ms))
       from (select show_id, string_agg(format('[%s,%s,%s]', id, up_count, down_count), ',' order by id) as tally
               from (select s.show_id, s.id, s.up_count, s.down_count,
                            (row_number() over (partition by s.show_id order by s.id) - 1) / 120 as part
                       from setlist_songs s where s.id = any(song_ids)) numbered
              group by show_id, part) t
       join shows w on w.id = t.show_id;
    -- Before the commits, so that no node confirms a refused vote. A payload has at most 100 votes.
    perform pg_notify('refusals', format('[%s]', string_agg(vote, ',')))
       from (select format('[%s,%s,%s,"%s"]', r.vote->>0, r.vote->>1, r.vote->>2, r.vote->>3) as vote,
                    (row_number() over () - 1) / 100 as part
               from jsonb_array_elements(refused) as r (vote)) numbered
      group by part;
    perform pg_notify('commits', format(
                '{"shard":%s,"at":%s,"entries":[%s],"ms":%s}', m.shard, m.position, e.entries, now_ms))
       from unnest(shards, new_positions, entries) as m (shard, position, entries),
            lateral (select string_agg(entry, ',' order by number) as entries
                       from unnest(string_to_array(m.entries, ',')) with ordinality as o (entry, number)
                      group by (number - 1) / 400) e;
end $$;

alter table log_positions drop reset_position;
