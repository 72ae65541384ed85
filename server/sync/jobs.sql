-- All SQL of jobs: units of work that ask providers. Its service, kind and subject identify a queued job, so a job that is
-- queued twice runs once. A scheduler runs a queued job under a lease; a command runs a job at once, without a lease.

-- ──────────────────────────────────────────────────────────── jobs of a scheduler

-- name: queue_job$
-- takes: service, kind, subject, priority, delay_s
-- gives: the job's id; a job that already waits keeps the earlier time and the higher priority
-- locks: the job that already waits
insert into sync_jobs (service, kind, subject, priority, status, run_at)
values (:service::sync_service, :kind, :subject, :priority::priority_level, 'queued', now() + make_interval(secs => :delay_s::float8))
    on conflict (service, kind, subject) where status = 'queued' do update
   set run_at = least(sync_jobs.run_at, excluded.run_at), priority = greatest(sync_jobs.priority, excluded.priority)
returning id;

-- name: claim_jobs
-- takes: service; kinds that this node can do; count; lease_s
-- gives: due jobs, which now belong to this node, the most urgent first
-- locks: those jobs; jobs that another node is claiming are skipped
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
-- takes: ids of the jobs that this node runs; lease_s
-- gives: ids of the jobs that still belong to this node; the others were cancelled, or taken over after their lease
-- locks: those rows, in the order of their ids
update sync_jobs
   set lease_until = now() + make_interval(secs => :lease_s::float8)
 where id = any(array(select id from sync_jobs
                       where id = any(:ids::bigint[]) and status = 'running' and lease_until is not null
                       order by id for no key update))
returning id;

-- name: take_over_jobs$
-- gives: how many jobs with an expired lease were queued again
-- locks: those jobs
with lost as (
    select id from sync_jobs where status = 'running' and lease_until < now() for update skip locked
), again as (
    update sync_jobs j
       set status = case when w.id is null then 'queued' else 'cancelled' end::sync_status, lease_until = null,
           run_at = now(), finished_at = case when w.id is not null then now() end,
           error = case when w.id is not null then 'The node that ran this job stopped. A newer job does the same work.'
                       else 'The node that ran this job stopped. Another node continues it.' end
      from lost l
      left join lateral (select q.id from sync_jobs q, sync_jobs o
                          where o.id = l.id and q.status = 'queued' and q.service = o.service and q.kind = o.kind
                            and q.subject = o.subject) w on true
     where j.id = l.id
 returning 1
)
select count(*) from again;

-- name: save_cursor!
-- takes: id; cursor jsonb, the point from which another attempt continues
-- locks: that row
update sync_jobs set cursor = :cursor::jsonb where id = :id;

-- name: postpone_job!
-- takes: id, error, delay_s; is_counted, whether the run counts as an attempt
-- locks: that row
-- When the same job was queued in the meantime, this one is cancelled.
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
-- locks: that row
-- For a job that a scheduler runs: a job that was cancelled in the meantime stays cancelled.
update sync_jobs
   set status = :status::sync_status, error = left(:error, 1000), finished_at = now(), lease_until = null
 where id = :id and status = 'running';

-- ───────────────────────────────────────────────────────── jobs that run at once

-- name: insert_job$
-- takes: service, kind, subject; maker, whom the audit log names
-- gives: the id of a new job that runs at once, without a lease
with made as (
    insert into sync_jobs (service, kind, subject, status, started_at)
    values (:service::sync_service, :kind, :subject, 'running', now())
    returning id
), logged as (
    insert into audit_log (action, subject, detail)
    select 'sync.command', 'run:' || id,
           jsonb_build_object('service', :service::text, 'kind', :kind::text, 'subject', :subject::text, 'by', :maker::text)
      from made
)
select id from made;

-- name: finish_job!
-- takes: id, status, error
-- locks: that row
-- For a job without a lease: its own process reports the end, even when the job was cancelled in the meantime.
update sync_jobs
   set status = :status::sync_status, error = left(:error, 1000), finished_at = now()
 where id = :id;

-- ─────────────────────────────────────────────────────────── progress and results

-- name: put_progress!
-- takes: job_id, stage, done, total
-- locks: that row, when there is one
insert into sync_progress (job_id, stage, done, total)
values (:job_id, :stage::import_stage, :done, :total)
    on conflict (job_id, stage) do update set done = excluded.done, total = excluded.total, updated_at = now();

-- name: insert_outcomes!
-- takes: job_id, stage, rows jsonb, [{line, outcome, message}]
insert into import_log (job_id, stage, line, outcome, message)
select :job_id, :stage::import_stage, r.line, r.outcome, left(r.message, 500)
  from jsonb_to_recordset(:rows::jsonb) as r (line integer, outcome text, message text)
 order by r.line;

-- ──────────────────────────────────────────────────────────────────────── lists

