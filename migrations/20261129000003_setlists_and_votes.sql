-- migrate:up
-- Setlists, the votes on their songs, the tallies, and the writer's transaction.
-- Over 400 lines: tables, functions and triggers of one topic are read together, and a migration is one file.

set local lock_timeout = '1s';

create table users (
    id          bigint generated always as identity primary key,
    role        user_role   not null default 'user',
    nobody      integer     check (nobody > 0),
    token_until timestamptz not null default now() + interval '90 days',
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now()
);
comment on table users is 'One account. Of a fan who only votes it holds no more than a number.';
comment on column users.nobody is
    'The number of a nobody: an account without data that holds votes of erased accounts. Null: a real account.';
comment on column users.token_until is
    'No token of this account is valid after this time. An account without data is deleted only then.';

-- ───────────────────────────────────────────────────────────────────── setlists

create table setlists (
    id         bigint generated always as identity primary key,
    show_id    bigint       not null references shows (id) on delete cascade,
    type       setlist_type not null,
    position   integer      not null default 1 check (position > 0),
    kind       set_kind     not null default 'main',
    name       text         not null check (char_length(name) between 1 and 200),
    artist_id  bigint,
    vote_count bigint       not null default 0 check (vote_count >= 0),
    created_at timestamptz  not null default now(),
    updated_at timestamptz  not null default now(),
    constraint setlists_place_key unique (show_id, type, position),
    constraint setlists_id_show_key unique (id, show_id),
    constraint setlists_artist_fkey foreign key (show_id, artist_id)
        references show_artists (show_id, artist_id) deferrable initially deferred
) with (fillfactor = 70);
comment on table setlists is 'One set of a show: predicted or actual; main, encore or alternate.';
comment on column setlists.artist_id is 'The act on the bill that plays the set. Null: the artist of the show.';

create table setlist_songs (
    id         bigint generated always as identity primary key,
    setlist_id bigint      not null,
    show_id    bigint      not null,
    song_id    bigint      not null references songs (id),
    position   integer     not null check (position > 0),
    is_tape    boolean     not null default false,
    medley     smallint    check (medley > 0),
    note       text        not null default '' check (char_length(note) <= 200),
    played_at  timestamptz,
    up_count   bigint      not null default 0 check (up_count >= 0),
    down_count bigint      not null default 0 check (down_count >= 0),
    created_at timestamptz not null default now(),
    constraint setlist_songs_setlist_fkey foreign key (setlist_id, show_id)
        references setlists (id, show_id) on delete cascade,
    constraint setlist_songs_place_key unique (setlist_id, position) deferrable initially immediate,
    constraint setlist_songs_song_key  unique (setlist_id, song_id),
    constraint setlist_songs_id_show_key unique (id, show_id)
) with (fillfactor = 50);
comment on table setlist_songs is 'One song in a set: what fans vote on. up_count and down_count are its tally.';
comment on column setlist_songs.is_tape is 'Played from tape, not by the band.';
comment on column setlist_songs.medley is 'Songs of one medley are neighbours with the same number.';
comment on column setlist_songs.note is 'For people to read: "acoustic", "with …".';

create table artist_songs (
    artist_id       bigint  not null references artists (id) on delete cascade,
    song_id         bigint  not null references songs (id) on delete cascade,
    predicted_count integer not null default 0 check (predicted_count >= 0),
    played_count    integer not null default 0 check (played_count >= 0),
    last_played_on  date,
    constraint artist_songs_pkey primary key (artist_id, song_id)
) with (fillfactor = 80);
comment on table artist_songs is
    'How often the sets of an artist held a song, predicted and played. A cover counts for the artist who plays it.';

