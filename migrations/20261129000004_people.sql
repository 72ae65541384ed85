-- migrate:up
-- People: profiles, follows, attendance, reviews, moderation, mail, API keys, and how an account is erased.
-- Over 400 lines: tables, functions and triggers of one topic are read together, and a migration is one file.

set local lock_timeout = '1s';
-- A commit begins at log_positions, so a writer waits here and holds no other lock.
lock table log_positions in exclusive mode;

create table user_identities (
    issuer     text        not null check (char_length(issuer) <= 255),
    subject    text        not null check (char_length(subject) between 1 and 255),
    user_id    bigint      not null references users (id) on delete cascade,
    created_at timestamptz not null default now(),
    primary key (issuer, subject)
);
comment on table user_identities is 'An account''s identity at an identity provider. Each identity is one account.';
comment on column user_identities.issuer is 'Empty: the provider does not name an issuer in its tokens.';

create table user_profiles (
    user_id      bigint            primary key references users (id) on delete cascade,
    display_name text              check (char_length(display_name) between 1 and 80),
    bio          text              not null default '' check (char_length(bio) <= 500),
    city         text              not null default '' check (char_length(city) <= 120),
    country      text              not null default '' check (country = '' or country ~ '^[A-Z]{2}$'),
    is_public    boolean           not null default false,
    status       moderation_status not null default 'approved',
    created_at   timestamptz       not null default now(),
    updated_at   timestamptz       not null default now()
);
comment on table user_profiles is
    'The profile of an account. Others see it when it is public and approved. Many accounts have none.';

-- ───────────────────────────────────────────────────────── follows and attendance

create table user_follows_artists (
    user_id    bigint      not null references users (id) on delete cascade,
    artist_id  bigint      not null references artists (id) on delete cascade,
    created_at timestamptz not null default now(),
    constraint user_follows_artists_pkey primary key (user_id, artist_id)
);
comment on table user_follows_artists is 'A fan follows an artist.';

create table user_show_attendance (
    user_id    bigint      not null references users (id) on delete cascade,
    show_id    bigint      not null references shows (id) on delete cascade,
    created_at timestamptz not null default now(),
    constraint user_show_attendance_pkey primary key (user_id, show_id)
);
comment on table user_show_attendance is 'A fan goes to a show.';

-- ───────────────────────────────────────────────────────── reviews and moderation

create table venue_reviews (
    id         bigint generated always as identity primary key,
    venue_id   bigint      not null references venues (id) on delete cascade,
    user_id    bigint      not null references users (id) on delete cascade,
    rating     smallint    not null check (rating between 1 and 5),
    body       text        not null default '' check (char_length(body) <= 2000),
    status     moderation_status not null default 'pending',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint venue_reviews_author_key unique (venue_id, user_id)
);
comment on table venue_reviews is 'A fan''s review of a venue. Only approved reviews are shown and counted.';

create table content_moderation (
    id         bigint generated always as identity primary key,
    review_id  bigint references venue_reviews (id) on delete cascade,
    profile_id bigint references user_profiles (user_id) on delete cascade,
    status     moderation_status not null default 'pending',
    priority   priority_level    not null default 'normal',
    reasons    text[]      not null default '{}' check (cardinality(reasons) <= 20),
    created_at timestamptz not null default now(),
    decided_at timestamptz,
    decided_by bigint references users (id) on delete set null,
    note       text        not null default '' check (char_length(note) <= 1000),
    constraint content_moderation_one_subject check (num_nonnulls(review_id, profile_id) = 1),
    constraint content_moderation_decided check ((status = 'pending') = (decided_at is null))
);
comment on table content_moderation is
    'A text that was held back: it waits for a moderator, or was decided. An edit of the text deletes the waiting row.';
comment on column content_moderation.reasons is 'The reasons why the text was held back.';

create table reports (
    id          bigint generated always as identity primary key,
    reporter_id bigint references users (id) on delete set null,
    review_id   bigint references venue_reviews (id) on delete cascade,
    profile_id  bigint references user_profiles (user_id) on delete cascade,
    reason      text           not null check (char_length(reason) between 1 and 1000),
    priority    priority_level not null default 'normal',
    status      report_status  not null default 'open',
    created_at  timestamptz    not null default now(),
    decided_at  timestamptz,
    decided_by  bigint references users (id) on delete set null,
    constraint reports_one_subject check (num_nonnulls(review_id, profile_id) = 1),
    constraint reports_decided check ((status = 'open') = (decided_at is null))
);
comment on table reports is 'A reader''s complaint about a text.';

