-- Jobs: what is to be done when, by one node at a time. A job is service, kind and subject; queued twice it is one job.

-- name: queue_job$
-- takes: service, kind, subject, priority, delay_s
-- gives: the job's id; one that was waiting already is done at the earlier time, with the higher priority
insert into sync_jobs (service, kind, subject, priority, status, run_at)
values (:service::sync_service, :kind, :subject, :priority::priority_level, 'queued', now() + make_interval(secs => :delay_s::float8))
    on conflict (service, kind, subject) where status = 'queued' do update
   set run_at = least(sync_jobs.run_at, excluded.run_at), priority = greatest(sync_jobs.priority, excluded.priority)
returning id;

-- name: take_over_jobs$
-- gives: how many jobs of nodes that are not heard of any more were queued again
-- locks: those jobs
with lost as (
    select id from sync_jobs where status = 'running' and lease_until < now() for update skip locked
)
, again as (
    update sync_jobs j
       set status = case when w.id is null then 'queued' else 'cancelled' end::sync_status, lease_until = null,
           run_at = now(), finished_at = case when w.id is not null then now() end,
           error = case when w.id is not null then 'its node was lost, and it was queued anew' else 'its node was lost' end
      from lost l
      left join lateral (select q.id from sync_jobs q, sync_jobs o
                          where o.id = l.id and q.status = 'queued' and q.service = o.service and q.kind = o.kind
                            and q.subject = o.subject) w on true
     where j.id = l.id
 returning 1
)
select count(*) from again;

-- name: claim_jobs
-- takes: service, kinds, those this node can do, count, lease_s
-- gives: jobs whose time has come, now this node's, most urgent first
-- locks: those jobs; what another node is claiming is passed over
with due as (
    select j.id, j.priority
      from sync_jobs j
     where j.status = 'queued' and j.service = :service::sync_service and j.run_at <= now() and j.kind = any(:kinds::text[])
       and not exists (select from sync_pauses p where p.service = j.service)
       and not exists (select from sync_jobs r
                        where r.status = 'running' and r.lease_until is not null and r.service = j.service
                          and r.kind = j.kind and r.subject = j.subject)
     order by j.priority desc, j.run_at, j.id
     limit :count
       for update skip locked
)
update sync_jobs j
   set status = 'running', started_at = now(), attempts = j.attempts + 1, error = '',
       lease_until = now() + make_interval(secs => :lease_s::float8)
  from due
 where j.id = due.id
returning j.id, j.service::text, j.kind, j.subject, j.attempts, j.cursor::text as cursor;

-- name: renew_leases
-- takes: ids, of jobs this node is doing, lease_s
-- gives: those that are still its own; the others were cancelled, or taken over because it was thought dead
update sync_jobs
   set lease_until = now() + make_interval(secs => :lease_s::float8)
 where id = any(:ids::bigint[]) and status = 'running' and lease_until is not null
returning id;

-- name: save_cursor!
-- takes: id, cursor
update sync_jobs set cursor = :cursor::jsonb where id = :id;

-- name: postpone_job!
-- takes: id, error, delay_s, is_counted: whether this was an attempt
-- The same may have been queued meanwhile; then that one is enough.
with waiting as (
    select q.id from sync_jobs q join sync_jobs j on j.id = :id
     where q.status = 'queued' and q.service = j.service and q.kind = j.kind and q.subject = j.subject
)
update sync_jobs
   set status = case when exists (select from waiting) then 'cancelled' else 'queued' end::sync_status,
       finished_at = case when exists (select from waiting) then now() end,
       error = left(:error, 1000), lease_until = null,
       attempts = attempts - (not :is_counted::boolean)::int, run_at = now() + make_interval(secs => :delay_s::float8)
 where id = :id and status = 'running';

-- name: end_job!
-- takes: id, status, error
update sync_jobs
   set status = :status::sync_status, error = left(:error, 1000), finished_at = now(), lease_until = null
 where id = :id and status = 'running';

-- name: cancel_job$
-- takes: id
-- gives: how many jobs were cancelled: one that waited or was under way
with gone as (
    update sync_jobs set status = 'cancelled', finished_at = now(), lease_until = null
     where id = :id and status in ('queued', 'running')
 returning 1
)
select count(*) from gone;

-- name: retry_job^
-- takes: id
-- gives: what it was about, when it is over and did not succeed
select service::text, kind, subject from sync_jobs where id = :id and status in ('failed', 'cancelled');

-- name: put_schedules!
-- takes: names, everies_s: how often each is due
insert into sync_schedules (name, every_s)
select name, every_s from unnest(:names::text[], :everies_s::int[]) as w (name, every_s) order by name
    on conflict (name) do update set every_s = excluded.every_s where sync_schedules.every_s <> excluded.every_s;

-- name: take_schedules
-- gives: names of the schedules whose time has come; what was missed is made up for once
-- locks: those schedules; what another node is taking is passed over
with due as (
    select name from sync_schedules where not is_paused and next_at <= now() order by name for update skip locked
)
update sync_schedules s
   set last_at = now(), next_at = now() + make_interval(secs => s.every_s)
  from due
 where s.name = due.name
returning s.name;

-- name: fetch_schedules
select name, every_s, is_paused, next_at, last_at from sync_schedules order by name;

-- name: pause_schedule$
-- takes: name, is_paused
with changed as (update sync_schedules set is_paused = :is_paused where name = :name returning 1)
select count(*) from changed;

