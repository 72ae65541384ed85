-- migrate:up
-- Groups of ballots take the place of crowds of new accounts of one address, which were a single weak signal.

set local lock_timeout = '1s';
drop table vote_surges;

-- migrate:down

set local lock_timeout = '1s';
create table vote_surges (
    id              bigint generated always as identity primary key,
    show_id         bigint      not null references shows (id) on delete cascade,
    setlist_song_id bigint      not null references setlist_songs (id) on delete cascade,
    address_hash    bytea       not null check (octet_length(address_hash) = 16),
    account_count   integer     not null check (account_count > 0),
    began_at        timestamptz not null,
    seen_at         timestamptz not null default now(),
    constraint vote_surges_crowd_key unique (setlist_song_id, address_hash)
);
comment on table vote_surges is 'Many new accounts of one address that voted for little else than one song.';
comment on column vote_surges.address_hash is 'As in sessions. Equal hashes are one address; the address itself is not stored.';
comment on column vote_surges.began_at is 'When the first of these accounts was made.';
create index vote_surges_show_id_idx on vote_surges (show_id);
create index vote_surges_seen_at_idx on vote_surges (seen_at);

alter table vote_surges enable row level security;
create policy vote_surges_staff on vote_surges for select to mysetlist_request using ((select app_is_staff()));
grant select on vote_surges to mysetlist_request;
