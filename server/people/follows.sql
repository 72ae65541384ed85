-- Following artists and going to shows. Counts are moved by the triggers of these tables.

-- name: find_artist$
-- takes: id bigint or null, slug text or null; exactly one is given
-- gives: its id, or null
select id from artists where id = :id::bigint or slug = :slug::text;

-- name: find_show$
-- takes: id bigint or null, slug text or null; exactly one is given
-- gives: its id, or null
select id from shows where id = :id::bigint or slug = :slug::text;

-- name: follow!
-- takes: user_id, artist_id
-- locks: the artist's row of artist_stats, if this is new
insert into user_follows_artists (user_id, artist_id) values (:user_id::bigint, :artist_id::bigint)
    on conflict do nothing;

-- name: unfollow!
-- takes: user_id, artist_id
-- locks: the artist's row of artist_stats, if they were followed
delete from user_follows_artists where user_id = :user_id::bigint and artist_id = :artist_id::bigint;

-- name: follower_count$
-- takes: artist_id
select follower_count from artist_stats where artist_id = :artist_id::bigint;

-- name: attend!
-- takes: user_id, show_id
-- locks: the show's row, if this is new
insert into user_show_attendance (user_id, show_id) values (:user_id::bigint, :show_id::bigint)
    on conflict do nothing;

-- name: stay_away!
-- takes: user_id, show_id
-- locks: the show's row, if they were going
delete from user_show_attendance where user_id = :user_id::bigint and show_id = :show_id::bigint;

-- name: attendance_count$
-- takes: show_id
select attendance_count from shows where id = :show_id::bigint;

-- name: list_follows
-- takes: user_id; after_at and after_id, both null: from the top; count
-- gives: 0..count rows, followed last first
-- cost:  reads all that this user follows
select f.created_at, a.id, a.slug, a.name, s.follower_count
  from user_follows_artists f
  join artists a on a.id = f.artist_id
  join artist_stats s on s.artist_id = f.artist_id
 where f.user_id = :user_id::bigint
   and (:after_at::timestamptz is null or (f.created_at, f.artist_id) < (:after_at, :after_id::bigint))
 order by f.created_at desc, f.artist_id desc
 limit :count::bigint;

-- name: list_attendance
-- takes: user_id; after_at and after_id, both null: from the top; count
-- gives: 0..count rows, the latest show first
-- cost:  reads all shows this user goes or went to
select w.starts_at, w.id, w.slug, w.name, w.status, w.local_date, w.attendance_count, g.created_at,
       a.name as artist_name, v.name as venue_name
  from user_show_attendance g
  join shows w on w.id = g.show_id
  join artists a on a.id = w.artist_id
  join venues v on v.id = w.venue_id
 where g.user_id = :user_id::bigint
   and (:after_at::timestamptz is null or (w.starts_at, w.id) < (:after_at, :after_id::bigint))
 order by w.starts_at desc, w.id desc
 limit :count::bigint;
