-- An account that never voted is erased without a look at the history. `user_vote_limits` says who voted: a commit writes a
-- row for every vote, and each voter's newest row is kept from now on.

-- migrate:up

comment on table user_vote_limits is
    'The number of votes of the budget of a day (UTC) that a fan has spent. A fan who ever voted keeps the newest row.';

-- Rows of more than a week ago were deleted, so the history names the voters once. No writer waits: it adds rows of today.
insert into user_vote_limits (user_id, day, spent)
select h.user_id, (max(h.cast_at) at time zone 'UTC')::date, 0
  from vote_analytics h
  join users u on u.id = h.user_id
 where not exists (select from user_vote_limits l where l.user_id = h.user_id)
 group by h.user_id;

-- takes: a user
-- gives: an instant; history that is written after it, is renamed by erase_user()
-- Renames the user in the history, while the writers go on. Many users can be renamed before the first of them makes the
-- writers wait. The history of a new account is short, and an account that never voted has none; the rest is read whole.
create or replace function erase_history(wanted bigint) returns timestamptz
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    began_at timestamptz := clock_timestamp();
    made_at timestamptz;
begin
    perform refuse_other_eraser(wanted);
    select created_at into made_at from users where id = wanted and nobody is null;
    perform set_config('app.erasing', 'on', true);
    if made_at > began_at - interval '1 day' then
        -- The clock of Valkey, which gives a vote its instant, may be behind.
        perform rename_history(wanted, made_at - interval '1 minute');
    elsif made_at is not null and exists (select from user_vote_limits where user_id = wanted) then
        update vote_analytics set user_id = 0, cast_at = date_trunc('hour', cast_at, 'UTC') where user_id = wanted;
    end if;
    perform set_config('app.erasing', '', true);
    return began_at;
end $$;

-- migrate:down

comment on table user_vote_limits is 'The number of votes of the budget of a day (UTC) that a fan has spent.';

-- takes: a user
-- gives: an instant; history that is written after it, is renamed by erase_user()
-- Renames the user in the history, while the writers go on. Many users can be renamed before the first of them makes the
-- writers wait. The history of a new account is short; that of an older one is read whole.
create or replace function erase_history(wanted bigint) returns timestamptz
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    began_at timestamptz := clock_timestamp();
    made_at timestamptz;
begin
    perform refuse_other_eraser(wanted);
    select created_at into made_at from users where id = wanted and nobody is null;
    perform set_config('app.erasing', 'on', true);
    if made_at > began_at - interval '1 day' then
        -- The clock of Valkey, which gives a vote its instant, may be behind.
        perform rename_history(wanted, made_at - interval '1 minute');
    elsif found then
        update vote_analytics set user_id = 0, cast_at = date_trunc('hour', cast_at, 'UTC') where user_id = wanted;
    end if;
    perform set_config('app.erasing', '', true);
    return began_at;
end $$;