-- name: run_schedule$
-- takes: name
with changed as (update sync_schedules set next_at = now() where name = :name returning 1)
select count(*) from changed;

-- name: pause_service!
-- takes: service
insert into sync_pauses (service) values (:service::sync_service) on conflict do nothing;

-- name: resume_service!
-- takes: service
delete from sync_pauses where service = :service::sync_service;

-- name: fetch_pauses
select service::text, paused_at from sync_pauses order by service;

-- What each schedule queues. Shows near their date come first: their jobs have a higher priority. What is queued at
-- once is spread over spread_s, so that a morning of catching up is no stampede.

-- name: queue_artists$
-- takes: service, older_than_s, count, spread_s
-- gives: how many jobs were added
-- Artists with a show to come, a follower or neither, in that order, of whom that service was not asked lately.
with wanted as (
    select a.id::text as subject, (n.local_date is not null) as is_near, coalesce(t.follower_count, 0) as followers
      from artists a
      left join artist_stats t on t.artist_id = a.id
      left join lateral (select s.local_date from shows s
                          where s.artist_id = a.id and s.local_date between current_date and current_date + 60
                          limit 1) n on true
     where not exists (select from artist_identities i
                        where i.artist_id = a.id and i.service = :service::sync_service
                          and i.checked_at > now() - make_interval(secs => :older_than_s::float8))
       and not exists (select from sync_jobs j
                        where j.kind = 'artist' and j.subject = a.id::text
                          and j.created_at > now() - make_interval(secs => :older_than_s::float8))
     order by is_near desc, followers desc, a.id
     limit :count
), added as (
    insert into sync_jobs (service, kind, subject, priority, status, run_at)
    select :service::sync_service, 'artist', subject, case when is_near then 'normal' else 'low' end::priority_level, 'queued',
           now() + random() * make_interval(secs => :spread_s::float8)
      from wanted
        on conflict (service, kind, subject) where status = 'queued' do nothing
 returning 1
)
select count(*) from added;

-- name: queue_of_artists$
-- takes: service, kind, identity, the service whose id an artist must have, older_than_s, near_older_than_s, for artists
--        with a show within two weeks, count, spread_s
-- gives: how many jobs were added
with wanted as (
    select i.artist_id::text as subject, n.days
      from (select distinct artist_id from artist_identities where service = :identity::sync_service) i
      left join lateral (select min(s.local_date) - current_date as days from shows s
                          where s.artist_id = i.artist_id and s.local_date between current_date and current_date + 60) n on true
     where not exists (
           select from sync_jobs j
            where j.service = :service::sync_service and j.kind = :kind and j.subject = i.artist_id::text
              and j.created_at > now() - make_interval(
                  secs => case when n.days <= 14 then :near_older_than_s::float8 else :older_than_s::float8 end))
     order by n.days nulls last, i.artist_id
     limit :count
), added as (
    insert into sync_jobs (service, kind, subject, priority, status, run_at)
    select :service::sync_service, :kind, subject,
           case when days <= 2 then 'high' when days <= 14 then 'normal' else 'low' end::priority_level, 'queued',
           now() + random() * make_interval(secs => :spread_s::float8)
      from wanted
        on conflict (service, kind, subject) where status = 'queued' do nothing
 returning 1
)
select count(*) from added;

-- name: queue_played$
-- takes: service, count, spread_s
-- gives: how many jobs were added
-- Shows that are over: every hour in the first day, every six in the first week, every day up to two weeks; set
-- lists are written and put right by people.
with wanted as (
    select s.id::text as subject, now() - s.starts_at as age
      from shows s
      join artist_identities i on i.artist_id = s.artist_id and i.service = 'musicbrainz'
     where s.starts_at between now() - interval '14 days' and now() - interval '2 hours' and s.status <> 'cancelled'
       and not exists (
           select from sync_jobs j
            where j.service = :service::sync_service and j.kind = 'played' and j.subject = s.id::text
              and j.created_at > now() - case when s.starts_at > now() - interval '1 day' then interval '1 hour'
                                              when s.starts_at > now() - interval '7 days' then interval '6 hours'
                                              else interval '1 day' end)
     group by s.id
     order by age, s.id
     limit :count
), added as (
    insert into sync_jobs (service, kind, subject, priority, status, run_at)
    select :service::sync_service, 'played', subject, case when age < interval '1 day' then 'high' else 'normal' end::priority_level,
           'queued', now() + random() * make_interval(secs => :spread_s::float8)
      from wanted
        on conflict (service, kind, subject) where status = 'queued' do nothing
 returning 1
)
select count(*) from added;

-- name: queue_venues$
-- takes: service, older_than_s, count, spread_s
-- gives: how many jobs were added
with wanted as (
    select i.external_id as subject
      from venue_identities i
     where i.service = :service::sync_service and i.checked_at < now() - make_interval(secs => :older_than_s::float8)
       and not exists (select from sync_jobs j
                        where j.service = i.service and j.kind = 'venue' and j.subject = i.external_id
                          and j.created_at > now() - make_interval(secs => :older_than_s::float8))
     order by i.checked_at
     limit :count
), added as (
    insert into sync_jobs (service, kind, subject, priority, status, run_at)
    select :service::sync_service, 'venue', subject, 'low', 'queued', now() + random() * make_interval(secs => :spread_s::float8)
      from wanted
        on conflict (service, kind, subject) where status = 'queued' do nothing
 returning 1
)
select count(*) from added;
