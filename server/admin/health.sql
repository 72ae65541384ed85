-- The health of the services by the hour.

-- name: add_health!
-- takes: rows jsonb, results of one node since it last wrote: [{service, hour, ok_count, degraded_count, down_count,
--        latency_sum_ms, latency_max_ms, last_status, last_detail, last_at}]
-- locks: those rows of service_health, in the order of their keys
insert into service_health (service, hour, ok_count, degraded_count, down_count, latency_sum_ms, latency_max_ms,
                            last_status, last_detail, last_at)
select r.service, r.hour, r.ok_count, r.degraded_count, r.down_count, r.latency_sum_ms, r.latency_max_ms,
       r.last_status::health_status, r.last_detail, r.last_at
  from jsonb_to_recordset(:rows::jsonb) as r (service text, hour timestamptz, ok_count int, degraded_count int,
       down_count int, latency_sum_ms float8, latency_max_ms float8, last_status text, last_detail text,
       last_at timestamptz)
 order by r.service, r.hour
    on conflict on constraint service_health_pkey do update
   set ok_count = service_health.ok_count + excluded.ok_count,
       degraded_count = service_health.degraded_count + excluded.degraded_count,
       down_count = service_health.down_count + excluded.down_count,
       latency_sum_ms = service_health.latency_sum_ms + excluded.latency_sum_ms,
       latency_max_ms = greatest(service_health.latency_max_ms, excluded.latency_max_ms),
       last_status = case when excluded.last_at >= service_health.last_at then excluded.last_status
                          else service_health.last_status end,
       last_detail = case when excluded.last_at >= service_health.last_at then excluded.last_detail
                          else service_health.last_detail end,
       last_at = greatest(service_health.last_at, excluded.last_at);

-- name: fetch_health
-- takes: stale_s, the age from which the last sample no longer gives the current status
-- gives: one row for each service: its status (null: unknown), and the last 24 hours
select h.service, case when n.last_at > now() - make_interval(secs => :stale_s::float8) then n.last_status::text end as status,
       n.last_detail as detail, n.last_at as seen_at, h.sample_count,
       h.up_count::float8 / nullif(h.sample_count, 0) as availability_24h,
       h.latency_sum_ms / nullif(h.up_count, 0) as latency_mean_ms, h.latency_max_ms
  from (select service, sum(ok_count + degraded_count) as up_count,
               sum(ok_count + degraded_count + down_count) as sample_count,
               sum(latency_sum_ms) as latency_sum_ms, max(latency_max_ms) as latency_max_ms, max(hour) as last_hour
          from service_health
         where hour > now() - interval '24 hours'
         group by service) h
  join service_health n on n.service = h.service and n.hour = h.last_hour
 order by h.service;
