-- migrate:up
-- Trending is exact at any moment: the writer's transaction moves the scores (docs/adr/0032-forward-decay-in-postgresql.md).
--
-- Forward decay (Cormode et al., 2009): a standing vote weighs 2^((cast - landmark) / half-life), and the heat of a show is the
-- logarithm (base 2) of the sum. All scores fade at the same pace, so time alone changes no order. A logarithm never grows too
-- large, so the landmark never moves.
-- Over 400 lines: the functions of one topic are read together, and the way back repeats what they replace.

set local lock_timeout = '1s';
-- A commit begins at log_positions, so a writer waits here and holds no other lock.
lock table log_positions in exclusive mode;

drop function get_trending_shows, get_trending_artists, update_trending_scores, trending_weight, trending_horizon;
drop table show_trending;
alter table artist_stats drop column vote_count, drop column score, drop column refreshed_at, add column heat float8;
comment on column artist_stats.heat is
    'As show_trending.heat, over the upcoming and live shows; artists_to_rank names the artists for whom it is behind. Null: no votes.';
create index artist_stats_heat_idx on artist_stats (heat desc, artist_id) where heat is not null;

create table show_trending (
    show_id   bigint  primary key references shows (id) on delete cascade,
    artist_id bigint  not null,
    heat      float8  not null,
    is_ranked boolean not null
) with (fillfactor = 70);
comment on table show_trending is 'The heat of a show with votes; its trending score at any moment follows from it.';
comment on column show_trending.artist_id is 'As in shows.';
comment on column show_trending.heat is
    'The logarithm (base 2) of the sum of 2^((cast - landmark) / half-life) over the votes that stand.';
comment on column show_trending.is_ranked is 'The show is upcoming or live.';
create index show_trending_heat_idx on show_trending (heat desc, show_id) where is_ranked;
create index show_trending_artist_id_idx on show_trending (artist_id);

create table artists_to_rank (
    id        bigint generated always as identity primary key,
    artist_id bigint not null
);
comment on table artists_to_rank is
    'Artists whose heat is behind that of their shows. A change adds a row and never waits for a lock; a chore adds up their shows and'
    ' deletes the rows that it has seen. Readers add up the shows of the artists that still wait.';
comment on column artists_to_rank.artist_id is 'Without a foreign key: an artist may be deleted while it waits.';

grant select on show_trending, artists_to_rank to mysetlist_request, mysetlist_writer;
grant insert, update, delete on show_trending to mysetlist_writer;
grant insert on artists_to_rank to mysetlist_writer;

-- gives: the heat of one vote that was cast at that instant; the landmark is the start of 2026
create function trending_heat(instant timestamptz) returns float8 language sql immutable parallel safe
return extract(epoch from instant - timestamptz '2026-01-01 00:00+00')::float8
       / extract(epoch from trending_half_life())::float8;

-- gives: the heat of all of them together; null: of nothing
-- A heat that is 1,000 half-lives older than the newest adds nothing that a float8 could hold.
create function sum_of_heats(heats float8[]) returns float8 language sql immutable parallel safe
return (select m.heat + ln(sum(power(2.0::float8, greatest(h.heat - m.heat, -1000)))) / ln(2.0::float8)
          from (select max(heat) as heat from unnest(heats) as all_of_them (heat)) m, unnest(heats) as h (heat)
         group by m.heat);

-- gives: the heat of both together
create function add_heat(one float8, other float8) returns float8 language sql immutable parallel safe
return greatest(one, other) + ln(1 + power(2.0::float8, greatest(-abs(one - other), -1000))) / ln(2.0::float8);

-- gives: the score of this heat at that instant
create function trending_score(heat float8, as_of timestamptz) returns float8 language sql immutable parallel safe
return power(2.0::float8, greatest(heat - trending_heat(as_of), -1000));

-- takes: shows; gives: the heat of each show with votes that are not set aside, from the rows
-- This function and move_heat() are the two that say which votes count.
create function heats_of_shows(show_ids bigint[]) returns table (show_id bigint, heat float8) language sql stable as $$
    select s.show_id, sum_of_heats(array_agg(trending_heat(v.cast_at)))
      from setlist_songs s join votes v on v.setlist_song_id = s.id
     where s.show_id = any(show_ids)
       and not exists (select from vote_group_members m
                        where m.show_id = v.show_id and m.user_id = v.user_id and m.is_set_aside)
     group by s.show_id
