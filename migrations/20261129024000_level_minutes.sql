-- How well the service kept its levels, by the minute, so that the console shows a month's budget without Prometheus.

-- migrate:up

create table level_minutes (
    minute       timestamptz not null check (minute = date_trunc('minute', minute, 'UTC')),
    level        text        not null check (level in ('availability', 'acknowledgement', 'push')),
    event_count  bigint      not null check (event_count > 0),
    missed_count bigint      not null check (missed_count between 0 and event_count),
    constraint level_minutes_pkey primary key (minute, level)
);
comment on table level_minutes is 'Events of a service level in one minute, over all nodes, and those that missed its objective.';
comment on column level_minutes.level is
    'availability: casts that were answered; acknowledgement, push: times between log, commit and watcher.';

alter table level_minutes enable row level security;

-- migrate:down

drop table level_minutes;
