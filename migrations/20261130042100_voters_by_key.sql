-- migrate:up
-- A commit finds the voters whom the statistics know by their key, whatever the statistics of the table say.

set local lock_timeout = '1s';

create or replace function note_votes_to_count() returns trigger language plpgsql as $$
begin
    insert into votes_to_count (show_id, minute, up_count, down_count, withdrawn_count, aside_up, aside_down, aside_withdrawn)
    select a.show_id, date_trunc('minute', a.cast_at), count(*) filter (where a.choice = 'up'),
           count(*) filter (where a.choice = 'down'), count(*) filter (where a.choice is null),
           count(m.user_id) filter (where a.choice = 'up'), count(m.user_id) filter (where a.choice = 'down'),
           count(m.user_id) filter (where a.choice is null)
      from added a
      left join vote_group_members m on m.show_id = a.show_id and m.user_id = a.user_id and m.is_set_aside
     group by 1, 2;
    insert into voters_to_count (show_id, user_id, day)
    select a.show_id, a.user_id, a.day
      from (select distinct show_id, user_id, (cast_at at time zone 'UTC')::date as day from added where choice is not null) a
    -- No "not exists": as a join it is planned once, and while voter_days is new it would read all of it for each fan.
     where (select true from voter_days v where (v.show_id, v.user_id, v.day) = (a.show_id, a.user_id, a.day)) is null;
    return null;
end $$;

-- migrate:down
set local lock_timeout = '1s';

create or replace function note_votes_to_count() returns trigger language plpgsql as $$
begin
    insert into votes_to_count (show_id, minute, up_count, down_count, withdrawn_count, aside_up, aside_down, aside_withdrawn)
    select a.show_id, date_trunc('minute', a.cast_at), count(*) filter (where a.choice = 'up'),
           count(*) filter (where a.choice = 'down'), count(*) filter (where a.choice is null),
           count(m.user_id) filter (where a.choice = 'up'), count(m.user_id) filter (where a.choice = 'down'),
           count(m.user_id) filter (where a.choice is null)
      from added a
      left join vote_group_members m on m.show_id = a.show_id and m.user_id = a.user_id and m.is_set_aside
     group by 1, 2;
    insert into voters_to_count (show_id, user_id, day)
    select a.show_id, a.user_id, a.day
      from (select distinct show_id, user_id, (cast_at at time zone 'UTC')::date as day from added where choice is not null) a
     where not exists (select from voter_days v where (v.show_id, v.user_id, v.day) = (a.show_id, a.user_id, a.day));
    return null;
end $$;
