-- The moderation log and the audit log: what is written, and what somebody else did meanwhile.

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

-- name: acts_since
-- takes: subject, as in the audit log; revision
-- gives: the first acts of staff on the subject after that revision: who, what, and the fields that changed
select a.actor_id, (select p.display_name from user_profiles p where p.user_id = a.actor_id) as display_name, a.action, a.at,
       array(select f.key from jsonb_each(a.detail) f where jsonb_typeof(f.value) = 'array' order by f.key)::text[] as fields
  from audit_log a
 where a.subject = :subject::text and (a.detail ->> 'revision')::bigint > :revision::bigint
 order by a.id
 limit 5;
