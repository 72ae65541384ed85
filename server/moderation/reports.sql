-- Reports by readers.

-- name: find_reportable^
-- takes: review bigint or null, profile bigint or null; exactly one is given
-- gives: 0..1 row: the author; only public and approved texts can be reported
select user_id from venue_reviews where id = :review::bigint and status = 'approved'
union all
select user_id from user_profiles where user_id = :profile::bigint and is_public and status = 'approved';

-- name: insert_report$
-- takes: reporter_id, review bigint or null, profile bigint or null, reason
-- gives: the id of the report; null: this user already has an open report about this text
insert into reports (reporter_id, review_id, profile_id, reason)
values (:reporter_id::bigint, :review::bigint, :profile::bigint, :reason::text)
    on conflict do nothing
returning id;
