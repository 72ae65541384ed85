-- Songs of the whole catalogue, page by page, for staff.

-- name: newest_songs
-- takes: after_id (null: first page), count
-- gives: 0..count songs, the newest first
select s.id, s.title, a.id as artist_id, a.slug as artist_slug, a.name as artist_name
  from songs s
  join artists a on a.id = s.artist_id
 where :after_id::bigint is null or s.id < :after_id
 order by s.id desc
 limit :count::bigint;

-- name: songs_by_title
-- takes: artist_id, after_id (null: first page), count
-- gives: 0..count songs of the artist, by title
select s.id, s.title, a.id as artist_id, a.slug as artist_slug, a.name as artist_name
  from songs s
  join artists a on a.id = s.artist_id
 where s.artist_id = :artist_id::bigint
   and (:after_id::bigint is null or s.title > (select e.title from songs e where e.id = :after_id))
 order by s.title
 limit :count::bigint;