$$;

-- takes: shows; calculates their heat again, from the rows
-- locks: their show_trending rows; the transaction has locked their shards
create function recount_heat(show_ids bigint[]) returns void language plpgsql as $$
declare
    counted_ids bigint[]; heats float8[];
begin
    select array_agg(h.show_id), array_agg(h.heat) into counted_ids, heats from heats_of_shows(show_ids) h;
    delete from show_trending where show_id = any(show_ids) and show_id <> all(coalesce(counted_ids, '{}'));
    insert into show_trending (show_id, artist_id, heat, is_ranked)
    select w.id, w.artist_id, h.heat, w.status in ('upcoming', 'live')
      from unnest(counted_ids, heats) as h (show_id, heat) join shows w on w.id = h.show_id
        on conflict (show_id) do update set heat = excluded.heat;
    insert into artists_to_rank (artist_id) select distinct artist_id from shows where id = any(show_ids);
end $$;

-- Adds heat to shows (1), or takes it away (-1).
-- locks: show_trending rows of shows whose shards the transaction has locked (docs/data-model.md)
create function shift_heat(show_ids bigint[], heats float8[], step integer) returns void language plpgsql as $$
declare
    doubtful_ids bigint[];
begin
    if step = 1 then
        with moved as (
            insert into show_trending (show_id, artist_id, heat, is_ranked)
            select w.id, w.artist_id, c.heat, w.status in ('upcoming', 'live')
              from unnest(show_ids, heats) as c (show_id, heat) join shows w on w.id = c.show_id
                on conflict (show_id) do update set heat = add_heat(show_trending.heat, excluded.heat)
            returning artist_id
        )
        insert into artists_to_rank (artist_id) select distinct artist_id from moved;
        return;
    end if;
    -- The difference of nearly equal numbers has few correct digits. When less than a thousandth would be left, the rows are
    -- added up again.
    select array_agg(t.show_id) into doubtful_ids
      from unnest(show_ids, heats) as c (show_id, heat) join show_trending t on t.show_id = c.show_id
     where power(2.0::float8, least(c.heat - t.heat, 1)) > 0.999;
    with moved as (
        update show_trending t
           set heat = t.heat + ln(1 - power(2.0::float8, greatest(c.heat - t.heat, -1000))) / ln(2.0::float8)
          from unnest(show_ids, heats) as c (show_id, heat)
         where t.show_id = c.show_id and t.show_id <> all(coalesce(doubtful_ids, '{}'))
     returning t.artist_id
    )
    insert into artists_to_rank (artist_id) select distinct artist_id from moved;
    if doubtful_ids is not null then
        perform recount_heat(doubtful_ids);
    end if;
end $$;

-- Adds the heat of changed votes to their shows, or takes it away. takes: 1 or -1
create function move_heat() returns trigger language plpgsql as $$
declare
    newest float8; show_ids bigint[]; heats float8[];
begin
    select trending_heat(max(cast_at)) into newest from changed;
    if newest is null then
        return null;
    end if;
    -- As sum_of_heats(), which costs more for each show.
    select array_agg(c.show_id), array_agg(c.heat) into show_ids, heats
      from (select show_id, newest + ln(sum(power(2.0::float8, greatest(trending_heat(cast_at) - newest, -1000))))
                                     / ln(2.0::float8) as heat
              from changed v
             where not exists (select from vote_group_members m
                                where m.show_id = v.show_id and m.user_id = v.user_id and m.is_set_aside)
             group by show_id order by show_id) c;
    if show_ids is not null then
        perform shift_heat(show_ids, heats, tg_argv[0]::integer);
    end if;
    return null;
end $$;

-- The gain comes before the loss ("in" before "out"), so that a changed vote leaves enough to subtract from.
create trigger votes_heat_inserted after insert on votes
    referencing new table as changed for each statement execute function move_heat('1');
create trigger votes_heat_deleted after delete on votes
    referencing old table as changed for each statement execute function move_heat('-1');
create trigger votes_heat_moved_in after update on votes
    referencing new table as changed for each statement execute function move_heat('1');
create trigger votes_heat_moved_out after update on votes
    referencing old table as changed for each statement execute function move_heat('-1');

