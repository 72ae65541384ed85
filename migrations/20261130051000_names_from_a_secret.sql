-- migrate:up
-- A fan's name in the ledger of a show follows from a secret of the fan: one row for each fan, not one for each fan and show (docs/adr/0050).

set local lock_timeout = '1s';
-- A commit begins at log_positions, so a writer waits here and holds no other lock: for a second where 300,000 names are there.
lock table log_positions in exclusive mode;
-- Sequencers of older nodes would go on to make names at random: without the table they append nothing, and votes go on.
lock table ledger_fans in access exclusive mode;

create table ledger_secrets (
    user_id  bigint primary key references users (id) on delete cascade,
    secret   bytea not null check (octet_length(secret) = 32),
    show_ids bigint[] not null default '{}',
    names    bytea[] not null default '{}' check (cardinality(names) = cardinality(show_ids))
);
comment on table ledger_secrets is
    'A random secret of a fan, from which the fan''s name in the log of each show follows. An erasure deletes it: then nobody can tell the names.';
comment on column ledger_secrets.show_ids is 'Shows in which the fan has a name from before the secret; names: these names.';
-- Without bypassing row security nobody sees it, not even the fan: whoever has it knows the names of shows to come.
alter table ledger_secrets enable row level security;

insert into ledger_secrets (user_id, secret, show_ids, names)
select user_id, uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()),
       array_agg(show_id order by show_id), array_agg(pseudonym order by show_id)
  from ledger_fans group by user_id;

-- gives: the name in the log of a show: a prefix of SHA-256, keyed by the secret. What is hashed has always 40 bytes, so it needs no HMAC.
create function ledger_name(fan ledger_secrets, wanted bigint) returns bytea language sql immutable as $$
    select coalesce(fan.names[array_position(fan.show_ids, wanted)], substr(sha256(fan.secret || int8send(wanted)), 1, 16))
$$;

-- gives: the shows in whose logs the fan may have entries, as the statistics know them, and those of names from before the secret
create function ledger_shows(fan ledger_secrets) returns setof bigint language sql stable as $$
    select show_id from voter_days where user_id = fan.user_id
    union select show_id from voters_to_count where user_id = fan.user_id
    union select show_id from votes where user_id = fan.user_id
    union select unnest(fan.show_ids)
$$;

drop function ledger_own;
drop table ledger_fans;
drop function note_forgotten_fans_for_ledger;

-- gives: the entries among which those of the user's votes are, and the name that the user has in them
create function ledger_own(wanted bigint) returns table (pseudonym bytea, first bigint, entries bytea)
    language sql stable security definer set search_path to public, pg_temp as $$
    select distinct n.name, e.first, e.entries
      from ledger_secrets s
     cross join lateral (select ledger_name(s, wanted) as name) n
      join votes v on v.user_id = s.user_id and v.show_id = wanted
     cross join lateral (select round(date_part('epoch', v.cast_at) * 1000)::bigint as ms) t
      join ledger_entries e on e.show_id = wanted and e.first_ms <= t.ms and e.last_ms >= t.ms
     where s.user_id = app_user_id() and position(n.name in e.entries) > 0
$$;

-- gives: the shows in whose logs the user may have entries, each with the user's name there; never the secret
create function ledger_own_names() returns table (show_id bigint, name bytea)
    language sql stable security definer set search_path to public, pg_temp as $$
    select w.show_id, ledger_name(s, w.show_id)
      from ledger_secrets s cross join lateral ledger_shows(s) as w (show_id)
     where s.user_id = app_user_id()
$$;
revoke execute on function ledger_own, ledger_own_names, ledger_name, ledger_shows from public;
grant execute on function ledger_own, ledger_own_names to mysetlist_request;

-- The fan of an erasure loses their entries in the shows whose votes are handed on here, and with their row in all that are known.
create or replace function note_changed_votes_for_ledger() returns trigger
    language plpgsql security definer set search_path to public, pg_temp as $$
declare
    is_erasure boolean := current_setting('app.erasing', true) is not distinct from 'on';
