-- What an artist plays and what fans want to hear, for the page of the artist. Each query reads few shows.

-- name: shows_of_rotation
-- takes: artist_id bigint, count bigint
-- gives: 0..count rows: the last finished shows of the artist whose played set is known, latest first; accuracy as in
--        setlists_of_show
select s.id, s.slug, s.name, s.local_date, v.id as venue_id, v.slug as venue_slug, v.name as venue_name, v.city,
       case when results_audience(s.results, s.finalised_at) = 0 then accuracy_of(s.id)::text end as accuracy
  from (select id, slug, name, local_date, starts_at, venue_id, results, finalised_at
          from shows s
         where artist_id = :artist_id::bigint and status = 'finished'
           and exists (select from setlists l where l.show_id = s.id and l.type = 'actual' and l.artist_id is null)
         order by starts_at desc, id desc
         limit :count::bigint) s
  join venues v on v.id = s.venue_id
 order by s.starts_at desc, s.id desc;

-- name: songs_of_rotation
-- takes: show_ids bigint[], count bigint
-- gives: 0..count rows: the songs that the headliners of these shows played, and in which of the shows; most often first
select g.id, g.title, p.show_ids
  from (select e.song_id, array_agg(distinct e.show_id) as show_ids
          from setlists l
          join setlist_songs e on e.setlist_id = l.id and not e.is_tape
         where l.show_id = any(:show_ids::bigint[]) and l.type = 'actual' and l.artist_id is null
         group by e.song_id) p
  join songs g on g.id = p.song_id
 order by cardinality(p.show_ids) desc, g.title, g.id
 limit :count::bigint;

-- name: voted_songs
-- takes: artist_id bigint, show_count bigint, count bigint
-- gives: 0..count rows: the songs with votes in the newest shows of the artist whose counts everyone may see, best score first
select g.id, g.title, e.up, e.down
  from (select c.song_id, sum(c.up_count)::bigint as up, sum(c.down_count)::bigint as down
          from (select id
                  from shows
                 where artist_id = :artist_id::bigint and status <> 'cancelled' and vote_count > 0
                   and results_audience(results, finalised_at) = 0
                 order by starts_at desc, id desc
                 limit :show_count::bigint) w
          join setlists l on l.show_id = w.id and l.artist_id is null
          join setlist_songs c on c.setlist_id = l.id and c.up_count + c.down_count > 0
         group by c.song_id) e
  join songs g on g.id = e.song_id
 order by e.up - e.down desc, g.title, g.id
 limit :count::bigint;
