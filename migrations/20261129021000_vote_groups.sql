-- migrate:up
-- Groups of votes that look like the work of one hand. Staff set a group aside: its votes stay, but do not count (docs/adr/0033).
-- Over 400 lines: it replaces functions as a whole, and has their former texts for the way back.

set local lock_timeout = '1s';
-- A commit begins at log_positions, so a writer waits here and holds no other lock.
lock table log_positions in exclusive mode;

create type vote_group_state as enum ('open', 'set_aside', 'restored', 'void');

create table vote_groups (
    id           bigint           generated always as identity primary key,
    show_id      bigint           not null references shows (id) on delete cascade,
    state        vote_group_state not null default 'open',
    decision     vote_group_state not null default 'open',
    score        real             not null check (score >= 0),
    reasons      jsonb            not null,
    ballot_count integer          not null check (ballot_count > 0),
    began_at     timestamptz      not null,
    ended_at     timestamptz      not null,
    found_at     timestamptz      not null default now(),
    decided_by   bigint           references users (id) on delete set null,
    decided_at   timestamptz,
    constraint vote_groups_times check (ended_at >= began_at),
    constraint vote_groups_decided check ((decided_at is null) = (decision = 'open'))
);
comment on table vote_groups is 'Ballots of one show that look like the work of one hand.';
comment on column vote_groups.state is 'Whether its votes count: they do when it is open or restored.';
comment on column vote_groups.decision is 'The state that somebody wants; it becomes the state when the commit of its log entry applies it.';
comment on column vote_groups.score is 'The sum of what its reasons weigh (docs/abuse.md).';
comment on column vote_groups.reasons is 'The signals that were found: kind, weight, and a sentence.';
comment on column vote_groups.ballot_count is 'Its members when it was found.';
comment on column vote_groups.began_at is 'The time of its first vote; ended_at: of its last one.';
comment on column vote_groups.decided_by is 'Null: the rule of the show, or the account is gone.';
create index vote_groups_show_id_idx on vote_groups (show_id);
create index vote_groups_decided_by_idx on vote_groups (decided_by) where decided_by is not null;

create table vote_group_members (
    show_id      bigint  not null,
    user_id      bigint  not null references users (id) on delete cascade,
    group_id     bigint  not null references vote_groups (id) on delete cascade,
    is_set_aside boolean not null default false,
    constraint vote_group_members_pkey primary key (show_id, user_id)
) with (fillfactor = 70);
comment on table vote_group_members is 'A ballot in a group. A ballot is in one group at most.';
comment on column vote_group_members.is_set_aside is 'The votes of this ballot, later ones too, are in no tally.';
create index vote_group_members_user_id_idx on vote_group_members (user_id);
create index vote_group_members_group_id_idx on vote_group_members (group_id);

alter table vote_groups enable row level security;
alter table vote_group_members enable row level security;
grant select on vote_groups, vote_group_members to mysetlist_writer;
create policy vote_groups_writer on vote_groups for select to mysetlist_writer using (true);
create policy vote_group_members_writer on vote_group_members for select to mysetlist_writer using (true);
grant select, update on vote_groups to mysetlist_request;
grant select on vote_group_members to mysetlist_request;
create policy vote_group_members_read on vote_group_members for select to mysetlist_request
    using (user_id = (select app_user_id()) or (select app_is_staff()));
create policy vote_groups_read on vote_groups for select to mysetlist_request
    using ((select app_is_staff())
           or exists (select from vote_group_members m where m.group_id = vote_groups.id and m.user_id = (select app_user_id())));
create policy vote_groups_decide on vote_groups for update to mysetlist_request
    using ((select app_is_staff())) with check ((select app_is_staff()));

alter table setlist_songs add column set_aside_up_count bigint not null default 0 check (set_aside_up_count >= 0);
alter table setlist_songs add column set_aside_down_count bigint not null default 0 check (set_aside_down_count >= 0);
comment on column setlist_songs.set_aside_up_count is 'Votes up that are set aside. They are not in up_count.';
comment on column setlist_songs.set_aside_down_count is 'Votes down that are set aside. They are not in down_count.';

-- ── counting: a vote is in up_count or down_count, or in one of the two beside them when its ballot is set aside

create function move_tallies(
    song_ids bigint[], ups bigint[], downs bigint[], aside_ups bigint[], aside_downs bigint[]
) returns void
language plpgsql as $$
begin
    with delta as (
        select d.id, coalesce(d.up, 0) as up, coalesce(d.down, 0) as down,
               coalesce(d.aside_up, 0) as aside_up, coalesce(d.aside_down, 0) as aside_down
          from unnest(song_ids, ups, downs, aside_ups, aside_downs) as d (id, up, down, aside_up, aside_down)
    ), song as (
        update setlist_songs s
           set up_count = s.up_count + d.up, down_count = s.down_count + d.down,
               set_aside_up_count = s.set_aside_up_count + d.aside_up,
               set_aside_down_count = s.set_aside_down_count + d.aside_down
          from delta d
         where s.id = d.id and (d.up, d.down, d.aside_up, d.aside_down) <> (0, 0, 0, 0)
     returning s.setlist_id, s.show_id, d.up + d.down as moved
    ), setlist as (
        update setlists l
           set vote_count = l.vote_count + m.moved
          from (select setlist_id, sum(moved) as moved from song group by setlist_id) m
         where l.id = m.setlist_id and m.moved <> 0
    )
    update shows w
       set vote_count = w.vote_count + m.moved
      from (select show_id, sum(moved) as moved from song group by show_id) m
     where w.id = m.show_id and m.moved <> 0;
end $$;

create or replace function count_inserted_votes() returns trigger
language plpgsql as $$
begin
    perform move_tallies(array_agg(id), array_agg(up), array_agg(down), array_agg(aside_up), array_agg(aside_down))
       from (select d.setlist_song_id as id,
                    count(*) filter (where d.choice = 'up' and m.user_id is null) as up,
                    count(*) filter (where d.choice = 'down' and m.user_id is null) as down,
                    count(*) filter (where d.choice = 'up' and m.user_id is not null) as aside_up,
                    count(*) filter (where d.choice = 'down' and m.user_id is not null) as aside_down
               from inserted d
               left join vote_group_members m on m.show_id = d.show_id and m.user_id = d.user_id and m.is_set_aside
              group by 1) moved
     having count(*) > 0;
    return null;
end $$;

create or replace function count_deleted_votes() returns trigger
language plpgsql as $$
begin
    perform move_tallies(array_agg(id), array_agg(up), array_agg(down), array_agg(aside_up), array_agg(aside_down))
       from (select d.setlist_song_id as id,
                    -count(*) filter (where d.choice = 'up' and m.user_id is null) as up,
                    -count(*) filter (where d.choice = 'down' and m.user_id is null) as down,
                    -count(*) filter (where d.choice = 'up' and m.user_id is not null) as aside_up,
                    -count(*) filter (where d.choice = 'down' and m.user_id is not null) as aside_down
               from deleted d
               left join vote_group_members m on m.show_id = d.show_id and m.user_id = d.user_id and m.is_set_aside
              group by 1) moved
     having count(*) > 0;
    return null;
end $$;

create or replace function count_updated_votes() returns trigger
language plpgsql as $$
begin
    perform move_tallies(array_agg(id), array_agg(up), array_agg(down), array_agg(aside_up), array_agg(aside_down))
       from (select d.setlist_song_id as id,
                    sum(d.step) filter (where d.choice = 'up' and m.user_id is null) as up,
                    sum(d.step) filter (where d.choice = 'down' and m.user_id is null) as down,
                    sum(d.step) filter (where d.choice = 'up' and m.user_id is not null) as aside_up,
                    sum(d.step) filter (where d.choice = 'down' and m.user_id is not null) as aside_down
               from (select setlist_song_id, show_id, user_id, choice, 1 as step from updated
                     union all
                     select setlist_song_id, show_id, user_id, choice, -1 from replaced) d
               left join vote_group_members m on m.show_id = d.show_id and m.user_id = d.user_id and m.is_set_aside
              group by 1) moved
     having count(*) > 0;
    return null;
end $$;

drop function move_tallies(bigint[], bigint[], bigint[]);

