-- The audit log, read by administrators.

-- name: list_acts
-- takes: filters (null: no filter): actor_id; action, or the first part of actions such as show; subject, such as show:7;
--        kind, the first part of subjects such as show; since and until timestamptz; before_id (null: first page); count
-- gives: 0..count entries, latest first
select id, actor_id, action, subject, detail::text as detail, at
  from audit_log
 where (:before_id::bigint is null or id < :before_id)
   and (:actor_id::bigint is null or actor_id = :actor_id)
   and (:action::text is null or action = :action or split_part(action, '.', 1) = :action)
   and (:subject::text is null or subject = :subject)
   and (:kind::text is null or split_part(subject, ':', 1) = :kind)
   and (:since::timestamptz is null or at >= :since)
   and (:until::timestamptz is null or at < :until)
 order by id desc
 limit :count::bigint;
