-- migrate:up
-- Security: which role may see and change which rows. PostgreSQL itself enforces it (docs/adr/0008).
-- Over 400 lines: the rights of all roles are read together, and a migration is one file.
--
-- Requests run as mysetlist_request, the writer and the intake as mysetlist_writer; neither owns a table. The owner
-- migrates, seeds and repairs. A request says for which user it acts: `app.user_id` and `app.role`, set for its
-- transaction; without them it sees public rows only.
--
-- Roles belong to the whole PostgreSQL server, not to this database, so another MySetlist on it may have made them already.

set local lock_timeout = '1s';

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
        -- The owner must be able to take on this role. Creating a role does not always allow that, so try it.
        begin
            execute format('set local role %I', wanted);
            reset role;
        exception when insufficient_privilege then
            execute format('grant %I to current_user', wanted);
        end;
    end loop;
end $$;

-- A commit begins at log_positions, so a writer waits here and holds no other lock.
lock table log_positions in exclusive mode;

-- gives: the user for whom this transaction acts; null: none
create function app_user_id() returns bigint language sql stable parallel safe
return nullif(current_setting('app.user_id', true), '')::bigint;

create function app_is_staff() returns boolean language sql stable parallel safe
return coalesce(current_setting('app.role', true) in ('moderator', 'admin'), false);

create function app_is_admin() returns boolean language sql stable parallel safe
return coalesce(current_setting('app.role', true) = 'admin', false);

-- ──────────────────────────────────────────────────────────────── what is public

grant select on artists, venues, songs, shows, setlists, setlist_songs, show_artists, artist_songs, artist_stats,
                vote_rollups, show_trending, show_accuracy, log_positions, platform_stats, service_health,
                activity, activity_clock, artist_identities, show_identities, show_predictions
      to mysetlist_request, mysetlist_writer;
grant select on venue_identities, song_identities to mysetlist_request;

-- ───────────────────────────────────────────────────────────────────── the writer
-- It writes the votes, follows and attendance of all users from the log, and moves shows along with the clock.

grant select on users, user_bans, ticket_codes to mysetlist_writer;
grant select, insert, update, delete on votes to mysetlist_writer;
grant select, insert on vote_analytics to mysetlist_writer;
grant insert, update on vote_rollups to mysetlist_writer;
grant select, insert, update on user_vote_limits to mysetlist_writer;
grant select, insert, delete on user_follows_artists, user_show_attendance, log_commits to mysetlist_writer;
grant update on setlist_songs, setlists, shows, log_positions to mysetlist_writer;

-- ─────────────────────────────────────────────────────────────────────── requests

grant select on users, user_identities, user_profiles, votes, vote_analytics, user_vote_limits, user_follows_artists,
                user_show_attendance, ticket_codes, song_suggestions, voter_accuracy, venue_reviews,
                content_moderation, reports, user_bans, moderation_log, email_preferences, email_queue, email_log,
                audit_log, api_keys, database_operations, sync_jobs, sync_progress, import_log, external_cache
      to mysetlist_request;
grant insert, update, delete on user_profiles, venue_reviews, email_preferences, api_keys to mysetlist_request;
grant insert, update on content_moderation, reports, user_bans to mysetlist_request;
grant insert, delete on song_suggestions to mysetlist_request;
grant insert on ticket_codes, moderation_log, audit_log, email_queue to mysetlist_request;
grant update (role) on users to mysetlist_request;

-- ─────────────────────────────────────────────── functions with their owner's rights
-- They do work for a request that no policy can allow, for example because the request has no user yet.

-- gives: the id of a new account
create function sign_up() returns bigint language sql security definer set search_path = public, pg_temp as $$
    insert into users default values returning id
$$;

-- takes: how long the token is valid that the current user gets next
-- gives: the account's role; null: the account is gone
-- The account is written at most once a day.
create function keep_account(ttl interval) returns user_role
language sql security definer set search_path = public, pg_temp as $$
    update users set token_until = now() + ttl
     where id = app_user_id() and token_until < now() + ttl - interval '1 day';
    select role from users where id = app_user_id();
$$;