-- takes: ballots, and for each 1 (it is set aside now) or -1 (it counts again); all its votes move from one count to the other
create function move_ballots(show_ids bigint[], user_ids bigint[], steps integer[]) returns void
language sql as $$
    select move_tallies(array_agg(id), array_agg(-up), array_agg(-down), array_agg(up), array_agg(down))
      from (select v.setlist_song_id as id, coalesce(sum(b.step) filter (where v.choice = 'up'), 0) as up,
                   coalesce(sum(b.step) filter (where v.choice = 'down'), 0) as down
              from (select show_id, user_id, sum(step)::integer as step
                      from unnest(show_ids, user_ids, steps) as b (show_id, user_id, step)
                     group by 1, 2 having sum(step) <> 0) b
              join votes v on v.user_id = b.user_id and v.show_id = b.show_id
             group by 1) moved
$$;

create function count_new_members() returns trigger
language plpgsql as $$
begin
    perform move_ballots(array_agg(show_id), array_agg(user_id), array_agg(1))
       from inserted where is_set_aside having count(*) > 0;
    return null;
end $$;

create function count_former_members() returns trigger
language plpgsql as $$
begin
    perform move_ballots(array_agg(show_id), array_agg(user_id), array_agg(-1))
       from deleted where is_set_aside having count(*) > 0;
    return null;
end $$;

create function count_changed_members() returns trigger
language plpgsql as $$
begin
    perform move_ballots(array_agg(show_id), array_agg(user_id), array_agg(step))
       from (select show_id, user_id, 1 as step from updated where is_set_aside
             union all
             select show_id, user_id, -1 from replaced where is_set_aside) moves
     having count(*) > 0;
    return null;
end $$;

create trigger vote_group_members_count_inserted after insert on vote_group_members
    referencing new table as inserted for each statement execute function count_new_members();
create trigger vote_group_members_count_deleted after delete on vote_group_members
    referencing old table as deleted for each statement execute function count_former_members();
create trigger vote_group_members_count_updated after update on vote_group_members
    referencing old table as replaced new table as updated for each statement execute function count_changed_members();

-- ── decisions, which travel through the log of their show's shard

-- takes: groups whose decision was read from the log
-- gives: the shows whose counts it may have changed
-- locks: the groups; the caller holds the shards of their shows
create function apply_decisions(group_ids bigint[]) returns bigint[]
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    decided record;
    show_ids bigint[] := '{}';
begin
    for decided in
        update vote_groups set state = decision where id = any(group_ids) and state <> decision returning id, show_id, state
    loop
        show_ids := show_ids || decided.show_id;
        update vote_group_members
           set is_set_aside = not is_set_aside
         where group_id = decided.id and is_set_aside <> (decided.state in ('set_aside', 'void'));
        if decided.state = 'void' then
            with withdrawn as (
                delete from votes v
                 using vote_group_members m
                 where m.group_id = decided.id and v.show_id = m.show_id and v.user_id = m.user_id
             returning v.show_id, v.setlist_song_id, v.user_id, v.choice
            ), hours as (
                insert into vote_rollups (show_id, hour, withdrawn_count)
                select show_id, date_trunc('hour', now(), 'UTC'), count(*) from withdrawn group by 1
                    on conflict (show_id, hour) do update
                   set withdrawn_count = vote_rollups.withdrawn_count + excluded.withdrawn_count
            )
            insert into vote_analytics (show_id, setlist_song_id, user_id, previous, choice, cast_at)
            select show_id, setlist_song_id, user_id, choice, null, now() from withdrawn;
        end if;
        insert into shows_to_score (show_id)
        select decided.show_id where exists (select from setlists l where l.show_id = decided.show_id and l.type = 'actual');
    end loop;
    return show_ids;
end $$;
revoke execute on function apply_decisions from public;
grant execute on function apply_decisions to mysetlist_writer;

drop function commit_votes(smallint[], bigint[], bigint[], text[], bigint[], bigint[], bigint[], vote_choice[], bigint[],
                           bigint[], integer[], integer[]);

-- takes: as before, and the groups whose decision was in these entries
create function commit_votes(
    shards smallint[], old_positions bigint[], new_positions bigint[], entries text[], song_ids bigint[],
    user_ids bigint[], vote_show_ids bigint[], choices vote_choice[], cast_ms bigint[], spent_user_ids bigint[],
    spent_days integer[], spent integer[], group_ids bigint[] default '{}', out changed_count integer, out refused jsonb
) returns record
language plpgsql as $$
#variable_conflict use_column
declare
    shard_count integer;
    decided_show_ids bigint[] := '{}';
    now_ms bigint;
begin
    perform from log_positions where shard = any(shards) order by shard for update;
    if cardinality(shards) <> (select count(*)
                                 from log_positions p
                                 join unnest(shards, old_positions) as m (shard, position) using (shard, position)) then
        changed_count := -1;
        return;
    end if;
    update log_positions p
       set position = m.position
      from unnest(shards, new_positions) as m (shard, position)
     where p.shard = m.shard;
    insert into log_commits (shard, position, entries)
    select m.shard, m.position, string_to_array(m.entries, ',')::bigint[]
      from unnest(shards, new_positions, entries) as m (shard, position, entries);

    with cast_votes as materialized (
        select c.setlist_song_id, c.user_id, c.show_id, c.choice, c.cast_ms, t.cast_at, v.choice as previous,
               case when w.finalised_at is not null then 'final'
                    when t.cast_at < w.opens_at or t.cast_at >= w.closes_at then 'window'
                    when t.cast_at >= s.played_at then 'played' end as refusal
          from unnest(song_ids, user_ids, vote_show_ids, choices, cast_ms)
               as c (setlist_song_id, user_id, show_id, choice, cast_ms)
         cross join lateral (select to_timestamp(c.cast_ms / 1000.0) as cast_at) t
          join setlist_songs s on s.id = c.setlist_song_id and s.show_id = c.show_id
          join shows w on w.id = c.show_id
          join users u on u.id = c.user_id
          left join votes v on v.setlist_song_id = c.setlist_song_id and v.user_id = c.user_id
    ), changed as materialized (
        select * from cast_votes where choice is distinct from previous and refusal is null
    ), withdrawn as (
        delete from votes v using changed c
         where c.choice is null and v.setlist_song_id = c.setlist_song_id and v.user_id = c.user_id
    ), put as (
        insert into votes (setlist_song_id, user_id, show_id, choice, cast_at)
        select setlist_song_id, user_id, show_id, choice, cast_at from changed where choice is not null
        on conflict (setlist_song_id, user_id) do update set choice = excluded.choice, cast_at = excluded.cast_at
    ), history as (
        insert into vote_analytics (show_id, setlist_song_id, user_id, previous, choice, cast_at)
        select show_id, setlist_song_id, user_id, previous, choice, cast_at from changed
    ), rollup as (
        insert into vote_rollups (show_id, hour, up_count, down_count, withdrawn_count)
        select show_id, date_trunc('hour', cast_at, 'UTC'), count(*) filter (where choice = 'up'),
               count(*) filter (where choice = 'down'), count(*) filter (where choice is null)
          from changed group by 1, 2 order by 1, 2
        on conflict (show_id, hour) do update
           set up_count = vote_rollups.up_count + excluded.up_count,
               down_count = vote_rollups.down_count + excluded.down_count,
               withdrawn_count = vote_rollups.withdrawn_count + excluded.withdrawn_count
    )
    select (select count(*) from changed), (select jsonb_agg(jsonb_build_array(show_id, user_id, cast_ms, refusal))
                                              from cast_votes where choice is distinct from previous and refusal is not null)
      into changed_count, refused;

    insert into user_vote_limits (user_id, day, spent)
    select s.user_id, date '1970-01-01' + s.day, s.spent
      from unnest(spent_user_ids, spent_days, spent) as s (user_id, day, spent)
      join users u on u.id = s.user_id
     order by s.user_id, s.day
    on conflict (user_id, day) do update set spent = excluded.spent where user_vote_limits.spent < excluded.spent;

    if cardinality(group_ids) > 0 then
        decided_show_ids := apply_decisions(group_ids);
    end if;

    select count(*) into shard_count from log_positions;
    now_ms := floor(extract(epoch from clock_timestamp()) * 1000);
    -- A payload has less than 8000 bytes: 120 songs with the largest possible numbers, or 400 entries. "after" is the position
    -- from which the show's counts were what this commit has changed: a node whose counts are older reads them again.
    perform pg_notify('votes', format(
                '{"show":%s,"after":%s,"at":%s,"part":%s,"parts":%s,"total":%s,"tally":[%s],"ms":%s}', w.id,
                greatest(w.position, p.reset_position), p.position, t.part, t.parts, w.vote_count, t.tally, now_ms))
       from (select show_id, part, max(part) over (partition by show_id) + 1 as parts,
                    string_agg(format('[%s,%s,%s]', id, up_count, down_count), ',' order by id) as tally
               from (select s.show_id, s.id, s.up_count, s.down_count,
                            (row_number() over (partition by s.show_id order by s.id) - 1) / 120 as part
                       from setlist_songs s
                      where s.id = any(song_ids) or s.show_id = any(decided_show_ids)) numbered
              group by show_id, part) t
       join shows w on w.id = t.show_id
       join log_positions p on p.shard = w.id % shard_count
      order by w.id, t.part;
    update shows w
       set position = m.position
      from unnest(shards, new_positions) as m (shard, position)
     where w.id = any(vote_show_ids || decided_show_ids) and m.shard = w.id % shard_count;
    -- Before the commits, so that no node confirms a refused vote. A payload has at most 100 votes.
    perform pg_notify('refusals', format('[%s]', string_agg(vote, ',')))
       from (select format('[%s,%s,%s,"%s"]', r.vote->>0, r.vote->>1, r.vote->>2, r.vote->>3) as vote,
                    (row_number() over () - 1) / 100 as part
               from jsonb_array_elements(refused) as r (vote)) numbered
      group by part;
    perform pg_notify('commits', format(
                '{"shard":%s,"at":%s,"entries":[%s],"ms":%s}', m.shard, m.position, e.entries, now_ms))
       from unnest(shards, new_positions, entries) as m (shard, position, entries),
            lateral (select string_agg(entry, ',' order by number) as entries
                       from unnest(string_to_array(m.entries, ',')) with ordinality as o (entry, number)
                      group by (number - 1) / 400) e;
