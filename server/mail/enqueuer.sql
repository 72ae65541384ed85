-- Adds emails to the queue, for many users in one statement.
-- The time is a parameter, `instant`, and comes from the clock of the node, so that a test can set it.

-- name: try_lock_enqueuing$
-- gives: whether this node may enqueue until its transaction ends
select pg_try_advisory_xact_lock(hashtext('mysetlist.mail_queueing'));

-- name: enqueue_announcements$
-- takes: instant, count
-- gives: the number of enqueued rows, 0..count; fewer than count: nothing is left to enqueue
-- Only for shows that were added in the last 24 hours, and for users who followed the artist before that: so the first start
-- of a node does not announce old shows.
with queued as (
    insert into email_queue (user_id, kind, about, not_before, created_at)
    select distinct f.user_id, 'show_announced'::email_kind, 'show:' || w.id,
           mail_due_at(p.frequency, :instant::timestamptz), :instant
      from shows w
      join show_artists b on b.show_id = w.id
      join user_follows_artists f on f.artist_id = b.artist_id and f.created_at < w.created_at
      join email_preferences p on p.user_id = f.user_id
     where w.created_at > :instant - interval '24 hours' and w.starts_at > :instant and w.status = 'upcoming'
       and p.confirmed_at is not null and p.frequency <> 'never' and 'show_announced' = any(p.kinds)
       and not exists (select from email_queue q
                        where q.user_id = f.user_id and q.kind = 'show_announced' and q.about = 'show:' || w.id)
     limit :count::bigint
        on conflict (user_id, kind, about) do nothing
    returning 1
)
select count(*) from queued;

-- name: enqueue_reminders$
-- takes: instant, count
-- gives: the number of enqueued rows, 0..count; fewer than count: nothing is left to enqueue
-- For shows that start within 24 hours, or within seven days for weekly digests. An email that would be sent after the start is
-- not enqueued.
with queued as (
    insert into email_queue (user_id, kind, about, not_before, created_at)
    select g.user_id, 'show_reminder'::email_kind, 'show:' || w.id,
           mail_due_at(p.frequency, :instant::timestamptz), :instant
      from shows w
      join lateral (select a.user_id from user_show_attendance a where a.show_id = w.id
                     union
                    select v.user_id from setlist_songs s join votes v on v.setlist_song_id = s.id
                     where s.show_id = w.id) g on true
      join email_preferences p on p.user_id = g.user_id
     where w.status = 'upcoming' and w.starts_at > :instant and w.starts_at <= :instant + interval '7 days'
       and (p.frequency = 'weekly' or w.starts_at <= :instant + interval '24 hours')
       and mail_due_at(p.frequency, :instant) < w.starts_at
       and p.confirmed_at is not null and p.frequency <> 'never' and 'show_reminder' = any(p.kinds)
       and not exists (select from email_queue q
                        where q.user_id = g.user_id and q.kind = 'show_reminder' and q.about = 'show:' || w.id)
     limit :count::bigint
        on conflict (user_id, kind, about) do nothing
    returning 1
)
select count(*) from queued;

-- name: enqueue_results$
-- takes: instant, count
-- gives: the number of enqueued rows, 0..count; fewer than count: nothing is left to enqueue
-- For shows with votes whose voting became final within the last 24 hours.
with queued as (
    insert into email_queue (user_id, kind, about, not_before, created_at)
    select g.user_id, 'show_result'::email_kind, 'show:' || w.id,
           mail_due_at(p.frequency, :instant::timestamptz), :instant
      from shows w
      join lateral (select a.user_id from user_show_attendance a where a.show_id = w.id
                     union
                    select v.user_id from setlist_songs s join votes v on v.setlist_song_id = s.id
                     where s.show_id = w.id) g on true
      join email_preferences p on p.user_id = g.user_id
     where w.finalised_at > :instant - interval '24 hours' and w.status <> 'cancelled' and w.vote_count > 0
       and p.confirmed_at is not null and p.frequency <> 'never' and 'show_result' = any(p.kinds)
       and not exists (select from email_queue q
                        where q.user_id = g.user_id and q.kind = 'show_result' and q.about = 'show:' || w.id)
     limit :count::bigint
        on conflict (user_id, kind, about) do nothing
    returning 1
)
select count(*) from queued;

-- name: enqueue_news$
-- takes: instant, count; undo_s, how long an email waits, so that a mistake can be undone
-- gives: the number of enqueued rows, 0..count; fewer than count: nothing is left to enqueue
-- For shows still to come that were cancelled or got another date in the last 24 hours. No digest that comes after the old start is waited for.
with queued as (
    insert into email_queue (user_id, kind, about, not_before, created_at)
    select distinct on (f.user_id, n.show_id, n.change)
           f.user_id, f.kind, 'show:' || n.show_id || ':' || n.change,
           greatest(n.at + make_interval(secs => :undo_s::float8),
                    case when mail_due_at(f.frequency, :instant::timestamptz) < n.was_at then mail_due_at(f.frequency, :instant)
                         else :instant end), :instant
      from show_news n
      join shows w on w.id = n.show_id and w.starts_at > :instant
     cross join lateral fans_to_tell(n.show_id, n.change) f
     where n.at > :instant - interval '24 hours'
     limit :count::bigint
        on conflict (user_id, kind, about) do nothing
    returning 1
)
select count(*) from queued;

-- name: count_due$
-- takes: instant
-- gives: the number of due rows
select count(*) from email_queue where status in ('queued', 'sending') and not_before <= :instant::timestamptz;
