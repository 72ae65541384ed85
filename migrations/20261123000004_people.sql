-- migrate:up

-- What people say and want: profiles, follows, attendance, mail, reviews, and what moderators do about it.
--
-- Lock order continues that of the first migration: … shows → artist_stats → venues → users' own rows.

set local lock_timeout = '1s';  -- votes wait behind us; the start tries again

create type moderation_status as enum ('pending', 'approved', 'rejected');
create type report_status     as enum ('open', 'upheld', 'dismissed');
create type priority_level    as enum ('low', 'normal', 'high', 'urgent');
create type email_frequency   as enum ('never', 'immediately', 'daily', 'weekly');
create type email_kind        as enum ('confirm_address', 'show_announced', 'show_reminder', 'show_result');
create type email_status      as enum ('queued', 'sending', 'sent', 'failed', 'suppressed');
create type ban_kind          as enum ('vote', 'write', 'all');

-- ──────────────────────────────────────────────────────────────────── profiles

-- A fan may never have one: who only votes is a number.
create table user_profiles (
    user_id      bigint      primary key references users (id) on delete cascade,
    display_name text        check (char_length(display_name) between 1 and 80),
    bio          text        not null default '' check (char_length(bio) <= 500),
    city         text        not null default '' check (char_length(city) <= 120),
    country      text        not null default '' check (country = '' or country ~ '^[A-Z]{2}$'),
    is_public    boolean     not null default false,
    status       moderation_status not null default 'approved',  -- of what others would read
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now()
);

create index user_profiles_similar_idx on user_profiles using gin (fold(display_name) gin_trgm_ops) with (fastupdate = off);

create trigger user_profiles_touch before update on user_profiles
    for each row execute function touch_updated_at();

insert into user_profiles (user_id, display_name, created_at, updated_at)
select id, display_name, created_at, updated_at from users where display_name is not null;

-- Nobody commits votes from here on. Whoever does takes log_positions first, so they hold none of these tables now.
lock table log_positions in exclusive mode;

alter table users drop column display_name;

-- Until when a token may be good. Who has one may vote at any moment, so an account without any data goes only later.
alter table users add column token_until timestamptz not null default now() + interval '90 days';

-- Votes of erased accounts are kept by nobodies, numbered users without any data of their own: erase_user().
alter table users add column nobody integer check (nobody > 0);
create unique index users_nobody_idx on users (nobody) where nobody is not null;
create index users_staff_idx on users (role) where role <> 'user';

-- ──────────────────────────────────────────────────────── follows and attendance

create table user_follows_artists (
    user_id    bigint      not null references users (id) on delete cascade,
    artist_id  bigint      not null references artists (id) on delete cascade,
    created_at timestamptz not null default now(),
    constraint user_follows_artists_pkey primary key (user_id, artist_id)
);

create index user_follows_artists_artist_id_idx on user_follows_artists (artist_id, user_id);

create table user_show_attendance (
    user_id    bigint      not null references users (id) on delete cascade,
    show_id    bigint      not null references shows (id) on delete cascade,
    created_at timestamptz not null default now(),
    constraint user_show_attendance_pkey primary key (user_id, show_id)
);

create index user_show_attendance_show_id_idx on user_show_attendance (show_id, user_id);

alter table shows add column attendance_count bigint not null default 0 check (attendance_count >= 0);

-- One row an artist, from its first moment. The counts move with the rows they count; score by refresh.
create table artist_stats (
    artist_id      bigint  primary key references artists (id) on delete cascade,
    follower_count bigint  not null default 0 check (follower_count >= 0),
    show_count     bigint  not null default 0 check (show_count >= 0),
    vote_count     bigint  not null default 0 check (vote_count >= 0),  -- as of the last refresh
    score          float8  not null default 0 check (score >= 0),       -- trending, as of the last refresh
    refreshed_at   timestamptz
) with (fillfactor = 70);

create index artist_stats_score_idx on artist_stats (score desc, artist_id);

insert into artist_stats (artist_id, show_count)
select a.id, count(w.id) from artists a left join shows w on w.artist_id = a.id group by a.id;

create function begin_artist_stats() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into artist_stats (artist_id) select id from inserted;
    return null;
end $$;

create trigger artists_stats after insert on artists
    referencing new table as inserted for each statement execute function begin_artist_stats();

