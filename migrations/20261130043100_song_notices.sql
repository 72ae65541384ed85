-- migrate:up
-- A fan is told of each of their songs that is played, not of the first one only.

set local lock_timeout = '1s';

alter table webpush_notices
    add column setlist_song_id bigint not null default 0,
    drop constraint webpush_notices_once,
    add constraint webpush_notices_once unique (user_id, kind, show_id, setlist_song_id);
comment on table webpush_notices is 'What a fan is told of a show: each kind once, and of songs each song once. Kept for 7 days, so that it is not told again.';
comment on column webpush_notices.setlist_song_id is 'The song that is on; 0: the notice is about the show. Without a foreign key, as show_id.';

-- migrate:down

set local lock_timeout = '1s';

delete from webpush_notices n
 using webpush_notices first
 where first.user_id = n.user_id and first.kind = n.kind and first.show_id = n.show_id and first.id < n.id;
alter table webpush_notices
    drop constraint webpush_notices_once,
    drop column setlist_song_id,
    add constraint webpush_notices_once unique (user_id, kind, show_id);
comment on table webpush_notices is 'What a fan is told of a show: each kind once. Kept for 7 days, so that it is not told again.';
