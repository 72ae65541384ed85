-- migrate:up

-- Who told us first of a show, of a venue and of what a show will bring: what a provider told us is taken out again by
-- its name (docs/providers.md). Null: a person, a file or the sample data.

set local lock_timeout = '1s';  -- votes wait behind us; the start tries again
lock table log_positions in exclusive mode;

alter table shows add column origin sync_service check (origin <> 'file');
alter table venues add column origin sync_service check (origin <> 'file');
alter table show_predictions add column service sync_service not null default 'setlistfm' check (service <> 'file');

-- Where a show's sets are from is shown and pushed beside them.
grant select on show_predictions to mysetlist_request, mysetlist_writer;
grant select on show_identities, artist_identities to mysetlist_writer;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

revoke select on show_identities, artist_identities from mysetlist_writer;
revoke select on show_predictions from mysetlist_request, mysetlist_writer;
alter table show_predictions drop column service;
alter table venues drop column origin;
alter table shows drop column origin;
