-- Merges of duplicates. The functions are in migrations.

-- name: fold_shows
-- takes: kind, survivor, duplicate
-- gives: the shows with two songs in their sets that the merge makes one
select distinct f.show_id
  from songs_of_merge(:kind::text, :survivor::bigint, :duplicate::bigint) p
 cross join lateral folds_of_songs(p.gone, p.kept) f
 order by f.show_id;

-- name: merge_entries$
-- takes: kind, survivor, duplicate, actor_id
-- gives: see the function of that name in migrations
select merge_entries(:kind::text, :survivor::bigint, :duplicate::bigint, :actor_id::bigint);

-- name: fetch_merge^
-- takes: id
-- gives: 0..1 row: the merge, and what it did
select m.id, m.kind, m.survivor_id, m.duplicate_id, coalesce(m.duplicate ->> 'name', m.duplicate ->> 'title') as name,
       m.made_by, m.made_at, m.undone_at,
       m.undone_at is null and m.made_at > now() - interval '1 day' as can_undo,
       (select count(*) from merge_folds f where f.merge_id = m.id) as folded_songs,
       (select count(*) from merge_folds f join merge_votes v on v.fold_id = f.id where f.merge_id = m.id) as moved_votes,
       (select count(*) from merge_folds f join merge_votes v on v.fold_id = f.id
         where f.merge_id = m.id and v.kept_choice is not null) as folded_votes,
       (select count(*) from merge_rows r where r.merge_id = m.id and r.relation = 'follow') as moved_follows,
       (select count(*) from merge_rows r where r.merge_id = m.id and r.relation in ('shows_of_artist', 'shows_of_venue'))
       + (select count(distinct e.show_id) from merge_rows r join setlist_songs e on e.id = r.row_id
           where r.merge_id = m.id and r.relation = 'setlist_songs') as changed_shows
  from merges m
 where m.id = :id::bigint;

-- name: list_merges
-- takes: before_id (null: first page), count
-- gives: 0..count ids of merges, latest first
select id from merges where :before_id::bigint is null or id < :before_id order by id desc limit :count::bigint;

-- name: lock_merge^
-- takes: id
-- gives: 0..1 row; later: the first later merge of one of the two entries that is not undone
-- locks: that row
select m.id, m.kind, m.survivor_id, m.duplicate_id, m.undone_at, m.made_at > now() - interval '1 day' as is_recent,
       (select min(o.id) from merges o
         where o.id > m.id and o.kind = m.kind and o.undone_at is null
           and (o.survivor_id in (m.survivor_id, m.duplicate_id) or o.duplicate_id in (m.survivor_id, m.duplicate_id))) as later
  from merges m
 where m.id = :id::bigint
   for update of m;

-- name: shows_of_folds
-- takes: merge_id
-- gives: the shows in which the merge made two songs one
select distinct show_id from merge_folds where merge_id = :merge_id::bigint order by show_id;

-- name: undo_merge!
-- takes: id
-- See the function of that name in migrations.
select undo_merge(:id::bigint);

-- name: merged_into$
-- takes: kind, old_id or old_slug of an entry
-- gives: the id that it leads to now, or null
select merged_into(:kind::text, :old_id::bigint, :old_slug::text);
