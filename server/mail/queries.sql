-- Mail: who wants which letters, what is to be said, and what became of it.
-- Instants are handed in, so that a test can turn the clock; they come from the node's.

-- ─────────────────────────────────────────────── requests: a user's own row only

-- name: fetch_preferences^
-- takes: user_id
-- gives: 0..1 row
select address, frequency, kinds, confirmed_at is not null as is_confirmed
  from email_preferences where user_id = :user_id::bigint;

-- name: save_preferences^
-- takes: user_id, address, frequency, kinds
-- gives: the row as it is by now; another address is not confirmed
-- locks: that row, so that requests of one user count their confirmations one after the other
insert into email_preferences as p (user_id, address, frequency, kinds)
values (:user_id::bigint, :address::text, :frequency::text::email_frequency, :kinds::text[]::email_kind[])
    on conflict (user_id) do update
   set address = excluded.address, frequency = excluded.frequency, kinds = excluded.kinds,
       confirmed_at = case when p.address = excluded.address then p.confirmed_at end
returning address, frequency, kinds, confirmed_at is not null as is_confirmed;

-- name: delete_preferences!
-- takes: user_id
delete from email_preferences where user_id = :user_id::bigint;

-- name: fetch_confirmations
-- takes: user_id, since timestamptz, count
-- gives: when the user's latest confirmations were asked for, latest first, 0..count rows
select created_at
  from email_queue
 where user_id = :user_id::bigint and kind = 'confirm_address' and created_at > :since::timestamptz
 order by created_at desc
 limit :count::bigint;

-- name: queue_confirmation!
-- takes: user_id, about, instant
insert into email_queue (user_id, kind, about, priority, not_before, created_at)
values (:user_id::bigint, 'confirm_address', :about::text, 'high', :instant::timestamptz, :instant)
    on conflict (user_id, kind, about) do nothing;

-- name: confirm_address$
-- takes: user_id, address_hash of the address as it is spelled, instant
-- gives: the user; none: there is no such address any more
update email_preferences
   set confirmed_at = coalesce(confirmed_at, :instant::timestamptz)
 where user_id = :user_id::bigint and sha256(convert_to(address, 'UTF8')) = :address_hash::bytea
returning user_id;

-- ─────────────────────────────────────── the owner: addresses that want no letters

-- name: fetch_stop$
-- takes: address_hash
-- gives: why nothing is sent there; none: it is
select reason from email_unsubscribes where address_hash = :address_hash::bytea;

-- name: stop_address!
-- takes: address_hash, reason, instant
insert into email_unsubscribes (address_hash, reason, at)
values (:address_hash::bytea, :reason::text, :instant::timestamptz)
    on conflict (address_hash) do nothing;

-- name: resume_address!
-- takes: address_hash of an address whose holder wants letters again
-- What a mail server or staff has stopped stays so.
delete from email_unsubscribes where address_hash = :address_hash::bytea and reason = 'link';

-- ─────────────────────────────────────────── the owner: what is to be said, by sets

-- name: try_queueing$
-- gives: whether this node may look now, until its transaction ends
select pg_try_advisory_xact_lock(hashtext('mysetlist.mail_queueing'));

-- name: queue_announcements$
-- takes: instant, count
-- gives: how many were queued, 0..count; fewer than count: all
-- A show of the last 24 hours, and only for who followed before it was there: a first start mails nobody about the past.
with queued as (
    insert into email_queue (user_id, kind, about, not_before, created_at)
    select distinct f.user_id, 'show_announced'::email_kind, 'show:' || w.id,
           mail_due_at(p.frequency, :instant::timestamptz), :instant
      from shows w
      join show_artists b on b.show_id = w.id
      join user_follows_artists f on f.artist_id = b.artist_id and f.created_at < w.created_at
      join email_preferences p on p.user_id = f.user_id
     where w.created_at > :instant - interval '24 hours' and w.starts_at > :instant and w.status = 'upcoming'
       and p.confirmed_at is not null and p.frequency <> 'never' and 'show_announced' = any(p.kinds)
       and not exists (select from email_queue q
                        where q.user_id = f.user_id and q.kind = 'show_announced' and q.about = 'show:' || w.id)
     limit :count::bigint
        on conflict (user_id, kind, about) do nothing
    returning 1
)
select count(*) from queued;

