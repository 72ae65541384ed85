-- The identity of this database: pages keep waiting votes, and must not send them to another one at the same address.

-- migrate:up

create table installation (
    is_only boolean primary key default true,
    id      uuid    not null    default gen_random_uuid()
);
comment on table installation is
    'One row, made by the first node: an id that no other database has. A dump and its restored copy share it, because they'
    ' hold the same accounts.';

-- migrate:down

drop table installation;