create table user_bans (
    id         bigint generated always as identity primary key,
    user_id    bigint      not null references users (id) on delete cascade,
    kind       ban_kind    not null,
    reason     text        not null check (char_length(reason) between 1 and 1000),
    banned_by  bigint      references users (id) on delete set null,
    banned_at  timestamptz not null default now(),
    expires_at timestamptz,
    lifted_at  timestamptz,
    lifted_by  bigint      references users (id) on delete set null,
    constraint user_bans_ends_later check (expires_at > banned_at)
);
comment on table user_bans is 'A ban of an account: its kind says what is forbidden.';
comment on column user_bans.expires_at is 'Null: the ban does not expire.';

create table moderation_log (
    id           bigint generated always as identity primary key,
    moderator_id bigint      references users (id) on delete set null,
    action       text        not null check (action ~ '^[a-z_]+\.[a-z_]+$'),
    subject      text        not null check (subject ~ '^[a-z_]+:[0-9]+$'),
    detail       jsonb       not null default '{}',
    at           timestamptz not null default now()
);
comment on table moderation_log is
    'Every decision of a moderator, for ever: append-only. Only the erasure of a user removes a name.';
comment on column moderation_log.subject is 'For example review:7, profile:3, user:3, report:9.';

create table audit_log (
    id         bigint generated always as identity primary key,
    actor_id   bigint      references users (id) on delete set null,
    action     text        not null check (action ~ '^[a-z_-]+\.[a-z_-]+$'),
    subject    text        not null default '' check (char_length(subject) <= 200),
    detail     jsonb       not null default '{}',
    at         timestamptz not null default now()
);
comment on table audit_log is
    'Every action that needs the rights of staff, for ever: append-only. Only the erasure of a user removes a name.';
comment on column audit_log.actor_id is 'Null: the command line, or an erased account.';

-- ─────────────────────────────────────────────────────────────────────────── mail

create table email_preferences (
    user_id      bigint          primary key references users (id) on delete cascade,
    address      text            not null check (char_length(address) between 3 and 254 and address like '_%@_%'),
    confirmed_at timestamptz,
    frequency    email_frequency not null default 'immediately',
    kinds        email_kind[]    not null default '{show_announced,show_reminder,show_result}'
                 check (cardinality(kinds) <= 10),
    created_at   timestamptz     not null default now(),
    updated_at   timestamptz     not null default now()
);
comment on table email_preferences is 'The address, the frequency and the kinds of mail that an account wants.';
comment on column email_preferences.confirmed_at is 'Null: this address gets only the mail that asks for its confirmation.';

create table email_queue (
    id         bigint generated always as identity primary key,
    user_id    bigint         not null references users (id) on delete cascade,
    kind       email_kind     not null,
    about      text           not null check (char_length(about) between 1 and 200),
    priority   priority_level not null default 'normal',
    status     email_status   not null default 'queued',
    attempts   smallint       not null default 0 check (attempts >= 0),
    not_before timestamptz    not null default now(),
    created_at timestamptz    not null default now(),
    constraint email_queue_once_key unique (user_id, kind, about)
);
comment on table email_queue is 'One message to be sent.';
comment on column email_queue.about is
    'The subject, show:7 or address:<hash>:<ms>. It is unique for a user and kind, so the same message is not sent twice.';
comment on column email_queue.not_before is
    'The message is sent after this instant. While it is being sent, no other sender takes it before this instant.';

create table email_log (
    id       bigint generated always as identity primary key,
    queue_id bigint       not null,
    user_id  bigint       not null references users (id) on delete cascade,
    kind     email_kind   not null,
    status   email_status not null,
    detail   text         not null default '' check (char_length(detail) <= 500),
    at       timestamptz  not null default now()
);
comment on table email_log is 'The outcome of one attempt to send a message.';
comment on column email_log.detail is 'The answer of the other mail server.';

create table email_unsubscribes (
    address_hash bytea       primary key check (octet_length(address_hash) = 32),
    reason       text        not null check (reason in ('link', 'bounce', 'complaint', 'staff')),
    at           timestamptz not null default now()
);
comment on table email_unsubscribes is
    'An address that wants no more mail. Only its hash is kept, so the row may outlive the account.';
comment on column email_unsubscribes.address_hash is 'SHA-256 of the address in lower case.';

-- ─────────────────────────────────────────────────────────────────────── API keys