-- takes: an identity at a provider; how long its token is valid
-- gives: the account of that identity, which is made if there is none, and its role
-- Two calls at once make one account. The account is written at most once a day.
create function sign_in_as(wanted_issuer text, wanted_subject text, ttl interval)
    returns table (user_id bigint, role user_role)
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    found_id bigint;
begin
    loop
        select i.user_id into found_id
          from user_identities i where i.issuer = wanted_issuer and i.subject = wanted_subject;
        exit when found;
        insert into users default values returning id into found_id;
        insert into user_identities (issuer, subject, user_id) values (wanted_issuer, wanted_subject, found_id)
            on conflict do nothing;
        exit when found;
        delete from users where id = found_id;
    end loop;
    update users u set token_until = now() + ttl
     where u.id = found_id and u.token_until < now() + ttl - interval '1 day';
    return query select u.id, u.role from users u where u.id = found_id;
end $$;

-- takes: the SHA-256 of an API key
-- gives: the user for whom the key acts, and the key's role, never higher than the user's; none: unknown, expired or revoked
-- The time of its last use is written at most once a minute.
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

-- takes: the review or profile whose text is being changed
-- Deletes the text that waits for a moderator from the queue, only of the user's own review or profile. An author may not
-- read the queue.
create function leave_queue(review bigint, profile bigint) returns void
language sql security definer set search_path = public, pg_temp as $$
    delete from content_moderation
     where status = 'pending'
       and (profile_id = profile and profile = app_user_id()
            or review_id = (select id from venue_reviews where id = review and user_id = app_user_id()))
$$;

-- takes: part of a display name; gives: the users it may belong to, for staff only. fold() leaves no wildcards
-- Under row security `like` cannot use an index: PostgreSQL checks the policy of a row before it calls `like`.
create function find_people(words text) returns setof bigint
language sql stable security definer set search_path = public, pg_temp as $$
    select user_id from user_profiles where fold(display_name) like '%' || fold(words) || '%' and app_is_staff()
$$;

-- takes: a show, a title; gives: the last decision about it, for any fan's suggestion; null: none yet
-- The suggestions of other fans are hidden, the decisions are not.
create function decision_on_suggestion(wanted_show bigint, wanted_title text) returns suggestion_status
language sql stable security definer set search_path = public, pg_temp as $$
    select status from song_suggestions
     where show_id = wanted_show and folded = fold(wanted_title) and status <> 'pending'
     order by decided_at desc limit 1
$$;

-- takes: a show, the hash of a code
-- gives: redeemed, now or before by this user; held: the user has another ticket to this show; used: another user has
--        redeemed it; unknown
-- locks: the row of the code, so that one of two users at once gets it
create function redeem_ticket(wanted_show bigint, wanted_hash bytea) returns text
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    code ticket_codes;
begin
    select * into code from ticket_codes where show_id = wanted_show and code_hash = wanted_hash for update;
    if not found then
        return 'unknown';
    end if;
    if code.user_id = app_user_id() then
        return 'redeemed';
    end if;
    if code.redeemed_at is not null then
        return 'used';
    end if;
    update ticket_codes set user_id = app_user_id(), redeemed_at = now()
     where show_id = wanted_show and code_hash = wanted_hash;
    return 'redeemed';
exception when unique_violation then
    return 'held';
end $$;

-- takes: a show; whether its voters need a ticket
-- gives: whether there is such a show
-- For administrators. They have no right to change other columns of shows directly.
create function require_ticket(wanted_show bigint, is_required boolean) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if not app_is_admin() then
        raise exception 'only administrators may require tickets' using errcode = 'insufficient_privilege';
    end if;
    update shows set requires_ticket = is_required where id = wanted_show;
    return found;
end $$;

revoke execute on function sign_up, keep_account, sign_in_as, use_api_key, leave_queue, find_people,
                           decision_on_suggestion, redeem_ticket, require_ticket, erase_user
    from public;
grant execute on function sign_up, keep_account, sign_in_as, use_api_key, leave_queue, find_people,
                          decision_on_suggestion, redeem_ticket, require_ticket, erase_user
   to mysetlist_request;
