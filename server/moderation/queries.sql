-- Reports by readers, and what moderators see and decide. Lock order: the review or profile, then its rows in
-- content_moderation and reports, then the venue.

-- name: find_reportable^
-- takes: review bigint or null, profile bigint or null; exactly one is given
-- gives: 0..1 row: whose it is; only of what everybody may see
select user_id from venue_reviews where id = :review::bigint and status = 'approved'
union all
select user_id from user_profiles where user_id = :profile::bigint and is_public and status = 'approved';

-- name: insert_report$
-- takes: reporter_id, review bigint or null, profile bigint or null, reason
-- gives: the report's id; none: the same user's report of the same is still open
insert into reports (reporter_id, review_id, profile_id, reason)
values (:reporter_id::bigint, :review::bigint, :profile::bigint, :reason::text)
    on conflict do nothing
returning id;

-- name: list_queue
-- takes: the place after which to go on (after_priority null: from the top), count
-- gives: 0..count rows, most urgent first, then oldest first; kind 0: a text that is held back, 1: a report
with held as (
    select 0 as kind, m.id, m.priority, m.created_at, m.reasons, null::text as reason, null::bigint as reporter_id,
           m.review_id, m.profile_id
      from content_moderation m
     where m.status = 'pending'
       and (:after_priority::text is null or m.priority < :after_priority::text::priority_level
            or (m.priority = :after_priority::text::priority_level
                and (m.created_at, 0, m.id) > (:after_at::timestamptz, :after_kind::int, :after_id::bigint)))
     order by m.priority desc, m.created_at, m.id
     limit :count::bigint
), reported as (
    select 1 as kind, p.id, p.priority, p.created_at, '{}'::text[] as reasons, p.reason, p.reporter_id,
           p.review_id, p.profile_id
      from reports p
     where p.status = 'open'
       and (:after_priority::text is null or p.priority < :after_priority::text::priority_level
            or (p.priority = :after_priority::text::priority_level
                and (p.created_at, 1, p.id) > (:after_at::timestamptz, :after_kind::int, :after_id::bigint)))
     order by p.priority desc, p.created_at, p.id
     limit :count
), page as (
    select * from held union all select * from reported
     order by priority desc, created_at, kind, id
     limit :count
)
select q.kind, q.id, q.priority, q.created_at, q.reasons, q.reason, q.reporter_id, q.review_id, q.profile_id,
       r.venue_id, r.user_id as review_user_id, r.rating, r.body, r.status as review_status,
       p.display_name, p.bio, p.city, p.status as profile_status
  from page q
  left join venue_reviews r on r.id = q.review_id
  left join user_profiles p on p.user_id = q.profile_id
 order by q.priority desc, q.created_at, q.kind, q.id;

-- name: find_held^
-- takes: id
-- gives: 0..1 row: what it is about
select review_id, profile_id, reasons from content_moderation where id = :id::bigint;

-- name: find_report^
-- takes: id
-- gives: 0..1 row: what it is about
select review_id, profile_id from reports where id = :id::bigint;

-- name: lock_subject
-- takes: review bigint or null, profile bigint or null; exactly one is given
-- locks: that row
with review as (select id from venue_reviews where id = :review::bigint for update),
     profile as (select user_id from user_profiles where user_id = :profile::bigint for update)
select id from review union all select user_id from profile;

-- name: decide_held$
-- takes: id, status, decided_by, note
-- gives: its id; none: it was decided already
-- locks: that row of content_moderation
update content_moderation
   set status = :status::text::moderation_status, decided_at = now(), decided_by = :decided_by::bigint, note = :note::text
 where id = :id::bigint and status = 'pending'
returning id;

-- name: decide_report$
-- takes: id, status, decided_by
-- gives: its id; none: it was decided already
-- locks: that row of reports
update reports
   set status = :status::text::report_status, decided_at = now(), decided_by = :decided_by::bigint
 where id = :id::bigint and status = 'open'
returning id;

-- name: reject_held!
-- takes: review bigint or null, profile bigint or null; exactly one is given; decided_by, note
-- locks: the row of content_moderation that waits for it
update content_moderation
   set status = 'rejected', decided_at = now(), decided_by = :decided_by::bigint, note = :note::text
 where status = 'pending' and (review_id = :review::bigint or profile_id = :profile::bigint);

-- name: uphold_reports!
-- takes: review bigint or null, profile bigint or null; exactly one is given; decided_by
-- locks: the open reports of it
update reports
   set status = 'upheld', decided_at = now(), decided_by = :decided_by::bigint
 where status = 'open' and (review_id = :review::bigint or profile_id = :profile::bigint);

-- name: set_review_status!
-- takes: id, status
-- locks: that row, then the venue's
update venue_reviews set status = :status::text::moderation_status where id = :id::bigint;

-- name: set_profile_status!
-- takes: user_id, status
update user_profiles set status = :status::text::moderation_status where user_id = :user_id::bigint;

-- name: list_decisions
-- takes: after_id, null: from the top; count
-- gives: 0..count rows, latest first
select id, moderator_id, action, subject, detail, at
  from moderation_log
 where :after_id::bigint is null or id < :after_id
 order by id desc
 limit :count::bigint;