create table song_suggestions (
    id         bigint generated always as identity primary key,
    show_id    bigint            not null references shows (id) on delete cascade,
    user_id    bigint            not null references users (id) on delete cascade,
    title      text              not null check (char_length(title) between 1 and 200),
    folded     text              not null generated always as (fold(title)) stored,
    status     suggestion_status not null default 'pending',
    reasons    text[]            not null default '{}',
    reason     text              not null default '' check (char_length(reason) <= 500),
    created_at timestamptz       not null default now(),
    decided_at timestamptz,
    constraint song_suggestions_once unique (user_id, show_id, folded),
    constraint song_suggestions_decided check ((status = 'pending') = (decided_at is null))
);
comment on table song_suggestions is
    'One fan''s suggestion of a song for a show. A moderator decides all suggestions of one title together.';
comment on column song_suggestions.folded is 'The folded title: titles that differ only in spelling are one song.';
comment on column song_suggestions.reasons is 'Why the text screening asks a moderator to check the title.';
comment on column song_suggestions.reason is 'The moderator''s reason for the decision.';

-- ──────────────────────────────────────────────────────────────────────── votes

create table votes (
    setlist_song_id bigint      not null,
    user_id         bigint      not null references users (id),
    show_id         bigint      not null,
    choice          vote_choice not null,
    cast_at         timestamptz not null,
    constraint votes_pkey primary key (setlist_song_id, user_id),
    -- The key includes show_id, so that the song must be one of this show.
    constraint votes_song_fkey foreign key (setlist_song_id, show_id)
        references setlist_songs (id, show_id) on delete cascade
) with (fillfactor = 80);  -- a changed choice is a HOT update
comment on table votes is 'A fan''s choice on a song. A vote is a state; a withdrawn vote has no row.';

create table vote_analytics (
    id              bigint generated always as identity,
    show_id         bigint      not null,
    setlist_song_id bigint      not null,
    user_id         bigint      not null,
    previous        vote_choice,
    choice          vote_choice,
    cast_at         timestamptz not null,
    constraint vote_analytics_pkey primary key (cast_at, id),
    constraint vote_analytics_change check (previous is distinct from choice)
) partition by range (cast_at);
comment on table vote_analytics is 'Every change of a vote, for ever: append-only, partitioned by month.';
comment on column vote_analytics.user_id is 'User 0 stands for erased accounts.';
comment on column vote_analytics.previous is 'Null: there was no vote.';
comment on column vote_analytics.choice is 'Null: the vote was withdrawn.';

create table vote_analytics_default partition of vote_analytics default;
comment on table vote_analytics_default is 'Changes that no month covers, so that no vote waits for a partition.';

create table vote_rollups (
    show_id         bigint      not null references shows (id) on delete cascade,
    hour            timestamptz not null,
    up_count        bigint      not null default 0 check (up_count >= 0),
    down_count      bigint      not null default 0 check (down_count >= 0),
    withdrawn_count bigint      not null default 0 check (withdrawn_count >= 0),
    constraint vote_rollups_pkey primary key (show_id, hour),
    constraint vote_rollups_whole_hour check (hour = date_trunc('hour', hour, 'UTC'))
) with (fillfactor = 70);
comment on table vote_rollups is 'One hour of a show: how many votes were cast up, cast down and withdrawn.';

create table user_vote_limits (
    user_id bigint  not null references users (id) on delete cascade,
    day     date    not null,
    spent   integer not null check (spent >= 0),
    constraint user_vote_limits_pkey primary key (user_id, day)
) with (fillfactor = 70);
comment on table user_vote_limits is 'The number of votes of the budget of a day (UTC) that a fan has spent.';

create table ticket_codes (
    show_id     bigint      not null references shows (id) on delete cascade,
    code_hash   bytea       not null check (octet_length(code_hash) = 32),
    user_id     bigint      references users (id) on delete set null,
    created_at  timestamptz not null default now(),
    redeemed_at timestamptz,
    primary key (show_id, code_hash),
    constraint ticket_codes_redeemed check (user_id is null or redeemed_at is not null)
);
comment on table ticket_codes is
    'One code that binds a vote to an admission (docs/adr/0015). It stays redeemed, even when its user is erased.';
comment on column ticket_codes.code_hash is 'SHA-256 of the code.';