end $$;

-- takes: the arguments of commit_log with orders; the groups whose decision was in these entries
-- gives: as commit_log without orders
create function commit_log(
    shards smallint[], old_positions bigint[], new_positions bigint[], entries text[],
    song_ids bigint[], user_ids bigint[], vote_show_ids bigint[], choices vote_choice[], cast_ms bigint[],
    spent_user_ids bigint[], spent_days integer[], spent integer[],
    going_user_ids bigint[], going_show_ids bigint[], goings boolean[],
    following_user_ids bigint[], following_artist_ids bigint[], followings boolean[],
    order_user_ids bigint[], order_show_ids bigint[], orders bigint[], group_ids bigint[],
    out changed_count integer, out refused jsonb
) language plpgsql as $$
#variable_conflict use_column
begin
    select v.changed_count, v.refused into changed_count, refused
      from commit_votes(shards, old_positions, new_positions, entries, song_ids, user_ids, vote_show_ids, choices, cast_ms,
                        spent_user_ids, spent_days, spent, group_ids) v;
    if changed_count >= 0 and (cardinality(going_user_ids) > 0 or cardinality(following_user_ids) > 0) then
        perform commit_marks(shards, new_positions, going_user_ids, going_show_ids, goings,
                             following_user_ids, following_artist_ids, followings);
    end if;
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

-- ── everything else that counts votes

create or replace function miscounts() returns table (subject text, id bigint, count_of text, stored bigint, counted bigint, show_id bigint)
language sql stable as $$
    with song as materialized (
        select v.setlist_song_id as id,
               count(*) filter (where v.choice = 'up' and m.user_id is null) as up,
               count(*) filter (where v.choice = 'down' and m.user_id is null) as down,
               count(*) filter (where v.choice = 'up' and m.user_id is not null) as aside_up,
               count(*) filter (where v.choice = 'down' and m.user_id is not null) as aside_down
          from votes v
          left join vote_group_members m on m.show_id = v.show_id and m.user_id = v.user_id and m.is_set_aside
         group by 1
    ), counted_song as materialized (
        select s.id, s.setlist_id, s.show_id, s.up_count, s.down_count, s.set_aside_up_count, s.set_aside_down_count,
               coalesce(v.up, 0) as up, coalesce(v.down, 0) as down,
               coalesce(v.aside_up, 0) as aside_up, coalesce(v.aside_down, 0) as aside_down
          from setlist_songs s left join song v on v.id = s.id
    )
    select 'song', s.id, 'up', s.up_count, s.up, s.show_id from counted_song s where s.up_count <> s.up
    union all
    select 'song', s.id, 'down', s.down_count, s.down, s.show_id from counted_song s where s.down_count <> s.down
    union all
    select 'song', s.id, 'set aside up', s.set_aside_up_count, s.aside_up, s.show_id
      from counted_song s where s.set_aside_up_count <> s.aside_up
    union all
    select 'song', s.id, 'set aside down', s.set_aside_down_count, s.aside_down, s.show_id
      from counted_song s where s.set_aside_down_count <> s.aside_down
    union all
    select 'setlist', l.id, 'votes', l.vote_count, coalesce(v.votes, 0), l.show_id
      from setlists l
      left join (select setlist_id, sum(up + down)::bigint as votes from counted_song group by 1) v on v.setlist_id = l.id
     where l.vote_count <> coalesce(v.votes, 0)
    union all
    select 'show', w.id, 'votes', w.vote_count, coalesce(v.votes, 0), w.id
      from shows w
      left join (select show_id, sum(up + down)::bigint as votes from counted_song group by 1) v on v.show_id = w.id
     where w.vote_count <> coalesce(v.votes, 0)
    union all
    select 'show', w.id, 'attendance', w.attendance_count, coalesce(g.going, 0), w.id
      from shows w
      left join (select show_id, count(*) as going from user_show_attendance group by 1) g on g.show_id = w.id
     where w.attendance_count <> coalesce(g.going, 0)
    union all
    select 'artist', a.artist_id, 'followers', a.follower_count, coalesce(f.followers, 0), null
      from artist_stats a
      left join (select artist_id, count(*) as followers from user_follows_artists group by 1) f on f.artist_id = a.artist_id
     where a.follower_count <> coalesce(f.followers, 0)
    union all
    select 'artist', a.artist_id, 'shows', a.show_count, coalesce(w.shows, 0), null
      from artist_stats a
      left join (select artist_id, count(*) as shows from shows group by 1) w on w.artist_id = a.artist_id
     where a.show_count <> coalesce(w.shows, 0)
    union all
    select 'venue', v.id, 'reviews', v.review_count, coalesce(r.reviews, 0), null
      from venues v
      left join (select venue_id, count(*) as reviews from venue_reviews where status = 'approved' group by 1) r
        on r.venue_id = v.id
     where v.review_count <> coalesce(r.reviews, 0)
    union all
    select 'venue', v.id, 'ratings', v.rating_sum, coalesce(r.ratings, 0), null
      from venues v
      left join (select venue_id, sum(rating) as ratings from venue_reviews where status = 'approved' group by 1) r
        on r.venue_id = v.id
     where v.rating_sum <> coalesce(r.ratings, 0)
$$;

create or replace function repair_counts() returns bigint
language plpgsql as $$
declare
    song_ids bigint[]; setlist_ids bigint[]; show_ids bigint[]; artist_ids bigint[]; venue_ids bigint[];
    repaired bigint := 0;
    step bigint;
