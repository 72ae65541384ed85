-- Search by words. A row matches when it has all of the words; the last letters of each may be missing. When no row
-- matches, the rows most similar to the words match instead.
--
-- Every query of a list takes the same four search parameters, null where they do not apply:
--   words text, the text of the search: a row must have all of its words
--   like text: a row must have a word similar to it
--   similar text[], closeness float8: a row must be similar to all of these words with at least this closeness

-- name: kinds_with_words^
-- takes: q text, kinds text[]
-- gives: 1 row: the words, folded, empty when the text has none; and for each kind whether a row has all of them
select tsvector_to_array(words_of(:q::text)) as words,
       'artists' = any(:kinds::text[]) and exists (select from artists where search @@ query_of(:q)) as artists,
       'songs' = any(:kinds) and exists (select from songs where search @@ query_of(:q)) as songs,
       'venues' = any(:kinds) and exists (select from venues where search @@ query_of(:q)) as venues,
       'shows' = any(:kinds) and exists (select from shows where search @@ query_of(:q)) as shows;

-- name: choose_similar_words
-- takes: words text[], folded; kinds text[]; letters_min int, rows_max bigint; count bigint
-- gives: 0..count rows: the words to search by similarity. They have at least letters_min letters, and fewer than rows_max rows
--        of each kind have them. The longest words come first.
select word
  from unnest(:words::text[]) as w (word)
 where char_length(word) >= :letters_min::int
   and ('artists' <> all(:kinds::text[]) or :rows_max::bigint > (
        select count(*) from (select from artists where search @@ query_of(word) limit :rows_max) r))
   and ('songs' <> all(:kinds) or :rows_max > (
        select count(*) from (select from songs where search @@ query_of(word) limit :rows_max) r))
   and ('venues' <> all(:kinds) or :rows_max > (
        select count(*) from (select from venues where search @@ query_of(word) limit :rows_max) r))
   and ('shows' <> all(:kinds) or :rows_max > (
        select count(*) from (select from shows where search @@ query_of(word) limit :rows_max) r))
 order by char_length(word) desc, word
 limit :count::bigint;

-- name: best_closeness^
-- takes: words text[], folded; like text, one of the words, or null: no row is similar to null; kinds text[]
-- gives: 1 row: for each kind the closeness of its most similar row; null when no row is similar
select case when 'artists' = any(:kinds::text[]) then (
           select max(closeness(folded, :words::text[])) from artists where folded %> :like::text) end as artists,
       case when 'songs' = any(:kinds) then (
           select max(closeness(folded, :words)) from songs where folded %> :like) end as songs,
       case when 'venues' = any(:kinds) then (
           select max(closeness(folded, :words)) from venues
            where folded %> :like) end as venues,
       case when 'shows' = any(:kinds) then (
           select max(closeness(search_text, :words)) from shows where search_text %> :like) end as shows;

-- name: best_artists
-- takes: q text, the four search parameters, count bigint
-- gives: 0..count rows: names with exactly these words first, then the most followers
select a.id, a.slug, a.name, a.genre, a.country
  from artists a
  join artist_stats t on t.artist_id = a.id
 where (:words::text is null or a.search @@ query_of(:words))
   and (:like::text is null or a.folded %> :like)
   and (:similar::text[] is null or closeness(a.folded, :similar) >= :closeness::float8)
 order by a.search = words_of(:q::text) desc, t.follower_count desc, a.id
 limit :count::bigint;

-- name: best_songs
-- takes: the four search parameters, count bigint
-- gives: 0..count rows: the shortest titles first, because they say little besides the words
select s.id, s.title, a.id as artist_id, a.slug as artist_slug, a.name as artist_name
  from (select id, title, artist_id
          from songs
         where (:words::text is null or search @@ query_of(:words))
           and (:like::text is null or folded %> :like)
           and (:similar::text[] is null or closeness(folded, :similar) >= :closeness::float8)
         order by char_length(title), id
         limit :count::bigint) s
  join artists a on a.id = s.artist_id
 order by char_length(s.title), s.id;

-- name: best_venues
-- takes: q text, the four search parameters, count bigint
-- gives: 0..count rows: the exact name first, then the largest venues
select id, slug, name, city, region, country, latitude, longitude, time_zone, capacity
  from venues
 where (:words::text is null or search @@ query_of(:words))
   and (:like::text is null or folded %> :like)
   and (:similar::text[] is null or closeness(folded, :similar) >= :closeness::float8)
 order by lower(name) = lower(:q::text) desc, capacity desc nulls last, id
 limit :count::bigint;
