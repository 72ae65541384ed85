-- The recordings of a show's songs at other services.

-- name: tracks_of_show
-- takes: show_id
-- gives: the songs of its sets, tapes left out, by set (predicted first) and position, with the artist who wrote each; the recording at
--        Spotify with the smallest id, and its ISRC
select l.type, g.id as song_id, g.title, a.name as artist_name, r.isrc, r.url, m.artist_mbid
  from setlists l
  join setlist_songs e on e.setlist_id = l.id
  join songs g on g.id = e.song_id
  join artists a on a.id = g.artist_id
  left join lateral (select min(nullif(i.isrc, '')) as isrc, (array_agg(i.url order by i.external_id) filter (where i.url <> ''))[1] as url
                       from song_identities i where i.song_id = g.id and i.service = 'spotify') r on true
  left join lateral (select i.external_id as artist_mbid
                       from artist_identities i where i.artist_id = a.id and i.service = 'musicbrainz'
                      order by i.confidence desc, i.external_id limit 1) m on true
 where l.show_id = :show_id::bigint and not e.is_tape
 order by l.type, l.position, l.id, e.position;
