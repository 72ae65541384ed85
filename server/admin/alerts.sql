-- Alerts about the services.

-- name: change_alerts
-- takes: bad_count: an alert starts when the last response is bad, and this hour and the hour before have at least this many
--        bad responses together. A good response ends it. quiet_s: an alert lasts at least this long. A service without a
--        request for this long counts as ok
-- gives: services with a new alert, and services that have just recovered
-- locks: their rows
with latest as (
    select distinct on (service) service, last_status, last_detail, last_at,
           sum(degraded_count + down_count) over (partition by service) as bad
      from service_health
     where hour > now() - interval '2 hours'
     order by service, hour desc
), current as (
    select service, last_detail,
           case when last_status <> 'ok' and last_at > now() - make_interval(secs => :quiet_s::float8)
                     -- An alert goes on at any count: each new hour takes the older of the two hours out of it.
                     and (bad >= :bad_count or a.status is not null)
                then last_status else 'ok' end as status
      from latest
      -- A service whose alert is older than what is read here has had no request meanwhile: the alert ends.
      full join (select service, status from service_alerts where status <> 'ok') a using (service)
), changed as (
    insert into service_alerts as a (service, status, detail)
    select service, status, case when status = 'ok' then '' else last_detail end from current order by service
        on conflict (service) do update
       set status = excluded.status, detail = excluded.detail, since = now()
     where a.status <> excluded.status
       and (excluded.status <> 'ok' or a.since < now() - make_interval(secs => :quiet_s::float8))
 returning service, status, detail, since, xmax = 0 as is_new
)
select service, status::text, detail, since from changed where not is_new or status <> 'ok' order by service;
