-- The accuracy of shows. score_show() in the migrations calculates it; docs/accuracy.md explains it.

-- name: shows_to_score
-- takes: count bigint
-- gives: 0..count rows: a show that must be scored again, and the id of its newest reason; the longest wait first
select show_id, max(id) as up_to
  from (select id, show_id from shows_to_score order by id limit :count::bigint) r
 group by show_id
 order by min(id);

-- name: score_show!
-- takes: show_id bigint
-- locks: the rows of its scores; tell_of_score then locks its row of shows
-- A provider's terms may require that the played setlist is deleted (sync/forgetting.sql). The scores are then settled:
-- this query keeps them until the setlist is entered again.
select score_show(:show_id::bigint)
 where not exists (select from show_accuracy a where a.show_id = :show_id and a.is_settled)
    or exists (select from setlists l where l.show_id = :show_id and l.type = 'actual');

-- name: tell_of_score!
-- takes: show_id bigint; up_to bigint, the id of the newest reason before the scoring
-- locks: that row of shows. Its new revision notifies all nodes. A commit follows at once
with done as (
    delete from shows_to_score where show_id = :show_id::bigint and id <= :up_to::bigint
)
update shows set revision = revision + 1 where id = :show_id;

-- name: allow_a_minute!
-- Scoring a show in a stadium reads a million votes.
set local statement_timeout = '60s';
