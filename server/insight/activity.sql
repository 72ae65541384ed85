-- Recent activity; triggers on the changed tables write the events.

-- name: fetch_activity
-- takes: count
-- gives: 1..count rows: the last events as JSON, newest first, each with the position of the newest event (at); without
--        events one row, whose event is null
select c.position as at, a.position, activity_json(a) as event
  from activity_clock c
  left join (select * from activity order by position desc limit :count) a on true
 where c.id = 1
 order by a.position desc;

-- name: activity_position$
-- gives: the position of the newest event
select position from activity_clock where id = 1;
