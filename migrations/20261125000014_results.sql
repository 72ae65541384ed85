-- migrate:up

-- To whom a show's counts are shown while it is voted on (docs/adr/0023).

set local lock_timeout = '1s';  -- votes wait behind us; the start tries again
lock table log_positions in exclusive mode;

create type results_visibility as enum ('live', 'after_vote', 'after_closing');

alter table shows add column results results_visibility not null default 'live';

-- Beside shows_revise, which other columns move: who moves both gets one revision all the same.
create trigger shows_revise_results before update on shows for each row
    when (old.results is distinct from new.results)
    execute function revise_show();

-- takes: how a show is set, when its result became final or null
-- gives: whom its counts are shown to: 0 everyone, 1 those who have voted, 2 staff (server/protocol/embargo.py)
-- A result that is final is everyone's; reopening a show takes it back.
create function results_audience(results results_visibility, finalised_at timestamptz) returns int
language sql immutable as $$
    select case when finalised_at is not null or results = 'live' then 0 when results = 'after_vote' then 1 else 2 end
$$;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

drop function results_audience;
drop trigger shows_revise_results on shows;
alter table shows drop column results;
drop type results_visibility;