create table api_keys (
    id           bigint generated always as identity primary key,
    name         text        not null check (char_length(name) between 1 and 80),
    key_hash     bytea       not null check (octet_length(key_hash) = 32),
    role         user_role   not null,
    user_id      bigint      not null references users (id) on delete cascade,
    created_at   timestamptz not null default now(),
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz,
    constraint api_keys_hash_key unique (key_hash)
);
comment on table api_keys is 'A program''s key. Only its hash is kept; the key is shown once.';
comment on column api_keys.role is 'The rights of the key; never more than those of its user.';
comment on column api_keys.user_id is 'The account that made the key, and for which it acts.';

-- ──────────────────────────────────────────────────────────────────────── indexes

create index user_identities_user_id_idx on user_identities (user_id);
create index user_profiles_similar_idx on user_profiles using gin (fold(display_name) gin_trgm_ops) with (fastupdate = off);
create index user_follows_artists_artist_id_idx on user_follows_artists (artist_id, user_id);
create index user_follows_artists_created_at_idx on user_follows_artists (created_at);
create index user_show_attendance_show_id_idx on user_show_attendance (show_id, user_id);
create index user_show_attendance_created_at_idx on user_show_attendance (created_at);
create index venue_reviews_user_id_idx on venue_reviews (user_id);
create index venue_reviews_shown_idx on venue_reviews (venue_id, updated_at desc, id desc) where status = 'approved';
create index venue_reviews_created_at_idx on venue_reviews (created_at);
create unique index content_moderation_review_idx on content_moderation (review_id) where status = 'pending';
create unique index content_moderation_profile_idx on content_moderation (profile_id) where status = 'pending';
create index content_moderation_queue_idx on content_moderation (priority desc, created_at, id) where status = 'pending';
create index content_moderation_of_review_idx on content_moderation (review_id) where review_id is not null;
create index content_moderation_of_profile_idx on content_moderation (profile_id) where profile_id is not null;
create index content_moderation_decided_by_idx on content_moderation (decided_by) where decided_by is not null;
create unique index reports_review_key on reports (reporter_id, review_id) where status = 'open';
create unique index reports_profile_key on reports (reporter_id, profile_id) where status = 'open';
create index reports_reporter_id_idx on reports (reporter_id);
create index reports_queue_idx on reports (priority desc, created_at, id) where status = 'open';
create index reports_review_id_idx on reports (review_id) where review_id is not null;
create index reports_profile_id_idx on reports (profile_id) where profile_id is not null;
create index reports_decided_by_idx on reports (decided_by) where decided_by is not null;
create index user_bans_user_id_idx on user_bans (user_id) where lifted_at is null;
create index user_bans_of_user_idx on user_bans (user_id);
create index user_bans_banned_by_idx on user_bans (banned_by) where banned_by is not null;
create index user_bans_lifted_by_idx on user_bans (lifted_by) where lifted_by is not null;
create index moderation_log_subject_idx on moderation_log (subject, id);
create index moderation_log_moderator_idx on moderation_log (moderator_id) where moderator_id is not null;
create index audit_log_actor_idx on audit_log (actor_id) where actor_id is not null;
create index audit_log_subject_idx on audit_log (subject);
create index email_queue_due_idx on email_queue (priority desc, not_before, id) where status in ('queued', 'sending');
create index email_queue_address_idx on email_queue (split_part(about, ':', 2)) where kind = 'confirm_address';
create index email_log_user_id_idx on email_log (user_id, id);
create index email_log_at_idx on email_log (at);
create index api_keys_user_id_idx on api_keys (user_id);

create trigger user_profiles_touch before update on user_profiles
    for each row execute function touch_updated_at();
create trigger venue_reviews_touch before update of rating, body on venue_reviews
    for each row execute function touch_updated_at();
create trigger email_preferences_touch before update on email_preferences
    for each row execute function touch_updated_at();
create trigger moderation_log_append_only before update or delete on moderation_log
    for each row execute function refuse_change();
create trigger audit_log_append_only before update or delete on audit_log
    for each row execute function refuse_change();

-- ────────────────────────────────────── counts of follows, attendance and reviews

-- takes: 1 for new rows, -1 for deleted ones; an update calls both
-- A fan may not write the counts, so these functions run with their owner's rights.
create function count_follows() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    -- Rows are locked in the order of ids, because several transactions change them at the same time.
    with moved as (
        select artist_id, count(*) * tg_argv[0]::integer as count from changed group by artist_id
    ), held as (
        select a.artist_id, m.count
          from artist_stats a
          join moved m on m.artist_id = a.artist_id
         order by a.artist_id
           for update of a
    )
    update artist_stats a
       set follower_count = a.follower_count + h.count
      from held h
     where a.artist_id = h.artist_id;
    return null;