-- takes: 1 for rows that have come, -1 for rows that are gone; an update is both
-- Whoever follows may not write artist_stats, so the functions run with their owner's rights.
create function count_follows() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    update artist_stats a
       set follower_count = a.follower_count + m.moved
      from (select artist_id, count(*) * tg_argv[0]::integer as moved from changed group by artist_id order by artist_id) m
     where a.artist_id = m.artist_id;
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

create function count_shows() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    update artist_stats a
       set show_count = a.show_count + case tg_op when 'INSERT' then m.moved else -m.moved end
      from (select artist_id, count(*) as moved from changed group by artist_id order by artist_id) m
     where a.artist_id = m.artist_id;
    return null;
end $$;

create trigger shows_count_inserted after insert on shows
    referencing new table as changed for each statement execute function count_shows();
create trigger shows_count_deleted after delete on shows
    referencing old table as changed for each statement execute function count_shows();

create function count_moved_show() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    update artist_stats
       set show_count = show_count + case artist_id when new.artist_id then 1 else -1 end
     where artist_id in (old.artist_id, new.artist_id);
    return null;
end $$;

create trigger shows_count_moved after update of artist_id on shows for each row
    when (old.artist_id is distinct from new.artist_id) execute function count_moved_show();

-- ───────────────────────────────────────────────────────────────── venue reviews

create table venue_reviews (
    id         bigint generated always as identity primary key,
    venue_id   bigint      not null references venues (id) on delete cascade,
    user_id    bigint      not null references users (id) on delete cascade,
    rating     smallint    not null check (rating between 1 and 5),
    body       text        not null default '' check (char_length(body) <= 2000),
    status     moderation_status not null default 'pending',  -- only approved ones are shown and counted
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint venue_reviews_author_key unique (venue_id, user_id)
);

create index venue_reviews_user_id_idx on venue_reviews (user_id);
create index venue_reviews_shown_idx on venue_reviews (venue_id, updated_at desc, id desc) where status = 'approved';

create trigger venue_reviews_touch before update of rating, body on venue_reviews
    for each row execute function touch_updated_at();

alter table venues
    add column review_count bigint not null default 0 check (review_count >= 0),
    add column rating_sum   bigint not null default 0 check (rating_sum >= 0);

drop trigger venues_touch on venues;
create trigger venues_touch before update
    of slug, name, city, region, country, latitude, longitude, time_zone, capacity on venues
    for each row execute function touch_updated_at();

-- Which are shown before and after: gone and come are what the statement changed.
create function move_review_counts(venue_ids bigint[], counts bigint[], ratings bigint[]) returns void
language sql security definer set search_path = public, pg_temp as $$
    update venues v
       set review_count = v.review_count + m.count, rating_sum = v.rating_sum + m.rating
      from (select venue_id, sum(count) as count, sum(rating) as rating
              from unnest(venue_ids, counts, ratings) as d (venue_id, count, rating)
             group by venue_id order by venue_id) m
     where v.id = m.venue_id and (m.count <> 0 or m.rating <> 0);
$$;

create function count_inserted_reviews() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform move_review_counts(array_agg(venue_id), array_agg(1), array_agg(rating))
       from inserted where status = 'approved';
    return null;
end $$;

create function count_deleted_reviews() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform move_review_counts(array_agg(venue_id), array_agg(-1), array_agg(-rating))
       from deleted where status = 'approved';
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

create trigger venue_reviews_count_inserted after insert on venue_reviews
    referencing new table as inserted for each statement execute function count_inserted_reviews();
create trigger venue_reviews_count_updated after update on venue_reviews
    referencing old table as replaced new table as updated for each statement execute function count_updated_reviews();
create trigger venue_reviews_count_deleted after delete on venue_reviews
    referencing old table as deleted for each statement execute function count_deleted_reviews();

-- ──────────────────────────────────────────────────────────────────── moderation

-- What waits for a moderator, and what was decided: one row a text that was held back. An edit takes the row of the
-- text before it away, so a decision is always about the text that its moderator read.
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

