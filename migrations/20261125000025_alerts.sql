-- migrate:up

-- How each service was found last by whoever raises alerts: what differs is told, once.
create table service_alerts (
    service text          primary key check (service ~ '^[a-z_]+$'),
    status  health_status not null,
    detail  text          not null default '' check (char_length(detail) <= 500),
    since   timestamptz   not null default now()
);

-- migrate:down

drop table service_alerts;
