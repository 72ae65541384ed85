-- Groups for staff: lists, evidence, decisions.

-- name: list_groups
-- takes: show_id (null: all shows); state (null: any); after_id (null: first page); count
-- gives: 0..count rows, newest first
select g.id, g.show_id, w.name as show_name, g.state::text as state, g.decision::text as decision, g.score,
       g.reasons::text as reasons, g.ballot_count, g.began_at, g.ended_at, g.found_at, g.decided_by, g.decided_at
  from vote_groups g
  join shows w on w.id = g.show_id
 where (:show_id::bigint is null or g.show_id = :show_id)
   and (:state::text is null or g.state = :state::vote_group_state)
   and (:after_id::bigint is null or g.id < :after_id)
 order by g.id desc
 limit :count::bigint;

-- name: find_group^
-- takes: id
-- gives: 0..1 row
select g.id, g.show_id, w.name as show_name, g.state::text as state, g.decision::text as decision, g.score,
       g.reasons::text as reasons, g.ballot_count, g.began_at, g.ended_at, g.found_at, g.decided_by, g.decided_at
  from vote_groups g
  join shows w on w.id = g.show_id
 where g.id = :id::bigint;

-- name: votes_of_group
-- takes: id
-- gives: the songs that its ballots vote on, with their votes, the most first
select v.setlist_song_id as song_id, s.title, count(*) filter (where v.choice = 'up') as up,
       count(*) filter (where v.choice = 'down') as down
  from vote_group_members m
  join votes v on v.user_id = m.user_id and v.show_id = m.show_id
  join setlist_songs e on e.id = v.setlist_song_id
  join songs s on s.id = e.song_id
 where m.group_id = :id::bigint
 group by v.setlist_song_id, s.title
 order by count(*) desc, v.setlist_song_id;

-- name: list_members
-- takes: group_id; after_user (null: first page); count
-- gives: 0..count rows: the accounts of a group with their ballots, by account
select m.user_id, u.created_at as made_at, m.is_set_aside, b.first_at, b.votes
  from vote_group_members m
  join users u on u.id = m.user_id
 cross join lateral (
       select min(v.cast_at) as first_at, coalesce(jsonb_agg(jsonb_build_array(v.setlist_song_id, v.choice) order by v.cast_at), '[]')::text as votes
         from votes v where v.user_id = m.user_id and v.show_id = m.show_id) b
 where m.group_id = :group_id::bigint and (:after_user::bigint is null or m.user_id > :after_user)
 order by m.user_id
 limit :count::bigint;

-- name: decide^
-- takes: id; decision; decided_by
-- gives: 0..1 row: the show; no row: there is no such group, it is void, or it was decided so already
-- locks: the group
update vote_groups
   set decision = :decision::text::vote_group_state, decided_by = :decided_by::bigint, decided_at = now()
 where id = :id::bigint and decision not in ('void', :decision::text::vote_group_state)
returning show_id;

-- name: applied_at$
-- takes: id; decision
-- gives: the position of its show's counts, which have this decision; null: something of it is left, or there is another one
select w.position
  from vote_groups g
  join shows w on w.id = g.show_id
 where g.id = :id::bigint and g.state = g.decision and g.decision = :decision::text::vote_group_state;

-- name: effect_of_decision^
-- takes: id; decision
-- gives: 1 row: the ballots and votes that the decision takes out of the counts, or brings back; and the votes of the group in all
select count(distinct v.user_id) filter (where c.moves) as ballots, count(*) filter (where c.moves and v.choice = 'up') as up,
       count(*) filter (where c.moves and v.choice = 'down') as down, count(*) as votes
  from vote_group_members m
  join votes v on v.user_id = m.user_id and v.show_id = m.show_id
 cross join lateral (select m.is_set_aside = (:decision::text = 'restored') as moves) c
 where m.group_id = :id::bigint;

-- name: lock_show$
-- takes: show_id
-- gives: whether the show exists
-- locks: that row of shows
select lock_show(:show_id::bigint);

-- name: set_group_rule$
-- takes: show_id; is_automatic
-- gives: whether there is such a show
-- locks: that row of shows
select set_group_rule(:show_id::bigint, :is_automatic::boolean);

-- name: group_rule^
-- takes: show_id
-- gives: 0..1 row
select id as show_id, sets_groups_aside as is_automatic, revision from shows where id = :show_id::bigint;
