-- name: catalogue_share^
-- takes: slugs of the sample's artists
-- gives: how many artists there are, and how many of them are none of the sample's
select count(*) as artist_count, count(*) filter (where slug <> all (:slugs::text[])) as foreign_count from artists;
