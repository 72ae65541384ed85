-- migrate:up

-- Notifications say when they were written, right before the commit, so that each node can tell how long it takes from
-- there to its watchers. The rest of commit_votes is as it was.

set local lock_timeout = '1s';

-- takes: one row a shard: shards, the positions read after, the positions to move to, the entries held ("1,2,3");
--        votes, one a song and user, in the order of the primary key: song_ids, user_ids, show_ids,
--        choices ('up', 'down', null: withdrawn), cast_ms; what users have spent of their days: spent_*, days since 1970
-- gives: how many votes changed something; -1: another writer moved a position first, and nothing was done
-- locks: the shards' rows of log_positions first, by shard; then as the triggers on votes do
-- Votes on songs or by users that are gone by now are left out.
create or replace function commit_votes(
    shards smallint[], old_positions bigint[], new_positions bigint[], entries text[],
    song_ids bigint[], user_ids bigint[], vote_show_ids bigint[], choices vote_choice[], cast_ms bigint[],
    spent_user_ids bigint[], spent_days integer[], spent integer[]
) returns integer language plpgsql as $$
#variable_conflict use_column
declare
    changed_count integer;
    shard_count integer;
    now_ms bigint;
begin
    perform from log_positions where shard = any(shards) order by shard for update;
    if cardinality(shards) <> (select count(*)
                                 from log_positions p
                                 join unnest(shards, old_positions) as m (shard, position) using (shard, position)) then
        return -1;
    end if;
    update log_positions p
       set position = m.position
      from unnest(shards, new_positions) as m (shard, position)
     where p.shard = m.shard;
    insert into log_commits (shard, position, entries)
    select m.shard, m.position, string_to_array(m.entries, ',')::bigint[]
      from unnest(shards, new_positions, entries) as m (shard, position, entries);

    with cast_votes as materialized (
        select c.setlist_song_id, c.user_id, c.show_id, c.choice,
               to_timestamp(c.cast_ms / 1000.0) as cast_at, v.choice as previous
          from unnest(song_ids, user_ids, vote_show_ids, choices, cast_ms)
               as c (setlist_song_id, user_id, show_id, choice, cast_ms)
          join setlist_songs s on s.id = c.setlist_song_id and s.show_id = c.show_id
          join users u on u.id = c.user_id
          left join votes v on v.setlist_song_id = c.setlist_song_id and v.user_id = c.user_id
    ), changed as materialized (
        select * from cast_votes where choice is distinct from previous
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
    select count(*) into changed_count from changed;

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
    -- A payload has less than 8000 bytes: 120 songs with numbers as large as they can be, or 400 entries.
    perform pg_notify('votes', format(
                '{"show":%s,"at":%s,"total":%s,"tally":[%s],"ms":%s}', w.id, w.position, w.vote_count, t.tally, now_ms))
       from (select show_id, string_agg(format('[%s,%s,%s]', id, up_count, down_count), ',' order by id) as tally
               from (select s.show_id, s.id, s.up_count, s.down_count,
                            (row_number() over (partition by s.show_id order by s.id) - 1) / 120 as part
                       from setlist_songs s where s.id = any(song_ids)) numbered
              group by show_id, part) t
       join shows w on w.id = t.show_id;
    perform pg_notify('commits', format(
                '{"shard":%s,"at":%s,"entries":[%s],"ms":%s}', m.shard, m.position, e.entries, now_ms))
       from unnest(shards, new_positions, entries) as m (shard, position, entries),
            lateral (select string_agg(entry, ',' order by number) as entries
                       from unnest(string_to_array(m.entries, ',')) with ordinality as o (entry, number)
                      group by (number - 1) / 400) e;
    return changed_count;
end $$;

-- migrate:down

set local lock_timeout = '1s';

-- takes: one row a shard: shards, the positions read after, the positions to move to, the entries held ("1,2,3");
--        votes, one a song and user, in the order of the primary key: song_ids, user_ids, show_ids,
--        choices ('up', 'down', null: withdrawn), cast_ms; what users have spent of their days: spent_*, days since 1970
-- gives: how many votes changed something; -1: another writer moved a position first, and nothing was done
-- locks: the shards' rows of log_positions first, by shard; then as the triggers on votes do
-- Votes on songs or by users that are gone by now are left out.
create or replace function commit_votes(
    shards smallint[], old_positions bigint[], new_positions bigint[], entries text[],
    song_ids bigint[], user_ids bigint[], vote_show_ids bigint[], choices vote_choice[], cast_ms bigint[],
    spent_user_ids bigint[], spent_days integer[], spent integer[]
) returns integer language plpgsql as $$
#variable_conflict use_column
declare
    changed_count integer;
    shard_count integer;
begin
    perform from log_positions where shard = any(shards) order by shard for update;
    if cardinality(shards) <> (select count(*)
                                 from log_positions p
                                 join unnest(shards, old_positions) as m (shard, position) using (shard, position)) then
        return -1;
    end if;
    update log_positions p
       set position = m.position
      from unnest(shards, new_positions) as m (shard, position)
     where p.shard = m.shard;
    insert into log_commits (shard, position, entries)
    select m.shard, m.position, string_to_array(m.entries, ',')::bigint[]
      from unnest(shards, new_positions, entries) as m (shard, position, entries);

    with cast_votes as materialized (
        select c.setlist_song_id, c.user_id, c.show_id, c.choice,
               to_timestamp(c.cast_ms / 1000.0) as cast_at, v.choice as previous
          from unnest(song_ids, user_ids, vote_show_ids, choices, cast_ms)
               as c (setlist_song_id, user_id, show_id, choice, cast_ms)
          join setlist_songs s on s.id = c.setlist_song_id and s.show_id = c.show_id
          join users u on u.id = c.user_id
          left join votes v on v.setlist_song_id = c.setlist_song_id and v.user_id = c.user_id
    ), changed as materialized (
        select * from cast_votes where choice is distinct from previous
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
    select count(*) into changed_count from changed;

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

    -- A payload has less than 8000 bytes: 120 songs with numbers as large as they can be, or 400 entries.
    perform pg_notify('votes', format('{"show":%s,"at":%s,"total":%s,"tally":[%s]}', w.id, w.position, w.vote_count, t.tally))
       from (select show_id, string_agg(format('[%s,%s,%s]', id, up_count, down_count), ',' order by id) as tally
               from (select s.show_id, s.id, s.up_count, s.down_count,
                            (row_number() over (partition by s.show_id order by s.id) - 1) / 120 as part
                       from setlist_songs s where s.id = any(song_ids)) numbered
              group by show_id, part) t
       join shows w on w.id = t.show_id;
    perform pg_notify('commits', format('{"shard":%s,"at":%s,"entries":[%s]}', m.shard, m.position, e.entries))
       from unnest(shards, new_positions, entries) as m (shard, position, entries),
            lateral (select string_agg(entry, ',' order by number) as entries
                       from unnest(string_to_array(m.entries, ',')) with ordinality as o (entry, number)
                      group by (number - 1) / 400) e;
    return changed_count;
end $$;
