-- The queue of the moderators.

-- name: list_queue
-- takes: the position of the last item of the previous page (after_priority null: first page), count
-- gives: 0..count rows, most urgent first, then oldest first; kind 0: a held text, 1: a report, 2: a suggested song, with the
--        number of fans who suggest it. A suggestion for a show that takes votes now is of normal priority, others of low.
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
    select s.show_id, s.folded, min(s.id) as id, min(s.created_at) as created_at, count(*) as fan_count
      from song_suggestions s where s.status = 'pending' group by s.show_id, s.folded
), proposed as (
    select 2 as kind, g.id,
           case when w.status in ('upcoming', 'live') and not w.is_locked and w.opens_at <= now() and w.closes_at > now()
                then 'normal' else 'low' end::priority_level as priority,
           g.created_at, s.reasons, null::text as reason, null::bigint as reporter_id, null::bigint as review_id,
           null::bigint as profile_id, g.show_id, s.title, g.fan_count
      from suggested g
      join song_suggestions s on s.id = g.id
      join shows w on w.id = g.show_id
), waiting as (
    select * from proposed p
     where :after_priority::text is null or p.priority < :after_priority::text::priority_level
        or (p.priority = :after_priority::text::priority_level
            and (p.created_at, 2, p.id) > (:after_at::timestamptz, :after_kind::int, :after_id::bigint))
     order by p.priority desc, p.created_at, p.id
     limit :count
), page as (
    select * from held union all select * from reported union all select * from waiting
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
