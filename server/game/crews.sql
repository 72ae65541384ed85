-- Crews. The functions in migrations say who may do what; they act for the current user.

-- name: make_crew$
-- takes: code, name; crews_max, how many crews a fan may be in
-- gives: whether the crew was made
-- locks: no row that another transaction wants
select make_crew(:code::text, :name::text, :crews_max::integer);

-- name: join_crew$
-- takes: code, members_max, crews_max
-- gives: "joined", "full", "many", or null: no such crew
-- locks: that row of crews
select join_crew(:code::text, :members_max::integer, :crews_max::integer);

-- name: leave_crew!
-- takes: code
-- locks: that row of crew_members
select leave_crew(:code::text);

-- name: show_crew^
-- takes: code
-- gives: 0..1 row
select name, member_count, is_member from show_crew(:code::text);

-- name: crew_standings
-- takes: code
-- gives: 0..n rows: the members, the best first; none to who is no member
select user_id, points, show_count, rank, display_name from crew_standings(:code::text);

-- name: own_crews
-- takes: user_id
-- gives: 0..n rows, the one joined last first
select c.code, c.name, m.joined_at
  from crew_members m
  join crews c on c.id = m.crew_id
 where m.user_id = :user_id::bigint
 order by m.joined_at desc, c.id;