end $$;

create trigger user_follows_artists_count_inserted after insert on user_follows_artists
    referencing new table as changed for each statement execute function count_follows('1');
create trigger user_follows_artists_count_deleted after delete on user_follows_artists
    referencing old table as changed for each statement execute function count_follows('-1');
create trigger user_follows_artists_count_moved_in after update on user_follows_artists
    referencing new table as changed for each statement execute function count_follows('1');
create trigger user_follows_artists_count_moved_out after update on user_follows_artists
    referencing old table as changed for each statement execute function count_follows('-1');

create function count_attendance() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    update shows w
       set attendance_count = w.attendance_count + m.moved
      from (select show_id, count(*) * tg_argv[0]::integer as moved from changed group by show_id order by show_id) m
     where w.id = m.show_id;
    return null;
end $$;

create trigger user_show_attendance_count_inserted after insert on user_show_attendance
    referencing new table as changed for each statement execute function count_attendance('1');
create trigger user_show_attendance_count_deleted after delete on user_show_attendance
    referencing old table as changed for each statement execute function count_attendance('-1');
create trigger user_show_attendance_count_moved_in after update on user_show_attendance
    referencing new table as changed for each statement execute function count_attendance('1');
create trigger user_show_attendance_count_moved_out after update on user_show_attendance
    referencing old table as changed for each statement execute function count_attendance('-1');

-- takes: venues, and by how much their counts of approved reviews move
create function move_review_counts(venue_ids bigint[], counts bigint[], ratings bigint[]) returns void
language sql security definer set search_path = public, pg_temp as $$
    with moved as (
        select venue_id, sum(count) as count, sum(rating) as rating
          from unnest(venue_ids, counts, ratings) as d (venue_id, count, rating)
         group by venue_id
        having sum(count) <> 0 or sum(rating) <> 0
    ), held as (
        select v.id, m.count, m.rating
          from venues v
          join moved m on m.venue_id = v.id
         order by v.id
           for no key update of v
    )
    update venues v
       set review_count = v.review_count + h.count, rating_sum = v.rating_sum + h.rating
      from held h
     where v.id = h.id;
$$;

create function count_inserted_reviews() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform move_review_counts(array_agg(venue_id), array_agg(1), array_agg(rating))
       from inserted where status = 'approved';
    return null;
end $$;

create function count_updated_reviews() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform move_review_counts(array_agg(venue_id), array_agg(count), array_agg(rating))
       from (select venue_id, 1 as count, rating from updated where status = 'approved'
             union all
             select venue_id, -1, -rating from replaced where status = 'approved') moves;
    return null;
end $$;

create function count_deleted_reviews() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform move_review_counts(array_agg(venue_id), array_agg(-1), array_agg(-rating))
       from deleted where status = 'approved';
    return null;
end $$;

create trigger venue_reviews_count_inserted after insert on venue_reviews
    referencing new table as inserted for each statement execute function count_inserted_reviews();
create trigger venue_reviews_count_updated after update on venue_reviews
    referencing old table as replaced new table as updated for each statement execute function count_updated_reviews();
create trigger venue_reviews_count_deleted after delete on venue_reviews
    referencing old table as deleted for each statement execute function count_deleted_reviews();

-- takes: how often a fan wants mail, and the instant of some news
-- gives: when to send the news: at once; at the next 08:00 UTC; on the next Monday at 08:00 UTC; null: never
-- 32 hours are a day and 8 hours, 176 hours are a week and 8 hours.
create function mail_due_at(frequency email_frequency, instant timestamptz) returns timestamptz
language sql stable strict parallel safe
return case frequency
           when 'immediately' then instant
           when 'daily'  then date_trunc('day',  instant - interval '8 hours', 'UTC') + interval '32 hours'
           when 'weekly' then date_trunc('week', instant - interval '8 hours', 'UTC') + interval '176 hours'
       end;

-- ────────────────────────────────────────────────── follows and attendance in the log
-- Follows and attendance (marks) travel like votes: they are accepted into the log, and the writer writes them in the
-- transaction that moves the log's position (docs/adr/0012).