create table log_positions (
    shard    smallint primary key check (shard >= 0),
    position bigint   not null default 0 check (position >= 0)
) with (fillfactor = 10);
comment on table log_positions is
    'The position up to which a shard''s log is in this database. There is a row for each shard. The lock order begins here.';
insert into log_positions (shard) select generate_series(0, 15);

create table log_commits (
    id           bigint generated always as identity primary key,
    shard        smallint    not null references log_positions (shard),
    position     bigint      not null,
    entries      bigint[]    not null,
    committed_at timestamptz not null default now()
);
comment on table log_commits is
    'The log entries of a recent commit. A node that missed a notification reads here which of its casts are committed.';

-- ────────────────────────────────────────────────────────────────────── indexes

create unique index users_nobody_idx on users (nobody) where nobody is not null;
create index users_staff_idx on users (role) where role <> 'user';
create index users_created_at_idx on users (created_at);
create index setlist_songs_show_id_idx on setlist_songs (show_id);
create index setlist_songs_song_id_idx on setlist_songs (song_id);
create index artist_songs_song_id_idx on artist_songs (song_id);
create index song_suggestions_show_idx on song_suggestions (show_id, folded);
create index song_suggestions_pending_idx on song_suggestions (id) where status = 'pending';
create index votes_ballot_idx on votes (user_id, show_id);
create index vote_analytics_show_idx on vote_analytics (show_id, cast_at);
create index vote_rollups_hour_idx on vote_rollups (hour);

-- A fan has at most one ticket to a show. Casts look it up here.
create unique index ticket_codes_holder_idx on ticket_codes (user_id, show_id) where user_id is not null;
create index log_commits_shard_idx on log_commits (shard, position);
create index log_commits_committed_at_idx on log_commits (committed_at);

-- takes: the first and the last date
-- gives: the number of monthly partitions of vote_analytics that were made
-- Existing partitions stay. A month that has rows in the default partition gets no partition of its own.
create function ensure_vote_analytics_partitions(first date, last date) returns integer
language plpgsql as $$
declare
    month date := date_trunc('month', first);
    name text;
    made integer := 0;
begin
    while month <= last loop
        name := 'vote_analytics_' || to_char(month, 'YYYYMM');
        if to_regclass(name) is null
           and not exists (select 1 from vote_analytics_default
                            where cast_at >= month::timestamp at time zone 'UTC'
                              and cast_at < (month + interval '1 month') at time zone 'UTC') then
            execute format(
                'create table %I partition of vote_analytics for values from (%L) to (%L)',
                name, month::timestamp at time zone 'UTC', (month + interval '1 month') at time zone 'UTC');
            made := made + 1;
        end if;
        month := month + interval '1 month';
    end loop;
    return made;
end $$;

select ensure_vote_analytics_partitions((now() - interval '1 month')::date, (now() + interval '3 months')::date);

create trigger vote_analytics_append_only before update or delete on vote_analytics
    for each row execute function refuse_change();

-- ─────────────────────────────────────────────────────── the revisions of shows

create trigger users_touch   before update on users   for each row execute function touch_updated_at();

-- Not for vote_count, which changes with every batch of votes.
create trigger setlists_touch before update of type, name, position, kind, artist_id on setlists
    for each row execute function touch_updated_at();

-- Raises the revision of one show. The `when` of its triggers leaves out updates that only count votes.
create function revise_show_of_row() returns trigger language plpgsql as $$
begin
    update shows set revision = revision + 1 where id = new.show_id;
    return null;
end $$;

create trigger setlists_revise_inserted after insert on setlists
    referencing new table as changed for each statement execute function revise_shows_of_setlists();
create trigger setlists_revise_deleted after delete on setlists
    referencing old table as changed for each statement execute function revise_shows_of_setlists();
create trigger setlists_revise_updated after update on setlists for each row
    when (row(old.type, old.name, old.position, old.kind, old.artist_id)
          is distinct from row(new.type, new.name, new.position, new.kind, new.artist_id))
    execute function revise_show_of_row();
