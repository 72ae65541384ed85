-- Leaderboards in PostgreSQL: the final points of shows, and their sums. The owner writes them; nodes read them with the rights of the writer.

-- name: boards_to_count
-- takes: count
-- gives: 0..count rows: a board that must be counted again, and the id of its newest reason; the longest wait first
select board::text as board, subject_id, max(id) as up_to
  from (select id, board, subject_id from boards_to_count order by id limit :count::bigint) r
 group by board, subject_id
 order by min(id);

-- name: delete_reasons!
-- takes: board, subject_id; up_to, the id of the newest reason before the counting
-- locks: those rows of boards_to_count
delete from boards_to_count
 where board = :board::text::board_kind and subject_id = :subject_id::bigint and id <= :up_to::bigint;

-- name: allow_a_minute!
-- A stadium has 300,000 fans.
set local statement_timeout = '60s';

-- name: analyze_standings!
-- Without fresh statistics, a page of a board that has just got 300,000 rows is found by sorting all of them.
analyze standings;

-- name: is_settled$
-- takes: show_id
-- gives: whether its played setlist was deleted because it may not be kept: its points stay
select exists (select from show_accuracy a where a.show_id = :show_id::bigint and a.is_settled)
       and not exists (select from setlists l where l.show_id = :show_id and l.type = 'actual');

-- name: put_show_standings!
-- takes: show_id; its fans, their points and places
-- locks: the standings of this show
select put_show_standings(:show_id::bigint, :user_ids::bigint[], :points::bigint[], :ranks::bigint[]);

-- name: recount_standings!
-- takes: board, subject_id
-- locks: the standings of this board
select recount_standings(:board::text::board_kind, :subject_id::bigint);

-- name: find_artist^
-- takes: id bigint or null, slug text or null; exactly one is given
-- gives: 0..1 row
select id, name from artists where id = :id::bigint or slug = :slug::text;

-- name: find_tour^
-- takes: id
-- gives: 0..1 row
select t.id, t.name, a.name as artist_name from tours t join artists a on a.id = t.artist_id where t.id = :id::bigint;

-- name: page_of_board
-- takes: board, subject_id; after, the number of the last row of the page before, 0 at first; count
-- gives: 0..count rows, the best first
-- The order names the whole key: under row security PostgreSQL does not conclude from "board = x" that the index has this order.
select user_id, points, show_count, rank, number
  from standings
 where board = :board::text::board_kind and subject_id = :subject_id::bigint and number > :after::bigint
 order by board, subject_id, number
 limit :count::bigint;

-- name: own_standing^
-- takes: board, subject_id, user_id
-- gives: 0..1 row
select points, show_count, rank from standings
 where board = :board::text::board_kind and subject_id = :subject_id::bigint and user_id = :user_id::bigint;

-- name: count_standings$
-- takes: board, subject_id
-- gives: how many fans stand on a board, erased ones included until it is counted again; null: none
-- To count the rows of a stadium would take longer than all the rest.
select number
  from standings
 where board = :board::text::board_kind and subject_id = :subject_id::bigint
 order by board desc, subject_id desc, number desc
 limit 1;

-- name: names_of
-- takes: user_ids
-- gives: 0..n rows: those of the fans who show a name
select user_id, display_name from public_names(:user_ids::bigint[]);

-- name: picked_shows
-- gives: every show that fans have made picks for, or that has final points
select show_id from picked_shows
union
select distinct subject_id from standings where board = 'show'
 order by 1;

-- name: stored_places
-- takes: show_id
-- gives: the final points and places of its fans
select user_id, points, rank from standings where board = 'show' and subject_id = :show_id::bigint;

-- name: wrong_sums
-- gives: the boards of artists, tours and seasons that are not the sums of the final points of shows, and how many fans differ
with counted as (
    select b.board, b.subject_id, s.user_id, sum(s.points) as points, count(*) as show_count
      from standings s
      join shows w on w.id = s.subject_id
     cross join boards_of_show(w.artist_id, w.local_date) b
     where s.board = 'show'
     group by 1, 2, 3
)
select board::text as board, subject_id, count(*) as fan_count
  from counted c
  full join (select board, subject_id, user_id, points, show_count from standings where board <> 'show') s
       using (board, subject_id, user_id)
 where (c.points, c.show_count) is distinct from (s.points::bigint, s.show_count::bigint)
 group by 1, 2
 order by 1, 2;

-- name: note_board!
-- takes: board, subject_id
insert into boards_to_count (board, subject_id) values (:board::text::board_kind, :subject_id::bigint);
