-- migrate:up
-- How the counts of each song of a show have moved, for the chart on its page.

set local lock_timeout = '1s';

create table song_hours (
    setlist_song_id bigint      not null references setlist_songs (id) on delete cascade,
    hour            timestamptz not null check (hour = date_trunc('hour', hour, 'UTC')),
    up_count        bigint      not null check (up_count >= 0),
    down_count      bigint      not null check (down_count >= 0),
    primary key (setlist_song_id, hour)
);
comment on table song_hours is 'The counts of a song as they stood when they were last looked at in an hour. Hours in which they did not change have no row.';

grant select on song_hours to mysetlist_request, mysetlist_writer;

-- migrate:down

set local lock_timeout = '1s';

drop table song_hours;
