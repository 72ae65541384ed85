-- migrate:up
-- A decision on a group of votes is applied in slices, each in a commit of its own, so that no group is too large for one commit
-- (docs/adr/0033).

set local lock_timeout = '1s';
-- A commit begins at log_positions, so a writer waits here and holds no other lock.
lock table log_positions in exclusive mode;

alter table vote_group_members add column is_void boolean not null default false;
comment on column vote_group_members.is_void is 'Its votes were withdrawn for good; later ones are set aside.';
update vote_group_members m
   set is_void = true
  from vote_groups g
 where g.id = m.group_id and g.state = 'void';
alter table vote_group_members add constraint vote_group_members_void check (is_set_aside or not is_void);
-- A slice reads the ballots of a group in order.
drop index vote_group_members_group_id_idx;
create index vote_group_members_group_id_idx on vote_group_members (group_id, user_id);

comment on column vote_groups.state is
    'Whether its votes count: they do when it is open or restored. It is open while a decision is applied in part.';

-- The rows that a decision changes in one commit: ballots and their votes. Ten thousand take PostgreSQL a fraction of a second.
create function decision_rows_max() returns integer language sql immutable return 10000;

-- takes: groups whose decision was read from the log
-- gives: the shows whose counts it may have changed
-- locks: the groups; the caller holds the shards of their shows
-- Applies at most decision_rows_max() rows. A group of which something is left is open; its next note in the log
-- goes on (server/abuse/decisions.py).
create or replace function apply_decisions(group_ids bigint[]) returns bigint[]
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    rows_left bigint := decision_rows_max();
    decided record;
    slice bigint[];
    slice_rows bigint;
    ballots_left bigint;
    show_ids bigint[] := '{}';
begin
    for decided in
        select id, show_id, decision from vote_groups where id = any(group_ids) and state <> decision order by id for no key update
    loop
        exit when rows_left <= 0;
        with undone as materialized (
            select m.user_id
              from vote_group_members m
             where m.group_id = decided.id
               and case decided.decision when 'void' then not m.is_void
                                         when 'set_aside' then not m.is_set_aside
                                         else m.is_set_aside end
             order by m.user_id
             limit rows_left + 1
        ), ballot as (
            select user_id, row_count, sum(row_count) over (order by user_id) as up_to
              from undone u
             cross join lateral (select 1 + count(*) as row_count
                                   from votes v where v.user_id = u.user_id and v.show_id = decided.show_id) b
        )
        -- At least one ballot, however many votes it has.
        select array_agg(user_id), coalesce(sum(row_count), 0), (select count(*) from undone) - count(*)
          into slice, slice_rows, ballots_left
          from ballot
         where up_to - row_count < rows_left;
        rows_left := rows_left - slice_rows;
        show_ids := show_ids || decided.show_id;
        update vote_group_members
           set is_set_aside = decided.decision in ('set_aside', 'void'), is_void = decided.decision = 'void'
         where show_id = decided.show_id and user_id = any(slice);
        if decided.decision = 'void' then
            with withdrawn as (
                delete from votes where show_id = decided.show_id and user_id = any(slice)
             returning show_id, setlist_song_id, user_id, choice
            ), hours as (
                insert into vote_rollups (show_id, hour, withdrawn_count)
                select show_id, date_trunc('hour', now(), 'UTC'), count(*) from withdrawn group by 1
                    on conflict (show_id, hour) do update
                   set withdrawn_count = vote_rollups.withdrawn_count + excluded.withdrawn_count
            )
            insert into vote_analytics (show_id, setlist_song_id, user_id, previous, choice, cast_at)
            select show_id, setlist_song_id, user_id, choice, null, now() from withdrawn;
        end if;
        -- Open, so that each later decision differs from it.
        update vote_groups set state = case when ballots_left = 0 then decided.decision else 'open' end where id = decided.id;
        if ballots_left = 0 then
            insert into shows_to_score (show_id)
            select decided.show_id where exists (select from setlists l where l.show_id = decided.show_id and l.type = 'actual');
        end if;
    end loop;
    return show_ids;
end $$;

-- migrate:down
-- A decision that is applied in part is applied to its rest by the next note in the log, as a whole.

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

create or replace function apply_decisions(group_ids bigint[]) returns bigint[]
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    decided record;
    show_ids bigint[] := '{}';
begin
    for decided in
        update vote_groups set state = decision where id = any(group_ids) and state <> decision returning id, show_id, state
    loop
        show_ids := show_ids || decided.show_id;
        update vote_group_members
           set is_set_aside = not is_set_aside
         where group_id = decided.id and is_set_aside <> (decided.state in ('set_aside', 'void'));
        if decided.state = 'void' then
            with withdrawn as (
                delete from votes v
                 using vote_group_members m
                 where m.group_id = decided.id and v.show_id = m.show_id and v.user_id = m.user_id
             returning v.show_id, v.setlist_song_id, v.user_id, v.choice
            ), hours as (
                insert into vote_rollups (show_id, hour, withdrawn_count)
                select show_id, date_trunc('hour', now(), 'UTC'), count(*) from withdrawn group by 1
                    on conflict (show_id, hour) do update
                   set withdrawn_count = vote_rollups.withdrawn_count + excluded.withdrawn_count
            )
            insert into vote_analytics (show_id, setlist_song_id, user_id, previous, choice, cast_at)
            select show_id, setlist_song_id, user_id, choice, null, now() from withdrawn;
        end if;
        insert into shows_to_score (show_id)
        select decided.show_id where exists (select from setlists l where l.show_id = decided.show_id and l.type = 'actual');
    end loop;
    return show_ids;
end $$;

drop function decision_rows_max();
comment on column vote_groups.state is 'Whether its votes count: they do when it is open or restored.';
drop index vote_group_members_group_id_idx;
create index vote_group_members_group_id_idx on vote_group_members (group_id);
alter table vote_group_members drop constraint vote_group_members_void;
alter table vote_group_members drop column is_void;
