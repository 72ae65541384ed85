-- migrate:up

-- Codes that bind a vote to an admission (docs/adr/0015).

set local lock_timeout = '1s';  -- votes wait behind us; the start tries again
lock table log_positions in exclusive mode;

alter table shows add column requires_ticket boolean not null default false;

-- Beside shows_revise, which other columns move: who moves both gets one revision all the same.
create trigger shows_revise_ticket before update on shows for each row
    when (old.requires_ticket is distinct from new.requires_ticket)
    execute function revise_show();

-- One code of one show. It is redeemed once: erasing whoever did leaves it spent, and says nothing of them.
create table ticket_codes (
    show_id     bigint      not null references shows (id) on delete cascade,
    code_hash   bytea       not null check (octet_length(code_hash) = 32),
    user_id     bigint      references users (id) on delete set null,
    created_at  timestamptz not null default now(),
    redeemed_at timestamptz,
    primary key (show_id, code_hash),
    constraint ticket_codes_redeemed check (user_id is null or redeemed_at is not null)
);

-- A fan has one ticket to a show; casts find it here.
create unique index ticket_codes_holder_idx on ticket_codes (user_id, show_id) where user_id is not null;

alter table ticket_codes enable row level security;
grant select, insert on ticket_codes to mysetlist_request;
grant select on ticket_codes to mysetlist_writer;
create policy ticket_codes_writer on ticket_codes for select to mysetlist_writer using (true);
create policy ticket_codes_own on ticket_codes for select to mysetlist_request
    using (user_id = (select app_user_id()));
create policy ticket_codes_admin on ticket_codes for select to mysetlist_request using ((select app_is_admin()));
create policy ticket_codes_make on ticket_codes for insert to mysetlist_request
    with check ((select app_is_admin()) and user_id is null and redeemed_at is null);

-- takes: a show, the hash of a code
-- gives: what became of it: redeemed, now or before by oneself; held: one has another ticket to this show; used: somebody
--        else has; unknown
-- locks: the code's row
-- A code is nobody's before it is redeemed, so no policy could show it. Two who come at once are decided by the row's lock.
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

-- takes: a show; whether it takes votes with a ticket only; gives: whether there is such a show
-- For administrators, who may change no other column.
create function require_ticket(wanted_show bigint, is_required boolean) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if not app_is_admin() then
        raise exception 'for administrators' using errcode = 'insufficient_privilege';
    end if;
    update shows set requires_ticket = is_required where id = wanted_show;
    return found;
end $$;
revoke execute on function require_ticket from public;
grant execute on function require_ticket to mysetlist_request;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

drop function require_ticket, redeem_ticket;
drop table ticket_codes;
drop trigger shows_revise_ticket on shows;
alter table shows drop column requires_ticket;
