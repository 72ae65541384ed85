-- Reads accounts and members for the search for groups, and stores the groups that it finds.

-- name: fetch_accounts
-- takes: users
-- gives: when each account was made, and the hashes of its first session; null: they were deleted, after a day
select u.id, (extract(epoch from u.created_at) * 1000)::bigint as made_ms, s.agent_hash, s.subnet_hash
  from users u
  left join lateral (
       select agent_hash, subnet_hash from sessions where user_id = u.id order by id limit 1) s on true
 where u.id = any(:user_ids::bigint[]);

-- name: fetch_members
-- takes: show_id
-- gives: every ballot in a group of this show, and whether the group still takes members
select m.user_id, m.group_id, g.decision = 'open' as is_open
  from vote_group_members m join vote_groups g on g.id = m.group_id
 where m.show_id = :show_id;

-- name: insert_group^
-- takes: show_id; score; reasons as JSON; user_ids; began_ms, ended_ms
-- gives: 0..1 row: the new group, and whether the show's rule decided on it; no row: the show or all accounts are gone
-- locks: the accounts, against deletion
with made as (
    insert into vote_groups (show_id, score, reasons, ballot_count, began_at, ended_at, decision, decided_at)
    select w.id, :score::float8, :reasons::text::jsonb, cardinality(:user_ids::bigint[]), to_timestamp(:began_ms::bigint / 1000.0),
           to_timestamp(:ended_ms::bigint / 1000.0), case when w.sets_groups_aside then 'set_aside' else 'open' end::vote_group_state,
           case when w.sets_groups_aside then now() end
      from shows w
     where w.id = :show_id and exists (select from users where id = any(:user_ids))
    returning id, show_id, decision
), members as (
    insert into vote_group_members (show_id, user_id, group_id)
    select m.show_id, u.id, m.id from made m, users u where u.id = any(:user_ids)
     order by u.id
        on conflict do nothing
), audit as (
    insert into audit_log (action, subject, detail)
    select 'group.set-aside', 'group:' || m.id, jsonb_build_object('by', 'the rule of the show', 'show', m.show_id)
      from made m where m.decision = 'set_aside'
)
select id, decision = 'set_aside' as is_decided from made;

-- name: extend_group$
-- takes: group_id; show_id; user_ids; score; reasons as JSON; ended_ms
-- gives: the number of new members; null: the group is decided on, and takes no more
-- locks: the group; the accounts, against deletion
with grown as (
    update vote_groups g
       set ballot_count = ballot_count + cardinality(:user_ids::bigint[]), score = :score::float8, reasons = :reasons::text::jsonb,
           ended_at = greatest(ended_at, to_timestamp(:ended_ms::bigint / 1000.0))
     where g.id = :group_id and g.decision = 'open'
    returning g.id, g.show_id
), members as (
    insert into vote_group_members (show_id, user_id, group_id)
    select g.show_id, u.id, g.id from grown g, users u where u.id = any(:user_ids)
     order by u.id
        on conflict do nothing
    returning 1
)
select (select count(*) from members) from grown;
