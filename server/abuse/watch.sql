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
-- gives: 0..1 row: the new group, its number of ballots, and whether the show's rule decided on it; no row: the show or all accounts
--        are gone, or all ballots are in other groups
-- locks: the accounts, against deletion
with new as (
    select id as show_id, sets_groups_aside, nextval(pg_get_serial_sequence('vote_groups', 'id')) as group_id
      from shows where id = :show_id
), members as (
    -- Before the group, which counts them: another node's watch may have put some of them in a group of its own.
    insert into vote_group_members (show_id, user_id, group_id)
    select n.show_id, u.id, n.group_id from new n, users u where u.id = any(:user_ids::bigint[])
     order by u.id
        on conflict do nothing
    returning 1
), made as (
    insert into vote_groups (id, show_id, score, reasons, ballot_count, began_at, ended_at, decision, decided_at)
    overriding system value
    select n.group_id, n.show_id, :score::float8, :reasons::text::jsonb, m.count, to_timestamp(:began_ms::bigint / 1000.0),
           to_timestamp(:ended_ms::bigint / 1000.0), case when n.sets_groups_aside then 'set_aside' else 'open' end::vote_group_state,
           case when n.sets_groups_aside then now() end
      from new n, (select count(*) from members) m
     where m.count > 0
    returning id, show_id, decision, ballot_count
), audit as (
    insert into audit_log (action, subject, detail)
    select 'group.set-aside', 'group:' || m.id, jsonb_build_object('by', 'the rule of the show', 'show', m.show_id)
      from made m where m.decision = 'set_aside'
)
select id, ballot_count, decision = 'set_aside' as is_decided from made;

-- name: extend_group$
-- takes: group_id; user_ids; score; reasons as JSON; ended_ms
-- gives: the number of new members; null: the group is decided on, and takes no more
-- locks: the group; the accounts, against deletion
with open as (
    select id, show_id from vote_groups where id = :group_id and decision = 'open' for no key update
), members as (
    insert into vote_group_members (show_id, user_id, group_id)
    select o.show_id, u.id, o.id from open o, users u where u.id = any(:user_ids::bigint[])
     order by u.id
        on conflict do nothing
    returning 1
), grown as (
    update vote_groups g
       set ballot_count = ballot_count + m.count, score = :score::float8, reasons = :reasons::text::jsonb,
           ended_at = greatest(ended_at, to_timestamp(:ended_ms::bigint / 1000.0))
      from open o, (select count(*) from members) m
     where g.id = o.id
)
select (select count(*) from members) from open;
