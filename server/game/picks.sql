-- Picks of fans. The writer of the log (voting) writes their rows.

-- name: find_pickable^
-- takes: id bigint or null, slug text or null of a show, exactly one is given; song_ids
-- gives: 0..1 row: the show's id; refused_ids: which of these songs are in no set of the show and are not songs of its acts
select w.id,
       array(select s.id
               from unnest(:song_ids::bigint[]) as s (id)
              where not exists (select from setlist_songs e where e.show_id = w.id and e.song_id = s.id)
                and not exists (select from songs g join show_artists b on b.artist_id = g.artist_id and b.show_id = w.id
                                 where g.id = s.id)
                and not exists (select from show_artists b join artist_songs c on c.artist_id = b.artist_id and c.song_id = s.id
                                 where b.show_id = w.id)) as refused_ids
  from shows w
 where w.id = :id::bigint or w.slug = :slug::text;

-- name: own_pick^
-- takes: id bigint or null, slug text or null of a show, exactly one is given; user_id
-- gives: 0..1 row: the show, whether its picks are locked, when that happens, and the fan's pick (song_ids null: none)
select w.id as show_id, w.revision, w.status <> 'upcoming' or show_begins_at(w.id) <= clock_timestamp() as is_locked,
       show_begins_at(w.id) as locks_at, p.song_ids, p.opener, p.closer, p.encore, p.picked_at
  from shows w
  left join picks p on p.show_id = w.id and p.user_id = :user_id::bigint
 where w.id = :id::bigint or w.slug = :slug::text;

-- name: titles
-- takes: song_ids
-- gives: 0..n rows: those of the songs that are in the catalogue, or became another one by a merge
select w.id, s.title
  from unnest(:song_ids::bigint[]) as w (id)
  join songs s on s.id = coalesce(merged_into('song', w.id, null), w.id);

-- name: pickable_songs
-- takes: show_id, count
-- gives: 0..count songs that may be picked: those of the show's sets, in order, then those that its acts play most often
select w.song_id as id, s.title
  from (select song_id, min(place) as place
          from (select e.song_id, row_number() over (order by l.type, l.position, e.position) as place
                  from setlists l
                  join setlist_songs e on e.setlist_id = l.id and not e.is_tape
                 where l.show_id = :show_id::bigint
                 union all
                select c.song_id, 10000 + row_number() over (order by c.played_count desc, c.predicted_count desc, c.song_id)
                  from show_artists b
                  join artist_songs c on c.artist_id = b.artist_id
                 where b.show_id = :show_id) p
         group by song_id
         order by 2
         limit :count::bigint) w
  join songs s on s.id = w.song_id
 order by w.place;

-- name: list_picks
-- takes: user_id; after_at and after_id (both null: first page); count
-- gives: 0..count of the fan's picks, latest show first; points and rank: null until the show is over
-- cost:  reads all picks of this fan
select w.starts_at, w.id, w.slug, w.status, w.local_date, cardinality(p.song_ids) as song_count, s.points, s.rank,
       a.id as artist_id, a.slug as artist_slug, a.name as artist_name, v.id as venue_id, v.slug as venue_slug, v.name as venue_name, v.city
  from picks p
  join shows w on w.id = p.show_id
  join artists a on a.id = w.artist_id
  join venues v on v.id = w.venue_id
  left join standings s on s.board = 'show' and s.subject_id = w.id and s.user_id = p.user_id
 where p.user_id = :user_id::bigint
   and (:after_at::timestamptz is null or (w.starts_at, w.id) < (:after_at, :after_id::bigint))
 order by w.starts_at desc, w.id desc
 limit :count::bigint;
