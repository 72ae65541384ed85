-- migrate:up
-- A commit looks up each of its shows and songs once, not for every vote, and finds a vote that it changes by the place where it read it.

set local lock_timeout = '1s';

-- takes: as before
create or replace function commit_votes(
    shards smallint[], old_positions bigint[], new_positions bigint[], entries text[], song_ids bigint[],
    user_ids bigint[], vote_show_ids bigint[], choices vote_choice[], cast_ms bigint[], spent_user_ids bigint[],
    spent_days integer[], spent integer[], group_ids bigint[] default '{}', out changed_count integer, out refused jsonb
) returns record
language plpgsql as $$
#variable_conflict use_column
declare
    shard_count integer := (select count(*) from log_positions);
    half_life_s float8 := extract(epoch from trending_half_life());
    newest_at timestamptz := (select to_timestamp(max(ms) / 1000.0) from unnest(cast_ms) as c (ms));
    newest float8 := trending_heat(newest_at);
    decided_show_ids bigint[] := '{}';
    positions_before jsonb;
    heat_show_ids bigint[];
    gains float8[];
    losses float8[];
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

    -- The triggers of votes would change a row of a song, a set and a show for each event. A second change of a row in one
    -- transaction costs more than the first: its foreign keys are checked again.
    perform set_config('app.counts_moved', 'on', true);
    -- Each lateral "offset 0" keeps its index, however small the tables were when this was planned.
    with of_show as materialized (
        select w.*, (select true from vote_group_members m where m.show_id = w.id limit 1) is not null as has_members
          from (select distinct unnest(vote_show_ids) as id) i
         cross join lateral (select id, opens_at, closes_at, finalised_at from shows where id = i.id offset 0) w
    ), of_song as materialized (
        select s.*
          from (select distinct unnest(song_ids) as id) i
         cross join lateral (select id, show_id, played_at from setlist_songs where id = i.id offset 0) s
    ), cast_votes as materialized (
        select c.setlist_song_id, c.user_id, c.show_id, c.choice, c.cast_ms, t.cast_at, v.choice as previous,
               v.cast_at as previous_at, v.ctid as stored,
               w.has_members and (select true from vote_group_members m
                                   where m.show_id = c.show_id and m.user_id = c.user_id and m.is_set_aside) is not null as is_set_aside,
               case when w.finalised_at is not null then 'final'
                    when t.cast_at < w.opens_at or t.cast_at >= w.closes_at then 'window'
                    when t.cast_at >= s.played_at then 'played' end as refusal
          from unnest(song_ids, user_ids, vote_show_ids, choices, cast_ms)
               as c (setlist_song_id, user_id, show_id, choice, cast_ms)
         -- A division of numerics would cost more than all else that is calculated for a vote.
         cross join lateral (select to_timestamp(c.cast_ms / 1000.0::float8) as cast_at) t
          join of_song s on s.id = c.setlist_song_id and s.show_id = c.show_id
          join of_show w on w.id = c.show_id
          left join lateral (select ctid, choice, cast_at
                               from votes where setlist_song_id = c.setlist_song_id and user_id = c.user_id offset 0) v on true
         -- Whoever has a vote exists.
         where v.choice is not null or (select true from users u where u.id = c.user_id)
    ), changed as materialized (
        select *, (choice is not distinct from 'up')::integer - (previous is not distinct from 'up')::integer as up,
               (choice is not distinct from 'down')::integer - (previous is not distinct from 'down')::integer as down
          from cast_votes
         where choice is distinct from previous and refusal is null
    ), withdrawn as (
        -- The row of log_positions guards the votes, so they keep their places. The key makes sure of it: a place that got
        -- another vote meanwhile is left alone.
        delete from votes v using changed c
         where c.choice is null and v.ctid = c.stored and v.setlist_song_id = c.setlist_song_id and v.user_id = c.user_id
    ), replaced as (
        update votes v
           set choice = c.choice, cast_at = c.cast_at
          from changed c
         where c.choice is not null and v.ctid = c.stored and v.setlist_song_id = c.setlist_song_id and v.user_id = c.user_id
    ), put as (
        insert into votes (setlist_song_id, user_id, show_id, choice, cast_at)
        select setlist_song_id, user_id, show_id, choice, cast_at from changed where stored is null
    ), history as (
        insert into vote_analytics (show_id, setlist_song_id, user_id, previous, choice, cast_at)
        select show_id, setlist_song_id, user_id, previous, choice, cast_at from changed
    ), rollup as (
        insert into vote_rollups (show_id, hour, up_count, down_count, withdrawn_count)
        select show_id, date_bin('1 hour', cast_at, timestamptz 'epoch'), count(*) filter (where choice = 'up'),
               count(*) filter (where choice = 'down'), count(*) filter (where choice is null)
          from changed group by 1, 2 order by 1, 2
        on conflict (show_id, hour) do update
           set up_count = vote_rollups.up_count + excluded.up_count,
               down_count = vote_rollups.down_count + excluded.down_count,
               withdrawn_count = vote_rollups.withdrawn_count + excluded.withdrawn_count
    ), moved as (
        select setlist_song_id as id,
               coalesce(sum(up) filter (where not is_set_aside), 0) as up,
               coalesce(sum(down) filter (where not is_set_aside), 0) as down,
               coalesce(sum(up) filter (where is_set_aside), 0) as aside_up,
               coalesce(sum(down) filter (where is_set_aside), 0) as aside_down
          from changed
         group by 1
    ), song as (
        update setlist_songs s
           set up_count = s.up_count + m.up, down_count = s.down_count + m.down,
               set_aside_up_count = s.set_aside_up_count + m.aside_up,
               set_aside_down_count = s.set_aside_down_count + m.aside_down
          from moved m
         where s.id = m.id
     returning s.setlist_id, s.show_id, m.up + m.down as moved
    ), setlist as (
        update setlists l
           set vote_count = l.vote_count + m.moved
          from (select setlist_id, sum(moved) as moved from song group by setlist_id) m
         where l.id = m.setlist_id and m.moved <> 0
    ), show as (
        update shows w
           set vote_count = w.vote_count + t.moved, position = p.position
          from (select show_id, sum(moved) as moved
                  from (select show_id, moved from song
                        union all
                        select id, 0 from of_show) m
                 group by show_id) t
          join shows before on before.id = t.show_id
          join log_positions p on p.shard = before.id % shard_count
         where w.id = t.show_id
     returning w.id, before.position
    ), heat as (
        -- As sum_of_heats(), which costs more for each vote.
        select show_id,
               newest + ln(sum(power(2.0::float8, greatest(date_part('epoch', cast_at - newest_at) / half_life_s, -1000)))
                           filter (where choice is not null)) / ln(2.0::float8) as gain,
               newest + ln(sum(power(2.0::float8, greatest(date_part('epoch', previous_at - newest_at) / half_life_s, -1000)))
                           filter (where previous is not null)) / ln(2.0::float8) as loss
          from changed
         where not is_set_aside
         group by show_id
    )
    select (select count(*) from changed), (select jsonb_agg(jsonb_build_array(show_id, user_id, cast_ms, refusal))
                                              from cast_votes where choice is distinct from previous and refusal is not null),
           (select jsonb_object_agg(id, position) from show),
           array_agg(show_id order by show_id), array_agg(gain order by show_id), array_agg(loss order by show_id)
      into changed_count, refused, positions_before, heat_show_ids, gains, losses
      from heat;
    perform set_config('app.counts_moved', '', true);
    -- Called also with nothing to move: a commit that waited while this migration was taken back fails here, and counts nothing twice.
    perform shift_heat(heat_show_ids, gains, losses);

    insert into user_vote_limits (user_id, day, spent)
    select s.user_id, date '1970-01-01' + s.day, s.spent
      from unnest(spent_user_ids, spent_days, spent) as s (user_id, day, spent)
      join users u on u.id = s.user_id
     order by s.user_id, s.day
    on conflict (user_id, day) do update set spent = excluded.spent where user_vote_limits.spent < excluded.spent;

    if cardinality(group_ids) > 0 then
        decided_show_ids := apply_decisions(group_ids);
    end if;

    now_ms := floor(extract(epoch from clock_timestamp()) * 1000);
    -- A payload has less than 8000 bytes: 120 songs with the largest possible numbers, or 400 entries. "after" is the position
    -- from which the show's counts were what this commit has changed: a node whose counts are older reads them again.
    perform pg_notify('votes', format(
                '{"show":%s,"after":%s,"at":%s,"part":%s,"parts":%s,"total":%s,"tally":[%s],"ms":%s}', w.id,
                greatest(coalesce((positions_before->>w.id::text)::bigint, w.position), p.reset_position), p.position,
                t.part, t.parts, w.vote_count, t.tally, now_ms))
       from (select show_id, part, max(part) over (partition by show_id) + 1 as parts,
                    string_agg(format('[%s,%s,%s]', id, up_count, down_count), ',' order by id) as tally
               from (select s.show_id, s.id, s.up_count, s.down_count,
                            (row_number() over (partition by s.show_id order by s.id) - 1) / 120 as part
                       from setlist_songs s
                       -- Copies of the arrays: with the arrays themselves, PostgreSQL plans this anew in each small commit, because it
                       -- expects the short arrays at hand to be cheaper than a plan for any.
                      where s.id = any(array(select unnest(song_ids)))
                         or s.show_id = any(array(select unnest(decided_show_ids)))) numbered
              group by show_id, part) t
       join shows w on w.id = t.show_id
       join log_positions p on p.shard = w.id % shard_count
      order by w.id, t.part;
    if cardinality(group_ids) > 0 then
        update shows w
           set position = p.position
          from log_positions p
         where w.id = any(decided_show_ids) and p.shard = w.id % shard_count and w.position <> p.position;
    end if;
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

