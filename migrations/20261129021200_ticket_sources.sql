-- migrate:up
-- How a fan gets the ticket that a show requires: by a code, by work of the fan's device, or by a confirmed email.

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

create type ticket_source as enum ('code', 'work', 'mail');
alter table shows add column ticket_source ticket_source not null default 'code';
comment on column shows.ticket_source is 'How a fan gets a ticket: a code, work of the own device, or a confirmed email.';

-- takes: a show; how fans get its tickets
-- gives: whether there is such a show
create function set_ticket_source(wanted_show bigint, source ticket_source) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if not app_is_admin() then
        raise exception 'only administrators may say how fans get tickets' using errcode = 'insufficient_privilege';
    end if;
    update shows set ticket_source = source where id = wanted_show;
    return found;
end $$;
revoke execute on function set_ticket_source from public;
grant execute on function set_ticket_source to mysetlist_request;

-- takes: a show; how the user, who acts, has earned a ticket; a random hash, which no code has
-- gives: given, now or before; refused: the show's tickets come in another way, or the user has no confirmed email
create function give_ticket(wanted_show bigint, earned ticket_source, new_hash bytea) returns text
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
revoke execute on function give_ticket from public;
grant execute on function give_ticket to mysetlist_request;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;
drop function give_ticket(bigint, ticket_source, bytea);
drop function set_ticket_source(bigint, ticket_source);
alter table shows drop column ticket_source;
drop type ticket_source;
