-- Claims deliveries that are due, and stores their results.
-- Instants are parameters, so that a test can set the clock. They come from the clock of the node.

-- name: claim_due
-- takes: instant; claimed_until, the end of the claim; count
-- gives: the deliveries that this node sends now, with all that it needs, oldest first; slug is null when the show is gone or cancelled,
--        is_replaced: the fan has a newer notice of this kind and show
-- locks: those rows; rows that other transactions have locked are skipped
with due as (
    select id from webpush_deliveries
     where not_before <= :instant::timestamptz
     order by not_before, id
     limit :count::bigint
       for update skip locked
), claimed as (
    update webpush_deliveries q
       set attempts = q.attempts + 1, not_before = :claimed_until::timestamptz
      from due
     where q.id = due.id
    returning q.id, q.notice_id, q.device_id, q.attempts
)
select c.id, c.device_id, c.attempts, n.id as notice_id, n.kind::text as kind, n.song, n.expires_at,
       exists (select from webpush_notices l
                where l.user_id = n.user_id and l.kind = n.kind and l.show_id = n.show_id and l.id > n.id) as is_replaced,
       d.endpoint, d.public_key, d.auth_secret, d.time_zone,
       w.id as show_id, w.slug, w.closes_at, a.name as artist, v.name as venue, coalesce(l.language, '') as language
  from claimed c
  join webpush_notices n on n.id = c.notice_id
  join webpush_devices d on d.id = c.device_id
  left join user_profiles l on l.user_id = d.user_id
  left join shows w on w.id = n.show_id and w.status <> 'cancelled'
  left join artists a on a.id = w.artist_id
  left join venues v on v.id = w.venue_id
 order by c.id;

-- name: finish!
-- takes: ids of deliveries that were sent or given up; claimed_until, of their claim
-- locks: those rows
delete from webpush_deliveries where id = any (:ids::bigint[]) and not_before = :claimed_until::timestamptz;

-- name: postpone!
-- takes: ids of deliveries that get another attempt; instants of these attempts; claimed_until, of their claim
-- locks: those rows
update webpush_deliveries q
   set not_before = p.not_before
  from unnest(:ids::bigint[], :instants::timestamptz[]) as p (id, not_before)
 where q.id = p.id and q.not_before = :claimed_until::timestamptz;

-- name: note_health!
-- takes: delivered, devices that took a notice; failed, devices for which one was given up
-- locks: those of them whose health changed, in order
with changed as (
    select id from webpush_devices
     where id = any (:failed::bigint[]) or id = any (:delivered::bigint[]) and failures > 0
     order by id
       for no key update
)
update webpush_devices d
   set failures = case when d.id = any (:failed) then d.failures + 1 else 0 end
  from changed c
 where d.id = c.id;

-- name: delete_dead$
-- takes: gone, devices whose push service knows them no more; failed, devices for which a notice was given up; failures_max
-- gives: the number of deleted devices: those that are gone, and those for which failures_max notices in a row were given up
-- locks: those rows, in order, then their deliveries
with dead as (
    select id from webpush_devices
     where id = any (:gone::bigint[]) or id = any (:failed::bigint[]) and failures >= :failures_max::int
     order by id
       for update
), deleted as (
    delete from webpush_devices d using dead where d.id = dead.id returning 1
)
select count(*) from deleted;

-- name: oldest_due$
-- takes: instant
-- gives: the age of the oldest delivery that is due [s]; null: none is
select extract(epoch from :instant::timestamptz - not_before)::float8
  from webpush_deliveries
 where not_before <= :instant
 order by not_before
 limit 1;
