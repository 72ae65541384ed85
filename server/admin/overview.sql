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

-- name: list_live_shows
-- takes: count
-- gives: 0..count rows: shows that are live, those with the most votes first; group_count, of the groups that nobody has decided on
select w.id, w.slug, w.name, a.name as artist, v.name as venue, w.vote_count,
       (select count(*) from vote_groups g where g.show_id = w.id and g.decision = 'open') as group_count
  from shows w
  join artists a on a.id = w.artist_id
  join venues v on v.id = w.venue_id
 where w.status = 'live'
 order by w.vote_count desc, w.id
 limit :count::bigint;

-- name: list_open_groups
-- takes: count
-- gives: 0..count rows: groups of live shows that nobody has decided on, the largest first
select g.id, g.ballot_count, w.id as show_id, w.name as show_name
  from shows w
  join vote_groups g on g.show_id = w.id and g.decision = 'open'
 where w.status = 'live'
 order by g.ballot_count desc, g.id
 limit :count::bigint;

-- name: list_newest_acts
-- takes: count
-- gives: 0..count rows of the audit log, newest first
select at, actor_id, action, subject from audit_log order by id desc limit :count::bigint;
