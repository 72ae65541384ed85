-- The queue of exports, and the exports that were made in the last day.

-- name: fetch_export^
-- takes: user_id; kept_s, how long an export is kept
-- gives: 0..1 row: the export that the user asked for, without its document while it waits; is_given_up: no node could make it
select asked_at, document, document is null and tries >= :tries_max::int and claimed_until < now() as is_given_up
  from exports
 where user_id = :user_id::bigint and asked_at > now() - make_interval(secs => :kept_s::float8);

-- name: ask_for_export$
-- takes and gives: see the function of that name in migrations
-- locks: that row, when there is one
select ask_for_export(make_interval(secs => :kept_s::float8), :waiting_max::int);

-- name: claim_export$
-- takes: claim_s, until another node may make it; tries_max
-- gives: 0..1 value: the user whose export has waited longest
-- locks: that row; rows that other transactions have locked are skipped
update exports
   set claimed_until = now() + make_interval(secs => :claim_s::float8), tries = tries + 1
 where user_id = (select user_id from exports
                   where document is null and tries < :tries_max::int and (claimed_until is null or claimed_until < now())
                   order by asked_at limit 1
                     for update skip locked)
returning user_id;

-- name: store_export!
-- takes: user_id, document
-- locks: that row
update exports set document = :document::text where user_id = :user_id::bigint and document is null;

-- name: delete_old_exports!
-- takes: kept_s
-- locks: those rows
delete from exports where asked_at <= now() - make_interval(secs => :kept_s::float8);
