-- migrate:up
-- The logs of staff keep who did it and cannot be emptied; mail to strangers has a share of its own.

set local lock_timeout = '1s';

-- A number without an account names nobody, but it still says which of these actions were one person's.
alter table audit_log drop constraint audit_log_actor_id_fkey;
alter table moderation_log drop constraint moderation_log_moderator_id_fkey;
comment on table audit_log is
    'Every action that needs the rights of staff, for ever: append-only. The erasure of a user takes out what was done to them.';
comment on column audit_log.actor_id is
    'The account that acted; it stays when the account is erased. Null: nobody was signed in, and detail says who acted.';
comment on table moderation_log is
    'Every decision of a moderator, for ever: append-only. The erasure of a user takes out what was decided about them.';
comment on column moderation_log.moderator_id is 'The account that decided; it stays when the account is erased.';

create trigger audit_log_not_emptied before truncate on audit_log
    for each statement execute function refuse_change();
create trigger moderation_log_not_emptied before truncate on moderation_log
    for each statement execute function refuse_change();

create index email_queue_strangers_idx on email_queue (not_before, id)
    where status in ('queued', 'sending') and kind = 'confirm_address';
create index email_queue_shows_idx on email_queue (priority desc, not_before, id)
    where status in ('queued', 'sending') and kind <> 'confirm_address';

-- migrate:down

set local lock_timeout = '1s';

drop index email_queue_shows_idx, email_queue_strangers_idx;

drop trigger moderation_log_not_emptied on moderation_log;
drop trigger audit_log_not_emptied on audit_log;
comment on column moderation_log.moderator_id is null;
comment on table moderation_log is
    'Every decision of a moderator, for ever: append-only. Only the erasure of a user removes a name.';
comment on column audit_log.actor_id is 'Null: the command line, or an erased account.';
comment on table audit_log is
    'Every action that needs the rights of staff, for ever: append-only. Only the erasure of a user removes a name.';
-- Erased accounts are named by no row again.
set local app.erasing = 'on';
update audit_log set actor_id = null where actor_id is not null and not exists (select from users u where u.id = actor_id);
update moderation_log set moderator_id = null
 where moderator_id is not null and not exists (select from users u where u.id = moderator_id);
set local app.erasing = '';
alter table audit_log add constraint audit_log_actor_id_fkey
    foreign key (actor_id) references users (id) on delete set null;
alter table moderation_log add constraint moderation_log_moderator_id_fkey
    foreign key (moderator_id) references users (id) on delete set null;