create unique index content_moderation_review_idx  on content_moderation (review_id)  where status = 'pending';
create unique index content_moderation_profile_idx on content_moderation (profile_id) where status = 'pending';
create index content_moderation_queue_idx on content_moderation (priority desc, created_at, id) where status = 'pending';
create index content_moderation_of_review_idx  on content_moderation (review_id)  where review_id is not null;
create index content_moderation_of_profile_idx on content_moderation (profile_id) where profile_id is not null;
create index content_moderation_decided_by_idx on content_moderation (decided_by) where decided_by is not null;

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

create unique index reports_review_key  on reports (reporter_id, review_id)  where status = 'open';
create unique index reports_profile_key on reports (reporter_id, profile_id) where status = 'open';
create index reports_reporter_id_idx on reports (reporter_id);
create index reports_queue_idx on reports (priority desc, created_at, id) where status = 'open';
create index reports_review_id_idx  on reports (review_id)  where review_id is not null;
create index reports_profile_id_idx on reports (profile_id) where profile_id is not null;
create index reports_decided_by_idx on reports (decided_by) where decided_by is not null;

create table user_bans (
    id         bigint generated always as identity primary key,
    user_id    bigint      not null references users (id) on delete cascade,
    kind       ban_kind    not null,
    reason     text        not null check (char_length(reason) between 1 and 1000),
    banned_by  bigint      references users (id) on delete set null,
    banned_at  timestamptz not null default now(),
    expires_at timestamptz,                                -- null: for good
    lifted_at  timestamptz,
    lifted_by  bigint      references users (id) on delete set null,
    constraint user_bans_ends_later check (expires_at > banned_at)
);

create index user_bans_user_id_idx on user_bans (user_id) where lifted_at is null;
create index user_bans_of_user_idx on user_bans (user_id);
create index user_bans_banned_by_idx on user_bans (banned_by) where banned_by is not null;
create index user_bans_lifted_by_idx on user_bans (lifted_by) where lifted_by is not null;

-- Who decided what, for ever. Only an erasure takes a name out.
create table moderation_log (
    id           bigint generated always as identity primary key,
    moderator_id bigint      references users (id) on delete set null,
    action       text        not null check (action ~ '^[a-z_]+\.[a-z_]+$'),
    subject      text        not null check (subject ~ '^[a-z_]+:[0-9]+$'),  -- review:7, profile:3, user:3, report:9
    detail       jsonb       not null default '{}',
    at           timestamptz not null default now()
);

create index moderation_log_subject_idx on moderation_log (subject, id);
create index moderation_log_moderator_idx on moderation_log (moderator_id) where moderator_id is not null;

-- What was done with the powers of staff, for ever. Only an erasure takes a name out.
create table audit_log (
    id         bigint generated always as identity primary key,
    actor_id   bigint      references users (id) on delete set null,  -- null: the command line, or an erased account
    action     text        not null check (action ~ '^[a-z_-]+\.[a-z_-]+$'),
    subject    text        not null default '' check (char_length(subject) <= 200),
    detail     jsonb       not null default '{}',
    at         timestamptz not null default now()
);

create index audit_log_actor_idx on audit_log (actor_id) where actor_id is not null;

-- History is append-only for everybody; only erase_user() may take a person out of it. The roles that serve requests
-- and write votes have no right to update or delete history at all, whatever they set.
create or replace function refuse_change() returns trigger language plpgsql as $$
begin
    if current_setting('app.erasing', true) = 'on' then
        return case tg_op when 'DELETE' then old else new end;
    end if;
    raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end $$;

create trigger moderation_log_append_only before update or delete on moderation_log
    for each row execute function refuse_change();
create trigger audit_log_append_only before update or delete on audit_log
    for each row execute function refuse_change();

-- ────────────────────────────────────────────────────────────────────────── mail

create table email_preferences (
    user_id      bigint          primary key references users (id) on delete cascade,
    address      text            not null check (char_length(address) between 3 and 254 and address like '_%@_%'),
    confirmed_at timestamptz,                              -- null: nothing but the confirmation is sent
    frequency    email_frequency not null default 'immediately',
    kinds        email_kind[]    not null default '{show_announced,show_reminder,show_result}'
                 check (cardinality(kinds) <= 10),
    created_at   timestamptz     not null default now(),
    updated_at   timestamptz     not null default now()
);

create trigger email_preferences_touch before update on email_preferences
    for each row execute function touch_updated_at();

