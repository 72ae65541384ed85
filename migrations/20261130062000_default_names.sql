-- migrate:up
-- A show that nobody has named keeps its default name when its artist or its venue is renamed or becomes another one.

set local lock_timeout = '1s';

-- as default_name in server/protocol/show_names.py
create function default_show_name(artist text, venue text) returns text language sql immutable as $$
    select left(artist || ' at ' || venue, 300)
$$;

-- gives: the default name of a show of this artist in this venue; null: one of them is not there
create function default_show_name(artist_id bigint, venue_id bigint) returns text language sql stable as $$
    select default_show_name(a.name, v.name) from artists a, venues v where (a.id, v.id) = ($1, $2)
$$;

create function follow_default_name() returns trigger language plpgsql as $$
begin
    if old.name = default_show_name(old.artist_id, old.venue_id) then
        new.name := coalesce(default_show_name(new.artist_id, new.venue_id), new.name);
    end if;
    return new;
end $$;

create trigger shows_default_name before update of artist_id, venue_id on shows for each row
    when ((old.artist_id is distinct from new.artist_id or old.venue_id is distinct from new.venue_id) and old.name = new.name)
    execute function follow_default_name();

-- Who renames an artist has locked the shards of its shows, because their search words change too (shows_words).
create function rename_shows_of_artist() returns trigger language plpgsql security definer set search_path to public, pg_temp as $$
begin
    update shows s set name = default_show_name(new.name, v.name)
      from venues v
     where s.artist_id = new.id and v.id = s.venue_id and s.name = default_show_name(old.name, v.name);
    return null;
end $$;

create trigger artists_default_names after update of name on artists for each row
    when (old.name is distinct from new.name) execute function rename_shows_of_artist();

create function rename_shows_of_venue() returns trigger language plpgsql security definer set search_path to public, pg_temp as $$
begin
    update shows s set name = default_show_name(a.name, new.name)
      from artists a
     where s.venue_id = new.id and a.id = s.artist_id and s.name = default_show_name(a.name, old.name);
    return null;
end $$;

create trigger venues_default_names after update of name on venues for each row
    when (old.name is distinct from new.name) execute function rename_shows_of_venue();

-- migrate:down
set local lock_timeout = '1s';

drop trigger venues_default_names on venues;
drop trigger artists_default_names on artists;
drop trigger shows_default_name on shows;
drop function rename_shows_of_venue, rename_shows_of_artist, follow_default_name;
drop function default_show_name(bigint, bigint);
drop function default_show_name(text, text);
