-- migrate:up

-- Who may see and change which rows, said once and held by the database itself (docs/adr/0008).
--
-- Requests run as mysetlist_request, the writer and the intake as mysetlist_writer; neither owns a table. The owner
-- migrates, seeds and repairs. A request says for whom it acts: `app.user_id` and `app.role`, set for its transaction;
-- without them it is nobody, who sees what is public.
--
-- Roles belong to the whole server, not to this database, so another MySetlist on it may have made them already.

set local lock_timeout = '1s';  -- votes wait behind us; the start tries again

do $$
declare
    wanted text;
begin
    foreach wanted in array array['mysetlist_request', 'mysetlist_writer'] loop
        if not exists (select from pg_roles where rolname = wanted) then
            begin
                execute format('create role %I nologin', wanted);
            exception when duplicate_object or unique_violation then null;
            end;
        end if;
        begin
            execute format('set local role %I', wanted);
            reset role;
        exception when insufficient_privilege then
            execute format('grant %I to current_user', wanted);
        end;
    end loop;
end $$;

-- Nobody commits votes from here on. Whoever does takes log_positions first, so they hold none of these tables now.
lock table log_positions in exclusive mode;

create function app_user_id() returns bigint language sql stable parallel safe
return nullif(current_setting('app.user_id', true), '')::bigint;

create function app_is_staff() returns boolean language sql stable parallel safe
return coalesce(current_setting('app.role', true) in ('moderator', 'admin'), false);

create function app_is_admin() returns boolean language sql stable parallel safe
return coalesce(current_setting('app.role', true) = 'admin', false);

-- ─────────────────────────────────────────────────────────────── what is public

grant select on artists, venues, songs, shows, setlists, setlist_songs, show_artists, artist_songs, artist_stats,
                vote_rollups, show_trending, log_positions, platform_stats, service_health
      to mysetlist_request, mysetlist_writer;

-- ──────────────────────────────────────────────────────────────────── the writer
-- It takes what the log holds to the tables of votes, of everybody; and moves shows along with the clock.

grant select on users to mysetlist_writer;
grant select, insert, update, delete on votes to mysetlist_writer;
grant select, insert on vote_analytics to mysetlist_writer;
grant insert, update on vote_rollups to mysetlist_writer;
grant select, insert, update on user_vote_limits to mysetlist_writer;
grant update on setlist_songs, setlists, shows to mysetlist_writer;
grant update on log_positions to mysetlist_writer;
grant select, insert, delete on log_commits to mysetlist_writer;
grant select on user_bans to mysetlist_writer;

-- ───────────────────────────────────────────────────────────────────── requests

grant select on users, user_profiles, votes, vote_analytics, user_vote_limits, user_follows_artists,
                user_show_attendance, venue_reviews, content_moderation, reports, user_bans, moderation_log,
                email_preferences, email_queue, email_log, audit_log, api_keys, database_operations,
                sync_jobs, sync_progress, import_log
      to mysetlist_request;
grant insert, update, delete on user_profiles, venue_reviews, email_preferences, api_keys to mysetlist_request;
grant insert, delete on user_follows_artists, user_show_attendance to mysetlist_request;
grant insert, update on content_moderation, reports, user_bans to mysetlist_request;
grant insert on moderation_log, audit_log, email_queue to mysetlist_request;
grant update (role) on users to mysetlist_request;

-- A new account is nobody's yet, so no policy could let it in.
create function sign_up() returns bigint language sql security definer set search_path = public, pg_temp as $$
    insert into users default values returning id
$$;

-- takes: how long the token is good that oneself is about to get
-- gives: the account's role; null: it is gone. Written once a day at most
create function keep_account(ttl interval) returns user_role
language sql security definer set search_path = public, pg_temp as $$
    update users set token_until = now() + ttl
     where id = app_user_id() and token_until < now() + ttl - interval '1 day';
    select role from users where id = app_user_id();
$$;

revoke execute on function sign_up, keep_account from public;
grant execute on function sign_up, keep_account to mysetlist_request;

-- takes: the review or profile whose text somebody is changing; what waited for a moderator is no more. Only of
--        oneself: an author may not read the queue, so the rights are the owner's
create function leave_queue(review bigint, profile bigint) returns void
language sql security definer set search_path = public, pg_temp as $$
    delete from content_moderation
     where status = 'pending'
       and (profile_id = profile and profile = app_user_id()
            or review_id = (select id from venue_reviews where id = review and user_id = app_user_id()))
$$;
revoke execute on function leave_queue from public;
grant execute on function leave_queue to mysetlist_request;

-- takes: part of a display name; gives: whose it may be, for staff alone. fold() leaves no wildcards
-- Under row security an index on words is of no use, because `like` may not look at a row before its policy has.
create function find_people(words text) returns setof bigint
language sql stable security definer set search_path = public, pg_temp as $$
    select user_id from user_profiles where fold(display_name) like '%' || fold(words) || '%' and app_is_staff()
