-- Statistics of votes: of the platform, an artist, a venue or a show. docs/statistics.md says what each figure is.
-- Most take a scope and scope_id (0 for the platform), and a period: first and following, the instants at which it begins and ends,
-- or first_day and last_day (UTC).

-- name: show_of_reference^
-- takes: id bigint or null, slug text or null; exactly one of them is not null
-- gives: 0..1 row
select id, slug, name, time_zone, results_audience(results, finalised_at) as audience, accuracy_of(id)::text as accuracy
  from shows where id = :id::bigint or slug = :slug::text;

-- name: artist_of_reference^
-- takes: id bigint or null, slug text or null; exactly one of them is not null
-- gives: 0..1 row
select id, slug, name from artists where id = :id::bigint or slug = :slug::text;

-- name: venue_of_reference^
-- takes: id bigint or null, slug text or null; exactly one of them is not null
-- gives: 0..1 row
select id, slug, name, time_zone from venues where id = :id::bigint or slug = :slug::text;

-- name: songs_of_show
-- takes: show_id bigint
-- gives: the songs of its sets; equal scores share a rank within a set
select s.id, s.setlist, s.title, s.up, s.down, s.score, s.rank
  from (select e.id, e.setlist_id as setlist, g.title, e.up_count as up, e.down_count as down,
               e.up_count - e.down_count as score, l.type, l.position,
               rank() over (partition by e.setlist_id order by e.up_count - e.down_count desc) as rank
          from setlist_songs e
          join setlists l on l.id = e.setlist_id
          join songs g on g.id = e.song_id
         where e.show_id = :show_id::bigint) s
 order by s.type, s.position, s.rank, s.id;

-- name: hours_of_show
-- takes: show_id bigint, count bigint
-- gives: 0..count rows: the newest hours with votes, latest first; without votes that are set aside
select r.hour, r.up_count + r.down_count - coalesce(a.up_count + a.down_count, 0) as votes
  from vote_rollups r
  left join set_aside_hours a on a.show_id = r.show_id and a.hour = r.hour
 where r.show_id = :show_id::bigint and r.up_count + r.down_count > coalesce(a.up_count + a.down_count, 0)
 order by r.hour desc
 limit :count::bigint;

-- name: note_song_hours!
-- gives: writes the counts of the predicted songs of shows with votes in the last 10 minutes, where they are not those of the last note
-- locks: setlist_songs rows against deletion, without waiting for one that is being deleted
with song as materialized (
    select e.id, e.up_count, e.down_count
      from setlist_songs e
      join setlists l on l.id = e.setlist_id
     where e.show_id in (select show_id from vote_minutes where minute >= now() - interval '10 minutes') and l.type = 'predicted'
       for key share of e skip locked
)
insert into song_hours (setlist_song_id, hour, up_count, down_count)
select s.id, date_trunc('hour', now(), 'UTC'), s.up_count, s.down_count
  from song s
  left join lateral (select up_count, down_count from song_hours where setlist_song_id = s.id order by hour desc limit 1) n on true
 where (s.up_count, s.down_count) <> (coalesce(n.up_count, 0), coalesce(n.down_count, 0))
    on conflict (setlist_song_id, hour) do update set up_count = excluded.up_count, down_count = excluded.down_count;

-- name: leading_songs
-- takes: show_id bigint, count bigint, hours bigint
-- gives: 0..count rows: the predicted songs with votes by score, the best first, each with its newest notes as JSON, oldest first
select e.id, g.title, e.up_count as up, e.down_count as down,
       (select coalesce(jsonb_agg(jsonb_build_object('hour', h.hour, 'up', h.up_count, 'down', h.down_count) order by h.hour), '[]')
          from (select hour, up_count, down_count from song_hours
                 where setlist_song_id = e.id order by hour desc limit :hours::bigint) h)::text as hours
  from (select s.id, s.song_id, s.up_count, s.down_count
          from setlist_songs s
          join setlists l on l.id = s.setlist_id
         where s.show_id = :show_id::bigint and l.type = 'predicted' and s.up_count + s.down_count > 0
         order by s.up_count - s.down_count desc, s.id
         limit :count::bigint) e
  join songs g on g.id = e.song_id
 order by e.up_count - e.down_count desc, e.id;

-- name: last_vote_at$
-- takes: show_id bigint
-- gives: the time of its last vote that was not a withdrawal; null: none
select last_vote_at(:show_id::bigint);

