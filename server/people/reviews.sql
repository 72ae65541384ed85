-- Reviews of venues.

-- name: find_venue^
-- takes: id bigint or null, slug text or null; exactly one is given
-- gives: 0..1 row with the counts of its approved reviews
select id, review_count, rating_sum from venues where id = :id::bigint or slug = :slug::text;

-- name: list_reviews
-- takes: venue_id; after_at and after_id (both null: first page); count
-- gives: 0..count approved reviews, latest change first; with the author if the profile is public
select r.id, r.rating, r.body, r.created_at, r.updated_at, p.user_id as author_id, p.display_name
  from venue_reviews r
  left join user_profiles p on p.user_id = r.user_id and p.is_public and p.status = 'approved'
 where r.venue_id = :venue_id::bigint and r.status = 'approved'
   and (:after_at::timestamptz is null or (r.updated_at, r.id) < (:after_at, :after_id::bigint))
 order by r.updated_at desc, r.id desc
 limit :count::bigint;

-- name: own_review^
-- takes: venue_id, user_id
-- gives: 0..1 row
select id, rating, body, status, created_at, updated_at
  from venue_reviews where venue_id = :venue_id::bigint and user_id = :user_id::bigint;

-- name: insert_review^
-- takes: venue_id, user_id, rating, body, status
-- gives: the review; no row: this user already has one
-- locks: the row of the venue, if the review is approved
insert into venue_reviews (venue_id, user_id, rating, body, status)
values (:venue_id::bigint, :user_id::bigint, :rating::smallint, :body::text, :status::text::moderation_status)
    on conflict do nothing
returning id, rating, body, status, created_at, updated_at;

-- name: lock_own_review^
-- takes: venue_id, user_id
-- gives: 0..1 row
-- locks: that row of venue_reviews
select id, body, status from venue_reviews
 where venue_id = :venue_id::bigint and user_id = :user_id::bigint for update;

-- name: update_review^
-- takes: id, rating, body, status
-- gives: 0..1 row: the review; no row: it belongs to another user
-- locks: that row, then the row of the venue
update venue_reviews
   set rating = :rating::smallint, body = :body::text, status = :status::text::moderation_status
 where id = :id::bigint
returning id, rating, body, status, created_at, updated_at;

-- name: delete_own_review!
-- takes: venue_id, user_id
-- locks: that row, then the row of the venue
delete from venue_reviews where venue_id = :venue_id::bigint and user_id = :user_id::bigint;