create trigger setlist_songs_revise_inserted after insert on setlist_songs
    referencing new table as changed for each statement execute function revise_shows_of_setlists();
create trigger setlist_songs_revise_deleted after delete on setlist_songs
    referencing old table as changed for each statement execute function revise_shows_of_setlists();
create trigger setlist_songs_revise_updated after update on setlist_songs for each row
    when (row(old.setlist_id, old.song_id, old.position, old.played_at, old.is_tape, old.medley, old.note)
          is distinct from row(new.setlist_id, new.song_id, new.position, new.played_at, new.is_tape, new.medley, new.note))
    execute function revise_show_of_row();

-- ─────────────────────────────────────────────────────────────── counting votes
-- Statement triggers with transition tables: a batch of votes updates each song, set and show once.

-- takes: songs, and the changes of their up and down counts; adds them to the counts of songs, sets and shows
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

create function count_inserted_votes() returns trigger language plpgsql as $$
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

create function count_updated_votes() returns trigger language plpgsql as $$
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

create function count_deleted_votes() returns trigger language plpgsql as $$
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

create trigger votes_count_inserted after insert on votes
    referencing new table as inserted
    for each statement execute function count_inserted_votes();
create trigger votes_count_updated after update on votes
    referencing old table as replaced new table as updated
    for each statement execute function count_updated_votes();
create trigger votes_count_deleted after delete on votes
    referencing old table as deleted
    for each statement execute function count_deleted_votes();

-- ─────────────────────────────────────────────── counting the songs of an artist

-- takes: songs whose places in sets have changed; counts them again
create function recount_artist_songs(changed_song_ids bigint[]) returns void
language sql security definer set search_path = public, pg_temp as $$
    with counted as (
        select coalesce(l.artist_id, w.artist_id) as artist_id, s.song_id,
               count(*) filter (where l.type = 'predicted') as predicted_count,
               count(*) filter (where l.type = 'actual') as played_count,
               max(w.local_date) filter (where l.type = 'actual') as last_played_on
          from setlist_songs s
          join setlists l on l.id = s.setlist_id
          join shows w on w.id = s.show_id
         where s.song_id = any(changed_song_ids)
         group by 1, 2
    ), gone as (
        delete from artist_songs a
         where a.song_id = any(changed_song_ids)
           and not exists (select from counted c where c.artist_id = a.artist_id and c.song_id = a.song_id)
    )
    insert into artist_songs (artist_id, song_id, predicted_count, played_count, last_played_on)
    select artist_id, song_id, predicted_count, played_count, last_played_on from counted order by 1, 2
        on conflict (artist_id, song_id) do update
       set predicted_count = excluded.predicted_count, played_count = excluded.played_count,
           last_played_on = excluded.last_played_on
     where row(artist_songs.predicted_count, artist_songs.played_count, artist_songs.last_played_on)
           is distinct from row(excluded.predicted_count, excluded.played_count, excluded.last_played_on);
$$;

-- New songs are added to the counts, which costs the same for any number of shows. Other changes are rare: they count again.
create function count_inserted_setlist_songs() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into artist_songs (artist_id, song_id, predicted_count, played_count, last_played_on)
    select coalesce(l.artist_id, w.artist_id), c.song_id,
           count(*) filter (where l.type = 'predicted'), count(*) filter (where l.type = 'actual'),
           max(w.local_date) filter (where l.type = 'actual')
      from changed c
      join setlists l on l.id = c.setlist_id
      join shows w on w.id = c.show_id
     group by 1, 2
     order by 1, 2
        on conflict (artist_id, song_id) do update
       set predicted_count = artist_songs.predicted_count + excluded.predicted_count,
           played_count = artist_songs.played_count + excluded.played_count,
           last_played_on = greatest(artist_songs.last_played_on, excluded.last_played_on);
    return null;
end $$;

