-- migrate:up
-- The sequencer holds the row of a fan when it makes the fan's secret, so a foreign key only asks for the same row again, fan
-- by fan (docs/adr/0050-ledger.md).

set local lock_timeout = '1s';
-- A commit begins at log_positions, so a writer waits here and holds no other lock.
lock table log_positions in exclusive mode;

alter table ledger_secrets drop constraint ledger_secrets_user_id_fkey;

-- Before the row of the fan goes: afterwards the statistics have forgotten the fan.
create or replace function note_erased_fan_for_ledger() returns trigger
    language plpgsql security definer set search_path to public, pg_temp as $$
begin
    insert into ledger_notes (kind, show_id, pseudonym, at)
    select 'erased', l.show_id, n.name, date_trunc('hour', now(), 'UTC')
      from ledger_secrets s
     cross join lateral ledger_shows(s) as w (show_id)
      join ledger_logs l on l.show_id = w.show_id
     cross join lateral (select ledger_name(s, l.show_id) as name) n
     where s.user_id = old.id
     order by l.show_id;
    delete from ledger_secrets where user_id = old.id;
    return old;
end $$;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

create or replace function note_erased_fan_for_ledger() returns trigger
    language plpgsql security definer set search_path to public, pg_temp as $$
begin
    insert into ledger_notes (kind, show_id, pseudonym, at)
    select 'erased', l.show_id, n.name, date_trunc('hour', now(), 'UTC')
      from ledger_secrets s
     cross join lateral ledger_shows(s) as w (show_id)
      join ledger_logs l on l.show_id = w.show_id
     cross join lateral (select ledger_name(s, l.show_id) as name) n
     where s.user_id = old.id
     order by l.show_id;
    return old;
end $$;
alter table ledger_secrets add constraint ledger_secrets_user_id_fkey foreign key (user_id) references users (id) on delete cascade;
