-- migrate:up

-- What the votes say: statistics of a show, and what is trending.

set local lock_timeout = '1s';  -- votes wait behind us; the start tries again

-- Exponential decay by the hour: a vote counts 2^(-age / half-life), all votes of an hour alike, so that the same
-- number follows from the hourly roll-ups however often it is computed (forward decay: Cormode et al., 2009).
create function trending_half_life() returns interval language sql immutable parallel safe return interval '24 hours';
-- Older votes than this weigh under 1/16,000 and are left out.
create function trending_horizon() returns interval language sql immutable parallel safe return interval '14 days';

create function trending_weight(hour timestamptz, as_of timestamptz) returns float8 language sql immutable parallel safe
return power(2.0::float8, extract(epoch from hour - as_of)::float8 / extract(epoch from trending_half_life())::float8);

create table show_trending (
    show_id      bigint      primary key references shows (id) on delete cascade,
    score        float8      not null check (score > 0),
    votes_24h    bigint      not null check (votes_24h >= 0),
    refreshed_at timestamptz not null
) with (fillfactor = 70);

create index show_trending_score_idx on show_trending (score desc, show_id);

-- takes: the instant to weigh for
-- gives: how many shows have a score
-- locks: show_trending and artist_stats rows, in the order of their keys
-- Upcoming and live shows compete; the rest is history and leaves.
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

    -- Follows move the same rows meanwhile, so that these are locked in order before they are changed.
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

-- gives: the first shows by score, with what the score is made of; scores as of the last refresh
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

-- takes: a show, and the instant to look from
-- gives: no row: no such show; totals; songs by setlist, ranked (equals share a rank); votes an hour over the last 24
--        hours, quiet hours included, oldest first; votes by hour of the day in the show's zone; distinct voters; the
--        instant of the last vote that was not a withdrawal
-- Runs with its owner's rights, because it counts everybody's votes; it gives numbers only.
create function get_vote_stats(wanted bigint, as_of timestamptz default now())
returns table (show_id bigint, vote_count bigint, up_count bigint, down_count bigint, voter_count bigint,
               last_vote_at timestamptz, songs jsonb, velocity jsonb, pattern jsonb)
language sql stable security definer set search_path = public, pg_temp as $$
    select w.id, w.vote_count, t.up_count, t.down_count,
           (select count(distinct v.user_id) from setlist_songs s join votes v on v.setlist_song_id = s.id
             where s.show_id = w.id),
           (select h.cast_at from vote_analytics h
             where h.show_id = w.id and h.choice is not null order by h.cast_at desc limit 1),
           t.songs,
           (select jsonb_agg(jsonb_build_object('hour', h.hour, 'votes', coalesce(r.up_count + r.down_count, 0),
                                                'withdrawn', coalesce(r.withdrawn_count, 0)) order by h.hour)
              from generate_series(date_trunc('hour', as_of, 'UTC') - interval '23 hours',
                                   date_trunc('hour', as_of, 'UTC'), interval '1 hour') as h (hour)
              left join vote_rollups r on r.show_id = w.id and r.hour = h.hour),
           (select jsonb_agg(jsonb_build_object('hour', h.hour, 'votes', coalesce(p.votes, 0)) order by h.hour)
              from generate_series(0, 23) as h (hour)
              left join (select extract(hour from r.hour at time zone w.time_zone)::int as hour,
                                sum(r.up_count + r.down_count)::bigint as votes
                           from vote_rollups r where r.show_id = w.id group by 1) p on p.hour = h.hour)
      from shows w
     cross join lateral (
           select coalesce(sum(s.up_count), 0)::bigint as up_count, coalesce(sum(s.down_count), 0)::bigint as down_count,
                  coalesce(jsonb_agg(jsonb_build_object(
                      'id', s.id, 'setlist', s.setlist_id, 'title', s.title, 'up', s.up_count, 'down', s.down_count,
                      'score', s.up_count - s.down_count, 'rank', s.rank) order by s.type, s.place, s.rank, s.id), '[]') as songs
             from (select e.*, l.type, l.position as place, g.title,
                          rank() over (partition by e.setlist_id order by e.up_count - e.down_count desc) as rank
                     from setlist_songs e
                     join setlists l on l.id = e.setlist_id
                     join songs g on g.id = e.song_id
                    where e.show_id = w.id) s) t
     where w.id = wanted
$$;

-- migrate:down

set local lock_timeout = '1s';

drop function get_vote_stats, get_trending_artists, get_trending_shows, update_trending_scores;
drop table show_trending;
drop function trending_weight, trending_horizon, trending_half_life;