-- Deleting a song deletes its votes too. The triggers of the votes then find no song, so this trigger takes the votes off the
-- counts of the set and the show.
create function count_deleted_setlist_songs() returns trigger language plpgsql as $$
begin
    update setlists l
       set vote_count = l.vote_count - m.votes
      from (select setlist_id, sum(up_count + down_count) as votes from changed group by setlist_id order by setlist_id) m
     where l.id = m.setlist_id and m.votes <> 0;
    update shows w
       set vote_count = w.vote_count - m.votes
      from (select show_id, sum(up_count + down_count) as votes from changed group by show_id order by show_id) m
     where w.id = m.show_id and m.votes <> 0;
    perform recount_artist_songs((select array_agg(distinct song_id) from changed));
    return null;
end $$;

create trigger setlist_songs_count_inserted after insert on setlist_songs
    referencing new table as changed for each statement execute function count_inserted_setlist_songs();
create trigger setlist_songs_count_deleted after delete on setlist_songs
    referencing old table as changed for each statement execute function count_deleted_setlist_songs();

-- A song that moves to another set takes its votes along.
create function count_changed_setlist_song() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform recount_artist_songs(array[old.song_id, new.song_id]);
    if old.setlist_id <> new.setlist_id and new.up_count + new.down_count > 0 then
        update setlists
           set vote_count = vote_count + case id when new.setlist_id then 1 else -1 end * (new.up_count + new.down_count)
         where id in (old.setlist_id, new.setlist_id);
    end if;
    return null;
end $$;

create trigger setlist_songs_count_updated after update on setlist_songs for each row
    when (row(old.song_id, old.setlist_id) is distinct from row(new.song_id, new.setlist_id))
    execute function count_changed_setlist_song();

create function count_changed_setlist() returns trigger language plpgsql as $$
begin
    perform recount_artist_songs((select array_agg(song_id) from setlist_songs where setlist_id = new.id));
    return null;
end $$;

create trigger setlists_count_updated after update on setlists for each row
    when (row(old.type, old.artist_id) is distinct from row(new.type, new.artist_id))
    execute function count_changed_setlist();

create function count_changed_show() returns trigger language plpgsql as $$
begin
    perform recount_artist_songs((select array_agg(distinct song_id) from setlist_songs where show_id = new.id));
    return null;
end $$;

create trigger shows_count_songs after update of artist_id, local_date on shows for each row
    when (row(old.artist_id, old.local_date) is distinct from row(new.artist_id, new.local_date))
    execute function count_changed_show();

-- takes: a show, and a type of its sets
-- gives: their songs in order
create function songs_in_order(wanted bigint, wanted_type setlist_type) returns bigint[] language sql stable parallel safe
return (select coalesce(array_agg(e.song_id order by l.position, e.position), '{}')
          from setlists l join setlist_songs e on e.setlist_id = l.id
         where l.show_id = wanted and l.type = wanted_type);

-- ───────────────────────────────────────────────────── the writer's transaction

-- The writer's transaction is one call. The event loop of a node is busy with sockets, so each further round trip would wait
-- in the loop while the transaction holds locks (docs/adr/0006).
--
-- takes: one row a shard: shards, the positions that were read after, the new positions, the entries between ("1,2,3");
--        votes, one a song and user, in the order of the primary key: song_ids, user_ids, show_ids,
--        choices ('up', 'down', null: withdrawn), cast_ms;
--        the votes that users have spent of their daily budgets: spent_*, days since 1970
-- gives: the number of votes that changed something; -1: another writer moved a position first, and nothing was done
-- locks: see the lock order in migrations/schema.sql
-- Votes on deleted songs, and votes of deleted users, are left out.
create function commit_votes(
    shards smallint[], old_positions bigint[], new_positions bigint[], entries text[],
    song_ids bigint[], user_ids bigint[], vote_show_ids bigint[], choices vote_choice[], cast_ms bigint[],
    spent_user_ids bigint[], spent_days integer[], spent integer[]
) returns integer language plpgsql as $$
#variable_conflict use_column
declare
    changed_count integer;
    shard_count integer;
    now_ms bigint;
