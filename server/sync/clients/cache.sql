-- The cache of providers' responses, and the health of the providers.

-- name: fetch_answer^
-- takes: service, asked; endpoint, its key in the list of withdrawn ones; age_s_max, null: any age
-- gives: the cached response, whether it is fresh, and whether the endpoint was withdrawn; no row: neither is known
select k.body, coalesce(k.etag, '') as etag, coalesce(k.fresh_until > now(), false) and (:age_s_max::float8 is null
           or k.fetched_at > now() - make_interval(secs => :age_s_max)) as is_fresh,
       w.asked is not null as is_withdrawn
  from (select 1) one
  left join external_cache k on k.service = :service::sync_service and k.asked = :asked
  left join external_cache w on w.service = :service::sync_service and w.asked = :endpoint and w.kind = 'withdrawn'
                            and w.fresh_until > now()
 where k.asked is not null or w.asked is not null;

-- name: put_answer!
-- takes: service, asked, kind, body (null: the provider has no such thing), etag, ttl_s
-- locks: that row, when there is one
insert into external_cache (service, asked, kind, body, etag, fresh_until)
values (:service::sync_service, :asked, :kind, :body, left(:etag, 300), now() + make_interval(secs => :ttl_s))
    on conflict (service, asked) do update
   set kind = excluded.kind, body = excluded.body, etag = excluded.etag, fetched_at = now(),
       fresh_until = excluded.fresh_until;

-- name: renew_answer!
-- takes: service, asked, ttl_s
-- locks: that row
-- The provider said that nothing has changed.
update external_cache
   set fetched_at = now(), fresh_until = now() + make_interval(secs => :ttl_s)
 where service = :service::sync_service and asked = :asked;

-- name: note_answer!
-- takes: service, status, latency_ms, detail; is_cached: the response came from the cache
-- locks: the service's row of this hour
insert into service_health (service, hour, ok_count, degraded_count, down_count, cached_count, latency_sum_ms,
                            latency_max_ms, last_status, last_detail, last_at)
select :service, date_trunc('hour', now(), 'UTC'), (:status = 'ok' and not c.is_cached)::int, (:status = 'degraded')::int,
       (:status = 'down')::int, c.is_cached::int, case when :status <> 'down' then :latency_ms::float8 else 0 end,
       case when :status <> 'down' then :latency_ms::float8 else 0 end, coalesce(l.last_status, :status::health_status),
       coalesce(l.last_detail, left(:detail, 500)), coalesce(l.last_at, now())
  from (select :is_cached::boolean as is_cached) c
  left join lateral (
       -- The cache says nothing about the service: the last response of an earlier hour is still the last one.
       select last_status, last_detail, last_at from service_health
        where service = :service and c.is_cached order by hour desc limit 1) l on true
    on conflict on constraint service_health_pkey do update
   set ok_count = service_health.ok_count + excluded.ok_count,
       degraded_count = service_health.degraded_count + excluded.degraded_count,
       down_count = service_health.down_count + excluded.down_count,
       cached_count = service_health.cached_count + excluded.cached_count,
       latency_sum_ms = service_health.latency_sum_ms + excluded.latency_sum_ms,
       latency_max_ms = greatest(service_health.latency_max_ms, excluded.latency_max_ms),
       last_status = case when excluded.cached_count = 0 then excluded.last_status else service_health.last_status end,
       last_detail = case when excluded.cached_count = 0 then excluded.last_detail else service_health.last_detail end,
       last_at = case when excluded.cached_count = 0 then now() else service_health.last_at end;
