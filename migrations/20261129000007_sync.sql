-- migrate:up
-- Sync: runs of imports and of jobs that ask providers, cached responses, and the ids of our rows at other services.

set local lock_timeout = '1s';
-- The writer's transaction locks log_positions first, so a writer waits here and holds no other lock.
lock table log_positions in exclusive mode;

-- ─────────────────────────────────────────────────────────────────────────── runs

create table sync_jobs (
    id          bigint generated always as identity primary key,
    service     sync_service   not null,
    kind        text           not null check (char_length(kind) between 1 and 80),
    subject     text           not null default '' check (char_length(subject) <= 300),
    priority    priority_level not null default 'normal',
    status      sync_status    not null default 'queued',
    cursor      jsonb          not null default '{}',
    attempts    integer        not null default 0 check (attempts >= 0),
    error       text           not null default '' check (char_length(error) <= 1000),
    run_at      timestamptz    not null default now(),
    lease_until timestamptz,
    created_at  timestamptz    not null default now(),
    started_at  timestamptz,
    finished_at timestamptz
);
comment on table sync_jobs is 'One run: a file that is imported, or a job that asks a provider.';
comment on column sync_jobs.kind is 'import, artist, show and others.';
comment on column sync_jobs.subject is 'The name of the file or the artist, or the id of what the job is about.';
comment on column sync_jobs.cursor is 'Where another node continues the job if its node dies.';
comment on column sync_jobs.lease_until is
    'The node that runs the job renews the lease. An expired lease means that the node is dead; another node continues.';

create table sync_progress (
    job_id     bigint       not null references sync_jobs (id) on delete cascade,
    stage      import_stage not null,
    done       bigint       not null default 0 check (done >= 0),
    total      bigint       not null check (total >= 0),
    updated_at timestamptz  not null default now(),
    constraint sync_progress_pkey primary key (job_id, stage)
);
comment on table sync_progress is 'The progress of one stage of a run.';

create table import_log (
    id      bigint generated always as identity primary key,
    job_id  bigint       not null references sync_jobs (id) on delete cascade,
    stage   import_stage not null,
    line    integer      check (line > 0),
    outcome text         not null check (outcome in ('added', 'changed', 'refused')),
    message text         not null check (char_length(message) <= 500)
);
comment on table import_log is 'One record of a run, and whether it was added, changed or refused.';
comment on column import_log.line is 'The line in the file. Null: the record has none.';

create table sync_schedules (
    name      text        primary key check (name ~ '^[a-z-]{1,40}$'),
    every_s   integer     not null check (every_s between 60 and 31536000),
    is_paused boolean     not null default false,
    next_at   timestamptz not null default now(),
    last_at   timestamptz
);
comment on table sync_schedules is 'A job that is queued at regular times.';

create table sync_pauses (
    service   sync_service primary key,
    paused_at timestamptz  not null default now()
);
comment on table sync_pauses is 'A service whose jobs wait until an administrator resumes it.';

create table external_cache (
    service     sync_service not null,
    asked       text         not null check (char_length(asked) between 1 and 1000),
    kind        text         not null check (char_length(kind) between 1 and 40),
    body        bytea,
    etag        text         not null default '' check (char_length(etag) <= 300),
    fetched_at  timestamptz  not null default now(),
    fresh_until timestamptz  not null,
    constraint external_cache_pkey primary key (service, asked)
);
comment on table external_cache is 'A provider''s response to a request, kept for all nodes for a while.';
comment on column external_cache.asked is 'The path and the parameters of the request, without any key.';
comment on column external_cache.kind is 'The kind of the request; it decides how long the response is fresh.';
comment on column external_cache.body is 'Null: the provider has no such thing (404).';

-- ───────────────────────────────────────────────────────────────── ids at providers

create table artist_identities (
    service       sync_service not null check (service <> 'file'),
    external_id   text         not null check (char_length(external_id) between 1 and 80),
    artist_id     bigint       not null references artists (id) on delete cascade,
    url           text         not null default '' check (char_length(url) <= 500),
    confidence    real         not null check (confidence between 0 and 1),
    evidence      text         not null check (char_length(evidence) between 1 and 300),
    lacks_details boolean      not null default false,
    checked_at    timestamptz  not null default now(),
    constraint artist_identities_pkey primary key (service, external_id)
);
comment on table artist_identities is
    'The id of an artist at another service, how sure the match is, and why. Several ids of one service may be one artist.';
comment on column artist_identities.url is 'The page to link to.';
comment on column artist_identities.lacks_details is
    'A job still has to fetch name, country and genre from this service. It asks for many artists at once.';

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
comment on table venue_identities is 'The id of a venue at another service, how sure the match is, and why.';

