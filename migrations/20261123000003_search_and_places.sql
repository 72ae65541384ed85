-- migrate:up

-- Finding things: words without accents and with typing mistakes, and what is near a place.
--
-- Extensions: all three are `trusted`, so the owner of a database may create them. earthdistance is not, and its
-- functions break pg_restore on PostgreSQL before 18; the great circle is three lines on top of cube (docs/adr/0007).

set local lock_timeout = '1s';  -- votes wait behind us; the start tries again

create extension if not exists unaccent;
create extension if not exists pg_trgm;
create extension if not exists cube;

-- takes: a name as people write it; gives: how it is compared: lower case, no accents, no apostrophes ("Don't" is
--        found as "dont"), $ as s ("A$AP" is found as "asap"), other punctuation as spaces ("AC/DC" as "ac dc")
-- Schemas are named, because pg_restore evaluates this with an empty search_path.
create function fold(words text) returns text language sql immutable strict parallel safe
return translate(lower(public.unaccent('public.unaccent'::regdictionary, words)),
                 '$/\|-_.,:;!?¡¿()[]{}<>&+*#@%=^~"“”„«»–—…·•`´''’‘', 's' || repeat(' ', 41));

create function words_of(words text) returns tsvector language sql immutable strict parallel safe
return to_tsvector('pg_catalog.simple'::regconfig, public.fold(words));

-- gives: a query for rows that have all words, the last letters of each still missing; null when there is no word
create function query_of(words text) returns tsquery language sql immutable strict parallel safe
return (select string_agg(quote_literal(word) || ':*', ' & ')::tsquery
          from unnest(tsvector_to_array(public.words_of(words))) as w (word));

-- Nobody commits votes from here on. Whoever does takes log_positions first, so they hold none of these tables now.
lock table log_positions in exclusive mode;

alter table artists add column search tsvector generated always as (words_of(name)) stored;
alter table songs   add column search tsvector generated always as (words_of(title)) stored;
alter table venues  add column search tsvector
    generated always as (words_of(name || ' ' || city || ' ' || region)) stored;

-- Without fastupdate, whose list of what is not yet in the index every search reads from end to end until a vacuum:
-- 12 ms instead of 0.7 for a thousand shows. What is searched is written rarely.
create index artists_search_idx  on artists using gin (search) with (fastupdate = off);
create index artists_similar_idx on artists using gin (fold(name) gin_trgm_ops) with (fastupdate = off);
create index songs_search_idx    on songs   using gin (search) with (fastupdate = off);
create index songs_similar_idx   on songs   using gin (fold(title) gin_trgm_ops) with (fastupdate = off);
create index venues_search_idx   on venues  using gin (search) with (fastupdate = off);
create index venues_similar_idx  on venues  using gin (fold(name || ' ' || city) gin_trgm_ops) with (fastupdate = off);

-- A show is found by its name, all who play, and where: words of other tables, kept here by the triggers below.
-- Not generated: a generated column would be made anew with every vote that is counted.
alter table shows
    add column search_text text not null default '',  -- folded
    add column search tsvector not null default '';

create index shows_search_idx  on shows using gin (search) with (fastupdate = off);
create index shows_similar_idx on shows using gin (search_text gin_trgm_ops) with (fastupdate = off);

-- The planner tries likeness on each value of a histogram; ten are enough, a hundred cost more than the search itself.
alter index artists_similar_idx alter column 1 set statistics 10;
alter index songs_similar_idx   alter column 1 set statistics 10;
alter index venues_similar_idx  alter column 1 set statistics 10;
alter table shows alter column search_text set statistics 10;

-- takes: a folded text, and folded words; gives: how much the words are like something in the text, 0.3 to 1 on the
--        average; null: one of them is like nothing there
create function closeness(folded text, words text[]) returns float8 language sql immutable strict parallel safe
return (select case when min(w.similarity) >= 0.3 then avg(w.similarity) end
          from (select public.word_similarity(word, folded) as similarity from unnest(words) as u (word)) w);

-- ─────────────────────────────────────────────────────────── the order of shows

