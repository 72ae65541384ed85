-- Writes to the moderation log and to the audit log.

-- name: insert_moderation_entry!
-- takes: moderator_id, action, subject, detail as JSON
insert into moderation_log (moderator_id, action, subject, detail)
values (:moderator_id::bigint, :action::text, :subject::text, :detail::text::jsonb);

-- name: insert_audit_entry!
-- takes: actor_id (null: a command), action, subject, detail as JSON
-- An act on a show keeps the revision that the show has after it.
insert into audit_log (actor_id, action, subject, detail)
select :actor_id::bigint, :action::text, :subject::text,
       :detail::text::jsonb
       || coalesce((select jsonb_build_object('revision', w.revision) from shows w
                     where w.id = case when :subject ~ '^show:[0-9]{1,18}$' then split_part(:subject, ':', 2)::bigint end), '{}');
