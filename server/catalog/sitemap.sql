-- What search engines are told of: the addresses of all pages, in parts.

-- name: last_ids^
-- takes: nothing
-- gives: 1 row: the greatest id of each kind, 0: there is none
select coalesce((select max(id) from shows), 0)   as shows,
       coalesce((select max(id) from artists), 0) as artists,
       coalesce((select max(id) from venues), 0)  as venues,
       coalesce((select max(id) from songs), 0)   as songs;

-- name: shows_between
-- takes: the ids from_id to to_id
-- gives: 0..(to_id - from_id + 1) rows, by id
select slug as reference, updated_at from shows where id between :from_id::bigint and :to_id::bigint order by id;

-- name: artists_between
-- takes: the ids from_id to to_id
-- gives: 0..(to_id - from_id + 1) rows, by id
select slug as reference, updated_at from artists where id between :from_id::bigint and :to_id::bigint order by id;

-- name: venues_between
-- takes: the ids from_id to to_id
-- gives: 0..(to_id - from_id + 1) rows, by id
select slug as reference, updated_at from venues where id between :from_id::bigint and :to_id::bigint order by id;

-- name: songs_between
-- takes: the ids from_id to to_id
-- gives: 0..(to_id - from_id + 1) rows, by id
select id::text as reference, updated_at from songs where id between :from_id::bigint and :to_id::bigint order by id;
