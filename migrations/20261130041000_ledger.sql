-- migrate:up
-- The ledger: a Merkle log of each show, with a leaf for each change of a vote (docs/ledger.md, docs/adr/0050).

set local lock_timeout = '1s';
-- A commit begins at log_positions, so a writer waits here and holds no other lock.
lock table log_positions in exclusive mode;

create type ledger_note as enum (
    'casts', 'changed', 'all_votes', 'inherited', 'set_aside', 'counted', 'opened', 'closed', 'erased', 'renewed'
);
create type ledger_reason as enum ('first', 'restored', 'key');

create table ledger_epochs (
    id          bigint generated always as identity primary key,
    name        text not null unique,
    origin      text not null check (origin !~ '[\s+]'),
    public_key  bytea not null check (octet_length(public_key) = 32),
    fingerprint text not null,
    reason      ledger_reason not null,
    began_at    timestamptz not null default now()
);
comment on table ledger_epochs is
    'From when on logs are signed under an origin. A restored database begins another epoch: it may lack what was signed before.';
comment on column ledger_epochs.fingerprint is 'The cluster, its timeline and the database: another one was restored or promoted.';

create table ledger_logs (
    show_id    bigint primary key references shows (id) on delete cascade,
    epoch_id   bigint not null,
    size       bigint not null check (size > 0),
    frontier   bytea not null,
    was_opened boolean not null,
    checkpoint text not null,
    signed_at  timestamptz not null
) with (fillfactor = 50);
comment on table ledger_logs is 'The log of a show: its size and its newest signed checkpoint.';
comment on column ledger_logs.epoch_id is 'Of ledger_epochs, where rows stay for ever.';
comment on column ledger_logs.frontier is 'The hashes of the complete subtrees of the tree, from the smallest to the largest.';
comment on column ledger_logs.was_opened is 'Voting has opened before, so it opens again.';

create table ledger_entries (
    show_id    bigint not null references ledger_logs (show_id) on delete cascade,
    first      bigint not null check (first >= 0),
    count      integer not null check (count between 1 and 1024),
    first_ms   bigint not null,
    last_ms    bigint not null,
    leaves     bytea not null check (octet_length(leaves) = 32 * count),
    entries    bytea not null check (octet_length(entries) = 58 * count),
    constraint ledger_entries_pkey primary key (show_id, first)
);
comment on table ledger_entries is 'Consecutive entries of a log: append-only, but for entries of erased fans.';
comment on column ledger_entries.first is 'The index of the first entry.';
comment on column ledger_entries.first_ms is 'The earliest time of an entry; last_ms: the latest one.';
comment on column ledger_entries.leaves is 'The leaf hashes of the entries, which are public.';
comment on column ledger_entries.entries is 'The entries, with their salts. One that an erasure has blanked is zeros; its leaf stays.';
-- Hashes do not compress.
alter table ledger_entries alter column leaves set storage external, alter column entries set storage external;

create table ledger_nodes (
    show_id bigint not null references ledger_logs (show_id) on delete cascade,
    level   smallint not null check (level > 0),
    number  bigint not null check (number >= 0),
    hash    bytea not null check (octet_length(hash) = 32),
    constraint ledger_nodes_pkey primary key (show_id, level, number)
);
comment on table ledger_nodes is 'The hash of a full tile: one hash of a tile of this level.';

create table ledger_fans (
    show_id   bigint not null references shows (id) on delete cascade,
    user_id   bigint not null references users (id) on delete cascade,
    pseudonym bytea not null check (octet_length(pseudonym) = 16),
    constraint ledger_fans_pkey primary key (show_id, user_id)
);
comment on table ledger_fans is 'The name of a fan in the log of a show: random, another one in each show. An erasure deletes it.';
create index ledger_fans_user_id_idx on ledger_fans (user_id);

create table ledger_notes (
    id              bigint generated always as identity primary key,
    kind            ledger_note not null,
    show_id         bigint not null,
    noted_at        timestamptz not null default clock_timestamp(),
    user_id         bigint references users (id) on delete cascade,
    setlist_song_id bigint,
    choice          vote_choice,
    at              timestamptz,
    count           integer not null default 1,
    first_id        bigint,
    last_id         bigint,
    last_at         timestamptz,
    pseudonym       bytea
);
comment on table ledger_notes is
    'Something that a log has no entry for yet; the sequencer appends it within a second. Those of a show are in the order of their commits.';
comment on column ledger_notes.kind is
    'casts: rows of the history, first_id to last_id, cast from at to last_at; changed: a vote that something else than a cast has changed; '
    'all_votes: every vote of the show; inherited: a vote of an erased fan, which a nobody holds now; set_aside, counted: a ballot; '
    'erased: a fan, by the pseudonym; renewed: another epoch has begun.';
