-- migrate:up

-- What happens, for everybody to see: no person is named or meant.

set local lock_timeout = '1s';  -- votes wait behind us; the start tries again

create type activity_kind as enum ('announced', 'live', 'cancelled', 'final', 'played', 'votes', 'followers');

-- The one row whose position is the last event's. Whoever adds an event holds it until the end of the transaction, so that
-- events come to be seen in the order of their positions. It is taken last, after every lock of the first migration's order.
-- Nobody commits votes from here on. Whoever does takes log_positions first, so they hold none of these tables now.
lock table log_positions in exclusive mode;

create table activity_clock (
    id       smallint primary key default 1,
    position bigint   not null default 0
);
insert into activity_clock default values;

create table activity (
    position   bigint        primary key,                       -- on the scale of log positions (ms << 10)
    previous   bigint        not null,                          -- the position of the event before it
    kind       activity_kind not null,
    show_id    bigint        references shows (id) on delete cascade,
    artist_id  bigint        references artists (id) on delete cascade,
    name       text          not null check (char_length(name) <= 300),   -- the show's or the artist's, as it was
    detail     text          not null default '' check (char_length(detail) <= 300),  -- played: the song's title
    count      bigint        not null default 0,                -- votes, followers: the round number that was reached
    created_at timestamptz   not null default now()
);

create index activity_created_at_idx on activity (created_at);
create index activity_show_id_idx on activity (show_id);
create index activity_artist_id_idx on activity (artist_id);

-- takes: an event
-- gives: it as the channel shows it
create function activity_json(event activity) returns text language sql stable parallel safe
return jsonb_strip_nulls(jsonb_build_object(
    'at', event.position, 'kind', event.kind, 'show', event.show_id, 'artist', event.artist_id, 'name', event.name,
    'song', nullif(event.detail, ''), 'count', nullif(event.count, 0),
    'time_ms', floor(extract(epoch from event.created_at) * 1000)::bigint))::text;

-- takes: an event without its positions; adds it, and tells everybody
-- locks: the row of activity_clock
create function add_activity(kind activity_kind, show_id bigint, artist_id bigint, name text, detail text, count bigint)
returns void language plpgsql as $$
declare
    before bigint;
    added activity;
begin
    select c.position into before from activity_clock c where c.id = 1 for update;
    insert into activity (position, previous, kind, show_id, artist_id, name, detail, count)
    values (next_revision(before), before, kind, show_id, artist_id, name, detail, count)
    returning * into added;
    update activity_clock c set position = added.position where c.id = 1;
    perform pg_notify('activity', format('{"previous":%s,"event":%s}', before, activity_json(added)));
end $$;

-- gives: the largest power of ten up to n, and 0 below ten: what is worth an event when it is first reached
create function round_number(n bigint) returns bigint language sql immutable parallel safe
return case when n < 10 then 0 else (10 ^ floor(log(n)))::bigint end;

-- The triggers wait for the end of the transaction: until then it may still take locks that come before the clock's.
create function tell_of_show() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    reached bigint := round_number(new.vote_count);
begin
    if new.status is distinct from old.status and new.status in ('live', 'cancelled') then
        perform add_activity(new.status::text::activity_kind, new.id, new.artist_id, new.name, '', 0);
    end if;
    if new.finalised_at is not null and old.finalised_at is null then
        perform add_activity('final', new.id, new.artist_id, new.name, '', 0);
    end if;
    -- A number is reached once: a vote given and taken back again and again is no news.
    if reached > round_number(old.vote_count)
       and not exists (select from activity a where a.show_id = new.id and a.kind = 'votes' and a.count >= reached) then
        perform add_activity('votes', new.id, new.artist_id, new.name, '', reached);
    end if;
    return null;
end $$;

-- Counts move with every batch; what cannot be an event costs a comparison or two.
create constraint trigger shows_tell after update on shows deferrable initially deferred for each row
    when (old.status is distinct from new.status
          or (new.finalised_at is not null and old.finalised_at is null)
          or (new.vote_count > old.vote_count and new.vote_count >= 10
              and round_number(new.vote_count) > round_number(old.vote_count)))
    execute function tell_of_show();

-- Of many that come at once ten are told.
create function tell_of_new_show() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if (select count(*) from activity where created_at = now() and kind = 'announced') < 10 then
        perform add_activity('announced', new.id, new.artist_id, new.name, '', 0);
    end if;
    return null;
end $$;

create constraint trigger shows_tell_new after insert on shows deferrable initially deferred for each row
    when (new.status = 'upcoming')
    execute function tell_of_new_show();

create function tell_of_played_song() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform add_activity('played', w.id, w.artist_id, w.name, s.title, 0)
       from shows w, songs s where w.id = new.show_id and s.id = new.song_id;
    return null;
end $$;

create constraint trigger setlist_songs_tell after update on setlist_songs deferrable initially deferred for each row
    when (old.played_at is null and new.played_at is not null)
    execute function tell_of_played_song();

create function tell_of_followers() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    reached bigint := round_number(new.follower_count);
begin
    if not exists (select from activity a
                    where a.artist_id = new.artist_id and a.kind = 'followers' and a.count >= reached) then
        perform add_activity('followers', null, new.artist_id, a.name, '', reached)
           from artists a where a.id = new.artist_id;
    end if;
    return null;
end $$;

create constraint trigger artist_stats_tell after update on artist_stats deferrable initially deferred for each row
    when (new.follower_count > old.follower_count and new.follower_count >= 10
          and round_number(new.follower_count) > round_number(old.follower_count))
    execute function tell_of_followers();

grant select on activity, activity_clock to mysetlist_request, mysetlist_writer;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

drop trigger artist_stats_tell on artist_stats;
drop trigger setlist_songs_tell on setlist_songs;
drop trigger shows_tell_new on shows;
drop trigger shows_tell on shows;
drop function tell_of_followers, tell_of_played_song, tell_of_new_show, tell_of_show, round_number, add_activity,
              activity_json;
drop table activity, activity_clock;
drop type activity_kind;
