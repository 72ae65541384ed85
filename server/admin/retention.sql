-- Retention: deletes old rows. Large tables are processed in batches, each a statement and a transaction of its own.
-- locks: each query locks the rows that it deletes or changes, then those that are deleted with them

-- name: delete_log_commits$
-- takes: minutes
-- gives: the number of deleted rows
with gone as (
    delete from log_commits where committed_at < now() - make_interval(mins => :minutes::int) returning 1
)
select count(*) from gone;

-- name: delete_vote_limits^
-- takes: days; after_user_id and after_day, the last key of the batch before; count
-- gives: the numbers of deleted and of seen rows, and the last key
-- It follows the primary key: another index would cost more writes than it saves. The newest row of a user stays: it says that
-- the user voted (erase_history).
with page as (
    select user_id, day from user_vote_limits
     where (user_id, day) > (:after_user_id::bigint, :after_day::date)
     order by user_id, day
     limit :count::bigint
), gone as (
    delete from user_vote_limits l using page p
     where l.user_id = p.user_id and l.day = p.day and p.day < current_date - :days::int
       and exists (select from user_vote_limits n where n.user_id = p.user_id and n.day > p.day)
    returning 1
)
select (select count(*) from gone) as deleted, count(*) as seen, max(user_id) as user_id,
       (select day from page order by user_id desc, day desc limit 1) as day
  from page;

-- name: delete_cast_orders^
-- takes: after_user_id and after_show_id, the last key of the batch before; count
-- gives: the numbers of deleted and of seen rows, and the last key
-- A show that is gone or final takes no casts, so it needs no orders.
with page as (
    select user_id, show_id from cast_orders
     where (user_id, show_id) > (:after_user_id::bigint, :after_show_id::bigint)
     order by user_id, show_id
     limit :count::bigint
), gone as (
    delete from cast_orders o using page p
     where o.user_id = p.user_id and o.show_id = p.show_id
       and not exists (select from shows w where w.id = p.show_id and w.finalised_at is null)
    returning 1
)
select (select count(*) from gone) as deleted, count(*) as seen, max(user_id) as user_id,
       (select show_id from page order by user_id desc, show_id desc limit 1) as show_id
  from page;

-- name: delete_email_log$
-- takes: days, count
-- gives: the number of deleted rows; fewer than count: no more are left
with gone as (
    delete from email_log
     where id in (select id from email_log where at < now() - make_interval(days => :days::int) order by at limit :count::bigint)
    returning 1
)
select count(*) from gone;

-- name: delete_email_queue$
-- takes: days, count
-- gives: the number of deleted rows; fewer than count: no more are left
with gone as (
    delete from email_queue
     where id in (select id from email_queue
                   where created_at < now() - make_interval(days => :days::int) and status in ('sent', 'failed', 'suppressed')
                   order by id
                   limit :count::bigint)
    returning 1
)
select count(*) from gone;

-- name: delete_webhook_events$
-- takes: days, count
-- gives: the number of deleted rows; fewer than count: no more are left
-- Their deliveries are deleted with them; the last attempt of any was made long before.
with gone as (
    delete from webhook_events
     where id in (select id from webhook_events where at < now() - make_interval(days => :days::int) order by at limit :count::bigint)
    returning 1
)
select count(*) from gone;

-- name: delete_webpush_notices$
-- takes: days, count
-- gives: the number of deleted rows; fewer than count: no more are left
with gone as (
    delete from webpush_notices
     where id in (select id from webpush_notices where made_at < now() - make_interval(days => :days::int) order by made_at limit :count::bigint)
    returning 1
)
select count(*) from gone;

-- name: delete_import_log$
-- takes: days, count
-- gives: the number of deleted rows; fewer than count: no more are left
with gone as (
    delete from import_log
     where id in (select i.id from sync_jobs j join import_log i on i.job_id = j.id
                   where j.created_at < now() - make_interval(days => :days::int)
                     and j.status in ('succeeded', 'failed', 'cancelled')
                   limit :count::bigint)
    returning 1
)
select count(*) from gone;

