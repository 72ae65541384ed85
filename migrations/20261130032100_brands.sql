-- A venue or a band has the service under its own name, colours, logo and domain.

-- migrate:up

create table brands (
    id         bigint      generated always as identity primary key,
    host       text        not null check (char_length(host) <= 260 and host ~ '^[a-z0-9.-]+(:[0-9]+)?$'),
    name       text        not null check (char_length(name) between 1 and 60),
    artist_id  bigint,
    venue_id   bigint,
    colours    jsonb       not null default '{}',
    logo       bytea       check (octet_length(logo) <= 262144),
    logo_type  text        check (logo_type in ('image/png', 'image/jpeg', 'image/webp')),
    revision   bigint      not null default next_revision(0),
    created_at timestamptz not null default now(),
    constraint brands_host_key unique (host),
    constraint brands_logo check ((logo is null) = (logo_type is null))
);
comment on table brands is 'The service under another name: whoever asks for this host sees its name, colours and logo, and its shows.';
comment on column brands.host is 'As the header Host names it: small letters, and a port when it is not the usual one.';
comment on column brands.artist_id is
    'Its list has only shows of this artist, null: of all. Without a foreign key: after a merge the id leads to the survivor.';
comment on column brands.venue_id is 'Its list has only shows at this venue. Without a foreign key, as artist_id.';
comment on column brands.colours is 'The colours of each scheme, dark and light. A scheme that is missing has those of the service.';

grant select on brands to mysetlist_request;

-- migrate:down

drop table brands;
