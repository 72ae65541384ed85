-- Makes the notices of fans, and their deliveries, for many fans in one statement.
-- The time is a parameter, `instant`, and comes from the clock of the node, so that a test can set it.

-- name: try_lock_notices$
-- gives: whether this node may make notices until its transaction ends
select pg_try_advisory_xact_lock(hashtext('mysetlist.webpush_notices'));

-- name: has_devices$
-- gives: whether any fan has a device
select (select id from webpush_devices order by id limit 1) is not null;

-- name: make_notices$
-- takes: kind; instant; closes_before_s, how long before the end of voting fans are told; begins_within_s, how long after the start they
--        are still told; song_within_s, how long after a song was marked as played they are still told; song_pause_s, the pause between
--        two songs of a fan in a show; count
-- gives: the number of fans with a new notice, 0..count; fewer than count: nobody is left
-- Only the branch of `kind` is run. Of the songs that a fan voted up, the notice names the one that was played last: it is on now.
with due as not materialized (
    select c.user_id, w.id as show_id, 0::bigint as setlist_song_id, '' as song, w.closes_at as expires_at
      from shows w
     cross join lateral fans_of_show(w.id) c
     where :kind::webpush_kind = 'voting_closes'
       and w.closes_at > :instant::timestamptz and w.closes_at <= :instant + make_interval(secs => :closes_before_s::float8)
       and w.finalised_at is null and w.opens_at <= :instant and w.status <> 'cancelled' and not w.is_locked
    union all
    select c.user_id, w.id, 0, '', w.starts_at + make_interval(secs => :begins_within_s::float8)
      from shows w
     cross join lateral fans_of_show(w.id) c
     where :kind = 'show_begins' and w.status in ('upcoming', 'live')
       and w.starts_at <= :instant and w.starts_at > :instant - make_interval(secs => :begins_within_s)
    union all
    select * from (
        select distinct on (v.user_id, e.show_id)
               v.user_id, e.show_id, e.id, left(g.title, 300), e.played_at + make_interval(secs => :song_within_s::float8)
          from shows w
          join setlist_songs e on e.show_id = w.id
           and e.played_at > :instant - make_interval(secs => :song_within_s) and e.played_at <= :instant
          join songs g on g.id = e.song_id
          join votes v on v.setlist_song_id = e.id and v.choice = 'up'
         where :kind = 'song_on' and w.status = 'live'
         order by v.user_id, e.show_id, e.played_at desc, e.id desc) newest
), fans as (
    select f.*
      from due f
     where exists (select from awake_devices(:kind, :instant) d where d.user_id = f.user_id)
       and not exists (
           select from webpush_notices n
            where n.user_id = f.user_id and n.kind = :kind and n.show_id = f.show_id
              and (n.setlist_song_id = f.setlist_song_id or n.made_at > :instant - make_interval(secs => :song_pause_s::float8)))
     limit :count::bigint
), made as (
    insert into webpush_notices (user_id, kind, show_id, setlist_song_id, song, made_at, expires_at)
    select user_id, :kind, show_id, setlist_song_id, song, :instant, expires_at from fans
        on conflict (user_id, kind, show_id, setlist_song_id) do nothing
    returning id, user_id
), queued as (
    insert into webpush_deliveries (notice_id, device_id, not_before)
    select m.id, d.id, :instant from made m join awake_devices(:kind, :instant) d on d.user_id = m.user_id
)
select count(*) from made;
