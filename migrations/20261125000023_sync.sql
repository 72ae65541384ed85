-- migrate:up

-- The catalogue from providers: what is called how elsewhere, what has to be done when, and what a person should look at.

set local lock_timeout = '1s';  -- votes wait behind us; the start tries again
lock table log_positions in exclusive mode;

-- What a venue, a show or a song of ours is called elsewhere, how sure that is, and why; `url` is the page to link back to.
create table venue_identities (
    service     sync_service not null check (service <> 'file'),
    external_id text         not null check (char_length(external_id) between 1 and 80),
    venue_id    bigint       not null references venues (id) on delete cascade,
    url         text         not null default '' check (char_length(url) <= 500),
    confidence  real         not null check (confidence between 0 and 1),
    evidence    text         not null check (char_length(evidence) between 1 and 300),
    checked_at  timestamptz  not null default now(),
    constraint venue_identities_pkey primary key (service, external_id)
);

create index venue_identities_venue_id_idx on venue_identities (venue_id);

create table show_identities (
    service     sync_service not null check (service <> 'file'),
    external_id text         not null check (char_length(external_id) between 1 and 80),
    show_id     bigint       not null references shows (id) on delete cascade,
    url         text         not null default '' check (char_length(url) <= 500),
    version     text         not null default '' check (char_length(version) <= 80),  -- changes when it changes there
    confidence  real         not null check (confidence between 0 and 1),
    evidence    text         not null check (char_length(evidence) between 1 and 300),
    checked_at  timestamptz  not null default now(),
    constraint show_identities_pkey primary key (service, external_id)
);

create index show_identities_show_id_idx on show_identities (show_id);

create table song_identities (
    service     sync_service not null check (service <> 'file'),
    external_id text         not null check (char_length(external_id) between 1 and 80),
    song_id     bigint       not null references songs (id) on delete cascade,
    url         text         not null default '' check (char_length(url) <= 500),
    isrc        text         not null default '' check (char_length(isrc) <= 20),  -- the same for all copies of a recording
    checked_at  timestamptz  not null default now(),
    constraint song_identities_pkey primary key (service, external_id)
);

create index song_identities_song_id_idx on song_identities (song_id);

-- Somebody elsewhere who may be somebody of ours: a person decides.
create type review_verdict as enum ('open', 'same', 'different');

create table identity_reviews (
    id          bigint generated always as identity primary key,
    service     sync_service   not null check (service <> 'file'),
    external_id text           not null check (char_length(external_id) between 1 and 80),
    name        text           not null check (char_length(name) between 1 and 300),  -- as it is called there
    url         text           not null default '' check (char_length(url) <= 500),
    artist_id   bigint         references artists (id) on delete cascade,
    venue_id    bigint         references venues (id) on delete cascade,
    confidence  real           not null check (confidence between 0 and 1),
    evidence    text           not null check (char_length(evidence) between 1 and 300),
    verdict     review_verdict not null default 'open',
    decided_by  bigint         references users (id) on delete set null,
    decided_at  timestamptz,
    created_at  timestamptz    not null default now(),
    constraint identity_reviews_of_one check (num_nonnulls(artist_id, venue_id) = 1),
    constraint identity_reviews_decided check ((verdict = 'open') = (decided_at is null))
);

create unique index identity_reviews_once_idx on identity_reviews (service, external_id, artist_id, venue_id) nulls not distinct;
create index identity_reviews_open_idx on identity_reviews (id) where verdict = 'open';
create index identity_reviews_artist_id_idx on identity_reviews (artist_id) where artist_id is not null;
create index identity_reviews_venue_id_idx on identity_reviews (venue_id) where venue_id is not null;
create index identity_reviews_decided_by_idx on identity_reviews (decided_by) where decided_by is not null;

-- What was predicted for a show from earlier setlists. While it stands unchanged and nobody has voted, it may be predicted anew.
create table show_predictions (
    show_id bigint      primary key references shows (id) on delete cascade,
    songs   bigint[]    not null,
    basis   integer     not null check (basis > 0),  -- of how many setlists
    made_at timestamptz not null default now()
);

-- Work that waits for its time. Whoever does a job holds a lease and renews it; a job whose lease ran out is a dead
-- node's, and somebody else goes on from `cursor`.
alter table sync_jobs
    add column run_at      timestamptz not null default now(),
    add column attempts    integer     not null default 0 check (attempts >= 0),
    add column lease_until timestamptz,
    add column cursor      jsonb       not null default '{}';

create unique index sync_jobs_waiting_idx on sync_jobs (service, kind, subject) where status = 'queued';
create index sync_jobs_subject_idx on sync_jobs (service, kind, subject, created_at);
create index sync_jobs_leased_idx on sync_jobs (lease_until) where status = 'running' and lease_until is not null;

-- What is queued again and again.
create table sync_schedules (
    name      text        primary key check (name ~ '^[a-z-]{1,40}$'),
    every_s   integer     not null check (every_s between 60 and 31536000),
    is_paused boolean     not null default false,
    next_at   timestamptz not null default now(),
    last_at   timestamptz
);

-- Services whose jobs wait until somebody says go on.
create table sync_pauses (
    service   sync_service primary key,
    paused_at timestamptz  not null default now()
);

-- Where a thing is from is shown beside it; the rest is for administrators, who come as the owner.
alter table identity_reviews enable row level security;
grant select on venue_identities, show_identities, song_identities to mysetlist_request;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

drop table sync_pauses, sync_schedules, show_predictions, identity_reviews, song_identities, show_identities, venue_identities;
drop type review_verdict;
drop index sync_jobs_leased_idx, sync_jobs_subject_idx, sync_jobs_waiting_idx;
alter table sync_jobs drop column cursor, drop column lease_until, drop column attempts, drop column run_at;
