-- migrate:up

-- What other services said, and which of their artists are ours.

set local lock_timeout = '1s';  -- votes wait behind us; the start tries again

-- An answer of a provider, kept so that nobody asks again what was answered a moment ago. Shared by all nodes.
create table external_cache (
    service    sync_service not null,
    asked      text         not null check (char_length(asked) between 1 and 1000),  -- path and parameters, without any key
    kind       text         not null check (char_length(kind) between 1 and 40),     -- what it is about; how long it is good for
    body       bytea,                                                                -- null: there is no such thing (404)
    etag       text         not null default '' check (char_length(etag) <= 300),
    fetched_at timestamptz  not null default now(),
    fresh_until timestamptz not null,
    constraint external_cache_pkey primary key (service, asked)
);

create index external_cache_fresh_until_idx on external_cache (fresh_until);

-- What an artist of ours is called elsewhere, how sure that is, and why. Several ids of one service may mean one artist.
create table artist_identities (
    service     sync_service not null check (service <> 'file'),
    external_id text         not null check (char_length(external_id) between 1 and 80),
    artist_id   bigint       not null references artists (id) on delete cascade,
    url         text         not null default '' check (char_length(url) <= 500),   -- the page to link back to
    confidence  real         not null check (confidence between 0 and 1),
    evidence    text         not null check (char_length(evidence) between 1 and 300),
    checked_at  timestamptz  not null default now(),
    constraint artist_identities_pkey primary key (service, external_id)
);

create index artist_identities_artist_id_idx on artist_identities (artist_id);

alter table external_cache enable row level security;
create policy external_cache_admin on external_cache for select to mysetlist_request using ((select app_is_admin()));
grant select on external_cache, artist_identities to mysetlist_request;

-- migrate:down

set local lock_timeout = '1s';

drop table artist_identities, external_cache;
