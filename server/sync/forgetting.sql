-- Deletes what came from one provider. Data that people voted on, or made theirs in another way, stay.

-- name: list_shows
-- takes: service, after_id, count
-- gives: shows that the provider listed first, or whose sets came from it, ordered by id
select s.id, s.slug
  from shows s
 where s.id > :after_id
   and (s.origin = :service::sync_service
        or (select p.service from show_predictions p where p.show_id = s.id) = :service::sync_service
        or :service::sync_service = 'setlistfm'
           and exists (select from show_identities i where i.show_id = s.id and i.service = 'setlistfm'))
 order by s.id
 limit :count;

-- name: lock_shows
-- takes: ids
-- gives: ids of the shows that still exist
-- locks: those shows, so that no fan joins one in the meantime
select id from shows where id = any(:ids::bigint[]) order by id for update;

-- name: list_expired
-- takes: days, after_id, count
-- gives: shows whose actual setlist setlist.fm has not shown for so many days, ordered by id
select s.id, s.slug
  from (select show_id, max(checked_at) as checked_at
          from show_identities where service = 'setlistfm' and songs is not null and show_id > :after_id
         group by show_id) i
  join shows s on s.id = i.show_id
 where i.checked_at < now() - make_interval(days => :days::int)
 order by s.id
 limit :count;

-- name: delete_played$
-- takes: service, ids of shows
-- gives: the number of shows whose actual setlist was deleted: one without votes, and unchanged since the provider gave it
-- locks: those sets and their songs; their shows, through the triggers
with gone as (
    delete from setlists l
     where l.show_id = any(:ids::bigint[]) and l.type = 'actual' and :service::sync_service = 'setlistfm'
       and exists (select from show_identities i
                    where i.show_id = l.show_id and i.service = 'setlistfm' and i.songs = songs_in_order(l.show_id, 'actual'))
       and not exists (select from setlists o join setlist_songs e on e.setlist_id = o.id
                        where o.show_id = l.show_id and o.type = 'actual' and e.up_count + e.down_count > 0)
    returning l.show_id
)
select count(distinct show_id) from gone;

-- name: settle_shows!
-- takes: ids of shows
-- locks: the rows of show_accuracy and show_identities of these shows
-- A show without an actual setlist keeps its scores for good, and gets the setlist again when the provider shows it
-- again. An actual setlist that stays is ours from now on.
with bare as (
    select w.id from unnest(:ids::bigint[]) as w (id)
     where not exists (select from setlists l where l.show_id = w.id and l.type = 'actual')
), settled as (
    update show_accuracy a set is_settled = true from bare b where a.show_id = b.id
)
update show_identities i
   set songs = null, version = case when i.show_id in (select id from bare) then '' else i.version end
 where i.show_id = any(:ids) and i.service = 'setlistfm';

-- name: delete_settled!
-- takes: service, ids of shows
-- locks: those rows, then the rows of voter_accuracy of these shows
-- Deletes scores whose actual setlist came from the service and was deleted before.
delete from show_accuracy
 where show_id = any(:ids::bigint[]) and is_settled and :service::sync_service = 'setlistfm';

-- name: delete_predicted$
-- takes: service, ids of shows
-- gives: the number of shows whose predicted sets were deleted: sets without changes, on shows without any vote ever
-- locks: those sets and their songs; their shows, through the triggers
with gone as (
    delete from setlists l
     using show_predictions p, shows s
     where l.show_id = any(:ids::bigint[]) and l.type = 'predicted' and s.id = l.show_id and p.show_id = l.show_id
       and p.service = :service::sync_service and s.vote_count = 0
       and not exists (select from vote_analytics a where a.show_id = l.show_id)
       and p.songs = songs_in_order(l.show_id, 'predicted')
    returning l.show_id
)
select count(distinct show_id) from gone;

-- name: delete_shows$
-- takes: service, ids
-- gives: the number of deleted shows: shows that only this service listed, without any vote ever, attendance, ticket,
--        suggestion, actual setlist or change by staff
-- locks: those shows and all rows that refer to them
-- The notification lets all nodes refuse votes on them.
with gone as (
    delete from shows s
     where s.id = any(:ids::bigint[]) and s.origin = :service::sync_service and s.vote_count = 0
       and not exists (select from vote_analytics a where a.show_id = s.id)
       and not exists (select from user_show_attendance g where g.show_id = s.id)
       and not exists (select from song_suggestions w where w.show_id = s.id)
       and not exists (select from ticket_codes t where t.show_id = s.id)
       and not exists (select from audit_log a where a.subject = 'show:' || s.id)
       and not exists (select from setlists l where l.show_id = s.id and l.type = 'actual')
       and songs_in_order(s.id, 'predicted') in ('{}', (select p.songs from show_predictions p where p.show_id = s.id))
    returning pg_notify('shows', s.id::text)
)
select count(*) from gone;

-- name: delete_venues$
-- takes: service, count
-- gives: the number of deleted venues: venues that only this service listed, without shows and reviews
-- locks: those venues
with gone as (
    delete from venues v
     where v.id in (select o.id from venues o
                     where o.origin = :service::sync_service
                       and not exists (select from shows s where s.venue_id = o.id)
                       and not exists (select from venue_reviews r where r.venue_id = o.id)
                     limit :count)
    returning 1
)
select count(*) from gone;

-- name: delete_rows^
-- takes: service; job_id, the job that forgets; count, for each table
-- gives: the numbers of deleted responses, ids and links, questions to a person, notes of predictions, and lines in the
--        logs of the service's jobs
-- locks: those rows
with answers as (
    delete from external_cache where ctid = any(array(
        select ctid from external_cache where service = :service::sync_service limit :count)) returning 1
), artists as (
    delete from artist_identities where ctid = any(array(
        select ctid from artist_identities where service = :service::sync_service limit :count)) returning 1
), venues as (
    delete from venue_identities where ctid = any(array(
        select ctid from venue_identities where service = :service::sync_service limit :count)) returning 1
), shows as (
    delete from show_identities where ctid = any(array(
        select ctid from show_identities where service = :service::sync_service limit :count)) returning 1
), songs as (
    delete from song_identities where ctid = any(array(
        select ctid from song_identities where service = :service::sync_service limit :count)) returning 1
), reviews as (
    delete from identity_reviews where ctid = any(array(
        select ctid from identity_reviews where service = :service::sync_service limit :count)) returning 1
), predictions as (
    delete from show_predictions where ctid = any(array(
        select ctid from show_predictions where service = :service::sync_service limit :count)) returning 1
), logged as (
    delete from import_log where ctid = any(array(
        select l.ctid from sync_jobs j join import_log l on l.job_id = j.id
         where j.service = :service::sync_service and j.id <> :job_id limit :count)) returning 1
)
select (select count(*) from answers) as answers,
       (select count(*) from artists) + (select count(*) from venues) + (select count(*) from shows)
       + (select count(*) from songs) as links,
       (select count(*) from reviews) as questions, (select count(*) from predictions) as notes,
       (select count(*) from logged) as log_lines;