begin
    perform from log_positions where shard = any(shards) order by shard for update;
    if cardinality(shards) <> (select count(*)
                                 from log_positions p
                                 join unnest(shards, old_positions) as m (shard, position) using (shard, position)) then
        return -1;
    end if;
    update log_positions p
       set position = m.position
      from unnest(shards, new_positions) as m (shard, position)
     where p.shard = m.shard;
    insert into log_commits (shard, position, entries)
    select m.shard, m.position, string_to_array(m.entries, ',')::bigint[]
      from unnest(shards, new_positions, entries) as m (shard, position, entries);

    with cast_votes as materialized (
        select c.setlist_song_id, c.user_id, c.show_id, c.choice,
               to_timestamp(c.cast_ms / 1000.0) as cast_at, v.choice as previous
          from unnest(song_ids, user_ids, vote_show_ids, choices, cast_ms)
               as c (setlist_song_id, user_id, show_id, choice, cast_ms)
          join setlist_songs s on s.id = c.setlist_song_id and s.show_id = c.show_id
          join users u on u.id = c.user_id
          left join votes v on v.setlist_song_id = c.setlist_song_id and v.user_id = c.user_id
    ), changed as materialized (
        select * from cast_votes where choice is distinct from previous
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
    select count(*) into changed_count from changed;

    insert into user_vote_limits (user_id, day, spent)
    select s.user_id, date '1970-01-01' + s.day, s.spent
      from unnest(spent_user_ids, spent_days, spent) as s (user_id, day, spent)
      join users u on u.id = s.user_id
     order by s.user_id, s.day
    on conflict (user_id, day) do update set spent = excluded.spent where user_vote_limits.spent < excluded.spent;

    select count(*) into shard_count from log_positions;
    update shows w
       set position = m.position
      from unnest(shards, new_positions) as m (shard, position)
     where w.id = any(vote_show_ids) and m.shard = w.id % shard_count;

    now_ms := floor(extract(epoch from clock_timestamp()) * 1000);
    -- A payload has less than 8000 bytes: 120 songs with the largest possible numbers, or 400 entries.
    perform pg_notify('votes', format(
                '{"show":%s,"at":%s,"total":%s,"tally":[%s],"ms":%s}', w.id, w.position, w.vote_count, t.tally, now_ms))
       from (select show_id, string_agg(format('[%s,%s,%s]', id, up_count, down_count), ',' order by id) as tally
               from (select s.show_id, s.id, s.up_count, s.down_count,
                            (row_number() over (partition by s.show_id order by s.id) - 1) / 120 as part
                       from setlist_songs s where s.id = any(song_ids)) numbered
              group by show_id, part) t
       join shows w on w.id = t.show_id;
    perform pg_notify('commits', format(
                '{"shard":%s,"at":%s,"entries":[%s],"ms":%s}', m.shard, m.position, e.entries, now_ms))
       from unnest(shards, new_positions, entries) as m (shard, position, entries),
            lateral (select string_agg(entry, ',' order by number) as entries
                       from unnest(string_to_array(m.entries, ',')) with ordinality as o (entry, number)
                      group by (number - 1) / 400) e;
    return changed_count;
end $$;

-- migrate:down

set local lock_timeout = '1s';
drop trigger shows_count_songs on shows;
drop function commit_votes, songs_in_order;
drop table log_commits, log_positions, ticket_codes, user_vote_limits, vote_rollups, vote_analytics, votes,
           song_suggestions, artist_songs, setlist_songs, setlists, users;
drop function count_changed_show, count_changed_setlist, count_changed_setlist_song,
              count_deleted_setlist_songs, count_inserted_setlist_songs, recount_artist_songs, count_deleted_votes,
              count_updated_votes, count_inserted_votes, move_tallies, revise_show_of_row,
              ensure_vote_analytics_partitions;
