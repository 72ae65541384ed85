-- migrate:up
-- The catalogue: artists, venues, songs, shows and their bills.

set local lock_timeout = '1s';

create table artists (
    id         bigint generated always as identity primary key,
    slug       text        not null,
    name       text        not null check (char_length(name) between 1 and 200),
    genre      text        not null default '' check (char_length(genre) <= 80),
    country    text        not null default '' check (country = '' or country ~ '^[A-Z]{2}$'),
    folded     text        not null generated always as (fold(name)) stored,
    search     tsvector    generated always as (words_of(name)) stored,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint artists_slug_key unique (slug),
    constraint artists_slug_format check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$')
);
comment on table artists is 'One artist or band.';
comment on column artists.folded is
    'The folded name, for a search with typing mistakes. Stored, because fold() is never inlined and costs a call for each row.';

create table venues (
    id           bigint generated always as identity primary key,
    slug         text             not null,
    name         text             not null check (char_length(name) between 1 and 200),
    city         text             not null check (char_length(city) between 1 and 120),
    region       text             not null default '' check (char_length(region) <= 80),
    country      text             not null check (country ~ '^[A-Z]{2}$'),
    latitude     double precision not null check (latitude between -90 and 90),
    longitude    double precision not null check (longitude between -180 and 180),
    point        cube             generated always as (earth_point(latitude, longitude)) stored,
    time_zone    text             not null check (time_zone ~ '^[A-Za-z_]+(/[A-Za-z0-9_+-]+)*$'),
    capacity     integer          check (capacity > 0),
    origin       sync_service     check (origin <> 'file'),
    review_count bigint           not null default 0 check (review_count >= 0),
    rating_sum   bigint           not null default 0 check (rating_sum >= 0),
    folded       text             not null generated always as (fold(name || ' ' || city)) stored,
    search       tsvector         generated always as (words_of(name || ' ' || city || ' ' || region)) stored,
    created_at   timestamptz      not null default now(),
    updated_at   timestamptz      not null default now(),
    constraint venues_slug_key unique (slug),
    constraint venues_slug_format check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$')
);
comment on table venues is 'One place where shows are played.';
comment on column venues.point is 'The place as a point on a sphere of radius 1, for searches around a place.';
comment on column venues.origin is
    'The provider that listed it first; `mysetlist sync forget` deletes by it. Null: from a person, a file or sample data.';
comment on column venues.review_count is 'Approved reviews.';
comment on column venues.rating_sum is 'The sum of the ratings of approved reviews.';

create table songs (
    id         bigint generated always as identity primary key,
    artist_id  bigint      not null references artists (id),
    title      text        not null check (char_length(title) between 1 and 300),
    folded     text        not null generated always as (fold(title)) stored,
    search     tsvector    generated always as (words_of(title)) stored,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint songs_artist_title_key unique (artist_id, title)
);
comment on table songs is 'One song. It belongs to the artist who wrote it; a cover is a song of another artist.';

create table shows (
    id                 bigint generated always as identity primary key,
    slug               text               not null,
    artist_id          bigint             not null references artists (id),
    venue_id           bigint             not null references venues (id),
    name               text               not null check (char_length(name) between 1 and 300),
    origin             sync_service       check (origin <> 'file'),
    local_date         date               not null,
    time_zone          text               not null check (time_zone ~ '^[A-Za-z_]+(/[A-Za-z0-9_+-]+)*$'),
    starts_at          timestamptz        not null,
    status             show_status        not null default 'upcoming',
    opens_at           timestamptz        not null,
    closes_at          timestamptz        not null,
    is_locked          boolean            not null default false,
    requires_ticket    boolean            not null default false,
    votes_per_user_max integer            check (votes_per_user_max > 0),
    results            results_visibility not null default 'live',
    finalised_at       timestamptz,
    vote_count         bigint             not null default 0 check (vote_count >= 0),
    attendance_count   bigint             not null default 0 check (attendance_count >= 0),
    position           bigint             not null default 0,
    revision           bigint             not null default 0,
    search_text        text               not null default '',
    search             tsvector           not null default '',
    created_at         timestamptz        not null default now(),
    updated_at         timestamptz        not null default now(),
    constraint shows_slug_key unique (slug),
    constraint shows_slug_format check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    constraint shows_window check (opens_at < closes_at)
) with (fillfactor = 70);
comment on table shows is 'One night: artist, venue, date, voting window and rules; its counts and its log position.';
comment on column shows.origin is
    'The provider that listed it first; `mysetlist sync forget` deletes by it. Null: from a person, a file or sample data.';
