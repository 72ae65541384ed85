-- Staff's changes to a show. Every change raises the revision of the show, which tells all nodes.

-- name: lock_shard$
-- takes: id bigint or null, slug text or null of a show; exactly one is given
-- gives: the shard
-- locks: the log_positions row of its shard. Until the transaction ends no vote of the show is written, so songs and votes
--        are locked in one order (migrations/schema.sql)
select p.shard
  from log_positions p
 where p.shard = (select s.id % (select count(*) from log_positions) from shows s
                   where s.id = :id::bigint or s.slug = :slug::text)
   for update;

-- name: lock_show_row$
-- takes: id bigint or null, slug text or null; exactly one is given
-- gives: the id, or null
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
-- takes: id, and the new value of every setting
-- locks: that row of shows
update shows
   set opens_at = :opens_at, closes_at = :closes_at, is_locked = :is_locked, status = :status::show_status,
       votes_per_user_max = :votes_per_user_max, results = :results::results_visibility,
       finalised_at = case when :is_final::boolean then finalised_at end
 where id = :id::bigint;

-- name: mark_played$
-- takes: show_id, id of a song of its sets, is_played, at: the instant of the mark
-- gives: the id; null when the song is not in a set of this show
-- locks: that row of setlist_songs
update setlist_songs
   set played_at = case when :is_played::boolean then coalesce(played_at, :at::timestamptz) end
 where id = :id::bigint and show_id = :show_id::bigint
returning id;
