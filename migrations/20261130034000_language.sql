-- The language in which an account reads emails and notifications.

-- migrate:up

set local lock_timeout = '1s';
alter table user_profiles add column language text not null default ''
    check (language = '' or language ~ '^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}$');
comment on column user_profiles.language is 'Its tag, such as es or pt-BR, for emails and notifications. Empty: not chosen, so English.';

-- migrate:down

set local lock_timeout = '1s';
alter table user_profiles drop column language;
