-- The queries with which administrators read and change webhooks.

-- name: list_webhooks
-- takes: id (null: any); after_id (null: first page); count; instant
-- gives: 0..count webhooks without their secrets, newest first, each with its last attempt
select w.id, w.revision, w.url, w.description, w.events::text[] as events, w.is_enabled, w.why_disabled, w.created_at, w.failing_since,
       case when w.previous_until > :instant::timestamptz then w.previous_until end as previous_until,
       (select count(*) from webhook_deliveries d where d.webhook_id = w.id and d.state in ('queued', 'sending')) as waiting,
       (select count(*) from webhook_deliveries d where d.webhook_id = w.id and d.state = 'dead') as dead,
       l.tried_at, l.status, l.took_ms, l.error
  from webhooks w
  left join lateral (
       select d.tried_at, d.status, d.took_ms, d.error from webhook_deliveries d
        where d.webhook_id = w.id and d.tried_at is not null
        order by d.tried_at desc
        limit 1) l on true
 where (:id::bigint is null or w.id = :id) and (:after_id::bigint is null or w.id < :after_id)
 order by w.id desc
 limit :count::bigint;

-- name: is_room$
-- takes: count_max
-- gives: 1 row: whether fewer webhooks than count_max exist
select count(*) < :count_max::bigint from webhooks;

-- name: lock_webhook^
-- takes: id
-- gives: 0..1 row
-- locks: the webhook
select id, revision, url, description, events::text[] as events, is_enabled, why_disabled from webhooks where id = :id::bigint for update;

-- name: insert_webhook$
-- takes: url, description, events, is_enabled, secret
-- gives: the id
insert into webhooks (url, description, events, is_enabled, secret)
values (:url::text, :description::text, :events::text[]::webhook_event[], :is_enabled::boolean, :secret::bytea)
returning id;

-- name: update_webhook!
-- takes: id, url, description, events, is_enabled
-- locks: that row
-- A new address, or a change of is_enabled, resets failing_since; a change of is_enabled also resets why_disabled.
update webhooks
   set failing_since = case when url = :url::text and is_enabled = :is_enabled::boolean then failing_since end,
       why_disabled = case when is_enabled = :is_enabled then why_disabled else '' end,
       url = :url, description = :description::text, events = :events::text[]::webhook_event[], is_enabled = :is_enabled
 where id = :id::bigint;

-- name: rotate_secret!
-- takes: id, secret, previous_until: until then the previous secret signs messages too
-- locks: that row
update webhooks
   set previous_secret = secret, previous_until = :previous_until::timestamptz, secret = :secret::bytea
 where id = :id::bigint;

-- name: delete_webhook!
-- takes: id
-- locks: the webhook, then its deliveries, which are deleted with it
delete from webhooks where id = :id::bigint;

-- name: fetch_target^
-- takes: id; instant
-- gives: 0..1 row: the address, the secret, and the previous secret while it still signs
select url, secret, case when previous_until > :instant::timestamptz then previous_secret end as previous_secret
  from webhooks where id = :id::bigint;

-- name: list_deliveries
-- takes: webhook_id; in_state (null: any); after_id (null: first page); count
-- gives: 0..count rows, newest first
select d.id, e.type::text as event, e.message_id::text as message_id, e.show_id, e.at, d.state::text as state, d.attempts,
       case when d.state = 'queued' then d.not_before end as next_at, d.tried_at, d.status, d.took_ms, d.error
  from webhook_deliveries d
  join webhook_events e on e.id = d.event_id
 where d.webhook_id = :webhook_id::bigint
   and (:in_state::text is null or d.state = :in_state::webhook_delivery_state)
   and (:after_id::bigint is null or d.id < :after_id)
 order by d.id desc
 limit :count::bigint;

-- name: send_again$
-- takes: webhook_id; id of a delivery (null: all dead letters); instant; count
-- gives: how many dead letters are queued again
-- locks: those rows
with again as (
    update webhook_deliveries d
       set state = 'queued', attempts = 0, queued_at = :instant::timestamptz, not_before = :instant
     where d.id in (select q.id from webhook_deliveries q
                     where q.webhook_id = :webhook_id::bigint and q.state = 'dead' and (:id::bigint is null or q.id = :id)
                     order by q.id
                     limit :count::bigint
                       for update)
    returning 1
)
select count(*) from again;
