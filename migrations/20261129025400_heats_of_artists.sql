-- migrate:up
-- The heat of all artists that wait is added up at once: a call for each cost more than all the rest of the ranking.

set local lock_timeout = '1s';
-- A commit begins at log_positions, so a writer waits here and holds no other lock.
lock table log_positions in exclusive mode;

-- takes: artists; gives: the heat of the upcoming and live shows of each that has some with votes; as sum_of_heats()
create function heats_of_artists(artist_ids bigint[]) returns table (artist_id bigint, heat float8) language sql stable as $$
    select h.artist_id, h.most + ln(sum(power(2.0::float8, greatest(h.heat - h.most, -1000)))) / ln(2.0::float8)
      from (select t.artist_id, t.heat, max(t.heat) over (partition by t.artist_id) as most
              from show_trending t
             where t.artist_id = any(artist_ids) and t.is_ranked) h
     group by h.artist_id, h.most
$$;

create or replace function rank_artists() returns integer language plpgsql as $$
declare
    artist_ids bigint[]; heats float8[];
begin
    -- One statement, so that the sums hold all that the deleted rows stand for.
    with seen as (delete from artists_to_rank returning artist_id)
    select array_agg(s.artist_id), array_agg(h.heat) into artist_ids, heats
      from (select distinct artist_id from seen) s
      left join heats_of_artists(array(select artist_id from seen)) h on h.artist_id = s.artist_id;
    perform from artist_stats where artist_id = any(artist_ids) order by artist_id for no key update;
    update artist_stats a
       set heat = n.heat
      from unnest(artist_ids, heats) as n (artist_id, heat)
     where a.artist_id = n.artist_id and a.heat is distinct from n.heat;
    return coalesce(cardinality(artist_ids), 0);
end $$;

create or replace function get_trending_artists(count integer default 20, as_of timestamptz default now())
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
        select artist_id, heat from heats_of_artists(array(select artist_id from waiting))
    )
    select row_number() over (order by t.heat desc, t.artist_id), a.id, a.slug, a.name, trending_score(t.heat, as_of),
           (select coalesce(sum(w.vote_count), 0)::bigint from shows w where w.artist_id = a.id), c.follower_count, c.show_count
      from (select * from best where heat > trending_floor(as_of)
             order by heat desc, artist_id limit least(greatest(count, 0), 100)) t
      join artists a on a.id = t.artist_id
      join artist_stats c on c.artist_id = t.artist_id
     order by t.heat desc, t.artist_id
$$;

drop function heat_of_artist;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

create function heat_of_artist(wanted bigint) returns float8 language sql stable parallel safe
return (select sum_of_heats(array_agg(heat)) from show_trending where artist_id = wanted and is_ranked);

create or replace function rank_artists() returns integer language plpgsql as $$
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

create or replace function get_trending_artists(count integer default 20, as_of timestamptz default now())
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

drop function heats_of_artists;
