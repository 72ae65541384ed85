-- The calendar of a fan. A request that names it acts for its owner.

-- name: fetch_nonce$
-- takes: user_id
-- gives: what the calendar's address follows from; null: there is no calendar
select nonce from calendar_feeds where user_id = :user_id::bigint;

-- name: renew_nonce$
-- takes: user_id
-- gives: the new one; the calendar is made when there is none
-- locks: that row, when there is one
insert into calendar_feeds (user_id) values (:user_id::bigint)
    on conflict (user_id) do update set nonce = gen_random_uuid(), created_at = now()
returning nonce;

-- name: delete_feed!
-- takes: user_id
-- locks: that row
delete from calendar_feeds where user_id = :user_id::bigint;

-- name: shows_of_user
-- takes: user_id; since; count
-- gives: 0..count rows: shows that start after that, to which the user goes (is_certain) or of artists that the user follows,
--        soonest first
select w.id, w.slug, w.name, w.status, w.starts_at, w.time_zone, w.revision, w.updated_at, m.is_certain,
       a.name as artist_name, v.name as venue_name, v.city, v.region, v.country, v.latitude, v.longitude
  from (select show_id, bool_or(is_certain) as is_certain
          from (select g.show_id, true as is_certain from user_show_attendance g where g.user_id = :user_id::bigint
                 union all
                select b.show_id, false from user_follows_artists f join show_artists b on b.artist_id = f.artist_id
                 where f.user_id = :user_id) marked
         group by show_id) m
  join shows w on w.id = m.show_id
  join artists a on a.id = w.artist_id
  join venues v on v.id = w.venue_id
 where w.starts_at > :since::timestamptz
 order by w.starts_at, w.id
 limit :count::bigint;