-- takes: as before
create or replace function commit_votes(
    shards smallint[], old_positions bigint[], new_positions bigint[], entries text[], song_ids bigint[],
    user_ids bigint[], vote_show_ids bigint[], choices vote_choice[], cast_ms bigint[], spent_user_ids bigint[],
    spent_days integer[], spent integer[], group_ids bigint[] default '{}', out changed_count integer, out refused jsonb
) returns record
language plpgsql as $$
#variable_conflict use_column
declare
    shard_count integer := (select count(*) from log_positions);
    half_life_s float8 := extract(epoch from trending_half_life());
    newest_at timestamptz := (select to_timestamp(max(ms) / 1000.0) from unnest(cast_ms) as c (ms));
    newest float8 := trending_heat(newest_at);
    decided_show_ids bigint[] := '{}';
    positions_before jsonb;
    heat_show_ids bigint[];
    gains float8[];
    losses float8[];
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

    -- The triggers of votes would change a row of a song, a set and a show for each event. A second change of a row in one
    -- transaction costs more than the first: its foreign keys are checked again.
    perform set_config('app.counts_moved', 'on', true);
    with cast_votes as materialized (
        select c.setlist_song_id, c.user_id, c.show_id, c.choice, c.cast_ms, t.cast_at, v.choice as previous,
               v.cast_at as previous_at, m.user_id is not null as is_set_aside,
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
          left join vote_group_members m on m.show_id = c.show_id and m.user_id = c.user_id and m.is_set_aside
    ), changed as materialized (
        select *, (choice is not distinct from 'up')::integer - (previous is not distinct from 'up')::integer as up,
               (choice is not distinct from 'down')::integer - (previous is not distinct from 'down')::integer as down
          from cast_votes
         where choice is distinct from previous and refusal is null
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
    ), moved as (
        select setlist_song_id as id,
               coalesce(sum(up) filter (where not is_set_aside), 0) as up,
               coalesce(sum(down) filter (where not is_set_aside), 0) as down,
               coalesce(sum(up) filter (where is_set_aside), 0) as aside_up,
               coalesce(sum(down) filter (where is_set_aside), 0) as aside_down
          from changed
         group by 1
    ), song as (
        update setlist_songs s
           set up_count = s.up_count + m.up, down_count = s.down_count + m.down,
               set_aside_up_count = s.set_aside_up_count + m.aside_up,
               set_aside_down_count = s.set_aside_down_count + m.aside_down
          from moved m
         where s.id = m.id
     returning s.setlist_id, s.show_id, m.up + m.down as moved
    ), setlist as (
        update setlists l
           set vote_count = l.vote_count + m.moved
          from (select setlist_id, sum(moved) as moved from song group by setlist_id) m
         where l.id = m.setlist_id and m.moved <> 0
    ), show as (
        update shows w
           set vote_count = w.vote_count + t.moved, position = p.position
          from (select show_id, sum(moved) as moved
                  from (select show_id, moved from song
                        union all
                        select show_id, 0 from unnest(vote_show_ids) as c (show_id)) m
                 group by show_id) t
          join shows before on before.id = t.show_id
          join log_positions p on p.shard = before.id % shard_count
         where w.id = t.show_id
     returning w.id, before.position
    ), heat as (
        -- As sum_of_heats(), which costs more for each vote.
        select show_id,
               newest + ln(sum(power(2.0::float8, greatest(date_part('epoch', cast_at - newest_at) / half_life_s, -1000)))
                           filter (where choice is not null)) / ln(2.0::float8) as gain,
               newest + ln(sum(power(2.0::float8, greatest(date_part('epoch', previous_at - newest_at) / half_life_s, -1000)))
                           filter (where previous is not null)) / ln(2.0::float8) as loss
          from changed
         where not is_set_aside
         group by show_id
    )
    select (select count(*) from changed), (select jsonb_agg(jsonb_build_array(show_id, user_id, cast_ms, refusal))
                                              from cast_votes where choice is distinct from previous and refusal is not null),
           (select jsonb_object_agg(id, position) from show),
           (select array_agg(show_id order by show_id) from heat), (select array_agg(gain order by show_id) from heat),
           (select array_agg(loss order by show_id) from heat)
      into changed_count, refused, positions_before, heat_show_ids, gains, losses;
    perform set_config('app.counts_moved', '', true);
    -- Called also with nothing to move: a commit that waited while this migration was taken back fails here, and counts nothing twice.
    perform shift_heat(heat_show_ids, gains, losses);

    insert into user_vote_limits (user_id, day, spent)
    select s.user_id, date '1970-01-01' + s.day, s.spent
      from unnest(spent_user_ids, spent_days, spent) as s (user_id, day, spent)
      join users u on u.id = s.user_id
     order by s.user_id, s.day
    on conflict (user_id, day) do update set spent = excluded.spent where user_vote_limits.spent < excluded.spent;

    if cardinality(group_ids) > 0 then
        decided_show_ids := apply_decisions(group_ids);
    end if;

    now_ms := floor(extract(epoch from clock_timestamp()) * 1000);
    -- A payload has less than 8000 bytes: 120 songs with the largest possible numbers, or 400 entries. "after" is the position
    -- from which the show's counts were what this commit has changed: a node whose counts are older reads them again.
    perform pg_notify('votes', format(
                '{"show":%s,"after":%s,"at":%s,"part":%s,"parts":%s,"total":%s,"tally":[%s],"ms":%s}', w.id,
                greatest(coalesce((positions_before->>w.id::text)::bigint, w.position), p.reset_position), p.position,
                t.part, t.parts, w.vote_count, t.tally, now_ms))
       from (select show_id, part, max(part) over (partition by show_id) + 1 as parts,
                    string_agg(format('[%s,%s,%s]', id, up_count, down_count), ',' order by id) as tally
               from (select s.show_id, s.id, s.up_count, s.down_count,
                            (row_number() over (partition by s.show_id order by s.id) - 1) / 120 as part
                       from setlist_songs s
                       -- Copies of the arrays: with the arrays themselves, PostgreSQL plans this anew in each small commit, because it
                       -- expects the short arrays at hand to be cheaper than a plan for any.
                      where s.id = any(array(select unnest(song_ids)))
                         or s.show_id = any(array(select unnest(decided_show_ids)))) numbered
              group by show_id, part) t
       join shows w on w.id = t.show_id
       join log_positions p on p.shard = w.id % shard_count
      order by w.id, t.part;
    if cardinality(group_ids) > 0 then
        update shows w
           set position = p.position
          from log_positions p
         where w.id = any(decided_show_ids) and p.shard = w.id % shard_count and w.position <> p.position;
    end if;
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