-- Only triggers and the owner call these.
revoke execute on function repair_counts, move_review_counts, recount_artist_songs, refresh_show_words, score_show
    from public;

-- ─────────────────────────────────────────────────────────────────────── policies
-- A sub-select is evaluated once a statement, a bare call once a row.

alter table users enable row level security;
create policy users_writer on users for select to mysetlist_writer using (true);
create policy users_read   on users for select to mysetlist_request
    using (id = (select app_user_id()) or (select app_is_staff()));
create policy users_promote on users for update to mysetlist_request
    using ((select app_is_admin())) with check ((select app_is_admin()));

alter table user_identities enable row level security;
create policy user_identities_own on user_identities for select to mysetlist_request
    using (user_id = (select app_user_id()));

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

alter table ticket_codes enable row level security;
create policy ticket_codes_writer on ticket_codes for select to mysetlist_writer using (true);
create policy ticket_codes_own on ticket_codes for select to mysetlist_request
    using (user_id = (select app_user_id()));
create policy ticket_codes_admin on ticket_codes for select to mysetlist_request using ((select app_is_admin()));
create policy ticket_codes_make on ticket_codes for insert to mysetlist_request
    with check ((select app_is_admin()) and user_id is null and redeemed_at is null);

alter table song_suggestions enable row level security;
create policy song_suggestions_read on song_suggestions for select to mysetlist_request
    using (user_id = (select app_user_id()) or (select app_is_staff()));
create policy song_suggestions_own on song_suggestions for insert to mysetlist_request
    with check (user_id = (select app_user_id()) and status = 'pending');
create policy song_suggestions_withdraw on song_suggestions for delete to mysetlist_request
    using (user_id = (select app_user_id()) and status = 'pending');

alter table user_follows_artists enable row level security;
create policy user_follows_artists_own on user_follows_artists for all to mysetlist_request
    using (user_id = (select app_user_id())) with check (user_id = (select app_user_id()));
create policy user_follows_artists_staff on user_follows_artists for select to mysetlist_request
    using ((select app_is_staff()));
create policy user_follows_artists_writer on user_follows_artists for all to mysetlist_writer using (true) with check (true);

alter table user_show_attendance enable row level security;
create policy user_show_attendance_own on user_show_attendance for all to mysetlist_request
    using (user_id = (select app_user_id())) with check (user_id = (select app_user_id()));
create policy user_show_attendance_staff on user_show_attendance for select to mysetlist_request
    using ((select app_is_staff()));
create policy user_show_attendance_writer on user_show_attendance for all to mysetlist_writer using (true) with check (true);

alter table show_accuracy enable row level security;
create policy show_accuracy_read on show_accuracy for select to mysetlist_request, mysetlist_writer using (true);

alter table voter_accuracy enable row level security;
create policy voter_accuracy_read on voter_accuracy for select to mysetlist_request
    using (user_id = (select app_user_id()) or (select app_is_staff()));

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

-- An author's request adds the author's text to the queue, and the author sees the outcome; staff decides.
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

-- api_keys_own is restrictive: an administrator may revoke any key, and makes none in another user's name.
alter table api_keys enable row level security;
create policy api_keys_admin on api_keys for all to mysetlist_request
    using ((select app_is_admin())) with check ((select app_is_admin()));
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

alter table external_cache enable row level security;
create policy external_cache_admin on external_cache for select to mysetlist_request using ((select app_is_admin()));

-- No policy: administrators decide about identities through the owner's connection.
alter table identity_reviews enable row level security;

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

drop function require_ticket, redeem_ticket, decision_on_suggestion, find_people, leave_queue, use_api_key, sign_in_as,
              keep_account, sign_up, app_is_admin, app_is_staff, app_user_id;
grant execute on function erase_user, repair_counts, move_review_counts, recount_artist_songs, refresh_show_words,
                          score_show
   to public;
drop owned by mysetlist_request, mysetlist_writer;
do $$
begin
    drop role mysetlist_request, mysetlist_writer;
exception when dependent_objects_still_exist or insufficient_privilege then
    raise notice 'the roles stay: another database uses them, or this owner may not drop them';
end $$;
