-- migrate:up
-- The writer calls commit_log() with groups. Nobody calls the two that came before it.

set local lock_timeout = '1s';
-- A commit begins at log_positions, so a writer waits here and holds no other lock.
lock table log_positions in exclusive mode;

drop function commit_log(smallint[], bigint[], bigint[], text[], bigint[], bigint[], bigint[], vote_choice[], bigint[],
                         bigint[], integer[], integer[], bigint[], bigint[], boolean[], bigint[], bigint[], boolean[],
                         bigint[], bigint[], bigint[]);
drop function commit_log(smallint[], bigint[], bigint[], text[], bigint[], bigint[], bigint[], vote_choice[], bigint[],
                         bigint[], integer[], integer[], bigint[], bigint[], boolean[], bigint[], bigint[], boolean[]);

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

-- takes: the arguments of commit_votes, and those of commit_marks
-- gives: as commit_votes; when changed_count is -1, nothing of the marks was written
create function commit_log(
    shards smallint[], old_positions bigint[], new_positions bigint[], entries text[],
    song_ids bigint[], user_ids bigint[], vote_show_ids bigint[], choices vote_choice[], cast_ms bigint[],
    spent_user_ids bigint[], spent_days integer[], spent integer[],
    going_user_ids bigint[], going_show_ids bigint[], goings boolean[],
    following_user_ids bigint[], following_artist_ids bigint[], followings boolean[],
    out changed_count integer, out refused jsonb
) language plpgsql as $$
begin
    select v.changed_count, v.refused into changed_count, refused
      from commit_votes(shards, old_positions, new_positions, entries, song_ids, user_ids, vote_show_ids, choices, cast_ms,
                        spent_user_ids, spent_days, spent) v;
    if changed_count >= 0 and (cardinality(going_user_ids) > 0 or cardinality(following_user_ids) > 0) then
        perform commit_marks(shards, new_positions, going_user_ids, going_show_ids, goings,
                             following_user_ids, following_artist_ids, followings);
    end if;
end $$;

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