-- name: list_jobs
-- takes: before_id, count
-- gives: jobs, the newest first, with the progress of each stage, the number of refused records and the first refusal
select j.id, j.service::text, j.kind, j.subject, j.priority::text, j.status::text, j.attempts, j.created_at, j.run_at,
       j.started_at, j.finished_at, j.error,
       coalesce((select jsonb_agg(jsonb_build_object('stage', p.stage, 'done', p.done, 'total', p.total) order by p.stage)
                   from sync_progress p where p.job_id = j.id), '[]')::text as stages,
       (select count(*) from import_log l where l.job_id = j.id and l.outcome = 'refused') as refused_count,
       (select l.message from import_log l where l.job_id = j.id and l.outcome = 'refused' order by l.id limit 1) as warning
  from sync_jobs j
 where j.id < :before_id
 order by j.id desc
 limit :count;

-- name: fetch_job_results
-- takes: ids
-- gives: those jobs, in the order of their ids, with the numbers of records added, changed and refused
select j.id, j.service::text, j.kind, j.subject, j.status::text, j.error,
       count(l.id) filter (where l.outcome = 'added') as added_count,
       count(l.id) filter (where l.outcome = 'changed') as changed_count,
       count(l.id) filter (where l.outcome = 'refused') as refused_count
  from sync_jobs j left join import_log l on l.job_id = j.id
 where j.id = any(:ids::bigint[])
 group by j.id
 order by j.id;

-- name: fetch_outcomes
-- takes: job_id, count
-- gives: the results of a job's records, without unchanged ones, in the order of writing
select stage, line, outcome, message from import_log where job_id = :job_id order by id limit :count;

-- name: fetch_service_queue^
-- takes: service
-- gives: numbers of jobs that wait, are due, and run; since when the oldest due job waits; whether the service is paused
select count(*) filter (where status = 'queued') as waiting,
       count(*) filter (where status = 'queued' and run_at <= now()) as due,
       count(*) filter (where status = 'running') as running,
       min(run_at) filter (where status = 'queued' and run_at <= now()) as due_since,
       exists (select from sync_pauses where service = :service::sync_service) as is_paused
  from sync_jobs
 where service = :service::sync_service and status in ('queued', 'running');

-- ────────────────────────────────────────────────────── control by administrators

-- name: cancel_job$
-- takes: id
-- gives: 1 when the job waited or ran, 0 otherwise
-- locks: that row
with gone as (
    update sync_jobs set status = 'cancelled', finished_at = now(), lease_until = null
     where id = :id and status in ('queued', 'running')
 returning 1
)
select count(*) from gone;

-- name: retry_job^
-- takes: id
-- gives: service, kind and subject of a job that failed or was cancelled
select service::text, kind, subject from sync_jobs where id = :id and status in ('failed', 'cancelled');

-- name: stop_jobs!
-- takes: service; job_id, the job that must go on
-- locks: those rows, in the order of their ids
-- Cancels all other jobs of a service and pauses it, so that none starts until an administrator resumes the service.
with paused as (
    insert into sync_pauses (service) values (:service::sync_service) on conflict do nothing
)
update sync_jobs set status = 'cancelled', finished_at = now(), lease_until = null
 where id = any(array(select id from sync_jobs
                       where service = :service::sync_service and status in ('queued', 'running') and id <> :job_id
                       order by id for no key update));

-- name: pause_service!
-- takes: service
insert into sync_pauses (service) values (:service::sync_service) on conflict do nothing;

-- name: resume_service!
-- takes: service
-- locks: that row
delete from sync_pauses where service = :service::sync_service;

-- name: fetch_pauses
select service::text, paused_at from sync_pauses order by service;

-- ──────────────────────────────────────────────────────────────────── schedules

-- name: put_schedules!
-- takes: names; everies_s, the interval of each
-- locks: those rows that are there, in the order of their names
insert into sync_schedules (name, every_s)
select name, every_s from unnest(:names::text[], :everies_s::int[]) as w (name, every_s) order by name
    on conflict (name) do update set every_s = excluded.every_s where sync_schedules.every_s <> excluded.every_s;

-- name: take_schedules
-- gives: names of the due schedules; one run makes up for all missed runs
-- locks: those schedules; schedules that another node is taking are skipped
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
-- gives: 1, or 0 when no schedule has that name
-- locks: that row
with changed as (update sync_schedules set is_paused = :is_paused where name = :name returning 1)
select count(*) from changed;

-- name: run_schedule$
-- takes: name
-- gives: 1, or 0 when no schedule has that name
-- locks: that row
with changed as (update sync_schedules set next_at = now() where name = :name returning 1)
select count(*) from changed;

-- The jobs that each schedule adds. Jobs of shows near their date have a higher priority. The start times of added jobs
-- are spread over spread_s, so that a backlog does not start all at once.

-- name: queue_artists$
-- takes: service, older_than_s, count, spread_s
-- gives: how many jobs were added
-- For artists that the service was not asked about lately: first artists with a coming show, then artists with followers,
-- then the others.
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
-- takes: service, kind; identity, the service whose id an artist must have; older_than_s; near_older_than_s, the same for
--        artists with a show within two weeks; count, spread_s
-- gives: how many jobs were added
-- For artists with an id at the service `identity`: first artists whose next show comes soonest.
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
-- For shows that began at least two hours ago: every hour on the first day, every six hours in the first week, every day up
-- to two weeks, because people write setlists down and correct them in that time.
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
-- For venues that the service was not asked about lately: first those that it was asked about longest ago.
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
