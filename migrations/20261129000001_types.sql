-- migrate:up
-- Extensions, types, and the functions that read no table.

-- All three extensions are `trusted`: the owner of a database may create them. earthdistance is not, and its functions
-- break pg_restore on PostgreSQL before 18; the great circle is three lines on top of cube (docs/adr/0007).
create extension if not exists unaccent;
create extension if not exists pg_trgm;
create extension if not exists cube;

-- ──────────────────────────────────────────────────────────────────────── types

create type user_role          as enum ('user', 'moderator', 'admin');
create type show_status        as enum ('upcoming', 'live', 'finished', 'cancelled');
-- When a show's counts are shown: always, to a fan who has voted, after the result is final (docs/adr/0023).
create type results_visibility as enum ('live', 'after_vote', 'after_closing');
create type billing            as enum ('headliner', 'support');
create type setlist_type       as enum ('predicted', 'actual');
create type set_kind           as enum ('main', 'encore', 'alternate');  -- alternate: played instead of another set
create type vote_choice        as enum ('up', 'down');
create type suggestion_status  as enum ('pending', 'approved', 'declined');

create type moderation_status  as enum ('pending', 'approved', 'rejected');
create type report_status      as enum ('open', 'upheld', 'dismissed');
create type priority_level     as enum ('low', 'normal', 'high', 'urgent');
create type ban_kind           as enum ('vote', 'write', 'all');
create type email_frequency    as enum ('never', 'immediately', 'daily', 'weekly');
create type email_kind         as enum ('confirm_address', 'show_announced', 'show_reminder', 'show_result');
create type email_status       as enum ('queued', 'sending', 'sent', 'failed', 'suppressed');

create type health_status      as enum ('ok', 'degraded', 'down');
create type operation_status   as enum ('running', 'succeeded', 'failed', 'interrupted');
create type activity_kind      as enum ('announced', 'live', 'cancelled', 'final', 'played', 'votes', 'followers');

create type sync_service       as enum ('file', 'spotify', 'ticketmaster', 'setlistfm', 'musicbrainz');
create type sync_status        as enum ('queued', 'running', 'succeeded', 'failed', 'cancelled');
create type import_stage       as enum ('read', 'artists', 'venues', 'songs', 'shows', 'setlists');
create type review_verdict     as enum ('open', 'same', 'different');

-- ──────────────────────────────────────────────────────────────────────── words

-- takes: a name as people write it
-- gives: the form in which names are compared: lower case, no accents, no apostrophes ("Don't" becomes "dont"),
--        $ as s ("A$AP" becomes "asap"), other punctuation as spaces ("AC/DC" becomes "ac dc")
-- The schema is named, because pg_restore evaluates this function with an empty search_path.
create function fold(words text) returns text language sql immutable strict parallel safe
return translate(lower(public.unaccent('public.unaccent'::regdictionary, words)),
                 '$/\|-_.,:;!?¡¿()[]{}<>&+*#@%=^~"“”„«»–—…·•`´''’‘', 's' || repeat(' ', 41));

-- gives: the folded words for full-text search
create function words_of(words text) returns tsvector language sql immutable strict parallel safe
return to_tsvector('pg_catalog.simple'::regconfig, public.fold(words));

-- gives: a query for rows that have all words, each as a prefix; null: there is no word
create function query_of(words text) returns tsquery language sql immutable strict parallel safe
return (select string_agg(quote_literal(word) || ':*', ' & ')::tsquery
          from unnest(tsvector_to_array(public.words_of(words))) as w (word));

-- takes: a folded name; one to four folded words
-- gives: how close the name is to them, 0.3 to 1: the mean similarity of the words; null: one word is not in the name
-- One expression without a sub-query, and not strict, so that PostgreSQL inlines the call.
create function closeness(folded text, words text[]) returns float8 language sql immutable parallel safe
return case when least(public.word_similarity(words[1], folded), public.word_similarity(words[2], folded),
                       public.word_similarity(words[3], folded), public.word_similarity(words[4], folded)) >= 0.3
            then (public.word_similarity(words[1], folded)
                  + coalesce(public.word_similarity(words[2], folded), 0)
                  + coalesce(public.word_similarity(words[3], folded), 0)
                  + coalesce(public.word_similarity(words[4], folded), 0))::float8 / cardinality(words) end;

