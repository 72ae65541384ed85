-- Decisions of moderators. Lock order: the review or profile, then its rows in content_moderation and reports, then the
-- venue.

-- name: find_held^
-- takes: id
-- gives: 0..1 row: the review or profile, and the reasons
select review_id, profile_id, reasons from content_moderation where id = :id::bigint;

-- name: find_report^
-- takes: id
-- gives: 0..1 row: the reported review or profile
select review_id, profile_id from reports where id = :id::bigint;

-- name: lock_subject^
-- takes: review bigint or null, profile bigint or null; exactly one is given
-- gives: its author and its status; no row: it is gone
-- locks: that row
with review as (select user_id, status from venue_reviews where id = :review::bigint for update),
     profile as (select user_id, status from user_profiles where user_id = :profile::bigint for update)
select user_id, status::text from review union all select user_id, status::text from profile;

-- name: decide_held$
-- takes: id, status, decided_by, note
-- gives: the id; null: it was decided before
-- locks: that row of content_moderation
update content_moderation
   set status = :status::text::moderation_status, decided_at = now(), decided_by = :decided_by::bigint, note = :note::text
 where id = :id::bigint and status = 'pending'
returning id;

-- name: decide_report$
-- takes: id, status, decided_by
-- gives: the id; null: it was decided before
-- locks: that row of reports
update reports
   set status = :status::text::report_status, decided_at = now(), decided_by = :decided_by::bigint
 where id = :id::bigint and status = 'open'
returning id;

-- name: reject_held$
-- takes: review bigint or null, profile bigint or null; exactly one is given; decided_by, note
-- gives: how many are rejected
-- locks: the pending row of content_moderation of this review or profile
with rejected as (
    update content_moderation
       set status = 'rejected', decided_at = now(), decided_by = :decided_by::bigint, note = :note::text
     where status = 'pending' and (review_id = :review::bigint or profile_id = :profile::bigint)
 returning 1
)
select count(*) from rejected;

-- name: uphold_reports$
-- takes: review bigint or null, profile bigint or null; exactly one is given; decided_by
-- gives: how many are upheld
-- locks: the open reports of this review or profile
with upheld as (
    update reports
       set status = 'upheld', decided_at = now(), decided_by = :decided_by::bigint
     where status = 'open' and (review_id = :review::bigint or profile_id = :profile::bigint)
 returning 1
)
select count(*) from upheld;

-- name: set_review_status!
-- takes: id, status
-- locks: that row, then the venue's
update venue_reviews set status = :status::text::moderation_status where id = :id::bigint;

-- name: set_profile_status!
-- takes: user_id, status
-- locks: that row
update user_profiles set status = :status::text::moderation_status where user_id = :user_id::bigint;

-- name: list_decisions
-- takes: after_id (null: first page), count
-- gives: 0..count rows, latest first
select id, moderator_id, action, subject, detail, at
  from moderation_log
 where :after_id::bigint is null or id < :after_id
 order by id desc
 limit :count::bigint;
