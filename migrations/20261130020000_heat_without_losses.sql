-- migrate:up
-- A show whose votes were only added to had its heat counted again from all its votes at each commit: least() ignores null, so the
-- absence of a loss became a loss of everything.

-- A transaction that waits for a lock holds up all that come after it.
set local lock_timeout = '1s';

-- takes: as before
create or replace function shift_heat(show_ids bigint[], gains float8[], losses float8[]) returns void language plpgsql as $$
declare
    doubtful_ids bigint[];
begin
    with change as materialized (
        select c.show_id, t.top,
               power(2.0::float8, greatest(t.heat - t.top, -1000))
               + case when c.gain is null then 0 else power(2.0::float8, greatest(c.gain - t.top, -1000)) end as had,
               case when c.loss is null then 0 else power(2.0::float8, greatest(least(c.loss - t.top, 1), -1000)) end as lost
          from unnest(show_ids, gains, losses) as c (show_id, gain, loss)
          left join lateral (select heat, greatest(heat, c.gain) as top from show_trending where show_id = c.show_id) t on true
    ), moved as (
        update show_trending t
           set heat = c.top + ln(c.had - c.lost) / ln(2.0::float8)
          from change c
         where t.show_id = c.show_id and c.lost <= 0.999 * c.had
     returning t.artist_id
    ), told as (
        insert into artists_to_rank (artist_id) select distinct artist_id from moved
    )
    -- A show without heat, or the difference of nearly equal numbers, which has few correct digits: the rows are added up.
    select array_agg(show_id) into doubtful_ids from change where top is null or lost > 0.999 * had;
    if doubtful_ids is not null then
        perform recount_heat(doubtful_ids);
    end if;
end $$;

-- migrate:down
set local lock_timeout = '1s';

create or replace function shift_heat(show_ids bigint[], gains float8[], losses float8[]) returns void language plpgsql as $$
declare
    doubtful_ids bigint[];
begin
    with change as materialized (
        select c.show_id, t.top,
               power(2.0::float8, greatest(t.heat - t.top, -1000))
               + coalesce(power(2.0::float8, greatest(c.gain - t.top, -1000)), 0) as had,
               coalesce(power(2.0::float8, greatest(least(c.loss - t.top, 1), -1000)), 0) as lost
          from unnest(show_ids, gains, losses) as c (show_id, gain, loss)
          left join lateral (select heat, greatest(heat, c.gain) as top from show_trending where show_id = c.show_id) t on true
    ), moved as (
        update show_trending t
           set heat = c.top + ln(c.had - c.lost) / ln(2.0::float8)
          from change c
         where t.show_id = c.show_id and c.lost <= 0.999 * c.had
     returning t.artist_id
    ), told as (
        insert into artists_to_rank (artist_id) select distinct artist_id from moved
    )
    -- A show without heat, or the difference of nearly equal numbers, which has few correct digits: the rows are added up.
    select array_agg(show_id) into doubtful_ids from change where (lost <= 0.999 * had) is not true;
    if doubtful_ids is not null then
        perform recount_heat(doubtful_ids);
    end if;
end $$;