-- ─────────────────────────────────────────────────────────── the order of shows
-- Live, upcoming, finished, cancelled. Live and upcoming shows have the soonest first, the others the latest first.
-- Not strict, like earth_km: PostgreSQL inlines a strict function only where no argument can be null.

-- gives: the place of a status in the list
create function list_group(status show_status) returns smallint language sql immutable parallel safe
return case status when 'live' then 0 when 'upcoming' then 1 when 'finished' then 2 else 3 end::smallint;

-- gives: the place of a show among those of its status
create function list_place(status show_status, starts_at timestamptz) returns interval
language sql immutable parallel safe
return case when status in ('live', 'upcoming') then starts_at - timestamptz '1970-01-01 00:00:00+00'
            else timestamptz '1970-01-01 00:00:00+00' - starts_at end;

-- takes: a show's setting; when its result became final, or null
-- gives: the audience of its counts: 0 everyone, 1 fans who have voted, 2 staff
-- A final result is public; reopening a show hides it again.
create function results_audience(results results_visibility, finalised_at timestamptz) returns int
language sql immutable as $$
    select case when finalised_at is not null or results = 'live' then 0 when results = 'after_vote' then 1 else 2 end
$$;

-- ─────────────────────────────────────────────────────────────────── the globe
-- Points on a sphere of radius 1; distances in km on the mean radius of the Earth (IUGG: 6371.0088 km).

create function earth_point(latitude float8, longitude float8) returns cube language sql immutable strict parallel safe
return public.cube(array[cosd(latitude) * cosd(longitude), cosd(latitude) * sind(longitude), sind(latitude)]);

-- gives: the great-circle distance [km]
create function earth_km(a cube, b cube) returns float8 language sql immutable parallel safe
return 2 * 6371.0088 * asin(least(1.0, public.cube_distance(a, b) / 2));

-- gives: a box that holds every point within radius_km, and some points beyond it
create function earth_box(centre cube, radius_km float8) returns cube language sql immutable strict parallel safe
return public.cube_enlarge(centre, 2 * sin(least(radius_km / (2 * 6371.0088), pi() / 2)) + 1e-9, 3);

-- ──────────────────────────────────────────────────── triggers of several tables

create function touch_updated_at() returns trigger language plpgsql as $$
begin
    new.updated_at := now();
    return new;
end $$;

-- gives: the next revision of a show. Revisions use the scale of log positions (ms << 10), so a channel's position can
--        be compared with both
create function next_revision(current bigint) returns bigint language sql volatile as $$
    select greatest(current + 1, (extract(epoch from clock_timestamp()) * 1000)::bigint << 10)
$$;

-- Refuses to change history. Only erase_user() may, to take a person out of it. The roles that serve requests and write
-- votes have no right to update or delete history, so the setting does not help them.
create function refuse_change() returns trigger language plpgsql as $$
begin
    if current_setting('app.erasing', true) = 'on' then
        return case tg_op when 'DELETE' then old else new end;
    end if;
    raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end $$;

-- migrate:down

drop function refuse_change, next_revision, touch_updated_at, earth_box, earth_km, earth_point, results_audience,
              list_place, list_group, closeness, query_of, words_of, fold;
drop type review_verdict, import_stage, sync_status, sync_service, activity_kind, operation_status, health_status,
          email_status, email_kind, email_frequency, ban_kind, priority_level, report_status, moderation_status,
          suggestion_status, vote_choice, set_kind, setlist_type, billing, results_visibility, show_status, user_role;
drop extension cube, pg_trgm, unaccent;
