-- Makes deliveries of events, claims those that are due, and stores the results.
-- Instants are parameters, so that a test can set the clock. They come from the clock of the node.

-- name: note_due_voting$
-- takes: since, the instant that the call before gave; null: looks at all shows
-- gives: the instant for the next call
-- locks: the log_positions rows of the shards of shows whose voting has opened or closed by the clock; then their open_shows
select note_due_voting(:since::timestamptz);

-- name: fan_out$
-- takes: instant; count, of events
-- gives: the number of new deliveries
-- locks: those events, and the webhooks against deletion; events that other transactions have locked are skipped
with wanting as materialized (
    -- Without a new event nothing is locked: a lock writes.
    select id, events from webhooks where is_enabled and exists (select from webhook_events where not is_queued)
     order by id for key share
), taken as (
    update webhook_events
       set is_queued = true
     where id in (select id from webhook_events where not is_queued order by id limit :count::bigint for update skip locked)
    returning id, type
), made as (
    insert into webhook_deliveries (webhook_id, event_id, queued_at, not_before)
    select w.id, t.id, :instant::timestamptz, :instant
      from taken t
      join wanting w on t.type = any (w.events)
     order by t.id, w.id
    returning 1
)
select count(*) from made;

-- name: claim_due
-- takes: instant; claimed_until, the end of the claim; count, of this claim; each_max, of one webhook on all nodes
-- gives: the deliveries that this node sends now, with all that it needs
-- locks: those rows; rows that other transactions have locked are skipped
with due as (
    select d.id
      from webhooks w
     cross join lateral (
           select q.id, q.not_before from webhook_deliveries q
            where q.webhook_id = w.id and q.state in ('queued', 'sending') and q.not_before <= :instant::timestamptz
            order by q.not_before, q.id
            limit greatest(0, :each_max::bigint - (select count(*) from webhook_deliveries s
                                                    where s.webhook_id = w.id and s.state = 'sending' and s.not_before > :instant))
              for update skip locked) d
     where w.is_enabled
     order by d.not_before, d.id
     limit :count::bigint
)
update webhook_deliveries d
   set state = 'sending', attempts = d.attempts + 1, not_before = :claimed_until::timestamptz
  from due, webhook_events e, webhooks w
 where d.id = due.id and e.id = d.event_id and w.id = d.webhook_id
returning d.id, d.webhook_id, d.attempts, e.id as sequence, e.message_id::text as message_id, e.type::text as type, e.at,
          e.data::text as data, w.url, w.secret, case when w.previous_until > :instant then w.previous_secret end as previous_secret;

-- name: note_health!
-- takes: webhook_id; is_delivered; instant
-- locks: the webhook, if its health changed
update webhooks
   set failing_since = case when :is_delivered::boolean then null else :instant::timestamptz end
 where id = :webhook_id::bigint and (failing_since is null) <> :is_delivered;

-- name: settle$
-- takes: id; claimed_until, of this node's claim; new_state: delivered, dead, or queued for another attempt at not_before; status,
--        took_ms, error of this attempt; instant
-- gives: the new state; no row: it was deleted, or the claim ended and another node has it
-- locks: that row
-- A disabled webhook gets no more attempts.
update webhook_deliveries d
   set state = case when :new_state::text = 'queued' and not w.is_enabled then 'dead' else :new_state::text::webhook_delivery_state end,
       not_before = :not_before::timestamptz, tried_at = :instant::timestamptz, status = :status::int, took_ms = :took_ms::int,
       error = :error::text
  from webhooks w
 where d.id = :id::bigint and w.id = d.webhook_id and d.state = 'sending' and d.not_before = :claimed_until::timestamptz
returning d.state::text;

-- name: disable!
-- takes: webhook_id; why, empty: a person did it
-- locks: the webhook, then its deliveries that wait, which become dead letters
with disabled as (
    update webhooks set is_enabled = false, why_disabled = :why::text where id = :webhook_id::bigint and is_enabled returning id
)
update webhook_deliveries d
   set state = 'dead', error = case when d.error = '' then 'The webhook was disabled.' else d.error end
  from disabled w
 where d.webhook_id = w.id and d.state = 'queued';

-- name: list_hopeless
-- takes: instant; days; waiting_max
-- gives: webhooks to disable: all attempts failed for so many days, or more deliveries wait than may
select w.id, w.failing_since < :instant::timestamptz - make_interval(days => :days::int) as is_failing
  from webhooks w
 where w.is_enabled
   and (w.failing_since < :instant - make_interval(days => :days)
        or exists (select from webhook_deliveries d where d.webhook_id = w.id and d.state in ('queued', 'sending')
                   offset :waiting_max::bigint))
 order by w.id;

-- name: bury_abandoned!
-- takes: instant
-- locks: deliveries of disabled webhooks whose node vanished while it sent them
update webhook_deliveries d
   set state = 'dead', error = 'The webhook was disabled.'
  from webhooks w
 where w.id = d.webhook_id and not w.is_enabled and d.state in ('queued', 'sending') and d.not_before <= :instant::timestamptz;

-- name: oldest_waiting$
-- takes: instant
-- gives: the age of the oldest delivery that waits [s]; null: none waits
select extract(epoch from :instant::timestamptz - queued_at)::float8
  from webhook_deliveries
 where state in ('queued', 'sending')
 order by queued_at
 limit 1;