-- takes: shards and positions of the commit; the last mark of each fan on each show, and of each fan on each artist
-- locks: attendance, then shows; follows, then artist_stats, by the triggers
-- A mark is left out when its show, artist or fan is gone.
create function commit_marks(
    shards smallint[], new_positions bigint[],
    going_user_ids bigint[], going_show_ids bigint[], goings boolean[],
    following_user_ids bigint[], following_artist_ids bigint[], followings boolean[]
) returns void language plpgsql as $$
#variable_conflict use_column
declare
    shard_count integer;
begin
    with said as materialized (
        select * from unnest(going_user_ids, going_show_ids, goings) as s (user_id, show_id, going)
    ), gone as (
        delete from user_show_attendance a using said s
         where not s.going and a.user_id = s.user_id and a.show_id = s.show_id
    )
    insert into user_show_attendance (user_id, show_id)
    select s.user_id, s.show_id
      from said s join users u on u.id = s.user_id join shows w on w.id = s.show_id
     where s.going
     order by s.user_id, s.show_id
        on conflict do nothing;

    with said as materialized (
        select * from unnest(following_user_ids, following_artist_ids, followings) as s (user_id, artist_id, following)
    ), gone as (
        delete from user_follows_artists f using said s
         where not s.following and f.user_id = s.user_id and f.artist_id = s.artist_id
    )
    insert into user_follows_artists (user_id, artist_id)
    select s.user_id, s.artist_id
      from said s join users u on u.id = s.user_id join artists a on a.id = s.artist_id
     where s.following
     order by s.user_id, s.artist_id
        on conflict do nothing;

    select count(*) into shard_count from log_positions;
    perform pg_notify('attendance', format('{"show":%s,"at":%s,"going":%s}', w.id, m.position, w.attendance_count))
       from shows w
       join unnest(shards, new_positions) as m (shard, position) on m.shard = w.id % shard_count
      where w.id = any(going_show_ids);
    perform pg_notify('followers', format('{"artist":%s,"at":%s,"followers":%s}', a.artist_id, m.position, a.follower_count))
       from artist_stats a
       join unnest(shards, new_positions) as m (shard, position) on m.shard = a.artist_id % shard_count
      where a.artist_id = any(following_artist_ids);
end $$;

-- takes: the arguments of commit_votes, and those of commit_marks
-- gives: as commit_votes; when that is -1, nothing of the marks was written
create function commit_log(
    shards smallint[], old_positions bigint[], new_positions bigint[], entries text[],
    song_ids bigint[], user_ids bigint[], vote_show_ids bigint[], choices vote_choice[], cast_ms bigint[],
    spent_user_ids bigint[], spent_days integer[], spent integer[],
    going_user_ids bigint[], going_show_ids bigint[], goings boolean[],
    following_user_ids bigint[], following_artist_ids bigint[], followings boolean[]
) returns integer language plpgsql as $$
declare
    changed_count integer := commit_votes(shards, old_positions, new_positions, entries, song_ids, user_ids, vote_show_ids,
                                          choices, cast_ms, spent_user_ids, spent_days, spent);
begin
    if changed_count >= 0 and (cardinality(going_user_ids) > 0 or cardinality(following_user_ids) > 0) then
        perform commit_marks(shards, new_positions, going_user_ids, going_show_ids, goings,
                             following_user_ids, following_artist_ids, followings);
    end if;
    return changed_count;
end $$;

-- ─────────────────────────────────────────────────────────────────────── erasure

-- takes: a user
-- gives: how much was erased; the ballots that were handed on, and their positions in the log, so that the hot copy can be
--        compared with them (docs/adr/0009); null: no such user
-- locks: see the lock order in migrations/schema.sql; one erasure at a time
-- Counts stay exact. The votes pass to nobodies, users without any data, drawn at random for every show, so that nothing
-- ties the ballots of one person together. The history passes to user 0. Instants are rounded down to the hour.
-- Everything else of the user is deleted, and the name is taken out of the logs of moderators and staff.
create function erase_user(wanted bigint) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    began_at timestamptz := clock_timestamp();
    written_since timestamptz;
    history_count bigint;
    later_count bigint;
    vote_count bigint;
    ballots jsonb;
    show_ids bigint[];
    heir_ids bigint[] := '{}';
    nobody_count integer;
    drawn integer;
    heir_id bigint;
    inherited bigint;
