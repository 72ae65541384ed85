-- Stopped addresses, by hash. Only the owner of the database may read and write them.
-- Instants are parameters, so that a test can set the clock. They come from the clock of the node.

-- name: fetch_stop$
-- takes: address_hash
-- gives: the reason why the address is stopped; null: it is not
select reason from email_unsubscribes where address_hash = :address_hash::bytea;

-- name: stop_address!
-- takes: address_hash, reason, instant
insert into email_unsubscribes (address_hash, reason, at)
values (:address_hash::bytea, :reason::text, :instant::timestamptz)
    on conflict (address_hash) do nothing;

-- name: resume_address!
-- takes: address_hash, of an address whose user asks for emails again
-- locks: that row
-- A stop by a mail server or by staff stays.
delete from email_unsubscribes where address_hash = :address_hash::bytea and reason = 'link';
