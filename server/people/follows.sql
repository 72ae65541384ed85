-- Follows and attendances of a user. The writer of the log (voting) writes their rows.

-- name: find_artist$
-- takes: id bigint or null, slug text or null; exactly one is given
-- gives: the id, or null
select id from artists where id = :id::bigint or slug = :slug::text;

-- name: find_show$
-- takes: id bigint or null, slug text or null; exactly one is given
-- gives: the id, or null
select id from shows where id = :id::bigint or slug = :slug::text;

-- name: list_follows
-- takes: user_id; after_at and after_id (both null: first page); count
-- gives: 0..count rows, latest follow first
-- cost:  reads all follows of this user
select f.created_at, a.id, a.slug, a.name, s.follower_count
  from user_follows_artists f
  join artists a on a.id = f.artist_id
  join artist_stats s on s.artist_id = f.artist_id
 where f.user_id = :user_id::bigint
   and (:after_at::timestamptz is null or (f.created_at, f.artist_id) < (:after_at, :after_id::bigint))
 order by f.created_at desc, f.artist_id desc
 limit :count::bigint;

-- name: list_attendance
-- takes: user_id; after_at and after_id (both null: first page); count
-- gives: 0..count rows, latest show first
-- cost:  reads all attendances of this user
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

-- name: find_follow^
-- takes: id bigint or null, slug text or null, exactly one is given; user_id
-- gives: 0..1 row: the id of the artist, and whether this user follows the artist
select a.id, exists (select from user_follows_artists f where f.user_id = :user_id::bigint and f.artist_id = a.id) as is_marked
  from artists a
 where a.id = :id::bigint or a.slug = :slug::text;

-- name: find_attendance^
-- takes: id bigint or null, slug text or null, exactly one is given; user_id
-- gives: 0..1 row: the id of the show, and whether this user attends it
select s.id, exists (select from user_show_attendance t where t.user_id = :user_id::bigint and t.show_id = s.id) as is_marked
  from shows s
 where s.id = :id::bigint or s.slug = :slug::text;
