-- How well shows were foreseen. score_show() in the migrations calculates it; docs/accuracy.md explains it.

-- name: shows_to_score
-- takes: count bigint
-- gives: 0..count rows: a show that has to be scored again, and its last reason so far; the longest wait first
select show_id, max(id) as up_to
  from (select id, show_id from shows_to_score order by id limit :count::bigint) r
 group by show_id
 order by min(id);

-- name: score_show!
-- takes: show_id bigint
-- locks: the rows of its scores; then, by the next query, its row of shows
-- The played setlist may be gone because it may not be kept. The scores are then settled, until it is entered again.
select score_show(:show_id::bigint)
 where not exists (select from show_accuracy a where a.show_id = :show_id and a.is_settled)
    or exists (select from setlists l where l.show_id = :show_id and l.type = 'actual');

-- name: tell_of_score!
-- takes: show_id bigint, up_to bigint: the last reason from before the scoring
-- locks: that row of shows, whose new revision tells all nodes; a commit follows at once
with done as (
    delete from shows_to_score where show_id = :show_id::bigint and id <= :up_to::bigint
)
update shows set revision = revision + 1 where id = :show_id;

-- name: allow_a_minute!
-- A stadium's show has a million votes.
set local statement_timeout = '60s';