-- name: standing_votes^
-- gives: one row: the votes that stand, over all shows, and with those that are set aside; up and down, over the shows whose counts everybody may see (a single show
--        always counts); the first `most` of their songs as JSON, by score
with counted as materialized (
    select show_id, vote_count, is_open or :scope::statistics_scope = 'show' as is_open
      from shows_of_scope(:scope::statistics_scope, :scope_id::bigint)
    union all
    select id, vote_count, results_audience(results, finalised_at) = 0 from shows where :scope::statistics_scope = 'platform'
), song as materialized (
    select e.song_id, sum(e.up_count)::bigint as up, sum(e.down_count)::bigint as down
      from counted c
      join setlist_songs e on e.show_id = c.show_id
     where c.is_open and c.vote_count > 0 and e.up_count + e.down_count > 0
     group by 1
)
select (select coalesce(sum(vote_count), 0)::bigint from counted) as total,
       (select coalesce(sum(e.set_aside_up_count + e.set_aside_down_count), 0)::bigint
          from setlist_songs e
         where e.set_aside_up_count + e.set_aside_down_count > 0 and e.show_id in (select show_id from counted)) as set_aside,
       (select coalesce(sum(up), 0)::bigint from song) as up, (select coalesce(sum(down), 0)::bigint from song) as down,
       (select coalesce(jsonb_agg(jsonb_build_object(
                   'id', f.song_id, 'title', g.title, 'artist', a.name, 'up', f.up, 'down', f.down, 'score', f.up - f.down)
                   order by f.up - f.down desc, f.song_id), '[]')
          from (select * from song order by up - down desc, song_id limit :most::bigint) f
          join songs g on g.id = f.song_id
          join artists a on a.id = g.artist_id)::text as songs;

-- name: cast_votes^
-- takes: scope, scope_id, first, following; zone, an IANA time zone; step, hour or day
-- gives: one row: the votes cast in the period, raw_votes with ballots that are set aside; by hour of the day, by day of the week (1: Monday), and by step, as JSON
with hours as materialized (
    -- The sums of the platform follow a moment behind those of the hidden shows that are subtracted from them.
    select hour, sum(votes)::bigint as votes, sum(withdrawn)::bigint as withdrawn,
           greatest(sum(up), 0)::bigint as up, greatest(sum(down), 0)::bigint as down, sum(raw_votes)::bigint as raw_votes
      from hours_of_scope(:scope::statistics_scope, :scope_id::bigint, :first::timestamptz, :following::timestamptz)
     group by hour
), here as materialized (
    select extract(hour from hour at time zone :zone::text)::int as hour,
           extract(isodow from hour at time zone :zone::text)::int as weekday, sum(votes)::bigint as votes
      from hours group by 1, 2
)
select coalesce(sum(h.votes), 0)::bigint as votes, coalesce(sum(h.up), 0)::bigint as up, coalesce(sum(h.down), 0)::bigint as down,
       coalesce(sum(h.withdrawn), 0)::bigint as withdrawn, coalesce(sum(h.raw_votes), 0)::bigint as raw_votes,
       (select jsonb_agg(jsonb_build_object('hour', n, 'votes', coalesce(votes, 0)) order by n)
          from generate_series(0, 23) n
          left join (select hour, sum(votes) as votes from here group by 1) p on p.hour = n)::text as pattern,
       (select jsonb_agg(jsonb_build_object('weekday', n, 'votes', coalesce(votes, 0)) order by n)
          from generate_series(1, 7) n
          left join (select weekday, sum(votes) as votes from here group by 1) p on p.weekday = n)::text as weekdays,
       (select coalesce(jsonb_agg(jsonb_build_object(
                   'begins_at', s.begins_at, 'votes', s.votes, 'up', s.up, 'down', s.down, 'withdrawn', s.withdrawn,
                   'raw_votes', s.raw_votes)
                   order by s.begins_at), '[]')
          from (select date_trunc(:step::text, hour, 'UTC') as begins_at, sum(votes) as votes, sum(up) as up, sum(down) as down,
                       sum(withdrawn) as withdrawn, sum(raw_votes) as raw_votes
                  from hours where :step::text is not null group by 1) s)::text as steps
  from hours h;

-- name: recent_hours
-- takes: scope, scope_id; hour, the beginning of this hour
-- gives: 25 rows: this hour and the 24 hours before it, oldest first
select n.hour, coalesce(sum(h.votes), 0)::bigint as votes, coalesce(sum(h.withdrawn), 0)::bigint as withdrawn,
       coalesce(sum(h.raw_votes), 0)::bigint as raw_votes
  from generate_series(:hour::timestamptz - interval '24 hours', :hour::timestamptz, interval '1 hour') as n (hour)
  left join hours_of_scope(:scope::statistics_scope, :scope_id::bigint, :hour::timestamptz - interval '24 hours',
                           :hour::timestamptz + interval '1 hour') h on h.hour = n.hour
 group by n.hour
 order by n.hour;

-- name: recent_minutes^
-- takes: scope, scope_id; minute, the beginning of this minute
-- gives: one row: the votes of the last whole minute, of the last 5 and of the last 60
select coalesce(sum(vote_count) filter (where minute >= :minute::timestamptz - interval '1 minute'), 0)::bigint as one,
       coalesce(sum(vote_count) filter (where minute >= :minute::timestamptz - interval '5 minutes'), 0)::bigint as five,
       coalesce(sum(vote_count), 0)::bigint as sixty
  from (select minute, vote_count from vote_minutes where :scope::statistics_scope = 'platform'
        union all
        select m.minute, m.vote_count
          from shows_of_scope(:scope::statistics_scope, :scope_id::bigint) s join vote_minutes m on m.show_id = s.show_id) m
 where minute >= :minute::timestamptz - interval '60 minutes' and minute < :minute::timestamptz;

