-- All sets of a show, written as a whole.

-- name: list_sets
-- takes: show_id
select id, type::text as type, kind::text as kind, name, artist_id, position
  from setlists where show_id = :show_id::bigint order by type, position;

-- name: list_set_songs
-- takes: show_id
-- gives: the songs of its sets; raw_count: vote_count and votes that are set aside
select e.id, e.setlist_id, e.song_id, g.title, e.position, e.note, e.is_tape, e.medley, e.up_count + e.down_count as vote_count,
       e.up_count + e.down_count + e.set_aside_up_count + e.set_aside_down_count as raw_count
  from setlist_songs e
  join songs g on g.id = e.song_id
 where e.show_id = :show_id::bigint
 order by e.setlist_id, e.position;

-- name: find_songs
-- takes: ids bigint[]
select id from songs where id = any(:ids::bigint[]);

-- name: find_acts
-- takes: show_id
-- gives: the acts on the bill
select artist_id from show_artists where show_id = :show_id::bigint;

-- name: make_way!
-- takes: show_id
-- locks: the sets of the show
-- Moves all sets behind their places, so that each place is free. No show has a thousand sets.
update setlists set position = position + 1000 where show_id = :show_id::bigint;

-- name: place_set!
-- takes: id, kind, name, artist_id, position
-- locks: that row of setlists
update setlists
   set kind = :kind::text::set_kind, name = :name, artist_id = :artist_id::bigint, position = :position::int
 where id = :id::bigint;

-- name: insert_set$
-- takes: show_id, type, kind, name, artist_id, position
-- gives: the id
insert into setlists (show_id, type, kind, name, artist_id, position)
values (:show_id::bigint, :type::text::setlist_type, :kind::text::set_kind, :name, :artist_id::bigint, :position::int)
returning id;

-- name: delete_songs!
-- takes: ids
-- locks: their votes, which are deleted with them, and kept for 30 days
delete from setlist_songs where id = any(:ids::bigint[]);

-- name: delete_sets!
-- takes: ids
-- locks: those rows of setlists, then the songs that are still in them
delete from setlists where id = any(:ids::bigint[]);

-- name: place_songs!
-- takes: ids, setlist_ids, positions, notes, tapes, medleys: arrays of one length
-- locks: those rows of setlist_songs
update setlist_songs e
   set setlist_id = g.setlist_id, position = g.position, note = g.note, is_tape = g.is_tape, medley = g.medley
  from unnest(:ids::bigint[], :setlist_ids::bigint[], :positions::int[], :notes::text[], :tapes::boolean[], :medleys::smallint[])
       as g (id, setlist_id, position, note, is_tape, medley)
 where e.id = g.id;

-- name: insert_songs!
-- takes: show_id; setlist_ids, song_ids, positions, notes, tapes, medleys: arrays of one length
insert into setlist_songs (setlist_id, show_id, song_id, position, note, is_tape, medley)
select g.setlist_id, :show_id::bigint, g.song_id, g.position, g.note, g.is_tape, g.medley
  from unnest(:setlist_ids::bigint[], :song_ids::bigint[], :positions::int[], :notes::text[], :tapes::boolean[],
              :medleys::smallint[])
       as g (setlist_id, song_id, position, note, is_tape, medley);
