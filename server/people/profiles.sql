-- Profiles.

-- name: fetch_me^
-- takes: user_id bigint
-- gives: 0..1 row: the account with its profile, activity counts, mean accuracy over the scored shows, and email preferences
select u.id, u.role, u.created_at, p.display_name, p.bio, p.city, p.country, p.is_public, p.status, p.language,
       (select count(*) from user_follows_artists f where f.user_id = u.id) as follow_count,
       (select count(*) from user_show_attendance g where g.user_id = u.id) as attendance_count,
       (select count(*) from votes v where v.user_id = u.id) as vote_count,
       (select count(*) from venue_reviews r where r.user_id = u.id) as review_count,
       s.show_count, s.precision, s.recall, s.rank_correlation,
       e.address, e.confirmed_at is not null as is_confirmed, e.frequency, e.kinds
  from users u
 cross join lateral (select count(*) as show_count, avg(precision) as precision, avg(recall) as recall,
                            avg(rank_correlation) as rank_correlation
                       from voter_accuracy where user_id = u.id) s
  left join user_profiles p on p.user_id = u.id
  left join email_preferences e on e.user_id = u.id
 where u.id = :user_id::bigint;

-- name: fetch_profile^
-- takes: wanted bigint, the user of the profile; user_id bigint, the user who asks, null: anonymous
-- gives: 0..1 row: the profile, if it is public and approved or of the user who asks
select user_id, display_name, bio, city, country, is_public, status, created_at
  from user_profiles
 where user_id = :wanted::bigint and ((is_public and status = 'approved') or user_id = :user_id::bigint);

-- name: begin_profile!
-- takes: user_id bigint; inserts an empty profile if there is none
insert into user_profiles (user_id) values (:user_id::bigint) on conflict do nothing;

-- name: lock_profile^
-- takes: user_id bigint
-- gives: 0..1 row
-- locks: that row of user_profiles
select display_name, bio, city, country, is_public, status, language from user_profiles where user_id = :user_id::bigint for update;

-- name: update_profile!
-- takes: user_id, display_name text or null, bio, city, country, is_public, status, language
-- locks: that row
update user_profiles
   set display_name = :display_name::text, bio = :bio::text, city = :city::text, country = :country::text,
       is_public = :is_public::boolean, status = :status::text::moderation_status, language = :language::text
 where user_id = :user_id::bigint;
