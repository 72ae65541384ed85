-- The state of providers, and the decisions of administrators on matches.

-- name: fetch_hours
-- takes: service; hours, their number
-- gives: the latest hours with requests to the service, the newest first
select hour, ok_count, degraded_count, down_count, cached_count,
       latency_sum_ms / nullif(ok_count + degraded_count, 0) as latency_mean_ms, latency_max_ms,
       last_status::text, last_detail, last_at
  from service_health
 where service = :service and hour > now() - make_interval(hours => :hours)
 order by hour desc;

-- name: fetch_alert^
-- takes: service
-- gives: 0..1 row: the present alert
select status::text, detail, since from service_alerts where service = :service and status <> 'ok';

-- name: fetch_cache^
-- takes: service
-- gives: the numbers of cached responses and the withdrawn endpoints of a service, whose rows are named 'withdrawn ' || endpoint
select count(*) filter (where kind <> 'withdrawn') as answer_count,
       count(*) filter (where kind <> 'withdrawn' and fresh_until > now()) as fresh_count,
       coalesce(sum(octet_length(body)), 0)::bigint as bytes,
       coalesce(array_agg(substr(asked, 11) order by asked) filter (where kind = 'withdrawn' and fresh_until > now()), '{}') as withdrawn
  from external_cache
 where service = :service::sync_service;

-- name: log_action!
-- takes: actor_id, action, subject
insert into audit_log (actor_id, action, subject) values (:actor_id::bigint, :action::text, :subject::text);

-- name: put_decided_artist!
-- takes: service, external_id, url, our_id
-- locks: that row, when there is one
insert into artist_identities (service, external_id, artist_id, url, confidence, evidence)
values (:service::sync_service, :external_id, :our_id, :url, 1, 'decided by a person')
    on conflict (service, external_id) do update
   set artist_id = excluded.artist_id, url = excluded.url, confidence = 1, evidence = excluded.evidence, checked_at = now();

-- name: put_decided_venue!
-- takes: service, external_id, url, our_id
-- locks: that row, when there is one
insert into venue_identities (service, external_id, venue_id, url, confidence, evidence)
values (:service::sync_service, :external_id, :our_id, :url, 1, 'decided by a person')
    on conflict (service, external_id) do update
   set venue_id = excluded.venue_id, url = excluded.url, confidence = 1, evidence = excluded.evidence, checked_at = now();
