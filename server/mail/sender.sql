-- Claims rows of the email queue, and stores the results.
-- Instants are parameters, so that a test can set the clock. They come from the clock of the node.

-- name: lock_claims
-- locks: an advisory lock until the transaction ends, so that one node at a time counts the emails of the last minute
select pg_advisory_xact_lock(hashtext('mysetlist.mail_claims'));

-- name: claim_due
-- takes: instant; claimed_until, the end of the claim; emails_max, of this claim; minute_max, emails a minute of all nodes;
--        strangers_max, how many of them ask for a confirmation; digest_max, rows of one digest
-- gives: the rows that this node sends now, most urgent first; rows of a digest that were tried together before have the
--        same was_due
-- locks: those rows of email_queue; rows that other transactions have locked are skipped
with room as (
    select least(:emails_max::bigint, :minute_max::bigint
                 - (select count(distinct (user_id, at)) from email_log
                     where at > :instant::timestamptz - interval '1 minute' and status <> 'suppressed')
                 - (select count(distinct (user_id, not_before)) from email_queue
                     where status = 'sending' and not_before > :instant)) as emails
), strangers as (
    -- The receivers may never have heard of us. These emails have a share of their own, so that they delay no other mail.
    select id, user_id, not_before, priority
      from email_queue
     where status in ('queued', 'sending') and kind = 'confirm_address' and not_before <= :instant
     order by not_before, id
     limit greatest(0, least((select emails from room), :strangers_max::bigint
               - (select count(*) from email_log
                   where at > :instant - interval '1 minute' and kind = 'confirm_address' and status <> 'suppressed')
               - (select count(*) from email_queue
                   where status = 'sending' and kind = 'confirm_address' and not_before > :instant)))
       for update skip locked
), others as (
    select id, user_id, not_before, priority
      from email_queue
     where status in ('queued', 'sending') and kind <> 'confirm_address' and not_before <= :instant
     order by priority desc, not_before, id
     limit greatest(0, (select emails from room))
       for update skip locked
), due as (
    select id, user_id, not_before
      from (select * from strangers union all select * from others) both_kinds
     order by priority desc, not_before, id
     limit greatest(0, (select emails from room))
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
       set status = 'sending', attempts = q.attempts + 1, not_before = :claimed_until::timestamptz
      from (select id, not_before from due union select id, not_before from gathered) c
     where q.id = c.id
 returning q.id, q.user_id, q.attempts, q.priority, c.not_before as was_due
)
select id, user_id, attempts, was_due from claimed order by priority desc, was_due, id;

-- name: fetch_items
-- takes: ids of email_queue
-- gives: a row for each id, in the order of ids: the address, the preferences and the data of the show;
--        earlier_count, confirmations to the same address in the hour before; is_concerned, the user still goes to the show
--        or has votes in it; brand, brand_host, ground, ink and accent: the brand where the address was saved and its colours, light ones first; null: none
select q.id, q.user_id, q.kind, q.about, q.created_at,
       coalesce(l.language, '') as language, p.address, p.frequency, p.confirmed_at is not null as is_confirmed, q.kind = any(p.kinds) as is_wanted,
       n.reason as stopped_by, b.name as brand, b.host as brand_host,
       coalesce(b.colours -> 'light', b.colours -> 'dark') ->> 'ground' as ground,
       coalesce(b.colours -> 'light', b.colours -> 'dark') ->> 'text' as ink,
       coalesce(b.colours -> 'light', b.colours -> 'dark') ->> 'accent' as accent,
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
  left join user_profiles l on l.user_id = q.user_id
  left join brands b on b.host = p.host
  left join email_unsubscribes n on n.address_hash = sha256(convert_to(lower(p.address), 'UTF8'))
  left join shows w on w.id = case when q.about like 'show:%' then split_part(q.about, ':', 2)::bigint end
  left join artists a on a.id = w.artist_id
  left join venues v on v.id = w.venue_id
 where q.id = any(:ids::bigint[])
 order by q.id;

-- name: settle$
-- takes: ids; claimed_until, of their claim; status sent, failed, suppressed, or queued for another attempt; not_before,
--        detail, instant
-- gives: the number of settled rows; fewer than ids: another node took some over, or they were erased
-- locks: those rows of email_queue
with settled as (
    update email_queue
       set status = :status::text::email_status, not_before = :not_before::timestamptz
     where id = any(:ids::bigint[]) and status = 'sending' and not_before = :claimed_until::timestamptz
 returning id, user_id, kind
), logged as (
    insert into email_log (queue_id, user_id, kind, status, detail, at)
    select id, user_id, kind, :status::text::email_status, :detail::text, :instant::timestamptz from settled order by id
)
select count(*) from settled;

-- name: release!
-- takes: ids of claimed rows that no attempt was made to send; claimed_until, of their claim; not_before, the next claim
-- locks: those rows
update email_queue
   set status = 'queued', attempts = attempts - 1, not_before = :not_before::timestamptz
 where id = any(:ids::bigint[]) and status = 'sending' and not_before = :claimed_until::timestamptz;
