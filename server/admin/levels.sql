-- The service levels by the minute.

-- name: add_minutes!
-- takes: minutes timestamptz, levels, event_counts bigint, missed_counts bigint: arrays of one length, without repeated keys
-- locks: those rows of level_minutes, in the order of their keys
insert into level_minutes (minute, level, event_count, missed_count)
select u.minute, u.level, u.event_count, u.missed_count
  from unnest(:minutes::timestamptz[], :levels::text[], :event_counts::bigint[], :missed_counts::bigint[])
       as u (minute, level, event_count, missed_count)
 order by u.minute, u.level
    on conflict on constraint level_minutes_pkey do update
   set event_count = level_minutes.event_count + excluded.event_count,
       missed_count = level_minutes.missed_count + excluded.missed_count;

-- name: fetch_windows
-- takes: instant; days; ends_s float8[], the ages at which windows end, the shortest first
-- gives: the sums of each level, day and window. day: 0 is the last 24 hours before the instant. place: of the window in ends_s, from 0
select m.level, floor(m.age_s / 86400)::int as day, width_bucket(m.age_s, :ends_s::float8[]) as place,
       sum(m.event_count)::bigint as event_count, sum(m.missed_count)::bigint as missed_count,
       count(*) filter (where m.missed_count > 0) as missed_minutes, min(m.minute) as since
  from (select level, event_count, missed_count, minute,
               greatest(0, extract(epoch from :instant::timestamptz - minute))::float8 as age_s
          from level_minutes
         where minute > :instant::timestamptz - make_interval(days => :days::int)) m
 group by 1, 2, 3;
