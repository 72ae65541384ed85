-- Brands: the service under other names.

-- name: served_brands
-- takes: nothing
-- gives: every brand without its logo, with the slugs of its artist and venue; after a merge those of the survivor
select b.id, b.host, b.name, b.colours::text as colours, b.logo is not null as has_logo, b.revision,
       a.slug as artist_slug, v.slug as venue_slug
  from brands b
  left join artists a on a.id = coalesce(merged_into('artist', b.artist_id, null), b.artist_id)
  left join venues v on v.id = coalesce(merged_into('venue', b.venue_id, null), b.venue_id)
 order by b.id;

-- name: logo_of_brand^
-- takes: id
-- gives: 0..1 row; the logo may be null
select logo, logo_type from brands where id = :id::bigint;

-- name: list_brands
-- takes: id (null: all); after_id; count
-- gives: 0..count rows, by id
select id, host, name, artist_id as artist, venue_id as venue, colours::text as colours,
       coalesce(octet_length(logo), 0)::bigint as logo_bytes, logo_type, revision, created_at
  from brands
 where (:id::bigint is null or id = :id) and id > :after_id::bigint
 order by id
 limit :count::bigint;

-- name: lock_brand$
-- takes: id
-- gives: the id, or null
-- locks: that row
select id from brands where id = :id::bigint for update;

-- name: count_brands$
-- takes: nothing
-- gives: 1 value
select count(*) from brands;

-- name: insert_brand$
-- takes: host, name, artist and venue (null: none), colours, logo and logo_type (null: none)
-- gives: the id
insert into brands (host, name, artist_id, venue_id, colours, logo, logo_type)
values (:host::text, :name::text, :artist::bigint, :venue::bigint, :colours::jsonb, :logo::bytea, :logo_type::text)
returning id;

-- name: update_brand!
-- takes: id, host, name, artist and venue (null: none), colours
-- locks: that row
update brands
   set host = :host::text, name = :name::text, artist_id = :artist::bigint, venue_id = :venue::bigint, colours = :colours::jsonb,
       revision = next_revision(revision)
 where id = :id::bigint;

-- name: update_logo!
-- takes: id, logo and logo_type (null: none)
-- locks: that row
update brands set logo = :logo::bytea, logo_type = :logo_type::text where id = :id::bigint;

-- name: delete_brand!
-- takes: id
-- locks: that row
delete from brands where id = :id::bigint;

-- name: unknown_subject$
-- takes: artist and venue (null: none)
-- gives: the word for the first that does not exist, or null
select case when :artist::bigint is not null and not exists (select from artists where id = :artist) then 'artist'
            when :venue::bigint is not null and not exists (select from venues where id = :venue) then 'venue' end;
