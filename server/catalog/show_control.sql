-- What staff changes about a show. Every change raises its revision, which tells all nodes.

-- name: lock_shard$
-- takes: id bigint or null, slug text or null of a show; exactly one is given
-- locks: the log_positions row of its shard: until the end no vote of the show is written, so songs and votes are locked in
--        one order (see the first migration)
select p.shard
  from log_positions p
 where p.shard = (select s.id % (select count(*) from log_positions) from shows s
                   where s.id = :id::bigint or s.slug = :slug::text)
   for update;

-- name: lock_show_row$
-- takes: id bigint or null, slug text or null; exactly one is given
-- locks: that row of shows, until the transaction ends
select id from shows where id = :id::bigint or slug = :slug::text for update;

-- name: show_settings^
-- takes: id bigint or null, slug text or null; exactly one is given
-- gives: 0..1 row
select id, revision, status::text as status, opens_at, closes_at, is_locked, finalised_at is not null as is_final,
       votes_per_user_max, results::text as results, time_zone
  from shows
 where id = :id::bigint or slug = :slug::text;

-- name: update_show!
-- takes: id, and everything as it is to be
-- locks: that row of shows
update shows
   set opens_at = :opens_at, closes_at = :closes_at, is_locked = :is_locked, status = :status::show_status,
       votes_per_user_max = :votes_per_user_max, results = :results::results_visibility,
       finalised_at = case when :is_final::boolean then finalised_at end
 where id = :id::bigint;

-- name: mark_played$
-- takes: show_id, id of a song of its sets, is_played
-- gives: the id; none: it is not one of this show's
-- locks: that row of setlist_songs
update setlist_songs
   set played_at = case when :is_played::boolean then coalesce(played_at, now()) end
 where id = :id::bigint and show_id = :show_id::bigint
returning id;

-- name: log_act!
-- takes: actor_id, action, subject, detail as JSON
insert into audit_log (actor_id, action, subject, detail)
values (:actor_id::bigint, :action::text, :subject::text, :detail::text::jsonb);
