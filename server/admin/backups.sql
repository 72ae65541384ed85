-- Files that `mysetlist backup` wrote.

-- name: insert_backup!
-- takes: file_name, size_bytes, host
insert into backups (file_name, size_bytes, host) values (:file_name::text, :size_bytes::bigint, :host::text);

-- name: newest_backup^
-- gives: 0..1 row
select made_at, extract(epoch from clock_timestamp() - made_at)::float8 as age_s, file_name, size_bytes, host
  from backups order by made_at desc limit 1;

-- name: table_counts^
-- gives: one row: how much there is of what people would miss, and when the newest vote was cast; null: never
select (select count(*) from users) as accounts, (select count(*) from artists) as artists, (select count(*) from shows) as shows,
       (select count(*) from setlist_songs) as songs_of_sets, (select count(*) from votes) as votes,
       (select count(*) from vote_analytics) as casts, (select max(cast_at) from vote_analytics) as newest_cast;
