-- Operations on the database: their rows, their statements, and their progress.

-- name: try_operation_lock$
-- takes: operation_class, the first half of an advisory lock's key
-- gives: whether this session has got the lock that only the node with a running operation holds; it keeps the lock until it ends
select pg_try_advisory_lock(:operation_class::int, 0);

-- name: is_operation_running$
-- gives: whether a row says `running`
select exists (select from database_operations where status = 'running');

-- name: interrupt_dead_operations!
-- takes: operation_class
-- locks: the operation that is said to run
-- When no other session holds the lock, the node that wrote `running` is dead.
update database_operations
   set status = 'interrupted', finished_at = now(), error = 'The node that ran it died. Start the operation again.'
 where status = 'running'
   and not exists (select from pg_locks
                    where locktype = 'advisory' and classid = :operation_class::int and objid = 0 and objsubid = 2
                      and granted and pid <> pg_backend_pid()
                      and database = (select oid from pg_database where datname = current_database()));

-- name: insert_operation^
-- takes: operation, options jsonb; user_id of the administrator; subject for the audit log
-- gives: the new row and this session's process id; it also writes the audit log
-- When the administrator's account is gone by now, the operation is recorded without it.
with asker as (
    select id from users where id = :user_id::bigint
), started as (
    insert into database_operations (operation, options, started_by)
    values (:operation::text, :options::jsonb, (select id from asker))
    returning *
), audited as (
    insert into audit_log (actor_id, action, subject, detail)
    select (select id from asker), 'database.' || operation, :subject::text, options || jsonb_build_object('id', id) from started
)
select id, operation, options, status, stage, done, total, result, error, started_by, started_at, finished_at,
       pg_backend_pid() as pid
  from started;

-- name: report_progress!
-- takes: id, stage, done, total
-- locks: that row
update database_operations
   set stage = left(:stage::text, 200), done = :done::bigint, total = :total::bigint
 where id = :id::bigint and status = 'running'
   and (stage, done, total) is distinct from (left(:stage::text, 200), :done::bigint, :total::bigint);

-- name: finish_operation!
-- takes: id, status, stage, done, total, result jsonb, error
-- locks: that row
update database_operations
   set status = :status::text::operation_status, stage = left(:stage::text, 200), done = :done::bigint,
       total = :total::bigint, result = :result::jsonb, error = left(:error::text, 1000), finished_at = now()
 where id = :id::bigint and status = 'running';

-- name: live_progress^
-- takes: pid of the session that runs an operation
-- gives: 0..1 row: PostgreSQL's own progress of a vacuum or reindex; done and total in blocks
select phase, heap_blks_scanned as done, heap_blks_total as total from pg_stat_progress_vacuum where pid = (:pid::bigint)::int
union all
select phase, blocks_done, blocks_total from pg_stat_progress_create_index where pid = (:pid::bigint)::int
 limit 1;

-- name: operation_by_id^
-- takes: id
-- gives: 0..1 row
select id, operation, options, status, stage, done, total, result, error, started_by, started_at, finished_at
  from database_operations
 where id = :id::bigint;

-- name: recent_operations
-- takes: count
-- gives: 0..count rows, the newest first
select id, operation, options, status, stage, done, total, result, error, started_by, started_at, finished_at
  from database_operations
 order by id desc
 limit :count::bigint;

-- ──────────────────────────────────────────────────────────── vacuum and reindex

-- name: tables_to_vacuum
-- takes: table_name, one of ours, with its partitions; null: all
-- gives: one statement for each table or partition, the smallest first; then one for each partitioned table as a whole
select c.relname as name, pg_relation_size(c.oid) / current_setting('block_size')::bigint as blocks,
       pg_total_relation_size(c.oid) as bytes,
       format(case c.relkind when 'r' then 'vacuum (analyze) %I.%I' else 'analyze %I.%I' end, 'public', c.relname) as statement
  from pg_class c
 where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
   and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
   and (:table_name::text is null or c.relname = :table_name
        or exists (select from pg_inherits i join pg_class p on p.oid = i.inhparent
                    where i.inhrelid = c.oid and p.relname = :table_name and p.relnamespace = c.relnamespace))
 order by c.relkind desc, pg_relation_size(c.oid), c.relname;

-- name: indexes_to_reindex
-- takes: table_name, one of ours, with its partitions; null: all
-- gives: first one statement for each unfinished index that an interrupted reindex left, then one for each index, the
--        smallest first
select i.relname as name, not x.indisvalid and i.relname ~ '_cc(new|old)[0-9]*$' as is_leftover,
       pg_relation_size(i.oid) as bytes,
       format(case when not x.indisvalid and i.relname ~ '_cc(new|old)[0-9]*$'
                   then 'select drop_unfinished_index(%2$L)' else 'reindex index concurrently %I.%I' end,
              'public', i.relname) as statement
  from pg_index x
  join pg_class i on i.oid = x.indexrelid
  join pg_class c on c.oid = x.indrelid
 where c.relnamespace = 'public'::regnamespace and i.relkind = 'i'
   and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
   and (:table_name::text is null or c.relname = :table_name
        or exists (select from pg_inherits h join pg_class p on p.oid = h.inhparent
                    where h.inhrelid = c.oid and p.relname = :table_name and p.relnamespace = c.relnamespace))
 order by is_leftover desc, pg_relation_size(i.oid), i.relname;

-- ─────────────────────────────────────────────────────────────────── integrity

-- name: violations
-- takes: count, the maximum for each rule
-- gives: the first violations of every rule, each with the number of violations of its rule
select rule, subject, detail, rule_count
  from (select v.*, count(*) over (partition by rule) as rule_count,
               row_number() over (partition by rule order by subject, detail) as number
          from integrity_check() v) numbered
 where number <= :count::bigint
 order by rule, number;

-- name: miscounted_shows
-- gives: shows whose tally is wrong in PostgreSQL; Valkey holds a copy of that tally
select distinct show_id from miscounts() where show_id is not null and count_of in ('up', 'down', 'votes') order by 1;

-- name: repair_counts$
-- gives: the number of changed rows
-- locks: all rows of log_positions, then in the lock order (migrations/schema.sql)
select repair_counts();

-- name: update_trending_scores$
-- gives: how many shows have votes
-- locks: as repair_counts
select update_trending_scores();
