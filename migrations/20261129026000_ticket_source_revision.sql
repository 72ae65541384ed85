-- migrate:up
-- Another way to get a ticket is a change of the show: whoever controls the show learns of it.

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

create trigger shows_revise_ticket_source before update on shows for each row
    when (old.ticket_source is distinct from new.ticket_source) execute function revise_show();

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

drop trigger shows_revise_ticket_source on shows;