-- name: delete_sync_jobs$
-- takes: days, count
-- gives: the number of deleted jobs, with their progress and log; fewer than count: no more are left
with gone as (
    delete from sync_jobs
     where id in (select id from sync_jobs
                   where created_at < now() - make_interval(days => :days::int)
                     and status in ('succeeded', 'failed', 'cancelled')
                   order by id
                   limit :count::bigint)
    returning 1
)
select count(*) from gone;

-- name: delete_service_health$
-- takes: days
-- gives: the number of deleted hours
with gone as (
    delete from service_health where hour < now() - make_interval(days => :days::int) returning 1
)
select count(*) from gone;

-- name: delete_show_news$
-- takes: days, count
-- gives: the number of deleted rows, 0..count
with gone as (
    delete from show_news
     where id in (select id from show_news where at < now() - make_interval(days => :days::int) limit :count::bigint)
    returning 1
)
select count(*) from gone;

-- name: delete_backups$
-- takes: days, count
-- gives: the number of deleted notes, 0..count; the newest one stays
with gone as (
    delete from backups
     where id in (select id from backups
                   where made_at < now() - make_interval(days => :days::int)
                     and made_at < (select max(made_at) from backups)
                   limit :count::bigint)
    returning 1
)
select count(*) from gone;

-- name: delete_level_minutes$
-- takes: days, count
-- gives: the number of deleted rows, 0..count
with old as (
    select minute, level from level_minutes where minute < now() - make_interval(days => :days::int) limit :count::bigint
), gone as (
    delete from level_minutes m using old o where m.minute = o.minute and m.level = o.level returning 1
)
select count(*) from gone;

-- name: delete_operations$
-- takes: days
-- gives: the number of deleted operations
with gone as (
    delete from database_operations
     where started_at < now() - make_interval(days => :days::int) and status <> 'running' returning 1
)
select count(*) from gone;

-- name: delete_answers$
-- takes: days; services and kept_days: arrays of one length; count
-- gives: the number of deleted responses: those that have been stale for so many days, or are older than their service
--        allows; the note that an endpoint was withdrawn is no response
with gone as (
    delete from external_cache
     where ctid = any(array(select c.ctid
                              from external_cache c
                              left join unnest(:services::sync_service[], :kept_days::int[]) as k (service, days)
                                     on k.service = c.service and c.kind <> 'withdrawn'
                             where c.fresh_until < now() - make_interval(days => :days::int)
                                or c.fetched_at < now() - make_interval(days => k.days)
                             limit :count::bigint))
    returning 1
)
select count(*) from gone;

-- name: delete_links$
-- takes: services and kept_days: arrays of one length; count, for each table
-- gives: the number of deleted ids and links that their service has not shown for so long, and of questions about them
--        that nobody answered
-- Links to setlists stay, because shows link to them even when we may not keep the setlist itself. The second condition on
-- checked_at keeps a row that was shown again while this statement waited for it.
with old as materialized (
    select k.service, now() - make_interval(days => k.days) as before
      from unnest(:services::sync_service[], :kept_days::int[]) as k (service, days)
), artists_gone as (
    delete from artist_identities i using old o
     where i.service = o.service and i.checked_at < o.before
       and i.ctid = any(array(select x.ctid from artist_identities x join old y on y.service = x.service and x.checked_at < y.before
                               limit :count::bigint))
    returning 1
), venues_gone as (
    delete from venue_identities i using old o
     where i.service = o.service and i.checked_at < o.before
       and i.ctid = any(array(select x.ctid from venue_identities x join old y on y.service = x.service and x.checked_at < y.before
                               limit :count::bigint))
    returning 1
), songs_gone as (
    delete from song_identities i using old o
     where i.service = o.service and i.checked_at < o.before
       and i.ctid = any(array(select x.ctid from song_identities x join old y on y.service = x.service and x.checked_at < y.before
                               limit :count::bigint))
    returning 1
), shows_gone as (
    delete from show_identities i using old o
     where i.service = o.service and i.checked_at < o.before
       and i.ctid = any(array(select x.ctid from show_identities x join old y on y.service = x.service and x.checked_at < y.before
                               where x.service <> 'setlistfm'
                               limit :count::bigint))
    returning 1
), reviews_gone as (
    delete from identity_reviews i using old o
     where i.service = o.service and i.verdict = 'open' and i.created_at < o.before
       and i.ctid = any(array(select x.ctid from identity_reviews x join old y on y.service = x.service and x.created_at < y.before
                               where x.verdict = 'open'
                               limit :count::bigint))
    returning 1
)
select (select count(*) from artists_gone) + (select count(*) from venues_gone) + (select count(*) from songs_gone)
       + (select count(*) from shows_gone) + (select count(*) from reviews_gone);

