-- migrate:up

-- What was played goes when setlist.fm has not shown it for as long as its terms let us keep it, unless somebody made it
-- theirs. How well it was foreseen is ours, and stays.

set local lock_timeout = '1s';

alter table show_accuracy
    add column is_settled boolean not null default false;  -- what was played is not kept any more: these are the last scores

-- Of a setlist that was played: what was written of it here, in order. Null: nothing is kept of it.
alter table show_identities add column songs bigint[];

-- takes: a show, and which of its sets
-- gives: their songs in order
create function songs_in_order(wanted bigint, wanted_type setlist_type) returns bigint[] language sql stable parallel safe
return (select coalesce(array_agg(e.song_id order by l.position, e.position), '{}')
          from setlists l join setlist_songs e on e.setlist_id = l.id
         where l.show_id = wanted and l.type = wanted_type);

update show_identities set songs = nullif(songs_in_order(show_id, 'actual'), '{}') where service = 'setlistfm';

-- migrate:down

set local lock_timeout = '1s';

drop function songs_in_order;
alter table show_identities drop column songs;
alter table show_accuracy drop column is_settled;