comment on column ledger_notes.count is 'How many entries it makes, about.';
create index ledger_notes_user_id_idx on ledger_notes (user_id) where user_id is not null;

-- Rights: the owner appends. Everybody reads through the functions below.
alter table ledger_epochs enable row level security;
alter table ledger_logs enable row level security;
alter table ledger_entries enable row level security;
alter table ledger_nodes enable row level security;
alter table ledger_fans enable row level security;
alter table ledger_notes enable row level security;
-- No staff sees who a name in a log is.
create policy ledger_fans_own on ledger_fans for select to mysetlist_request using (user_id = (select app_user_id()));
grant select on ledger_fans to mysetlist_request;

-- ── what is noted

-- A commit of casts: its rows of the history are read later, so that no vote waits for the log.
create function note_casts_for_ledger() returns trigger
    language plpgsql security definer set search_path to public, pg_temp as $$
begin
    insert into ledger_notes (kind, show_id, count, first_id, last_id, at, last_at)
    select 'casts', show_id, count(*), min(id), max(id), min(cast_at), max(cast_at) from added group by show_id;
    return null;
end $$;
create trigger vote_analytics_ledger after insert on vote_analytics
    referencing new table as added for each statement
    when (current_setting('app.counts_moved', true) = 'on') execute function note_casts_for_ledger();

-- Every other change of votes: a song removed, put back or merged, a group voided, a fan erased, sample data.
create function note_added_votes_for_ledger() returns trigger
    language plpgsql security definer set search_path to public, pg_temp as $$
begin
    insert into ledger_notes (kind, show_id, count)
    select 'all_votes', show_id, count(*) from added group by show_id having count(*) > 1000 order by show_id;
    insert into ledger_notes (kind, show_id, user_id, setlist_song_id, choice, at)
    select 'changed', show_id, user_id, setlist_song_id, choice, cast_at
      from added
     where show_id in (select show_id from added group by show_id having count(*) <= 1000)
     order by show_id, setlist_song_id, user_id;
    return null;
end $$;
create trigger votes_ledger_inserted after insert on votes
    referencing new table as added for each statement
    when (current_setting('app.counts_moved', true) is distinct from 'on') execute function note_added_votes_for_ledger();

create function note_removed_votes_for_ledger() returns trigger
    language plpgsql security definer set search_path to public, pg_temp as $$
begin
    insert into ledger_notes (kind, show_id, user_id, setlist_song_id, at)
    select 'changed', r.show_id, r.user_id, r.setlist_song_id, now()
      from removed r
      join users u on u.id = r.user_id
      join shows w on w.id = r.show_id
     order by r.show_id, r.setlist_song_id, r.user_id;
    return null;
end $$;
create trigger votes_ledger_deleted after delete on votes
    referencing old table as removed for each statement
    when (current_setting('app.counts_moved', true) is distinct from 'on') execute function note_removed_votes_for_ledger();

create function note_changed_votes_for_ledger() returns trigger
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
create trigger votes_ledger_updated after update on votes
    referencing old table as removed new table as added for each statement
    when (current_setting('app.counts_moved', true) is distinct from 'on') execute function note_changed_votes_for_ledger();

create function note_new_members_for_ledger() returns trigger
    language plpgsql security definer set search_path to public, pg_temp as $$
begin
    insert into ledger_notes (kind, show_id, user_id, at)
    select 'set_aside', show_id, user_id, now() from added where is_set_aside order by show_id, user_id;
    return null;
end $$;
create trigger vote_group_members_ledger_inserted after insert on vote_group_members
    referencing new table as added for each statement execute function note_new_members_for_ledger();

create function note_changed_members_for_ledger() returns trigger
    language plpgsql security definer set search_path to public, pg_temp as $$
begin
    insert into ledger_notes (kind, show_id, user_id, at)
    select case when a.is_set_aside then 'set_aside' else 'counted' end::ledger_note, a.show_id, a.user_id, now()
      from added a
      left join removed r on r.show_id = a.show_id and r.user_id = a.user_id
     where a.is_set_aside <> coalesce(r.is_set_aside, false)
     order by a.show_id, a.user_id;
    return null;
end $$;
create trigger vote_group_members_ledger_updated after update on vote_group_members
    referencing old table as removed new table as added for each statement execute function note_changed_members_for_ledger();

create function note_former_members_for_ledger() returns trigger
    language plpgsql security definer set search_path to public, pg_temp as $$
begin
    insert into ledger_notes (kind, show_id, user_id, at)
    select 'counted', r.show_id, r.user_id, now()
      from removed r join users u on u.id = r.user_id join shows w on w.id = r.show_id
     where r.is_set_aside
     order by r.show_id, r.user_id;
    return null;