-- Live, upcoming, finished, cancelled; within the first two the soonest first, within the others the latest.
-- Not strict, like earth_km: PostgreSQL puts the body in the place of the call only where null takes no part in it.
create function list_group(status show_status) returns smallint language sql immutable parallel safe
return case status when 'live' then 0 when 'upcoming' then 1 when 'finished' then 2 else 3 end::smallint;

create function list_place(status show_status, starts_at timestamptz) returns interval
language sql immutable parallel safe
return case when status in ('live', 'upcoming') then starts_at - timestamptz '1970-01-01 00:00:00+00'
            else timestamptz '1970-01-01 00:00:00+00' - starts_at end;

create index shows_list_idx on shows (list_group(status), list_place(status, starts_at), id);

-- ─────────────────────────────────────────────────────────────────── the globe

-- Points on a sphere of radius 1; distances in km on the mean radius of the Earth (IUGG: 6371.0088 km).
create function earth_point(latitude float8, longitude float8) returns cube language sql immutable strict parallel safe
return public.cube(array[cosd(latitude) * cosd(longitude), cosd(latitude) * sind(longitude), sind(latitude)]);

create function earth_km(a cube, b cube) returns float8 language sql immutable parallel safe
return 2 * 6371.0088 * asin(least(1.0, public.cube_distance(a, b) / 2));

-- gives: a box that holds every point within radius_km, and some more
create function earth_box(centre cube, radius_km float8) returns cube language sql immutable strict parallel safe
return public.cube_enlarge(centre, 2 * sin(least(radius_km / (2 * 6371.0088), pi() / 2)) + 1e-9, 3);

alter table venues add column point cube generated always as (earth_point(latitude, longitude)) stored;

create index venues_point_idx on venues using gist (point);

-- ───────────────────────────────────────────────────────────────────── the bill

create type billing as enum ('headliner', 'support');
create type set_kind as enum ('main', 'encore', 'alternate');  -- alternate: a set they may play instead

-- Who plays, in the order of the bill: the show's own artist first.
create table show_artists (
    show_id   bigint   not null references shows (id) on delete cascade,
    artist_id bigint   not null references artists (id),
    billing   billing  not null,
    position  smallint not null check (position > 0),
    constraint show_artists_pkey primary key (show_id, artist_id),
    constraint show_artists_place_key unique (show_id, position) deferrable initially immediate
);

create index show_artists_artist_id_idx on show_artists (artist_id, show_id);
create unique index show_artists_headliner_idx on show_artists (show_id) where billing = 'headliner';

insert into show_artists (show_id, artist_id, billing, position) select id, artist_id, 'headliner', 1 from shows;

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