$$;
revoke execute on function find_people from public;
grant execute on function find_people to mysetlist_request;

-- takes: the SHA-256 of an API key
-- gives: whom it speaks for and what it may do, never more than its maker; none: unknown, expired or revoked
-- Who comes with a key is nobody yet, so no policy could show it. Its use is written down at most once a minute.
create function use_api_key(hash bytea) returns table (user_id bigint, role user_role)
language sql security definer set search_path = public, pg_temp as $$
    update api_keys k
       set last_used_at = now()
     where k.key_hash = hash and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
       and (k.last_used_at is null or k.last_used_at < now() - interval '1 minute');
    select k.user_id, least(k.role, u.role)
      from api_keys k
      join users u on u.id = k.user_id
     where k.key_hash = hash and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
$$;
revoke execute on function use_api_key from public;
grant execute on function use_api_key to mysetlist_request;

-- Parts of triggers, some with their owner's rights: nobody's to call.
revoke execute on function erase_user, repair_counts, move_review_counts, recount_artist_songs, refresh_show_words
    from public;
grant execute on function erase_user to mysetlist_request;

-- ───────────────────────────────────────────────────────────────────── policies
-- A sub-select is evaluated once a statement, a bare call once a row.

alter table users enable row level security;
create policy users_writer on users for select to mysetlist_writer using (true);
create policy users_read   on users for select to mysetlist_request
    using (id = (select app_user_id()) or (select app_is_staff()));
create policy users_promote on users for update to mysetlist_request
    using ((select app_is_admin())) with check ((select app_is_admin()));

alter table votes enable row level security;
create policy votes_writer on votes for all to mysetlist_writer using (true) with check (true);
create policy votes_read   on votes for select to mysetlist_request
    using (user_id = (select app_user_id()) or (select app_is_staff()));

alter table vote_analytics enable row level security;
create policy vote_analytics_writer on vote_analytics for all to mysetlist_writer using (true) with check (true);
create policy vote_analytics_read   on vote_analytics for select to mysetlist_request
    using (user_id = (select app_user_id()) or (select app_is_staff()));

alter table user_vote_limits enable row level security;
create policy user_vote_limits_writer on user_vote_limits for all to mysetlist_writer using (true) with check (true);
create policy user_vote_limits_read   on user_vote_limits for select to mysetlist_request
    using (user_id = (select app_user_id()) or (select app_is_staff()));

alter table user_profiles enable row level security;
create policy user_profiles_read on user_profiles for select to mysetlist_request
    using (user_id = (select app_user_id()) or (select app_is_staff()) or (is_public and status = 'approved'));
create policy user_profiles_own on user_profiles for insert to mysetlist_request
    with check (user_id = (select app_user_id()));
create policy user_profiles_change on user_profiles for update to mysetlist_request
    using (user_id = (select app_user_id()) or (select app_is_staff()))
    with check (user_id = (select app_user_id()) or (select app_is_staff()));
create policy user_profiles_delete on user_profiles for delete to mysetlist_request
    using (user_id = (select app_user_id()) or (select app_is_admin()));

alter table user_follows_artists enable row level security;
create policy user_follows_artists_own on user_follows_artists for all to mysetlist_request
    using (user_id = (select app_user_id())) with check (user_id = (select app_user_id()));
create policy user_follows_artists_staff on user_follows_artists for select to mysetlist_request
    using ((select app_is_staff()));

alter table user_show_attendance enable row level security;
create policy user_show_attendance_own on user_show_attendance for all to mysetlist_request
    using (user_id = (select app_user_id())) with check (user_id = (select app_user_id()));
create policy user_show_attendance_staff on user_show_attendance for select to mysetlist_request
    using ((select app_is_staff()));

alter table venue_reviews enable row level security;
create policy venue_reviews_read on venue_reviews for select to mysetlist_request
    using (status = 'approved' or user_id = (select app_user_id()) or (select app_is_staff()));
create policy venue_reviews_own on venue_reviews for insert to mysetlist_request
    with check (user_id = (select app_user_id()));
create policy venue_reviews_change on venue_reviews for update to mysetlist_request
    using (user_id = (select app_user_id()) or (select app_is_staff()))
    with check (user_id = (select app_user_id()) or (select app_is_staff()));
create policy venue_reviews_delete on venue_reviews for delete to mysetlist_request
    using (user_id = (select app_user_id()) or (select app_is_staff()));

-- An author's text enters the queue with the author's own request and the author sees what became of it; staff decides.
alter table content_moderation enable row level security;
create policy content_moderation_enter on content_moderation for insert to mysetlist_request
    with check (status = 'pending' and
                ((select app_is_staff())
                 or profile_id = (select app_user_id())
                 or review_id in (select r.id from venue_reviews r where r.user_id = (select app_user_id()))));
