-- The preferences of a user. Requests see only their own row.
-- Instants are parameters, so that a test can set the clock. They come from the clock of the node.

-- name: fetch_preferences^
-- takes: user_id
-- gives: 0..1 row
select address, frequency, kinds, confirmed_at is not null as is_confirmed
  from email_preferences where user_id = :user_id::bigint;

-- name: save_preferences^
-- takes: user_id, address, frequency, kinds; host, of the brand where the user is, empty: of the service
-- gives: the stored row; a changed address is not confirmed
-- locks: that row, so that concurrent requests of a user count their confirmations one after the other
insert into email_preferences as p (user_id, address, frequency, kinds, host)
values (:user_id::bigint, :address::text, :frequency::text::email_frequency, :kinds::text[]::email_kind[], :host::text)
    on conflict (user_id) do update
   set address = excluded.address, frequency = excluded.frequency, kinds = excluded.kinds, host = excluded.host,
       confirmed_at = case when p.address = excluded.address then p.confirmed_at end
returning address, frequency, kinds, confirmed_at is not null as is_confirmed;

-- name: delete_preferences!
-- takes: user_id
-- locks: that row
delete from email_preferences where user_id = :user_id::bigint;

-- name: fetch_confirmations
-- takes: user_id, since timestamptz, count
-- gives: 0..count rows: the instants of the latest confirmations of the user, latest first
select created_at
  from email_queue
 where user_id = :user_id::bigint and kind = 'confirm_address' and created_at > :since::timestamptz
 order by created_at desc
 limit :count::bigint;

-- name: enqueue_confirmation!
-- takes: user_id; about, the unique subject of this confirmation (confirmation_about in items.py); instant
insert into email_queue (user_id, kind, about, priority, not_before, created_at)
values (:user_id::bigint, 'confirm_address', :about::text, 'high', :instant::timestamptz, :instant)
    on conflict (user_id, kind, about) do nothing;

-- name: confirm_address$
-- takes: user_id; address_hash, of the exact spelling; instant
-- gives: the user; null: the user no longer has this address
-- locks: that row
update email_preferences
   set confirmed_at = coalesce(confirmed_at, :instant::timestamptz)
 where user_id = :user_id::bigint and sha256(convert_to(address, 'UTF8')) = :address_hash::bytea
returning user_id;
