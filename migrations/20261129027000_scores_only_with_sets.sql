-- migrate:up
-- A song that moves between the predicted sets of a show gives nothing to score. The scoring raised the revision of the show, and
-- the next change of whoever moved the song was refused as if somebody else had been faster.

create or replace function note_show_of_row() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    -- A show with a score had a played set until now.
    insert into shows_to_score (show_id)
    select new.show_id
     where exists (select from setlists l where l.show_id = new.show_id and l.type = 'actual')
        or exists (select from show_accuracy a where a.show_id = new.show_id);
    return null;
end $$;

-- migrate:down

create or replace function note_show_of_row() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into shows_to_score (show_id) values (new.show_id);
    return null;
end $$;
