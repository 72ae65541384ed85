-- migrate:up

-- The core of the model: who votes, what they vote on, the votes, their history.
--
-- Lock order, for every transaction that takes more than one of these:
--   log_positions (by shard) → votes → setlist_songs → setlists → shows → user_vote_limits.
-- Rows of one shard are only ever changed by the holder of that shard's log_positions row.

set local lock_timeout = '5s';

create type user_role    as enum ('user', 'moderator', 'admin');
create type show_status  as enum ('upcoming', 'live', 'finished', 'cancelled');
create type setlist_type as enum ('predicted', 'actual');
create type vote_choice  as enum ('up', 'down');

-- ───────────────────────────────────────────────────────────────── catalogue

create table users (
    id           bigint generated always as identity primary key,
    role         user_role   not null default 'user',
    display_name text        check (char_length(display_name) between 1 and 80),
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now()
);

create table artists (
    id         bigint generated always as identity primary key,
    slug       text        not null,
    name       text        not null check (char_length(name) between 1 and 200),
    genre      text        not null default '' check (char_length(genre) <= 80),
    country    text        not null default '' check (country = '' or country ~ '^[A-Z]{2}$'),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint artists_slug_key unique (slug),
    constraint artists_slug_format check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$')
);

create table venues (
    id         bigint generated always as identity primary key,
    slug       text             not null,
    name       text             not null check (char_length(name) between 1 and 200),
    city       text             not null check (char_length(city) between 1 and 120),
    region     text             not null default '' check (char_length(region) <= 80),
    country    text             not null check (country ~ '^[A-Z]{2}$'),
    latitude   double precision not null check (latitude between -90 and 90),
    longitude  double precision not null check (longitude between -180 and 180),
    time_zone  text             not null check (time_zone ~ '^[A-Za-z_]+(/[A-Za-z0-9_+-]+)*$'),
    capacity   integer          check (capacity > 0),
    created_at timestamptz      not null default now(),
    updated_at timestamptz      not null default now(),
    constraint venues_slug_key unique (slug),
    constraint venues_slug_format check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$')
);

create table songs (
    id         bigint generated always as identity primary key,
    artist_id  bigint      not null references artists (id),
    title      text        not null check (char_length(title) between 1 and 300),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint songs_artist_title_key unique (artist_id, title)
);

create table shows (
    id           bigint generated always as identity primary key,
    slug         text        not null,
    artist_id    bigint      not null references artists (id),
    venue_id     bigint      not null references venues (id),
    name         text        not null check (char_length(name) between 1 and 300),
    local_date   date        not null,          -- the date on the ticket, in the venue's zone
    time_zone    text        not null check (time_zone ~ '^[A-Za-z_]+(/[A-Za-z0-9_+-]+)*$'),
    starts_at    timestamptz not null,
    status       show_status not null default 'upcoming',
    opens_at     timestamptz not null,
    closes_at    timestamptz not null,
    is_locked    boolean     not null default false,
    finalised_at timestamptz,                   -- the log had passed closes_at: the tally is final
    votes_per_user_max integer check (votes_per_user_max > 0),   -- null: no budget
    vote_count   bigint      not null default 0 check (vote_count >= 0),
    position     bigint      not null default 0,                 -- log position of the last commit that moved a tally
    revision     bigint      not null default 0,                 -- grows with every change to the show, its setlists or its window
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now(),
    constraint shows_slug_key unique (slug),
    constraint shows_slug_format check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    constraint shows_window check (opens_at < closes_at)
) with (fillfactor = 70);

create index shows_artist_id_idx on shows (artist_id);
create index shows_venue_id_idx  on shows (venue_id);
create index shows_status_idx    on shows (status, starts_at, id);
create index shows_unfinished_idx on shows (closes_at) where finalised_at is null;

create table setlists (
    id         bigint generated always as identity primary key,
    show_id    bigint       not null references shows (id) on delete cascade,
    type       setlist_type not null,
    name       text         not null check (char_length(name) between 1 and 200),
    position   integer      not null default 1 check (position > 0),
    vote_count bigint       not null default 0 check (vote_count >= 0),
    created_at timestamptz  not null default now(),
    updated_at timestamptz  not null default now(),
    constraint setlists_place_key unique (show_id, type, position),
    constraint setlists_id_show_key unique (id, show_id)
) with (fillfactor = 70);