-- name: queue_reminders$
-- takes: instant, count
-- gives: how many were queued, 0..count; fewer than count: all
-- A show that starts within 24 hours; within the week for who gets one letter a week. Never a letter that would come
-- when it has begun.
with queued as (
    insert into email_queue (user_id, kind, about, not_before, created_at)
    select g.user_id, 'show_reminder'::email_kind, 'show:' || w.id,
           mail_due_at(p.frequency, :instant::timestamptz), :instant
      from shows w
      join lateral (select a.user_id from user_show_attendance a where a.show_id = w.id
                     union
                    select v.user_id from setlist_songs s join votes v on v.setlist_song_id = s.id
                     where s.show_id = w.id) g on true
      join email_preferences p on p.user_id = g.user_id
     where w.status = 'upcoming' and w.starts_at > :instant and w.starts_at <= :instant + interval '7 days'
       and (p.frequency = 'weekly' or w.starts_at <= :instant + interval '24 hours')
       and mail_due_at(p.frequency, :instant) < w.starts_at
       and p.confirmed_at is not null and p.frequency <> 'never' and 'show_reminder' = any(p.kinds)
       and not exists (select from email_queue q
                        where q.user_id = g.user_id and q.kind = 'show_reminder' and q.about = 'show:' || w.id)
     limit :count::bigint
        on conflict (user_id, kind, about) do nothing
    returning 1
)
select count(*) from queued;

-- name: queue_results$
-- takes: instant, count
-- gives: how many were queued, 0..count; fewer than count: all
-- A show whose voting became final within the last 24 hours, and that somebody voted in.
with queued as (
    insert into email_queue (user_id, kind, about, not_before, created_at)
    select g.user_id, 'show_result'::email_kind, 'show:' || w.id,
           mail_due_at(p.frequency, :instant::timestamptz), :instant
      from shows w
      join lateral (select a.user_id from user_show_attendance a where a.show_id = w.id
                     union
                    select v.user_id from setlist_songs s join votes v on v.setlist_song_id = s.id
                     where s.show_id = w.id) g on true
      join email_preferences p on p.user_id = g.user_id
     where w.finalised_at > :instant - interval '24 hours' and w.status <> 'cancelled' and w.vote_count > 0
       and p.confirmed_at is not null and p.frequency <> 'never' and 'show_result' = any(p.kinds)
       and not exists (select from email_queue q
                        where q.user_id = g.user_id and q.kind = 'show_result' and q.about = 'show:' || w.id)
     limit :count::bigint
        on conflict (user_id, kind, about) do nothing
    returning 1
)
select count(*) from queued;

-- ───────────────────────────────────────────────────────────── the owner: sending

-- name: lock_claims
-- locks: nothing but itself, until the transaction ends: what all nodes send in a minute is counted by one at a time
select pg_advisory_xact_lock(hashtext('mysetlist.mail_claims'));

-- name: claim_due
-- takes: instant, held_until, letters_max, minute_max, digest_max
-- gives: what this node sends now, the most urgent first; was_due tells apart what belongs to which digest: what went out together
--        before has it in common
-- locks: those rows of email_queue; what somebody else holds is left to them
with room as (
    select least(:letters_max::bigint, :minute_max::bigint
                 - (select count(distinct (user_id, at)) from email_log
                     where at > :instant::timestamptz - interval '1 minute' and status <> 'suppressed')
                 - (select count(distinct (user_id, not_before)) from email_queue
                     where status = 'sending' and not_before > :instant)) as letters
), due as (
    select id, user_id, not_before
      from email_queue
     where status in ('queued', 'sending') and not_before <= :instant
     order by priority desc, not_before, id
     limit greatest(0, (select letters from room))
       for update skip locked
), gathered as (
    select more.id, more.not_before
      from (select distinct user_id from due) d
      join email_preferences p on p.user_id = d.user_id and p.frequency in ('daily', 'weekly')
      cross join lateral (
           select q.id, q.not_before
             from email_queue q
            where q.user_id = d.user_id and q.kind <> 'confirm_address'
              and q.status in ('queued', 'sending') and q.not_before <= :instant
            order by q.not_before, q.id
            limit :digest_max::bigint
              for update skip locked) more
), claimed as (
    update email_queue q
       set status = 'sending', attempts = q.attempts + 1, not_before = :held_until::timestamptz
      from (select id, not_before from due union select id, not_before from gathered) c
     where q.id = c.id
 returning q.id, q.user_id, q.attempts, q.priority, c.not_before as was_due
)
select id, user_id, attempts, was_due from claimed order by priority desc, was_due, id;