begin
    -- The function runs with its owner's rights, so current_user is the owner. `role` and session_user name the caller.
    if (current_setting('role') = 'mysetlist_request' or not pg_has_role(session_user, current_user, 'member'))
       and coalesce(current_setting('app.role', true), '') <> 'admin'
       and not coalesce(wanted = nullif(current_setting('app.user_id', true), '')::bigint, false) then
        raise exception 'a user may erase only itself' using errcode = 'insufficient_privilege';
    end if;
    perform pg_advisory_xact_lock(hashtext('mysetlist.erase_user'));
    if not exists (select from users where id = wanted and nobody is null) then
        return null;
    end if;
    -- The setting lasts until the end of this call. A `set` clause of the function would need a superuser to create the
    -- function.
    perform set_config('app.erasing', 'on', true);
    -- This update reads the whole history, while the writers go on.
    with renamed as (
        update vote_analytics set user_id = 0, cast_at = date_trunc('hour', cast_at, 'UTC') where user_id = wanted returning 1
    )
    select count(*) into history_count from renamed;
    perform from log_positions order by shard for update;
    -- Now the rows that were written during the first update, however old their log entries are. A commit that the first
    -- update did not see began at most one statement timeout before it.
    select to_timestamp((min(entries[1]) >> 10) / 1000.0) into written_since
      from log_commits where committed_at > began_at - interval '1 minute';
    with renamed as (
        update vote_analytics set user_id = 0, cast_at = date_trunc('hour', cast_at, 'UTC')
         where user_id = wanted and cast_at >= written_since returning 1
    )
    select count(*) into later_count from renamed;

    select coalesce(jsonb_object_agg(show_id, ballot), '{}'), coalesce(array_agg(show_id), '{}')
      into ballots, show_ids
      from (select show_id, string_agg(setlist_song_id || left(choice::text, 1), '' order by setlist_song_id) as ballot
              from votes where user_id = wanted group by show_id) b;
    -- No show needs more nobodies than there were erasures; a hundred leave room for chance.
    if show_ids <> '{}' then
        select coalesce(max(nobody), 0) into nobody_count from users;
        insert into users (nobody) select generate_series(nobody_count + 1, greatest(nobody_count + 1, 100));
        select max(nobody) into nobody_count from users;
    end if;
    foreach inherited in array show_ids loop
        loop
            drawn := 1 + floor(random() * nobody_count);
            select u.id into heir_id
              from users u
             where u.nobody = drawn
               and not exists (select from votes v where v.user_id = u.id and v.show_id = inherited);
            exit when found;
        end loop;
        heir_ids := heir_ids || heir_id;
    end loop;
    with handed_on as (
        update votes v
           set user_id = h.user_id, cast_at = greatest(date_trunc('hour', v.cast_at, 'UTC'), w.opens_at)
          from unnest(show_ids, heir_ids) as h (show_id, user_id)
          join shows w on w.id = h.show_id
         where v.user_id = wanted and v.show_id = h.show_id
     returning 1
    )
    select count(*) into vote_count from handed_on;

    update moderation_log set subject = split_part(subject, ':', 1) || ':0', detail = '{}'
     where subject in (select unnest(array['user:' || wanted, 'profile:' || wanted])
                       union all select 'review:' || id from venue_reviews where user_id = wanted
                       union all select 'report:' || id from reports where reporter_id = wanted);
    update audit_log set subject = 'user:0', detail = '{}' where subject = 'user:' || wanted;
    -- The cascade would delete these too, but in another order than the lock order. A transaction that holds one of these
    -- rows may still ask whether the user exists, so the user is deleted last.
    delete from user_show_attendance where user_id = wanted;
    delete from user_follows_artists where user_id = wanted;
    delete from venue_reviews where user_id = wanted;
    delete from reports where reporter_id = wanted;
    delete from user_profiles where user_id = wanted;
    delete from email_queue where user_id = wanted;
    delete from email_preferences where user_id = wanted;
    delete from user_bans where user_id = wanted;
    update user_bans set banned_by = null where banned_by = wanted;
    delete from users where id = wanted;
    perform set_config('app.erasing', '', true);
    return jsonb_build_object(
        'votes', vote_count, 'history', history_count + later_count, 'ballots', ballots,
        'positions', (select jsonb_object_agg(shard, position) from log_positions));
end $$;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;
drop function erase_user, commit_log, commit_marks, mail_due_at;
drop table api_keys, email_unsubscribes, email_log, email_queue, email_preferences, audit_log, moderation_log,
           user_bans, reports, content_moderation, venue_reviews, user_show_attendance, user_follows_artists,
           user_profiles, user_identities;
drop function count_deleted_reviews, count_updated_reviews, count_inserted_reviews, move_review_counts,
              count_attendance, count_follows;