-- One row is one thing to vote on; up_count and down_count are its tally.
create table setlist_songs (
    id         bigint generated always as identity primary key,
    setlist_id bigint  not null,
    show_id    bigint  not null,
    song_id    bigint  not null references songs (id),
    position   integer not null check (position > 0),
    up_count   bigint  not null default 0 check (up_count >= 0),
    down_count bigint  not null default 0 check (down_count >= 0),
    played_at  timestamptz,
    created_at timestamptz not null default now(),
    constraint setlist_songs_setlist_fkey foreign key (setlist_id, show_id)
        references setlists (id, show_id) on delete cascade,
    constraint setlist_songs_place_key unique (setlist_id, position) deferrable initially immediate,
    constraint setlist_songs_song_key  unique (setlist_id, song_id),
    constraint setlist_songs_id_show_key unique (id, show_id)
) with (fillfactor = 50);

create index setlist_songs_show_id_idx on setlist_songs (show_id);
create index setlist_songs_song_id_idx on setlist_songs (song_id);

-- ───────────────────────────────────────────────────────────────────── votes

-- A vote is a state: who holds which choice on what. Withdrawn means no row.
create table votes (
    setlist_song_id bigint      not null,
    user_id         bigint      not null references users (id),
    show_id         bigint      not null,
    choice          vote_choice not null,
    cast_at         timestamptz not null,
    constraint votes_pkey primary key (setlist_song_id, user_id),
    -- Also says that the song is one of this show's.
    constraint votes_song_fkey foreign key (setlist_song_id, show_id)
        references setlist_songs (id, show_id) on delete cascade
) with (fillfactor = 80);  -- a changed mind is a HOT update

create index votes_ballot_idx on votes (user_id, show_id);

-- Every change of a vote, for ever: append-only, by month.
create table vote_analytics (
    id              bigint generated always as identity,
    show_id         bigint      not null,
    setlist_song_id bigint      not null,
    user_id         bigint      not null,
    previous        vote_choice,                -- null: there was no vote
    choice          vote_choice,                -- null: the vote was withdrawn
    cast_at         timestamptz not null,
    constraint vote_analytics_pkey primary key (cast_at, id),
    constraint vote_analytics_change check (previous is distinct from choice)
) partition by range (cast_at);

create index vote_analytics_show_idx on vote_analytics (show_id, cast_at);

-- Catches what no month covers, so that no vote ever waits for a partition.
create table vote_analytics_default partition of vote_analytics default;

create table vote_rollups (
    show_id         bigint      not null references shows (id) on delete cascade,
    hour            timestamptz not null,
    up_count        bigint      not null default 0 check (up_count >= 0),
    down_count      bigint      not null default 0 check (down_count >= 0),
    withdrawn_count bigint      not null default 0 check (withdrawn_count >= 0),
    constraint vote_rollups_pkey primary key (show_id, hour),
    constraint vote_rollups_whole_hour check (hour = date_trunc('hour', hour, 'UTC'))
) with (fillfactor = 70);

-- How much of a day's budget a user has spent (UTC days).
create table user_vote_limits (
    user_id bigint  not null references users (id) on delete cascade,
    day     date    not null,
    spent   integer not null check (spent >= 0),
    constraint user_vote_limits_pkey primary key (user_id, day)
) with (fillfactor = 70);

-- One row a shard: how far its log is in this database. The number of rows IS the number of shards.
create table log_positions (
    shard    smallint primary key check (shard >= 0),
    position bigint   not null default 0 check (position >= 0)
) with (fillfactor = 10);

insert into log_positions (shard) select generate_series(0, 15);

-- Which log entries the last minutes' transactions held: a node that missed a notification
-- learns from it exactly which of its casts are durable (docs/adr/0003).
create table log_commits (
    id           bigint generated always as identity primary key,
    shard        smallint    not null references log_positions (shard),
    position     bigint      not null,
    entries      bigint[]    not null,
    committed_at timestamptz not null default now()
);

create index log_commits_shard_idx on log_commits (shard, position);
create index log_commits_committed_at_idx on log_commits (committed_at);

-- ───────────────────────────────────────────────────────── counting, by the set

-- takes: songs, and how far each one's counts move; moves songs, setlists and shows
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

create trigger votes_count_inserted after insert on votes
    referencing new table as inserted
    for each statement execute function count_inserted_votes();
