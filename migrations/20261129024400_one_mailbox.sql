-- A ticket for a confirmed email has a hash of the mailbox in place of a random one, so a mailbox gives one ticket for each show.

-- migrate:up

comment on column ticket_codes.code_hash is
    'HMAC, with the secret of the nodes, of the SHA-256 of the code, or of the mailbox that earned the ticket; random for work.';

-- takes: a show; how the user, who acts, has earned a ticket; a hash that no code has: of the mailbox, or random
-- gives: given, now or before; taken: another account has the ticket of this mailbox; refused: the show's tickets come in another way,
--        or the user has no confirmed email
create or replace function give_ticket(wanted_show bigint, earned ticket_source, new_hash bytea) returns text
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if not exists (select from shows where id = wanted_show and ticket_source = earned) or earned = 'code'
       or earned = 'mail' and not exists (
              select from email_preferences where user_id = app_user_id() and confirmed_at is not null) then
        return 'refused';
    end if;
    insert into ticket_codes (show_id, code_hash, user_id, redeemed_at)
    values (wanted_show, new_hash, app_user_id(), now())
        on conflict do nothing;
    return case when exists (select from ticket_codes where show_id = wanted_show and user_id = app_user_id()) then 'given'
                else 'taken' end;
end $$;

-- migrate:down

comment on column ticket_codes.code_hash is 'HMAC, with the secret of the nodes, of the SHA-256 of the code.';

create or replace function give_ticket(wanted_show bigint, earned ticket_source, new_hash bytea) returns text
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if not exists (select from shows where id = wanted_show and ticket_source = earned) or earned = 'code'
       or earned = 'mail' and not exists (
              select from email_preferences where user_id = app_user_id() and confirmed_at is not null) then
        return 'refused';
    end if;
    insert into ticket_codes (show_id, code_hash, user_id, redeemed_at)
    values (wanted_show, new_hash, app_user_id(), now())
        on conflict do nothing;
    return 'given';
end $$;
