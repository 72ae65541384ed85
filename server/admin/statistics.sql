-- Statistics of PostgreSQL and of our tables. The owner may run all of these queries without the rights of a superuser. Columns
-- that only a superuser may see are null then.

-- name: server^
-- gives: 1 row
select current_setting('server_version') as version, current_database() as database,
       pg_postmaster_start_time() as started_at, current_setting('max_connections')::int as connections_max,
       pg_database_size(current_database()) as size_bytes, d.xact_commit as commits, d.xact_rollback as rollbacks,
       d.deadlocks, d.temp_bytes, d.stats_reset as counted_since,
       d.blks_hit::float8 / nullif(d.blks_hit + d.blks_read, 0) as cache_hit_rate
  from pg_stat_database d
 where d.datname = current_database();

-- name: tables
-- gives: one row for each table or partition of ours; row numbers are estimates of the last vacuum, analyze or change
select s.relname as name,
       case when s.n_live_tup > 0 then s.n_live_tup else greatest(c.reltuples, 0)::bigint end as rows_estimate,
       s.n_dead_tup as dead_rows_estimate,
       s.seq_scan as sequential_scans, coalesce(s.idx_scan, 0) as index_scans,
       s.last_vacuum as last_vacuum_at, s.last_autovacuum as last_autovacuum_at,
       s.last_analyze as last_analyze_at, s.last_autoanalyze as last_autoanalyze_at
  from pg_stat_user_tables s
  join pg_class c on c.oid = s.relid
 where s.schemaname = 'public' and c.relkind = 'r'
 order by s.relname;

-- name: indexes
-- gives: one row for each index of ours; unused: no scan since counting began, and no constraint needs it
select s.indexrelname as name, s.relname as table, s.idx_scan as scans,
       s.idx_scan = 0 and not i.indisunique as is_unused, i.indisvalid as is_valid
  from pg_stat_user_indexes s
  join pg_index i on i.indexrelid = s.indexrelid
 where s.schemaname = 'public'
 order by s.relname, s.indexrelname;

-- name: set_lock_timeout
-- takes: lock_timeout, for this transaction
select set_config('lock_timeout', :lock_timeout::text, true);

-- name: sizes
-- gives: one row for each table, partition or index of ours; index_bytes: the size of all indexes of a table
-- locks: each of them for a moment; the query waits for a session that holds an exclusive lock
select relname as name, pg_table_size(oid) as bytes, pg_indexes_size(oid) as index_bytes
  from pg_class
 where relnamespace = 'public'::regnamespace and relkind in ('r', 'i');

-- name: connections
select state, application_name as application, count(*) as count
  from pg_stat_activity
 where datname = current_database()
 group by 1, 2
 order by 3 desc, 2, 1;

-- name: standbys
select application_name as name, state, sync_state,
       pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint as lag_bytes,
       extract(epoch from replay_lag)::float8 as lag_s
  from pg_stat_replication
 order by application_name, pid;

-- name: slots
select slot_name as name, slot_type as type, active as is_active,
       pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint as kept_bytes
  from pg_replication_slots
 order by slot_name;

-- name: longest_transaction^
-- gives: 0..1 row
select pid, application_name as application, state, extract(epoch from clock_timestamp() - xact_start)::float8 as age_s,
       left(query, 500) as query
  from pg_stat_activity
 where datname = current_database() and xact_start is not null and pid <> pg_backend_pid()
 order by xact_start
 limit 1;

-- name: waiting_locks
-- takes: count
-- gives: sessions that wait for a lock, how long, and the sessions that block them, the longest wait first
select l.pid, l.locktype as type, l.mode, l.relation::regclass::text as relation,
       extract(epoch from clock_timestamp() - l.waitstart)::float8 as waiting_s,
       pg_blocking_pids(l.pid)::bigint[] as blocked_by, left(a.query, 500) as query
  from pg_locks l
  left join pg_stat_activity a on a.pid = l.pid
 where not l.granted and (l.database is null or l.database = (select oid from pg_database where datname = current_database()))
 order by l.waitstart nulls last, l.pid
 limit :count::bigint;

-- name: slowest_statements
-- takes: count
-- gives: 0..count rows; fails without the extension pg_stat_statements
select query, calls, total_ms, mean_ms, max_ms, rows, cache_hit_rate from slowest_statements((:count::bigint)::int);

-- name: applied_migrations
select version from schema_migrations order by version;

-- name: platform_days
-- takes: count
-- gives: 0..count days, the newest first
select day, user_count, new_user_count, vote_count, withdrawn_count, voted_show_count, new_follow_count, new_going_count,
       new_review_count, show_count, refreshed_at
  from platform_stats
 order by day desc
 limit :count::bigint;

-- name: refresh_platform_stats
-- locks: the rows of platform_stats of these two days
-- Counts today again, and yesterday too, because votes of yesterday can arrive late.
select refresh_platform_stats((now() at time zone 'UTC')::date - 1), refresh_platform_stats((now() at time zone 'UTC')::date);

-- name: ensure_partitions$
-- takes: months ahead
-- gives: the number of new partitions of the history
-- locks: vote_analytics and its default partition, for a moment
select ensure_vote_analytics_partitions(current_date, (current_date + make_interval(months => :months::int))::date);