begin
    perform from log_positions order by shard for update;
    select array_agg(m.id) filter (where m.subject = 'song'), array_agg(m.id) filter (where m.subject = 'setlist'),
           array_agg(m.id) filter (where m.subject = 'show'), array_agg(m.id) filter (where m.subject = 'artist'),
           array_agg(m.id) filter (where m.subject = 'venue')
      into song_ids, setlist_ids, show_ids, artist_ids, venue_ids
      from miscounts() m;
    perform from setlist_songs where id = any(song_ids) order by id for update;
    perform from setlists where id = any(setlist_ids) order by id for update;
    perform from shows where id = any(show_ids) order by id for update;
    perform from artist_stats where artist_id = any(artist_ids) order by artist_id for update;
    perform from venues where id = any(venue_ids) order by id for update;

    update setlist_songs s
       set (up_count, down_count, set_aside_up_count, set_aside_down_count) =
           (select count(*) filter (where v.choice = 'up' and m.user_id is null),
                   count(*) filter (where v.choice = 'down' and m.user_id is null),
                   count(*) filter (where v.choice = 'up' and m.user_id is not null),
                   count(*) filter (where v.choice = 'down' and m.user_id is not null)
              from votes v
              left join vote_group_members m on m.show_id = v.show_id and m.user_id = v.user_id and m.is_set_aside
             where v.setlist_song_id = s.id)
     where s.id = any(song_ids);
    get diagnostics step = row_count; repaired := repaired + step;
    update setlists l
       set vote_count = (select coalesce(sum(s.up_count + s.down_count), 0) from setlist_songs s where s.setlist_id = l.id)
     where l.id = any(setlist_ids);
    get diagnostics step = row_count; repaired := repaired + step;
    update shows w
       set vote_count = (select coalesce(sum(s.up_count + s.down_count), 0) from setlist_songs s where s.show_id = w.id),
           attendance_count = (select count(*) from user_show_attendance g where g.show_id = w.id)
     where w.id = any(show_ids);
    get diagnostics step = row_count; repaired := repaired + step;
    update artist_stats a
       set follower_count = (select count(*) from user_follows_artists f where f.artist_id = a.artist_id),
           show_count = (select count(*) from shows w where w.artist_id = a.artist_id)
     where a.artist_id = any(artist_ids);
    get diagnostics step = row_count; repaired := repaired + step;
    update venues v
       set (review_count, rating_sum) =
           (select count(*), coalesce(sum(r.rating), 0) from venue_reviews r where r.venue_id = v.id and r.status = 'approved')
     where v.id = any(venue_ids);
    get diagnostics step = row_count;
    return repaired + step;
end $$;

create or replace function integrity_check() returns table (rule text, subject text, detail text)
language sql stable as $$
    select 'tally', m.subject || ':' || m.id, format('%s is %s, the rows say %s', m.count_of, m.stored, m.counted)
      from miscounts() m
    union all
    select 'history', 'song:' || s.id,
           format('votes %s/%s, history %s/%s', t.up, t.down, coalesce(h.up, 0), coalesce(h.down, 0))
      from setlist_songs s
     cross join lateral (select s.up_count + s.set_aside_up_count as up, s.down_count + s.set_aside_down_count as down) t
      left join (select setlist_song_id,
                        count(*) filter (where choice = 'up') - count(*) filter (where previous = 'up') as up,
                        count(*) filter (where choice = 'down') - count(*) filter (where previous = 'down') as down
                   from vote_analytics group by 1) h on h.setlist_song_id = s.id
     where (t.up, t.down) is distinct from (coalesce(h.up, 0), coalesce(h.down, 0))
    union all
    select 'rollup', 'show:' || coalesce(r.show_id, h.show_id),
           format('%s: roll-up %s/%s/%s, history %s/%s/%s', coalesce(r.hour, h.hour),
                  r.up_count, r.down_count, r.withdrawn_count, h.up_count, h.down_count, h.withdrawn_count)
      from vote_rollups r
      full join (select show_id, date_trunc('hour', cast_at, 'UTC') as hour,
                        count(*) filter (where choice = 'up') as up_count,
                        count(*) filter (where choice = 'down') as down_count,
                        count(*) filter (where choice is null) as withdrawn_count
                   from vote_analytics where show_id in (select id from shows) group by 1, 2) h
        on h.show_id = r.show_id and h.hour = r.hour
     where (r.up_count, r.down_count, r.withdrawn_count) is distinct from (h.up_count, h.down_count, h.withdrawn_count)
    union all
    select 'window', 'show:' || w.id, format('%s votes outside of %s to %s', v.outside, w.opens_at, w.closes_at)
      from shows w
      join (select v.show_id, count(*) as outside
              from votes v join shows w on w.id = v.show_id
             where v.cast_at < w.opens_at or v.cast_at >= w.closes_at group by 1) v on v.show_id = w.id
    union all
    select 'final', 'show:' || w.id, format('%s votes since it became final at %s', count(*), w.finalised_at)
      from shows w join votes v on v.show_id = w.id and v.cast_at >= w.finalised_at
     group by w.id
    union all
    select 'played', 'song:' || s.id, format('%s votes since it was played at %s', count(*), s.played_at)
      from setlist_songs s join votes v on v.setlist_song_id = s.id and v.cast_at >= s.played_at
     group by s.id
    union all
    select 'budget', 'show:' || b.show_id, format('%s fans have more than %s votes', count(*), b.votes_per_user_max)
      from (select v.show_id, w.votes_per_user_max
              from votes v join shows w on w.id = v.show_id and w.votes_per_user_max is not null
             group by v.show_id, v.user_id, w.votes_per_user_max having count(*) > w.votes_per_user_max) b
     group by b.show_id, b.votes_per_user_max
    union all
    select 'position', 'show:' || w.id, format('position %s, its shard stands at %s', w.position, p.position)
      from shows w
      join log_positions p on p.shard = w.id % (select count(*) from log_positions)
     where w.position > p.position
    union all
    select 'bill', 'show:' || w.id, 'its artist is not the headliner'
      from shows w
     where not exists (select from show_artists a
                        where a.show_id = w.id and a.artist_id = w.artist_id and a.billing = 'headliner')
$$;

create or replace function score_show(wanted bigint) returns void
language plpgsql as $$
begin
    -- erase_user() takes this lock first too, so a user who is being erased gets no score meanwhile.
    perform pg_advisory_xact_lock(hashtext('mysetlist.erase_user'));
    -- The show is locked before its scores, because a sync that deletes the played setlist locks them in this order.
    perform from shows where id = wanted for key share;
    delete from show_accuracy where show_id = wanted;
    with place as materialized (
        select e.id, e.song_id, l.type, coalesce(l.artist_id, w.artist_id) as act_id, e.up_count - e.down_count as net,
               min(e.played_at) over (partition by e.song_id) as known_at
          from shows w
          join setlists l on l.show_id = w.id
          join setlist_songs e on e.setlist_id = l.id
         where w.id = wanted and not e.is_tape
    ), played as materialized (
        select distinct song_id from place where type = 'actual'
    ), late as materialized (
        select v.setlist_song_id as id, sum(case v.choice when 'up' then 1 else -1 end) as net
          from place p join votes v on v.setlist_song_id = p.id and v.cast_at >= p.known_at
         where p.known_at is not null
           and not exists (select from vote_group_members m
                            where m.show_id = wanted and m.user_id = v.user_id and m.is_set_aside)
         group by 1
    ), offered as materialized (
        select id, song_id, place.net - coalesce(late.net, 0) as net, known_at,
               song_id in (select song_id from played) as was_played
          from place left join late using (id)
         where type = 'predicted' and act_id in (select act_id from place where type = 'actual')
    ), song as materialized (
        select song_id, was_played, sum(net) as net, rank() over (order by sum(net) desc) as rank
          from offered
         group by song_id, was_played
    -- From here on: met are offered songs that were played, missed are offered songs that were not.
    ), crowd as materialized (
        select count(*) as offered, count(*) filter (where was_played) as met,
               count(*) filter (where net > 0 and rank <= p.count) as predicted,
               count(*) filter (where net > 0 and rank <= p.count and was_played) as hits, p.count as played
          from song, (select count(*) from played) p
         group by p.count
    ), scored as (
        insert into show_accuracy (show_id, offered, predicted, hits, played, rank_correlation)
        select wanted, offered, predicted, hits, played,
               (select sum(sign(h.net - m.net)) / count(*) from song h, song m where h.was_played and not m.was_played)
          from crowd
    ), choice as (
        -- The choice on a song that is offered twice is the sign of the sum over its places. Nobodies get no score.
        select v.user_id, o.was_played, sign(sum(case v.choice when 'up' then 1 else -1 end)) as choice
          from offered o
          join votes v on v.setlist_song_id = o.id and (v.cast_at >= o.known_at) is not true
          join users u on u.id = v.user_id and u.nobody is null
         where not exists (select from vote_group_members m
                            where m.show_id = wanted and m.user_id = v.user_id and m.is_set_aside)
         group by v.user_id, o.song_id, o.was_played
    ), voter as (
        select user_id,
               count(*) filter (where was_played and choice > 0) as met_up,
               count(*) filter (where was_played and choice < 0) as met_down,
               count(*) filter (where not was_played and choice > 0) as missed_up,
               count(*) filter (where not was_played and choice < 0) as missed_down
          from choice
         group by user_id
    )
    insert into voter_accuracy (user_id, show_id, predicted, hits, played, rank_correlation)
    select v.user_id, wanted, v.met_up + v.missed_up, v.met_up, c.played,
           -- Pairs in the right order minus pairs in the wrong order: up before none before down.
           (v.met_up * (c.offered - c.met - v.missed_up) + (c.met - v.met_up - v.met_down) * v.missed_down
            - v.missed_up * (c.met - v.met_up) - v.met_down * (c.offered - c.met - v.missed_up - v.missed_down))
           / nullif(c.met * (c.offered - c.met), 0)::float8
      from voter v, crowd c
     order by v.user_id;
