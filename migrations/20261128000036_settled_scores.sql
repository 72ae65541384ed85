-- migrate:up

-- What was played goes when setlist.fm has not shown it for as long as its terms let us keep it, unless somebody made it
-- theirs. How well it was foreseen is ours, and stays.

set local lock_timeout = '1s';

alter table show_accuracy
    add column is_settled boolean not null default false;  -- what was played is not kept any more: these are the last scores

-- Of a setlist that was played: what was written of it here, in order. Null: nothing is kept of it.
alter table show_identities add column songs bigint[];

-- takes: a show
-- gives: the songs of the sets that were played there, in order; null: there are none
create function songs_played(wanted bigint) returns bigint[] language sql stable parallel safe
return (select array_agg(e.song_id order by l.position, e.position)
          from setlists l join setlist_songs e on e.setlist_id = l.id
         where l.show_id = wanted and l.type = 'actual');

update show_identities set songs = songs_played(show_id) where service = 'setlistfm';

-- migrate:down

set local lock_timeout = '1s';

drop function songs_played;
alter table show_identities drop column songs;
alter table show_accuracy drop column is_settled;