-- name: delete_activity$
-- takes: days, count
-- gives: the number of deleted events
with gone as (
    delete from activity
     where position = any(array(select position from activity
                                 where created_at < now() - make_interval(days => :days::int)
                                 order by created_at limit :count::bigint))
    returning 1
)
select count(*) from gone;

-- name: delete_sessions$
-- takes: count
-- gives: the number of deleted sessions: those whose tokens have expired
with gone as (
    delete from sessions
     where id = any(array(select id from sessions where expires_at < now() order by expires_at limit :count::bigint))
    returning 1
)
select count(*) from gone;

-- name: forget_address_hashes$
-- takes: hours, count
-- gives: the number of sessions whose hashed address, program and network were deleted
with forgotten as (
    update sessions set address_hash = null, agent_hash = null, subnet_hash = null
     where id = any(array(select id from sessions
                           where address_hash is not null and created_at < now() - make_interval(hours => :hours::int)
                           order by created_at limit :count::bigint))
    returning 1
)
select count(*) from forgotten;

-- name: delete_merge_rows$
-- takes: days, count
-- gives: the number of deleted rows of merges that cannot be undone any more
with gone as (
    delete from merge_rows
     where id = any(array(select r.id from merges m join merge_rows r on r.merge_id = m.id
                           where m.made_at < now() - make_interval(days => :days::int) limit :count::bigint))
    returning 1
)
select count(*) from gone;

-- name: delete_merge_folds$
-- takes: days, count
-- gives: the number of deleted pairs of songs, with their votes, of merges that cannot be undone any more
with gone as (
    delete from merge_folds
     where id = any(array(select f.id from merges m join merge_folds f on f.merge_id = m.id
                           where m.made_at < now() - make_interval(days => :days::int) limit :count::bigint))
    returning 1
)
select count(*) from gone;

-- name: delete_removed_songs$
-- takes: days, count
-- gives: the number of deleted songs, with their votes
with gone as (
    delete from removed_songs
     where id = any(array(select id from removed_songs where removed_at < now() - make_interval(days => :days::int)
                           order by removed_at limit :count::bigint))
    returning 1
)
select count(*) from gone;

-- name: orphaned_users
-- takes: days, count
-- gives: ids of anonymous users without any data, whose last token ended so many days ago, so that no vote of theirs can
--        still be on its way
-- The history is read once from end to end: it has no index by user, because it is written far more often than read.
select u.id
  from users u
 where u.token_until < now() - make_interval(days => :days::int) and u.role = 'user' and u.nobody is null
   and not exists (select from votes v where v.user_id = u.id)
   and not exists (select from voter_accuracy a where a.user_id = u.id)
   and not exists (select from user_profiles p where p.user_id = u.id)
   and not exists (select from user_identities i where i.user_id = u.id)
   and not exists (select from ticket_codes t where t.user_id = u.id)
   and not exists (select from song_suggestions s where s.user_id = u.id)
   and not exists (select from user_vote_limits l where l.user_id = u.id)
   and not exists (select from cast_orders o where o.user_id = u.id)
   and not exists (select from user_follows_artists f where f.user_id = u.id)
   and not exists (select from user_show_attendance g where g.user_id = u.id)
   and not exists (select from email_preferences e where e.user_id = u.id)
   and not exists (select from calendar_feeds c where c.user_id = u.id)
   and not exists (select from picks p where p.user_id = u.id)
   and not exists (select from standings s where s.user_id = u.id)
   and not exists (select from crew_members c where c.user_id = u.id)
   and not exists (select from ledger_secrets f where f.user_id = u.id)
   and not exists (select from ledger_notes n where n.user_id = u.id)
   and not exists (select from vote_analytics h where h.user_id = u.id)
 limit :count::bigint;

