-- The page Now of the console: what the database knows about this moment.

-- name: fetch_server_load^
-- gives: 1 row: the share of the connections that clients may open, to the server or to this database, and the longest
--        statement of a client
-- Maintenance and backups take long on purpose.
select (select greatest(count(*)::float8 / greatest(1, current_setting('max_connections')::int
                                                          - current_setting('superuser_reserved_connections')::int),
                        count(*) filter (where a.datid = d.oid)::float8 / nullif(greatest(d.datconnlimit, 0), 0))
          from pg_database d, pg_stat_activity a
         where d.datname = current_database() and a.backend_type = 'client backend'
         group by d.oid, d.datconnlimit) as connections_share,
       s.pid as statement_pid, s.age_s as statement_s, s.application_name as statement_application,
       left(s.query, 300) as statement
  from (select 1) one
  left join lateral (
       select pid, application_name, query, extract(epoch from clock_timestamp() - query_start)::float8 as age_s
         from pg_stat_activity
        where datname = current_database() and backend_type = 'client backend' and state = 'active'
          and pid <> pg_backend_pid() and application_name <> 'pg_dump'
          and query !~* '^\s*(vacuum|reindex|analyze|create|copy|refresh)\M'
        order by query_start
        limit 1) s on true;

-- name: list_shows_to_watch
-- takes: count
-- gives: 0..count rows: shows that are live, and upcoming ones with an open voting window and groups that nobody has decided on; those
--        with such groups first, then those with the most votes; group_count, of these groups
with suspected as (
    select show_id, count(*) as group_count from vote_groups where decision = 'open' group by show_id
)
select w.id, w.slug, w.name, w.status::text as status, a.name as artist, v.name as venue, w.vote_count,
       coalesce(s.group_count, 0) as group_count
  from (select id from shows where status = 'live' union select show_id from suspected) x
  join shows w on w.id = x.id
  join artists a on a.id = w.artist_id
  join venues v on v.id = w.venue_id
  left join suspected s on s.show_id = w.id
 where w.status = 'live' or (w.status = 'upcoming' and w.opens_at <= now() and w.closes_at > now() and w.finalised_at is null)
 order by s.show_id is null, w.vote_count desc, w.id
 limit :count::bigint;

-- name: list_open_groups
-- takes: count
-- gives: 0..count rows: groups of these shows that nobody has decided on, the largest first
select g.id, g.ballot_count, w.id as show_id, w.name as show_name
  from vote_groups g
  join shows w on w.id = g.show_id
 where g.decision = 'open'
   and (w.status = 'live' or (w.status = 'upcoming' and w.opens_at <= now() and w.closes_at > now() and w.finalised_at is null))
 order by g.ballot_count desc, g.id
 limit :count::bigint;

-- name: oldest_webhook_delivery^
-- gives: 0..1 row: the delivery that has waited longest, and its webhook; only the host of the address, because the rest may
--        hold a token
select w.id, w.description, split_part(split_part(w.url, '/', 3), ':', 1) as host, d.error,
       extract(epoch from now() - d.queued_at)::float8 as age_s
  from webhook_deliveries d
  join webhooks w on w.id = d.webhook_id
 where d.state in ('queued', 'sending')
 order by d.queued_at
 limit 1;

-- name: list_newest_acts
-- takes: count
-- gives: 0..count rows of the audit log, newest first
select at, actor_id, action, subject from audit_log order by id desc limit :count::bigint;
