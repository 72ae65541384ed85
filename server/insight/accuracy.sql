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

-- name: put_baseline!
-- takes: show_id bigint, which was just scored
-- locks: that row of show_accuracy
-- Compares with the simplest way of predicting: the artist repeats the setlist of the show before.
with before as (
    select w.id
      from shows s
      join shows w on w.artist_id = s.artist_id and w.starts_at < s.starts_at and w.status <> 'cancelled'
     where s.id = :show_id::bigint
       and exists (select from setlists l where l.show_id = w.id and l.type = 'actual' and l.artist_id is null)
     order by w.starts_at desc, w.id desc
     limit 1
), repeated as (
    select e.song_id
      from before b
      join setlists l on l.show_id = b.id and l.type = 'actual'
      join setlist_songs e on e.setlist_id = l.id and not e.is_tape
     group by e.song_id
     order by min((l.position, e.position))
     limit (select played from show_accuracy where show_id = :show_id)
), played as (
    select distinct e.song_id
      from setlists l join setlist_songs e on e.setlist_id = l.id and not e.is_tape
     where l.show_id = :show_id and l.type = 'actual'
)
update show_accuracy a
   set last_show_hits = (select count(*) from repeated join played using (song_id))
 where a.show_id = :show_id and exists (select from before) and exists (select from played);

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
