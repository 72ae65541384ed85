-- The shows of a user: those that concern them now, and those on which they voted.

-- name: list_own_shows
-- takes: user_id bigint, count bigint
-- gives: 0..count rows: live and upcoming shows that the user attends, has voted on, or whose artist they follow; live ones
--        first, then the soonest
-- cost:  reads all follows, attendances and votes of this user
select w.id, w.slug, w.name, w.status, w.local_date, w.starts_at, w.time_zone, w.vote_count,
       a.id as artist_id, a.slug as artist_slug, a.name as artist_name,
       v.id as venue_id, v.slug as venue_slug, v.name as venue_name, v.city,
       o.is_going, o.is_following, o.own_vote_count
  from (select show_id, bool_or(is_going) as is_going, bool_or(is_following) as is_following,
               sum(votes)::bigint as own_vote_count
          from (select g.show_id, true as is_going, false as is_following, 0 as votes
                  from user_show_attendance g where g.user_id = :user_id::bigint
                union all
                select s.id, false, true, 0
                  from user_follows_artists f
                  join shows s on s.artist_id = f.artist_id and s.status in ('live', 'upcoming')
                 where f.user_id = :user_id
                union all
                select b.show_id, false, false, count(*) from votes b where b.user_id = :user_id group by b.show_id) e
         group by show_id) o
  join shows w on w.id = o.show_id and w.status in ('live', 'upcoming')
  join artists a on a.id = w.artist_id
  join venues v on v.id = w.venue_id
 order by w.status desc, w.starts_at, w.id
 limit :count::bigint;

-- name: list_ballots
-- takes: user_id; after_at and after_id (both null: first page); count
-- gives: 0..count rows, latest show first; hits, predicted and played: null while the user's votes are not scored
-- cost:  reads all votes of this user
select w.starts_at, w.id, w.slug, w.name, w.status, w.local_date, w.time_zone, w.vote_count,
       a.id as artist_id, a.slug as artist_slug, a.name as artist_name,
       v.id as venue_id, v.slug as venue_slug, v.name as venue_name, v.city,
       b.up, b.down, c.hits, c.predicted, c.played
  from (select show_id, count(*) filter (where choice = 'up') as up, count(*) filter (where choice = 'down') as down
          from votes where user_id = :user_id::bigint group by show_id) b
  join shows w on w.id = b.show_id
  join artists a on a.id = w.artist_id
  join venues v on v.id = w.venue_id
  left join voter_accuracy c on c.user_id = :user_id and c.show_id = w.id
 where :after_at::timestamptz is null or (w.starts_at, w.id) < (:after_at, :after_id::bigint)
 order by w.starts_at desc, w.id desc
 limit :count::bigint;
