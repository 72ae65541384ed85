-- Requests to nodes about their connections, and the audit log of what administrators closed.

-- name: ask_nodes!
-- takes: question, a FleetRequest as JSON, under 8,000 bytes
select pg_notify('fleet', :question::text);

-- name: log_closing!
-- takes: actor_id, action, subject
insert into audit_log (actor_id, action, subject) values (:actor_id::bigint, :action::text, :subject::text);