-- A set is played by somebody on the bill (null: the show's own artist), and is of a kind.
alter table setlists
    add column kind set_kind not null default 'main',
    add column artist_id bigint,
    add constraint setlists_artist_fkey foreign key (show_id, artist_id)
        references show_artists (show_id, artist_id) deferrable initially deferred;

-- Not the counts: those change with every batch of votes.
create trigger setlists_touch before update of type, name, position, kind, artist_id on setlists
    for each row execute function touch_updated_at();

-- A cover is a song of another artist than the one who plays it. Songs of one medley are neighbours with one number.
alter table setlist_songs
    add column is_tape boolean not null default false,       -- played from tape, not by the band
    add column medley smallint check (medley > 0),
    add column note text not null default '' check (char_length(note) <= 200);  -- "acoustic", "with …"

create or replace trigger setlists_revise_updated after update on setlists for each row
    when (row(old.type, old.name, old.position, old.kind, old.artist_id)
          is distinct from row(new.type, new.name, new.position, new.kind, new.artist_id))
    execute function revise_show_of_row();
create or replace trigger setlist_songs_revise_updated after update on setlist_songs for each row
    when (row(old.setlist_id, old.song_id, old.position, old.played_at, old.is_tape, old.medley, old.note)
          is distinct from row(new.setlist_id, new.song_id, new.position, new.played_at, new.is_tape, new.medley, new.note))
    execute function revise_show_of_row();
create trigger show_artists_revise_inserted after insert on show_artists
    referencing new table as changed for each statement execute function revise_shows_of_setlists();
create trigger show_artists_revise_deleted after delete on show_artists
    referencing old table as changed for each statement execute function revise_shows_of_setlists();

-- ───────────────────────────────────────────────────── the words of shows, kept

-- takes: shows; writes search_text where it is another by now
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

-- Every show has a bill from its first moment, so its first words come from here as well.
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

select refresh_show_words((select array_agg(id) from shows));

-- ────────────────────────────────────────────────── what an artist plays, counted

-- How often an artist's sets held a song, predicted and played. A cover counts for who plays it.
create table artist_songs (
    artist_id       bigint  not null references artists (id) on delete cascade,
    song_id         bigint  not null references songs (id) on delete cascade,
    predicted_count integer not null default 0 check (predicted_count >= 0),
    played_count    integer not null default 0 check (played_count >= 0),
    last_played_on  date,
    constraint artist_songs_pkey primary key (artist_id, song_id)
) with (fillfactor = 80);

create index artist_songs_song_id_idx on artist_songs (song_id);

-- takes: songs whose place in sets has changed; counts those anew
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

-- New songs are added, which costs the same however many shows there are; what is rare is counted anew.
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

-- Votes go with their song, and then find no song any more to be taken off: what they counted for is taken off here.
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

select recount_artist_songs((select array_agg(distinct song_id) from setlist_songs));

-- Until now a deleted song left its votes in the counts of its set and show.
update setlists l
   set vote_count = c.votes
  from (select l.id, coalesce(sum(s.up_count + s.down_count), 0) as votes
          from setlists l left join setlist_songs s on s.setlist_id = l.id group by l.id) c
 where l.id = c.id and l.vote_count <> c.votes;
update shows w
   set vote_count = c.votes
  from (select w.id, coalesce(sum(l.vote_count), 0) as votes
          from shows w left join setlists l on l.show_id = w.id group by w.id) c
 where w.id = c.id and w.vote_count <> c.votes;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

drop trigger artists_words on artists;
drop trigger venues_words on venues;
drop trigger shows_words on shows;
drop trigger shows_count_songs on shows;
drop trigger shows_rebill on shows;
drop trigger shows_bill on shows;
drop trigger setlists_touch on setlists;
drop trigger setlists_count_updated on setlists;
drop trigger setlist_songs_count_updated on setlist_songs;
drop trigger setlist_songs_count_deleted on setlist_songs;
drop trigger setlist_songs_count_inserted on setlist_songs;
create or replace trigger setlists_revise_updated after update on setlists for each row
    when (row(old.type, old.name, old.position) is distinct from row(new.type, new.name, new.position))
    execute function revise_show_of_row();
create or replace trigger setlist_songs_revise_updated after update on setlist_songs for each row
    when (row(old.setlist_id, old.song_id, old.position, old.played_at)
          is distinct from row(new.setlist_id, new.song_id, new.position, new.played_at))
    execute function revise_show_of_row();
alter table setlist_songs drop column is_tape, drop column medley, drop column note;
alter table setlists drop column kind, drop column artist_id;
drop table artist_songs, show_artists;
drop function count_changed_show, count_changed_setlist, count_changed_setlist_song, count_deleted_setlist_songs,
              count_inserted_setlist_songs, recount_artist_songs,
              refresh_words_of_venue, refresh_words_of_artist, refresh_words_of_show, refresh_words_of_bill,
              refresh_show_words, rebill_headliner, bill_headliners;
drop type set_kind, billing;
alter table venues drop column point, drop column search;
drop index shows_list_idx;
alter table shows drop column search, drop column search_text;
alter table songs drop column search;
alter table artists drop column search;
drop index artists_similar_idx, songs_similar_idx, venues_similar_idx;
drop function list_place, list_group, closeness, earth_box, earth_km, earth_point, query_of, words_of, fold;
drop extension cube, pg_trgm, unaccent;