begin
    insert into ledger_notes (kind, show_id, pseudonym, at)
    select distinct 'erased'::ledger_note, r.show_id, ledger_name(s, r.show_id), date_trunc('hour', now(), 'UTC')
      from removed r join ledger_secrets s on s.user_id = r.user_id
     where is_erasure
     order by r.show_id;
    insert into ledger_notes (kind, show_id, user_id, setlist_song_id, choice, at)
    select 'changed', r.show_id, r.user_id, r.setlist_song_id, null, now()
      from removed r
     where not is_erasure
       and not exists (select from added a where (a.setlist_song_id, a.user_id) = (r.setlist_song_id, r.user_id))
     order by r.show_id, r.setlist_song_id, r.user_id;
    insert into ledger_notes (kind, show_id, user_id, setlist_song_id, choice, at)
    select case when is_erasure then 'inherited' else 'changed' end::ledger_note, show_id, user_id, setlist_song_id, choice, cast_at
      from added order by show_id, setlist_song_id, user_id;
    return null;
end $$;

-- Before the row goes: a cascade would come when the statistics have forgotten the fan.
create function note_erased_fan_for_ledger() returns trigger
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
create trigger users_ledger_erased before delete on users for each row execute function note_erased_fan_for_ledger();

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;
lock table ledger_secrets in access exclusive mode;

create table ledger_fans (
    show_id   bigint not null references shows (id) on delete cascade,
    user_id   bigint not null references users (id) on delete cascade,
    pseudonym bytea not null check (octet_length(pseudonym) = 16),
    constraint ledger_fans_pkey primary key (show_id, user_id)
);
comment on table ledger_fans is 'The name of a fan in the log of a show: random, another one in each show. An erasure deletes it.';
create index ledger_fans_user_id_idx on ledger_fans (user_id);
alter table ledger_fans enable row level security;
-- No staff sees who a name in a log is.
create policy ledger_fans_own on ledger_fans for select to mysetlist_request using (user_id = (select app_user_id()));
grant select on ledger_fans to mysetlist_request;
insert into ledger_fans (show_id, user_id, pseudonym)
select w.show_id, s.user_id, ledger_name(s, w.show_id)
  from ledger_secrets s
 cross join lateral ledger_shows(s) as w (show_id)
  join shows h on h.id = w.show_id;

drop trigger users_ledger_erased on users;
drop function note_erased_fan_for_ledger, ledger_own, ledger_own_names;
create or replace function note_changed_votes_for_ledger() returns trigger
    language plpgsql security definer set search_path to public, pg_temp as $$
declare
    is_erasure boolean := current_setting('app.erasing', true) is not distinct from 'on';
begin
    insert into ledger_notes (kind, show_id, user_id, setlist_song_id, choice, at)
    select 'changed', r.show_id, r.user_id, r.setlist_song_id, null, now()
      from removed r
     where not is_erasure
       and not exists (select from added a where (a.setlist_song_id, a.user_id) = (r.setlist_song_id, r.user_id))
     order by r.show_id, r.setlist_song_id, r.user_id;
    insert into ledger_notes (kind, show_id, user_id, setlist_song_id, choice, at)
    select case when is_erasure then 'inherited' else 'changed' end::ledger_note, show_id, user_id, setlist_song_id, choice, cast_at
      from added order by show_id, setlist_song_id, user_id;
    return null;
end $$;

create function note_forgotten_fans_for_ledger() returns trigger
    language plpgsql security definer set search_path to public, pg_temp as $$
begin
    insert into ledger_notes (kind, show_id, pseudonym, at)
    select 'erased', f.show_id, f.pseudonym, date_trunc('hour', now(), 'UTC')
      from forgotten f join shows w on w.id = f.show_id order by f.show_id;
    return null;
end $$;
create trigger ledger_fans_forgotten after delete on ledger_fans
    referencing old table as forgotten for each statement execute function note_forgotten_fans_for_ledger();

-- gives: the entries among which those of the user's votes are, and the name that the user has in them
create function ledger_own(wanted bigint) returns table (pseudonym bytea, first bigint, entries bytea)
    language sql stable security definer set search_path to public, pg_temp as $$
    select distinct f.pseudonym, e.first, e.entries
      from ledger_fans f
      join votes v on v.user_id = f.user_id and v.show_id = f.show_id
     cross join lateral (select round(date_part('epoch', v.cast_at) * 1000)::bigint as ms) t
      join ledger_entries e on e.show_id = f.show_id and e.first_ms <= t.ms and e.last_ms >= t.ms
     where f.show_id = wanted and f.user_id = app_user_id() and position(f.pseudonym in e.entries) > 0
$$;
revoke execute on function ledger_own from public;
grant execute on function ledger_own to mysetlist_request;

drop function ledger_shows, ledger_name;
drop table ledger_secrets;
