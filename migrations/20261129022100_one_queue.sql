-- migrate:up
-- Suggested songs wait in the queue of the moderators. Staff finds the account of a person who writes from an address.

set local lock_timeout = '1s';

create index song_suggestions_waiting_idx on song_suggestions (created_at, id) where status = 'pending';
create index email_preferences_address_idx on email_preferences (lower(address));

-- takes: a whole address, whatever its case
-- gives: the accounts with this address; none when nobody of staff asks
create function find_people_by_address(wanted text) returns setof bigint
language sql stable security definer set search_path = public, pg_temp as $$
    select user_id from email_preferences where lower(address) = lower(wanted) and app_is_staff()
$$;

revoke execute on function find_people_by_address from public;
grant execute on function find_people_by_address to mysetlist_request;

-- migrate:down

set local lock_timeout = '1s';

drop function find_people_by_address;
drop index email_preferences_address_idx, song_suggestions_waiting_idx;
