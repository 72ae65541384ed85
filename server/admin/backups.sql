-- Files that `mysetlist backup` wrote.

-- name: insert_backup!
-- takes: file_name, size_bytes, host
insert into backups (file_name, size_bytes, host) values (:file_name::text, :size_bytes::bigint, :host::text);

-- name: newest_backup^
-- gives: 0..1 row
select made_at, extract(epoch from clock_timestamp() - made_at)::float8 as age_s, file_name, size_bytes, host
  from backups order by made_at desc limit 1;