-- name: delete_orphans$
-- takes: ids of users
-- gives: 1 value: the number of deleted users: those that still have no row in any table that refers to users
with gone as (
    delete from users u
     where u.id = any(:ids::bigint[])
       and not exists (select from votes x where x.user_id = u.id)
       and not exists (select from voter_accuracy x where x.user_id = u.id)
       and not exists (select from user_vote_limits x where x.user_id = u.id)
       and not exists (select from cast_orders x where x.user_id = u.id)
       and not exists (select from user_profiles x where x.user_id = u.id)
       and not exists (select from user_identities x where x.user_id = u.id)
       and not exists (select from ticket_codes x where x.user_id = u.id)
       and not exists (select from song_suggestions x where x.user_id = u.id)
       and not exists (select from user_follows_artists x where x.user_id = u.id)
       and not exists (select from user_show_attendance x where x.user_id = u.id)
       and not exists (select from calendar_feeds x where x.user_id = u.id)
       and not exists (select from picks x where x.user_id = u.id)
       and not exists (select from standings x where x.user_id = u.id)
       and not exists (select from crew_members x where x.user_id = u.id)
       and not exists (select from ledger_secrets x where x.user_id = u.id)
       and not exists (select from ledger_notes x where x.user_id = u.id)
       and not exists (select from venue_reviews x where x.user_id = u.id)
       and not exists (select from reports x where x.reporter_id = u.id)
       and not exists (select from reports x where x.decided_by = u.id)
       and not exists (select from content_moderation x where x.decided_by = u.id)
       and not exists (select from moderation_log x where x.moderator_id = u.id)
       and not exists (select from audit_log x where x.actor_id = u.id)
       and not exists (select from user_bans x where x.user_id = u.id)
       and not exists (select from user_bans x where x.banned_by = u.id)
       and not exists (select from user_bans x where x.lifted_by = u.id)
       and not exists (select from email_preferences x where x.user_id = u.id)
       and not exists (select from email_queue x where x.user_id = u.id)
       and not exists (select from email_log x where x.user_id = u.id)
       and not exists (select from identity_reviews x where x.decided_by = u.id)
       and not exists (select from api_keys x where x.user_id = u.id)
       and not exists (select from database_operations x where x.started_by = u.id)
       and not exists (select from vote_groups x where x.decided_by = u.id)
       and not exists (select from vote_group_members x where x.user_id = u.id)
    returning 1
)
select count(*) from gone;

-- name: delete_vote_groups$
-- takes: days, count
-- gives: the number of deleted groups: of shows that have been final for so long, and whose votes count
-- locks: erasures; these groups and their members
with turn as materialized (
    select pg_advisory_xact_lock(hashtext('mysetlist.erase_user'))
), due as materialized (
    select g.id
      from vote_groups g
      join shows w on w.id = g.show_id
     where g.state = g.decision and g.state in ('open', 'restored') and w.finalised_at < now() - make_interval(days => :days::int)
       and (select count(*) from turn) > 0
     order by g.id
     limit :count::bigint
), gone as (
    delete from vote_groups
     where id in (select id from due) and state = decision and state in ('open', 'restored')
    returning 1
)
select count(*) from gone;