comment on column shows.local_date is 'The date on the ticket, in the zone of the venue.';
comment on column shows.finalised_at is 'The time when the log had passed closes_at. From then on the tally is final.';
comment on column shows.votes_per_user_max is 'The budget of a fan in this show. Null: no limit.';
comment on column shows.position is 'The log position of the last commit with votes on this show.';
comment on column shows.revision is 'Grows with every change of the show, its bill or its setlists, but not with votes.';
comment on column shows.search_text is
    'Folded name, venue and acts. Triggers keep it up to date: a generated column would be computed again with every vote.';

create table show_artists (
    show_id   bigint   not null references shows (id) on delete cascade,
    artist_id bigint   not null references artists (id),
    billing   billing  not null,
    position  smallint not null check (position > 0),
    constraint show_artists_pkey primary key (show_id, artist_id),
    constraint show_artists_place_key unique (show_id, position) deferrable initially immediate
);
comment on table show_artists is 'One act on the bill of a show, in order. The artist of the show is the headliner.';

create table artist_stats (
    artist_id      bigint  primary key references artists (id) on delete cascade,
    follower_count bigint  not null default 0 check (follower_count >= 0),
    show_count     bigint  not null default 0 check (show_count >= 0),
    vote_count     bigint  not null default 0 check (vote_count >= 0),
    score          float8  not null default 0 check (score >= 0),
    refreshed_at   timestamptz
) with (fillfactor = 70);
comment on table artist_stats is 'The counts of one artist. The row is created with the artist.';
comment on column artist_stats.vote_count is 'As of refreshed_at.';
comment on column artist_stats.score is 'The trending score, as of refreshed_at.';

-- ────────────────────────────────────────────────────────────────────── indexes

create index shows_artist_id_idx on shows (artist_id);
create index shows_venue_id_idx on shows (venue_id);
create index shows_status_idx on shows (status, starts_at, id);
create index shows_unfinished_idx on shows (closes_at) where finalised_at is null;
create index shows_created_at_idx on shows (created_at);
create index shows_finalised_at_idx on shows (finalised_at) where finalised_at is not null;
create index shows_local_date_idx on shows (local_date);
create index shows_list_idx on shows (list_group(status), list_place(status, starts_at), id);
create index show_artists_artist_id_idx on show_artists (artist_id, show_id);
create unique index show_artists_headliner_idx on show_artists (show_id) where billing = 'headliner';
create index artist_stats_score_idx on artist_stats (score desc, artist_id);
create index venues_point_idx on venues using gist (point);

-- fastupdate is off. With it, new entries wait in a list until a vacuum, and every search reads this list: 12 ms instead of
-- 0.7 for a thousand shows. Without it, writes are slower, but searched rows are rarely written.
create index artists_search_idx on artists using gin (search) with (fastupdate = off);
create index artists_similar_idx on artists using gin (folded gin_trgm_ops) with (fastupdate = off);
create index songs_search_idx on songs using gin (search) with (fastupdate = off);
create index songs_similar_idx on songs using gin (folded gin_trgm_ops) with (fastupdate = off);
create index venues_search_idx on venues using gin (search) with (fastupdate = off);
create index venues_similar_idx on venues using gin (folded gin_trgm_ops) with (fastupdate = off);
create index shows_search_idx on shows using gin (search) with (fastupdate = off);
create index shows_similar_idx on shows using gin (search_text gin_trgm_ops) with (fastupdate = off);

