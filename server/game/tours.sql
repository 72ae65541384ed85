-- Tours of artists.

-- name: list_tours
-- takes: id bigint or null, slug text or null of an artist, exactly one is given
-- gives: the artist's tours, the newest first; a row without a tour, when the artist has none; no row: no such artist
select a.id as artist_id, t.id, t.name, t.first_date, t.last_date
  from artists a
  left join tours t on t.artist_id = a.id
 where a.id = :id::bigint or a.slug = :slug::text
 order by t.first_date desc, t.id;

-- name: insert_tour^
-- takes: id bigint or null, slug text or null of an artist, exactly one is given; name, first_date, last_date
-- gives: 0..1 row: the tour
insert into tours (artist_id, name, first_date, last_date)
select a.id, :name::text, :first_date::date, :last_date::date
  from artists a
 where a.id = :id::bigint or a.slug = :slug::text
returning id, name, first_date, last_date;

-- name: delete_tour$
-- takes: id
-- gives: the id, or null
delete from tours where id = :id::bigint returning id;