end $$;

create or replace function erase_user(
    wanted bigint, history_since timestamptz default null
) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    began_at timestamptz := coalesce(history_since, erase_history(wanted));
    written_since timestamptz;
    vote_count bigint;
    ballots jsonb;
    show_ids bigint[];
    heir_ids bigint[] := '{}';
    nobody_count integer;
    drawn integer;
    heir_id bigint;
    inherited bigint;
begin
    perform refuse_other_eraser(wanted);
    perform pg_advisory_xact_lock(hashtext('mysetlist.erase_user'));
    if not exists (select from users where id = wanted and nobody is null) then
        return null;
    end if;
    -- The setting lasts until the end of this call. A `set` clause of the function would need a superuser to create the
    -- function.
    perform set_config('app.erasing', 'on', true);
    perform from log_positions order by shard for update;
    -- Now the rows that were written during the first update, however old their log entries are. A commit that the first
    -- update did not see began at most one statement timeout before it.
    select to_timestamp((min(entries[1]) >> 10) / 1000.0) into written_since
      from log_commits where committed_at > began_at - interval '1 minute';
    perform rename_history(wanted, written_since);

    select coalesce(jsonb_object_agg(show_id, ballot), '{}'), coalesce(array_agg(show_id), '{}')
      into ballots, show_ids
      from (select show_id, string_agg(setlist_song_id || left(choice::text, 1), '' order by setlist_song_id) as ballot
              from votes where user_id = wanted group by show_id) b;
    -- No show needs more nobodies than there were erasures; a hundred leave room for chance.
    if show_ids <> '{}' then
        select coalesce(max(nobody), 0) into nobody_count from users;
        insert into users (nobody) select generate_series(nobody_count + 1, greatest(nobody_count + 1, 100));
        select max(nobody) into nobody_count from users;
    end if;
    foreach inherited in array show_ids loop
        loop
            drawn := 1 + floor(random() * nobody_count);
            select u.id into heir_id
              from users u
             where u.nobody = drawn
               and not exists (select from votes v where v.user_id = u.id and v.show_id = inherited)
               -- The votes of a group can be gone while its ballot is set aside: whoever got it would lose theirs.
               and not exists (select from vote_group_members m where m.user_id = u.id and m.show_id = inherited);
            exit when found;
        end loop;
        heir_ids := heir_ids || heir_id;
    end loop;
    -- A ballot that is set aside stays so.
    update vote_group_members m
       set user_id = h.user_id
      from unnest(show_ids, heir_ids) as h (show_id, user_id)
     where m.user_id = wanted and m.show_id = h.show_id;
    with handed_on as (
        update votes v
           set user_id = h.user_id, cast_at = greatest(date_trunc('hour', v.cast_at, 'UTC'), w.opens_at)
          from unnest(show_ids, heir_ids) as h (show_id, user_id)
          join shows w on w.id = h.show_id
         where v.user_id = wanted and v.show_id = h.show_id
     returning 1
    )
    select count(*) into vote_count from handed_on;

    update moderation_log set subject = split_part(subject, ':', 1) || ':0', detail = '{}'
     where subject in (select unnest(array['user:' || wanted, 'profile:' || wanted])
                       union all select 'review:' || id from venue_reviews where user_id = wanted
                       union all select 'report:' || id from reports where reporter_id = wanted);
    update audit_log set subject = 'user:0', detail = '{}' where subject = 'user:' || wanted;
    -- The cascade would delete these too, but in another order than the lock order. A transaction that holds one of these
    -- rows may still ask whether the user exists, so the user is deleted last.
    delete from user_show_attendance where user_id = wanted;
    delete from user_follows_artists where user_id = wanted;
    delete from venue_reviews where user_id = wanted;
    delete from reports where reporter_id = wanted;
    delete from user_profiles where user_id = wanted;
    delete from email_queue where user_id = wanted;
    delete from email_preferences where user_id = wanted;
    delete from user_bans where user_id = wanted;
    update user_bans set banned_by = null where banned_by = wanted;
    delete from users where id = wanted;
    perform set_config('app.erasing', '', true);
    return jsonb_build_object(
        'votes', vote_count, 'ballots', ballots,
        'positions', (select jsonb_object_agg(shard, position) from log_positions));
end $$;

create or replace function keep_removed_song() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into removed_songs (id, show_id, setlist_id, song_id, is_tape, medley, note, vote_count)
    select old.id, old.show_id, old.setlist_id, old.song_id, old.is_tape, old.medley, old.note,
           old.up_count + old.down_count + old.set_aside_up_count + old.set_aside_down_count
     where exists (select from shows where id = old.show_id) and exists (select from songs where id = old.song_id);
    if found then
        insert into removed_votes (setlist_song_id, user_id, choice, cast_at)
        select setlist_song_id, user_id, choice, cast_at from votes where setlist_song_id = old.id;
    end if;
    return old;
end $$;

drop trigger setlist_songs_keep_removed on setlist_songs;
create trigger setlist_songs_keep_removed before delete on setlist_songs
    for each row when (old.up_count + old.down_count + old.set_aside_up_count + old.set_aside_down_count > 0)
    execute function keep_removed_song();

-- migrate:down
-- Votes that are set aside count again, because the version before knows only votes that count.

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

update vote_group_members set is_set_aside = false where is_set_aside;

drop function commit_log(smallint[], bigint[], bigint[], text[], bigint[], bigint[], bigint[], vote_choice[], bigint[],
                           bigint[], integer[], integer[], bigint[], bigint[], boolean[], bigint[], bigint[], boolean[],
                         bigint[], bigint[], bigint[], bigint[]);
drop function commit_votes(smallint[], bigint[], bigint[], text[], bigint[], bigint[], bigint[], vote_choice[], bigint[],
                           bigint[], integer[], integer[], bigint[]);
drop function apply_decisions(bigint[]);

create function commit_votes(
    shards smallint[], old_positions bigint[], new_positions bigint[], entries text[], song_ids bigint[],
    user_ids bigint[], vote_show_ids bigint[], choices vote_choice[], cast_ms bigint[], spent_user_ids bigint[],
    spent_days integer[], spent integer[], out changed_count integer, out refused jsonb
) returns record
language plpgsql as $$
#variable_conflict use_column
declare
    shard_count integer;
    now_ms bigint;