-- To estimate how many rows are similar, the planner compares with each value of the histogram. Ten values are enough; a
-- hundred (the default) cost more than the search.
alter table artists alter column folded set statistics 10;
alter table songs   alter column folded set statistics 10;
alter table venues  alter column folded set statistics 10;
alter table shows   alter column search_text set statistics 10;

-- ────────────────────────────────────────────────── revisions and notifications

create trigger artists_touch before update on artists for each row execute function touch_updated_at();
create trigger songs_touch   before update on songs   for each row execute function touch_updated_at();

-- Reviews change the counts of a venue; that does not count as a change of the venue.
create trigger venues_touch before update
    of slug, name, city, region, country, latitude, longitude, time_zone, capacity on venues
    for each row execute function touch_updated_at();

create function revise_show() returns trigger language plpgsql as $$
begin
    new.revision := next_revision(old.revision);
    new.updated_at := now();
    return new;
end $$;

-- vote_count, attendance_count and position change with every batch of votes; that does not count as a revision.
create trigger shows_revise before update on shows for each row
    when (row(old.slug, old.artist_id, old.venue_id, old.name, old.local_date, old.time_zone, old.starts_at, old.status,
              old.opens_at, old.closes_at, old.is_locked, old.finalised_at, old.votes_per_user_max, old.revision)
          is distinct from
          row(new.slug, new.artist_id, new.venue_id, new.name, new.local_date, new.time_zone, new.starts_at, new.status,
              new.opens_at, new.closes_at, new.is_locked, new.finalised_at, new.votes_per_user_max, new.revision))
    execute function revise_show();

-- Two more triggers for two more columns. Each computes the revision from the old row, so a statement that changes several
-- columns still raises it once.
create trigger shows_revise_ticket before update on shows for each row
    when (old.requires_ticket is distinct from new.requires_ticket)
    execute function revise_show();
create trigger shows_revise_results before update on shows for each row
    when (old.results is distinct from new.results)
    execute function revise_show();

create function notify_show_revised() returns trigger language plpgsql as $$
begin
    perform pg_notify('shows', new.id::text);
    return null;
end $$;

create trigger shows_notify after update on shows for each row
    when (old.revision is distinct from new.revision)
    execute function notify_show_revised();

-- Raises the revision of the shows whose rows were added or deleted.
create function revise_shows_of_setlists() returns trigger language plpgsql as $$
begin
    update shows set revision = revision + 1 where id in (select show_id from changed);
    return null;
end $$;

create trigger show_artists_revise_inserted after insert on show_artists
    referencing new table as changed for each statement execute function revise_shows_of_setlists();
create trigger show_artists_revise_deleted after delete on show_artists
    referencing old table as changed for each statement execute function revise_shows_of_setlists();

-- ───────────────────────────────────────────────────────────────────── the bill

-- A bill is created with each show.
create function bill_headliners() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into show_artists (show_id, artist_id, billing, position)
    select id, artist_id, 'headliner', 1 from inserted
        on conflict (show_id, artist_id) do nothing;
    return null;
end $$;

create trigger shows_bill after insert on shows
    referencing new table as inserted for each statement execute function bill_headliners();

create function rebill_headliner() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
    delete from show_artists where show_id = new.id and (billing = 'headliner' or artist_id = new.artist_id);
    insert into show_artists (show_id, artist_id, billing, position)
    values (new.id, new.artist_id, 'headliner',
            coalesce((select min(free) from generate_series(1, 1000) free
                       where not exists (select from show_artists a where a.show_id = new.id and a.position = free)), 1));
    return null;
end $$;

create trigger shows_rebill after update of artist_id on shows for each row
    when (old.artist_id is distinct from new.artist_id) execute function rebill_headliner();

-- ────────────────────────────────────────────────────────── the words of shows