-- takes: ballots, and for each 1 (it is set aside now) or -1 (it counts again); all its votes move from one count to the other, and
--        leave or join the heat of their shows
create or replace function move_ballots(show_ids bigint[], user_ids bigint[], steps integer[]) returns void
language sql as $$
    select move_tallies(array_agg(id), array_agg(-up), array_agg(-down), array_agg(up), array_agg(down))
      from (select v.setlist_song_id as id, coalesce(sum(b.step) filter (where v.choice = 'up'), 0) as up,
                   coalesce(sum(b.step) filter (where v.choice = 'down'), 0) as down
              from (select show_id, user_id, sum(step)::integer as step
                      from unnest(show_ids, user_ids, steps) as b (show_id, user_id, step)
                     group by 1, 2 having sum(step) <> 0) b
              join votes v on v.user_id = b.user_id and v.show_id = b.show_id
             group by 1) moved;
    select shift_heat(array_agg(show_id), array_agg(heat), -step)
      from (select b.show_id, b.step, sum_of_heats(array_agg(trending_heat(v.cast_at))) as heat
              from (select show_id, user_id, sum(step)::integer as step
                      from unnest(show_ids, user_ids, steps) as b (show_id, user_id, step)
                     group by 1, 2 having sum(step) <> 0) b
              join votes v on v.user_id = b.user_id and v.show_id = b.show_id
             group by 1, 2) moved
     group by step
     order by step
$$;

-- A show that begins, ends, moves to another artist or is deleted.
create function rank_show() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if tg_op = 'DELETE' then
        insert into artists_to_rank (artist_id) values (old.artist_id);
        return null;
    end if;
    update show_trending set artist_id = new.artist_id, is_ranked = new.status in ('upcoming', 'live') where show_id = new.id;
    if found then
        insert into artists_to_rank (artist_id) values (old.artist_id), (new.artist_id);
    end if;
    return null;
end $$;

create trigger shows_rank after update of status, artist_id on shows for each row
    when (row(old.status, old.artist_id) is distinct from row(new.status, new.artist_id))
    execute function rank_show();
create trigger shows_rank_deleted after delete on shows for each row execute function rank_show();

-- takes: an artist; gives: the heat of its upcoming and live shows; null: none has votes
create function heat_of_artist(wanted bigint) returns float8 language sql stable parallel safe
return (select sum_of_heats(array_agg(heat)) from show_trending where artist_id = wanted and is_ranked);

-- Adds up the shows of the artists that wait. What comes while it runs stays for the next time.
-- gives: how many artists have waited
-- locks: artist_stats rows, in the order of their keys
create function rank_artists() returns integer language plpgsql as $$
declare
    artist_ids bigint[]; heats float8[];
begin
    -- One statement, so that the sums hold all that the deleted rows stand for.
    with seen as (delete from artists_to_rank returning artist_id)
    select array_agg(s.artist_id), array_agg(heat_of_artist(s.artist_id)) into artist_ids, heats
      from (select distinct artist_id from seen) s;
    perform from artist_stats where artist_id = any(artist_ids) order by artist_id for no key update;
    update artist_stats a
       set heat = n.heat
      from unnest(artist_ids, heats) as n (artist_id, heat)
     where a.artist_id = n.artist_id and a.heat is distinct from n.heat;
    return coalesce(cardinality(artist_ids), 0);
end $$;

-- Calculates every heat again, from the rows.
-- gives: how many shows have votes
-- locks: all rows of log_positions, so that no vote changes meanwhile; then show_trending and artist_stats rows
create function update_trending_scores() returns integer language plpgsql as $$
declare
    scored_count integer;
begin
    perform from log_positions order by shard for update;
    perform recount_heat((select array_agg(id) from shows));
    perform rank_artists();
    select count(*) into scored_count from show_trending;
    return scored_count;
end $$;

-- A score below 2^-10 is not listed: one vote alone trends for ten half-lives.
create function trending_floor(as_of timestamptz) returns float8 language sql immutable parallel safe
return trending_heat(as_of) - 10;

-- gives: the shows with the highest scores at that instant, and the counts behind them
create function get_trending_shows(count integer default 20, as_of timestamptz default now())
returns table (rank bigint, show_id bigint, slug text, name text, status show_status, starts_at timestamptz,
               artist_id bigint, artist_name text, venue_id bigint, venue_name text, score float8,
               vote_count bigint, votes_24h bigint, votes_this_hour bigint, attendance_count bigint)
