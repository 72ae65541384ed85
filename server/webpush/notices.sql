-- Makes the notices of fans, and their deliveries, for many fans in one statement.
-- The time is a parameter, `instant`, and comes from the clock of the node, so that a test can set it.

-- name: try_lock_notices$
-- gives: whether this node may make notices until its transaction ends
select pg_try_advisory_xact_lock(hashtext('mysetlist.webpush_notices'));

-- name: has_devices$
-- gives: whether any fan has a device
select (select id from webpush_devices order by id limit 1) is not null;

-- name: notice_voting_closes$
-- takes: instant; before_s, how long before the end of voting; count
-- gives: the number of fans with a new notice, 0..count; fewer than count: nobody is left
with fans as (
    select c.user_id, w.id as show_id, w.closes_at as expires_at
      from shows w
     cross join lateral fans_of_show(w.id) c
     where w.closes_at > :instant::timestamptz and w.closes_at <= :instant + make_interval(secs => :before_s::float8)
       and w.finalised_at is null and w.opens_at <= :instant and w.status <> 'cancelled' and not w.is_locked
       and exists (select from awake_devices('voting_closes', :instant) d where d.user_id = c.user_id)
       and not exists (select from webpush_notices n
                        where n.user_id = c.user_id and n.kind = 'voting_closes' and n.show_id = w.id)
     limit :count::bigint
), made as (
    insert into webpush_notices (user_id, kind, show_id, made_at, expires_at)
    select user_id, 'voting_closes', show_id, :instant, expires_at from fans
        on conflict (user_id, kind, show_id) do nothing
    returning id, user_id
), queued as (
    insert into webpush_deliveries (notice_id, device_id, not_before)
    select m.id, d.id, :instant from made m join awake_devices('voting_closes', :instant) d on d.user_id = m.user_id
)
select count(*) from made;

-- name: notice_show_begins$
-- takes: instant; within_s, how long after the start it is still told; count
-- gives: as notice_voting_closes
with fans as (
    select c.user_id, w.id as show_id, w.starts_at + make_interval(secs => :within_s::float8) as expires_at
      from shows w
     cross join lateral fans_of_show(w.id) c
     where w.status in ('upcoming', 'live')
       and w.starts_at <= :instant::timestamptz and w.starts_at > :instant - make_interval(secs => :within_s)
       and exists (select from awake_devices('show_begins', :instant) d where d.user_id = c.user_id)
       and not exists (select from webpush_notices n
                        where n.user_id = c.user_id and n.kind = 'show_begins' and n.show_id = w.id)
     limit :count::bigint
), made as (
    insert into webpush_notices (user_id, kind, show_id, made_at, expires_at)
    select user_id, 'show_begins', show_id, :instant, expires_at from fans
        on conflict (user_id, kind, show_id) do nothing
    returning id, user_id
), queued as (
    insert into webpush_deliveries (notice_id, device_id, not_before)
    select m.id, d.id, :instant from made m join awake_devices('show_begins', :instant) d on d.user_id = m.user_id
)
select count(*) from made;

-- name: notice_song_on$
-- takes: instant; within_s, how long after a song was marked as played its fans are still told; count
-- gives: as notice_voting_closes
-- The song that a fan voted up and that was played first.
with fans as (
    select distinct on (v.user_id, e.show_id)
           v.user_id, e.show_id, g.title as song, e.played_at + make_interval(secs => :within_s::float8) as expires_at
      from shows w
      join setlist_songs e on e.show_id = w.id and e.played_at > :instant::timestamptz - make_interval(secs => :within_s)
       and e.played_at <= :instant
      join songs g on g.id = e.song_id
      join votes v on v.setlist_song_id = e.id and v.choice = 'up'
     where w.status = 'live'
       and exists (select from awake_devices('song_on', :instant) d where d.user_id = v.user_id)
       and not exists (select from webpush_notices n
                        where n.user_id = v.user_id and n.kind = 'song_on' and n.show_id = e.show_id)
     order by v.user_id, e.show_id, e.played_at, e.id
     limit :count::bigint
), made as (
    insert into webpush_notices (user_id, kind, show_id, song, made_at, expires_at)
    select user_id, 'song_on', show_id, left(song, 300), :instant, expires_at from fans
        on conflict (user_id, kind, show_id) do nothing
    returning id, user_id
), queued as (
    insert into webpush_deliveries (notice_id, device_id, not_before)
    select m.id, d.id, :instant from made m join awake_devices('song_on', :instant) d on d.user_id = m.user_id
)
select count(*) from made;