begin
    perform from log_positions where shard = any(shards) order by shard for update;
    if cardinality(shards) <> (select count(*)
                                 from log_positions p
                                 join unnest(shards, old_positions) as m (shard, position) using (shard, position)) then
        changed_count := -1;
        return;
    end if;
    update log_positions p
       set position = m.position
      from unnest(shards, new_positions) as m (shard, position)
     where p.shard = m.shard;
    insert into log_commits (shard, position, entries)
    select m.shard, m.position, string_to_array(m.entries, ',')::bigint[]
      from unnest(shards, new_positions, entries) as m (shard, position, entries);

    with cast_votes as materialized (
        select c.setlist_song_id, c.user_id, c.show_id, c.choice, c.cast_ms, t.cast_at, v.choice as previous,
               case when w.finalised_at is not null then 'final'
                    when t.cast_at < w.opens_at or t.cast_at >= w.closes_at then 'window'
                    when t.cast_at >= s.played_at then 'played' end as refusal
          from unnest(song_ids, user_ids, vote_show_ids, choices, cast_ms)
               as c (setlist_song_id, user_id, show_id, choice, cast_ms)
         cross join lateral (select to_timestamp(c.cast_ms / 1000.0) as cast_at) t
          join setlist_songs s on s.id = c.setlist_song_id and s.show_id = c.show_id
          join shows w on w.id = c.show_id
          join users u on u.id = c.user_id
          left join votes v on v.setlist_song_id = c.setlist_song_id and v.user_id = c.user_id
    ), changed as materialized (
        select * from cast_votes where choice is distinct from previous and refusal is null
    ), withdrawn as (
        delete from votes v using changed c
         where c.choice is null and v.setlist_song_id = c.setlist_song_id and v.user_id = c.user_id
    ), put as (
        insert into votes (setlist_song_id, user_id, show_id, choice, cast_at)
        select setlist_song_id, user_id, show_id, choice, cast_at from changed where choice is not null
        on conflict (setlist_song_id, user_id) do update set choice = excluded.choice, cast_at = excluded.cast_at
    ), history as (
        insert into vote_analytics (show_id, setlist_song_id, user_id, previous, choice, cast_at)
        select show_id, setlist_song_id, user_id, previous, choice, cast_at from changed
    ), rollup as (
        insert into vote_rollups (show_id, hour, up_count, down_count, withdrawn_count)
        select show_id, date_trunc('hour', cast_at, 'UTC'), count(*) filter (where choice = 'up'),
               count(*) filter (where choice = 'down'), count(*) filter (where choice is null)
          from changed group by 1, 2 order by 1, 2
        on conflict (show_id, hour) do update
           set up_count = vote_rollups.up_count + excluded.up_count,
               down_count = vote_rollups.down_count + excluded.down_count,
               withdrawn_count = vote_rollups.withdrawn_count + excluded.withdrawn_count
    )
    select (select count(*) from changed), (select jsonb_agg(jsonb_build_array(show_id, user_id, cast_ms, refusal))
                                              from cast_votes where choice is distinct from previous and refusal is not null)
      into changed_count, refused;

    insert into user_vote_limits (user_id, day, spent)
    select s.user_id, date '1970-01-01' + s.day, s.spent
      from unnest(spent_user_ids, spent_days, spent) as s (user_id, day, spent)
      join users u on u.id = s.user_id
     order by s.user_id, s.day
    on conflict (user_id, day) do update set spent = excluded.spent where user_vote_limits.spent < excluded.spent;

    select count(*) into shard_count from log_positions;
    now_ms := floor(extract(epoch from clock_timestamp()) * 1000);
    -- A payload has less than 8000 bytes: 120 songs with the largest possible numbers, or 400 entries. "after" is the position
    -- from which the show's counts were what this commit has changed: a node whose counts are older reads them again.
    perform pg_notify('votes', format(
                '{"show":%s,"after":%s,"at":%s,"part":%s,"parts":%s,"total":%s,"tally":[%s],"ms":%s}', w.id,
                greatest(w.position, p.reset_position), p.position, t.part, t.parts, w.vote_count, t.tally, now_ms))
       from (select show_id, part, max(part) over (partition by show_id) + 1 as parts,
                    string_agg(format('[%s,%s,%s]', id, up_count, down_count), ',' order by id) as tally
               from (select s.show_id, s.id, s.up_count, s.down_count,
                            (row_number() over (partition by s.show_id order by s.id) - 1) / 120 as part
                       from setlist_songs s where s.id = any(song_ids)) numbered
              group by show_id, part) t
       join shows w on w.id = t.show_id
       join log_positions p on p.shard = w.id % shard_count
      order by w.id, t.part;
    update shows w
       set position = m.position
      from unnest(shards, new_positions) as m (shard, position)
     where w.id = any(vote_show_ids) and m.shard = w.id % shard_count;
    -- Before the commits, so that no node confirms a refused vote. A payload has at most 100 votes.
    perform pg_notify('refusals', format('[%s]', string_agg(vote, ',')))
       from (select format('[%s,%s,%s,"%s"]', r.vote->>0, r.vote->>1, r.vote->>2, r.vote->>3) as vote,
                    (row_number() over () - 1) / 100 as part
               from jsonb_array_elements(refused) as r (vote)) numbered
      group by part;
    perform pg_notify('commits', format(
                '{"shard":%s,"at":%s,"entries":[%s],"ms":%s}', m.shard, m.position, e.entries, now_ms))
       from unnest(shards, new_positions, entries) as m (shard, position, entries),
            lateral (select string_agg(entry, ',' order by number) as entries
                       from unnest(string_to_array(m.entries, ',')) with ordinality as o (entry, number)
                      group by (number - 1) / 400) e;
end $$;

drop policy vote_groups_read on vote_groups;
drop table vote_group_members;
drop table vote_groups;
drop type vote_group_state;
drop function count_new_members();
drop function count_former_members();
drop function count_changed_members();
drop function move_ballots(bigint[], bigint[], integer[]);

create function move_tallies(song_ids bigint[], ups bigint[], downs bigint[]) returns void
language plpgsql as $$
begin
    with delta as (
        select * from unnest(song_ids, ups, downs) as d (id, up, down) where up <> 0 or down <> 0
    ), song as (
        update setlist_songs s
           set up_count = s.up_count + d.up, down_count = s.down_count + d.down
          from delta d
         where s.id = d.id
     returning s.setlist_id, s.show_id, d.up + d.down as moved
    ), setlist as (
        update setlists l
           set vote_count = l.vote_count + m.moved
          from (select setlist_id, sum(moved) as moved from song group by setlist_id) m
         where l.id = m.setlist_id and m.moved <> 0
    )
    update shows w
       set vote_count = w.vote_count + m.moved
      from (select show_id, sum(moved) as moved from song group by show_id) m
     where w.id = m.show_id and m.moved <> 0;
end $$;

create or replace function count_inserted_votes() returns trigger
language plpgsql as $$
declare
    song_ids bigint[]; ups bigint[]; downs bigint[];
begin
    select array_agg(id), array_agg(up), array_agg(down) into song_ids, ups, downs
      from (select setlist_song_id as id,
                   count(*) filter (where choice = 'up') as up,
                   count(*) filter (where choice = 'down') as down
              from inserted group by 1) d;
    if song_ids is not null then
        perform move_tallies(song_ids, ups, downs);
    end if;
    return null;
end $$;

create or replace function count_deleted_votes() returns trigger
language plpgsql as $$
declare
    song_ids bigint[]; ups bigint[]; downs bigint[];
begin
    select array_agg(id), array_agg(up), array_agg(down) into song_ids, ups, downs
      from (select setlist_song_id as id,
                   -count(*) filter (where choice = 'up') as up,
                   -count(*) filter (where choice = 'down') as down
              from deleted group by 1) d;
    if song_ids is not null then
        perform move_tallies(song_ids, ups, downs);
    end if;
    return null;
end $$;

create or replace function count_updated_votes() returns trigger
language plpgsql as $$
declare
    song_ids bigint[]; ups bigint[]; downs bigint[];
begin
    select array_agg(id), array_agg(up), array_agg(down) into song_ids, ups, downs
      from (select id, sum(up)::bigint as up, sum(down)::bigint as down
              from (select setlist_song_id as id, (choice = 'up')::int as up, (choice = 'down')::int as down
                      from updated
                    union all
                    select setlist_song_id, -(choice = 'up')::int, -(choice = 'down')::int
                      from replaced) moves
             group by id) d;
    if song_ids is not null then
        perform move_tallies(song_ids, ups, downs);
    end if;
    return null;
end $$;

drop function move_tallies(bigint[], bigint[], bigint[], bigint[], bigint[]);