-- name: fetch_items
-- takes: ids of email_queue
-- gives: a row each, by id: to whom, whether they still want it, and what there is to say;
--        earlier_count, letters of the hour before to the same address; is_concerned, they still follow, attend or voted
select q.id, q.user_id, q.kind, q.about, q.created_at,
       p.address, p.frequency, p.confirmed_at is not null as is_confirmed, q.kind = any(p.kinds) as is_wanted,
       n.reason as stopped_by,
       case when q.kind = 'confirm_address' then (
           select count(*) from email_queue e
            where e.kind = 'confirm_address' and split_part(e.about, ':', 2) = split_part(q.about, ':', 2)
              and e.id < q.id and e.created_at > q.created_at - interval '1 hour' and e.status in ('sending', 'sent')
       ) else 0 end as earlier_count,
       w.id as show_id, w.slug, w.name as show, w.status, w.local_date, w.starts_at, w.time_zone,
       a.name as artist, v.name as venue, v.city,
       case when q.kind = 'show_announced' then array(
           select f.name from show_artists b join artists f on f.id = b.artist_id
             join user_follows_artists u on u.artist_id = b.artist_id and u.user_id = q.user_id
            where b.show_id = w.id order by b.position
       ) else '{}' end as followed,
       case when q.kind = 'show_result' and results_audience(w.results, w.finalised_at) = 0 then array(
           select g.title from setlist_songs s join songs g on g.id = s.song_id
            where s.show_id = w.id and s.up_count + s.down_count > 0
            order by s.up_count - s.down_count desc, s.up_count desc, s.position, s.id limit 5
       ) else '{}' end as songs,
       case when q.kind in ('show_reminder', 'show_result') then
           exists (select from user_show_attendance t where t.user_id = q.user_id and t.show_id = w.id)
           or exists (select from votes t where t.user_id = q.user_id and t.show_id = w.id)
       else true end as is_concerned
  from email_queue q
  left join email_preferences p on p.user_id = q.user_id
  left join email_unsubscribes n on n.address_hash = sha256(convert_to(lower(p.address), 'UTF8'))
  left join shows w on w.id = case when q.about like 'show:%' then split_part(q.about, ':', 2)::bigint end
  left join artists a on a.id = w.artist_id
  left join venues v on v.id = w.venue_id
 where q.id = any(:ids::bigint[])
 order by q.id;

-- name: settle$
-- takes: ids claimed until held_until; status sent, failed, suppressed, or queued to try again; not_before, detail, instant
-- gives: how many were settled; fewer: somebody has taken them over
-- locks: those rows of email_queue
with settled as (
    update email_queue
       set status = :status::text::email_status, not_before = :not_before::timestamptz
     where id = any(:ids::bigint[]) and status = 'sending' and not_before = :held_until::timestamptz
 returning id, user_id, kind
), logged as (
    insert into email_log (queue_id, user_id, kind, status, detail, at)
    select id, user_id, kind, :status::text::email_status, :detail::text, :instant::timestamptz from settled order by id
)
select count(*) from settled;

-- name: give_back!
-- takes: ids claimed until held_until that nobody tried to send; not_before
update email_queue
   set status = 'queued', attempts = attempts - 1, not_before = :not_before::timestamptz
 where id = any(:ids::bigint[]) and status = 'sending' and not_before = :held_until::timestamptz;

-- name: count_waiting$
-- takes: instant
-- gives: how many rows are due
select count(*) from email_queue where status in ('queued', 'sending') and not_before <= :instant::timestamptz;