-- name: voters^
-- gives: one row: the fans who cast a vote in the period, with ballots that are set aside too (raw_voters), and without; of these, who never had before, and who also did on an earlier day
select coalesce(sum(voter_count) filter (where previous_day < :first_day::date), 0)::bigint as voters,
       coalesce(sum(raw_voter_count) filter (where previous_day < :first_day::date), 0)::bigint as raw_voters,
       coalesce(sum(voter_count) filter (where visit = 1), 0)::bigint as newcomers,
       coalesce(sum(voter_count) filter (where (visit > 1 and previous_day < :first_day::date)
                                            or (visit = 2 and previous_day >= :first_day::date)), 0)::bigint as came_back
  from voter_links
 where scope = :scope::statistics_scope and scope_id = :scope_id::bigint
   and day between :first_day::date and :last_day::date;

-- name: days_of_shows^
-- gives: one row: how many connections began to watch a show in the period; the shows and the artists (by the headliner of each show)
--        with the most votes cast in it, as JSON. Deleted shows are left out of both lists
with show as materialized (
    select show_id, sum(vote_count)::bigint as votes, sum(visit_count)::bigint as visits
      from (select show_id, vote_count, visit_count
              from show_days
             where :scope::statistics_scope = 'platform' and day between :first_day::date and :last_day::date
            union all
            select s.show_id, d.vote_count, d.visit_count
              from shows_of_scope(:scope::statistics_scope, :scope_id::bigint) s
              join show_days d on d.show_id = s.show_id and d.day between :first_day::date and :last_day::date
            union all
            select a.show_id, -(a.up_count + a.down_count), 0
              from set_aside_hours a
             where (a.hour at time zone 'UTC')::date between :first_day::date and :last_day::date
               and (:scope::statistics_scope = 'platform'
                    or a.show_id in (select show_id from shows_of_scope(:scope::statistics_scope, :scope_id::bigint)))) d
     group by 1
)
select (select coalesce(sum(visits), 0)::bigint from show) as visits,
       (select coalesce(jsonb_agg(jsonb_build_object(
                   'id', w.id, 'slug', w.slug, 'name', w.name, 'artist', a.name, 'local_date', w.local_date, 'votes', f.votes)
                   order by f.votes desc, w.id), '[]')
          from (select * from show where votes > 0 order by votes desc, show_id limit :most::bigint) f
          join shows w on w.id = f.show_id
          join artists a on a.id = w.artist_id)::text as shows,
       (select coalesce(jsonb_agg(jsonb_build_object('id', a.id, 'slug', a.slug, 'name', a.name, 'votes', f.votes)
                   order by f.votes desc, a.id), '[]')
          from (select w.artist_id, sum(s.votes)::bigint as votes
                  from show s join shows w on w.id = s.show_id
                 where s.votes > 0
                 group by 1 order by 2 desc, 1 limit :most::bigint) f
          join artists a on a.id = f.artist_id)::text as artists;

-- name: add_visits!
-- takes: show_ids and visits, arrays, one a show
-- locks: their show_days rows, in the order of their keys
insert into show_days (show_id, day, visit_count)
select w.id, (now() at time zone 'UTC')::date, v.visits
  from unnest(:show_ids::bigint[], :visits::bigint[]) as v (show_id, visits) join shows w on w.id = v.show_id
 order by 1
    on conflict (show_id, day) do update set visit_count = show_days.visit_count + excluded.visit_count;

-- name: top_voters
-- gives: 0..most rows: the fans who predicted best; name: null unless their profile is public
select name, show_count, hits, accuracy
  from most_accurate_voters(:scope::statistics_scope, :scope_id::bigint, (:most::bigint)::int);

-- name: refresh_best_voters!
-- locks: all rows of best_voters
-- Adds up the predictions of all fans.
select refresh_best_voters();

-- name: scopes_to_recount
-- takes: scopes, scope_ids: those that are left out; count
-- gives: 0..count rows: scopes that wait to be counted again, the platform last
select distinct scope::text as scope, scope_id, scope as place
  from scopes_to_recount
 where (scope::text, scope_id) not in (select s.scope, s.scope_id
                                         from unnest(:scopes::text[], :scope_ids::bigint[]) as s (scope, scope_id))
 order by place desc, scope_id
 limit :count::bigint;

-- name: recount_scope!
-- takes: scope, scope_id
-- locks: nothing that another kind of transaction waits for
select recount_scope(:scope::text::statistics_scope, :scope_id::bigint);

-- name: count_votes$
-- takes: most, the largest number of voters to take; votes are all taken
-- gives: how many it counted
-- locks: nothing that another kind of transaction waits for
select count_votes((:most::bigint)::int);
