-- migrate:up
-- Emails come in the name of the brand at whose host their reader has asked for them.

set local lock_timeout = '1s';

alter table email_preferences add column host text not null default '' check (char_length(host) <= 260);
comment on column email_preferences.host is 'The host of the brand where the address was saved; empty: of the service itself. Without a foreign key: when the brand is gone, emails come in the name of the service.';

-- migrate:down

set local lock_timeout = '1s';

alter table email_preferences drop column host;
