-- What nodes read to score the picks of a show. docs/game.md explains the rules.

-- name: find_game^
-- takes: id bigint or null, slug text or null of a show, exactly one is given
-- gives: 0..1 row: the show, with the names of its artist and venue; position: of its picks, null: it has none; is_counted: its final points stand in standings
select w.id, w.name, a.name as artist, v.name as venue, w.revision, w.status::text as status, p.position,
       w.status <> 'upcoming' or show_begins_at(w.id) <= clock_timestamp() as is_locked,
       exists (select from standings s where s.board = 'show' and s.subject_id = w.id)
       and not exists (select from boards_to_count b where b.board = 'show' and b.subject_id = w.id) as is_counted
  from shows w
  join artists a on a.id = w.artist_id
  join venues v on v.id = w.venue_id
  left join picked_shows p on p.show_id = w.id
 where w.id = :id::bigint or w.slug = :slug::text;

-- name: read_picks^
-- takes: show_id; after_id, 0 at first; count
-- gives: 1 row: how many picks follow after_id, at most count; the id of the last one; and for each its fan, ten songs, opener,
--        closer and encore as big-endian numbers of 64 bits (0: none), in the order of their ids
select count(*) as pick_count, max(id) as last_id,
       string_agg(int8send(coalesce(user_id, 0))
                  || int8send(song_ids[1]) || int8send(coalesce(song_ids[2], 0)) || int8send(coalesce(song_ids[3], 0))
                  || int8send(coalesce(song_ids[4], 0)) || int8send(coalesce(song_ids[5], 0)) || int8send(coalesce(song_ids[6], 0))
                  || int8send(coalesce(song_ids[7], 0)) || int8send(coalesce(song_ids[8], 0)) || int8send(coalesce(song_ids[9], 0))
                  || int8send(coalesce(song_ids[10], 0)) || int8send(coalesce(opener, 0)) || int8send(coalesce(closer, 0))
                  || int8send(coalesce(encore, 0)), ''::bytea order by id) as packed
  from (select * from picks where show_id = :show_id::bigint and id > :after_id::bigint order by id limit :count::bigint) p;

-- name: count_picks$
-- takes: show_id
select count(*) from picks where show_id = :show_id::bigint;

-- name: merged_songs
-- takes: song_ids
-- gives: 0..n rows: a song that was merged, and the song that it became
select id, survivor_id from merged_songs(:song_ids::bigint[]);

-- name: played_songs
-- takes: show_id
-- gives: 0..n rows: the songs that were played, in order; is_own: by the show's own artist; is_encore: in an encore
-- A marked song counts until the show is over and the actual set of its act is known: then only that set counts.
with place as (
    select e.song_id, l.type, l.kind, l.position as set_position, e.position, e.played_at, w.status,
           coalesce(l.artist_id, w.artist_id) = w.artist_id as is_own,
           bool_or(l.type = 'actual') over (partition by coalesce(l.artist_id, w.artist_id)) and w.status = 'finished' as is_known
      from shows w
      join setlists l on l.show_id = w.id
      join setlist_songs e on e.setlist_id = l.id and not e.is_tape
     where w.id = :show_id::bigint
)
select song_id, is_own, kind = 'encore' as is_encore
  from place
 where type = 'actual' or (played_at is not null and not is_known)
 order by case when not is_known then played_at end nulls last, set_position, position;