create or replace function miscounts() returns table (subject text, id bigint, count_of text, stored bigint, counted bigint, show_id bigint)
language sql stable as $$
    with song as materialized (
        select setlist_song_id as id, count(*) filter (where choice = 'up') as up,
               count(*) filter (where choice = 'down') as down
          from votes group by 1
    ), counted_song as materialized (
        select s.id, s.setlist_id, s.show_id, s.up_count, s.down_count, coalesce(v.up, 0) as up, coalesce(v.down, 0) as down
          from setlist_songs s left join song v on v.id = s.id
    )
    select 'song', s.id, 'up', s.up_count, s.up, s.show_id from counted_song s where s.up_count <> s.up
    union all
    select 'song', s.id, 'down', s.down_count, s.down, s.show_id from counted_song s where s.down_count <> s.down
    union all
    select 'setlist', l.id, 'votes', l.vote_count, coalesce(v.votes, 0), l.show_id
      from setlists l
      left join (select setlist_id, sum(up + down)::bigint as votes from counted_song group by 1) v on v.setlist_id = l.id
     where l.vote_count <> coalesce(v.votes, 0)
    union all
    select 'show', w.id, 'votes', w.vote_count, coalesce(v.votes, 0), w.id
      from shows w
      left join (select show_id, sum(up + down)::bigint as votes from counted_song group by 1) v on v.show_id = w.id
     where w.vote_count <> coalesce(v.votes, 0)
    union all
    select 'show', w.id, 'attendance', w.attendance_count, coalesce(g.going, 0), w.id
      from shows w
      left join (select show_id, count(*) as going from user_show_attendance group by 1) g on g.show_id = w.id
     where w.attendance_count <> coalesce(g.going, 0)
    union all
    select 'artist', a.artist_id, 'followers', a.follower_count, coalesce(f.followers, 0), null
      from artist_stats a
      left join (select artist_id, count(*) as followers from user_follows_artists group by 1) f on f.artist_id = a.artist_id
     where a.follower_count <> coalesce(f.followers, 0)
    union all
    select 'artist', a.artist_id, 'shows', a.show_count, coalesce(w.shows, 0), null
      from artist_stats a
      left join (select artist_id, count(*) as shows from shows group by 1) w on w.artist_id = a.artist_id
     where a.show_count <> coalesce(w.shows, 0)
    union all
    select 'venue', v.id, 'reviews', v.review_count, coalesce(r.reviews, 0), null
      from venues v
      left join (select venue_id, count(*) as reviews from venue_reviews where status = 'approved' group by 1) r
        on r.venue_id = v.id
     where v.review_count <> coalesce(r.reviews, 0)
    union all
    select 'venue', v.id, 'ratings', v.rating_sum, coalesce(r.ratings, 0), null
      from venues v
      left join (select venue_id, sum(rating) as ratings from venue_reviews where status = 'approved' group by 1) r
        on r.venue_id = v.id
     where v.rating_sum <> coalesce(r.ratings, 0)
$$;

create or replace function repair_counts() returns bigint
language plpgsql as $$
declare
    song_ids bigint[]; setlist_ids bigint[]; show_ids bigint[]; artist_ids bigint[]; venue_ids bigint[];
    repaired bigint := 0;
    step bigint;
begin
    perform from log_positions order by shard for update;
    select array_agg(m.id) filter (where m.subject = 'song'), array_agg(m.id) filter (where m.subject = 'setlist'),
           array_agg(m.id) filter (where m.subject = 'show'), array_agg(m.id) filter (where m.subject = 'artist'),
           array_agg(m.id) filter (where m.subject = 'venue')
      into song_ids, setlist_ids, show_ids, artist_ids, venue_ids
      from miscounts() m;
    perform from setlist_songs where id = any(song_ids) order by id for update;
    perform from setlists where id = any(setlist_ids) order by id for update;
    perform from shows where id = any(show_ids) order by id for update;
    perform from artist_stats where artist_id = any(artist_ids) order by artist_id for update;
    perform from venues where id = any(venue_ids) order by id for update;

    update setlist_songs s
       set (up_count, down_count) =
           (select count(*) filter (where v.choice = 'up'), count(*) filter (where v.choice = 'down')
              from votes v where v.setlist_song_id = s.id)
     where s.id = any(song_ids);
    get diagnostics step = row_count; repaired := repaired + step;
    update setlists l
       set vote_count = (select coalesce(sum(s.up_count + s.down_count), 0) from setlist_songs s where s.setlist_id = l.id)
     where l.id = any(setlist_ids);
    get diagnostics step = row_count; repaired := repaired + step;
    update shows w
       set vote_count = (select coalesce(sum(s.up_count + s.down_count), 0) from setlist_songs s where s.show_id = w.id),
           attendance_count = (select count(*) from user_show_attendance g where g.show_id = w.id)
     where w.id = any(show_ids);
    get diagnostics step = row_count; repaired := repaired + step;
    update artist_stats a
       set follower_count = (select count(*) from user_follows_artists f where f.artist_id = a.artist_id),
           show_count = (select count(*) from shows w where w.artist_id = a.artist_id)
     where a.artist_id = any(artist_ids);
    get diagnostics step = row_count; repaired := repaired + step;
    update venues v
       set (review_count, rating_sum) =
           (select count(*), coalesce(sum(r.rating), 0) from venue_reviews r where r.venue_id = v.id and r.status = 'approved')
     where v.id = any(venue_ids);
    get diagnostics step = row_count;
    return repaired + step;
end $$;

create or replace function integrity_check() returns table (rule text, subject text, detail text)
language sql stable as $$
    select 'tally', m.subject || ':' || m.id, format('%s is %s, the rows say %s', m.count_of, m.stored, m.counted)
      from miscounts() m
    union all
    select 'history', 'song:' || s.id,
           format('tally %s/%s, history %s/%s', s.up_count, s.down_count, coalesce(h.up, 0), coalesce(h.down, 0))
      from setlist_songs s
      left join (select setlist_song_id,
                        count(*) filter (where choice = 'up') - count(*) filter (where previous = 'up') as up,
                        count(*) filter (where choice = 'down') - count(*) filter (where previous = 'down') as down
                   from vote_analytics group by 1) h on h.setlist_song_id = s.id
     where (s.up_count, s.down_count) is distinct from (coalesce(h.up, 0), coalesce(h.down, 0))
    union all
    select 'rollup', 'show:' || coalesce(r.show_id, h.show_id),
           format('%s: roll-up %s/%s/%s, history %s/%s/%s', coalesce(r.hour, h.hour),
                  r.up_count, r.down_count, r.withdrawn_count, h.up_count, h.down_count, h.withdrawn_count)
      from vote_rollups r
      full join (select show_id, date_trunc('hour', cast_at, 'UTC') as hour,
                        count(*) filter (where choice = 'up') as up_count,
                        count(*) filter (where choice = 'down') as down_count,
                        count(*) filter (where choice is null) as withdrawn_count
                   from vote_analytics where show_id in (select id from shows) group by 1, 2) h
        on h.show_id = r.show_id and h.hour = r.hour
     where (r.up_count, r.down_count, r.withdrawn_count) is distinct from (h.up_count, h.down_count, h.withdrawn_count)
    union all
    select 'window', 'show:' || w.id, format('%s votes outside of %s to %s', v.outside, w.opens_at, w.closes_at)
      from shows w
      join (select v.show_id, count(*) as outside
              from votes v join shows w on w.id = v.show_id
             where v.cast_at < w.opens_at or v.cast_at >= w.closes_at group by 1) v on v.show_id = w.id
    union all
    select 'final', 'show:' || w.id, format('%s votes since it became final at %s', count(*), w.finalised_at)
      from shows w join votes v on v.show_id = w.id and v.cast_at >= w.finalised_at
     group by w.id
    union all
    select 'played', 'song:' || s.id, format('%s votes since it was played at %s', count(*), s.played_at)
      from setlist_songs s join votes v on v.setlist_song_id = s.id and v.cast_at >= s.played_at
     group by s.id
    union all
    select 'budget', 'show:' || b.show_id, format('%s fans have more than %s votes', count(*), b.votes_per_user_max)
      from (select v.show_id, w.votes_per_user_max
              from votes v join shows w on w.id = v.show_id and w.votes_per_user_max is not null
             group by v.show_id, v.user_id, w.votes_per_user_max having count(*) > w.votes_per_user_max) b
     group by b.show_id, b.votes_per_user_max
    union all
    select 'position', 'show:' || w.id, format('position %s, its shard stands at %s', w.position, p.position)
      from shows w
      join log_positions p on p.shard = w.id % (select count(*) from log_positions)
     where w.position > p.position
    union all
    select 'bill', 'show:' || w.id, 'its artist is not the headliner'
      from shows w
     where not exists (select from show_artists a
                        where a.show_id = w.id and a.artist_id = w.artist_id and a.billing = 'headliner')
$$;