-- One row a message to be sent; `about` makes saying the same thing twice impossible.
create table email_queue (
    id         bigint generated always as identity primary key,
    user_id    bigint         not null references users (id) on delete cascade,
    kind       email_kind     not null,
    about      text           not null check (char_length(about) between 1 and 200),  -- show:7, address:<hash>:<ms>
    priority   priority_level not null default 'normal',
    status     email_status   not null default 'queued',
    attempts   smallint       not null default 0 check (attempts >= 0),
    not_before timestamptz    not null default now(),      -- while it is being sent: until when its sender holds it
    created_at timestamptz    not null default now(),
    constraint email_queue_once_key unique (user_id, kind, about)
);

create index email_queue_due_idx on email_queue (priority desc, not_before, id) where status in ('queued', 'sending');
create index email_queue_address_idx on email_queue (split_part(about, ':', 2)) where kind = 'confirm_address';

-- Of which shows something is to be said.
create index shows_created_at_idx on shows (created_at);
create index shows_finalised_at_idx on shows (finalised_at) where finalised_at is not null;

-- takes: how often somebody wants letters, and an instant
-- gives: when what is said then goes out: at once; at the next 08:00 UTC; on the next Monday at 08:00 UTC; null: never
create function mail_due_at(frequency email_frequency, instant timestamptz) returns timestamptz
language sql stable strict parallel safe
return case frequency
           when 'immediately' then instant
           when 'daily'  then date_trunc('day',  instant - interval '8 hours', 'UTC') + interval '32 hours'
           when 'weekly' then date_trunc('week', instant - interval '8 hours', 'UTC') + interval '176 hours'
       end;

-- What became of each attempt.
create table email_log (
    id       bigint generated always as identity primary key,
    queue_id bigint       not null,
    user_id  bigint       not null references users (id) on delete cascade,
    kind     email_kind   not null,
    status   email_status not null,
    detail   text         not null default '' check (char_length(detail) <= 500),  -- the other server's answer
    at       timestamptz  not null default now()
);

create index email_log_user_id_idx on email_log (user_id, id);
create index email_log_at_idx on email_log (at);

-- Addresses that want nothing more from us: only their hash, so that it outlives the account.
create table email_unsubscribes (
    address_hash bytea       primary key check (octet_length(address_hash) = 32),  -- SHA-256 of the lower-case address
    reason       text        not null check (reason in ('link', 'bounce', 'complaint', 'staff')),
    at           timestamptz not null default now()
);

-- ────────────────────────────────────────────────────────────────────── API keys

-- For programs. Only a hash is kept; the key itself is shown once.
create table api_keys (
    id           bigint generated always as identity primary key,
    name         text        not null check (char_length(name) between 1 and 80),
    key_hash     bytea       not null check (octet_length(key_hash) = 32),
    role         user_role   not null,                     -- what it may do
    user_id      bigint      not null references users (id) on delete cascade,  -- whom it speaks for, and who made it
    created_at   timestamptz not null default now(),
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz,
    constraint api_keys_hash_key unique (key_hash)
);

create index api_keys_user_id_idx on api_keys (user_id);

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

drop table api_keys, email_unsubscribes, email_log, email_queue, email_preferences, audit_log, moderation_log,
           user_bans, reports, content_moderation, venue_reviews, artist_stats, user_show_attendance,
           user_follows_artists;
create or replace function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end $$;
drop trigger venues_touch on venues;
create trigger venues_touch before update on venues for each row execute function touch_updated_at();
drop function mail_due_at;
drop index shows_finalised_at_idx, shows_created_at_idx;
alter table venues drop column review_count, drop column rating_sum;
drop trigger shows_count_moved on shows;
drop trigger shows_count_deleted on shows;
drop trigger shows_count_inserted on shows;
drop trigger artists_stats on artists;
alter table shows drop column attendance_count;
drop function count_updated_reviews, count_deleted_reviews, count_inserted_reviews, move_review_counts,
              count_moved_show, count_shows, count_attendance, count_follows, begin_artist_stats;
drop index users_staff_idx, users_nobody_idx;
alter table users drop column nobody;
alter table users drop column token_until;
alter table users add column display_name text check (char_length(display_name) between 1 and 80);
update users u set display_name = p.display_name from user_profiles p where p.user_id = u.id;
drop table user_profiles;
drop type ban_kind, email_status, email_kind, email_frequency, priority_level, report_status, moderation_status;
