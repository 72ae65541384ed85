-- `mysetlist backup` notes what it wrote, so that the console knows how old the newest backup is.

-- migrate:up

create table backups (
    id         bigint generated always as identity primary key,
    made_at    timestamptz not null default now(),
    file_name  text        not null check (char_length(file_name) between 1 and 255),
    size_bytes bigint      not null check (size_bytes >= 0),
    host       text        not null check (char_length(host) between 1 and 255)
);
comment on table backups is 'A file that `mysetlist backup` wrote. A restored database has those that were noted before its own file was made.';
comment on column backups.made_at is 'When the file was complete. It holds the database as of a moment before.';
comment on column backups.file_name is 'Without its folder.';

create index backups_made_at_idx on backups (made_at);

alter table backups enable row level security;

-- migrate:down

drop table backups;
