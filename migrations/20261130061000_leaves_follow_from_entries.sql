-- migrate:up
-- The hash of a leaf follows from its entry, so it is stored only where entries are blank (docs/adr/0050-ledger.md).

set local lock_timeout = '1s';

alter table ledger_entries alter column leaves drop not null;
comment on column ledger_entries.leaves is 'The leaf hashes of the entries, stored before an entry is blank; null: they follow from the entries.';

-- gives: the leaf hashes of entries that stand one after the other
create function ledger_leaves(entries bytea) returns bytea language sql immutable as $$
    select string_agg(sha256('\x00' || substr(entries, 1 + 58 * number, 58)), '' order by number)
      from generate_series(0, octet_length(entries) / 58 - 1) as number
$$;
revoke execute on function ledger_leaves from public;

-- Whoever blanks entries, a node of an older version too, leaves their hashes behind.
create function keep_leaves() returns trigger language plpgsql security definer set search_path to public, pg_temp as $$
begin
    if new.leaves is null then
        new.leaves := ledger_leaves(old.entries);
    end if;
    return new;
end $$;
create trigger ledger_entries_keep_leaves before update of entries on ledger_entries
    for each row execute function keep_leaves();

-- gives: the hashes of a level, from a number up to another one without it, one after the other; null: there are none
create or replace function ledger_hashes(wanted bigint, wanted_level integer, first_number bigint, end_number bigint) returns bytea
    language plpgsql stable security definer set search_path to public, pg_temp as $$
begin
    if wanted_level > 0 then
        return (select string_agg(n.hash, '' order by n.number)
                  from ledger_nodes n
                 where n.show_id = wanted and n.level = wanted_level and n.number >= first_number and n.number < end_number);
    end if;
    return (select string_agg(coalesce(substr(e.leaves, 1 + 32 * part.first, 32 * part.count),
                                       ledger_leaves(substr(e.entries, 1 + 58 * part.first, 58 * part.count))), '' order by e.first)
              from ledger_entries e
             cross join lateral (
                   select greatest(first_number - e.first, 0)::integer as first,
                          (least(end_number, e.first + e.count) - greatest(first_number, e.first))::integer as count) part
             where e.show_id = wanted and e.first > first_number - 1024 and e.first < end_number and e.first + e.count > first_number);
end $$;

-- migrate:down

set local lock_timeout = '1s';
-- No sequencer may append a row without leaves meanwhile.
lock table ledger_entries in access exclusive mode;

drop trigger ledger_entries_keep_leaves on ledger_entries;
drop function keep_leaves;
update ledger_entries set leaves = ledger_leaves(entries) where leaves is null;
alter table ledger_entries alter column leaves set not null;
comment on column ledger_entries.leaves is 'The leaf hashes of the entries, which are public.';

create or replace function ledger_hashes(wanted bigint, wanted_level integer, first_number bigint, end_number bigint) returns bytea
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
drop function ledger_leaves;
