-- Tours of artists.

-- name: list_tours
-- takes: id bigint or null, slug text or null of an artist, exactly one is given
-- gives: the artist's tours, the newest first; a row without a tour, when the artist has none; no row: no such artist
select a.id as artist_id, t.id, t.name, t.first_date, t.last_date
  from artists a
  left join tours t on t.artist_id = a.id
 where a.id = :id::bigint or a.slug = :slug::text
 order by t.first_date desc, t.id;

-- name: insert_tour$
-- takes: id bigint or null, slug text or null of an artist, exactly one is given; name, first_date, last_date
-- gives: the id; null: no such artist
insert into tours (artist_id, name, first_date, last_date)
select a.id, :name::text, :first_date::date, :last_date::date
  from artists a
 where a.id = :id::bigint or a.slug = :slug::text
returning id;

-- name: delete_tour!
-- takes: id
-- locks: that row
delete from tours where id = :id::bigint;

-- name: list_all_tours
-- takes: id (null: all); after_id; count
-- gives: 0..count tours by id, with their artist, and the number of shows in each, without cancelled ones
select t.id, t.name, t.first_date, t.last_date, t.artist_id, a.name as artist_name,
       (select count(*) from shows w
         where w.artist_id = t.artist_id and w.local_date between t.first_date and t.last_date and w.status <> 'cancelled') as show_count
  from tours t
  join artists a on a.id = t.artist_id
 where (:id::bigint is null or t.id = :id) and t.id > :after_id::bigint
 order by t.id
 limit :count::bigint;

-- name: lock_tour$
-- takes: id
-- gives: the id, or null
-- locks: that row
select id from tours where id = :id::bigint for update;

-- name: update_tour!
-- takes: id, name, first_date, last_date
-- locks: that row
update tours set name = :name::text, first_date = :first_date::date, last_date = :last_date::date where id = :id::bigint;