create or replace function score_show(wanted bigint) returns void
language plpgsql as $$
begin
    -- erase_user() takes this lock first too, so a user who is being erased gets no score meanwhile.
    perform pg_advisory_xact_lock(hashtext('mysetlist.erase_user'));
    -- The show is locked before its scores, because a sync that deletes the played setlist locks them in this order.
    perform from shows where id = wanted for key share;
    delete from show_accuracy where show_id = wanted;
    with place as materialized (
        select e.id, e.song_id, l.type, coalesce(l.artist_id, w.artist_id) as act_id, e.up_count - e.down_count as net,
               min(e.played_at) over (partition by e.song_id) as known_at
          from shows w
          join setlists l on l.show_id = w.id
          join setlist_songs e on e.setlist_id = l.id
         where w.id = wanted and not e.is_tape
    ), played as materialized (
        select distinct song_id from place where type = 'actual'
    ), late as materialized (
        select v.setlist_song_id as id, sum(case v.choice when 'up' then 1 else -1 end) as net
          from place p join votes v on v.setlist_song_id = p.id and v.cast_at >= p.known_at
         where p.known_at is not null
         group by 1
    ), offered as materialized (
        select id, song_id, place.net - coalesce(late.net, 0) as net, known_at,
               song_id in (select song_id from played) as was_played
          from place left join late using (id)
         where type = 'predicted' and act_id in (select act_id from place where type = 'actual')
    ), song as materialized (
        select song_id, was_played, sum(net) as net, rank() over (order by sum(net) desc) as rank
          from offered
         group by song_id, was_played
    -- From here on: met are offered songs that were played, missed are offered songs that were not.
    ), crowd as materialized (
        select count(*) as offered, count(*) filter (where was_played) as met,
               count(*) filter (where net > 0 and rank <= p.count) as predicted,
               count(*) filter (where net > 0 and rank <= p.count and was_played) as hits, p.count as played
          from song, (select count(*) from played) p
         group by p.count
    ), scored as (
        insert into show_accuracy (show_id, offered, predicted, hits, played, rank_correlation)
        select wanted, offered, predicted, hits, played,
               (select sum(sign(h.net - m.net)) / count(*) from song h, song m where h.was_played and not m.was_played)
          from crowd
    ), choice as (
        -- The choice on a song that is offered twice is the sign of the sum over its places. Nobodies get no score.
        select v.user_id, o.was_played, sign(sum(case v.choice when 'up' then 1 else -1 end)) as choice
          from offered o
          join votes v on v.setlist_song_id = o.id and (v.cast_at >= o.known_at) is not true
          join users u on u.id = v.user_id and u.nobody is null
         group by v.user_id, o.song_id, o.was_played
    ), voter as (
        select user_id,
               count(*) filter (where was_played and choice > 0) as met_up,
               count(*) filter (where was_played and choice < 0) as met_down,
               count(*) filter (where not was_played and choice > 0) as missed_up,
               count(*) filter (where not was_played and choice < 0) as missed_down
          from choice
         group by user_id
    )
    insert into voter_accuracy (user_id, show_id, predicted, hits, played, rank_correlation)
    select v.user_id, wanted, v.met_up + v.missed_up, v.met_up, c.played,
           -- Pairs in the right order minus pairs in the wrong order: up before none before down.
           (v.met_up * (c.offered - c.met - v.missed_up) + (c.met - v.met_up - v.met_down) * v.missed_down
            - v.missed_up * (c.met - v.met_up) - v.met_down * (c.offered - c.met - v.missed_up - v.missed_down))
           / nullif(c.met * (c.offered - c.met), 0)::float8
      from voter v, crowd c
     order by v.user_id;
end $$;

create or replace function erase_user(
    wanted bigint, history_since timestamptz default null
) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    began_at timestamptz := coalesce(history_since, erase_history(wanted));
    written_since timestamptz;
    vote_count bigint;
    ballots jsonb;
    show_ids bigint[];
    heir_ids bigint[] := '{}';
    nobody_count integer;
    drawn integer;
    heir_id bigint;
    inherited bigint;
begin
    perform refuse_other_eraser(wanted);
    perform pg_advisory_xact_lock(hashtext('mysetlist.erase_user'));
    if not exists (select from users where id = wanted and nobody is null) then
        return null;
    end if;
    -- The setting lasts until the end of this call. A `set` clause of the function would need a superuser to create the
    -- function.
    perform set_config('app.erasing', 'on', true);
    perform from log_positions order by shard for update;
    -- Now the rows that were written during the first update, however old their log entries are. A commit that the first
    -- update did not see began at most one statement timeout before it.
    select to_timestamp((min(entries[1]) >> 10) / 1000.0) into written_since
      from log_commits where committed_at > began_at - interval '1 minute';
    perform rename_history(wanted, written_since);

    select coalesce(jsonb_object_agg(show_id, ballot), '{}'), coalesce(array_agg(show_id), '{}')
      into ballots, show_ids
      from (select show_id, string_agg(setlist_song_id || left(choice::text, 1), '' order by setlist_song_id) as ballot
              from votes where user_id = wanted group by show_id) b;
    -- No show needs more nobodies than there were erasures; a hundred leave room for chance.
    if show_ids <> '{}' then
        select coalesce(max(nobody), 0) into nobody_count from users;
        insert into users (nobody) select generate_series(nobody_count + 1, greatest(nobody_count + 1, 100));
        select max(nobody) into nobody_count from users;
    end if;
    foreach inherited in array show_ids loop
        loop
            drawn := 1 + floor(random() * nobody_count);
            select u.id into heir_id
              from users u
             where u.nobody = drawn
               and not exists (select from votes v where v.user_id = u.id and v.show_id = inherited);
            exit when found;
        end loop;
        heir_ids := heir_ids || heir_id;
    end loop;
    with handed_on as (
        update votes v
           set user_id = h.user_id, cast_at = greatest(date_trunc('hour', v.cast_at, 'UTC'), w.opens_at)
          from unnest(show_ids, heir_ids) as h (show_id, user_id)
          join shows w on w.id = h.show_id
         where v.user_id = wanted and v.show_id = h.show_id
     returning 1
    )
    select count(*) into vote_count from handed_on;

    update moderation_log set subject = split_part(subject, ':', 1) || ':0', detail = '{}'
     where subject in (select unnest(array['user:' || wanted, 'profile:' || wanted])
                       union all select 'review:' || id from venue_reviews where user_id = wanted
                       union all select 'report:' || id from reports where reporter_id = wanted);
    update audit_log set subject = 'user:0', detail = '{}' where subject = 'user:' || wanted;
    -- The cascade would delete these too, but in another order than the lock order. A transaction that holds one of these
    -- rows may still ask whether the user exists, so the user is deleted last.
    delete from user_show_attendance where user_id = wanted;
    delete from user_follows_artists where user_id = wanted;
    delete from venue_reviews where user_id = wanted;
    delete from reports where reporter_id = wanted;
    delete from user_profiles where user_id = wanted;
    delete from email_queue where user_id = wanted;
    delete from email_preferences where user_id = wanted;
    delete from user_bans where user_id = wanted;
    update user_bans set banned_by = null where banned_by = wanted;
    delete from users where id = wanted;
    perform set_config('app.erasing', '', true);
    return jsonb_build_object(
        'votes', vote_count, 'ballots', ballots,
        'positions', (select jsonb_object_agg(shard, position) from log_positions));
end $$;

create or replace function keep_removed_song() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into removed_songs (id, show_id, setlist_id, song_id, is_tape, medley, note, vote_count)
    select old.id, old.show_id, old.setlist_id, old.song_id, old.is_tape, old.medley, old.note, old.up_count + old.down_count
     where exists (select from shows where id = old.show_id) and exists (select from songs where id = old.song_id);
    if found then
        insert into removed_votes (setlist_song_id, user_id, choice, cast_at)
        select setlist_song_id, user_id, choice, cast_at from votes where setlist_song_id = old.id;
    end if;
    return old;
end $$;

drop trigger setlist_songs_keep_removed on setlist_songs;
create trigger setlist_songs_keep_removed before delete on setlist_songs
    for each row when (old.up_count + old.down_count > 0) execute function keep_removed_song();

alter table setlist_songs drop column set_aside_up_count;
alter table setlist_songs drop column set_aside_down_count;
