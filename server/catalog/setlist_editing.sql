-- Staff's changes to the sets of a show. Triggers raise the revision of the show, which tells all nodes.

-- name: find_set^
-- takes: show_id; setlist_id, or null for the first predicted set of the show
-- gives: 0..1 row: the set, the artist who plays it, and the number of its songs
select l.id, l.type::text as type, coalesce(l.artist_id, w.artist_id) as artist_id,
       (select count(*) from setlist_songs e where e.setlist_id = l.id) as song_count
  from setlists l
  join shows w on w.id = l.show_id
 where l.show_id = :show_id::bigint and (l.id = :setlist_id::bigint or (:setlist_id::bigint is null and l.type = 'predicted'))
 order by l.position
 limit 1;

-- name: find_song^
-- takes: id bigint
-- gives: 0..1 row
select id, title from songs where id = :id::bigint;

-- name: song_of_title^
-- takes: artist_id bigint, title
-- gives: 1 row: the artist's song of this title, whatever its case and accents; a new song when there is none
with known as (
    select id, title from songs where artist_id = :artist_id::bigint and folded = fold(:title::text) order by id limit 1
), made as (
    insert into songs (artist_id, title) select :artist_id, :title where not exists (select from known) returning id, title
)
select id, title from known union all select id, title from made;

-- name: make_room!
-- takes: setlist_id, position
-- locks: those rows of setlist_songs
-- Moves the song at this position and all later ones down by one. The key on positions is deferred (defer_positions).
update setlist_songs set position = position + 1 where setlist_id = :setlist_id::bigint and position >= :position::int;

-- name: close_gap!
-- takes: setlist_id, a position that is free now
-- locks: those rows of setlist_songs
-- Moves all later songs up by one.
update setlist_songs set position = position - 1 where setlist_id = :setlist_id::bigint and position > :position::int;

-- name: add_set_song^
-- takes: setlist_id, show_id, song_id, position, note
-- gives: the id that fans vote on; none when the song is in this set already
insert into setlist_songs (setlist_id, show_id, song_id, position, note)
values (:setlist_id::bigint, :show_id::bigint, :song_id::bigint, :position::int, :note::text)
    on conflict on constraint setlist_songs_song_key do nothing
returning id;

-- name: lock_set_song^
-- takes: id, show_id
-- gives: 0..1 row; vote_count: with votes that are set aside
-- locks: that row of setlist_songs
select e.id, e.setlist_id, e.song_id, g.title, e.position, e.note,
       e.up_count + e.down_count + e.set_aside_up_count + e.set_aside_down_count as vote_count
  from setlist_songs e
  join songs g on g.id = e.song_id
 where e.id = :id::bigint and e.show_id = :show_id::bigint
   for update of e;

-- name: defer_positions!
-- The key on positions is checked at the commit, when all songs have moved.
set constraints setlist_songs_place_key deferred;

-- name: move_set_song!
-- takes: id, position, note
-- locks: that row of setlist_songs
update setlist_songs set position = :position::int, note = :note::text where id = :id::bigint;

-- name: delete_set_song!
-- takes: id
-- locks: its votes, which are deleted with it
delete from setlist_songs where id = :id::bigint;
