-- migrate:up
-- Ticket codes that nobody can guess from the database or by trying, and crowds of new accounts that vote for one song.

set local lock_timeout = '1s';

-- Existing rows hold a plain SHA-256. A chore of the nodes replaces it, because only they know the secret.
alter table ticket_codes add column is_keyed boolean not null default false;
alter table ticket_codes alter column is_keyed set default true;
comment on column ticket_codes.code_hash is 'HMAC, with the secret of the nodes, of the SHA-256 of the code.';
comment on column ticket_codes.is_keyed is 'False: code_hash is still the SHA-256 of an older version.';
create index ticket_codes_unkeyed_idx on ticket_codes (show_id) where not is_keyed;

drop function redeem_ticket(bigint, bytea);

-- takes: a show, the hash of a code, and the hash that an older version stored
-- gives: redeemed, now or before by this user; held: the user has another ticket to this show; refused: another user has
--        redeemed it, or there is no such code. Whoever holds a ticket learns nothing about other codes
-- locks: the row of the code, so that one of two users at once gets it
create function redeem_ticket(wanted_show bigint, wanted_hash bytea, unkeyed_hash bytea) returns text
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    code ticket_codes;
begin
    select * into code
      from ticket_codes
     where show_id = wanted_show and code_hash in (wanted_hash, unkeyed_hash) and is_keyed = (code_hash = wanted_hash)
       for update;
    if code.user_id = app_user_id() then
        return 'redeemed';
    end if;
    if exists (select from ticket_codes where show_id = wanted_show and user_id = app_user_id()) then
        return 'held';
    end if;
    if code.show_id is null or code.redeemed_at is not null then
        return 'refused';
    end if;
    update ticket_codes set user_id = app_user_id(), redeemed_at = now()
     where show_id = wanted_show and code_hash = code.code_hash;
    return 'redeemed';
exception when unique_violation then
    return 'held';
end $$;

revoke execute on function redeem_ticket from public;
grant execute on function redeem_ticket to mysetlist_request;

create table vote_surges (
    id              bigint generated always as identity primary key,
    show_id         bigint      not null references shows (id) on delete cascade,
    setlist_song_id bigint      not null references setlist_songs (id) on delete cascade,
    address_hash    bytea       not null check (octet_length(address_hash) = 16),
    account_count   integer     not null check (account_count > 0),
    began_at        timestamptz not null,
    seen_at         timestamptz not null default now(),
    constraint vote_surges_crowd_key unique (setlist_song_id, address_hash)
);
comment on table vote_surges is 'Many new accounts of one address that voted for little else than one song.';
comment on column vote_surges.address_hash is 'As in sessions. Equal hashes are one address; the address itself is not stored.';
comment on column vote_surges.began_at is 'When the first of these accounts was made.';
create index vote_surges_show_id_idx on vote_surges (show_id);
create index vote_surges_seen_at_idx on vote_surges (seen_at);

alter table vote_surges enable row level security;
create policy vote_surges_staff on vote_surges for select to mysetlist_request using ((select app_is_staff()));
grant select on vote_surges to mysetlist_request;

-- migrate:down

set local lock_timeout = '1s';

drop table vote_surges;
drop function redeem_ticket(bigint, bytea, bytea);

-- takes: a show, the hash of a code
-- gives: redeemed, now or before by this user; held: the user has another ticket to this show; used: another user has
--        redeemed it; unknown
-- locks: the row of the code, so that one of two users at once gets it
create function redeem_ticket(wanted_show bigint, wanted_hash bytea) returns text
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    code ticket_codes;
begin
    select * into code from ticket_codes where show_id = wanted_show and code_hash = wanted_hash for update;
    if not found then
        return 'unknown';
    end if;
    if code.user_id = app_user_id() then
        return 'redeemed';
    end if;
    if code.redeemed_at is not null then
        return 'used';
    end if;
    update ticket_codes set user_id = app_user_id(), redeemed_at = now()
     where show_id = wanted_show and code_hash = wanted_hash;
    return 'redeemed';
exception when unique_violation then
    return 'held';
end $$;

revoke execute on function redeem_ticket from public;
grant execute on function redeem_ticket to mysetlist_request;

drop index ticket_codes_unkeyed_idx;
comment on column ticket_codes.code_hash is 'SHA-256 of the code.';
alter table ticket_codes drop column is_keyed;