language sql stable as $$
    select row_number() over (order by t.heat desc, t.show_id), w.id, w.slug, w.name, w.status, w.starts_at,
           a.id, a.name, v.id, v.name, trending_score(t.heat, as_of), w.vote_count, r.day, r.hour, w.attendance_count
      from (select * from show_trending
             where is_ranked and heat > trending_floor(as_of)
             order by heat desc, show_id limit least(greatest(count, 0), 100)) t
      join shows w on w.id = t.show_id
      join artists a on a.id = w.artist_id
      join venues v on v.id = w.venue_id
     cross join lateral (
           select coalesce(sum(up_count + down_count), 0)::bigint as day,
                  coalesce(sum(up_count + down_count) filter (where hour = date_trunc('hour', as_of, 'UTC')), 0)::bigint as hour
             from vote_rollups r where r.show_id = t.show_id and r.hour > as_of - interval '24 hours') r
     order by t.heat desc, t.show_id
$$;

-- gives: the artists with the highest scores at that instant
create function get_trending_artists(count integer default 20, as_of timestamptz default now())
returns table (rank bigint, artist_id bigint, slug text, name text, score float8, vote_count bigint,
               follower_count bigint, show_count bigint)
language sql stable as $$
    with waiting as materialized (
        select distinct artist_id from artists_to_rank
    ), best as (
        (select artist_id, heat from artist_stats
          where heat > trending_floor(as_of) and artist_id not in (select artist_id from waiting)
          order by heat desc, artist_id limit least(greatest(count, 0), 100))
         union all
        select artist_id, heat_of_artist(artist_id) from waiting
    )
    select row_number() over (order by t.heat desc, t.artist_id), a.id, a.slug, a.name, trending_score(t.heat, as_of),
           (select coalesce(sum(w.vote_count), 0)::bigint from shows w where w.artist_id = a.id), c.follower_count, c.show_count
      from (select * from best where heat > trending_floor(as_of)
             order by heat desc, artist_id limit least(greatest(count, 0), 100)) t
      join artists a on a.id = t.artist_id
      join artist_stats c on c.artist_id = t.artist_id
     order by t.heat desc, t.artist_id
$$;

select update_trending_scores();

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

drop trigger shows_rank on shows;
drop trigger shows_rank_deleted on shows;
drop trigger votes_heat_inserted on votes;
drop trigger votes_heat_deleted on votes;
drop trigger votes_heat_moved_in on votes;
drop trigger votes_heat_moved_out on votes;
create or replace function move_ballots(show_ids bigint[], user_ids bigint[], steps integer[]) returns void
language sql as $$
    select move_tallies(array_agg(id), array_agg(-up), array_agg(-down), array_agg(up), array_agg(down))
      from (select v.setlist_song_id as id, coalesce(sum(b.step) filter (where v.choice = 'up'), 0) as up,
                   coalesce(sum(b.step) filter (where v.choice = 'down'), 0) as down
              from (select show_id, user_id, sum(step)::integer as step
                      from unnest(show_ids, user_ids, steps) as b (show_id, user_id, step)
                     group by 1, 2 having sum(step) <> 0) b
              join votes v on v.user_id = b.user_id and v.show_id = b.show_id
             group by 1) moved
$$;

drop function get_trending_shows, get_trending_artists, trending_floor, update_trending_scores, rank_artists, heat_of_artist,
              rank_show, move_heat, shift_heat, recount_heat, heats_of_shows, trending_score, add_heat, sum_of_heats, trending_heat;
drop table show_trending, artists_to_rank;
alter table artist_stats drop column heat,
    add column vote_count bigint not null default 0 check (vote_count >= 0),
    add column score float8 not null default 0 check (score >= 0),
    add column refreshed_at timestamptz;
comment on column artist_stats.vote_count is 'As of refreshed_at.';
comment on column artist_stats.score is 'The trending score, as of refreshed_at.';
create index artist_stats_score_idx on artist_stats (score desc, artist_id);

create table show_trending (
    show_id      bigint      primary key references shows (id) on delete cascade,
    score        float8      not null check (score > 0),
    votes_24h    bigint      not null check (votes_24h >= 0),
    refreshed_at timestamptz not null
) with (fillfactor = 70);
comment on table show_trending is 'The trending score of an upcoming or live show, refreshed every minute.';

create index show_trending_score_idx on show_trending (score desc, show_id);

-- Older votes weigh less than 1/16,000 and are left out.
create function trending_horizon() returns interval language sql immutable parallel safe return interval '14 days';

