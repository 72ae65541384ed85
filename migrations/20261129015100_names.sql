-- migrate:up
-- A name finds its artist or venue by the folded name. It is stored, because fold() costs a call for each row, and the hash
-- indexes take names that are longer than a row of a B-tree.

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

create index artists_folded_idx on artists using hash (folded);
alter table venues add column folded_name text not null generated always as (fold(name)) stored;
create index venues_folded_name_idx on venues using hash (folded_name);
comment on column venues.folded_name is 'The folded name, to find the venue that a file names.';

-- The subject of a search is a name, the subject of an artist's job its number: a retry took a name for a number.
update sync_jobs set kind = 'search'
 where service = 'musicbrainz' and kind = 'artist' and attempts = 0 and started_at is not null;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

delete from sync_jobs where kind = 'search' and status = 'queued';
update sync_jobs set kind = 'artist' where kind = 'search';
alter table venues drop column folded_name;
drop index artists_folded_idx;
