-- migrate:up

-- Who goes where and who follows whom goes the way of votes: accepted into the log, written by the writer together with the
-- log's position (docs/adr/0012).

set local lock_timeout = '1s';  -- votes wait behind us; the start tries again
lock table log_positions in exclusive mode;

-- takes: one row a fan and show, and a fan and artist: what they said last; the shards and positions of the commit
-- locks: attendance, then shows; follows, then artist_stats, by the triggers
-- What is about a show, an artist or a fan that is gone by now is left out.
create function commit_marks(
    shards smallint[], new_positions bigint[],
    going_user_ids bigint[], going_show_ids bigint[], goings boolean[],
    following_user_ids bigint[], following_artist_ids bigint[], followings boolean[]
) returns void language plpgsql as $$
#variable_conflict use_column
declare
    shard_count integer;
begin
    with said as materialized (
        select * from unnest(going_user_ids, going_show_ids, goings) as s (user_id, show_id, going)
    ), gone as (
        delete from user_show_attendance a using said s
         where not s.going and a.user_id = s.user_id and a.show_id = s.show_id
    )
    insert into user_show_attendance (user_id, show_id)
    select s.user_id, s.show_id
      from said s join users u on u.id = s.user_id join shows w on w.id = s.show_id
     where s.going
     order by s.user_id, s.show_id
        on conflict do nothing;

    with said as materialized (
        select * from unnest(following_user_ids, following_artist_ids, followings) as s (user_id, artist_id, following)
    ), gone as (
        delete from user_follows_artists f using said s
         where not s.following and f.user_id = s.user_id and f.artist_id = s.artist_id
    )
    insert into user_follows_artists (user_id, artist_id)
    select s.user_id, s.artist_id
      from said s join users u on u.id = s.user_id join artists a on a.id = s.artist_id
     where s.following
     order by s.user_id, s.artist_id
        on conflict do nothing;

    select count(*) into shard_count from log_positions;
    perform pg_notify('attendance', format('{"show":%s,"at":%s,"going":%s}', w.id, m.position, w.attendance_count))
       from shows w
       join unnest(shards, new_positions) as m (shard, position) on m.shard = w.id % shard_count
      where w.id = any(going_show_ids);
    perform pg_notify('followers', format('{"artist":%s,"at":%s,"followers":%s}', a.artist_id, m.position, a.follower_count))
       from artist_stats a
       join unnest(shards, new_positions) as m (shard, position) on m.shard = a.artist_id % shard_count
      where a.artist_id = any(following_artist_ids);
end $$;

-- takes: what commit_votes takes, and what commit_marks takes beside it
-- gives: as commit_votes; when that is -1, no mark was written either
create function commit_log(
    shards smallint[], old_positions bigint[], new_positions bigint[], entries text[],
    song_ids bigint[], user_ids bigint[], vote_show_ids bigint[], choices vote_choice[], cast_ms bigint[],
    spent_user_ids bigint[], spent_days integer[], spent integer[],
    going_user_ids bigint[], going_show_ids bigint[], goings boolean[],
    following_user_ids bigint[], following_artist_ids bigint[], followings boolean[]
) returns integer language plpgsql as $$
declare
    changed_count integer := commit_votes(shards, old_positions, new_positions, entries, song_ids, user_ids, vote_show_ids,
                                          choices, cast_ms, spent_user_ids, spent_days, spent);
begin
    if changed_count >= 0 and (cardinality(going_user_ids) > 0 or cardinality(following_user_ids) > 0) then
        perform commit_marks(shards, new_positions, going_user_ids, going_show_ids, goings,
                             following_user_ids, following_artist_ids, followings);
    end if;
    return changed_count;
end $$;

-- Requests read their own; only the writer writes.
revoke insert, delete on user_follows_artists, user_show_attendance from mysetlist_request;
grant select, insert, delete on user_follows_artists, user_show_attendance to mysetlist_writer;
create policy user_follows_artists_writer on user_follows_artists for all to mysetlist_writer using (true) with check (true);
create policy user_show_attendance_writer on user_show_attendance for all to mysetlist_writer using (true) with check (true);

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

drop policy user_show_attendance_writer on user_show_attendance;
drop policy user_follows_artists_writer on user_follows_artists;
revoke select, insert, delete on user_follows_artists, user_show_attendance from mysetlist_writer;
grant insert, delete on user_follows_artists, user_show_attendance to mysetlist_request;
drop function commit_log, commit_marks;