create function trending_weight(hour timestamptz, as_of timestamptz) returns float8 language sql immutable parallel safe
return power(2.0::float8, extract(epoch from hour - as_of)::float8 / extract(epoch from trending_half_life())::float8);

-- takes: the instant to weigh for
-- gives: how many shows have a score
-- locks: show_trending rows, then artist_stats rows, both in the order of their keys
-- Only upcoming and live shows have a score.
create function update_trending_scores(as_of timestamptz default now()) returns integer language plpgsql as $$
declare
    scored_count integer;
begin
    delete from show_trending t
     where not exists (select from shows w where w.id = t.show_id and w.status in ('upcoming', 'live'))
        or not exists (select from vote_rollups r
                        where r.show_id = t.show_id and r.hour > as_of - trending_horizon() and r.hour <= as_of
                          and r.up_count + r.down_count > 0);
    insert into show_trending (show_id, score, votes_24h, refreshed_at)
    select w.id, sum((r.up_count + r.down_count) * trending_weight(r.hour, as_of)),
           coalesce(sum(r.up_count + r.down_count) filter (where r.hour > as_of - interval '24 hours'), 0), as_of
      from shows w
      join vote_rollups r on r.show_id = w.id
     where w.status in ('upcoming', 'live') and r.hour > as_of - trending_horizon() and r.hour <= as_of
       and r.up_count + r.down_count > 0
     group by w.id
     order by w.id
        on conflict (show_id) do update
       set score = excluded.score, votes_24h = excluded.votes_24h, refreshed_at = excluded.refreshed_at;
    get diagnostics scored_count = row_count;

    -- Follows update the same rows at the same time, so the rows are locked in the order of their keys first.
    with counted as (
        select a.artist_id, coalesce(sum(t.score), 0) as score, coalesce(sum(w.vote_count), 0) as vote_count
          from artist_stats a
          left join shows w on w.artist_id = a.artist_id
          left join show_trending t on t.show_id = w.id
         group by a.artist_id
    ), changed as (
        select a.artist_id, n.score, n.vote_count
          from artist_stats a
          join counted n on n.artist_id = a.artist_id
         where (a.score, a.vote_count) is distinct from (n.score, n.vote_count)
         order by a.artist_id
           for update of a
    )
    update artist_stats a
       set score = c.score, vote_count = c.vote_count, refreshed_at = as_of
      from changed c
     where a.artist_id = c.artist_id;
    return scored_count;
end $$;

-- gives: the shows with the highest scores, with the parts of each score; as of the last refresh
create function get_trending_shows(count integer default 20)
returns table (rank bigint, show_id bigint, slug text, name text, status show_status, starts_at timestamptz,
               artist_id bigint, artist_name text, venue_id bigint, venue_name text, score float8,
               vote_count bigint, votes_24h bigint, votes_this_hour bigint, attendance_count bigint, refreshed_at timestamptz)
language sql stable as $$
    select row_number() over (order by t.score desc, t.show_id), w.id, w.slug, w.name, w.status, w.starts_at,
           a.id, a.name, v.id, v.name, t.score, w.vote_count, t.votes_24h,
           coalesce(r.up_count + r.down_count, 0), w.attendance_count, t.refreshed_at
      from (select * from show_trending order by score desc, show_id limit least(greatest(count, 0), 100)) t
      join shows w on w.id = t.show_id
      join artists a on a.id = w.artist_id
      join venues v on v.id = w.venue_id
      left join vote_rollups r on r.show_id = t.show_id and r.hour = date_trunc('hour', now(), 'UTC')
     order by t.score desc, t.show_id
$$;

-- gives: the artists with the highest scores; as of the last refresh
create function get_trending_artists(count integer default 20)
returns table (rank bigint, artist_id bigint, slug text, name text, score float8, vote_count bigint,
               follower_count bigint, show_count bigint, refreshed_at timestamptz)
language sql stable as $$
    select row_number() over (order by t.score desc, t.artist_id), a.id, a.slug, a.name, t.score, t.vote_count,
           t.follower_count, t.show_count, t.refreshed_at
      from (select * from artist_stats where score > 0
             order by score desc, artist_id limit least(greatest(count, 0), 100)) t
      join artists a on a.id = t.artist_id
     order by t.score desc, t.artist_id
$$;

grant select on show_trending to mysetlist_request, mysetlist_writer;
