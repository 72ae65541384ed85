-- migrate:up
-- The order of a fan's casts, so that a late copy of an old cast cannot override a newer one (docs/adr/0030).

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

create table cast_orders (
    user_id    bigint not null references users (id) on delete cascade,
    show_id    bigint not null,
    cast_order bigint not null check (cast_order > 0),
    constraint cast_orders_pkey primary key (user_id, show_id)
) with (fillfactor = 70);
comment on table cast_orders is
    'The greatest order among a fan''s casts in a show. A cast with a smaller one came too late. Deleted after the final result.';

grant select, insert, update on cast_orders to mysetlist_writer;
grant select on cast_orders to mysetlist_request;
alter table cast_orders enable row level security;
create policy cast_orders_writer on cast_orders for all to mysetlist_writer using (true) with check (true);
create policy cast_orders_read   on cast_orders for select to mysetlist_request
    using (user_id = (select app_user_id()) or (select app_is_staff()));

-- takes: the arguments of commit_log without orders; the greatest order of each fan in each show, of casts that have one
-- gives: as commit_log without orders
create function commit_log(
    shards smallint[], old_positions bigint[], new_positions bigint[], entries text[],
    song_ids bigint[], user_ids bigint[], vote_show_ids bigint[], choices vote_choice[], cast_ms bigint[],
    spent_user_ids bigint[], spent_days integer[], spent integer[],
    going_user_ids bigint[], going_show_ids bigint[], goings boolean[],
    following_user_ids bigint[], following_artist_ids bigint[], followings boolean[],
    order_user_ids bigint[], order_show_ids bigint[], orders bigint[],
    out changed_count integer, out refused jsonb
) language plpgsql as $$
#variable_conflict use_column
begin
    select done.changed_count, done.refused into changed_count, refused
      from commit_log(shards, old_positions, new_positions, entries, song_ids, user_ids, vote_show_ids,
                      choices, cast_ms, spent_user_ids, spent_days, spent,
                      going_user_ids, going_show_ids, goings,
                      following_user_ids, following_artist_ids, followings) done;
    if changed_count >= 0 and cardinality(order_user_ids) > 0 then
        insert into cast_orders (user_id, show_id, cast_order)
        select o.user_id, o.show_id, o.cast_order
          from unnest(order_user_ids, order_show_ids, orders) as o (user_id, show_id, cast_order)
          join users u on u.id = o.user_id
         order by o.user_id, o.show_id
            on conflict (user_id, show_id) do update
           set cast_order = excluded.cast_order
         where cast_orders.cast_order < excluded.cast_order;
    end if;
end $$;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;
drop function commit_log(smallint[], bigint[], bigint[], text[], bigint[], bigint[], bigint[], vote_choice[], bigint[],
                         bigint[], integer[], integer[], bigint[], bigint[], boolean[], bigint[], bigint[], boolean[],
                         bigint[], bigint[], bigint[]);
drop table cast_orders;
