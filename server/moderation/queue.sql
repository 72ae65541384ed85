-- The queue of the moderators.

-- name: list_queue
-- takes: the position of the last item of the previous page (after_priority null: first page), count
-- gives: 0..count rows, most urgent first, then oldest first; kind 0: a held text, 1: a report, 2: a suggested song, of
--        low priority, with the number of fans who suggest it
with held as (
    select 0 as kind, m.id, m.priority, m.created_at, m.reasons, null::text as reason, null::bigint as reporter_id,
           m.review_id, m.profile_id, null::bigint as show_id, null::text as title, null::bigint as fan_count
      from content_moderation m
     where m.status = 'pending'
       and (:after_priority::text is null or m.priority < :after_priority::text::priority_level
            or (m.priority = :after_priority::text::priority_level
                and (m.created_at, 0, m.id) > (:after_at::timestamptz, :after_kind::int, :after_id::bigint)))
     order by m.priority desc, m.created_at, m.id
     limit :count::bigint
), reported as (
    select 1 as kind, p.id, p.priority, p.created_at, '{}'::text[] as reasons, p.reason, p.reporter_id,
           p.review_id, p.profile_id, null::bigint as show_id, null::text as title, null::bigint as fan_count
      from reports p
     where p.status = 'open'
       and (:after_priority::text is null or p.priority < :after_priority::text::priority_level
            or (p.priority = :after_priority::text::priority_level
                and (p.created_at, 1, p.id) > (:after_at::timestamptz, :after_kind::int, :after_id::bigint)))
     order by p.priority desc, p.created_at, p.id
     limit :count
), suggested as (
    select 2 as kind, s.id, 'low'::priority_level as priority, s.created_at, s.reasons, null::text as reason,
           null::bigint as reporter_id, null::bigint as review_id, null::bigint as profile_id, s.show_id, s.title,
           (select count(*) from song_suggestions x
             where x.show_id = s.show_id and x.folded = s.folded and x.status = 'pending') as fan_count
      from song_suggestions s
     where s.status = 'pending'
       and not exists (select from song_suggestions e
                        where e.show_id = s.show_id and e.folded = s.folded and e.status = 'pending' and e.id < s.id)
       and (:after_priority::text is null or 'low' < :after_priority::text::priority_level
            or ('low' = :after_priority::text::priority_level
                and (s.created_at, 2, s.id) > (:after_at::timestamptz, :after_kind::int, :after_id::bigint)))
     order by s.created_at, s.id
     limit :count
), page as (
    select * from held union all select * from reported union all select * from suggested
     order by priority desc, created_at, kind, id
     limit :count
)
select q.kind, q.id, q.priority, q.created_at, q.reasons, q.reason, q.reporter_id, q.review_id, q.profile_id,
       q.show_id, w.name as show_name, q.title, q.fan_count, r.venue_id, r.user_id as review_user_id, r.rating, r.body, r.status as review_status,
       p.display_name, p.bio, p.city, p.status as profile_status
  from page q
  left join venue_reviews r on r.id = q.review_id
  left join user_profiles p on p.user_id = q.profile_id
  left join shows w on w.id = q.show_id
 order by q.priority desc, q.created_at, q.kind, q.id;