create trigger votes_count_updated after update on votes
    referencing old table as replaced new table as updated
    for each statement execute function count_updated_votes();
create trigger votes_count_deleted after delete on votes
    referencing old table as deleted
    for each statement execute function count_deleted_votes();

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end $$;

create trigger vote_analytics_append_only before update or delete on vote_analytics
    for each row execute function refuse_change();

-- ────────────────────────────────────────────────── revisions and notifications

create function touch_updated_at() returns trigger language plpgsql as $$
begin
    new.updated_at := now();
    return new;
end $$;

create trigger users_touch   before update on users   for each row execute function touch_updated_at();
create trigger artists_touch before update on artists for each row execute function touch_updated_at();
create trigger venues_touch  before update on venues  for each row execute function touch_updated_at();
create trigger songs_touch   before update on songs   for each row execute function touch_updated_at();

-- Revisions use the scale of log positions (ms << 10), so a channel's position can mix both.
create function next_revision(current bigint) returns bigint language sql volatile as $$
    select greatest(current + 1, (extract(epoch from clock_timestamp()) * 1000)::bigint << 10)
$$;

create function revise_show() returns trigger language plpgsql as $$
begin
    new.revision := next_revision(old.revision);
    new.updated_at := now();
    return new;
end $$;

-- The counting columns (vote_count, position) change with every batch and are no revision.
create trigger shows_revise before update on shows for each row
    when (row(old.slug, old.artist_id, old.venue_id, old.name, old.local_date, old.time_zone, old.starts_at, old.status,
              old.opens_at, old.closes_at, old.is_locked, old.finalised_at, old.votes_per_user_max, old.revision)
          is distinct from
          row(new.slug, new.artist_id, new.venue_id, new.name, new.local_date, new.time_zone, new.starts_at, new.status,
              new.opens_at, new.closes_at, new.is_locked, new.finalised_at, new.votes_per_user_max, new.revision))
    execute function revise_show();

create function notify_show_revised() returns trigger language plpgsql as $$
begin
    perform pg_notify('shows', new.id::text);
    return null;
end $$;

create trigger shows_notify after update on shows for each row
    when (old.revision is distinct from new.revision)
    execute function notify_show_revised();

create function revise_shows_of_setlists() returns trigger language plpgsql as $$
begin
    update shows set revision = revision + 1 where id in (select show_id from changed);
    return null;
end $$;

create trigger setlists_revise_inserted after insert on setlists
    referencing new table as changed for each statement execute function revise_shows_of_setlists();
create trigger setlists_revise_deleted after delete on setlists
    referencing old table as changed for each statement execute function revise_shows_of_setlists();
create trigger setlist_songs_revise_inserted after insert on setlist_songs
    referencing new table as changed for each statement execute function revise_shows_of_setlists();
create trigger setlist_songs_revise_deleted after delete on setlist_songs
    referencing old table as changed for each statement execute function revise_shows_of_setlists();

-- Updates of a row's place or title are rare, those of its counts are not: `when` keeps the latter free.
create function revise_show_of_row() returns trigger language plpgsql as $$
begin
    update shows set revision = revision + 1 where id = new.show_id;
    return null;
end $$;

create trigger setlists_revise_updated after update on setlists for each row
    when (row(old.type, old.name, old.position) is distinct from row(new.type, new.name, new.position))
    execute function revise_show_of_row();
create trigger setlist_songs_revise_updated after update on setlist_songs for each row
    when (row(old.setlist_id, old.song_id, old.position, old.played_at)
          is distinct from row(new.setlist_id, new.song_id, new.position, new.played_at))
    execute function revise_show_of_row();

-- ───────────────────────────────────────────────────────────────── partitions

-- Makes the monthly partitions of vote_analytics from one date to another; those that stand are left alone.
-- A month whose rows already went to the default partition stays there.
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

-- migrate:down

set local lock_timeout = '5s';

drop table log_commits, log_positions, user_vote_limits, vote_rollups, vote_analytics, votes,
           setlist_songs, setlists, shows, songs, venues, artists, users cascade;
drop function ensure_vote_analytics_partitions, revise_show_of_row, revise_shows_of_setlists, notify_show_revised,
              revise_show, next_revision, touch_updated_at, refuse_change, count_updated_votes, count_deleted_votes,
              count_inserted_votes, move_tallies;
drop type vote_choice, setlist_type, show_status, user_role;
