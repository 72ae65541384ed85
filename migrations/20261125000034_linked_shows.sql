-- migrate:up

-- Where a show is from is shown beside its sets: whoever watches them is told when a link comes, changes or goes. The
-- revision stays, because raising it takes locks in the order of votes, and links are written together with much else:
-- who is away at that very moment and comes back at the same position is told with the next change.

set local lock_timeout = '1s';

-- takes: a row of a table with a show_id; notifies of the show, as a revision does
create function tell_of_link() returns trigger language plpgsql as $$
begin
    perform pg_notify('shows', coalesce(new.show_id, old.show_id)::text);
    return null;
end $$;

create trigger show_identities_tell after insert or delete on show_identities for each row
    execute function tell_of_link();
create trigger show_identities_tell_changed after update on show_identities for each row
    when (row(old.show_id, old.url) is distinct from row(new.show_id, new.url))
    execute function tell_of_link();
create trigger show_predictions_tell after insert or delete on show_predictions for each row
    execute function tell_of_link();
create trigger show_predictions_tell_changed after update on show_predictions for each row
    when (old.service is distinct from new.service)
    execute function tell_of_link();

-- takes: a row of artist_identities; notifies of the artist's shows that somebody may be watching
create function tell_of_artist_link() returns trigger language plpgsql as $$
begin
    perform pg_notify('shows', s.id::text)
       from shows s
      where s.artist_id = coalesce(new.artist_id, old.artist_id) and s.status in ('upcoming', 'live');
    return null;
end $$;

create trigger artist_identities_tell after insert or delete on artist_identities for each row
    execute function tell_of_artist_link();
create trigger artist_identities_tell_changed after update on artist_identities for each row
    when (row(old.artist_id, old.url) is distinct from row(new.artist_id, new.url))
    execute function tell_of_artist_link();

-- migrate:down

set local lock_timeout = '1s';

drop trigger artist_identities_tell_changed on artist_identities;
drop trigger artist_identities_tell on artist_identities;
drop trigger show_predictions_tell_changed on show_predictions;
drop trigger show_predictions_tell on show_predictions;
drop trigger show_identities_tell_changed on show_identities;
drop trigger show_identities_tell on show_identities;
drop function tell_of_artist_link, tell_of_link;
