-- Two administrators who change one webhook, or one show's rule for groups: the second one learns of the first.

-- migrate:up

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

create trigger shows_revise_group_rule before update on shows for each row
    when (old.sets_groups_aside is distinct from new.sets_groups_aside) execute function revise_show();

alter table webhooks add column revision bigint not null default 0;
comment on column webhooks.revision is 'Grows with every change of what an administrator sees, but not with deliveries.';

create function revise_webhook() returns trigger language plpgsql as $$
begin
    new.revision := old.revision + 1;
    return new;
end $$;
create trigger webhooks_revise before update of url, description, events, is_enabled, secret on webhooks for each row
    when (row (old.url, old.description, old.events, old.is_enabled, old.secret)
          is distinct from row (new.url, new.description, new.events, new.is_enabled, new.secret)) execute function revise_webhook();

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

drop trigger shows_revise_group_rule on shows;
drop trigger webhooks_revise on webhooks;
drop function revise_webhook();
alter table webhooks drop column revision;
