-- What staff did: the log of moderators' decisions, and the audit log of what was done to accounts.

-- name: log_decision!
-- takes: moderator_id, action, subject, detail as JSON
insert into moderation_log (moderator_id, action, subject, detail)
values (:moderator_id::bigint, :action::text, :subject::text, :detail::text::jsonb);

-- name: log_power!
-- takes: actor_id, action, subject, detail as JSON
insert into audit_log (actor_id, action, subject, detail)
values (:actor_id::bigint, :action::text, :subject::text, :detail::text::jsonb);
