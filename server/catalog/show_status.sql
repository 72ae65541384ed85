-- Moves the status of shows with time. This is the catalogue's only write that no person starts.

-- name: advance_shows
-- takes: instant timestamptz, the current time
-- gives: one row for each show that moved; a show that should have ended already goes from upcoming to finished in one step
-- locks: the rows of those shows
-- A show ends four hours after it starts, or when its voting closes, whichever is later.
update shows
   set status = case when greatest(starts_at + interval '4 hours', closes_at) <= :instant::timestamptz
                     then 'finished'::show_status else 'live'::show_status end
 where (status = 'upcoming' and starts_at <= :instant)
    or (status = 'live' and greatest(starts_at + interval '4 hours', closes_at) <= :instant)
returning id;
