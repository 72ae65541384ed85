-- Songs that were removed from the sets of a show with their votes.

-- name: list_removed
-- takes: show_id
-- gives: the removed songs that can be put back, newest first
select r.id, r.setlist_id, r.song_id, g.title, r.vote_count, r.removed_at
  from removed_songs r
  join songs g on g.id = r.song_id
 where r.show_id = :show_id::bigint
 order by r.removed_at desc, r.id desc
 limit 200;

-- name: restore_song$
-- takes: id, show_id, whose shard the transaction holds
-- gives: see the function of that name in migrations
-- locks: that row of removed_songs, then what counts its votes, see the lock order (docs/data-model.md)
select restore_song(:id::bigint, :show_id::bigint);
