-- migrate:up

-- Venues near a place are found by their latitude. The index on points (GiST on cube) took time that grew with the square of the
-- number of venues when their places are on a line: an import of 5,000 such venues did not end.
create index venues_latitude_idx on venues (latitude);
drop index venues_point_idx;
drop function earth_box;

-- migrate:down

-- gives: a box that holds every point within radius_km, and some points beyond it
create function earth_box(centre cube, radius_km float8) returns cube language sql immutable strict parallel safe
return public.cube_enlarge(centre, 2 * sin(least(radius_km / (2 * 6371.0088), pi() / 2)) + 1e-9, 3);

create index venues_point_idx on venues using gist (point);
drop index venues_latitude_idx;
