-- The devices of a fan. Instants are parameters, so that a test can set the clock.

-- name: make_key$
-- takes: private_key, used if the database has none yet
-- gives: the private key of this service
with made as (
    insert into webpush_key (private_key) values (:private_key::bytea) on conflict do nothing returning private_key
)
select coalesce((select private_key from made), (select private_key from webpush_key));

-- name: fetch_key$
-- gives: the private key of this service; null: it has none yet
select private_key from webpush_key;

-- name: list_devices
-- takes: user_id; count
-- gives: 0..count rows: the devices of the user, newest first
select id, endpoint, kinds::text[] as kinds, time_zone, quiet_from, quiet_to, created_at
  from webpush_devices
 where user_id = :user_id::bigint
 order by id desc
 limit :count::bigint;

-- name: knows_zone$
-- takes: time_zone
-- gives: whether PostgreSQL knows it
select exists (select from pg_timezone_names where name = :time_zone::text);

-- name: put_device^
-- takes: user_id, session_id, endpoint, public_key, auth_secret, kinds, time_zone, quiet_from, quiet_to
-- gives: the device; 0..1 row: none if the endpoint is known with other keys, because the sender has not got it from this device
-- locks: that row of webpush_devices
-- A browser that another account used before belongs to this one from now on.
insert into webpush_devices as d (user_id, session_id, endpoint, public_key, auth_secret, kinds, time_zone, quiet_from, quiet_to)
values (:user_id::bigint, :session_id::bigint, :endpoint::text, :public_key::bytea, :auth_secret::bytea,
        :kinds::text[]::webpush_kind[], :time_zone::text, :quiet_from::time, :quiet_to::time)
    on conflict (endpoint) do update
   set user_id = excluded.user_id, session_id = excluded.session_id, kinds = excluded.kinds, time_zone = excluded.time_zone,
       quiet_from = excluded.quiet_from, quiet_to = excluded.quiet_to, failures = 0
 where d.public_key = excluded.public_key and d.auth_secret = excluded.auth_secret
returning id, endpoint, kinds::text[] as kinds, time_zone, quiet_from, quiet_to, created_at;

-- name: delete_oldest!
-- takes: user_id; count, how many may stay
-- locks: the rows of that user beyond
delete from webpush_devices
 where id in (select id from webpush_devices where user_id = :user_id::bigint order by id desc offset :count::bigint);

-- name: delete_device$
-- takes: user_id; id
-- gives: the id; null: the user has no such device
-- locks: that row, then its deliveries
delete from webpush_devices where id = :id::bigint and user_id = :user_id::bigint returning id;
