-- The audit log gets a chain of hashes. Whoever alters an entry by hand has to alter every later hash too, and then the
-- chain disagrees with a hash that somebody has noted elsewhere (docs/adr/0048).

-- migrate:up

alter table audit_log add column salt uuid default gen_random_uuid();
comment on column audit_log.salt is
    'Random; hashed with subject and detail, so that nobody finds out by trying what an erased entry was about. Null: erased.';

create table audit_chain (
    position bigint primary key check (position > 0),
    entry_id bigint not null unique,
    about_hash bytea not null check (octet_length(about_hash) = 32),
    hash bytea not null check (octet_length(hash) = 32)
);
comment on table audit_chain is
    'One entry of audit_log in the order in which entries became known; append-only. No foreign key: it shows which entry is missing.';
comment on column audit_chain.about_hash is 'SHA-256 of subject, detail and salt. It stays when an erasure takes them out of the entry.';
comment on column audit_chain.hash is 'SHA-256 of the hash before it, about_hash, and the rest of the entry.';
alter table audit_chain enable row level security;
create trigger audit_chain_append_only before update or delete on audit_chain for each row execute function refuse_change();
create trigger audit_chain_not_emptied before truncate on audit_chain for each statement execute function refuse_change();

create table acts_to_chain (
    entry_id bigint primary key
);
comment on table acts_to_chain is 'A note that an entry of audit_log has no place in the chain yet; a chore gives it one within a second.';
alter table acts_to_chain enable row level security;

create function note_acts_to_chain() returns trigger
    language plpgsql security definer set search_path to public, pg_temp as $$
begin
    insert into acts_to_chain (entry_id) select id from added;
    return null;
end $$;
create trigger audit_log_to_chain after insert on audit_log
    referencing new table as added for each statement execute function note_acts_to_chain();

-- Only an erasure may change an entry (refuse_change).
create function forget_salt() returns trigger language plpgsql as $$
begin
    new.salt := null;
    return new;
end $$;
create trigger audit_log_erased before update on audit_log for each row execute function forget_salt();

create function audit_entry_text(entry audit_log) returns text language sql stable as $$
    select jsonb_build_array(entry.id, entry.actor_id, entry.action, (extract(epoch from entry.at) * 1000000)::bigint)::text
$$;
create function audit_about_text(entry audit_log) returns text language sql stable as $$
    select jsonb_build_array(entry.subject, entry.detail, entry.salt)::text
$$;

-- Gives: how many entries got their place
create function chain_acts(most integer) returns integer language plpgsql as $$
declare
    entry audit_log;
    last_position bigint;
    last_hash bytea;
    about bytea;
    chained bigint[] := '{}';
begin
    perform pg_advisory_xact_lock(hashtext('mysetlist.audit_chain'));
    select position, hash into last_position, last_hash from audit_chain order by position desc limit 1;
    last_position := coalesce(last_position, 0);
    last_hash := coalesce(last_hash, decode(repeat('00', 32), 'hex'));
    for entry in
        select l.* from acts_to_chain t join audit_log l on l.id = t.entry_id order by t.entry_id limit most
    loop
        about := sha256(convert_to(audit_about_text(entry), 'UTF8'));
        last_position := last_position + 1;
        last_hash := sha256(last_hash || about || convert_to(audit_entry_text(entry), 'UTF8'));
        insert into audit_chain (position, entry_id, about_hash, hash) values (last_position, entry.id, about, last_hash);
        chained := chained || entry.id;
    end loop;
    delete from acts_to_chain where entry_id = any(chained);
    return cardinality(chained);
end $$;
revoke execute on function chain_acts, audit_entry_text, audit_about_text from public;

insert into acts_to_chain (entry_id) select id from audit_log;

-- migrate:down

drop function chain_acts, audit_about_text, audit_entry_text;
drop trigger audit_log_erased on audit_log;
drop function forget_salt;
drop trigger audit_log_to_chain on audit_log;
drop function note_acts_to_chain;
drop table acts_to_chain, audit_chain;
alter table audit_log drop column salt;
