-- migrate:up

-- How many questions of an hour were answered from external_cache.
alter table service_health add column cached_count integer not null default 0 check (cached_count >= 0);

-- migrate:down

alter table service_health drop column cached_count;
