-- migrate:up

-- Who is linked twice at Ticketmaster is known by that; what MusicBrainz says of them is asked later, many at one question.

set local lock_timeout = '1s';

alter table artist_identities
    add column lacks_details boolean not null default false;  -- name, country and genre are still to be asked for there

create index artist_identities_lacks_details_idx on artist_identities (external_id) where lacks_details;

-- migrate:down

set local lock_timeout = '1s';

drop index artist_identities_lacks_details_idx;
alter table artist_identities drop column lacks_details;