create table show_identities (
    service     sync_service not null check (service <> 'file'),
    external_id text         not null check (char_length(external_id) between 1 and 80),
    show_id     bigint       not null references shows (id) on delete cascade,
    url         text         not null default '' check (char_length(url) <= 500),
    version     text         not null default '' check (char_length(version) <= 80),
    confidence  real         not null check (confidence between 0 and 1),
    evidence    text         not null check (char_length(evidence) between 1 and 300),
    songs       bigint[],
    checked_at  timestamptz  not null default now(),
    constraint show_identities_pkey primary key (service, external_id)
);
comment on table show_identities is 'The id of a show or its setlist at another service, how sure the match is, and why.';
comment on column show_identities.version is 'Changes when the record changes at the service.';
comment on column show_identities.songs is
    'The songs that were written here from the service''s played setlist, in order. Null: none were written.';

create table song_identities (
    service     sync_service not null check (service <> 'file'),
    external_id text         not null check (char_length(external_id) between 1 and 80),
    song_id     bigint       not null references songs (id) on delete cascade,
    url         text         not null default '' check (char_length(url) <= 500),
    isrc        text         not null default '' check (char_length(isrc) <= 20),
    checked_at  timestamptz  not null default now(),
    constraint song_identities_pkey primary key (service, external_id)
);
comment on table song_identities is 'A recording of a song at another service.';
comment on column song_identities.isrc is 'The International Standard Recording Code: the same for all copies of a recording.';

create table identity_reviews (
    id          bigint generated always as identity primary key,
    service     sync_service   not null check (service <> 'file'),
    external_id text           not null check (char_length(external_id) between 1 and 80),
    name        text           not null check (char_length(name) between 1 and 300),
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
comment on table identity_reviews is
    'An artist or a venue at another service that may be one of ours. An administrator decides.';
comment on column identity_reviews.name is 'The name at the other service.';

create table show_predictions (
    show_id bigint       primary key references shows (id) on delete cascade,
    service sync_service not null default 'setlistfm' check (service <> 'file'),
    songs   bigint[]     not null,
    basis   integer      not null check (basis > 0),
    made_at timestamptz  not null default now()
);
comment on table show_predictions is
    'The setlist that was predicted for a show from earlier ones. It may be replaced while it is unchanged and has no votes.';
comment on column show_predictions.service is 'The provider of the earlier setlists.';
comment on column show_predictions.basis is 'The number of earlier setlists that it was made from.';

-- ──────────────────────────────────────────────────────────────────────── indexes

create index sync_jobs_recent_idx on sync_jobs (id desc) include (status);
create unique index sync_jobs_waiting_idx on sync_jobs (service, kind, subject) where status = 'queued';
create index sync_jobs_subject_idx on sync_jobs (service, kind, subject, created_at);
create index sync_jobs_leased_idx on sync_jobs (lease_until) where status = 'running' and lease_until is not null;
create index import_log_job_id_idx on import_log (job_id, id);
create index external_cache_fresh_until_idx on external_cache (fresh_until);
create index artist_identities_artist_id_idx on artist_identities (artist_id);
create index artist_identities_lacks_details_idx on artist_identities (external_id) where lacks_details;
create index venue_identities_venue_id_idx on venue_identities (venue_id);
create index show_identities_show_id_idx on show_identities (show_id);
create index song_identities_song_id_idx on song_identities (song_id);
create unique index identity_reviews_once_idx on identity_reviews (service, external_id, artist_id, venue_id) nulls not distinct;
create index identity_reviews_open_idx on identity_reviews (id) where verdict = 'open';
create index identity_reviews_artist_id_idx on identity_reviews (artist_id) where artist_id is not null;
create index identity_reviews_venue_id_idx on identity_reviews (venue_id) where venue_id is not null;
create index identity_reviews_decided_by_idx on identity_reviews (decided_by) where decided_by is not null;

-- ────────────────────────────────────────────────────────────────── notifications
-- The state of a show has links to its pages at other services, so nodes are notified when a link is added, changed or deleted.
-- The revision of the show stays: raising it takes a lock on the show, and transactions that write links write many other rows.
-- So a client that was not connected and returns with the same position sees the link only with the next change.

-- takes: a row of a table with a show_id; notifies the nodes of this show, as a new revision does
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

-- takes: a row of artist_identities; notifies the nodes of the artist's shows that may have watchers
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
lock table log_positions in exclusive mode;
drop table show_predictions, identity_reviews, song_identities, show_identities, venue_identities, artist_identities,
           external_cache, sync_pauses, sync_schedules, import_log, sync_progress, sync_jobs;
drop function tell_of_artist_link, tell_of_link;
