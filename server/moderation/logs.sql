-- Writes to the moderation log and to the audit log.

-- name: insert_moderation_entry!
-- takes: moderator_id, action, subject, detail as JSON
insert into moderation_log (moderator_id, action, subject, detail)
values (:moderator_id::bigint, :action::text, :subject::text, :detail::text::jsonb);

-- name: insert_audit_entry!
-- takes: actor_id (null: a command), action, subject, detail as JSON
insert into audit_log (actor_id, action, subject, detail)
values (:actor_id::bigint, :action::text, :subject::text, :detail::text::jsonb);
