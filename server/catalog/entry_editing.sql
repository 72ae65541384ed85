-- Artists, venues and songs that staff makes and edits by hand.

-- name: fetch_artist^
-- takes: id
-- gives: 0..1 row: the artist, and the number of shows with the artist on the bill
select a.id, a.slug, a.name, a.genre, a.country, a.updated_at,
       (select count(*) from show_artists b where b.artist_id = a.id) as show_count
  from artists a
 where a.id = :id::bigint;

-- name: fetch_venue^
-- takes: id
-- gives: 0..1 row: the venue, and the number of its shows
select v.id, v.slug, v.name, v.city, v.region, v.country, v.latitude, v.longitude, v.time_zone, v.capacity, v.updated_at,
       (select count(*) from shows w where w.venue_id = v.id) as show_count
  from venues v
 where v.id = :id::bigint;

-- name: fetch_song^
-- takes: id
-- gives: 0..1 row: the song, and the number of shows with the song in a set
select s.id, s.artist_id as artist, a.name as artist_name, s.title, s.updated_at,
       (select count(distinct e.show_id) from setlist_songs e where e.song_id = s.id) as show_count
  from songs s
  join artists a on a.id = s.artist_id
 where s.id = :id::bigint;

-- name: id_of_artist$
-- takes: slug
select id from artists where slug = :slug::text;

-- name: id_of_venue$
-- takes: slug
select id from venues where slug = :slug::text;

-- name: same_artist$
-- takes: name
-- gives: the first artist of this name, whatever its case and accents, or null
select min(id) from artists where folded = fold(:name::text);

-- name: same_venue$
-- takes: name, city
-- gives: the first venue of this name in this city, or null
select min(id) from venues where folded = fold(:name::text || ' ' || :city::text);

-- name: same_song$
-- takes: artist, title
-- gives: the first song of the artist with this title, whatever its case and accents, or null
select min(id) from songs where artist_id = :artist::bigint and folded = fold(:title::text);

-- name: insert_artist$
-- takes: slug, name, genre, country
-- gives: the id; null: the slug is taken
insert into artists (slug, name, genre, country) values (:slug, :name, :genre, :country)
    on conflict (slug) do nothing
returning id;

-- name: insert_venue$
-- takes: slug, name, city, region, country, latitude, longitude, time_zone, capacity
-- gives: the id; null: the slug is taken
insert into venues (slug, name, city, region, country, latitude, longitude, time_zone, capacity)
values (:slug, :name, :city, :region, :country, :latitude, :longitude, :time_zone, :capacity)
    on conflict (slug) do nothing
returning id;

-- name: insert_song$
-- takes: artist, title
-- gives: the id
insert into songs (artist_id, title) values (:artist::bigint, :title) returning id;

-- name: lock_shards_of_artist
-- takes: id of an artist
-- locks: the log_positions rows of the shards of shows with the artist on the bill, in order: their search words have the name
select p.shard
  from log_positions p
 where p.shard in (select b.show_id % (select count(*) from log_positions) from show_artists b where b.artist_id = :id::bigint)
 order by p.shard
   for update;

-- name: lock_shards_of_venue
-- takes: id of a venue
-- locks: the log_positions rows of the shards of its shows, in order: their search words have the name
select p.shard
  from log_positions p
 where p.shard in (select w.id % (select count(*) from log_positions) from shows w where w.venue_id = :id::bigint)
 order by p.shard
   for update;

-- name: lock_song$
-- takes: id of a song
-- gives: the id, or null
-- locks: that row
select id from songs where id = :id::bigint for update;

-- name: update_artist!
-- takes: id, slug, name, genre, country
-- locks: that row, and its shows when the name changes
update artists set slug = :slug, name = :name, genre = :genre, country = :country where id = :id::bigint;

-- name: update_venue!
-- takes: id, slug, name, city, region, country, latitude, longitude, time_zone, capacity
-- locks: that row, and its shows when the name or the place changes
update venues
   set slug = :slug, name = :name, city = :city, region = :region, country = :country, latitude = :latitude,
       longitude = :longitude, time_zone = :time_zone, capacity = :capacity
 where id = :id::bigint;

-- name: update_song!
-- takes: id, artist, title
-- locks: that row
update songs set artist_id = :artist::bigint, title = :title where id = :id::bigint;
