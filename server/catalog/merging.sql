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
-- locks: see the lock order (docs/data-model.md)
select merge_entries(:kind::text, :survivor::bigint, :duplicate::bigint, :actor_id::bigint);

-- name: preview_merge^
-- takes: kind, survivor, duplicate
-- gives: 0..1 row: what merge_entries() would do, told as fetch_merge does; no row: one of the two is missing
-- Reads only. Of each song, a place is a set, or all predicted sets of one act. A song that goes becomes one with the song of its place
-- that stays; without one, the first song that goes takes its part. `offset 0` and the scalar subquery have rows looked up one by one:
-- the planner takes two songs for many.
with pair as materialized (
    select gone, kept from songs_of_merge(:kind::text, :survivor::bigint, :duplicate::bigint)
), entry as materialized (
    select e.id, e.show_id, e.setlist_id, e.position, l.position as set_position, s.kept, s.gone,
           case when l.type = 'predicted' then format('act %s', l.artist_id) else format('set %s', l.id) end as place
      from (select gone as song_id, gone, kept from pair union all select distinct kept, null::bigint, kept from pair) s
      join setlist_songs e on e.song_id = s.song_id
     cross join lateral (select id, type, artist_id, position from setlists where id = e.setlist_id offset 0) l
), judged as materialized (
    select *, gone is not null and (bool_or(gone is null) over w or gone <> min(gone) over w) as folds
      from entry
    window w as (partition by show_id, kept, place)
), moved as materialized (
    select k.id as kept_id, v.user_id
      from judged j
     cross join lateral (select o.id
                           from judged o
                          where o.show_id = j.show_id and o.kept = j.kept and o.place = j.place and not o.folds
                          order by o.setlist_id <> j.setlist_id, o.set_position, o.position, o.id
                          limit 1) k
     cross join lateral (select user_id from votes where setlist_song_id = j.id offset 0) v
     where j.folds
), new as (
    select distinct m.kept_id, m.user_id
      from moved m
     where (select count(*) from votes v where v.setlist_song_id = m.kept_id and v.user_id = m.user_id) = 0
), one as (
    select id, name from artists where :kind::text = 'artist' and id in (:survivor::bigint, :duplicate::bigint)
    union all
    select id, name from venues where :kind::text = 'venue' and id in (:survivor::bigint, :duplicate::bigint)
    union all
    select id, title from songs where :kind::text = 'song' and id in (:survivor::bigint, :duplicate::bigint)
)
select o.name, now() as made_at, (select count(*) from judged where folds) as folded_songs,
       (select count(*) from moved) as moved_votes, (select count(*) from moved) - (select count(*) from new) as folded_votes,
       (select count(*) from user_follows_artists f where :kind::text = 'artist' and f.artist_id = o.id) as moved_follows,
       (select count(*) from shows w where :kind::text = 'artist' and w.artist_id = o.id)
       + (select count(*) from shows w where :kind::text = 'venue' and w.venue_id = o.id)
       + (select count(distinct show_id) from judged where gone is not null and not folds) as changed_shows
  from one o
 where o.id = :duplicate::bigint and exists (select from one s where s.id = :survivor::bigint);

-- name: is_name_taken$
-- takes: id, of a merge
-- gives: whether something has the slug or title of the duplicate now
select case m.kind when 'artist' then exists (select from artists a where a.slug = m.slug)
                   when 'venue' then exists (select from venues v where v.slug = m.slug)
                   else exists (select from songs s where s.artist_id = (m.duplicate ->> 'artist_id')::bigint
                                                      and s.title = m.duplicate ->> 'title') end
  from merges m
 where m.id = :id::bigint;

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
