-- What a node does as an administrator and what only an owner may do: two functions of the owner. So its login may own nothing
-- (docs/adr/0008).

-- migrate:up

set local lock_timeout = '1s';

-- It makes the partitions of coming months.
alter function ensure_vote_analytics_partitions security definer set search_path = public, pg_temp;
revoke execute on function ensure_vote_analytics_partitions from public;
grant execute on function ensure_vote_analytics_partitions to mysetlist_writer;

-- Drops an index that an interrupted `reindex concurrently` has left.
--
-- takes: its name
create function drop_unfinished_index(unfinished text) returns void language plpgsql security definer
set search_path = public, pg_temp set lock_timeout = '5s' as $$
begin
    if not exists (select from pg_index x join pg_class i on i.oid = x.indexrelid
                    where i.relnamespace = 'public'::regnamespace and i.relname = unfinished
                      and not x.indisvalid and i.relname ~ '_cc(new|old)[0-9]*$') then
        raise exception '% is no unfinished index', unfinished using errcode = 'undefined_object';
    end if;
    execute format('drop index %I.%I', 'public', unfinished);
end $$;
revoke execute on function drop_unfinished_index from public;
grant execute on function drop_unfinished_index to mysetlist_writer;

-- migrate:down

set local lock_timeout = '1s';

drop function drop_unfinished_index;
revoke execute on function ensure_vote_analytics_partitions from mysetlist_writer;
grant execute on function ensure_vote_analytics_partitions to public;
alter function ensure_vote_analytics_partitions security invoker reset search_path;