create policy content_moderation_staff on content_moderation for select to mysetlist_request
    using ((select app_is_staff()));
create policy content_moderation_own on content_moderation for select to mysetlist_request
    using (profile_id = (select app_user_id())
           or review_id in (select r.id from venue_reviews r where r.user_id = (select app_user_id())));
create policy content_moderation_decide on content_moderation for update to mysetlist_request
    using ((select app_is_staff())) with check ((select app_is_staff()));

alter table reports enable row level security;
create policy reports_read on reports for select to mysetlist_request
    using (reporter_id = (select app_user_id()) or (select app_is_staff()));
create policy reports_own on reports for insert to mysetlist_request
    with check (reporter_id = (select app_user_id()) and status = 'open');
create policy reports_decide on reports for update to mysetlist_request
    using ((select app_is_staff())) with check ((select app_is_staff()));

alter table user_bans enable row level security;
create policy user_bans_writer on user_bans for select to mysetlist_writer using (true);
create policy user_bans_read on user_bans for select to mysetlist_request
    using (user_id = (select app_user_id()) or (select app_is_staff()));
create policy user_bans_staff on user_bans for insert to mysetlist_request
    with check ((select app_is_staff()));
create policy user_bans_change on user_bans for update to mysetlist_request
    using ((select app_is_staff())) with check ((select app_is_staff()));

alter table moderation_log enable row level security;
create policy moderation_log_read on moderation_log for select to mysetlist_request
    using ((select app_is_staff()) or moderator_id = (select app_user_id()));
create policy moderation_log_write on moderation_log for insert to mysetlist_request
    with check ((select app_is_staff()) and moderator_id = (select app_user_id()));

alter table audit_log enable row level security;
create policy audit_log_read on audit_log for select to mysetlist_request
    using ((select app_is_admin()) or actor_id = (select app_user_id()));
create policy audit_log_write on audit_log for insert to mysetlist_request
    with check ((select app_is_staff()) and actor_id = (select app_user_id()));

alter table email_preferences enable row level security;
create policy email_preferences_own on email_preferences for all to mysetlist_request
    using (user_id = (select app_user_id())) with check (user_id = (select app_user_id()));

alter table email_queue enable row level security;
create policy email_queue_own on email_queue for select to mysetlist_request
    using (user_id = (select app_user_id()));
create policy email_queue_confirm on email_queue for insert to mysetlist_request
    with check (user_id = (select app_user_id()) and kind = 'confirm_address');

alter table email_log enable row level security;
create policy email_log_own on email_log for select to mysetlist_request
    using (user_id = (select app_user_id()));

-- No request reads or writes the hashes of addresses; mail is the owner's.
alter table email_unsubscribes enable row level security;

alter table api_keys enable row level security;
create policy api_keys_admin on api_keys for all to mysetlist_request
    using ((select app_is_admin())) with check ((select app_is_admin()));
-- An administrator revokes anybody's key, and makes none in another's name.
create policy api_keys_own on api_keys as restrictive for insert to mysetlist_request
    with check (user_id = (select app_user_id()));
create policy api_keys_read_own on api_keys for select to mysetlist_request
    using (user_id = (select app_user_id()));

alter table database_operations enable row level security;
create policy database_operations_admin on database_operations for select to mysetlist_request
    using ((select app_is_admin()));

alter table sync_jobs enable row level security;
create policy sync_jobs_admin on sync_jobs for select to mysetlist_request using ((select app_is_admin()));
alter table sync_progress enable row level security;
create policy sync_progress_admin on sync_progress for select to mysetlist_request using ((select app_is_admin()));
alter table import_log enable row level security;
create policy import_log_admin on import_log for select to mysetlist_request using ((select app_is_admin()));

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

do $$
declare
    found record;
begin
    for found in select schemaname, tablename, policyname from pg_policies where schemaname = 'public' loop
        execute format('drop policy %I on %I.%I', found.policyname, found.schemaname, found.tablename);
    end loop;
    for found in select relname from pg_class
                  where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and relrowsecurity loop
        execute format('alter table %I disable row level security', found.relname);
    end loop;
end $$;
drop function use_api_key, find_people, leave_queue, keep_account, sign_up, app_is_admin, app_is_staff, app_user_id;
grant execute on function erase_user, repair_counts, move_review_counts, recount_artist_songs, refresh_show_words
   to public;
drop owned by mysetlist_request, mysetlist_writer;
do $$
begin
    drop role mysetlist_request, mysetlist_writer;
exception when dependent_objects_still_exist or insufficient_privilege then
    raise notice 'the roles stay: another database uses them, or they are not ours to drop';
end $$;
