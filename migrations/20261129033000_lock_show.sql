-- Staff whose changes of a show go through the role of requests lock its row first: the second one sees what the first one did.

-- migrate:up

create function lock_show(wanted bigint) returns boolean
    language plpgsql security definer set search_path to public, pg_temp as $$
begin
    if not app_is_staff() then
        raise exception 'only staff may lock a show' using errcode = 'insufficient_privilege';
    end if;
    -- No stronger: whoever adds a row that refers to the show need not wait.
    perform from shows where id = wanted for no key update;
    return found;
end $$;
revoke all on function lock_show(bigint) from public;
grant execute on function lock_show(bigint) to mysetlist_request;

-- migrate:down

drop function lock_show(bigint);