-- takes: shows; updates search_text and search of those whose words have changed
create function refresh_show_words(show_ids bigint[]) returns void
language sql security definer set search_path = public, pg_temp as $$
    update shows s
       set search_text = w.words, search = words_of(w.words)
      from (select s.id, fold(concat_ws(' ', s.name, v.name, v.city, v.region,
                                        string_agg(a.name, ' ' order by b.position))) as words
              from shows s
              join venues v on v.id = s.venue_id
              left join show_artists b on b.show_id = s.id
              left join artists a on a.id = b.artist_id
             where s.id = any(show_ids)
             group by s.id, v.id) w
     where s.id = w.id and s.search_text is distinct from w.words;
$$;

create function refresh_words_of_bill() returns trigger language plpgsql as $$
begin
    perform refresh_show_words((select array_agg(distinct show_id) from changed));
    return null;
end $$;

-- The bill is created with the show, so these triggers write the words of a new show too.
create trigger show_artists_words_inserted after insert on show_artists
    referencing new table as changed for each statement execute function refresh_words_of_bill();
create trigger show_artists_words_deleted after delete on show_artists
    referencing old table as changed for each statement execute function refresh_words_of_bill();

create function refresh_words_of_show() returns trigger language plpgsql as $$
begin
    perform refresh_show_words(array[new.id]);
    return null;
end $$;

create trigger shows_words after update of name, venue_id on shows for each row
    when (row(old.name, old.venue_id) is distinct from row(new.name, new.venue_id))
    execute function refresh_words_of_show();

create function refresh_words_of_artist() returns trigger language plpgsql as $$
begin
    perform refresh_show_words((select array_agg(show_id) from show_artists where artist_id = new.id));
    return null;
end $$;

create trigger artists_words after update of name on artists for each row
    when (old.name is distinct from new.name) execute function refresh_words_of_artist();

create function refresh_words_of_venue() returns trigger language plpgsql as $$
begin
    perform refresh_show_words((select array_agg(id) from shows where venue_id = new.id));
    return null;
end $$;

create trigger venues_words after update of name, city, region on venues for each row
    when (row(old.name, old.city, old.region) is distinct from row(new.name, new.city, new.region))
    execute function refresh_words_of_venue();

-- ───────────────────────────────────────────────────────── the counts of artists

create function begin_artist_stats() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into artist_stats (artist_id) select id from inserted;
    return null;
end $$;

create trigger artists_stats after insert on artists
    referencing new table as inserted for each statement execute function begin_artist_stats();

-- The rows of artist_stats are locked in order before they are changed, because several transactions change them.
create function count_shows() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    with moved as (
        select artist_id, count(*) * case tg_op when 'INSERT' then 1 else -1 end as count from changed group by artist_id
    ), held as (
        select a.artist_id, m.count
          from artist_stats a
          join moved m on m.artist_id = a.artist_id
         order by a.artist_id
           for update of a
    )
    update artist_stats a
       set show_count = a.show_count + h.count
      from held h
     where a.artist_id = h.artist_id;
    return null;
end $$;

create trigger shows_count_inserted after insert on shows
    referencing new table as changed for each statement execute function count_shows();
create trigger shows_count_deleted after delete on shows
    referencing old table as changed for each statement execute function count_shows();

create function count_moved_show() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform from artist_stats where artist_id in (old.artist_id, new.artist_id) order by artist_id for update;
    update artist_stats
       set show_count = show_count + case artist_id when new.artist_id then 1 else -1 end
     where artist_id in (old.artist_id, new.artist_id);
    return null;
end $$;

create trigger shows_count_moved after update of artist_id on shows for each row
    when (old.artist_id is distinct from new.artist_id) execute function count_moved_show();

-- migrate:down

set local lock_timeout = '1s';
drop table artist_stats, show_artists, shows, songs, venues, artists;
drop function count_moved_show, count_shows, begin_artist_stats, refresh_words_of_venue, refresh_words_of_artist,
              refresh_words_of_show, refresh_words_of_bill, refresh_show_words, rebill_headliner, bill_headliners,
              revise_shows_of_setlists, notify_show_revised, revise_show;