end $$;
create trigger vote_group_members_ledger_deleted after delete on vote_group_members
    referencing old table as removed for each statement execute function note_former_members_for_ledger();

-- Voting opened or closed. tg_argv: the kind of note
create function note_voting_for_ledger() returns trigger
    language plpgsql security definer set search_path to public, pg_temp as $$
begin
    insert into ledger_notes (kind, show_id, at)
    select tg_argv[0]::ledger_note, c.show_id, clock_timestamp()
      from changed c join shows w on w.id = c.show_id order by c.show_id;
    return null;
end $$;
create trigger open_shows_ledger_opened after insert on open_shows
    referencing new table as changed for each statement execute function note_voting_for_ledger('opened');
create trigger open_shows_ledger_closed after delete on open_shows
    referencing old table as changed for each statement execute function note_voting_for_ledger('closed');

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

-- ── what everybody reads

-- gives: 0..1 row: the log of a show; is_open: everybody may see its entries, because everybody may see the show's counts
create function ledger_log(wanted bigint) returns table (size bigint, checkpoint text, origin text, public_key bytea, is_open boolean)
    language sql stable security definer set search_path to public, pg_temp as $$
    select l.size, l.checkpoint, e.origin || '/shows/' || l.show_id, e.public_key, results_audience(w.results, w.finalised_at) = 0
      from ledger_logs l
      join ledger_epochs e on e.id = l.epoch_id
      join shows w on w.id = l.show_id
     where l.show_id = wanted
$$;

-- gives: the hashes of a level, from a number up to another one without it, one after the other; null: there are none
create function ledger_hashes(wanted bigint, wanted_level integer, first_number bigint, end_number bigint) returns bytea
    language plpgsql stable security definer set search_path to public, pg_temp as $$
begin
    if wanted_level > 0 then
        return (select string_agg(n.hash, '' order by n.number)
                  from ledger_nodes n
                 where n.show_id = wanted and n.level = wanted_level and n.number >= first_number and n.number < end_number);
    end if;
    return (select string_agg(substr(e.leaves, 1 + 32 * greatest(first_number - e.first, 0)::integer,
                                     32 * (least(end_number, e.first + e.count) - greatest(first_number, e.first))::integer),
                              '' order by e.first)
              from ledger_entries e
             where e.show_id = wanted and e.first > first_number - 1024 and e.first < end_number and e.first + e.count > first_number);
end $$;

-- gives: entries, one after the other, once everybody may see them; null: there are none, or nobody may yet
create function ledger_opened(wanted bigint, first_number bigint, end_number bigint) returns bytea
    language sql stable security definer set search_path to public, pg_temp as $$
    select string_agg(substr(e.entries, 1 + 58 * greatest(first_number - e.first, 0)::integer,
                             58 * (least(end_number, e.first + e.count) - greatest(first_number, e.first))::integer),
                      '' order by e.first)
      from ledger_entries e
      join ledger_log(wanted) l on l.is_open
     where e.show_id = wanted and e.first > first_number - 1024 and e.first < end_number and e.first + e.count > first_number
$$;

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
revoke execute on function ledger_log, ledger_hashes, ledger_opened, ledger_own from public;
grant execute on function ledger_log, ledger_hashes, ledger_opened, ledger_own to mysetlist_request;

-- What is there already.
insert into ledger_notes (kind, show_id, count) select 'all_votes', id, vote_count from shows where vote_count > 0 order by id;
insert into ledger_notes (kind, show_id, at) select 'opened', show_id, now() from open_shows order by show_id;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;
drop function ledger_own, ledger_opened, ledger_hashes, ledger_log;
drop trigger open_shows_ledger_closed on open_shows;
drop trigger open_shows_ledger_opened on open_shows;
drop trigger vote_group_members_ledger_deleted on vote_group_members;
drop trigger vote_group_members_ledger_updated on vote_group_members;
drop trigger vote_group_members_ledger_inserted on vote_group_members;
drop trigger votes_ledger_updated on votes;
drop trigger votes_ledger_deleted on votes;
drop trigger votes_ledger_inserted on votes;
drop trigger vote_analytics_ledger on vote_analytics;
drop table ledger_notes, ledger_fans, ledger_nodes, ledger_entries, ledger_logs, ledger_epochs;
drop function note_forgotten_fans_for_ledger, note_voting_for_ledger, note_former_members_for_ledger,
    note_changed_members_for_ledger, note_new_members_for_ledger, note_changed_votes_for_ledger,
    note_removed_votes_for_ledger, note_added_votes_for_ledger, note_casts_for_ledger;
drop type ledger_reason, ledger_note;
