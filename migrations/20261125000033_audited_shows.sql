-- migrate:up

-- Whether staff ever changed a show is asked of every show that may go with the provider that told us of it.
set local lock_timeout = '1s';
create index audit_log_subject_idx on audit_log (subject);

-- migrate:down

set local lock_timeout = '1s';
drop index audit_log_subject_idx;
