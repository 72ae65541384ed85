-- The schema, as the migrations leave it: for reading, nothing runs this file.
-- `make schema` writes it; a test compares it with a migrated database.
-- What the functions take, give and lock is said beside them in the migrations.
--
-- ## Lock order
-- A transaction that locks rows of several tables takes the locks in this order, so that no two transactions wait for each
-- other. `tests/faults/test_lock_order.py` runs each kind of transaction against every other kind. It compares the table below with
-- the locks that it sees.
--
-- 1. **Advisory locks.** An erasure, the scoring of a show, the counting of voters and of leaderboards exclude each other
--    (`mysetlist.erase_user`); counts of voters go one after the other (`mysetlist.count_votes`). Imports, syncs and merges, whoever
--    orders the sets of a show or gives it another day, and sample data go one after the other (`mysetlist.sync`).
-- 2. **`log_positions`, in the order of shards** ([ADR 27](adr/0027-shards-guard-shows.md)). A row guards the shows of its shard with their bills, sets, songs, votes,
--    roll-ups and attendance, its row of `open_shows`, and the follows in its log. A transaction that locks more than one row of these locks their shards
--    first. Then no other transaction holds one of them while it waits for another, so they need no order among themselves. A
--    transaction that locks a single show needs no shard when only the activity clock follows the show.
-- 3. **`artist_songs`**: several rows under `mysetlist.sync`, or one row.
-- 4. **`artist_stats`**, in the order of artists.
-- 5. **`venue_reviews`** or **`user_profiles`**, then `content_moderation` and `reports`, then **`venues`** in the order of
--    their ids. A new name of an artist or a venue is written before the search words of shows, under their shards.
-- 6. Rows of one user alone: mail, bans.
-- 7. **`users`**: the row of the user goes last, before its `sessions`. A transaction that holds a row of a user may still
--    check that the user exists.
-- 8. **`open_shows`**, then **`activity_clock`**, by triggers at the end of the transaction.
-- 9. **`webhooks`**, then `webhook_deliveries`, by the sender and administrators alone. What happens is noted in `webhook_events`
--    without a lock, so no vote waits for a webhook.
--
-- 10. **`ledger_logs`** in the order of shows, by the sequencer alone. It waits for no row of these, of `ledger_notes` or `users`: when
--     somebody holds one, it begins again later. Whoever changes votes only adds notes.
-- 11. **`webpush_devices`** in the order of their ids, then `webpush_deliveries`, by the sender and their fans. A deleted user takes theirs along.
--
-- Checks of foreign keys lock the referenced row against deletion. The table leaves them out, because only erasures, merges and the
-- deletion of shows by `mysetlist sync forget` wait for them. A merge locks its two entries right after the shards. Whoever makes a
-- show locks a shard first, because a merge locks all of them.
--
-- | transaction | begins in | tables, in the order of the first lock |
-- |---|---|---|
-- | commit | `commit_log()` | log_positions, picked_shows, picks, setlist_songs, shows, setlists, vote_rollups, votes, show_trending, user_vote_limits, vote_groups, vote_group_members, user_show_attendance, user_follows_artists, artist_stats, cast_orders |
-- | open_shards | voting, `settled_positions` | log_positions |
-- | open_shard | voting, `lock_position` | log_positions |
-- | finalise | voting, `finalise_shows` | log_positions, shows, open_shows, activity_clock |
-- | advance | catalogue, `advance_shows` | log_positions, shows, show_trending, open_shows, activity_clock |
-- | add_song | catalogue, `lock_show` | log_positions, shows, setlist_songs |
-- | remove_song | catalogue, `lock_show` | log_positions, shows, setlist_songs, votes, setlists, artist_songs, show_trending |
-- | restore_song | catalogue, `lock_show` | log_positions, shows, setlists, show_trending |
-- | change_show | catalogue, `lock_show` | log_positions, shows, setlist_songs, activity_clock |
-- | order_sets | catalogue, `lock_show` | log_positions, shows, setlists, artist_songs, setlist_songs |
-- | bill_show | catalogue, `lock_show` | log_positions, shows, show_artists |
-- | postpone_show | catalogue, `lock_show` | log_positions, shows, artist_songs |
-- | make_show | catalogue, `lock_first_shard` | log_positions, artist_stats, activity_clock |
-- | edit_artist | catalogue, `lock_shards_of_artist` | log_positions, artists, shows |
-- | merge_artists | `merge_entries()` | log_positions, artists, shows, artist_stats, artist_songs, show_trending, show_artists, user_follows_artists |
-- | merge_venues | `merge_entries()` | log_positions, venue_reviews, venues, shows, reports |
-- | merge_songs | `merge_entries()`, `undo_merge()` | log_positions, votes, setlist_songs, shows, setlists, show_trending, artist_songs, show_identities |
-- | decide_suggestion | catalogue, `lock_show` | log_positions, shows, song_suggestions |
-- | require_ticket | people, `lock_show` | shows |
-- | redeem_ticket | `redeem_ticket()` | ticket_codes |
-- | give_ticket | `give_ticket()` | none |
-- | insert_group | abuse, `insert_group` | none |
-- | extend_group | abuse, `extend_group` | vote_groups |
-- | set_group_rule | abuse, `lock_show` | shows |
-- | prune_groups | admin, `delete_vote_groups` | vote_groups, vote_group_members |
-- | sync_shows | sync, `lock_shards` | log_positions, shows, artist_stats, artist_songs, show_trending, show_artists |
-- | sync_setlists | sync, `lock_shards` | log_positions, setlists, artist_songs, shows, setlist_songs |
-- | sync_first_show, sync_second_show | sync, `lock_shards` | log_positions, setlists, shows, setlist_songs, artist_songs |
-- | rename_artists | sync, `lock_shards_of_names` | log_positions, artists, shows |
-- | rename_venues | sync, `lock_shards_of_names` | log_positions, venues, shows |
-- | forget | sync, `lock_shards` | log_positions, shows, setlists, setlist_songs, artist_songs, show_identities, show_accuracy, voter_accuracy |
-- | score | `score_show()` | show_accuracy, voter_accuracy, shows |
-- | put_standings | `put_show_standings()` | standings |
-- | recount_standings | `recount_standings()` | standings |
-- | join_crew | `join_crew()` | crews, crew_members |
-- | rank_artists | `rank_artists()` | artist_stats |
-- | recount_trending | `update_trending_scores()` | log_positions, show_trending, artist_stats |
-- | decide_review | moderation, `lock_subject` | venue_reviews, reports, venues |
-- | decide_profile | moderation, `lock_subject` | user_profiles, content_moderation |
-- | write_review | reviews, `lock_own_review` | venue_reviews, venues |
-- | lift_ban | accounts, `lock_ban` | user_bans |
-- | note_voting | webhooks, `note_due_voting` | log_positions, open_shows |
-- | settle_webhook | webhooks, `note_health` | webhooks, webhook_deliveries |
-- | delete_webhook | webhooks, `lock_webhook` | webhooks, webhook_deliveries |
-- | settle_webpush | webpush, `note_health` | webpush_devices, webpush_deliveries |
-- | delete_device | webpush, `delete_device` | webpush_devices, webpush_deliveries |
-- | append_ledger | ledger, `lock_notes` | none |
-- | settle_mail | mail, `settle` | email_queue |
-- | change_mail | mail, `save_preferences` | email_preferences |
-- | erase | `erase_user()` | log_positions, vote_group_members, votes, show_trending, user_show_attendance, shows, user_follows_artists, artist_stats, venue_reviews, reports, venues, user_profiles, content_moderation, email_queue, email_preferences, user_bans, users, song_suggestions, user_vote_limits, voter_accuracy, cast_orders, picks, standings, crew_members, webpush_devices, ledger_notes, webpush_deliveries |
-- | repair | `repair_counts()` | log_positions, setlist_songs, setlists, shows, artist_stats, venues |
-- | seed | sample data, `lock_artist_stats` | artist_stats, venues, activity_clock |

-- ───────────────────────────────────────────────────────────────────────────────────────────────────────── extensions

CREATE EXTENSION IF NOT EXISTS cube WITH SCHEMA public;

CREATE EXTENSION IF NOT EXISTS pg_stat_statements WITH SCHEMA public;

CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;

CREATE EXTENSION IF NOT EXISTS unaccent WITH SCHEMA public;

-- ────────────────────────────────────────────────────────────────────────────────────────────────────────────── types

CREATE TYPE activity_kind AS ENUM (
    'announced',
    'live',
    'cancelled',
    'final',
    'played',
    'votes',
    'followers'
);

CREATE TYPE ban_kind AS ENUM (
    'vote',
    'write',
    'all'
);

CREATE TYPE billing AS ENUM (
    'headliner',
    'support'
);

CREATE TYPE board_kind AS ENUM (
    'show',
    'artist',
    'tour',
    'season'
);

CREATE TYPE email_frequency AS ENUM (
    'never',
    'immediately',
    'daily',
    'weekly'
);

CREATE TYPE email_kind AS ENUM (
    'confirm_address',
    'show_announced',
    'show_reminder',
    'show_result'
);

CREATE TYPE email_status AS ENUM (
    'queued',
    'sending',
    'sent',
    'failed',
    'suppressed'
);

CREATE TYPE health_status AS ENUM (
    'ok',
    'degraded',
    'down'
);

CREATE TYPE import_stage AS ENUM (
    'read',
    'artists',
    'venues',
    'songs',
    'shows',
    'setlists'
);

CREATE TYPE ledger_note AS ENUM (
    'casts',
    'changed',
    'all_votes',
    'inherited',
    'set_aside',
    'counted',
    'opened',
    'closed',
    'erased',
    'renewed'
);

CREATE TYPE ledger_reason AS ENUM (
    'first',
    'restored',
    'key'
);

CREATE TYPE moderation_status AS ENUM (
    'pending',
    'approved',
    'rejected'
);

CREATE TYPE operation_status AS ENUM (
    'running',
    'succeeded',
    'failed',
    'interrupted'
);

CREATE TYPE priority_level AS ENUM (
    'low',
    'normal',
    'high',
    'urgent'
);

CREATE TYPE report_status AS ENUM (
    'open',
    'upheld',
    'dismissed'
);

CREATE TYPE results_visibility AS ENUM (
    'live',
    'after_vote',
    'after_closing'
);

CREATE TYPE review_verdict AS ENUM (
    'open',
    'same',
    'different'
);

CREATE TYPE session_kind AS ENUM (
    'fan',
    'link',
    'command',
    'unlisted'
);

CREATE TYPE set_kind AS ENUM (
    'main',
    'encore',
    'alternate'
);

CREATE TYPE setlist_type AS ENUM (
    'predicted',
    'actual'
);

CREATE TYPE show_status AS ENUM (
    'upcoming',
    'live',
    'finished',
    'cancelled'
);

CREATE TYPE statistics_scope AS ENUM (
    'platform',
    'artist',
    'venue',
    'show'
);

CREATE TYPE suggestion_status AS ENUM (
    'pending',
    'approved',
    'declined'
);

CREATE TYPE sync_service AS ENUM (
    'file',
    'spotify',
    'ticketmaster',
    'setlistfm',
    'musicbrainz'
);

CREATE TYPE sync_status AS ENUM (
    'queued',
    'running',
    'succeeded',
    'failed',
    'cancelled'
);

CREATE TYPE ticket_source AS ENUM (
    'code',
    'work',
    'mail'
);

CREATE TYPE user_role AS ENUM (
    'user',
    'moderator',
    'admin'
);

CREATE TYPE vote_choice AS ENUM (
    'up',
    'down'
);

CREATE TYPE vote_group_state AS ENUM (
    'open',
    'set_aside',
    'restored',
    'void'
);

CREATE TYPE webhook_delivery_state AS ENUM (
    'queued',
    'sending',
    'delivered',
    'dead'
);

CREATE TYPE webhook_event AS ENUM (
    'show.opened',
    'show.closed',
    'show.final',
    'show.milestone',
    'song.played',
    'group.flagged'
);

CREATE TYPE webpush_kind AS ENUM (
    'voting_closes',
    'show_begins',
    'song_on'
);

-- ────────────────────────────────────────────────────────────────────────────────────────────────────────── functions

CREATE FUNCTION accuracy_of(wanted bigint) RETURNS json
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (SELECT json_build_object('r_precision', round((a.r_precision)::numeric, 4), 'baseline', round(((a.last_show_hits)::numeric / (a.played)::numeric), 4), 'precision', round((a."precision")::numeric, 4), 'recall', round((a.recall)::numeric, 4), 'rank_correlation', round((a.rank_correlation)::numeric, 4), 'hits', a.hits, 'played', a.played, 'predicted', a.predicted) AS json_build_object FROM public.show_accuracy a WHERE (a.show_id = accuracy_of.wanted));

CREATE FUNCTION activity_json(event public.activity) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (jsonb_strip_nulls(jsonb_build_object('at', (event)."position", 'kind', (event).kind, 'show', (event).show_id, 'artist', (event).artist_id, 'name', (event).name, 'song', NULLIF((event).detail, ''::text), 'count', NULLIF((event).count, 0), 'time_ms', (floor((EXTRACT(epoch FROM (event).created_at) * (1000)::numeric)))::bigint)))::text;

CREATE FUNCTION add_activity(kind public.activity_kind, show_id bigint, artist_id bigint, name text, detail text, count bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    before bigint;
    added activity;
begin
    select c.position into before from activity_clock c where c.id = 1 for update;
    insert into activity (position, previous, kind, show_id, artist_id, name, detail, count)
    values (next_revision(before), before, kind, show_id, artist_id, name, detail, count)
    returning * into added;
    update activity_clock c set position = added.position where c.id = 1;
    perform pg_notify('activity', format('{"previous":%s,"event":%s}', before, activity_json(added)));
end $$;

CREATE FUNCTION add_heat(one double precision, other double precision) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (GREATEST(one, other) + (ln(((1)::double precision + power((2.0)::double precision, GREATEST((- abs((one - other))), ('-1000'::integer)::double precision)))) / ln((2.0)::double precision)));

CREATE FUNCTION adopt_token(new_device text, token_until timestamp with time zone, is_fan boolean, ttl interval) RETURNS TABLE(role public.user_role, session_id bigint, expires_at timestamp with time zone)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    update users u set token_until = now() + ttl
     where u.id = app_user_id() and u.role = 'user' and is_fan and u.token_until < now() + ttl - interval '1 day';
    with opened as (
        insert into sessions as s (user_id, kind, device, expires_at)
        select u.id, case when is_fan then 'fan' else 'command' end::session_kind, new_device,
               case when is_fan and u.role = 'user' then now() + ttl else adopt_token.token_until end
          from users u where u.id = app_user_id()
        returning s.user_id, s.id, s.expires_at
    )
    select u.role, o.id, o.expires_at from opened o join users u on u.id = o.user_id;
$$;

CREATE FUNCTION app_is_admin() RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN COALESCE((current_setting('app.role'::text, true) = 'admin'::text), false);

CREATE FUNCTION app_is_staff() RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN COALESCE((current_setting('app.role'::text, true) = ANY (ARRAY['moderator'::text, 'admin'::text])), false);

CREATE FUNCTION app_user_id() RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (NULLIF(current_setting('app.user_id'::text, true), ''::text))::bigint;

CREATE FUNCTION apply_decisions(group_ids bigint[]) RETURNS bigint[]
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
    rows_left bigint := decision_rows_max();
    decided record;
    slice bigint[];
    slice_rows bigint;
    ballots_left bigint;
    show_ids bigint[] := '{}';
begin
    for decided in
        select id, show_id, decision from vote_groups where id = any(group_ids) and state <> decision order by id for no key update
    loop
        exit when rows_left <= 0;
        with undone as materialized (
            select m.user_id
              from vote_group_members m
             where m.group_id = decided.id
               and case decided.decision when 'void' then not m.is_void
                                         when 'set_aside' then not m.is_set_aside
                                         else m.is_set_aside end
             order by m.user_id
             limit rows_left + 1
        ), ballot as (
            select user_id, row_count, sum(row_count) over (order by user_id) as up_to
              from undone u
             cross join lateral (select 1 + count(*) as row_count
                                   from votes v where v.user_id = u.user_id and v.show_id = decided.show_id) b
        )
        -- At least one ballot, however many votes it has.
        select array_agg(user_id), coalesce(sum(row_count), 0), (select count(*) from undone) - count(*)
          into slice, slice_rows, ballots_left
          from ballot
         where up_to - row_count < rows_left;
        rows_left := rows_left - slice_rows;
        show_ids := show_ids || decided.show_id;
        update vote_group_members
           set is_set_aside = decided.decision in ('set_aside', 'void'), is_void = decided.decision = 'void'
         where show_id = decided.show_id and user_id = any(slice);
        if decided.decision = 'void' then
            with withdrawn as (
                delete from votes where show_id = decided.show_id and user_id = any(slice)
             returning show_id, setlist_song_id, user_id, choice
            ), hours as (
                insert into vote_rollups (show_id, hour, withdrawn_count)
                select show_id, date_trunc('hour', now(), 'UTC'), count(*) from withdrawn group by 1
                    on conflict (show_id, hour) do update
                   set withdrawn_count = vote_rollups.withdrawn_count + excluded.withdrawn_count
            )
            insert into vote_analytics (show_id, setlist_song_id, user_id, previous, choice, cast_at)
            select show_id, setlist_song_id, user_id, choice, null, now() from withdrawn;
        end if;
        -- Open, so that each later decision differs from it.
        update vote_groups set state = case when ballots_left = 0 then decided.decision else 'open' end where id = decided.id;
        if ballots_left = 0 then
            insert into shows_to_score (show_id)
            select decided.show_id where exists (select from setlists l where l.show_id = decided.show_id and l.type = 'actual');
        end if;
    end loop;
    return show_ids;
end $$;

CREATE FUNCTION ask_for_export(kept interval, waiting_max integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    if (select count(*) from (select from exports where document is null limit waiting_max) w) >= waiting_max then
        return exists (select from exports where user_id = app_user_id() and asked_at > now() - kept);
    end if;
    insert into exports as e (user_id) values (app_user_id())
        on conflict (user_id) do update
       set asked_at = now(), claimed_until = null, tries = 0, document = null
     where e.asked_at <= now() - kept;
    return true;
end $$;

CREATE FUNCTION audit_about_text(entry public.audit_log) RETURNS text
    LANGUAGE sql STABLE
    AS $$
    select jsonb_build_array(entry.subject, entry.detail, entry.salt)::text
$$;

CREATE FUNCTION audit_entry_text(entry public.audit_log) RETURNS text
    LANGUAGE sql STABLE
    AS $$
    select jsonb_build_array(entry.id, entry.actor_id, entry.action, (extract(epoch from entry.at) * 1000000)::bigint)::text
$$;

CREATE FUNCTION awake_devices(wanted public.webpush_kind, instant timestamp with time zone) RETURNS TABLE(id bigint, user_id bigint)
    LANGUAGE sql STABLE
    AS $$
    select d.id, d.user_id
      from webpush_devices d left join sessions s on s.id = d.session_id
     where wanted = any (d.kinds) and not is_quiet(instant, d.time_zone, d.quiet_from, d.quiet_to)
       and (d.session_id is null or s.ended_at is null and s.expires_at > instant)
$$;

CREATE FUNCTION balance_history(wanted_show bigint, songs bigint[]) RETURNS void
    LANGUAGE sql
    SET search_path TO 'public', 'pg_temp'
    AS $$
    with standing as (
        select id from setlist_songs where id = any(songs)
    ), counted as (
        select v.setlist_song_id, case when u.nobody is null then v.user_id else 0 end as user_id, v.choice, count(*) as n
          from standing s
          join votes v on v.setlist_song_id = s.id
          join users u on u.id = v.user_id
         group by 1, 2, 3
    ), told as (
        select h.setlist_song_id, h.user_id, c.choice, sum(c.step) as n
          from vote_analytics h
          join standing s on s.id = h.setlist_song_id
         cross join lateral (values (h.choice, 1), (h.previous, -1)) as c (choice, step)
         where h.show_id = wanted_show and c.choice is not null
         group by 1, 2, 3
    ), missing as (
        select setlist_song_id, user_id, choice, coalesce(counted.n, 0) - coalesce(told.n, 0) as n
          from counted full join told using (setlist_song_id, user_id, choice)
         where coalesce(counted.n, 0) <> coalesce(told.n, 0)
    ), lines as (
        select m.* from missing m, generate_series(1, abs(m.n)::int)
    ), hours as (
        insert into vote_rollups (show_id, hour, up_count, down_count, withdrawn_count)
        select wanted_show, date_trunc('hour', now(), 'UTC'), count(*) filter (where n > 0 and choice = 'up'),
               count(*) filter (where n > 0 and choice = 'down'), count(*) filter (where n < 0)
          from lines
        having count(*) > 0
            on conflict (show_id, hour) do update
           set up_count = vote_rollups.up_count + excluded.up_count,
               down_count = vote_rollups.down_count + excluded.down_count,
               withdrawn_count = vote_rollups.withdrawn_count + excluded.withdrawn_count
    )
    insert into vote_analytics (show_id, setlist_song_id, user_id, previous, choice, cast_at)
    select wanted_show, setlist_song_id, user_id, case when n < 0 then choice end, case when n > 0 then choice end, now()
      from lines;
$$;

CREATE FUNCTION begin_artist_stats() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    insert into artist_stats (artist_id) select id from inserted;
    return null;
end $$;

CREATE FUNCTION bill_headliners() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    insert into show_artists (show_id, artist_id, billing, position)
    select id, artist_id, 'headliner', 1 from inserted
        on conflict (show_id, artist_id) do nothing;
    return null;
end $$;

CREATE FUNCTION boards_of_show(of_artist bigint, on_date date) RETURNS TABLE(board public.board_kind, subject_id bigint)
    LANGUAGE sql STABLE
    AS $$
    select 'artist'::board_kind, of_artist
    union all select 'season', date_part('year', on_date)::bigint
    union all select 'tour', t.id from tours t where t.artist_id = of_artist and on_date between t.first_date and t.last_date
$$;

CREATE FUNCTION casts_set_aside(show_ids bigint[]) RETURNS TABLE(show_id bigint, hour timestamp with time zone, up_count bigint, down_count bigint, withdrawn_count bigint)
    LANGUAGE sql STABLE
    AS $$
    select h.show_id, date_trunc('hour', h.cast_at, 'UTC'), count(*) filter (where h.choice = 'up'),
           count(*) filter (where h.choice = 'down'), count(*) filter (where h.choice is null)
      from vote_analytics h
      join vote_group_members m on m.show_id = h.show_id and m.user_id = h.user_id and m.is_set_aside
     where h.show_id = any(show_ids) and m.show_id = any(show_ids)
     group by 1, 2
$$;

CREATE FUNCTION chain_acts(most integer) RETURNS integer
    LANGUAGE plpgsql
    AS $$
declare
    entry audit_log;
    last_position bigint;
    last_hash bytea;
    about bytea;
    chained bigint[] := '{}';
begin
    perform pg_advisory_xact_lock(hashtext('mysetlist.audit_chain'));
    select position, hash into last_position, last_hash from audit_chain order by position desc limit 1;
    last_position := coalesce(last_position, 0);
    last_hash := coalesce(last_hash, decode(repeat('00', 32), 'hex'));
    for entry in
        select l.* from acts_to_chain t join audit_log l on l.id = t.entry_id order by t.entry_id limit most
    loop
        about := sha256(convert_to(audit_about_text(entry), 'UTF8'));
        last_position := last_position + 1;
        last_hash := sha256(last_hash || about || convert_to(audit_entry_text(entry), 'UTF8'));
        insert into audit_chain (position, entry_id, about_hash, hash) values (last_position, entry.id, about, last_hash);
        chained := chained || entry.id;
    end loop;
    delete from acts_to_chain where entry_id = any(chained);
    return cardinality(chained);
end $$;

CREATE FUNCTION closeness(folded text, words text[]) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (LEAST(public.word_similarity((words)[1], folded), public.word_similarity((words)[2], folded), public.word_similarity((words)[3], folded), public.word_similarity((words)[4], folded)) >= (0.3)::double precision) THEN (((((public.word_similarity((words)[1], folded) + COALESCE(public.word_similarity((words)[2], folded), (0)::real)) + COALESCE(public.word_similarity((words)[3], folded), (0)::real)) + COALESCE(public.word_similarity((words)[4], folded), (0)::real)))::double precision / (cardinality(words))::double precision) ELSE NULL::double precision END;

CREATE FUNCTION commit_log(shards smallint[], old_positions bigint[], new_positions bigint[], entries text[], song_ids bigint[], user_ids bigint[], vote_show_ids bigint[], choices public.vote_choice[], cast_ms bigint[], spent_user_ids bigint[], spent_days integer[], spent integer[], going_user_ids bigint[], going_show_ids bigint[], goings boolean[], following_user_ids bigint[], following_artist_ids bigint[], followings boolean[], order_user_ids bigint[], order_show_ids bigint[], orders bigint[], group_ids bigint[], OUT changed_count integer, OUT refused jsonb) RETURNS record
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
begin
    select v.changed_count, v.refused into changed_count, refused
      from commit_votes(shards, old_positions, new_positions, entries, song_ids, user_ids, vote_show_ids, choices, cast_ms,
                        spent_user_ids, spent_days, spent, group_ids) v;
    if changed_count >= 0 and (cardinality(going_user_ids) > 0 or cardinality(following_user_ids) > 0) then
        perform commit_marks(shards, new_positions, going_user_ids, going_show_ids, goings,
                             following_user_ids, following_artist_ids, followings);
    end if;
    if changed_count >= 0 and cardinality(order_user_ids) > 0 then
        insert into cast_orders (user_id, show_id, cast_order)
        select o.user_id, o.show_id, o.cast_order
          from unnest(order_user_ids, order_show_ids, orders) as o (user_id, show_id, cast_order)
          join users u on u.id = o.user_id
         order by o.user_id, o.show_id
            on conflict (user_id, show_id) do update
           set cast_order = excluded.cast_order
         where cast_orders.cast_order < excluded.cast_order;
    end if;
end $$;

CREATE FUNCTION commit_marks(shards smallint[], new_positions bigint[], going_user_ids bigint[], going_show_ids bigint[], goings boolean[], following_user_ids bigint[], following_artist_ids bigint[], followings boolean[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION commit_picks(shards smallint[], old_positions bigint[], new_positions bigint[], user_ids bigint[], show_ids bigint[], songs text[], openers bigint[], closers bigint[], encores bigint[], pick_ms bigint[], OUT committed_shards smallint[], OUT refused jsonb) RETURNS record
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
    shard_count integer := (select count(*) from log_positions);
begin
    committed_shards := shards;
    perform from log_positions where shard = any(shards) order by shard for update;
    if cardinality(shards) <> (select count(*)
                                 from log_positions p
                                 join unnest(shards, old_positions) as m (shard, position) using (shard, position)) then
        return;
    end if;
    with made as materialized (
        select c.user_id, c.show_id, string_to_array(c.songs, ',')::bigint[] as song_ids, c.opener, c.closer, c.encore,
               c.pick_ms, t.picked_at, t.picked_at >= show_begins_at(c.show_id) as is_late
          from unnest(user_ids, show_ids, songs, openers, closers, encores, pick_ms)
               as c (user_id, show_id, songs, opener, closer, encore, pick_ms)
         cross join lateral (select to_timestamp(c.pick_ms / 1000.0) as picked_at) t
          join users u on u.id = c.user_id
          join shows w on w.id = c.show_id
    ), withdrawn as (
        delete from picks p using made m
         where m.song_ids = '{}' and not m.is_late and p.user_id = m.user_id and p.show_id = m.show_id
    ), put as (
        insert into picks (user_id, show_id, song_ids, opener, closer, encore, picked_at)
        select user_id, show_id, song_ids, opener, closer, encore, picked_at
          from made
         where song_ids <> '{}' and not is_late
         order by user_id, show_id
        on conflict (user_id, show_id) do update
           set song_ids = excluded.song_ids, opener = excluded.opener, closer = excluded.closer,
               encore = excluded.encore, picked_at = excluded.picked_at
    ), noted as (
        insert into picked_shows (show_id, position)
        select distinct c.show_id, m.position
          from made c
          join unnest(shards, new_positions) as m (shard, position) on m.shard = c.show_id % shard_count
         where not c.is_late
         order by c.show_id
        on conflict (show_id) do update set position = excluded.position
    )
    select jsonb_agg(jsonb_build_array(show_id, user_id, pick_ms, 'pick')) into refused from made where is_late;
    -- commit_log() announces the commits later, so no node confirms a refused pick. A payload has at most 100 picks.
    perform pg_notify('refusals', format('[%s]', string_agg(pick, ',')))
       from (select format('[%s,%s,%s,"pick"]', r.pick->>0, r.pick->>1, r.pick->>2) as pick,
                    (row_number() over () - 1) / 100 as part
               from jsonb_array_elements(refused) as r (pick)) numbered
      group by part;
end $$;

CREATE FUNCTION commit_votes(shards smallint[], old_positions bigint[], new_positions bigint[], entries text[], song_ids bigint[], user_ids bigint[], vote_show_ids bigint[], choices public.vote_choice[], cast_ms bigint[], spent_user_ids bigint[], spent_days integer[], spent integer[], group_ids bigint[] DEFAULT '{}'::bigint[], OUT changed_count integer, OUT refused jsonb) RETURNS record
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
declare
    shard_count integer := (select count(*) from log_positions);
    half_life_s float8 := extract(epoch from trending_half_life());
    newest_at timestamptz := (select to_timestamp(max(ms) / 1000.0) from unnest(cast_ms) as c (ms));
    newest float8 := trending_heat(newest_at);
    decided_show_ids bigint[] := '{}';
    positions_before jsonb;
    heat_show_ids bigint[];
    gains float8[];
    losses float8[];
    now_ms bigint;
begin
    perform from log_positions where shard = any(shards) order by shard for update;
    if cardinality(shards) <> (select count(*)
                                 from log_positions p
                                 join unnest(shards, old_positions) as m (shard, position) using (shard, position)) then
        changed_count := -1;
        return;
    end if;
    update log_positions p
       set position = m.position
      from unnest(shards, new_positions) as m (shard, position)
     where p.shard = m.shard;
    insert into log_commits (shard, position, entries)
    select m.shard, m.position, string_to_array(m.entries, ',')::bigint[]
      from unnest(shards, new_positions, entries) as m (shard, position, entries);

    -- The triggers of votes would change a row of a song, a set and a show for each event. A second change of a row in one
    -- transaction costs more than the first: its foreign keys are checked again.
    perform set_config('app.counts_moved', 'on', true);
    -- Each lateral "offset 0" keeps its index, however small the tables were when this was planned.
    with of_show as materialized (
        select w.*, (select true from vote_group_members m where m.show_id = w.id limit 1) is not null as has_members
          from (select distinct unnest(vote_show_ids) as id) i
         cross join lateral (select id, opens_at, closes_at, finalised_at from shows where id = i.id offset 0) w
    ), of_song as materialized (
        select s.*
          from (select distinct unnest(song_ids) as id) i
         cross join lateral (select id, show_id, played_at from setlist_songs where id = i.id offset 0) s
    ), cast_votes as materialized (
        select c.setlist_song_id, c.user_id, c.show_id, c.choice, c.cast_ms, t.cast_at, v.choice as previous,
               v.cast_at as previous_at, v.ctid as stored,
               w.has_members and (select true from vote_group_members m
                                   where m.show_id = c.show_id and m.user_id = c.user_id and m.is_set_aside) is not null as is_set_aside,
               case when w.finalised_at is not null then 'final'
                    when t.cast_at < w.opens_at or t.cast_at >= w.closes_at then 'window'
                    when t.cast_at >= s.played_at then 'played' end as refusal
          from unnest(song_ids, user_ids, vote_show_ids, choices, cast_ms)
               as c (setlist_song_id, user_id, show_id, choice, cast_ms)
         -- A division of numerics would cost more than all else that is calculated for a vote.
         cross join lateral (select to_timestamp(c.cast_ms / 1000.0::float8) as cast_at) t
          join of_song s on s.id = c.setlist_song_id and s.show_id = c.show_id
          join of_show w on w.id = c.show_id
          left join lateral (select ctid, choice, cast_at
                               from votes where setlist_song_id = c.setlist_song_id and user_id = c.user_id offset 0) v on true
         -- Whoever has a vote exists.
         where v.choice is not null or (select true from users u where u.id = c.user_id)
    ), changed as materialized (
        select *, (choice is not distinct from 'up')::integer - (previous is not distinct from 'up')::integer as up,
               (choice is not distinct from 'down')::integer - (previous is not distinct from 'down')::integer as down
          from cast_votes
         where choice is distinct from previous and refusal is null
    ), withdrawn as (
        -- The row of log_positions guards the votes, so they keep their places. The key makes sure of it: a place that got
        -- another vote meanwhile is left alone.
        delete from votes v using changed c
         where c.choice is null and v.ctid = c.stored and v.setlist_song_id = c.setlist_song_id and v.user_id = c.user_id
    ), replaced as (
        update votes v
           set choice = c.choice, cast_at = c.cast_at
          from changed c
         where c.choice is not null and v.ctid = c.stored and v.setlist_song_id = c.setlist_song_id and v.user_id = c.user_id
    ), put as (
        insert into votes (setlist_song_id, user_id, show_id, choice, cast_at)
        select setlist_song_id, user_id, show_id, choice, cast_at from changed where stored is null
    ), history as (
        insert into vote_analytics (show_id, setlist_song_id, user_id, previous, choice, cast_at)
        select show_id, setlist_song_id, user_id, previous, choice, cast_at from changed
    ), rollup as (
        insert into vote_rollups (show_id, hour, up_count, down_count, withdrawn_count)
        select show_id, date_bin('1 hour', cast_at, timestamptz 'epoch'), count(*) filter (where choice = 'up'),
               count(*) filter (where choice = 'down'), count(*) filter (where choice is null)
          from changed group by 1, 2 order by 1, 2
        on conflict (show_id, hour) do update
           set up_count = vote_rollups.up_count + excluded.up_count,
               down_count = vote_rollups.down_count + excluded.down_count,
               withdrawn_count = vote_rollups.withdrawn_count + excluded.withdrawn_count
    ), moved as (
        select setlist_song_id as id,
               coalesce(sum(up) filter (where not is_set_aside), 0) as up,
               coalesce(sum(down) filter (where not is_set_aside), 0) as down,
               coalesce(sum(up) filter (where is_set_aside), 0) as aside_up,
               coalesce(sum(down) filter (where is_set_aside), 0) as aside_down
          from changed
         group by 1
    ), song as (
        update setlist_songs s
           set up_count = s.up_count + m.up, down_count = s.down_count + m.down,
               set_aside_up_count = s.set_aside_up_count + m.aside_up,
               set_aside_down_count = s.set_aside_down_count + m.aside_down
          from moved m
         where s.id = m.id
     returning s.setlist_id, s.show_id, m.up + m.down as moved
    ), setlist as (
        update setlists l
           set vote_count = l.vote_count + m.moved
          from (select setlist_id, sum(moved) as moved from song group by setlist_id) m
         where l.id = m.setlist_id and m.moved <> 0
    ), show as (
        update shows w
           set vote_count = w.vote_count + t.moved, position = p.position
          from (select show_id, sum(moved) as moved
                  from (select show_id, moved from song
                        union all
                        select id, 0 from of_show) m
                 group by show_id) t
          join shows before on before.id = t.show_id
          join log_positions p on p.shard = before.id % shard_count
         where w.id = t.show_id
     returning w.id, before.position
    ), heat as (
        -- As sum_of_heats(), which costs more for each vote.
        select show_id,
               newest + ln(sum(power(2.0::float8, greatest(date_part('epoch', cast_at - newest_at) / half_life_s, -1000)))
                           filter (where choice is not null)) / ln(2.0::float8) as gain,
               newest + ln(sum(power(2.0::float8, greatest(date_part('epoch', previous_at - newest_at) / half_life_s, -1000)))
                           filter (where previous is not null)) / ln(2.0::float8) as loss
          from changed
         where not is_set_aside
         group by show_id
    )
    select (select count(*) from changed), (select jsonb_agg(jsonb_build_array(show_id, user_id, cast_ms, refusal))
                                              from cast_votes where choice is distinct from previous and refusal is not null),
           (select jsonb_object_agg(id, position) from show),
           array_agg(show_id order by show_id), array_agg(gain order by show_id), array_agg(loss order by show_id)
      into changed_count, refused, positions_before, heat_show_ids, gains, losses
      from heat;
    perform set_config('app.counts_moved', '', true);
    -- Called also with nothing to move: a commit that waited while this migration was taken back fails here, and counts nothing twice.
    perform shift_heat(heat_show_ids, gains, losses);

    insert into user_vote_limits (user_id, day, spent)
    select s.user_id, date '1970-01-01' + s.day, s.spent
      from unnest(spent_user_ids, spent_days, spent) as s (user_id, day, spent)
      join users u on u.id = s.user_id
     order by s.user_id, s.day
    on conflict (user_id, day) do update set spent = excluded.spent where user_vote_limits.spent < excluded.spent;

    if cardinality(group_ids) > 0 then
        decided_show_ids := apply_decisions(group_ids);
    end if;

    now_ms := floor(extract(epoch from clock_timestamp()) * 1000);
    -- A payload has less than 8000 bytes: 120 songs with the largest possible numbers, or 400 entries. "after" is the position
    -- from which the show's counts were what this commit has changed: a node whose counts are older reads them again.
    perform pg_notify('votes', format(
                '{"show":%s,"after":%s,"at":%s,"part":%s,"parts":%s,"total":%s,"tally":[%s],"ms":%s}', w.id,
                greatest(coalesce((positions_before->>w.id::text)::bigint, w.position), p.reset_position), p.position,
                t.part, t.parts, w.vote_count, t.tally, now_ms))
       from (select show_id, part, max(part) over (partition by show_id) + 1 as parts,
                    string_agg(format('[%s,%s,%s]', id, up_count, down_count), ',' order by id) as tally
               from (select s.show_id, s.id, s.up_count, s.down_count,
                            (row_number() over (partition by s.show_id order by s.id) - 1) / 120 as part
                       from setlist_songs s
                       -- Copies of the arrays: with the arrays themselves, PostgreSQL plans this anew in each small commit, because it
                       -- expects the short arrays at hand to be cheaper than a plan for any.
                      where s.id = any(array(select unnest(song_ids)))
                         or s.show_id = any(array(select unnest(decided_show_ids)))) numbered
              group by show_id, part) t
       join shows w on w.id = t.show_id
       join log_positions p on p.shard = w.id % shard_count
      order by w.id, t.part;
    if cardinality(group_ids) > 0 then
        update shows w
           set position = p.position
          from log_positions p
         where w.id = any(decided_show_ids) and p.shard = w.id % shard_count and w.position <> p.position;
    end if;
    -- Before the commits, so that no node confirms a refused vote. A payload has at most 100 votes.
    perform pg_notify('refusals', format('[%s]', string_agg(vote, ',')))
       from (select format('[%s,%s,%s,"%s"]', r.vote->>0, r.vote->>1, r.vote->>2, r.vote->>3) as vote,
                    (row_number() over () - 1) / 100 as part
               from jsonb_array_elements(refused) as r (vote)) numbered
      group by part;
    perform pg_notify('commits', format(
                '{"shard":%s,"at":%s,"entries":[%s],"ms":%s}', m.shard, m.position, e.entries, now_ms))
       from unnest(shards, new_positions, entries) as m (shard, position, entries),
            lateral (select string_agg(entry, ',' order by number) as entries
                       from unnest(string_to_array(m.entries, ',')) with ordinality as o (entry, number)
                      group by (number - 1) / 400) e;
end $$;

CREATE FUNCTION count_attendance() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    update shows w
       set attendance_count = w.attendance_count + m.moved
      from (select show_id, count(*) * tg_argv[0]::integer as moved from changed group by show_id order by show_id) m
     where w.id = m.show_id;
    return null;
end $$;

CREATE FUNCTION count_changed_members() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    perform move_ballots(array_agg(show_id), array_agg(user_id), array_agg(step))
       from (select show_id, user_id, 1 as step from updated where is_set_aside
             union all
             select show_id, user_id, -1 from replaced where is_set_aside) moves
     having count(*) > 0;
    return null;
end $$;

CREATE FUNCTION count_changed_setlist() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    perform recount_artist_songs((select array_agg(song_id) from setlist_songs where setlist_id = new.id));
    return null;
end $$;

CREATE FUNCTION count_changed_setlist_song() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    perform recount_artist_songs(array[old.song_id, new.song_id]);
    if old.setlist_id <> new.setlist_id and new.up_count + new.down_count > 0 then
        update setlists
           set vote_count = vote_count + case id when new.setlist_id then 1 else -1 end * (new.up_count + new.down_count)
         where id in (old.setlist_id, new.setlist_id);
    end if;
    return null;
end $$;

CREATE FUNCTION count_changed_show() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    perform recount_artist_songs((select array_agg(distinct song_id) from setlist_songs where show_id = new.id));
    return null;
end $$;

CREATE FUNCTION count_deleted_reviews() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    perform move_review_counts(array_agg(venue_id), array_agg(-1), array_agg(-rating))
       from deleted where status = 'approved';
    return null;
end $$;

CREATE FUNCTION count_deleted_setlist_songs() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    update setlists l
       set vote_count = l.vote_count - m.votes
      from (select setlist_id, sum(up_count + down_count) as votes from changed group by setlist_id order by setlist_id) m
     where l.id = m.setlist_id and m.votes <> 0;
    update shows w
       set vote_count = w.vote_count - m.votes
      from (select show_id, sum(up_count + down_count) as votes from changed group by show_id order by show_id) m
     where w.id = m.show_id and m.votes <> 0;
    perform recount_artist_songs((select array_agg(distinct song_id) from changed));
    return null;
end $$;

CREATE FUNCTION count_deleted_votes() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    perform move_tallies(array_agg(id), array_agg(up), array_agg(down), array_agg(aside_up), array_agg(aside_down))
       from (select d.setlist_song_id as id,
                    -count(*) filter (where d.choice = 'up' and m.user_id is null) as up,
                    -count(*) filter (where d.choice = 'down' and m.user_id is null) as down,
                    -count(*) filter (where d.choice = 'up' and m.user_id is not null) as aside_up,
                    -count(*) filter (where d.choice = 'down' and m.user_id is not null) as aside_down
               from deleted d
               left join vote_group_members m on m.show_id = d.show_id and m.user_id = d.user_id and m.is_set_aside
              group by 1) moved
     having count(*) > 0;
    return null;
end $$;

CREATE FUNCTION count_follows() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
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

CREATE FUNCTION count_former_members() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    perform move_ballots(array_agg(show_id), array_agg(user_id), array_agg(-1))
       from deleted where is_set_aside having count(*) > 0;
    return null;
end $$;

CREATE FUNCTION count_inserted_reviews() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    perform move_review_counts(array_agg(venue_id), array_agg(1), array_agg(rating))
       from inserted where status = 'approved';
    return null;
end $$;

CREATE FUNCTION count_inserted_setlist_songs() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    insert into artist_songs (artist_id, song_id, predicted_count, played_count, last_played_on)
    select coalesce(l.artist_id, w.artist_id), c.song_id,
           count(*) filter (where l.type = 'predicted'), count(*) filter (where l.type = 'actual'),
           max(w.local_date) filter (where l.type = 'actual')
      from changed c
      join setlists l on l.id = c.setlist_id
      join shows w on w.id = c.show_id
     group by 1, 2
     order by 1, 2
        on conflict (artist_id, song_id) do update
       set predicted_count = artist_songs.predicted_count + excluded.predicted_count,
           played_count = artist_songs.played_count + excluded.played_count,
           last_played_on = greatest(artist_songs.last_played_on, excluded.last_played_on);
    return null;
end $$;

CREATE FUNCTION count_inserted_votes() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    perform move_tallies(array_agg(id), array_agg(up), array_agg(down), array_agg(aside_up), array_agg(aside_down))
       from (select d.setlist_song_id as id,
                    count(*) filter (where d.choice = 'up' and m.user_id is null) as up,
                    count(*) filter (where d.choice = 'down' and m.user_id is null) as down,
                    count(*) filter (where d.choice = 'up' and m.user_id is not null) as aside_up,
                    count(*) filter (where d.choice = 'down' and m.user_id is not null) as aside_down
               from inserted d
               left join vote_group_members m on m.show_id = d.show_id and m.user_id = d.user_id and m.is_set_aside
              group by 1) moved
     having count(*) > 0;
    return null;
end $$;

CREATE FUNCTION count_moved_show() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    perform from artist_stats where artist_id in (old.artist_id, new.artist_id) order by artist_id for update;
    update artist_stats
       set show_count = show_count + case artist_id when new.artist_id then 1 else -1 end
     where artist_id in (old.artist_id, new.artist_id);
    return null;
end $$;

CREATE FUNCTION count_new_members() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    perform move_ballots(array_agg(show_id), array_agg(user_id), array_agg(1))
       from inserted where is_set_aside having count(*) > 0;
    return null;
end $$;

CREATE FUNCTION count_shows() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    with moved as (
        select artist_id, count(*) * case tg_op when 'INSERT' then 1 else -1 end as count from changed group by artist_id
    ), held as (
        select a.artist_id, m.count
          from artist_stats a
          join moved m on m.artist_id = a.artist_id
         order by a.artist_id
           for update of a
    )
    update artist_stats a
       set show_count = a.show_count + h.count
      from held h
     where a.artist_id = h.artist_id;
    return null;
end $$;

CREATE FUNCTION count_updated_reviews() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    perform move_review_counts(array_agg(venue_id), array_agg(count), array_agg(rating))
       from (select venue_id, 1 as count, rating from updated where status = 'approved'
             union all
             select venue_id, -1, -rating from replaced where status = 'approved') moves;
    return null;
end $$;

CREATE FUNCTION count_updated_votes() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    perform move_tallies(array_agg(id), array_agg(up), array_agg(down), array_agg(aside_up), array_agg(aside_down))
       from (select d.setlist_song_id as id,
                    sum(d.step) filter (where d.choice = 'up' and m.user_id is null) as up,
                    sum(d.step) filter (where d.choice = 'down' and m.user_id is null) as down,
                    sum(d.step) filter (where d.choice = 'up' and m.user_id is not null) as aside_up,
                    sum(d.step) filter (where d.choice = 'down' and m.user_id is not null) as aside_down
               from (select setlist_song_id, show_id, user_id, choice, 1 as step from updated
                     union all
                     select setlist_song_id, show_id, user_id, choice, -1 from replaced) d
               left join vote_group_members m on m.show_id = d.show_id and m.user_id = d.user_id and m.is_set_aside
              group by 1) moved
     having count(*) > 0;
    return null;
end $$;

CREATE FUNCTION count_votes(most integer, as_of timestamp with time zone DEFAULT now()) RETURNS integer
    LANGUAGE plpgsql
    AS $$
declare
    taken_count integer;
begin
    -- An erasure takes this lock first too, so nobody who is being erased is counted meanwhile.
    perform pg_advisory_xact_lock(hashtext('mysetlist.erase_user'));
    -- One at a time: what a fan's day adds depends on their other days.
    perform pg_advisory_xact_lock(hashtext('mysetlist.count_votes'));
    with taken as materialized (
        delete from votes_to_count where ctid = any(array(select ctid from votes_to_count)) returning *
    ), voters as materialized (
        delete from voters_to_count where ctid = any(array(select ctid from voters_to_count limit most)) returning *
    ), minutes as (
        insert into vote_minutes (show_id, minute, vote_count)
        select show_id, minute, sum(up_count + down_count) from taken
         where minute > as_of - interval '2 hours'
         group by 1, 2
            on conflict (show_id, minute) do update set vote_count = vote_minutes.vote_count + excluded.vote_count
    ), hours as (
        insert into platform_hours (hour, up_count, down_count, withdrawn_count)
        select date_trunc('hour', minute, 'UTC'), sum(up_count), sum(down_count), sum(withdrawn_count) from taken group by 1
            on conflict (hour) do update
           set up_count = platform_hours.up_count + excluded.up_count,
               down_count = platform_hours.down_count + excluded.down_count,
               withdrawn_count = platform_hours.withdrawn_count + excluded.withdrawn_count
    ), days as (
        insert into show_days (show_id, day, vote_count)
        select show_id, (minute at time zone 'UTC')::date, sum(up_count + down_count) from taken group by 1, 2 order by 1, 2
            on conflict (show_id, day) do update set vote_count = show_days.vote_count + excluded.vote_count
    -- Where flags have changed, the casts of ballots that are set aside are added up again; elsewhere the notes say what is new.
    ), flagged as materialized (
        delete from set_asides_to_count where ctid = any(array(select ctid from set_asides_to_count)) returning show_id
    ), aside as (
        select show_id, date_trunc('hour', minute, 'UTC') as hour, aside_up as up, aside_down as down, aside_withdrawn as withdrawn
          from taken
         where aside_up + aside_down + aside_withdrawn > 0 and show_id not in (select show_id from flagged)
        union all
        select show_id, hour, up_count, down_count, withdrawn_count
          from casts_set_aside(array(select distinct show_id from flagged))
        union all
        select show_id, hour, -up_count, -down_count, -withdrawn_count
          from set_aside_hours where show_id in (select show_id from flagged)
    ), aside_hours as (
        insert into set_aside_hours (show_id, hour, up_count, down_count, withdrawn_count)
        select a.show_id, a.hour, sum(a.up), sum(a.down), sum(a.withdrawn)
          from aside a join shows w on w.id = a.show_id
         group by 1, 2
        having (sum(a.up), sum(a.down), sum(a.withdrawn)) <> (0, 0, 0)
            on conflict (show_id, hour) do update
           set up_count = set_aside_hours.up_count + excluded.up_count,
               down_count = set_aside_hours.down_count + excluded.down_count,
               withdrawn_count = set_aside_hours.withdrawn_count + excluded.withdrawn_count
    ), flips as materialized (
        select v.show_id, v.user_id, v.day, not v.is_set_aside as is_set_aside
          from (select distinct show_id from flagged) f
          join voter_days v on v.show_id = f.show_id
          left join vote_group_members m on m.show_id = v.show_id and m.user_id = v.user_id and m.is_set_aside
         where v.is_set_aside <> (m.user_id is not null)
         limit most
    ), flipped as (
        update voter_days v
           set is_set_aside = f.is_set_aside
          from flips f
         where v.show_id = f.show_id and v.user_id = f.user_id and v.day = f.day
    ), more as (
        insert into set_asides_to_count (show_id)
        select distinct show_id from flagged where (select count(*) from flips) = most
    ), fresh as (
        insert into voter_days (show_id, user_id, day, is_set_aside)
        select distinct v.show_id, v.user_id, v.day, m.user_id is not null
          from voters v
          join users u on u.id = v.user_id
          join shows w on w.id = v.show_id
          left join vote_group_members m on m.show_id = v.show_id and m.user_id = v.user_id and m.is_set_aside
            on conflict do nothing
        returning show_id, user_id, day, is_set_aside
    -- All days of these fans. This statement does not see the rows that it has just added or changed.
    ), visit as (
        select show_id, user_id, day, not is_set_aside as counts, false as was_known, false as counted from fresh
        union all
        select v.show_id, v.user_id, v.day, not coalesce(f.is_set_aside, v.is_set_aside), true, not v.is_set_aside
          from (select user_id from fresh union select user_id from flips) n
          join voter_days v on v.user_id = n.user_id
          left join flips f on f.show_id = v.show_id and f.user_id = v.user_id and f.day = v.day
    ), scoped as materialized (
        select s.scope, s.scope_id, v.user_id, v.day, v.was_known, v.counts, v.counted
          from visit v join shows w on w.id = v.show_id cross join lateral scopes_of_show(w.id, w.artist_id, w.venue_id) s
    -- In the other scopes of these fans nothing is new.
    ), day as materialized (
        select scope, scope_id, user_id, day, bool_or(was_known) as was_known, bool_or(counts) as counts, bool_or(counted) as counted
          from scoped
         where (scope, scope_id, user_id) in (select scope, scope_id, user_id from scoped where not was_known or counts <> counted)
         group by 1, 2, 3, 4
    -- What the fans are in with these days, minus what they were in before. Where nothing is new, both are equal.
    ), moved as (
        select scope, scope_id, day, previous_day, visit, sum(step) as moved, sum(raw_step) as raw_moved
          from (select scope, scope_id, day, coalesce(lag(day) over w, '-infinity') as previous_day,
                       least(row_number() over w, 3)::smallint as visit, 1 as step, 0 as raw_step
                  from day where counts
                window w as (partition by scope, scope_id, user_id order by day)
                 union all
                select scope, scope_id, day, coalesce(lag(day) over w, '-infinity'), least(row_number() over w, 3)::smallint, -1, 0
                  from day where counted
                window w as (partition by scope, scope_id, user_id order by day)
                 union all
                select scope, scope_id, day, coalesce(lag(day) over w, '-infinity'), least(row_number() over w, 3)::smallint, 0, 1
                  from day
                window w as (partition by scope, scope_id, user_id order by day)
                 union all
                select scope, scope_id, day, coalesce(lag(day) over w, '-infinity'), least(row_number() over w, 3)::smallint, 0, -1
                  from day where was_known
                window w as (partition by scope, scope_id, user_id order by day)) links
         group by 1, 2, 3, 4, 5
        having (sum(step), sum(raw_step)) <> (0, 0)
    ), linked as (
        insert into voter_links (scope, scope_id, day, previous_day, visit, voter_count, raw_voter_count)
        select scope, scope_id, day, previous_day, visit, moved, raw_moved from moved
            on conflict (scope, scope_id, day, previous_day, visit) do update
           set voter_count = voter_links.voter_count + excluded.voter_count,
               raw_voter_count = voter_links.raw_voter_count + excluded.raw_voter_count
    )
    select greatest((select count(*) from voters), (select count(*) from flips)) into taken_count;
    delete from vote_minutes where minute < as_of - interval '2 hours';
    return taken_count;
end $$;

CREATE FUNCTION crew_standings(wanted_code text) RETURNS TABLE(user_id bigint, points bigint, show_count bigint, rank bigint, display_name text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    with member as materialized (
        select m.user_id
          from crews c join crew_members m on m.crew_id = c.id
         where c.code = wanted_code
           and exists (select from crew_members o where o.crew_id = c.id and o.user_id = app_user_id())
    ), summed as materialized (
        select m.user_id, coalesce(sum(s.points), 0)::bigint as points, count(s.user_id) as show_count
          from member m
          left join standings s on s.user_id = m.user_id and s.board = 'show'
         group by m.user_id
    )
    select s.user_id, s.points, s.show_count, rank() over (order by s.points desc), n.display_name
      from summed s
      left join public_names((select array_agg(user_id) from member)) n on n.user_id = s.user_id
     order by s.points desc, s.user_id
$$;

CREATE FUNCTION decision_on_suggestion(wanted_show bigint, wanted_title text) RETURNS public.suggestion_status
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    select status from song_suggestions
     where show_id = wanted_show and folded = fold(wanted_title) and status <> 'pending'
     order by decided_at desc limit 1
$$;

CREATE FUNCTION decision_rows_max() RETURNS integer
    LANGUAGE sql IMMUTABLE
    RETURN 10000;

CREATE FUNCTION default_show_name(artist_id bigint, venue_id bigint) RETURNS text
    LANGUAGE sql STABLE
    AS $_$
    select default_show_name(a.name, v.name) from artists a, venues v where (a.id, v.id) = ($1, $2)
$_$;

CREATE FUNCTION default_show_name(artist text, venue text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
    select left(artist || ' at ' || venue, 300)
$$;

CREATE FUNCTION drop_empty_crews() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    -- A fan who joins at this moment keeps the crew: this waits for nobody.
    delete from crews
     where id in (select c.id from crews c
                   where c.id in (select crew_id from changed)
                     and not exists (select from crew_members m where m.crew_id = c.id)
                     for update skip locked);
    return null;
end $$;

CREATE FUNCTION drop_unfinished_index(unfinished text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET lock_timeout TO '5s'
    AS $_$
begin
    if not exists (select from pg_index x join pg_class i on i.oid = x.indexrelid
                    where i.relnamespace = 'public'::regnamespace and i.relname = unfinished
                      and not x.indisvalid and i.relname ~ '_cc(new|old)[0-9]*$') then
        raise exception '% is no unfinished index', unfinished using errcode = 'undefined_object';
    end if;
    execute format('drop index %I.%I', 'public', unfinished);
end $_$;

CREATE FUNCTION earth_km(a public.cube, b public.cube) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((((2)::numeric * 6371.0088))::double precision * asin(LEAST((1.0)::double precision, (public.cube_distance(a, b) / (2)::double precision))));

CREATE FUNCTION earth_point(latitude double precision, longitude double precision) RETURNS public.cube
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN public.cube(ARRAY[(cosd(latitude) * cosd(longitude)), (cosd(latitude) * sind(longitude)), sind(latitude)]);

CREATE FUNCTION ensure_vote_analytics_partitions(first date, last date) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
    month date := date_trunc('month', first);
    name text;
    made integer := 0;
begin
    while month <= last loop
        name := 'vote_analytics_' || to_char(month, 'YYYYMM');
        if to_regclass(name) is null
           and not exists (select 1 from vote_analytics_default
                            where cast_at >= month::timestamp at time zone 'UTC'
                              and cast_at < (month + interval '1 month') at time zone 'UTC') then
            execute format(
                'create table %I partition of vote_analytics for values from (%L) to (%L)',
                name, month::timestamp at time zone 'UTC', (month + interval '1 month') at time zone 'UTC');
            made := made + 1;
        end if;
        month := month + interval '1 month';
    end loop;
    return made;
end $$;

CREATE FUNCTION erase_history(wanted bigint) RETURNS timestamp with time zone
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
    began_at timestamptz := clock_timestamp();
    made_at timestamptz;
begin
    perform refuse_other_eraser(wanted);
    select created_at into made_at from users where id = wanted and nobody is null;
    perform set_config('app.erasing', 'on', true);
    if made_at > began_at - interval '1 day' then
        -- The clock of Valkey, which gives a vote its instant, may be behind.
        perform rename_history(wanted, made_at - interval '1 minute');
    elsif made_at is not null and exists (select from user_vote_limits where user_id = wanted) then
        update vote_analytics set user_id = 0, cast_at = date_trunc('hour', cast_at, 'UTC') where user_id = wanted;
    end if;
    perform set_config('app.erasing', '', true);
    return began_at;
end $$;

CREATE FUNCTION erase_user(wanted bigint, history_since timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
    began_at timestamptz := coalesce(history_since, erase_history(wanted));
    written_since timestamptz;
    vote_count bigint;
    ballots jsonb;
    show_ids bigint[];
    heir_ids bigint[] := '{}';
    nobody_count integer;
    drawn integer;
    heir_id bigint;
    inherited bigint;
begin
    perform refuse_other_eraser(wanted);
    perform pg_advisory_xact_lock(hashtext('mysetlist.erase_user'));
    if not exists (select from users where id = wanted and nobody is null) then
        return null;
    end if;
    -- The setting lasts until the end of this call. A `set` clause of the function would need a superuser to create the
    -- function.
    perform set_config('app.erasing', 'on', true);
    perform from log_positions order by shard for update;
    -- Now the rows that were written during the first update, however old their log entries are. A commit that the first
    -- update did not see began at most one statement timeout before it.
    select to_timestamp((min(entries[1]) >> 10) / 1000.0) into written_since
      from log_commits where committed_at > began_at - interval '1 minute';
    perform rename_history(wanted, written_since);

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
               and not exists (select from votes v where v.user_id = u.id and v.show_id = inherited)
               -- The votes of a group can be gone while its ballot is set aside: whoever got it would lose theirs.
               and not exists (select from vote_group_members m where m.user_id = u.id and m.show_id = inherited);
            exit when found;
        end loop;
        heir_ids := heir_ids || heir_id;
    end loop;
    -- A ballot that is set aside stays so.
    update vote_group_members m
       set user_id = h.user_id
      from unnest(show_ids, heir_ids) as h (show_id, user_id)
     where m.user_id = wanted and m.show_id = h.show_id;
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
        'votes', vote_count, 'ballots', ballots,
        'positions', (select jsonb_object_agg(shard, position) from log_positions));
end $$;

CREATE FUNCTION fans_of_show(wanted bigint) RETURNS TABLE(user_id bigint)
    LANGUAGE sql STABLE
    AS $$
    select a.user_id from user_show_attendance a where a.show_id = wanted
     union
    select v.user_id from setlist_songs e join votes v on v.setlist_song_id = e.id where e.show_id = wanted
     union
    select f.user_id from show_artists b join user_follows_artists f on f.artist_id = b.artist_id where b.show_id = wanted
$$;

CREATE FUNCTION fans_to_tell(wanted_show bigint, wanted_change text) RETURNS TABLE(user_id bigint, kind public.email_kind, frequency public.email_frequency)
    LANGUAGE sql STABLE
    SET search_path TO 'public', 'pg_temp'
    AS $$
    select p.user_id, k.kind, p.frequency
      from (select c.user_id, bool_or(c.is_concerned) as is_concerned, bool_or(not c.is_concerned) as is_following
              from (select a.user_id, true as is_concerned from user_show_attendance a where a.show_id = wanted_show
                     union all
                    select v.user_id, true from setlist_songs s join votes v on v.setlist_song_id = s.id
                     where s.show_id = wanted_show
                     union all
                    select f.user_id, false from show_artists b join user_follows_artists f on f.artist_id = b.artist_id
                     where b.show_id = wanted_show) c
             group by c.user_id) fans
      join email_preferences p on p.user_id = fans.user_id and p.confirmed_at is not null and p.frequency <> 'never'
     cross join lateral (
           select case when fans.is_concerned and 'show_reminder' = any (p.kinds) then 'show_reminder'::email_kind
                       when fans.is_following and 'show_announced' = any (p.kinds) then 'show_announced' end as kind) k
     where k.kind is not null
       and not exists (select from email_unsubscribes n
                        where n.address_hash = sha256(convert_to(lower(p.address), 'UTF8')))
       and not exists (select from email_queue q
                        where q.user_id = p.user_id and q.kind in ('show_reminder', 'show_announced')
                          and q.about = 'show:' || wanted_show || ':' || wanted_change)
$$;

CREATE FUNCTION find_people(words text) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    select user_id from user_profiles where fold(display_name) like '%' || fold(words) || '%' and app_is_staff()
$$;

CREATE FUNCTION find_people_by_address(wanted text) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    select user_id from email_preferences where lower(address) = lower(wanted) and app_is_staff()
$$;

CREATE FUNCTION fold(words text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN btrim(regexp_replace(translate(lower(public.unaccent('public.unaccent'::regdictionary, NORMALIZE(translate(words, '''`´‘’‛ʹʻʼʽ′＇­͏​‌‍‎‏⁠︎️﻿'::text, ''::text), NFKC))), '$ς''`'::text, 'sσ'::text), '[-\s/\\|_.,:;!?¡¿()\[\]{}<>&+*#@%=^~"“”„«»‹›‚‐‑‒–—―−…·•‧・｡。､、「」『』【】〈〉《》〔〕〜،؛؟۔।॥־׳״՝՞՛՚†‡§¶©®™°]+'::text, ' '::text, 'g'::text));

CREATE FUNCTION fold_songs(wanted_merge bigint, wanted_show bigint, wanted_gone bigint, wanted_kept bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
    fold bigint;
    place setlist_songs;
    marked_at timestamptz;
begin
    insert into merge_folds (merge_id, show_id, gone_id, kept_id, gone, kept_played_at, history)
    select wanted_merge, wanted_show, wanted_gone, wanted_kept, '{}', k.played_at,
           coalesce((select array_agg(h.id) from vote_analytics h
                      where h.show_id = wanted_show and h.setlist_song_id = wanted_gone), '{}')
      from setlist_songs k where k.id = wanted_kept
    returning id into fold;
    insert into merge_votes (fold_id, user_id, choice, cast_at, kept_choice, kept_cast_at)
    select fold, v.user_id, v.choice, v.cast_at, o.choice, o.cast_at
      from votes v
      left join votes o on o.setlist_song_id = wanted_kept and o.user_id = v.user_id
     where v.setlist_song_id = wanted_gone;
    delete from votes where setlist_song_id = wanted_gone;
    insert into votes (setlist_song_id, user_id, show_id, choice, cast_at)
    select wanted_kept, user_id, wanted_show, choice, cast_at from merge_votes where fold_id = fold order by user_id
        on conflict (setlist_song_id, user_id) do update set choice = excluded.choice, cast_at = excluded.cast_at
     where votes.cast_at < excluded.cast_at;
    delete from setlist_songs where id = wanted_gone returning * into place;
    update setlist_songs set position = position - 1 where setlist_id = place.setlist_id and position > place.position;
    -- The earlier mark stands, unless a fan voted after it.
    select case when least(k.played_at, place.played_at) is not null
                then greatest(least(k.played_at, place.played_at),
                              (select max(cast_at) from votes where setlist_song_id = wanted_kept) + interval '1 millisecond')
           end into marked_at
      from setlist_songs k where k.id = wanted_kept;
    update setlist_songs set played_at = marked_at where id = wanted_kept and played_at is distinct from marked_at;
    update merge_folds set gone = to_jsonb(place), played_at = marked_at where id = fold;
    perform move_history(wanted_show, wanted_gone, wanted_kept, (select history from merge_folds where id = fold));
    perform balance_history(wanted_show, array[wanted_kept]);
end $$;

CREATE FUNCTION folds_of_songs(wanted_gone bigint, wanted_kept bigint) RETURNS TABLE(show_id bigint, gone_id bigint, kept_id bigint)
    LANGUAGE sql STABLE
    SET search_path TO 'public', 'pg_temp'
    AS $$
    select e.show_id, e.id, k.id
      from setlist_songs e
      join setlists l on l.id = e.setlist_id
      join lateral (select o.id
                      from setlist_songs o
                      join setlists ol on ol.id = o.setlist_id
                     where o.show_id = e.show_id and o.song_id = wanted_kept and ol.type = l.type
                       and (o.setlist_id = e.setlist_id
                            or l.type = 'predicted' and ol.artist_id is not distinct from l.artist_id)
                     order by o.setlist_id <> e.setlist_id, ol.position, o.position, o.id
                     limit 1) k on true
     where e.song_id = wanted_gone
$$;

CREATE FUNCTION follow_default_name() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if old.name = default_show_name(old.artist_id, old.venue_id) then
        new.name := coalesce(default_show_name(new.artist_id, new.venue_id), new.name);
    end if;
    return new;
end $$;

CREATE FUNCTION forget_picker() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    new.picked_at := date_trunc('hour', new.picked_at, 'UTC');
    return new;
end $$;

CREATE FUNCTION forget_salt() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    new.salt := null;
    return new;
end $$;

CREATE FUNCTION forget_voter() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    delete from voters_to_count where user_id = old.id;
    delete from voter_days where user_id = old.id;
    return null;
end $$;

CREATE FUNCTION get_trending_artists(count integer DEFAULT 20, as_of timestamp with time zone DEFAULT now()) RETURNS TABLE(rank bigint, artist_id bigint, slug text, name text, score double precision, vote_count bigint, follower_count bigint, show_count bigint)
    LANGUAGE sql STABLE
    AS $$
    with waiting as materialized (
        select distinct artist_id from artists_to_rank
    ), best as (
        (select artist_id, heat from artist_stats
          where heat > trending_floor(as_of) and artist_id not in (select artist_id from waiting)
          order by heat desc, artist_id limit least(greatest(count, 0), 100))
         union all
        select artist_id, heat from heats_of_artists(array(select artist_id from waiting))
    )
    select row_number() over (order by t.heat desc, t.artist_id), a.id, a.slug, a.name, trending_score(t.heat, as_of),
           (select coalesce(sum(w.vote_count), 0)::bigint from shows w where w.artist_id = a.id), c.follower_count, c.show_count
      from (select * from best where heat > trending_floor(as_of)
             order by heat desc, artist_id limit least(greatest(count, 0), 100)) t
      join artists a on a.id = t.artist_id
      join artist_stats c on c.artist_id = t.artist_id
     order by t.heat desc, t.artist_id
$$;

CREATE FUNCTION get_trending_shows(count integer DEFAULT 20, as_of timestamp with time zone DEFAULT now()) RETURNS TABLE(rank bigint, show_id bigint, slug text, name text, status public.show_status, starts_at timestamp with time zone, artist_id bigint, artist_name text, venue_id bigint, venue_name text, score double precision, vote_count bigint, votes_24h bigint, votes_this_hour bigint, attendance_count bigint)
    LANGUAGE sql STABLE
    AS $$
    select row_number() over (order by t.heat desc, t.show_id), w.id, w.slug, w.name, w.status, w.starts_at,
           a.id, a.name, v.id, v.name, trending_score(t.heat, as_of), w.vote_count, r.day, r.hour, w.attendance_count
      from (select * from show_trending
             where is_ranked and heat > trending_floor(as_of)
             order by heat desc, show_id limit least(greatest(count, 0), 100)) t
      join shows w on w.id = t.show_id
      join artists a on a.id = w.artist_id
      join venues v on v.id = w.venue_id
     cross join lateral (
           select coalesce(sum(up_count + down_count), 0)::bigint as day,
                  coalesce(sum(up_count + down_count) filter (where hour = date_trunc('hour', as_of, 'UTC')), 0)::bigint as hour
             from vote_rollups r where r.show_id = t.show_id and r.hour > as_of - interval '24 hours') r
     order by t.heat desc, t.show_id
$$;

CREATE FUNCTION give_ticket(wanted_show bigint, earned public.ticket_source, new_hash bytea) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    if not exists (select from shows where id = wanted_show and ticket_source = earned) or earned = 'code'
       or earned = 'mail' and not exists (
              select from email_preferences where user_id = app_user_id() and confirmed_at is not null) then
        return 'refused';
    end if;
    insert into ticket_codes (show_id, code_hash, user_id, redeemed_at)
    values (wanted_show, new_hash, app_user_id(), now())
        on conflict do nothing;
    return case when exists (select from ticket_codes where show_id = wanted_show and user_id = app_user_id()) then 'given'
                else 'taken' end;
end $$;

CREATE FUNCTION heats_of_artists(artist_ids bigint[]) RETURNS TABLE(artist_id bigint, heat double precision)
    LANGUAGE sql STABLE
    AS $$
    select h.artist_id, h.most + ln(sum(power(2.0::float8, greatest(h.heat - h.most, -1000)))) / ln(2.0::float8)
      from (select t.artist_id, t.heat, max(t.heat) over (partition by t.artist_id) as most
              from show_trending t
             where t.artist_id = any(artist_ids) and t.is_ranked) h
     group by h.artist_id, h.most
$$;

CREATE FUNCTION heats_of_shows(show_ids bigint[]) RETURNS TABLE(show_id bigint, heat double precision)
    LANGUAGE sql STABLE
    AS $$
    select s.show_id, sum_of_heats(array_agg(trending_heat(v.cast_at)))
      from setlist_songs s join votes v on v.setlist_song_id = s.id
     where s.show_id = any(show_ids)
       and not exists (select from vote_group_members m
                        where m.show_id = v.show_id and m.user_id = v.user_id and m.is_set_aside)
     group by s.show_id
$$;

CREATE FUNCTION hours_of_scope(wanted public.statistics_scope, wanted_id bigint, first timestamp with time zone, following timestamp with time zone) RETURNS TABLE(hour timestamp with time zone, votes bigint, withdrawn bigint, up bigint, down bigint, raw_votes bigint)
    LANGUAGE sql STABLE
    AS $$
    select p.hour, p.up_count + p.down_count, p.withdrawn_count, p.up_count, p.down_count, p.up_count + p.down_count
      from platform_hours p
     where wanted = 'platform' and p.hour >= first and p.hour < following
    union all
    select r.hour, 0, 0, -r.up_count, -r.down_count, 0
      from shows w join vote_rollups r on r.show_id = w.id
     where wanted = 'platform' and w.results <> 'live' and w.finalised_at is null and r.hour >= first and r.hour < following
    union all
    -- The roll-ups have votes already that platform_hours gets a second later: without these the difference would tell them.
    select date_trunc('hour', v.minute, 'UTC'), 0, 0, v.up_count, v.down_count, 0
      from votes_to_count v join shows w on w.id = v.show_id
     where wanted = 'platform' and w.results <> 'live' and w.finalised_at is null and v.minute >= first and v.minute < following
    union all
    select r.hour, r.up_count + r.down_count, r.withdrawn_count,
           case when s.is_open or wanted = 'show' then r.up_count else 0 end,
           case when s.is_open or wanted = 'show' then r.down_count else 0 end, r.up_count + r.down_count
      from shows_of_scope(wanted, wanted_id) s join vote_rollups r on r.show_id = s.show_id
     where r.hour >= first and r.hour < following
    union all
    -- Ballots that are set aside. Of a hidden show, nothing is left in up and down that they could be taken off.
    select a.hour, -(a.up_count + a.down_count), -a.withdrawn_count, case when s.is_open or wanted = 'show' then -a.up_count else 0 end,
           case when s.is_open or wanted = 'show' then -a.down_count else 0 end, 0
      from shows_of_scope(wanted, wanted_id) s
      join set_aside_hours a on a.show_id = s.show_id and a.hour >= first and a.hour < following
    union all
    select a.hour, -(a.up_count + a.down_count), -a.withdrawn_count, case when h.id is null then -a.up_count else 0 end,
           case when h.id is null then -a.down_count else 0 end, 0
      from set_aside_hours a
      left join shows h on h.id = a.show_id and h.results <> 'live' and h.finalised_at is null
     where wanted = 'platform' and a.hour >= first and a.hour < following
$$;

CREATE FUNCTION instant_text(instant timestamp with time zone) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN to_char((instant AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'::text);

CREATE FUNCTION integrity_check() RETURNS TABLE(rule text, subject text, detail text)
    LANGUAGE sql STABLE
    AS $$
    select 'tally', m.subject || ':' || m.id, format('%s is %s, the rows say %s', m.count_of, m.stored, m.counted)
      from miscounts() m
    union all
    select 'history', 'song:' || s.id,
           format('votes %s/%s, history %s/%s', t.up, t.down, coalesce(h.up, 0), coalesce(h.down, 0))
      from setlist_songs s
     cross join lateral (select s.up_count + s.set_aside_up_count as up, s.down_count + s.set_aside_down_count as down) t
      left join (select setlist_song_id,
                        count(*) filter (where choice = 'up') - count(*) filter (where previous = 'up') as up,
                        count(*) filter (where choice = 'down') - count(*) filter (where previous = 'down') as down
                   from vote_analytics group by 1) h on h.setlist_song_id = s.id
     where (t.up, t.down) is distinct from (coalesce(h.up, 0), coalesce(h.down, 0))
    union all
    select 'rollup', 'show:' || coalesce(r.show_id, h.show_id),
           format('%s: roll-up %s/%s/%s, history %s/%s/%s', coalesce(r.hour, h.hour),
                  r.up_count, r.down_count, r.withdrawn_count, h.up_count, h.down_count, h.withdrawn_count)
      from vote_rollups r
      full join (select show_id, date_trunc('hour', cast_at, 'UTC') as hour,
                        count(*) filter (where choice = 'up') as up_count,
                        count(*) filter (where choice = 'down') as down_count,
                        count(*) filter (where choice is null) as withdrawn_count
                   from vote_analytics where show_id in (select id from shows) group by 1, 2) h
        on h.show_id = r.show_id and h.hour = r.hour
     where (r.up_count, r.down_count, r.withdrawn_count) is distinct from (h.up_count, h.down_count, h.withdrawn_count)
    union all
    select 'window', 'show:' || w.id, format('%s votes outside of %s to %s', v.outside, w.opens_at, w.closes_at)
      from shows w
      join (select v.show_id, count(*) as outside
              from votes v join shows w on w.id = v.show_id
             where v.cast_at < w.opens_at or v.cast_at >= w.closes_at group by 1) v on v.show_id = w.id
    union all
    select 'final', 'show:' || w.id, format('%s votes since it became final at %s', count(*), w.finalised_at)
      from shows w join votes v on v.show_id = w.id and v.cast_at >= w.finalised_at
     group by w.id
    union all
    select 'played', 'song:' || s.id, format('%s votes since it was played at %s', count(*), s.played_at)
      from setlist_songs s join votes v on v.setlist_song_id = s.id and v.cast_at >= s.played_at
     group by s.id
    union all
    select 'budget', 'show:' || b.show_id, format('%s fans have more than %s votes', count(*), b.votes_per_user_max)
      from (select v.show_id, w.votes_per_user_max
              from votes v join shows w on w.id = v.show_id and w.votes_per_user_max is not null
             group by v.show_id, v.user_id, w.votes_per_user_max having count(*) > w.votes_per_user_max) b
     group by b.show_id, b.votes_per_user_max
    union all
    select 'position', 'show:' || w.id, format('position %s, its shard stands at %s', w.position, p.position)
      from shows w
      join log_positions p on p.shard = w.id % (select count(*) from log_positions)
     where w.position > p.position
    union all
    select 'bill', 'show:' || w.id, 'its artist is not the headliner'
      from shows w
     where not exists (select from show_artists a
                        where a.show_id = w.id and a.artist_id = w.artist_id and a.billing = 'headliner')
$$;

CREATE FUNCTION is_quiet(instant timestamp with time zone, time_zone text, quiet_from time without time zone, quiet_to time without time zone) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN (quiet_from IS NULL) THEN false WHEN (quiet_from < quiet_to) THEN ((((instant AT TIME ZONE time_zone))::time without time zone >= quiet_from) AND (((instant AT TIME ZONE time_zone))::time without time zone < quiet_to)) ELSE ((((instant AT TIME ZONE time_zone))::time without time zone >= quiet_from) OR (((instant AT TIME ZONE time_zone))::time without time zone < quiet_to)) END;

CREATE FUNCTION join_crew(wanted_code text, members_max integer, crews_max integer) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
    found_id bigint;
begin
    select id into found_id from crews where code = wanted_code for update;
    if found_id is null then
        return null;
    end if;
    if exists (select from crew_members where crew_id = found_id and user_id = app_user_id()) then
        return 'joined';
    end if;
    if (select count(*) from crew_members where crew_id = found_id) >= members_max then
        return 'full';
    end if;
    if (select count(*) from crew_members where user_id = app_user_id()) >= crews_max then
        return 'many';
    end if;
    insert into crew_members (crew_id, user_id) values (found_id, app_user_id());
    return 'joined';
end $$;

CREATE FUNCTION keep_leaves() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    if new.leaves is null then
        new.leaves := ledger_leaves(old.entries);
    end if;
    return new;
end $$;

CREATE FUNCTION keep_refusals(shards smallint[], new_positions bigint[], refused jsonb) RETURNS jsonb
    LANGUAGE plpgsql STRICT
    AS $$
declare
    shard_count integer := (select count(*) from log_positions);
begin
    insert into log_commits (shard, position, entries, refused)
    select m.shard, m.position, '{}', jsonb_agg(r.vote)
      from unnest(shards, new_positions) as m (shard, position)
      join jsonb_array_elements(keep_refusals.refused) as r (vote) on (r.vote->>0)::bigint % shard_count = m.shard
     group by m.shard, m.position;
    return refused;
end $$;

CREATE FUNCTION keep_removed_song() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    insert into removed_songs (id, show_id, setlist_id, song_id, is_tape, medley, note, vote_count)
    select old.id, old.show_id, old.setlist_id, old.song_id, old.is_tape, old.medley, old.note,
           old.up_count + old.down_count + old.set_aside_up_count + old.set_aside_down_count
     where exists (select from shows where id = old.show_id) and exists (select from songs where id = old.song_id);
    if found then
        insert into removed_votes (setlist_song_id, user_id, choice, cast_at)
        select setlist_song_id, user_id, choice, cast_at from votes where setlist_song_id = old.id;
    end if;
    return old;
end $$;

CREATE FUNCTION last_vote_at(wanted bigint) RETURNS timestamp with time zone
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    select cast_at from vote_analytics where show_id = wanted and choice is not null order by cast_at desc limit 1
$$;

CREATE FUNCTION leave_crew(wanted_code text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    delete from crew_members
     where user_id = app_user_id() and crew_id = (select id from crews where code = wanted_code)
$$;

CREATE FUNCTION leave_queue(review bigint, profile bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    delete from content_moderation
     where status = 'pending'
       and (profile_id = profile and profile = app_user_id()
            or review_id = (select id from venue_reviews where id = review and user_id = app_user_id()))
$$;

CREATE FUNCTION ledger_hashes(wanted bigint, wanted_level integer, first_number bigint, end_number bigint) RETURNS bytea
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    if wanted_level > 0 then
        return (select string_agg(n.hash, '' order by n.number)
                  from ledger_nodes n
                 where n.show_id = wanted and n.level = wanted_level and n.number >= first_number and n.number < end_number);
    end if;
    return (select string_agg(coalesce(substr(e.leaves, 1 + 32 * part.first, 32 * part.count),
                                       ledger_leaves(substr(e.entries, 1 + 58 * part.first, 58 * part.count))), '' order by e.first)
              from ledger_entries e
             cross join lateral (
                   select greatest(first_number - e.first, 0)::integer as first,
                          (least(end_number, e.first + e.count) - greatest(first_number, e.first))::integer as count) part
             where e.show_id = wanted and e.first > first_number - 1024 and e.first < end_number and e.first + e.count > first_number);
end $$;

CREATE FUNCTION ledger_leaves(entries bytea) RETURNS bytea
    LANGUAGE sql IMMUTABLE
    AS $$
    select string_agg(sha256('\x00' || substr(entries, 1 + 58 * number, 58)), '' order by number)
      from generate_series(0, octet_length(entries) / 58 - 1) as number
$$;

CREATE FUNCTION ledger_log(wanted bigint) RETURNS TABLE(size bigint, checkpoint text, origin text, public_key bytea, is_open boolean)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    select l.size, l.checkpoint, e.origin || '/shows/' || l.show_id, e.public_key, results_audience(w.results, w.finalised_at) = 0
      from ledger_logs l
      join ledger_epochs e on e.id = l.epoch_id
      join shows w on w.id = l.show_id
     where l.show_id = wanted
$$;

CREATE FUNCTION ledger_name(fan public.ledger_secrets, wanted bigint) RETURNS bytea
    LANGUAGE sql IMMUTABLE
    AS $$
    select coalesce(fan.names[array_position(fan.show_ids, wanted)], substr(sha256(fan.secret || int8send(wanted)), 1, 16))
$$;

CREATE FUNCTION ledger_opened(wanted bigint, first_number bigint, end_number bigint) RETURNS bytea
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    select string_agg(substr(e.entries, 1 + 58 * greatest(first_number - e.first, 0)::integer,
                             58 * (least(end_number, e.first + e.count) - greatest(first_number, e.first))::integer),
                      '' order by e.first)
      from ledger_entries e
      join ledger_log(wanted) l on l.is_open
     where e.show_id = wanted and e.first > first_number - 1024 and e.first < end_number and e.first + e.count > first_number
$$;

CREATE FUNCTION ledger_own(wanted bigint) RETURNS TABLE(pseudonym bytea, first bigint, entries bytea)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    select distinct n.name, e.first, e.entries
      from ledger_secrets s
     cross join lateral (select ledger_name(s, wanted) as name) n
      join votes v on v.user_id = s.user_id and v.show_id = wanted
     cross join lateral (select round(date_part('epoch', v.cast_at) * 1000)::bigint as ms) t
      join ledger_entries e on e.show_id = wanted and e.first_ms <= t.ms and e.last_ms >= t.ms
     where s.user_id = app_user_id() and position(n.name in e.entries) > 0
$$;

CREATE FUNCTION ledger_own_names() RETURNS TABLE(show_id bigint, name bytea)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    select w.show_id, ledger_name(s, w.show_id)
      from ledger_secrets s cross join lateral ledger_shows(s) as w (show_id)
     where s.user_id = app_user_id()
$$;

CREATE FUNCTION ledger_shows(fan public.ledger_secrets) RETURNS SETOF bigint
    LANGUAGE sql STABLE
    AS $$
    select show_id from voter_days where user_id = fan.user_id
    union select show_id from voters_to_count where user_id = fan.user_id
    union select show_id from votes where user_id = fan.user_id
    union select unnest(fan.show_ids)
$$;

CREATE FUNCTION list_group(status public.show_status) RETURNS smallint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (CASE status WHEN 'live'::public.show_status THEN 0 WHEN 'upcoming'::public.show_status THEN 1 WHEN 'finished'::public.show_status THEN 2 ELSE 3 END)::smallint;

CREATE FUNCTION list_place(status public.show_status, starts_at timestamp with time zone) RETURNS interval
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (status = ANY (ARRAY['live'::public.show_status, 'upcoming'::public.show_status])) THEN (starts_at - '1970-01-01 00:00:00+00'::timestamp with time zone) ELSE ('1970-01-01 00:00:00+00'::timestamp with time zone - starts_at) END;

CREATE FUNCTION lock_show(wanted bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    if not app_is_staff() then
        raise exception 'only staff may lock a show' using errcode = 'insufficient_privilege';
    end if;
    -- No stronger: whoever adds a row that refers to the show need not wait.
    perform from shows where id = wanted for no key update;
    return found;
end $$;

CREATE FUNCTION mail_due_at(frequency public.email_frequency, instant timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    RETURN CASE frequency WHEN 'immediately'::public.email_frequency THEN instant WHEN 'daily'::public.email_frequency THEN (date_trunc('day'::text, (instant - '08:00:00'::interval), 'UTC'::text) + '32:00:00'::interval) WHEN 'weekly'::public.email_frequency THEN (date_trunc('week'::text, (instant - '08:00:00'::interval), 'UTC'::text) + '176:00:00'::interval) ELSE NULL::timestamp with time zone END;

CREATE FUNCTION make_code(new_hash bytea, ttl interval) RETURNS timestamp with time zone
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    delete from sessions where user_id = app_user_id() and code_hash is not null;
    insert into sessions (user_id, kind, expires_at, code_hash)
    select id, 'link', now() + ttl, new_hash from users where id = app_user_id() and role = 'user'
    returning expires_at;
$$;

CREATE FUNCTION make_crew(wanted_code text, wanted_name text, crews_max integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
    made_id bigint;
begin
    if (select count(*) from crew_members where user_id = app_user_id()) >= crews_max then
        return false;
    end if;
    insert into crews (code, name) values (wanted_code, wanted_name) returning id into made_id;
    insert into crew_members (crew_id, user_id) values (made_id, app_user_id());
    return true;
end $$;

CREATE FUNCTION merge_artists(wanted_merge bigint, survivor bigint, duplicate bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    perform merge_songs(wanted_merge, 'artist', survivor, duplicate);
    insert into merge_rows (merge_id, relation, row_id, was)
    select wanted_merge, 'songs_of_artist', id, '{}' from songs where artist_id = duplicate;
    update songs set artist_id = survivor where artist_id = duplicate;
    insert into merge_rows (merge_id, relation, row_id, was)
    select wanted_merge, 'sets_of_artist', id, '{}' from setlists where artist_id = duplicate;
    update setlists set artist_id = survivor where artist_id = duplicate;

    -- As the headliner; an act that stood behind itself on the bill is there once.
    insert into merge_rows (merge_id, relation, row_id, was)
    select wanted_merge, 'support', b.show_id, jsonb_build_object('artist', b.artist_id, 'position', b.position, 'met', true)
      from show_artists b join shows w on w.id = b.show_id
     where b.artist_id = survivor and w.artist_id = duplicate;
    insert into merge_rows (merge_id, relation, row_id, was)
    select wanted_merge, 'shows_of_artist', id, '{}' from shows where artist_id = duplicate;
    update shows set artist_id = survivor where artist_id = duplicate;
    -- As a support act.
    insert into merge_rows (merge_id, relation, row_id, was)
    select wanted_merge, 'support', b.show_id,
           jsonb_build_object('artist', duplicate, 'position', b.position,
                              'met', exists (select from show_artists o where o.show_id = b.show_id and o.artist_id = survivor))
      from show_artists b where b.artist_id = duplicate;
    delete from show_artists where artist_id = duplicate;
    insert into show_artists (show_id, artist_id, billing, position)
    select row_id, survivor, 'support', (was ->> 'position')::smallint
      from merge_rows
     where merge_id = wanted_merge and relation = 'support' and (was ->> 'artist')::bigint = duplicate
       and not (was ->> 'met')::boolean;

    insert into merge_rows (merge_id, relation, was)
    select wanted_merge, 'artist_identities', jsonb_build_object('service', service, 'external_id', external_id)
      from artist_identities where artist_id = duplicate;
    update artist_identities set artist_id = survivor where artist_id = duplicate;
    insert into merge_rows (merge_id, relation, row_id, user_id, was)
    select wanted_merge, 'follow', duplicate, f.user_id,
           jsonb_build_object('created_at', f.created_at,
                              'met', exists (select from user_follows_artists o where o.user_id = f.user_id and o.artist_id = survivor))
      from user_follows_artists f where f.artist_id = duplicate;
    delete from user_follows_artists where artist_id = duplicate;
    insert into user_follows_artists (user_id, artist_id, created_at)
    select user_id, survivor, (was ->> 'created_at')::timestamptz
      from merge_rows
     where merge_id = wanted_merge and relation = 'follow' and not (was ->> 'met')::boolean
     order by user_id
        on conflict do nothing;
    insert into merge_rows (merge_id, relation, row_id, was)
    select wanted_merge, 'activity', position, '{}' from activity where artist_id = duplicate;
    update activity set artist_id = survivor where artist_id = duplicate;
    delete from artists where id = duplicate;
end $$;

CREATE FUNCTION merge_entries(wanted_kind text, survivor bigint, duplicate bigint, actor bigint) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
    made bigint;
    gone jsonb;
begin
    perform pg_advisory_xact_lock(hashtext('mysetlist.sync'));
    perform from log_positions order by shard for update;
    -- Whoever refers to one of the entries ends first; after that, nobody can before the end.
    perform from venue_reviews where wanted_kind = 'venue' and venue_id in (survivor, duplicate) order by id for update;
    perform from artists where wanted_kind = 'artist' and id in (survivor, duplicate) order by id for update;
    perform from venues where wanted_kind = 'venue' and id in (survivor, duplicate) order by id for update;
    perform from songs where wanted_kind = 'song' and id in (survivor, duplicate) order by id for update;
    set constraints setlist_songs_place_key deferred;
    case wanted_kind
        when 'artist' then
            select to_jsonb(a) into gone from artists a where a.id = duplicate
               and exists (select from artists s where s.id = survivor);
        when 'venue' then
            select to_jsonb(v) into gone from venues v where v.id = duplicate
               and exists (select from venues s where s.id = survivor);
        else
            select to_jsonb(g) into gone from songs g where g.id = duplicate
               and exists (select from songs s where s.id = survivor);
    end case;
    if gone is null then
        return null;
    end if;
    insert into merges (kind, survivor_id, duplicate_id, slug, duplicate, made_by)
    values (wanted_kind, survivor, duplicate, gone ->> 'slug', gone, actor) returning id into made;
    -- A question about both asks about one from now on.
    insert into merge_rows (merge_id, relation, row_id, was)
    select made, 'identity_review', r.id,
           to_jsonb(r) || jsonb_build_object('met', exists (
               select from identity_reviews o
                where o.service = r.service and o.external_id = r.external_id
                  and (wanted_kind = 'artist' and o.artist_id = survivor or wanted_kind = 'venue' and o.venue_id = survivor)))
      from identity_reviews r
     where wanted_kind = 'artist' and r.artist_id = duplicate or wanted_kind = 'venue' and r.venue_id = duplicate;
    delete from identity_reviews
     where id in (select row_id from merge_rows
                   where merge_id = made and relation = 'identity_review' and (was ->> 'met')::boolean);
    case wanted_kind
        when 'artist' then
            update identity_reviews set artist_id = survivor where artist_id = duplicate;
            perform merge_artists(made, survivor, duplicate);
        when 'venue' then
            update identity_reviews set venue_id = survivor where venue_id = duplicate;
            perform merge_venues(made, survivor, duplicate);
        else
            perform merge_songs(made, 'song', survivor, duplicate);
    end case;
    return made;
end $$;

CREATE FUNCTION merge_song(wanted_merge bigint, gone bigint, kept bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
    fold record;
begin
    for fold in select * from folds_of_songs(gone, kept) order by 1, 2 loop
        perform fold_songs(wanted_merge, fold.show_id, fold.gone_id, fold.kept_id);
    end loop;
    insert into merge_rows (merge_id, relation, row_id, was)
    select wanted_merge, 'setlist_songs', id, jsonb_build_object('song', gone, 'to', kept) from setlist_songs where song_id = gone;
    update setlist_songs set song_id = kept where song_id = gone;
    insert into merge_rows (merge_id, relation, row_id, was)
    select wanted_merge, 'removed_songs', id, jsonb_build_object('song', gone, 'to', kept) from removed_songs where song_id = gone;
    update removed_songs set song_id = kept where song_id = gone;
    insert into merge_rows (merge_id, relation, was)
    select wanted_merge, 'song_identities',
           jsonb_build_object('service', service, 'external_id', external_id, 'song', gone, 'to', kept)
      from song_identities where song_id = gone;
    update song_identities set song_id = kept where song_id = gone;
    insert into merge_rows (merge_id, relation, row_id, was)
    select wanted_merge, 'songs', id, jsonb_build_object('artist', artist_id, 'title', title, 'created_at', created_at)
      from songs where id = gone;
    delete from songs where id = gone;
end $$;

CREATE FUNCTION merge_songs(wanted_merge bigint, wanted_kind text, survivor bigint, duplicate bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
    pair record;
    gone_songs bigint[];
begin
    insert into merge_rows (merge_id, relation, row_id, was)
    select wanted_merge, 'pair', gone, jsonb_build_object('to', kept) from songs_of_merge(wanted_kind, survivor, duplicate);
    select coalesce(array_agg(row_id), '{}') into gone_songs
      from merge_rows where merge_id = wanted_merge and relation = 'pair';
    insert into merge_rows (merge_id, relation, row_id, was)
    select wanted_merge, 'show_identities', show_id,
           jsonb_build_object('service', service, 'external_id', external_id, 'songs', to_jsonb(songs),
                              'stands', songs = songs_in_order(show_id, 'actual'))
      from show_identities
     where songs && gone_songs
    union all
    select wanted_merge, 'show_predictions', show_id,
           jsonb_build_object('songs', to_jsonb(songs), 'stands', songs = songs_in_order(show_id, 'predicted'))
      from show_predictions
     where songs && gone_songs;
    for pair in select row_id as gone, (was ->> 'to')::bigint as kept
                  from merge_rows where merge_id = wanted_merge and relation = 'pair' order by id loop
        perform merge_song(wanted_merge, pair.gone, pair.kept);
    end loop;
    perform rename_listed_songs(wanted_merge);
end $$;

CREATE FUNCTION merge_venues(wanted_merge bigint, survivor bigint, duplicate bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    insert into merge_rows (merge_id, relation, row_id, was)
    select wanted_merge, 'shows_of_venue', id, '{}' from shows where venue_id = duplicate;
    update shows set venue_id = survivor where venue_id = duplicate;
    insert into merge_rows (merge_id, relation, was)
    select wanted_merge, 'venue_identities', jsonb_build_object('service', service, 'external_id', external_id)
      from venue_identities where venue_id = duplicate;
    update venue_identities set venue_id = survivor where venue_id = duplicate;

    -- A fan has one review of a venue: the later of two stays.
    insert into merge_rows (merge_id, relation, row_id, user_id, was)
    select wanted_merge, 'review_gone', o.id, o.user_id, to_jsonb(o)
      from venue_reviews o
      join venue_reviews n on n.user_id = o.user_id and n.venue_id in (survivor, duplicate) and n.id <> o.id
     where o.venue_id in (survivor, duplicate) and (o.updated_at, o.id) < (n.updated_at, n.id);
    delete from venue_reviews
     where id in (select row_id from merge_rows where merge_id = wanted_merge and relation = 'review_gone');
    insert into merge_rows (merge_id, relation, row_id, user_id, was)
    select wanted_merge, 'review', id, user_id, jsonb_build_object('updated_at', updated_at)
      from venue_reviews where venue_id = duplicate;
    update venue_reviews set venue_id = survivor where venue_id = duplicate;
    delete from venues where id = duplicate;
end $$;

CREATE FUNCTION merged_into(wanted_kind text, old_id bigint, old_slug text) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    with recursive way (id, steps) as (
        (select m.survivor_id, 1 from merges m
          where m.kind = wanted_kind and m.undone_at is null and (m.duplicate_id = old_id or m.slug = old_slug)
          order by m.id desc limit 1)
        union all
        (select m.survivor_id, w.steps + 1
           from way w join merges m on m.kind = wanted_kind and m.undone_at is null and m.duplicate_id = w.id
          where w.steps < 20)
    )
    select id from way order by steps desc limit 1
$$;

CREATE FUNCTION merged_songs(song_ids bigint[]) RETURNS TABLE(id bigint, survivor_id bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    select s.id, merged_into('song', s.id, null)
      from unnest(song_ids) as s (id)
     where exists (select from merges m where m.kind = 'song' and m.duplicate_id = s.id and m.undone_at is null)
$$;

CREATE FUNCTION miscounts() RETURNS TABLE(subject text, id bigint, count_of text, stored bigint, counted bigint, show_id bigint)
    LANGUAGE sql STABLE
    AS $$
    with song as materialized (
        select v.setlist_song_id as id,
               count(*) filter (where v.choice = 'up' and m.user_id is null) as up,
               count(*) filter (where v.choice = 'down' and m.user_id is null) as down,
               count(*) filter (where v.choice = 'up' and m.user_id is not null) as aside_up,
               count(*) filter (where v.choice = 'down' and m.user_id is not null) as aside_down
          from votes v
          left join vote_group_members m on m.show_id = v.show_id and m.user_id = v.user_id and m.is_set_aside
         group by 1
    ), counted_song as materialized (
        select s.id, s.setlist_id, s.show_id, s.up_count, s.down_count, s.set_aside_up_count, s.set_aside_down_count,
               coalesce(v.up, 0) as up, coalesce(v.down, 0) as down,
               coalesce(v.aside_up, 0) as aside_up, coalesce(v.aside_down, 0) as aside_down
          from setlist_songs s left join song v on v.id = s.id
    )
    select 'song', s.id, 'up', s.up_count, s.up, s.show_id from counted_song s where s.up_count <> s.up
    union all
    select 'song', s.id, 'down', s.down_count, s.down, s.show_id from counted_song s where s.down_count <> s.down
    union all
    select 'song', s.id, 'set aside up', s.set_aside_up_count, s.aside_up, s.show_id
      from counted_song s where s.set_aside_up_count <> s.aside_up
    union all
    select 'song', s.id, 'set aside down', s.set_aside_down_count, s.aside_down, s.show_id
      from counted_song s where s.set_aside_down_count <> s.aside_down
    union all
    select 'setlist', l.id, 'votes', l.vote_count, coalesce(v.votes, 0), l.show_id
      from setlists l
      left join (select setlist_id, sum(up + down)::bigint as votes from counted_song group by 1) v on v.setlist_id = l.id
     where l.vote_count <> coalesce(v.votes, 0)
    union all
    select 'show', w.id, 'votes', w.vote_count, coalesce(v.votes, 0), w.id
      from shows w
      left join (select show_id, sum(up + down)::bigint as votes from counted_song group by 1) v on v.show_id = w.id
     where w.vote_count <> coalesce(v.votes, 0)
    union all
    select 'show', w.id, 'attendance', w.attendance_count, coalesce(g.going, 0), w.id
      from shows w
      left join (select show_id, count(*) as going from user_show_attendance group by 1) g on g.show_id = w.id
     where w.attendance_count <> coalesce(g.going, 0)
    union all
    select 'artist', a.artist_id, 'followers', a.follower_count, coalesce(f.followers, 0), null
      from artist_stats a
      left join (select artist_id, count(*) as followers from user_follows_artists group by 1) f on f.artist_id = a.artist_id
     where a.follower_count <> coalesce(f.followers, 0)
    union all
    select 'artist', a.artist_id, 'shows', a.show_count, coalesce(w.shows, 0), null
      from artist_stats a
      left join (select artist_id, count(*) as shows from shows group by 1) w on w.artist_id = a.artist_id
     where a.show_count <> coalesce(w.shows, 0)
    union all
    select 'venue', v.id, 'reviews', v.review_count, coalesce(r.reviews, 0), null
      from venues v
      left join (select venue_id, count(*) as reviews from venue_reviews where status = 'approved' group by 1) r
        on r.venue_id = v.id
     where v.review_count <> coalesce(r.reviews, 0)
    union all
    select 'venue', v.id, 'ratings', v.rating_sum, coalesce(r.ratings, 0), null
      from venues v
      left join (select venue_id, sum(rating) as ratings from venue_reviews where status = 'approved' group by 1) r
        on r.venue_id = v.id
     where v.rating_sum <> coalesce(r.ratings, 0)
$$;

CREATE FUNCTION most_accurate_voters(wanted public.statistics_scope, wanted_id bigint, most integer) RETURNS TABLE(name text, show_count bigint, hits bigint, accuracy double precision)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    select p.display_name, b.show_count, b.hits, b.accuracy
      from ((select v.user_id, v.show_count::bigint as show_count, v.hits, v.accuracy
               from best_voters v
              where wanted = 'platform'
              order by v.accuracy desc, v.user_id limit most)
            union all
            (select a.user_id, count(*), sum(a.hits), pooled_accuracy(sum(a.hits), sum(greatest(a.predicted, a.played)))
               from shows_of_scope(wanted, wanted_id) s join voter_accuracy a on a.show_id = s.show_id
              where s.is_open or wanted = 'show'
              group by 1
              order by 4 desc, 1 limit most)) b
      left join user_profiles p on p.user_id = b.user_id and p.is_public and p.status = 'approved'
     where b.hits > 0
     order by b.accuracy desc, b.user_id
$$;

CREATE FUNCTION move_ballots(show_ids bigint[], user_ids bigint[], steps integer[]) RETURNS void
    LANGUAGE sql
    AS $$
    select move_tallies(array_agg(id), array_agg(-up), array_agg(-down), array_agg(up), array_agg(down))
      from (select v.setlist_song_id as id, coalesce(sum(b.step) filter (where v.choice = 'up'), 0) as up,
                   coalesce(sum(b.step) filter (where v.choice = 'down'), 0) as down
              from (select show_id, user_id, sum(step)::integer as step
                      from unnest(show_ids, user_ids, steps) as b (show_id, user_id, step)
                     group by 1, 2 having sum(step) <> 0) b
              join votes v on v.user_id = b.user_id and v.show_id = b.show_id
             group by 1) moved;
    select shift_heat(array_agg(show_id), array_agg(heat), -step)
      from (select b.show_id, b.step, sum_of_heats(array_agg(trending_heat(v.cast_at))) as heat
              from (select show_id, user_id, sum(step)::integer as step
                      from unnest(show_ids, user_ids, steps) as b (show_id, user_id, step)
                     group by 1, 2 having sum(step) <> 0) b
              join votes v on v.user_id = b.user_id and v.show_id = b.show_id
             group by 1, 2) moved
     group by step
     order by step;
    insert into set_asides_to_count (show_id) select distinct show_id from unnest(show_ids) as b (show_id)
$$;

CREATE FUNCTION move_heat() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
declare
    newest float8; show_ids bigint[]; heats float8[];
begin
    select trending_heat(max(cast_at)) into newest from changed;
    if newest is null then
        return null;
    end if;
    -- As sum_of_heats(), which costs more for each show.
    select array_agg(c.show_id), array_agg(c.heat) into show_ids, heats
      from (select show_id, newest + ln(sum(power(2.0::float8, greatest(trending_heat(cast_at) - newest, -1000))))
                                     / ln(2.0::float8) as heat
              from changed v
             where not exists (select from vote_group_members m
                                where m.show_id = v.show_id and m.user_id = v.user_id and m.is_set_aside)
             group by show_id order by show_id) c;
    if show_ids is not null then
        perform shift_heat(show_ids, heats, tg_argv[0]::integer);
    end if;
    return null;
end $$;

CREATE FUNCTION move_history(wanted_show bigint, wanted_from bigint, wanted_to bigint, rows bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    -- The history is append-only, but for erasures and merges.
    perform set_config('app.erasing', 'on', true);
    update vote_analytics set setlist_song_id = wanted_to
     where show_id = wanted_show and setlist_song_id = wanted_from and id = any(rows);
    perform set_config('app.erasing', '', true);
end $$;

CREATE FUNCTION move_review_counts(venue_ids bigint[], counts bigint[], ratings bigint[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
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

CREATE FUNCTION move_tallies(song_ids bigint[], ups bigint[], downs bigint[], aside_ups bigint[], aside_downs bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    with delta as (
        select d.id, coalesce(d.up, 0) as up, coalesce(d.down, 0) as down,
               coalesce(d.aside_up, 0) as aside_up, coalesce(d.aside_down, 0) as aside_down
          from unnest(song_ids, ups, downs, aside_ups, aside_downs) as d (id, up, down, aside_up, aside_down)
    ), song as (
        update setlist_songs s
           set up_count = s.up_count + d.up, down_count = s.down_count + d.down,
               set_aside_up_count = s.set_aside_up_count + d.aside_up,
               set_aside_down_count = s.set_aside_down_count + d.aside_down
          from delta d
         where s.id = d.id and (d.up, d.down, d.aside_up, d.aside_down) <> (0, 0, 0, 0)
     returning s.setlist_id, s.show_id, d.up + d.down as moved
    ), setlist as (
        update setlists l
           set vote_count = l.vote_count + m.moved
          from (select setlist_id, sum(moved) as moved from song group by setlist_id) m
         where l.id = m.setlist_id and m.moved <> 0
    )
    update shows w
       set vote_count = w.vote_count + m.moved
      from (select show_id, sum(moved) as moved from song group by show_id) m
     where w.id = m.show_id and m.moved <> 0;
end $$;

CREATE FUNCTION next_revision(current bigint) RETURNS bigint
    LANGUAGE sql
    AS $$
    select greatest(current + 1, (extract(epoch from clock_timestamp()) * 1000)::bigint << 10)
$$;

CREATE FUNCTION note_acts_to_chain() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    insert into acts_to_chain (entry_id) select id from added;
    return null;
end $$;

CREATE FUNCTION note_added_votes_for_ledger() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    insert into ledger_notes (kind, show_id, count)
    select 'all_votes', show_id, count(*) from added group by show_id having count(*) > 1000 order by show_id;
    insert into ledger_notes (kind, show_id, user_id, setlist_song_id, choice, at)
    select 'changed', show_id, user_id, setlist_song_id, choice, cast_at
      from added
     where show_id in (select show_id from added group by show_id having count(*) <= 1000)
     order by show_id, setlist_song_id, user_id;
    return null;
end $$;

CREATE FUNCTION note_boards() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    if tg_op = 'UPDATE' then
        insert into boards_to_count (board, subject_id)
        select 'show', new.id where exists (select from picked_shows where show_id = new.id);
        if old.artist_id = new.artist_id and old.local_date = new.local_date then
            return null;
        end if;
    end if;
    insert into boards_to_count (board, subject_id)
    select b.board, b.subject_id
      from (select 'show'::board_kind as board, old.id as subject_id
             union all select * from boards_of_show(old.artist_id, old.local_date)) b
     where exists (select from standings s where s.board = 'show' and s.subject_id = old.id);
    return null;
end $$;

CREATE FUNCTION note_casts_for_ledger() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    insert into ledger_notes (kind, show_id, count, first_id, last_id, at, last_at)
    select 'casts', show_id, count(*), min(id), max(id), min(cast_at), max(cast_at) from added group by show_id;
    return null;
end $$;

CREATE FUNCTION note_changed_members_for_ledger() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    insert into ledger_notes (kind, show_id, user_id, at)
    select case when a.is_set_aside then 'set_aside' else 'counted' end::ledger_note, a.show_id, a.user_id, now()
      from added a
      left join removed r on r.show_id = a.show_id and r.user_id = a.user_id
     where a.is_set_aside <> coalesce(r.is_set_aside, false)
     order by a.show_id, a.user_id;
    return null;
end $$;

CREATE FUNCTION note_changed_votes_for_ledger() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
    is_erasure boolean := current_setting('app.erasing', true) is not distinct from 'on';
begin
    insert into ledger_notes (kind, show_id, pseudonym, at)
    select distinct 'erased'::ledger_note, r.show_id, ledger_name(s, r.show_id), date_trunc('hour', now(), 'UTC')
      from removed r join ledger_secrets s on s.user_id = r.user_id
     where is_erasure
     order by r.show_id;
    insert into ledger_notes (kind, show_id, user_id, setlist_song_id, choice, at)
    select 'changed', r.show_id, r.user_id, r.setlist_song_id, null, now()
      from removed r
     where not is_erasure
       and not exists (select from added a where (a.setlist_song_id, a.user_id) = (r.setlist_song_id, r.user_id))
     order by r.show_id, r.setlist_song_id, r.user_id;
    insert into ledger_notes (kind, show_id, user_id, setlist_song_id, choice, at)
    select case when is_erasure then 'inherited' else 'changed' end::ledger_note, show_id, user_id, setlist_song_id, choice, cast_at
      from added order by show_id, setlist_song_id, user_id;
    return null;
end $$;

CREATE FUNCTION note_due_voting(since timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE plpgsql
    AS $$
declare
    instant timestamptz := clock_timestamp();
    -- A transaction may have begun before the last call and become visible after it.
    first timestamptz := coalesce(since - interval '1 minute', '-infinity');
    due bigint[];
begin
    select array_agg(found.id) into due from (
        select w.id from shows w
         where w.opens_at > first and w.opens_at <= instant and w.finalised_at is null and w.closes_at > instant
           and w.status <> 'cancelled' and not exists (select from open_shows o where o.show_id = w.id)
        union all
        select w.id from shows w
         where w.closes_at > first and w.closes_at <= instant and w.finalised_at is null
           and exists (select from open_shows o where o.show_id = w.id)) found;
    if due is not null then
        perform from log_positions
          where shard in (select id % (select count(*) from log_positions) from unnest(due) as id)
          order by shard for update;
        perform note_voting(due);
    end if;
    return instant;
end $$;

CREATE FUNCTION note_erased_fan_for_ledger() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    insert into ledger_notes (kind, show_id, pseudonym, at)
    select 'erased', l.show_id, n.name, date_trunc('hour', now(), 'UTC')
      from ledger_secrets s
     cross join lateral ledger_shows(s) as w (show_id)
      join ledger_logs l on l.show_id = w.show_id
     cross join lateral (select ledger_name(s, l.show_id) as name) n
     where s.user_id = old.id
     order by l.show_id;
    delete from ledger_secrets where user_id = old.id;
    return old;
end $$;

CREATE FUNCTION note_former_members_for_ledger() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    insert into ledger_notes (kind, show_id, user_id, at)
    select 'counted', r.show_id, r.user_id, now()
      from removed r join users u on u.id = r.user_id join shows w on w.id = r.show_id
     where r.is_set_aside
     order by r.show_id, r.user_id;
    return null;
end $$;

CREATE FUNCTION note_new_members_for_ledger() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    insert into ledger_notes (kind, show_id, user_id, at)
    select 'set_aside', show_id, user_id, now() from added where is_set_aside order by show_id, user_id;
    return null;
end $$;

CREATE FUNCTION note_removed_votes_for_ledger() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    insert into ledger_notes (kind, show_id, user_id, setlist_song_id, at)
    select 'changed', r.show_id, r.user_id, r.setlist_song_id, now()
      from removed r
      join users u on u.id = r.user_id
      join shows w on w.id = r.show_id
     order by r.show_id, r.setlist_song_id, r.user_id;
    return null;
end $$;

CREATE FUNCTION note_scopes() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    if tg_op = 'DELETE' then
        delete from set_aside_hours where show_id = old.id;
        delete from voter_days where show_id = old.id;
        if not found then
            return null;  -- Nobody voted, so nothing changes. A recount of the platform reads all voters.
        end if;
        insert into scopes_to_recount (scope, scope_id) values ('show', old.id), ('platform', 0);
    else
        if not exists (select from vote_rollups where show_id = old.id) then
            return null;
        end if;
        insert into scopes_to_recount (scope, scope_id) values ('artist', new.artist_id), ('venue', new.venue_id);
    end if;
    insert into scopes_to_recount (scope, scope_id) values ('artist', old.artist_id), ('venue', old.venue_id);
    return null;
end $$;

CREATE FUNCTION note_show() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    insert into shows_to_score (show_id)
    select new.id where exists (select from setlists l where l.show_id = new.id and l.type = 'actual');
    return null;
end $$;

CREATE FUNCTION note_show_news() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    insert into show_news (show_id, change, was_at)
    values (new.id, case when new.status = 'cancelled' then 'cancelled' else new.local_date::text end, old.starts_at);
    return null;
end $$;

CREATE FUNCTION note_show_of_row() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    -- A show with a score had a played set until now.
    insert into shows_to_score (show_id)
    select new.show_id
     where exists (select from setlists l where l.show_id = new.show_id and l.type = 'actual')
        or exists (select from show_accuracy a where a.show_id = new.show_id);
    return null;
end $$;

CREATE FUNCTION note_shows_to_score() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    insert into shows_to_score (show_id)
    select distinct c.show_id from changed c
     where exists (select from setlists l where l.show_id = c.show_id and l.type = 'actual');
    return null;
end $$;

CREATE FUNCTION note_shows_without_set() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    insert into shows_to_score (show_id) select distinct show_id from changed where type = 'actual';
    return null;
end $$;

CREATE FUNCTION note_tour() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    insert into boards_to_count (board, subject_id) values ('tour', coalesce(new.id, old.id));
    return null;
end $$;

CREATE FUNCTION note_votes_to_count() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    insert into votes_to_count (show_id, minute, up_count, down_count, withdrawn_count, aside_up, aside_down, aside_withdrawn)
    select a.show_id, date_trunc('minute', a.cast_at), count(*) filter (where a.choice = 'up'),
           count(*) filter (where a.choice = 'down'), count(*) filter (where a.choice is null),
           count(m.user_id) filter (where a.choice = 'up'), count(m.user_id) filter (where a.choice = 'down'),
           count(m.user_id) filter (where a.choice is null)
      from added a
      left join vote_group_members m on m.show_id = a.show_id and m.user_id = a.user_id and m.is_set_aside
     group by 1, 2;
    insert into voters_to_count (show_id, user_id, day)
    select a.show_id, a.user_id, a.day
      from (select distinct show_id, user_id, (cast_at at time zone 'UTC')::date as day from added where choice is not null) a
    -- No "not exists": as a join it is planned once, and while voter_days is new it would read all of it for each fan.
     where (select true from voter_days v where (v.show_id, v.user_id, v.day) = (a.show_id, a.user_id, a.day)) is null;
    return null;
end $$;

CREATE FUNCTION note_voting(show_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    instant timestamptz := clock_timestamp();
    opened bigint[];
    closed bigint[];
begin
    with told as (
        insert into open_shows (show_id)
        select w.id from shows w
         where w.id = any (show_ids) and w.opens_at <= instant and w.closes_at > instant
           and w.status <> 'cancelled' and w.finalised_at is null
         order by w.id
            on conflict do nothing
        returning show_id
    )
    select array_agg(show_id) into opened from told;
    with told as (
        delete from open_shows o using shows w
         where o.show_id = any (show_ids) and w.id = o.show_id
           and (w.opens_at > instant or w.closes_at <= instant or w.status = 'cancelled' or w.finalised_at is not null)
        returning o.show_id
    )
    select array_agg(show_id) into closed from told;
    if opened is not null then
        perform queue_webhook_events('show.opened', opened, '{}');
    end if;
    if closed is not null then
        perform queue_webhook_events('show.closed', closed, '{}');
    end if;
end $$;

CREATE FUNCTION note_voting_for_ledger() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    insert into ledger_notes (kind, show_id, at)
    select tg_argv[0]::ledger_note, c.show_id, clock_timestamp()
      from changed c join shows w on w.id = c.show_id order by c.show_id;
    return null;
end $$;

CREATE FUNCTION note_voting_of_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    perform note_voting(array[new.id]);
    return null;
end $$;

CREATE FUNCTION note_voting_of_new() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    perform note_voting(array_agg(id)) from inserted having count(*) > 0;
    return null;
end $$;

CREATE FUNCTION notify_show_revised() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    perform pg_notify('shows', new.id::text);
    return null;
end $$;

CREATE FUNCTION open_code(given_hash bytea, new_device text, ttl interval) RETURNS TABLE(user_id bigint, role public.user_role, session_id bigint, expires_at timestamp with time zone)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    update users u set token_until = now() + ttl
      from sessions s
     where s.code_hash = given_hash and s.ended_at is null and s.expires_at > now()
       and u.id = s.user_id and u.role = 'user' and u.token_until < now() + ttl - interval '1 day';
    with opened as (
        update sessions s
           set kind = 'fan', code_hash = null, opened_at = now(), renewed_at = now(), expires_at = now() + ttl, device = new_device
          from users u
         where s.code_hash = given_hash and s.ended_at is null and s.expires_at > now() and u.id = s.user_id and u.role = 'user'
        returning u.id as user_id, u.role, s.id, s.expires_at
    )
    select o.user_id, o.role, o.id, o.expires_at from opened o;
$$;

CREATE FUNCTION open_link(wanted bigint, new_device text, ttl interval) RETURNS TABLE(role public.user_role, session_id bigint, expires_at timestamp with time zone)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    update users u set token_until = now() + ttl
      from sessions s
     where u.id = app_user_id() and s.id = wanted and s.user_id = u.id and s.kind = 'link' and s.opened_at is null;
    with opened as (
        update sessions s
           set opened_at = now(), renewed_at = now(), expires_at = now() + ttl, device = new_device
         where s.id = wanted and s.user_id = app_user_id() and s.kind = 'link' and s.opened_at is null
           and s.ended_at is null and s.expires_at > now()
        returning s.user_id, s.id, s.expires_at
    ), logged as (
        insert into audit_log (actor_id, action, subject, detail)
        select o.user_id, 'session.open_link', 'user:' || o.user_id, jsonb_build_object('session', o.id) from opened o
    )
    select u.role, o.id, o.expires_at from opened o join users u on u.id = o.user_id;
$$;

CREATE FUNCTION pooled_accuracy(hits numeric, needed numeric) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((hits)::double precision / ((needed + (10)::numeric))::double precision);

CREATE FUNCTION public_names(user_ids bigint[]) RETURNS TABLE(user_id bigint, display_name text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    select p.user_id, p.display_name
      from user_profiles p
     where p.user_id = any(user_ids) and p.is_public and p.status = 'approved' and p.display_name is not null
       and not exists (select from user_bans b where b.user_id = p.user_id and b.lifted_at is null
                                                and (b.expires_at is null or b.expires_at > now()))
$$;

CREATE FUNCTION put_show_standings(wanted bigint, user_ids bigint[], points bigint[], ranks bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
begin
    -- erase_user() takes this lock first too, so a fan who is being erased gets no place meanwhile.
    perform pg_advisory_xact_lock(hashtext('mysetlist.erase_user'));
    delete from standings where board = 'show' and subject_id = wanted;
    insert into standings (board, subject_id, user_id, points, show_count, rank, number)
    select 'show', wanted, u.id, c.points, 1, c.rank, c.rank - 1 + row_number() over (partition by c.rank order by u.id)
      from unnest(user_ids, points, ranks) as c (user_id, points, rank)
      join users u on u.id = c.user_id
     order by u.id;
    insert into boards_to_count (board, subject_id)
    select b.board, b.subject_id from shows w cross join boards_of_show(w.artist_id, w.local_date) b where w.id = wanted;
end $$;

CREATE FUNCTION words_of(words text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN array_to_tsvector(ARRAY(SELECT "left"(w.word, 500) AS "left" FROM unnest(string_to_array(public.fold(words_of.words), ' '::text)) w(word) WHERE (w.word <> ''::text)));

CREATE FUNCTION query_of(words text) RETURNS tsquery
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (SELECT (string_agg((quote_literal(w.word) || ':*'::text), ' & '::text))::tsquery AS string_agg FROM unnest(tsvector_to_array(public.words_of(query_of.words))) w(word));

CREATE FUNCTION queue_webhook_events(event public.webhook_event, show_ids bigint[], detail jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    if not exists (select from webhooks h where h.is_enabled and event = any (h.events)) then
        return;
    end if;
    insert into webhook_events (type, show_id, data)
    select event, w.id,
           jsonb_build_object('show', jsonb_build_object(
               'id', w.id, 'slug', w.slug, 'name', w.name, 'artist', a.name, 'venue', v.name,
               'starts_at', instant_text(w.starts_at), 'opens_at', instant_text(w.opens_at),
               'closes_at', instant_text(w.closes_at))) || detail
      from shows w
      join artists a on a.id = w.artist_id
      join venues v on v.id = w.venue_id
     where w.id = any (show_ids)
     order by w.id;
end $$;

CREATE FUNCTION rank_artists() RETURNS integer
    LANGUAGE plpgsql
    AS $$
declare
    artist_ids bigint[]; heats float8[];
begin
    -- One statement, so that the sums hold all that the deleted rows stand for.
    with seen as (delete from artists_to_rank returning artist_id)
    select array_agg(s.artist_id), array_agg(h.heat) into artist_ids, heats
      from (select distinct artist_id from seen) s
      left join heats_of_artists(array(select artist_id from seen)) h on h.artist_id = s.artist_id;
    perform from artist_stats where artist_id = any(artist_ids) order by artist_id for no key update;
    update artist_stats a
       set heat = n.heat
      from unnest(artist_ids, heats) as n (artist_id, heat)
     where a.artist_id = n.artist_id and a.heat is distinct from n.heat;
    return coalesce(cardinality(artist_ids), 0);
end $$;

CREATE FUNCTION rank_show() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    if tg_op = 'DELETE' then
        insert into artists_to_rank (artist_id) values (old.artist_id);
        return null;
    end if;
    update show_trending set artist_id = new.artist_id, is_ranked = new.status in ('upcoming', 'live') where show_id = new.id;
    if found then
        insert into artists_to_rank (artist_id) values (old.artist_id), (new.artist_id);
    end if;
    return null;
end $$;

CREATE FUNCTION rebill_headliner() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    delete from show_artists where show_id = new.id and (billing = 'headliner' or artist_id = new.artist_id);
    insert into show_artists (show_id, artist_id, billing, position)
    values (new.id, new.artist_id, 'headliner',
            coalesce((select min(free) from generate_series(1, 1000) free
                       where not exists (select from show_artists a where a.show_id = new.id and a.position = free)), 1));
    return null;
end $$;

CREATE FUNCTION recount_artist_songs(changed_song_ids bigint[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    with counted as (
        select coalesce(l.artist_id, w.artist_id) as artist_id, s.song_id,
               count(*) filter (where l.type = 'predicted') as predicted_count,
               count(*) filter (where l.type = 'actual') as played_count,
               max(w.local_date) filter (where l.type = 'actual') as last_played_on
          from setlist_songs s
          join setlists l on l.id = s.setlist_id
          join shows w on w.id = s.show_id
         where s.song_id = any(changed_song_ids)
         group by 1, 2
    ), gone as (
        delete from artist_songs a
         where a.song_id = any(changed_song_ids)
           and not exists (select from counted c where c.artist_id = a.artist_id and c.song_id = a.song_id)
    )
    insert into artist_songs (artist_id, song_id, predicted_count, played_count, last_played_on)
    select artist_id, song_id, predicted_count, played_count, last_played_on from counted order by 1, 2
        on conflict (artist_id, song_id) do update
       set predicted_count = excluded.predicted_count, played_count = excluded.played_count,
           last_played_on = excluded.last_played_on
     where row(artist_songs.predicted_count, artist_songs.played_count, artist_songs.last_played_on)
           is distinct from row(excluded.predicted_count, excluded.played_count, excluded.last_played_on);
$$;

CREATE FUNCTION recount_heat(show_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    counted_ids bigint[]; heats float8[];
begin
    select array_agg(h.show_id), array_agg(h.heat) into counted_ids, heats from heats_of_shows(show_ids) h;
    delete from show_trending where show_id = any(show_ids) and show_id <> all(coalesce(counted_ids, '{}'));
    insert into show_trending (show_id, artist_id, heat, is_ranked)
    select w.id, w.artist_id, h.heat, w.status in ('upcoming', 'live')
      from unnest(counted_ids, heats) as h (show_id, heat) join shows w on w.id = h.show_id
        on conflict (show_id) do update set heat = excluded.heat;
    insert into artists_to_rank (artist_id) select distinct artist_id from shows where id = any(show_ids);
end $$;

CREATE FUNCTION recount_scope(wanted public.statistics_scope, wanted_id bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    perform pg_advisory_xact_lock(hashtext('mysetlist.erase_user'));
    perform pg_advisory_xact_lock(hashtext('mysetlist.count_votes'));
    -- What comes meanwhile stays, and is counted next time.
    delete from scopes_to_recount where scope = wanted and scope_id = wanted_id;
    perform recount_voters(wanted, wanted_id);
end $$;

CREATE FUNCTION recount_standings(wanted public.board_kind, wanted_id bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
begin
    perform pg_advisory_xact_lock(hashtext('mysetlist.erase_user'));
    delete from standings where board = wanted and subject_id = wanted_id;
    insert into standings (board, subject_id, user_id, points, show_count, rank, number)
    select wanted, wanted_id, user_id, sum(points), count(*), rank() over (order by sum(points) desc),
           row_number() over (order by sum(points) desc, user_id)
      from standings
     where board = 'show' and subject_id in (select id from shows_of_board(wanted, wanted_id))
     group by user_id
     order by user_id;
end $$;

CREATE FUNCTION recount_statistics() RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    perform pg_advisory_xact_lock(hashtext('mysetlist.erase_user'));
    perform pg_advisory_xact_lock(hashtext('mysetlist.count_votes'));
    perform from log_positions order by shard for update;
    truncate votes_to_count, voters_to_count, vote_minutes, platform_hours, voter_days, voter_links, scopes_to_recount, set_asides_to_count, set_aside_hours;
    insert into vote_minutes (show_id, minute, vote_count)
    select show_id, date_trunc('minute', cast_at), count(*) from vote_analytics
     where choice is not null and cast_at > now() - interval '2 hours'
     group by 1, 2;
    insert into platform_hours (hour, up_count, down_count, withdrawn_count)
    select date_trunc('hour', cast_at, 'UTC'), count(*) filter (where choice = 'up'), count(*) filter (where choice = 'down'),
           count(*) filter (where choice is null)
      from vote_analytics group by 1;
    update show_days set vote_count = 0;
    insert into show_days (show_id, day, vote_count)
    select show_id, (hour at time zone 'UTC')::date, sum(up_count + down_count) from vote_rollups group by 1, 2 order by 1, 2
        on conflict (show_id, day) do update set vote_count = excluded.vote_count;
    insert into set_aside_hours (show_id, hour, up_count, down_count, withdrawn_count)
    select a.* from casts_set_aside(array(select distinct show_id from vote_group_members where is_set_aside)) a
      join shows w on w.id = a.show_id;
    insert into voter_days (show_id, user_id, day, is_set_aside)
    select distinct h.show_id, h.user_id, (h.cast_at at time zone 'UTC')::date, m.user_id is not null
      from vote_analytics h
      join users u on u.id = h.user_id
      join shows w on w.id = h.show_id
      left join vote_group_members m on m.show_id = h.show_id and m.user_id = h.user_id and m.is_set_aside
     where h.choice is not null;
    with day as materialized (
        select s.scope, s.scope_id, v.user_id, v.day, bool_or(not v.is_set_aside) as counts
          from voter_days v
          join shows w on w.id = v.show_id
         cross join lateral scopes_of_show(w.id, w.artist_id, w.venue_id) s
         group by 1, 2, 3, 4
    )
    insert into voter_links (scope, scope_id, day, previous_day, visit, voter_count, raw_voter_count)
    select scope, scope_id, day, previous_day, visit, sum(step), sum(raw_step)
      from (select scope, scope_id, day, coalesce(lag(day) over w, '-infinity') as previous_day, least(row_number() over w, 3)::smallint as visit,
                   1 as step, 0 as raw_step
              from day where counts
            window w as (partition by scope, scope_id, user_id order by day)
             union all
            select scope, scope_id, day, coalesce(lag(day) over w, '-infinity'), least(row_number() over w, 3)::smallint, 0, 1
              from day
            window w as (partition by scope, scope_id, user_id order by day)) links
     group by 1, 2, 3, 4, 5;
end $$;

CREATE FUNCTION recount_voters(wanted public.statistics_scope, wanted_id bigint) RETURNS void
    LANGUAGE sql
    AS $$
    delete from voter_links where scope = wanted and scope_id = wanted_id;
    with day as materialized (
        select user_id, day, bool_or(not is_set_aside) as counts
          from (select user_id, day, is_set_aside from voter_days where wanted = 'platform'
                union all
                select v.user_id, v.day, v.is_set_aside
                  from shows_of_scope(wanted, wanted_id) s join voter_days v on v.show_id = s.show_id) d
         group by 1, 2
    )
    insert into voter_links (scope, scope_id, day, previous_day, visit, voter_count, raw_voter_count)
    select wanted, wanted_id, l.*
      from (select day, previous_day, visit, sum(step), sum(raw_step)
      from (select day, coalesce(lag(day) over w, '-infinity') as previous_day, least(row_number() over w, 3)::smallint as visit,
                   1 as step, 0 as raw_step
              from day where counts
            window w as (partition by user_id order by day)
             union all
            select day, coalesce(lag(day) over w, '-infinity'), least(row_number() over w, 3)::smallint, 0, 1
              from day
            window w as (partition by user_id order by day)) links
     group by 1, 2, 3) l
$$;

CREATE FUNCTION redeem_ticket(wanted_show bigint, wanted_hash bytea, unkeyed_hash bytea) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
    code ticket_codes;
begin
    select * into code
      from ticket_codes
     where show_id = wanted_show and code_hash in (wanted_hash, unkeyed_hash) and is_keyed = (code_hash = wanted_hash)
       for update;
    if code.user_id = app_user_id() then
        return 'redeemed';
    end if;
    if exists (select from ticket_codes where show_id = wanted_show and user_id = app_user_id()) then
        return 'held';
    end if;
    if code.show_id is null or code.redeemed_at is not null then
        return 'refused';
    end if;
    update ticket_codes set user_id = app_user_id(), redeemed_at = now()
     where show_id = wanted_show and code_hash = code.code_hash;
    return 'redeemed';
exception when unique_violation then
    return 'held';
end $$;

CREATE FUNCTION refresh_best_voters() RETURNS void
    LANGUAGE sql
    AS $$
    delete from best_voters;
    insert into best_voters (user_id, show_count, hits, accuracy)
    select a.user_id, count(*), sum(a.hits), pooled_accuracy(sum(a.hits), sum(greatest(a.predicted, a.played)))
      from voter_accuracy a
      join shows w on w.id = a.show_id
     where results_audience(w.results, w.finalised_at) = 0
     group by 1
    having count(*) >= 3 and sum(a.hits) > 0
     order by 4 desc, 1
     limit 100
$$;

CREATE FUNCTION refresh_platform_stats(wanted date) RETURNS void
    LANGUAGE sql
    AS $$
    insert into platform_stats (day, user_count, new_user_count, vote_count, withdrawn_count, voted_show_count,
                                new_follow_count, new_going_count, new_review_count, show_count)
    select wanted,
           (select count(*) from users where created_at < b.ends_at and nobody is null),
           (select count(*) from users
             where created_at >= b.begins_at and created_at < b.ends_at and nobody is null),
           v.vote_count, v.withdrawn_count, v.show_count,
           (select count(*) from user_follows_artists where created_at >= b.begins_at and created_at < b.ends_at),
           (select count(*) from user_show_attendance where created_at >= b.begins_at and created_at < b.ends_at),
           (select count(*) from venue_reviews where created_at >= b.begins_at and created_at < b.ends_at),
           (select count(*) from shows where local_date = wanted)
      from (select wanted::timestamp at time zone 'UTC' as begins_at,
                   (wanted + 1)::timestamp at time zone 'UTC' as ends_at) b
     cross join lateral (
           select coalesce(sum(up_count + down_count), 0) as vote_count, coalesce(sum(withdrawn_count), 0) as withdrawn_count,
                  count(distinct show_id) as show_count
             from vote_rollups where hour >= b.begins_at and hour < b.ends_at) v
        on conflict (day) do update
       set user_count = excluded.user_count, new_user_count = excluded.new_user_count,
           vote_count = excluded.vote_count, withdrawn_count = excluded.withdrawn_count,
           voted_show_count = excluded.voted_show_count, new_follow_count = excluded.new_follow_count,
           new_going_count = excluded.new_going_count, new_review_count = excluded.new_review_count,
           show_count = excluded.show_count, refreshed_at = now();
$$;

CREATE FUNCTION refresh_show_words(show_ids bigint[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    update shows s
       set search_text = w.words, search = words_of(w.words)
      from (select s.id, fold(concat_ws(' ', s.name, v.name, v.city, v.region,
                                        string_agg(a.name, ' ' order by b.position))) as words
              from shows s
              join venues v on v.id = s.venue_id
              left join show_artists b on b.show_id = s.id
              left join artists a on a.id = b.artist_id
             where s.id = any(show_ids)
             group by s.id, v.id) w
     where s.id = w.id and s.search_text is distinct from w.words;
$$;

CREATE FUNCTION refresh_words_of_artist() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    perform refresh_show_words((select array_agg(show_id) from show_artists where artist_id = new.id));
    return null;
end $$;

CREATE FUNCTION refresh_words_of_bill() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    perform refresh_show_words((select array_agg(distinct show_id) from changed));
    return null;
end $$;

CREATE FUNCTION refresh_words_of_show() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    perform refresh_show_words(array[new.id]);
    return null;
end $$;

CREATE FUNCTION refresh_words_of_venue() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    perform refresh_show_words((select array_agg(id) from shows where venue_id = new.id));
    return null;
end $$;

CREATE FUNCTION refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if current_setting('app.erasing', true) = 'on' then
        return case tg_op when 'DELETE' then old else new end;
    end if;
    raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end $$;

CREATE FUNCTION refuse_other_eraser(wanted bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    if (current_setting('role') = 'mysetlist_request' or not pg_has_role(session_user, current_user, 'member'))
       and coalesce(current_setting('app.role', true), '') <> 'admin'
       and not coalesce(wanted = nullif(current_setting('app.user_id', true), '')::bigint, false) then
        raise exception 'a user may erase only itself' using errcode = 'insufficient_privilege';
    end if;
end $$;

CREATE FUNCTION rename_history(wanted bigint, cast_since timestamp with time zone) RETURNS void
    LANGUAGE sql
    SET search_path TO 'public', 'pg_temp'
    AS $$
    update vote_analytics h set user_id = 0, cast_at = date_trunc('hour', h.cast_at, 'UTC')
     where h.user_id = wanted and h.cast_at >= cast_since
       and h.show_id in (select r.show_id from vote_rollups r where r.hour >= date_trunc('hour', cast_since, 'UTC'))
$$;

CREATE FUNCTION rename_listed_songs(wanted_merge bigint) RETURNS void
    LANGUAGE sql
    SET search_path TO 'public', 'pg_temp'
    AS $$
    with pairs as (
        select row_id as gone, (select s.was ->> 'to' from merge_rows s
                                 where s.merge_id = wanted_merge and s.relation = 'pair' and s.row_id = g.row_id)::bigint as kept
          from merge_rows g where g.merge_id = wanted_merge and g.relation = 'pair'
    ), listed as (
        select r.id, r.relation, r.row_id, r.was,
               case when (r.was ->> 'stands')::boolean
                    then songs_in_order(r.row_id, case r.relation when 'show_identities' then 'actual' else 'predicted' end::setlist_type)
                    else array(select coalesce(p.kept, s.song)
                                 from jsonb_array_elements_text(r.was -> 'songs') with ordinality as t (text, place)
                                cross join lateral (select t.text::bigint as song) s
                                 left join pairs p on p.gone = s.song
                                order by t.place) end as songs
          from merge_rows r
         where r.merge_id = wanted_merge and r.relation in ('show_identities', 'show_predictions')
    ), kept as (
        update merge_rows r set was = r.was || jsonb_build_object('after', to_jsonb(l.songs)) from listed l where r.id = l.id
    ), identities as (
        update show_identities i set songs = l.songs from listed l
         where l.relation = 'show_identities' and i.show_id = l.row_id and i.service = (l.was ->> 'service')::sync_service
           and i.external_id = l.was ->> 'external_id'
    )
    update show_predictions p set songs = l.songs from listed l where l.relation = 'show_predictions' and p.show_id = l.row_id;
$$;

CREATE FUNCTION rename_shows_of_artist() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    update shows s set name = default_show_name(new.name, v.name)
      from venues v
     where s.artist_id = new.id and v.id = s.venue_id and s.name = default_show_name(old.name, v.name);
    return null;
end $$;

CREATE FUNCTION rename_shows_of_venue() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    update shows s set name = default_show_name(a.name, new.name)
      from artists a
     where s.venue_id = new.id and a.id = s.artist_id and s.name = default_show_name(a.name, old.name);
    return null;
end $$;

CREATE FUNCTION renew_session(wanted bigint, ttl interval) RETURNS TABLE(role public.user_role, session_id bigint, expires_at timestamp with time zone)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    update users u set token_until = now() + ttl
      from sessions s
     where u.id = app_user_id() and u.role = 'user' and u.token_until < now() + ttl - interval '1 day'
       and s.id = wanted and s.user_id = u.id and s.kind = 'fan' and s.ended_at is null;
    update sessions s set expires_at = now() + ttl, renewed_at = now()
      from users u
     where u.id = app_user_id() and u.role = 'user' and s.id = wanted and s.user_id = u.id and s.kind = 'fan'
       and s.ended_at is null and s.expires_at < now() + ttl - interval '1 day';
    select u.role, s.id, s.expires_at
      from sessions s
      join users u on u.id = s.user_id
     where s.id = wanted and u.id = app_user_id() and s.ended_at is null and s.expires_at > now();
$$;

CREATE FUNCTION repair_counts() RETURNS bigint
    LANGUAGE plpgsql
    AS $$
declare
    song_ids bigint[]; setlist_ids bigint[]; show_ids bigint[]; artist_ids bigint[]; venue_ids bigint[];
    repaired bigint := 0;
    step bigint;
begin
    perform from log_positions order by shard for update;
    select array_agg(m.id) filter (where m.subject = 'song'), array_agg(m.id) filter (where m.subject = 'setlist'),
           array_agg(m.id) filter (where m.subject = 'show'), array_agg(m.id) filter (where m.subject = 'artist'),
           array_agg(m.id) filter (where m.subject = 'venue')
      into song_ids, setlist_ids, show_ids, artist_ids, venue_ids
      from miscounts() m;
    perform from setlist_songs where id = any(song_ids) order by id for update;
    perform from setlists where id = any(setlist_ids) order by id for update;
    perform from shows where id = any(show_ids) order by id for update;
    perform from artist_stats where artist_id = any(artist_ids) order by artist_id for update;
    perform from venues where id = any(venue_ids) order by id for update;

    update setlist_songs s
       set (up_count, down_count, set_aside_up_count, set_aside_down_count) =
           (select count(*) filter (where v.choice = 'up' and m.user_id is null),
                   count(*) filter (where v.choice = 'down' and m.user_id is null),
                   count(*) filter (where v.choice = 'up' and m.user_id is not null),
                   count(*) filter (where v.choice = 'down' and m.user_id is not null)
              from votes v
              left join vote_group_members m on m.show_id = v.show_id and m.user_id = v.user_id and m.is_set_aside
             where v.setlist_song_id = s.id)
     where s.id = any(song_ids);
    get diagnostics step = row_count; repaired := repaired + step;
    update setlists l
       set vote_count = (select coalesce(sum(s.up_count + s.down_count), 0) from setlist_songs s where s.setlist_id = l.id)
     where l.id = any(setlist_ids);
    get diagnostics step = row_count; repaired := repaired + step;
    update shows w
       set vote_count = (select coalesce(sum(s.up_count + s.down_count), 0) from setlist_songs s where s.show_id = w.id),
           attendance_count = (select count(*) from user_show_attendance g where g.show_id = w.id)
     where w.id = any(show_ids);
    get diagnostics step = row_count; repaired := repaired + step;
    update artist_stats a
       set follower_count = (select count(*) from user_follows_artists f where f.artist_id = a.artist_id),
           show_count = (select count(*) from shows w where w.artist_id = a.artist_id)
     where a.artist_id = any(artist_ids);
    get diagnostics step = row_count; repaired := repaired + step;
    update venues v
       set (review_count, rating_sum) =
           (select count(*), coalesce(sum(r.rating), 0) from venue_reviews r where r.venue_id = v.id and r.status = 'approved')
     where v.id = any(venue_ids);
    get diagnostics step = row_count;
    return repaired + step;
end $$;

CREATE FUNCTION require_ticket(wanted_show bigint, is_required boolean) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    if not app_is_admin() then
        raise exception 'only administrators may require tickets' using errcode = 'insufficient_privilege';
    end if;
    update shows set requires_ticket = is_required where id = wanted_show;
    return found;
end $$;

CREATE FUNCTION restore_song(wanted bigint, wanted_show bigint) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
    removed removed_songs;
    restored integer;
begin
    select * into removed from removed_songs where id = wanted and show_id = wanted_show for update;
    if not found then
        return null;
    end if;
    insert into setlist_songs (id, setlist_id, show_id, song_id, position, is_tape, medley, note)
    overriding system value
    select removed.id, removed.setlist_id, removed.show_id, removed.song_id,
           coalesce((select max(position) from setlist_songs where setlist_id = removed.setlist_id), 0) + 1,
           removed.is_tape, removed.medley, removed.note;
    with again as (
        insert into votes (setlist_song_id, user_id, show_id, choice, cast_at)
        select r.setlist_song_id, r.user_id, w.id, r.choice, r.cast_at
          from removed_votes r
          join shows w on w.id = removed.show_id
         where r.setlist_song_id = wanted and r.user_id is not null
           and (w.votes_per_user_max is null
                or (select count(*) from votes v where v.user_id = r.user_id and v.show_id = w.id) < w.votes_per_user_max)
           and not exists (select from vote_group_members m where m.show_id = w.id and m.user_id = r.user_id and m.is_void)
         order by r.user_id
        returning user_id
    )
    select count(*) into restored from again;
    with lost as (
        select r.user_id, r.choice, r.cast_at
          from removed_votes r
         where r.setlist_song_id = wanted
           and not exists (select from votes v where v.setlist_song_id = wanted and v.user_id = r.user_id)
    ), hours as (
        insert into vote_rollups (show_id, hour, withdrawn_count)
        select removed.show_id, date_trunc('hour', cast_at, 'UTC'), count(*) from lost group by 2
            on conflict (show_id, hour) do update
           set withdrawn_count = vote_rollups.withdrawn_count + excluded.withdrawn_count
    )
    insert into vote_analytics (show_id, setlist_song_id, user_id, previous, choice, cast_at)
    select removed.show_id, wanted, coalesce(user_id, 0), choice, null, cast_at from lost;
    delete from removed_songs where id = wanted;
    return restored;
end $$;

CREATE FUNCTION results_audience(results public.results_visibility, finalised_at timestamp with time zone) RETURNS integer
    LANGUAGE sql IMMUTABLE
    AS $$
    select case when finalised_at is not null or results = 'live' then 0 when results = 'after_vote' then 1 else 2 end
$$;

CREATE FUNCTION revise_picked_shows() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    update shows set revision = revision + 1
     where id in (select p.show_id
                    from picked_shows p
                    join show_artists b on b.show_id = p.show_id
                   where b.artist_id = (select artist_id from songs where id = new.survivor_id)
                      or b.artist_id = (new.duplicate->>'artist_id')::bigint);
    return null;
end $$;

CREATE FUNCTION revise_show() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    new.revision := next_revision(old.revision);
    new.updated_at := now();
    return new;
end $$;

CREATE FUNCTION revise_show_of_row() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    update shows set revision = revision + 1 where id = new.show_id;
    return null;
end $$;

CREATE FUNCTION revise_shows_of_setlists() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    update shows set revision = revision + 1 where id in (select show_id from changed);
    return null;
end $$;

CREATE FUNCTION revise_webhook() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    new.revision := old.revision + 1;
    return new;
end $$;

CREATE FUNCTION round_number(n bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (n < 10) THEN (0)::bigint ELSE (((10)::double precision ^ floor(log((n)::double precision))))::bigint END;

CREATE FUNCTION scopes_of_show(show_id bigint, artist_id bigint, venue_id bigint) RETURNS TABLE(scope public.statistics_scope, scope_id bigint)
    LANGUAGE sql IMMUTABLE
    AS $$
    values ('platform'::statistics_scope, 0::bigint), ('artist', artist_id), ('venue', venue_id), ('show', show_id)
$$;

CREATE FUNCTION score_show(wanted bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    -- erase_user() takes this lock first too, so a user who is being erased gets no score meanwhile.
    perform pg_advisory_xact_lock(hashtext('mysetlist.erase_user'));
    -- The show is locked before its scores, because a sync that deletes the played setlist locks them in this order.
    perform from shows where id = wanted for key share;
    delete from show_accuracy where show_id = wanted;
    with place as materialized (
        select e.id, e.song_id, l.type, coalesce(l.artist_id, w.artist_id) as act_id, e.up_count - e.down_count as net,
               min(e.played_at) over (partition by e.song_id) as known_at
          from shows w
          join setlists l on l.show_id = w.id
          join setlist_songs e on e.setlist_id = l.id
         where w.id = wanted and not e.is_tape
    ), played as materialized (
        select distinct song_id from place where type = 'actual'
    ), late as materialized (
        select v.setlist_song_id as id, sum(case v.choice when 'up' then 1 else -1 end) as net
          from place p join votes v on v.setlist_song_id = p.id and v.cast_at >= p.known_at
         where p.known_at is not null
           and not exists (select from vote_group_members m
                            where m.show_id = wanted and m.user_id = v.user_id and m.is_set_aside)
         group by 1
    ), offered as materialized (
        select id, song_id, place.net - coalesce(late.net, 0) as net, known_at,
               song_id in (select song_id from played) as was_played
          from place left join late using (id)
         where type = 'predicted' and act_id in (select act_id from place where type = 'actual')
    ), song as materialized (
        select song_id, was_played, sum(net) as net, rank() over (order by sum(net) desc) as rank
          from offered
         group by song_id, was_played
    -- From here on: met are offered songs that were played, missed are offered songs that were not.
    ), crowd as materialized (
        select count(*) as offered, count(*) filter (where was_played) as met,
               count(*) filter (where net > 0 and rank <= p.count) as predicted,
               count(*) filter (where net > 0 and rank <= p.count and was_played) as hits, p.count as played
          from song, (select count(*) from played) p
         group by p.count
    ), scored as (
        insert into show_accuracy (show_id, offered, predicted, hits, played, rank_correlation)
        select wanted, offered, predicted, hits, played,
               (select sum(sign(h.net - m.net)) / count(*) from song h, song m where h.was_played and not m.was_played)
          from crowd
    ), choice as (
        -- The choice on a song that is offered twice is the sign of the sum over its places. Nobodies get no score.
        select v.user_id, o.was_played, sign(sum(case v.choice when 'up' then 1 else -1 end)) as choice
          from offered o
          join votes v on v.setlist_song_id = o.id and (v.cast_at >= o.known_at) is not true
          join users u on u.id = v.user_id and u.nobody is null
         where not exists (select from vote_group_members m
                            where m.show_id = wanted and m.user_id = v.user_id and m.is_set_aside)
         group by v.user_id, o.song_id, o.was_played
    ), voter as (
        select user_id,
               count(*) filter (where was_played and choice > 0) as met_up,
               count(*) filter (where was_played and choice < 0) as met_down,
               count(*) filter (where not was_played and choice > 0) as missed_up,
               count(*) filter (where not was_played and choice < 0) as missed_down
          from choice
         group by user_id
    )
    insert into voter_accuracy (user_id, show_id, predicted, hits, played, rank_correlation)
    select v.user_id, wanted, v.met_up + v.missed_up, v.met_up, c.played,
           -- Pairs in the right order minus pairs in the wrong order: up before none before down.
           (v.met_up * (c.offered - c.met - v.missed_up) + (c.met - v.met_up - v.met_down) * v.missed_down
            - v.missed_up * (c.met - v.met_up) - v.met_down * (c.offered - c.met - v.missed_up - v.missed_down))
           / nullif(c.met * (c.offered - c.met), 0)::float8
      from voter v, crowd c
     order by v.user_id;
end $$;

CREATE FUNCTION set_group_rule(wanted_show bigint, is_automatic boolean) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    if not app_is_staff() then
        raise exception 'only staff may change this rule' using errcode = 'insufficient_privilege';
    end if;
    update shows set sets_groups_aside = is_automatic where id = wanted_show;
    return found;
end $$;

CREATE FUNCTION set_ticket_source(wanted_show bigint, source public.ticket_source) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    if not app_is_admin() then
        raise exception 'only administrators may say how fans get tickets' using errcode = 'insufficient_privilege';
    end if;
    update shows set ticket_source = source where id = wanted_show;
    return found;
end $$;

CREATE FUNCTION shift_heat(show_ids bigint[], gains double precision[], losses double precision[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    doubtful_ids bigint[];
begin
    with change as materialized (
        select c.show_id, t.top,
               power(2.0::float8, greatest(t.heat - t.top, -1000))
               + case when c.gain is null then 0 else power(2.0::float8, greatest(c.gain - t.top, -1000)) end as had,
               case when c.loss is null then 0 else power(2.0::float8, greatest(least(c.loss - t.top, 1), -1000)) end as lost
          from unnest(show_ids, gains, losses) as c (show_id, gain, loss)
          left join lateral (select heat, greatest(heat, c.gain) as top from show_trending where show_id = c.show_id) t on true
    ), moved as (
        update show_trending t
           set heat = c.top + ln(c.had - c.lost) / ln(2.0::float8)
          from change c
         where t.show_id = c.show_id and c.lost <= 0.999 * c.had
     returning t.artist_id
    ), told as (
        insert into artists_to_rank (artist_id) select distinct artist_id from moved
    )
    -- A show without heat, or the difference of nearly equal numbers, which has few correct digits: the rows are added up.
    select array_agg(show_id) into doubtful_ids from change where top is null or lost > 0.999 * had;
    if doubtful_ids is not null then
        perform recount_heat(doubtful_ids);
    end if;
end $$;

CREATE FUNCTION shift_heat(show_ids bigint[], heats double precision[], step integer) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    doubtful_ids bigint[];
begin
    if step = 1 then
        with moved as (
            insert into show_trending (show_id, artist_id, heat, is_ranked)
            select w.id, w.artist_id, c.heat, w.status in ('upcoming', 'live')
              from unnest(show_ids, heats) as c (show_id, heat) join shows w on w.id = c.show_id
                on conflict (show_id) do update set heat = add_heat(show_trending.heat, excluded.heat)
            returning artist_id
        )
        insert into artists_to_rank (artist_id) select distinct artist_id from moved;
        return;
    end if;
    -- The difference of nearly equal numbers has few correct digits. When less than a thousandth would be left, the rows are
    -- added up again.
    select array_agg(t.show_id) into doubtful_ids
      from unnest(show_ids, heats) as c (show_id, heat) join show_trending t on t.show_id = c.show_id
     where power(2.0::float8, least(c.heat - t.heat, 1)) > 0.999;
    with moved as (
        update show_trending t
           set heat = t.heat + ln(1 - power(2.0::float8, greatest(c.heat - t.heat, -1000))) / ln(2.0::float8)
          from unnest(show_ids, heats) as c (show_id, heat)
         where t.show_id = c.show_id and t.show_id <> all(coalesce(doubtful_ids, '{}'))
     returning t.artist_id
    )
    insert into artists_to_rank (artist_id) select distinct artist_id from moved;
    if doubtful_ids is not null then
        perform recount_heat(doubtful_ids);
    end if;
end $$;

CREATE FUNCTION show_begins_at(wanted bigint) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    AS $$
    select least(w.starts_at, (select min(e.played_at) from setlist_songs e where e.show_id = w.id))
      from shows w where w.id = wanted
$$;

CREATE FUNCTION show_crew(wanted_code text) RETURNS TABLE(name text, member_count bigint, is_member boolean)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    select c.name, (select count(*) from crew_members m where m.crew_id = c.id),
           exists (select from crew_members m where m.crew_id = c.id and m.user_id = app_user_id())
      from crews c where c.code = wanted_code
$$;

CREATE FUNCTION shows_of_board(wanted public.board_kind, wanted_id bigint) RETURNS TABLE(id bigint)
    LANGUAGE sql STABLE
    AS $$
    select w.id from shows w where wanted = 'artist' and w.artist_id = wanted_id
    union all
    select w.id from shows w
     where wanted = 'season'
       and w.local_date between make_date(case when wanted = 'season' then wanted_id::integer else 1 end, 1, 1)
                            and make_date(case when wanted = 'season' then wanted_id::integer else 1 end, 12, 31)
    union all
    select w.id
      from tours t
      join shows w on w.artist_id = t.artist_id and w.local_date between t.first_date and t.last_date
     where wanted = 'tour' and t.id = wanted_id
$$;

CREATE FUNCTION shows_of_scope(wanted public.statistics_scope, wanted_id bigint) RETURNS TABLE(show_id bigint, vote_count bigint, is_open boolean)
    LANGUAGE sql STABLE
    AS $$
    select w.id, w.vote_count, results_audience(w.results, w.finalised_at) = 0
      from shows w
     where (wanted = 'show' and w.id = wanted_id) or (wanted = 'artist' and w.artist_id = wanted_id)
        or (wanted = 'venue' and w.venue_id = wanted_id)
$$;

CREATE FUNCTION sign_in_as(wanted_issuer text, wanted_subject text, ttl interval) RETURNS TABLE(user_id bigint, role public.user_role)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
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

CREATE FUNCTION sign_up(new_device text, new_address_hash bytea, ttl interval, new_agent_hash bytea DEFAULT NULL::bytea, new_subnet_hash bytea DEFAULT NULL::bytea) RETURNS TABLE(user_id bigint, session_id bigint, expires_at timestamp with time zone)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    with made as (
        insert into users (token_until) values (now() + ttl) returning id
    )
    insert into sessions as s (user_id, kind, device, address_hash, agent_hash, subnet_hash, expires_at)
    select m.id, 'fan', new_device, new_address_hash, new_agent_hash, new_subnet_hash, now() + ttl from made m
    returning s.user_id, s.id, s.expires_at
$$;

CREATE FUNCTION slowest_statements(count integer) RETURNS TABLE(query text, calls bigint, total_ms double precision, mean_ms double precision, max_ms double precision, rows bigint, cache_hit_rate double precision)
    LANGUAGE plpgsql STABLE
    AS $_$
begin
    -- `execute` plans the query only when it runs: the view may not exist.
    return query execute
        'select left(s.query, 500), s.calls, s.total_exec_time, s.mean_exec_time, s.max_exec_time, s.rows,
                s.shared_blks_hit::float8 / nullif(s.shared_blks_hit + s.shared_blks_read, 0)
           from pg_stat_statements s
          where s.dbid = (select oid from pg_database where datname = current_database())
          order by s.total_exec_time desc
          limit least(greatest($1, 0), 100)' using count;
end $_$;

CREATE FUNCTION songs_in_order(wanted bigint, wanted_type public.setlist_type) RETURNS bigint[]
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (SELECT COALESCE(array_agg(e.song_id ORDER BY l."position", e."position"), '{}'::bigint[]) AS "coalesce" FROM (public.setlists l JOIN public.setlist_songs e ON ((e.setlist_id = l.id))) WHERE ((l.show_id = songs_in_order.wanted) AND (l.type = songs_in_order.wanted_type)));

CREATE FUNCTION songs_of_merge(wanted_kind text, survivor bigint, duplicate bigint) RETURNS TABLE(gone bigint, kept bigint)
    LANGUAGE sql STABLE
    SET search_path TO 'public', 'pg_temp'
    AS $$
    select duplicate, survivor where wanted_kind = 'song'
    union all
    select g.id, k.id
      from songs g
      join lateral (select min(id) as id from songs where artist_id = survivor and folded = g.folded) k on k.id is not null
     where wanted_kind = 'artist' and g.artist_id = duplicate
     order by 1
$$;

CREATE FUNCTION sum_of_heats(heats double precision[]) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT (m.heat + (ln(sum(power((2.0)::double precision, GREATEST((h.heat - m.heat), ('-1000'::integer)::double precision)))) / ln((2.0)::double precision))) FROM (SELECT max(all_of_them.heat) AS heat FROM unnest(sum_of_heats.heats) all_of_them(heat)) m, unnest(sum_of_heats.heats) h(heat) GROUP BY m.heat);

CREATE FUNCTION tell_of_artist_link() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    perform pg_notify('shows', s.id::text)
       from shows s
      where s.artist_id = coalesce(new.artist_id, old.artist_id) and s.status in ('upcoming', 'live');
    return null;
end $$;

CREATE FUNCTION tell_of_followers() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
    reached bigint := round_number(new.follower_count);
begin
    if not exists (select from activity a
                    where a.artist_id = new.artist_id and a.kind = 'followers' and a.count >= reached) then
        perform add_activity('followers', null, new.artist_id, a.name, '', reached)
           from artists a where a.id = new.artist_id;
    end if;
    return null;
end $$;

CREATE FUNCTION tell_of_groups() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    perform queue_webhook_events('group.flagged', array[g.show_id], jsonb_build_object('group', jsonb_build_object(
                'id', g.id, 'ballots', g.ballot_count, 'score', g.score, 'is_set_aside', g.decision = 'set_aside',
                'signs', (select coalesce(jsonb_agg(r ->> 'kind'), '[]') from jsonb_array_elements(g.reasons) r where r ->> 'kind' <> 'target'))))
       from inserted g;
    return null;
end $$;

CREATE FUNCTION tell_of_link() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    perform pg_notify('shows', coalesce(new.show_id, old.show_id)::text);
    return null;
end $$;

CREATE FUNCTION tell_of_new_show() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    if (select count(*) from activity where created_at = now() and kind = 'announced') < 10 then
        perform add_activity('announced', new.id, new.artist_id, new.name, '', 0);
    end if;
    return null;
end $$;

CREATE FUNCTION tell_of_played_song() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
    title text := (select s.title from songs s where s.id = new.song_id);
begin
    perform add_activity('played', w.id, w.artist_id, w.name, title, 0) from shows w where w.id = new.show_id;
    perform queue_webhook_events('song.played', array[new.show_id], jsonb_build_object(
        'song', jsonb_build_object('id', new.id, 'title', title, 'played_at', instant_text(new.played_at))));
    return null;
end $$;

CREATE FUNCTION tell_of_show() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
    reached bigint := round_number(new.vote_count);
begin
    if new.status is distinct from old.status and new.status in ('live', 'cancelled') then
        perform add_activity(new.status::text::activity_kind, new.id, new.artist_id, new.name, '', 0);
    end if;
    if new.finalised_at is not null and old.finalised_at is null then
        perform add_activity('final', new.id, new.artist_id, new.name, '', 0);
        perform queue_webhook_events('show.final', array[new.id], jsonb_build_object('votes', new.vote_count, 'songs', (
            select coalesce(jsonb_agg(jsonb_build_object('id', t.id, 'title', t.title, 'up', t.up_count, 'down', t.down_count)
                                      order by t.up_count - t.down_count desc, t.up_count desc, t.id), '[]')
              from (select e.id, s.title, e.up_count, e.down_count
                      from setlist_songs e join songs s on s.id = e.song_id
                     where e.show_id = new.id and e.up_count + e.down_count > 0
                     order by e.up_count - e.down_count desc, e.up_count desc, e.id
                     limit 10) t)));
    end if;
    -- Each number becomes one event, even if votes are withdrawn and cast again.
    if reached > round_number(old.vote_count)
       and not exists (select from activity a where a.show_id = new.id and a.kind = 'votes' and a.count >= reached) then
        perform add_activity('votes', new.id, new.artist_id, new.name, '', reached);
        if reached >= 100 then
            perform queue_webhook_events('show.milestone', array[new.id], jsonb_build_object('votes', reached));
        end if;
    end if;
    return null;
end $$;

CREATE FUNCTION touch_updated_at() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    new.updated_at := now();
    return new;
end $$;

CREATE FUNCTION trending_half_life() RETURNS interval
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN '24:00:00'::interval;

CREATE FUNCTION trending_heat(instant timestamp with time zone) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((EXTRACT(epoch FROM (instant - '2026-01-01 00:00:00+00'::timestamp with time zone)))::double precision / (EXTRACT(epoch FROM public.trending_half_life()))::double precision);

CREATE FUNCTION trending_floor(as_of timestamp with time zone) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (public.trending_heat(as_of) - (10)::double precision);

CREATE FUNCTION trending_score(heat double precision, as_of timestamp with time zone) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN power((2.0)::double precision, GREATEST((heat - public.trending_heat(as_of)), ('-1000'::integer)::double precision));

CREATE FUNCTION undo_merge(wanted bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
    merge merges;
begin
    perform pg_advisory_xact_lock(hashtext('mysetlist.sync'));
    perform from log_positions order by shard for update;
    set constraints setlist_songs_place_key, show_artists_place_key deferred;
    select * into merge from merges where id = wanted for update;
    case merge.kind
        when 'artist' then perform undo_merge_of_artists(wanted, merge.survivor_id, merge.duplicate_id);
        when 'venue' then perform undo_merge_of_venues(wanted, merge.survivor_id, merge.duplicate_id);
        else perform undo_merge_of_songs(wanted);
    end case;
    update identity_reviews i
       set artist_id = case merge.kind when 'artist' then merge.duplicate_id end,
           venue_id = case merge.kind when 'venue' then merge.duplicate_id end
      from merge_rows r
     where r.merge_id = wanted and r.relation = 'identity_review' and not (r.was ->> 'met')::boolean and i.id = r.row_id;
    insert into identity_reviews overriding system value
    select (jsonb_populate_record(null::identity_reviews, r.was)).*
      from merge_rows r where r.merge_id = wanted and r.relation = 'identity_review' and (r.was ->> 'met')::boolean
        on conflict do nothing;
    update merges set undone_at = now() where id = wanted;
    delete from merge_rows where merge_id = wanted;
    delete from merge_folds where merge_id = wanted;
end $$;

CREATE FUNCTION undo_merge_of_artists(wanted bigint, survivor bigint, wanted_duplicate bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    insert into artists (id, slug, name, genre, country, created_at) overriding system value
    select d.id, d.slug, d.name, d.genre, d.country, d.created_at
      from merges m, jsonb_populate_record(null::artists, m.duplicate) d where m.id = wanted;
    update songs s set artist_id = wanted_duplicate
      from merge_rows r where r.merge_id = wanted and r.relation = 'songs_of_artist' and s.id = r.row_id and s.artist_id = survivor;
    perform undo_merge_of_songs(wanted);
    update setlists l set artist_id = wanted_duplicate
      from merge_rows r where r.merge_id = wanted and r.relation = 'sets_of_artist' and l.id = r.row_id and l.artist_id = survivor;
    update shows w set artist_id = wanted_duplicate
      from merge_rows r where r.merge_id = wanted and r.relation = 'shows_of_artist' and w.id = r.row_id and w.artist_id = survivor;
    delete from show_artists b using merge_rows r
     where r.merge_id = wanted and r.relation = 'support' and not (r.was ->> 'met')::boolean
       and b.show_id = r.row_id and b.artist_id = survivor and b.billing = 'support';
    insert into show_artists (show_id, artist_id, billing, position)
    select w.id, (r.was ->> 'artist')::bigint, 'support',
           case when exists (select from show_artists o where o.show_id = w.id and o.position = (r.was ->> 'position')::smallint)
                then (select max(o.position) + 1 from show_artists o where o.show_id = w.id)
                else (r.was ->> 'position')::smallint end
      from merge_rows r join shows w on w.id = r.row_id
     where r.merge_id = wanted and r.relation = 'support'
        on conflict (show_id, artist_id) do nothing;
    update artist_identities i set artist_id = wanted_duplicate
      from merge_rows r
     where r.merge_id = wanted and r.relation = 'artist_identities' and i.artist_id = survivor
       and i.service = (r.was ->> 'service')::sync_service and i.external_id = r.was ->> 'external_id';
    -- A fan who has unfollowed the survivor since follows neither.
    insert into user_follows_artists (user_id, artist_id, created_at)
    select r.user_id, wanted_duplicate, (r.was ->> 'created_at')::timestamptz
      from merge_rows r
      join user_follows_artists f on f.user_id = r.user_id and f.artist_id = survivor
     where r.merge_id = wanted and r.relation = 'follow'
     order by r.user_id;
    delete from user_follows_artists f using merge_rows r
     where r.merge_id = wanted and r.relation = 'follow' and not (r.was ->> 'met')::boolean
       and f.user_id = r.user_id and f.artist_id = survivor and f.created_at = (r.was ->> 'created_at')::timestamptz;
    update activity a set artist_id = wanted_duplicate
      from merge_rows r where r.merge_id = wanted and r.relation = 'activity' and a.position = r.row_id;
end $$;

CREATE FUNCTION undo_merge_of_songs(wanted bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
    fold merge_folds;
begin
    insert into songs (id, artist_id, title, created_at) overriding system value
    select row_id, (was ->> 'artist')::bigint, was ->> 'title', (was ->> 'created_at')::timestamptz
      from merge_rows where merge_id = wanted and relation = 'songs';
    update setlist_songs e set song_id = (r.was ->> 'song')::bigint
      from merge_rows r
     where r.merge_id = wanted and r.relation = 'setlist_songs' and e.id = r.row_id and e.song_id = (r.was ->> 'to')::bigint;
    update removed_songs e set song_id = (r.was ->> 'song')::bigint
      from merge_rows r
     where r.merge_id = wanted and r.relation = 'removed_songs' and e.id = r.row_id and e.song_id = (r.was ->> 'to')::bigint;
    update song_identities i set song_id = (r.was ->> 'song')::bigint
      from merge_rows r
     where r.merge_id = wanted and r.relation = 'song_identities' and i.service = (r.was ->> 'service')::sync_service
       and i.external_id = r.was ->> 'external_id' and i.song_id = (r.was ->> 'to')::bigint;
    for fold in select * from merge_folds where merge_id = wanted order by id desc loop
        perform unfold_songs(fold);
    end loop;
    update show_identities i set songs = array(select jsonb_array_elements_text(r.was -> 'songs')::bigint)
      from merge_rows r
     where r.merge_id = wanted and r.relation = 'show_identities' and i.show_id = r.row_id
       and i.service = (r.was ->> 'service')::sync_service and i.external_id = r.was ->> 'external_id'
       and to_jsonb(i.songs) = r.was -> 'after';
    update show_predictions p set songs = array(select jsonb_array_elements_text(r.was -> 'songs')::bigint)
      from merge_rows r
     where r.merge_id = wanted and r.relation = 'show_predictions' and p.show_id = r.row_id
       and to_jsonb(p.songs) = r.was -> 'after';
end $$;

CREATE FUNCTION undo_merge_of_venues(wanted bigint, survivor bigint, wanted_duplicate bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    insert into venues (id, slug, name, city, region, country, latitude, longitude, time_zone, capacity, origin, created_at)
    overriding system value
    select d.id, d.slug, d.name, d.city, d.region, d.country, d.latitude, d.longitude, d.time_zone, d.capacity, d.origin, d.created_at
      from merges m, jsonb_populate_record(null::venues, m.duplicate) d where m.id = wanted;
    update shows w set venue_id = wanted_duplicate
      from merge_rows r where r.merge_id = wanted and r.relation = 'shows_of_venue' and w.id = r.row_id and w.venue_id = survivor;
    update venue_identities i set venue_id = wanted_duplicate
      from merge_rows r
     where r.merge_id = wanted and r.relation = 'venue_identities' and i.venue_id = survivor
       and i.service = (r.was ->> 'service')::sync_service and i.external_id = r.was ->> 'external_id';
    update venue_reviews v set venue_id = wanted_duplicate
      from merge_rows r
     where r.merge_id = wanted and r.relation = 'review' and v.id = r.row_id
       and v.updated_at = (r.was ->> 'updated_at')::timestamptz;
    insert into venue_reviews overriding system value
    select (jsonb_populate_record(null::venue_reviews, r.was)).*
      from merge_rows r where r.merge_id = wanted and r.relation = 'review_gone'
        on conflict do nothing;
end $$;

CREATE FUNCTION unfold_songs(fold public.merge_folds) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
    wanted_set bigint := (fold.gone ->> 'setlist_id')::bigint;
    place integer;
    fans bigint[];
begin
    if not exists (select from setlists where id = wanted_set and show_id = fold.show_id) then
        return;
    end if;
    select least((fold.gone ->> 'position')::integer, count(*) + 1) into place from setlist_songs where setlist_id = wanted_set;
    update setlist_songs set position = position + 1 where setlist_id = wanted_set and position >= place;
    insert into setlist_songs overriding system value
    select (jsonb_populate_record(null::setlist_songs, fold.gone || jsonb_build_object('position', place))).*;
    select coalesce(array_agg(m.user_id), '{}') into fans
      from merge_votes m
      join shows w on w.id = fold.show_id
      join votes v on v.setlist_song_id = fold.kept_id and v.user_id = m.user_id
       and (v.choice, v.cast_at) = (case when m.kept_cast_at >= m.cast_at then m.kept_choice else m.choice end,
                                    greatest(m.kept_cast_at, m.cast_at))
     where m.fold_id = fold.id
       and (w.votes_per_user_max is null or m.kept_choice is null
            or (select count(*) from votes o where o.user_id = m.user_id and o.show_id = fold.show_id) < w.votes_per_user_max);
    delete from votes v using merge_votes m
     where v.setlist_song_id = fold.kept_id and v.user_id = any(fans)
       and m.fold_id = fold.id and m.user_id = v.user_id and m.kept_choice is null;
    update votes v set choice = m.kept_choice, cast_at = m.kept_cast_at
      from merge_votes m
     where v.setlist_song_id = fold.kept_id and v.user_id = any(fans)
       and m.fold_id = fold.id and m.user_id = v.user_id and m.kept_choice is not null;
    insert into votes (setlist_song_id, user_id, show_id, choice, cast_at)
    select fold.gone_id, user_id, fold.show_id, choice, cast_at
      from merge_votes where fold_id = fold.id and user_id = any(fans) order by user_id;
    update setlist_songs set played_at = fold.kept_played_at
     where id = fold.kept_id and played_at is not distinct from fold.played_at and played_at is distinct from fold.kept_played_at;
    perform move_history(fold.show_id, fold.kept_id, fold.gone_id, fold.history);
    perform balance_history(fold.show_id, array[fold.kept_id, fold.gone_id]);
end $$;

CREATE FUNCTION update_trending_scores() RETURNS integer
    LANGUAGE plpgsql
    AS $$
declare
    scored_count integer;
begin
    perform from log_positions order by shard for update;
    perform recount_heat((select array_agg(id) from shows));
    perform rank_artists();
    select count(*) into scored_count from show_trending;
    return scored_count;
end $$;

CREATE FUNCTION use_api_key(hash bytea) RETURNS TABLE(user_id bigint, role public.user_role)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    update api_keys k
       set last_used_at = now()
     where k.key_hash = hash and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
       and (k.last_used_at is null or k.last_used_at < now() - interval '1 minute');
    select k.user_id, least(k.role, u.role)
      from api_keys k
      join users u on u.id = k.user_id
     where k.key_hash = hash and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
$$;

REVOKE ALL ON FUNCTION adopt_token(new_device text, token_until timestamp with time zone, is_fan boolean, ttl interval) FROM PUBLIC;
GRANT ALL ON FUNCTION public.adopt_token(new_device text, token_until timestamp with time zone, is_fan boolean, ttl interval) TO mysetlist_request;

REVOKE ALL ON FUNCTION apply_decisions(group_ids bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION public.apply_decisions(group_ids bigint[]) TO mysetlist_writer;

REVOKE ALL ON FUNCTION ask_for_export(kept interval, waiting_max integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.ask_for_export(kept interval, waiting_max integer) TO mysetlist_request;

REVOKE ALL ON FUNCTION audit_about_text(entry public.audit_log) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit_entry_text(entry public.audit_log) FROM PUBLIC;

REVOKE ALL ON FUNCTION awake_devices(wanted public.webpush_kind, instant timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION balance_history(wanted_show bigint, songs bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION casts_set_aside(show_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION chain_acts(most integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION count_votes(most integer, as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION crew_standings(wanted_code text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.crew_standings(wanted_code text) TO mysetlist_request;

REVOKE ALL ON FUNCTION decision_on_suggestion(wanted_show bigint, wanted_title text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.decision_on_suggestion(wanted_show bigint, wanted_title text) TO mysetlist_request;

REVOKE ALL ON FUNCTION drop_unfinished_index(unfinished text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.drop_unfinished_index(unfinished text) TO mysetlist_writer;

REVOKE ALL ON FUNCTION ensure_vote_analytics_partitions(first date, last date) FROM PUBLIC;
GRANT ALL ON FUNCTION public.ensure_vote_analytics_partitions(first date, last date) TO mysetlist_writer;

REVOKE ALL ON FUNCTION erase_history(wanted bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.erase_history(wanted bigint) TO mysetlist_request;

REVOKE ALL ON FUNCTION erase_user(wanted bigint, history_since timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION public.erase_user(wanted bigint, history_since timestamp with time zone) TO mysetlist_request;

REVOKE ALL ON FUNCTION fans_of_show(wanted bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION fans_to_tell(wanted_show bigint, wanted_change text) FROM PUBLIC;

REVOKE ALL ON FUNCTION find_people(words text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.find_people(words text) TO mysetlist_request;

REVOKE ALL ON FUNCTION find_people_by_address(wanted text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.find_people_by_address(wanted text) TO mysetlist_request;

REVOKE ALL ON FUNCTION fold_songs(wanted_merge bigint, wanted_show bigint, wanted_gone bigint, wanted_kept bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION folds_of_songs(wanted_gone bigint, wanted_kept bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION give_ticket(wanted_show bigint, earned public.ticket_source, new_hash bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION public.give_ticket(wanted_show bigint, earned public.ticket_source, new_hash bytea) TO mysetlist_request;

REVOKE ALL ON FUNCTION join_crew(wanted_code text, members_max integer, crews_max integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.join_crew(wanted_code text, members_max integer, crews_max integer) TO mysetlist_request;

REVOKE ALL ON FUNCTION keep_removed_song() FROM PUBLIC;

REVOKE ALL ON FUNCTION last_vote_at(wanted bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.last_vote_at(wanted bigint) TO mysetlist_request;

REVOKE ALL ON FUNCTION leave_crew(wanted_code text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.leave_crew(wanted_code text) TO mysetlist_request;

REVOKE ALL ON FUNCTION leave_queue(review bigint, profile bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.leave_queue(review bigint, profile bigint) TO mysetlist_request;

REVOKE ALL ON FUNCTION ledger_hashes(wanted bigint, wanted_level integer, first_number bigint, end_number bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.ledger_hashes(wanted bigint, wanted_level integer, first_number bigint, end_number bigint) TO mysetlist_request;

REVOKE ALL ON FUNCTION ledger_leaves(entries bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger_log(wanted bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.ledger_log(wanted bigint) TO mysetlist_request;

REVOKE ALL ON FUNCTION ledger_name(fan public.ledger_secrets, wanted bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger_opened(wanted bigint, first_number bigint, end_number bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.ledger_opened(wanted bigint, first_number bigint, end_number bigint) TO mysetlist_request;

REVOKE ALL ON FUNCTION ledger_own(wanted bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.ledger_own(wanted bigint) TO mysetlist_request;

REVOKE ALL ON FUNCTION ledger_own_names() FROM PUBLIC;
GRANT ALL ON FUNCTION public.ledger_own_names() TO mysetlist_request;

REVOKE ALL ON FUNCTION ledger_shows(fan public.ledger_secrets) FROM PUBLIC;

REVOKE ALL ON FUNCTION lock_show(wanted bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.lock_show(wanted bigint) TO mysetlist_request;

REVOKE ALL ON FUNCTION make_code(new_hash bytea, ttl interval) FROM PUBLIC;
GRANT ALL ON FUNCTION public.make_code(new_hash bytea, ttl interval) TO mysetlist_request;

REVOKE ALL ON FUNCTION make_crew(wanted_code text, wanted_name text, crews_max integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.make_crew(wanted_code text, wanted_name text, crews_max integer) TO mysetlist_request;

REVOKE ALL ON FUNCTION merge_artists(wanted_merge bigint, survivor bigint, duplicate bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION merge_entries(wanted_kind text, survivor bigint, duplicate bigint, actor bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION merge_song(wanted_merge bigint, gone bigint, kept bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION merge_songs(wanted_merge bigint, wanted_kind text, survivor bigint, duplicate bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION merge_venues(wanted_merge bigint, survivor bigint, duplicate bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION merged_into(wanted_kind text, old_id bigint, old_slug text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.merged_into(wanted_kind text, old_id bigint, old_slug text) TO mysetlist_request;

REVOKE ALL ON FUNCTION merged_songs(song_ids bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION public.merged_songs(song_ids bigint[]) TO mysetlist_writer;

REVOKE ALL ON FUNCTION most_accurate_voters(wanted public.statistics_scope, wanted_id bigint, most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.most_accurate_voters(wanted public.statistics_scope, wanted_id bigint, most integer) TO mysetlist_request;

REVOKE ALL ON FUNCTION move_history(wanted_show bigint, wanted_from bigint, wanted_to bigint, rows bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION move_review_counts(venue_ids bigint[], counts bigint[], ratings bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION note_due_voting(since timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION note_show_news() FROM PUBLIC;

REVOKE ALL ON FUNCTION note_voting(show_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION note_voting_of_changed() FROM PUBLIC;

REVOKE ALL ON FUNCTION note_voting_of_new() FROM PUBLIC;

REVOKE ALL ON FUNCTION open_code(given_hash bytea, new_device text, ttl interval) FROM PUBLIC;
GRANT ALL ON FUNCTION public.open_code(given_hash bytea, new_device text, ttl interval) TO mysetlist_request;

REVOKE ALL ON FUNCTION open_link(wanted bigint, new_device text, ttl interval) FROM PUBLIC;
GRANT ALL ON FUNCTION public.open_link(wanted bigint, new_device text, ttl interval) TO mysetlist_request;

REVOKE ALL ON FUNCTION public_names(user_ids bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION public.public_names(user_ids bigint[]) TO mysetlist_writer;

REVOKE ALL ON FUNCTION put_show_standings(wanted bigint, user_ids bigint[], points bigint[], ranks bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION queue_webhook_events(event public.webhook_event, show_ids bigint[], detail jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION recount_artist_songs(changed_song_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION recount_scope(wanted public.statistics_scope, wanted_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION recount_standings(wanted public.board_kind, wanted_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION recount_statistics() FROM PUBLIC;

REVOKE ALL ON FUNCTION recount_voters(wanted public.statistics_scope, wanted_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION redeem_ticket(wanted_show bigint, wanted_hash bytea, unkeyed_hash bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION public.redeem_ticket(wanted_show bigint, wanted_hash bytea, unkeyed_hash bytea) TO mysetlist_request;

REVOKE ALL ON FUNCTION refresh_best_voters() FROM PUBLIC;

REVOKE ALL ON FUNCTION refresh_show_words(show_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION refuse_other_eraser(wanted bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION rename_history(wanted bigint, cast_since timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION rename_listed_songs(wanted_merge bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION renew_session(wanted bigint, ttl interval) FROM PUBLIC;
GRANT ALL ON FUNCTION public.renew_session(wanted bigint, ttl interval) TO mysetlist_request;

REVOKE ALL ON FUNCTION repair_counts() FROM PUBLIC;

REVOKE ALL ON FUNCTION require_ticket(wanted_show bigint, is_required boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION public.require_ticket(wanted_show bigint, is_required boolean) TO mysetlist_request;

REVOKE ALL ON FUNCTION restore_song(wanted bigint, wanted_show bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION score_show(wanted bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION set_group_rule(wanted_show bigint, is_automatic boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION public.set_group_rule(wanted_show bigint, is_automatic boolean) TO mysetlist_request;

REVOKE ALL ON FUNCTION set_ticket_source(wanted_show bigint, source public.ticket_source) FROM PUBLIC;
GRANT ALL ON FUNCTION public.set_ticket_source(wanted_show bigint, source public.ticket_source) TO mysetlist_request;

REVOKE ALL ON FUNCTION show_crew(wanted_code text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.show_crew(wanted_code text) TO mysetlist_request;

REVOKE ALL ON FUNCTION sign_in_as(wanted_issuer text, wanted_subject text, ttl interval) FROM PUBLIC;
GRANT ALL ON FUNCTION public.sign_in_as(wanted_issuer text, wanted_subject text, ttl interval) TO mysetlist_request;

REVOKE ALL ON FUNCTION sign_up(new_device text, new_address_hash bytea, ttl interval, new_agent_hash bytea, new_subnet_hash bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION public.sign_up(new_device text, new_address_hash bytea, ttl interval, new_agent_hash bytea, new_subnet_hash bytea) TO mysetlist_request;

REVOKE ALL ON FUNCTION songs_of_merge(wanted_kind text, survivor bigint, duplicate bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION tell_of_groups() FROM PUBLIC;

REVOKE ALL ON FUNCTION undo_merge(wanted bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION undo_merge_of_artists(wanted bigint, survivor bigint, wanted_duplicate bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION undo_merge_of_songs(wanted bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION undo_merge_of_venues(wanted bigint, survivor bigint, wanted_duplicate bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION unfold_songs(fold public.merge_folds) FROM PUBLIC;

REVOKE ALL ON FUNCTION use_api_key(hash bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION public.use_api_key(hash bytea) TO mysetlist_request;

-- ─────────────────────────────────────────────────────────────────────────────────────────────────────────── activity

CREATE TABLE activity (
    "position" bigint NOT NULL,
    previous bigint NOT NULL,
    kind activity_kind NOT NULL,
    show_id bigint,
    artist_id bigint,
    name text NOT NULL,
    detail text DEFAULT ''::text NOT NULL,
    count bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT activity_detail_check CHECK ((char_length(detail) <= 300)),
    CONSTRAINT activity_name_check CHECK ((char_length(name) <= 300))
);
COMMENT ON TABLE activity IS 'One event of the activity feed.';
COMMENT ON COLUMN activity."position" IS 'On the scale of log positions (ms << 10).';
COMMENT ON COLUMN activity.previous IS 'The position of the event before it.';
COMMENT ON COLUMN activity.name IS 'The name of the show or the artist at that time.';
COMMENT ON COLUMN activity.detail IS 'For a played song: its title.';
COMMENT ON COLUMN activity.count IS 'For votes and followers: the round number that was reached.';
ALTER TABLE ONLY activity ADD CONSTRAINT activity_pkey PRIMARY KEY ("position");
CREATE INDEX activity_artist_id_idx ON activity USING btree (artist_id);
CREATE INDEX activity_created_at_idx ON activity USING btree (created_at);
CREATE INDEX activity_show_id_idx ON activity USING btree (show_id);
ALTER TABLE ONLY activity ADD CONSTRAINT activity_artist_id_fkey FOREIGN KEY (artist_id) REFERENCES artists(id) ON DELETE CASCADE;
ALTER TABLE ONLY activity ADD CONSTRAINT activity_show_id_fkey FOREIGN KEY (show_id) REFERENCES shows(id) ON DELETE CASCADE;
GRANT SELECT ON TABLE activity TO mysetlist_request;
GRANT SELECT ON TABLE activity TO mysetlist_writer;

-- ───────────────────────────────────────────────────────────────────────────────────────────────────── activity_clock

CREATE TABLE activity_clock (
    id smallint DEFAULT 1 NOT NULL,
    "position" bigint DEFAULT 0 NOT NULL
);
COMMENT ON TABLE activity_clock IS 'One row: the position of the last event. A transaction that adds an event locks the row until its end, so that events become visible in the order of their positions. The row is the last in the lock order.';
ALTER TABLE ONLY activity_clock ADD CONSTRAINT activity_clock_pkey PRIMARY KEY (id);
GRANT SELECT ON TABLE activity_clock TO mysetlist_request;
GRANT SELECT ON TABLE activity_clock TO mysetlist_writer;

-- ────────────────────────────────────────────────────────────────────────────────────────────────────── acts_to_chain

CREATE TABLE acts_to_chain (
    entry_id bigint NOT NULL
);
COMMENT ON TABLE acts_to_chain IS 'A note that an entry of audit_log has no place in the chain yet; a chore gives it one within a second.';
ALTER TABLE ONLY acts_to_chain ADD CONSTRAINT acts_to_chain_pkey PRIMARY KEY (entry_id);
ALTER TABLE acts_to_chain ENABLE ROW LEVEL SECURITY;

-- ─────────────────────────────────────────────────────────────────────────────────────────────────────────── api_keys

CREATE TABLE api_keys (
    id bigint NOT NULL,
    name text NOT NULL,
    key_hash bytea NOT NULL,
    role user_role NOT NULL,
    user_id bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT api_keys_key_hash_check CHECK ((octet_length(key_hash) = 32)),
    CONSTRAINT api_keys_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 80)))
);
COMMENT ON TABLE api_keys IS 'A program''s key. Only its hash is kept; the key is shown once.';
COMMENT ON COLUMN api_keys.role IS 'The rights of the key; never more than those of its user.';
COMMENT ON COLUMN api_keys.user_id IS 'The account that made the key, and for which it acts.';
ALTER TABLE api_keys ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY api_keys ADD CONSTRAINT api_keys_hash_key UNIQUE (key_hash);
ALTER TABLE ONLY api_keys ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);
CREATE INDEX api_keys_user_id_idx ON api_keys USING btree (user_id);
ALTER TABLE ONLY api_keys ADD CONSTRAINT api_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY api_keys_admin ON api_keys TO mysetlist_request USING (( SELECT app_is_admin() AS app_is_admin)) WITH CHECK (( SELECT app_is_admin() AS app_is_admin));
CREATE POLICY api_keys_own ON api_keys AS RESTRICTIVE FOR INSERT TO mysetlist_request WITH CHECK ((user_id = ( SELECT app_user_id() AS app_user_id)));
CREATE POLICY api_keys_read_own ON api_keys FOR SELECT TO mysetlist_request USING ((user_id = ( SELECT app_user_id() AS app_user_id)));
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE api_keys TO mysetlist_request;

-- ────────────────────────────────────────────────────────────────────────────────────────────────── artist_identities

CREATE TABLE artist_identities (
    service sync_service NOT NULL,
    external_id text NOT NULL,
    artist_id bigint NOT NULL,
    url text DEFAULT ''::text NOT NULL,
    confidence real NOT NULL,
    evidence text NOT NULL,
    lacks_details boolean DEFAULT false NOT NULL,
    checked_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT artist_identities_confidence_check CHECK (((confidence >= (0)::double precision) AND (confidence <= (1)::double precision))),
    CONSTRAINT artist_identities_evidence_check CHECK (((char_length(evidence) >= 1) AND (char_length(evidence) <= 300))),
    CONSTRAINT artist_identities_external_id_check CHECK (((char_length(external_id) >= 1) AND (char_length(external_id) <= 80))),
    CONSTRAINT artist_identities_service_check CHECK ((service <> 'file'::sync_service)),
    CONSTRAINT artist_identities_url_check CHECK ((char_length(url) <= 500))
);
COMMENT ON TABLE artist_identities IS 'The id of an artist at another service, how sure the match is, and why. Several ids of one service may be one artist.';
COMMENT ON COLUMN artist_identities.url IS 'The page to link to.';
COMMENT ON COLUMN artist_identities.lacks_details IS 'A job still has to fetch name, country and genre from this service. It asks for many artists at once.';
ALTER TABLE ONLY artist_identities ADD CONSTRAINT artist_identities_pkey PRIMARY KEY (service, external_id);
CREATE INDEX artist_identities_artist_id_idx ON artist_identities USING btree (artist_id);
CREATE INDEX artist_identities_lacks_details_idx ON artist_identities USING btree (external_id) WHERE lacks_details;
CREATE TRIGGER artist_identities_tell AFTER INSERT OR DELETE ON artist_identities FOR EACH ROW EXECUTE FUNCTION tell_of_artist_link();
CREATE TRIGGER artist_identities_tell_changed AFTER UPDATE ON artist_identities FOR EACH ROW WHEN (((old.artist_id IS DISTINCT FROM new.artist_id) OR (old.url IS DISTINCT FROM new.url))) EXECUTE FUNCTION tell_of_artist_link();
ALTER TABLE ONLY artist_identities ADD CONSTRAINT artist_identities_artist_id_fkey FOREIGN KEY (artist_id) REFERENCES artists(id) ON DELETE CASCADE;
GRANT SELECT ON TABLE artist_identities TO mysetlist_request;
GRANT SELECT ON TABLE artist_identities TO mysetlist_writer;

-- ─────────────────────────────────────────────────────────────────────────────────────────────────────── artist_songs

CREATE TABLE artist_songs (
    artist_id bigint NOT NULL,
    song_id bigint NOT NULL,
    predicted_count integer DEFAULT 0 NOT NULL,
    played_count integer DEFAULT 0 NOT NULL,
    last_played_on date,
    CONSTRAINT artist_songs_played_count_check CHECK ((played_count >= 0)),
    CONSTRAINT artist_songs_predicted_count_check CHECK ((predicted_count >= 0))
)
WITH (fillfactor='80');
COMMENT ON TABLE artist_songs IS 'How often the sets of an artist held a song, predicted and played. A cover counts for the artist who plays it.';
ALTER TABLE ONLY artist_songs ADD CONSTRAINT artist_songs_pkey PRIMARY KEY (artist_id, song_id);
CREATE INDEX artist_songs_song_id_idx ON artist_songs USING btree (song_id);
ALTER TABLE ONLY artist_songs ADD CONSTRAINT artist_songs_artist_id_fkey FOREIGN KEY (artist_id) REFERENCES artists(id) ON DELETE CASCADE;
ALTER TABLE ONLY artist_songs ADD CONSTRAINT artist_songs_song_id_fkey FOREIGN KEY (song_id) REFERENCES songs(id) ON DELETE CASCADE;
GRANT SELECT ON TABLE artist_songs TO mysetlist_request;
GRANT SELECT ON TABLE artist_songs TO mysetlist_writer;

-- ─────────────────────────────────────────────────────────────────────────────────────────────────────── artist_stats

CREATE TABLE artist_stats (
    artist_id bigint NOT NULL,
    follower_count bigint DEFAULT 0 NOT NULL,
    show_count bigint DEFAULT 0 NOT NULL,
    heat double precision,
    CONSTRAINT artist_stats_follower_count_check CHECK ((follower_count >= 0)),
    CONSTRAINT artist_stats_show_count_check CHECK ((show_count >= 0))
)
WITH (fillfactor='70');
COMMENT ON TABLE artist_stats IS 'The counts of one artist. The row is created with the artist.';
COMMENT ON COLUMN artist_stats.heat IS 'As show_trending.heat, over the upcoming and live shows; artists_to_rank names the artists for whom it is behind. Null: no votes.';
ALTER TABLE ONLY artist_stats ADD CONSTRAINT artist_stats_pkey PRIMARY KEY (artist_id);
CREATE INDEX artist_stats_heat_idx ON artist_stats USING btree (heat DESC, artist_id) WHERE (heat IS NOT NULL);
CREATE CONSTRAINT TRIGGER artist_stats_tell AFTER UPDATE ON artist_stats DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((new.follower_count > old.follower_count) AND (new.follower_count >= 10) AND (round_number(new.follower_count) > round_number(old.follower_count)))) EXECUTE FUNCTION tell_of_followers();
ALTER TABLE ONLY artist_stats ADD CONSTRAINT artist_stats_artist_id_fkey FOREIGN KEY (artist_id) REFERENCES artists(id) ON DELETE CASCADE;
GRANT SELECT ON TABLE artist_stats TO mysetlist_request;
GRANT SELECT ON TABLE artist_stats TO mysetlist_writer;

-- ──────────────────────────────────────────────────────────────────────────────────────────────────────────── artists

CREATE TABLE artists (
    id bigint NOT NULL,
    slug text NOT NULL,
    name text NOT NULL,
    genre text DEFAULT ''::text NOT NULL,
    country text DEFAULT ''::text NOT NULL,
    folded text GENERATED ALWAYS AS (fold(name)) STORED NOT NULL,
    search tsvector GENERATED ALWAYS AS (words_of(name)) STORED,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT artists_country_check CHECK (((country = ''::text) OR (country ~ '^[A-Z]{2}$'::text))),
    CONSTRAINT artists_genre_check CHECK ((char_length(genre) <= 80)),
    CONSTRAINT artists_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 200))),
    CONSTRAINT artists_slug_format CHECK ((slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'::text))
);
ALTER TABLE ONLY artists ALTER COLUMN folded SET STATISTICS 10;
COMMENT ON TABLE artists IS 'One artist or band.';
COMMENT ON COLUMN artists.folded IS 'The folded name, for a search with typing mistakes. Stored, because fold() is never inlined and costs a call for each row.';
ALTER TABLE artists ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY artists ADD CONSTRAINT artists_pkey PRIMARY KEY (id);
ALTER TABLE ONLY artists ADD CONSTRAINT artists_slug_key UNIQUE (slug);
CREATE INDEX artists_folded_idx ON artists USING hash (folded);
CREATE INDEX artists_search_idx ON artists USING gin (search) WITH (fastupdate=off);
CREATE INDEX artists_similar_idx ON artists USING gin (folded gin_trgm_ops) WITH (fastupdate=off);
CREATE TRIGGER artists_default_names AFTER UPDATE OF name ON artists FOR EACH ROW WHEN ((old.name IS DISTINCT FROM new.name)) EXECUTE FUNCTION rename_shows_of_artist();
CREATE TRIGGER artists_stats AFTER INSERT ON artists REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION begin_artist_stats();
CREATE TRIGGER artists_touch BEFORE UPDATE ON artists FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER artists_words AFTER UPDATE OF name ON artists FOR EACH ROW WHEN ((old.name IS DISTINCT FROM new.name)) EXECUTE FUNCTION refresh_words_of_artist();
GRANT SELECT ON TABLE artists TO mysetlist_request;
GRANT SELECT ON TABLE artists TO mysetlist_writer;

-- ──────────────────────────────────────────────────────────────────────────────────────────────────── artists_to_rank

CREATE TABLE artists_to_rank (
    id bigint NOT NULL,
    artist_id bigint NOT NULL
);
COMMENT ON TABLE artists_to_rank IS 'Artists whose heat is behind that of their shows. A change adds a row and never waits for a lock; a chore adds up their shows and deletes the rows that it has seen. Readers add up the shows of the artists that still wait.';
COMMENT ON COLUMN artists_to_rank.artist_id IS 'Without a foreign key: an artist may be deleted while it waits.';
ALTER TABLE artists_to_rank ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY artists_to_rank ADD CONSTRAINT artists_to_rank_pkey PRIMARY KEY (id);
GRANT SELECT ON TABLE artists_to_rank TO mysetlist_request;
GRANT SELECT,INSERT ON TABLE artists_to_rank TO mysetlist_writer;

-- ──────────────────────────────────────────────────────────────────────────────────────────────────────── audit_chain

CREATE TABLE audit_chain (
    "position" bigint NOT NULL,
    entry_id bigint NOT NULL,
    about_hash bytea NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT audit_chain_about_hash_check CHECK ((octet_length(about_hash) = 32)),
    CONSTRAINT audit_chain_hash_check CHECK ((octet_length(hash) = 32)),
    CONSTRAINT audit_chain_position_check CHECK (("position" > 0))
);
COMMENT ON TABLE audit_chain IS 'One entry of audit_log in the order in which entries became known; append-only. No foreign key: it shows which entry is missing.';
COMMENT ON COLUMN audit_chain.about_hash IS 'SHA-256 of subject, detail and salt. It stays when an erasure takes them out of the entry.';
COMMENT ON COLUMN audit_chain.hash IS 'SHA-256 of the hash before it, about_hash, and the rest of the entry.';
ALTER TABLE ONLY audit_chain ADD CONSTRAINT audit_chain_entry_id_key UNIQUE (entry_id);
ALTER TABLE ONLY audit_chain ADD CONSTRAINT audit_chain_pkey PRIMARY KEY ("position");
CREATE TRIGGER audit_chain_append_only BEFORE DELETE OR UPDATE ON audit_chain FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_chain_not_emptied BEFORE TRUNCATE ON audit_chain FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE audit_chain ENABLE ROW LEVEL SECURITY;

-- ────────────────────────────────────────────────────────────────────────────────────────────────────────── audit_log

CREATE TABLE audit_log (
    id bigint NOT NULL,
    actor_id bigint,
    action text NOT NULL,
    subject text DEFAULT ''::text NOT NULL,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    salt uuid DEFAULT gen_random_uuid(),
    CONSTRAINT audit_log_action_check CHECK ((action ~ '^[a-z_-]+\.[a-z_-]+$'::text)),
    CONSTRAINT audit_log_subject_check CHECK ((char_length(subject) <= 200))
);
COMMENT ON TABLE audit_log IS 'Every action that needs the rights of staff, for ever: append-only. The erasure of a user takes out what was done to them.';
COMMENT ON COLUMN audit_log.actor_id IS 'The account that acted; it stays when the account is erased. Null: nobody was signed in, and detail says who acted.';
COMMENT ON COLUMN audit_log.salt IS 'Random; hashed with subject and detail, so that nobody finds out by trying what an erased entry was about. Null: erased.';
ALTER TABLE audit_log ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY audit_log ADD CONSTRAINT audit_log_pkey PRIMARY KEY (id);
CREATE INDEX audit_log_actor_idx ON audit_log USING btree (actor_id) WHERE (actor_id IS NOT NULL);
CREATE INDEX audit_log_subject_idx ON audit_log USING btree (subject);
CREATE TRIGGER audit_log_append_only BEFORE DELETE OR UPDATE ON audit_log FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_log_erased BEFORE UPDATE ON audit_log FOR EACH ROW EXECUTE FUNCTION forget_salt();
CREATE TRIGGER audit_log_not_emptied BEFORE TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_log_to_chain AFTER INSERT ON audit_log REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION note_acts_to_chain();
ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY;
CREATE POLICY audit_log_read ON audit_log FOR SELECT TO mysetlist_request USING ((( SELECT app_is_admin() AS app_is_admin) OR (actor_id = ( SELECT app_user_id() AS app_user_id))));
CREATE POLICY audit_log_write ON audit_log FOR INSERT TO mysetlist_request WITH CHECK ((( SELECT app_is_staff() AS app_is_staff) AND (actor_id = ( SELECT app_user_id() AS app_user_id))));
GRANT SELECT,INSERT ON TABLE audit_log TO mysetlist_request;

-- ──────────────────────────────────────────────────────────────────────────────────────────────────────────── backups

CREATE TABLE backups (
    id bigint NOT NULL,
    made_at timestamp with time zone DEFAULT now() NOT NULL,
    file_name text NOT NULL,
    size_bytes bigint NOT NULL,
    host text NOT NULL,
    CONSTRAINT backups_file_name_check CHECK (((char_length(file_name) >= 1) AND (char_length(file_name) <= 255))),
    CONSTRAINT backups_host_check CHECK (((char_length(host) >= 1) AND (char_length(host) <= 255))),
    CONSTRAINT backups_size_bytes_check CHECK ((size_bytes >= 0))
);
COMMENT ON TABLE backups IS 'A file that `mysetlist backup` wrote. A restored database has those that were noted before its own file was made.';
COMMENT ON COLUMN backups.made_at IS 'When the file was complete. It holds the database as of a moment before.';
COMMENT ON COLUMN backups.file_name IS 'Without its folder.';
ALTER TABLE backups ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY backups ADD CONSTRAINT backups_pkey PRIMARY KEY (id);
CREATE INDEX backups_made_at_idx ON backups USING btree (made_at);
ALTER TABLE backups ENABLE ROW LEVEL SECURITY;

-- ──────────────────────────────────────────────────────────────────────────────────────────────────────── best_voters

CREATE TABLE best_voters (
    user_id bigint NOT NULL,
    show_count integer NOT NULL,
    hits bigint NOT NULL,
    accuracy double precision NOT NULL,
    CONSTRAINT best_voters_accuracy_check CHECK (((accuracy >= (0)::double precision) AND (accuracy <= (1)::double precision))),
    CONSTRAINT best_voters_hits_check CHECK ((hits > 0)),
    CONSTRAINT best_voters_show_count_check CHECK ((show_count >= 3))
);
COMMENT ON TABLE best_voters IS 'The hundred fans who predicted best, of those with three shows. A chore refreshes it.';
COMMENT ON COLUMN best_voters.accuracy IS 'R-precision over all their shows, with ten songs that were missed: who predicted few songs does not lead.';
ALTER TABLE ONLY best_voters ADD CONSTRAINT best_voters_pkey PRIMARY KEY (user_id);
ALTER TABLE ONLY best_voters ADD CONSTRAINT best_voters_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE best_voters ENABLE ROW LEVEL SECURITY;

-- ──────────────────────────────────────────────────────────────────────────────────────────────────── boards_to_count

CREATE TABLE boards_to_count (
    id bigint NOT NULL,
    board board_kind NOT NULL,
    subject_id bigint NOT NULL
);
COMMENT ON TABLE boards_to_count IS 'A note to count a leaderboard again: one row for each reason. A change adds a row and never waits; counting deletes the rows that it has seen.';
ALTER TABLE boards_to_count ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY boards_to_count ADD CONSTRAINT boards_to_count_pkey PRIMARY KEY (id);
CREATE INDEX boards_to_count_board_idx ON boards_to_count USING btree (board, subject_id);
ALTER TABLE boards_to_count ENABLE ROW LEVEL SECURITY;
CREATE POLICY boards_to_count_writer ON boards_to_count FOR SELECT TO mysetlist_writer USING (true);
GRANT SELECT ON TABLE boards_to_count TO mysetlist_writer;

-- ───────────────────────────────────────────────────────────────────────────────────────────────────────────── brands

CREATE TABLE brands (
    id bigint NOT NULL,
    host text NOT NULL,
    name text NOT NULL,
    artist_id bigint,
    venue_id bigint,
    colours jsonb DEFAULT '{}'::jsonb NOT NULL,
    logo bytea,
    logo_type text,
    revision bigint DEFAULT next_revision((0)::bigint) NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT brands_host_check CHECK (((char_length(host) <= 260) AND (host ~ '^[a-z0-9.-]+(:[0-9]+)?$'::text))),
    CONSTRAINT brands_logo CHECK (((logo IS NULL) = (logo_type IS NULL))),
    CONSTRAINT brands_logo_check CHECK ((octet_length(logo) <= 262144)),
    CONSTRAINT brands_logo_type_check CHECK ((logo_type = ANY (ARRAY['image/png'::text, 'image/jpeg'::text, 'image/webp'::text]))),
    CONSTRAINT brands_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 60)))
);
COMMENT ON TABLE brands IS 'The service under another name: whoever asks for this host sees its name, colours and logo, and its shows.';
COMMENT ON COLUMN brands.host IS 'As the header Host names it: small letters, and a port when it is not the usual one.';
COMMENT ON COLUMN brands.artist_id IS 'Its list has only shows of this artist, null: of all. Without a foreign key: after a merge the id leads to the survivor.';
COMMENT ON COLUMN brands.venue_id IS 'Its list has only shows at this venue. Without a foreign key, as artist_id.';
COMMENT ON COLUMN brands.colours IS 'The colours of each scheme, dark and light. A scheme that is missing has those of the service.';
ALTER TABLE brands ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY brands ADD CONSTRAINT brands_host_key UNIQUE (host);
ALTER TABLE ONLY brands ADD CONSTRAINT brands_pkey PRIMARY KEY (id);
GRANT SELECT ON TABLE brands TO mysetlist_request;

-- ───────────────────────────────────────────────────────────────────────────────────────────────────── calendar_feeds

CREATE TABLE calendar_feeds (
    user_id bigint NOT NULL,
    nonce uuid DEFAULT gen_random_uuid() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE calendar_feeds IS 'A fan has a calendar that programs may subscribe to. Without a row there is none.';
COMMENT ON COLUMN calendar_feeds.nonce IS 'The address follows from it and from the secret of the service, so this table alone opens no calendar. Renewed with the address.';
ALTER TABLE ONLY calendar_feeds ADD CONSTRAINT calendar_feeds_pkey PRIMARY KEY (user_id);
ALTER TABLE ONLY calendar_feeds ADD CONSTRAINT calendar_feeds_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE calendar_feeds ENABLE ROW LEVEL SECURITY;
CREATE POLICY calendar_feeds_own ON calendar_feeds TO mysetlist_request USING ((user_id = ( SELECT app_user_id() AS app_user_id))) WITH CHECK ((user_id = ( SELECT app_user_id() AS app_user_id)));
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE calendar_feeds TO mysetlist_request;

-- ──────────────────────────────────────────────────────────────────────────────────────────────────────── cast_orders

CREATE TABLE cast_orders (
    user_id bigint NOT NULL,
    show_id bigint NOT NULL,
    cast_order bigint NOT NULL,
    CONSTRAINT cast_orders_cast_order_check CHECK ((cast_order > 0))
)
WITH (fillfactor='70');
COMMENT ON TABLE cast_orders IS 'The greatest order among a fan''s casts in a show. A cast with a smaller one came too late. Deleted after the final result.';
ALTER TABLE ONLY cast_orders ADD CONSTRAINT cast_orders_pkey PRIMARY KEY (user_id, show_id);
ALTER TABLE ONLY cast_orders ADD CONSTRAINT cast_orders_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE cast_orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY cast_orders_read ON cast_orders FOR SELECT TO mysetlist_request USING (((user_id = ( SELECT app_user_id() AS app_user_id)) OR ( SELECT app_is_staff() AS app_is_staff)));
CREATE POLICY cast_orders_writer ON cast_orders TO mysetlist_writer USING (true) WITH CHECK (true);
GRANT SELECT,INSERT,UPDATE ON TABLE cast_orders TO mysetlist_writer;
GRANT SELECT ON TABLE cast_orders TO mysetlist_request;

-- ───────────────────────────────────────────────────────────────────────────────────────────────── content_moderation

CREATE TABLE content_moderation (
    id bigint NOT NULL,
    review_id bigint,
    profile_id bigint,
    status moderation_status DEFAULT 'pending'::moderation_status NOT NULL,
    priority priority_level DEFAULT 'normal'::priority_level NOT NULL,
    reasons text[] DEFAULT '{}'::text[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    decided_at timestamp with time zone,
    decided_by bigint,
    note text DEFAULT ''::text NOT NULL,
    CONSTRAINT content_moderation_decided CHECK (((status = 'pending'::moderation_status) = (decided_at IS NULL))),
    CONSTRAINT content_moderation_note_check CHECK ((char_length(note) <= 1000)),
    CONSTRAINT content_moderation_one_subject CHECK ((num_nonnulls(review_id, profile_id) = 1)),
    CONSTRAINT content_moderation_reasons_check CHECK ((cardinality(reasons) <= 20))
);
COMMENT ON TABLE content_moderation IS 'A text that was held back: it waits for a moderator, or was decided. An edit of the text deletes the waiting row.';
COMMENT ON COLUMN content_moderation.reasons IS 'The reasons why the text was held back.';
ALTER TABLE content_moderation ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY content_moderation ADD CONSTRAINT content_moderation_pkey PRIMARY KEY (id);
CREATE INDEX content_moderation_decided_by_idx ON content_moderation USING btree (decided_by) WHERE (decided_by IS NOT NULL);
CREATE INDEX content_moderation_of_profile_idx ON content_moderation USING btree (profile_id) WHERE (profile_id IS NOT NULL);
CREATE INDEX content_moderation_of_review_idx ON content_moderation USING btree (review_id) WHERE (review_id IS NOT NULL);
CREATE UNIQUE INDEX content_moderation_profile_idx ON content_moderation USING btree (profile_id) WHERE (status = 'pending'::moderation_status);
CREATE INDEX content_moderation_queue_idx ON content_moderation USING btree (priority DESC, created_at, id) WHERE (status = 'pending'::moderation_status);
CREATE UNIQUE INDEX content_moderation_review_idx ON content_moderation USING btree (review_id) WHERE (status = 'pending'::moderation_status);
ALTER TABLE ONLY content_moderation ADD CONSTRAINT content_moderation_decided_by_fkey FOREIGN KEY (decided_by) REFERENCES users(id) ON DELETE SET NULL;
ALTER TABLE ONLY content_moderation ADD CONSTRAINT content_moderation_profile_id_fkey FOREIGN KEY (profile_id) REFERENCES user_profiles(user_id) ON DELETE CASCADE;
ALTER TABLE ONLY content_moderation ADD CONSTRAINT content_moderation_review_id_fkey FOREIGN KEY (review_id) REFERENCES venue_reviews(id) ON DELETE CASCADE;
ALTER TABLE content_moderation ENABLE ROW LEVEL SECURITY;
CREATE POLICY content_moderation_decide ON content_moderation FOR UPDATE TO mysetlist_request USING (( SELECT app_is_staff() AS app_is_staff)) WITH CHECK (( SELECT app_is_staff() AS app_is_staff));
CREATE POLICY content_moderation_enter ON content_moderation FOR INSERT TO mysetlist_request WITH CHECK (((status = 'pending'::moderation_status) AND (( SELECT app_is_staff() AS app_is_staff) OR (profile_id = ( SELECT app_user_id() AS app_user_id)) OR (review_id IN ( SELECT r.id
   FROM venue_reviews r
  WHERE (r.user_id = ( SELECT app_user_id() AS app_user_id)))))));
CREATE POLICY content_moderation_own ON content_moderation FOR SELECT TO mysetlist_request USING (((profile_id = ( SELECT app_user_id() AS app_user_id)) OR (review_id IN ( SELECT r.id
   FROM venue_reviews r
  WHERE (r.user_id = ( SELECT app_user_id() AS app_user_id))))));
CREATE POLICY content_moderation_staff ON content_moderation FOR SELECT TO mysetlist_request USING (( SELECT app_is_staff() AS app_is_staff));
GRANT SELECT,INSERT,UPDATE ON TABLE content_moderation TO mysetlist_request;

-- ─────────────────────────────────────────────────────────────────────────────────────────────────────── crew_members

CREATE TABLE crew_members (
    crew_id bigint NOT NULL,
    user_id bigint NOT NULL,
    joined_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE crew_members IS 'A fan is in a crew.';
ALTER TABLE ONLY crew_members ADD CONSTRAINT crew_members_pkey PRIMARY KEY (crew_id, user_id);
CREATE INDEX crew_members_user_id_idx ON crew_members USING btree (user_id, joined_at DESC);
CREATE TRIGGER crew_members_drop_empty AFTER DELETE ON crew_members REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION drop_empty_crews();
ALTER TABLE ONLY crew_members ADD CONSTRAINT crew_members_crew_id_fkey FOREIGN KEY (crew_id) REFERENCES crews(id) ON DELETE CASCADE;
ALTER TABLE ONLY crew_members ADD CONSTRAINT crew_members_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE crew_members ENABLE ROW LEVEL SECURITY;
CREATE POLICY crew_members_own ON crew_members FOR SELECT TO mysetlist_request USING ((user_id = ( SELECT app_user_id() AS app_user_id)));
GRANT SELECT ON TABLE crew_members TO mysetlist_request;

-- ────────────────────────────────────────────────────────────────────────────────────────────────────────────── crews

CREATE TABLE crews (
    id bigint NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT crews_code_check CHECK ((code ~ '^[A-Za-z0-9_-]{16}$'::text)),
    CONSTRAINT crews_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 60)))
);
COMMENT ON TABLE crews IS 'Fans who compare their points among themselves. It is deleted with its last member.';
COMMENT ON COLUMN crews.code IS 'A part of the link by which fans join.';
ALTER TABLE crews ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY crews ADD CONSTRAINT crews_code_key UNIQUE (code);
ALTER TABLE ONLY crews ADD CONSTRAINT crews_pkey PRIMARY KEY (id);
ALTER TABLE crews ENABLE ROW LEVEL SECURITY;
CREATE POLICY crews_own ON crews FOR SELECT TO mysetlist_request USING ((EXISTS ( SELECT
   FROM crew_members m
  WHERE ((m.crew_id = crews.id) AND (m.user_id = ( SELECT app_user_id() AS app_user_id))))));
GRANT SELECT ON TABLE crews TO mysetlist_request;

-- ──────────────────────────────────────────────────────────────────────────────────────────────── database_operations

CREATE TABLE database_operations (
    id bigint NOT NULL,
    operation text NOT NULL,
    options jsonb DEFAULT '{}'::jsonb NOT NULL,
    status operation_status DEFAULT 'running'::operation_status NOT NULL,
    stage text DEFAULT ''::text NOT NULL,
    done bigint DEFAULT 0 NOT NULL,
    total bigint DEFAULT 0 NOT NULL,
    result jsonb DEFAULT '{}'::jsonb NOT NULL,
    error text DEFAULT ''::text NOT NULL,
    started_by bigint,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT database_operations_done_check CHECK ((done >= 0)),
    CONSTRAINT database_operations_error_check CHECK ((char_length(error) <= 1000)),
    CONSTRAINT database_operations_finished CHECK (((status = 'running'::operation_status) = (finished_at IS NULL))),
    CONSTRAINT database_operations_operation_check CHECK (((char_length(operation) >= 1) AND (char_length(operation) <= 40))),
    CONSTRAINT database_operations_stage_check CHECK ((char_length(stage) <= 200)),
    CONSTRAINT database_operations_total_check CHECK ((total >= 0))
);
COMMENT ON TABLE database_operations IS 'A long operation: vacuum, reindex, integrity check, clean-up, seed. One at a time, under an advisory lock.';
COMMENT ON COLUMN database_operations.status IS 'A running row without the advisory lock belongs to a node that died.';
ALTER TABLE database_operations ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY database_operations ADD CONSTRAINT database_operations_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX database_operations_one_idx ON database_operations USING btree ((true)) WHERE (status = 'running'::operation_status);
CREATE INDEX database_operations_started_by_idx ON database_operations USING btree (started_by) WHERE (started_by IS NOT NULL);
ALTER TABLE ONLY database_operations ADD CONSTRAINT database_operations_started_by_fkey FOREIGN KEY (started_by) REFERENCES users(id) ON DELETE SET NULL;
ALTER TABLE database_operations ENABLE ROW LEVEL SECURITY;
CREATE POLICY database_operations_admin ON database_operations FOR SELECT TO mysetlist_request USING (( SELECT app_is_admin() AS app_is_admin));
GRANT SELECT ON TABLE database_operations TO mysetlist_request;

-- ────────────────────────────────────────────────────────────────────────────────────────────────────────── email_log

CREATE TABLE email_log (
    id bigint NOT NULL,
    queue_id bigint NOT NULL,
    user_id bigint NOT NULL,
    kind email_kind NOT NULL,
    status email_status NOT NULL,
    detail text DEFAULT ''::text NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT email_log_detail_check CHECK ((char_length(detail) <= 500))
);
COMMENT ON TABLE email_log IS 'The outcome of one attempt to send a message.';
COMMENT ON COLUMN email_log.detail IS 'The answer of the other mail server.';
ALTER TABLE email_log ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY email_log ADD CONSTRAINT email_log_pkey PRIMARY KEY (id);
CREATE INDEX email_log_at_idx ON email_log USING btree (at);
CREATE INDEX email_log_user_id_idx ON email_log USING btree (user_id, id);
ALTER TABLE ONLY email_log ADD CONSTRAINT email_log_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE email_log ENABLE ROW LEVEL SECURITY;
CREATE POLICY email_log_own ON email_log FOR SELECT TO mysetlist_request USING ((user_id = ( SELECT app_user_id() AS app_user_id)));
GRANT SELECT ON TABLE email_log TO mysetlist_request;

-- ────────────────────────────────────────────────────────────────────────────────────────────────── email_preferences

CREATE TABLE email_preferences (
    user_id bigint NOT NULL,
    address text NOT NULL,
    confirmed_at timestamp with time zone,
    frequency email_frequency DEFAULT 'immediately'::email_frequency NOT NULL,
    kinds email_kind[] DEFAULT '{show_announced,show_reminder,show_result}'::email_kind[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    host text DEFAULT ''::text NOT NULL,
    CONSTRAINT email_preferences_address_check CHECK ((((char_length(address) >= 3) AND (char_length(address) <= 254)) AND (address ~~ '_%@_%'::text))),
    CONSTRAINT email_preferences_host_check CHECK ((char_length(host) <= 260)),
    CONSTRAINT email_preferences_kinds_check CHECK ((cardinality(kinds) <= 10))
);
COMMENT ON TABLE email_preferences IS 'The address, the frequency and the kinds of mail that an account wants.';
COMMENT ON COLUMN email_preferences.confirmed_at IS 'Null: this address gets only the mail that asks for its confirmation.';
COMMENT ON COLUMN email_preferences.host IS 'The host of the brand where the address was saved; empty: of the service itself. Without a foreign key: when the brand is gone, emails come in the name of the service.';
ALTER TABLE ONLY email_preferences ADD CONSTRAINT email_preferences_pkey PRIMARY KEY (user_id);
CREATE INDEX email_preferences_address_idx ON email_preferences USING btree (lower(address));
CREATE TRIGGER email_preferences_touch BEFORE UPDATE ON email_preferences FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
ALTER TABLE ONLY email_preferences ADD CONSTRAINT email_preferences_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE email_preferences ENABLE ROW LEVEL SECURITY;
CREATE POLICY email_preferences_own ON email_preferences TO mysetlist_request USING ((user_id = ( SELECT app_user_id() AS app_user_id))) WITH CHECK ((user_id = ( SELECT app_user_id() AS app_user_id)));
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE email_preferences TO mysetlist_request;

-- ──────────────────────────────────────────────────────────────────────────────────────────────────────── email_queue

CREATE TABLE email_queue (
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    kind email_kind NOT NULL,
    about text NOT NULL,
    priority priority_level DEFAULT 'normal'::priority_level NOT NULL,
    status email_status DEFAULT 'queued'::email_status NOT NULL,
    attempts smallint DEFAULT 0 NOT NULL,
    not_before timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT email_queue_about_check CHECK (((char_length(about) >= 1) AND (char_length(about) <= 200))),
    CONSTRAINT email_queue_attempts_check CHECK ((attempts >= 0))
);
COMMENT ON TABLE email_queue IS 'One message to be sent.';
COMMENT ON COLUMN email_queue.about IS 'The subject, show:7 or address:<hash>:<ms>. It is unique for a user and kind, so the same message is not sent twice.';
COMMENT ON COLUMN email_queue.not_before IS 'The message is sent after this instant. While it is being sent, no other sender takes it before this instant.';
ALTER TABLE email_queue ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY email_queue ADD CONSTRAINT email_queue_once_key UNIQUE (user_id, kind, about);
ALTER TABLE ONLY email_queue ADD CONSTRAINT email_queue_pkey PRIMARY KEY (id);
CREATE INDEX email_queue_address_idx ON email_queue USING btree (split_part(about, ':'::text, 2)) WHERE (kind = 'confirm_address'::email_kind);
CREATE INDEX email_queue_due_idx ON email_queue USING btree (priority DESC, not_before, id) WHERE (status = ANY (ARRAY['queued'::email_status, 'sending'::email_status]));
CREATE INDEX email_queue_shows_idx ON email_queue USING btree (priority DESC, not_before, id) WHERE ((status = ANY (ARRAY['queued'::email_status, 'sending'::email_status])) AND (kind <> 'confirm_address'::email_kind));
CREATE INDEX email_queue_strangers_idx ON email_queue USING btree (not_before, id) WHERE ((status = ANY (ARRAY['queued'::email_status, 'sending'::email_status])) AND (kind = 'confirm_address'::email_kind));
ALTER TABLE ONLY email_queue ADD CONSTRAINT email_queue_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE email_queue ENABLE ROW LEVEL SECURITY;
CREATE POLICY email_queue_confirm ON email_queue FOR INSERT TO mysetlist_request WITH CHECK (((user_id = ( SELECT app_user_id() AS app_user_id)) AND (kind = 'confirm_address'::email_kind)));
CREATE POLICY email_queue_own ON email_queue FOR SELECT TO mysetlist_request USING ((user_id = ( SELECT app_user_id() AS app_user_id)));
GRANT SELECT,INSERT ON TABLE email_queue TO mysetlist_request;

-- ───────────────────────────────────────────────────────────────────────────────────────────────── email_unsubscribes

CREATE TABLE email_unsubscribes (
    address_hash bytea NOT NULL,
    reason text NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT email_unsubscribes_address_hash_check CHECK ((octet_length(address_hash) = 32)),
    CONSTRAINT email_unsubscribes_reason_check CHECK ((reason = ANY (ARRAY['link'::text, 'bounce'::text, 'complaint'::text, 'staff'::text])))
);
COMMENT ON TABLE email_unsubscribes IS 'An address that wants no more mail. Only its hash is kept, so the row may outlive the account.';
COMMENT ON COLUMN email_unsubscribes.address_hash IS 'SHA-256 of the address in lower case.';
ALTER TABLE ONLY email_unsubscribes ADD CONSTRAINT email_unsubscribes_pkey PRIMARY KEY (address_hash);
ALTER TABLE email_unsubscribes ENABLE ROW LEVEL SECURITY;

-- ──────────────────────────────────────────────────────────────────────────────────────────────────────────── exports

CREATE TABLE exports (
    user_id bigint NOT NULL,
    asked_at timestamp with time zone DEFAULT now() NOT NULL,
    claimed_until timestamp with time zone,
    tries smallint DEFAULT 0 NOT NULL,
    document text
);
COMMENT ON TABLE exports IS 'An export that a user asked for in the last day: the newest one.';
COMMENT ON COLUMN exports.claimed_until IS 'Until when the node that makes the export has it. Null: no node has begun.';
COMMENT ON COLUMN exports.document IS 'The JSON. Null: it is not made yet.';
ALTER TABLE ONLY exports ADD CONSTRAINT exports_pkey PRIMARY KEY (user_id);
CREATE INDEX exports_asked_at_idx ON exports USING btree (asked_at);
CREATE INDEX exports_waiting_idx ON exports USING btree (asked_at) WHERE (document IS NULL);
ALTER TABLE ONLY exports ADD CONSTRAINT exports_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE exports ENABLE ROW LEVEL SECURITY;
CREATE POLICY exports_read ON exports FOR SELECT TO mysetlist_request USING ((user_id = ( SELECT app_user_id() AS app_user_id)));
GRANT SELECT ON TABLE exports TO mysetlist_request;

-- ───────────────────────────────────────────────────────────────────────────────────────────────────── external_cache

CREATE TABLE external_cache (
    service sync_service NOT NULL,
    asked text NOT NULL,
    kind text NOT NULL,
    body bytea,
    etag text DEFAULT ''::text NOT NULL,
    fetched_at timestamp with time zone DEFAULT now() NOT NULL,
    fresh_until timestamp with time zone NOT NULL,
    CONSTRAINT external_cache_asked_check CHECK (((char_length(asked) >= 1) AND (char_length(asked) <= 1000))),
    CONSTRAINT external_cache_etag_check CHECK ((char_length(etag) <= 300)),
    CONSTRAINT external_cache_kind_check CHECK (((char_length(kind) >= 1) AND (char_length(kind) <= 40)))
);
COMMENT ON TABLE external_cache IS 'A provider''s response to a request, kept for all nodes for a while.';
COMMENT ON COLUMN external_cache.asked IS 'The path and the parameters of the request, without any key.';
COMMENT ON COLUMN external_cache.kind IS 'The kind of the request; it decides how long the response is fresh.';
COMMENT ON COLUMN external_cache.body IS 'Null: the provider has no such thing (404).';
ALTER TABLE ONLY external_cache ADD CONSTRAINT external_cache_pkey PRIMARY KEY (service, asked);
CREATE INDEX external_cache_fresh_until_idx ON external_cache USING btree (fresh_until);
ALTER TABLE external_cache ENABLE ROW LEVEL SECURITY;
CREATE POLICY external_cache_admin ON external_cache FOR SELECT TO mysetlist_request USING (( SELECT app_is_admin() AS app_is_admin));
GRANT SELECT ON TABLE external_cache TO mysetlist_request;

-- ─────────────────────────────────────────────────────────────────────────────────────────────────── identity_reviews

CREATE TABLE identity_reviews (
    id bigint NOT NULL,
    service sync_service NOT NULL,
    external_id text NOT NULL,
    name text NOT NULL,
    url text DEFAULT ''::text NOT NULL,
    artist_id bigint,
    venue_id bigint,
    confidence real NOT NULL,
    evidence text NOT NULL,
    verdict review_verdict DEFAULT 'open'::review_verdict NOT NULL,
    decided_by bigint,
    decided_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT identity_reviews_confidence_check CHECK (((confidence >= (0)::double precision) AND (confidence <= (1)::double precision))),
    CONSTRAINT identity_reviews_decided CHECK (((verdict = 'open'::review_verdict) = (decided_at IS NULL))),
    CONSTRAINT identity_reviews_evidence_check CHECK (((char_length(evidence) >= 1) AND (char_length(evidence) <= 300))),
    CONSTRAINT identity_reviews_external_id_check CHECK (((char_length(external_id) >= 1) AND (char_length(external_id) <= 80))),
    CONSTRAINT identity_reviews_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 300))),
    CONSTRAINT identity_reviews_of_one CHECK ((num_nonnulls(artist_id, venue_id) = 1)),
    CONSTRAINT identity_reviews_service_check CHECK ((service <> 'file'::sync_service)),
    CONSTRAINT identity_reviews_url_check CHECK ((char_length(url) <= 500))
);
COMMENT ON TABLE identity_reviews IS 'An artist or a venue at another service that may be one of ours. An administrator decides.';
COMMENT ON COLUMN identity_reviews.name IS 'The name at the other service.';
ALTER TABLE identity_reviews ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY identity_reviews ADD CONSTRAINT identity_reviews_pkey PRIMARY KEY (id);
CREATE INDEX identity_reviews_artist_id_idx ON identity_reviews USING btree (artist_id) WHERE (artist_id IS NOT NULL);
CREATE INDEX identity_reviews_decided_by_idx ON identity_reviews USING btree (decided_by) WHERE (decided_by IS NOT NULL);
CREATE UNIQUE INDEX identity_reviews_once_idx ON identity_reviews USING btree (service, external_id, artist_id, venue_id) NULLS NOT DISTINCT;
CREATE INDEX identity_reviews_open_idx ON identity_reviews USING btree (id) WHERE (verdict = 'open'::review_verdict);
CREATE INDEX identity_reviews_venue_id_idx ON identity_reviews USING btree (venue_id) WHERE (venue_id IS NOT NULL);
ALTER TABLE ONLY identity_reviews ADD CONSTRAINT identity_reviews_artist_id_fkey FOREIGN KEY (artist_id) REFERENCES artists(id) ON DELETE CASCADE;
ALTER TABLE ONLY identity_reviews ADD CONSTRAINT identity_reviews_decided_by_fkey FOREIGN KEY (decided_by) REFERENCES users(id) ON DELETE SET NULL;
ALTER TABLE ONLY identity_reviews ADD CONSTRAINT identity_reviews_venue_id_fkey FOREIGN KEY (venue_id) REFERENCES venues(id) ON DELETE CASCADE;
ALTER TABLE identity_reviews ENABLE ROW LEVEL SECURITY;

-- ───────────────────────────────────────────────────────────────────────────────────────────────────────── import_log

CREATE TABLE import_log (
    id bigint NOT NULL,
    job_id bigint NOT NULL,
    stage import_stage NOT NULL,
    line integer,
    outcome text NOT NULL,
    message text NOT NULL,
    CONSTRAINT import_log_line_check CHECK ((line > 0)),
    CONSTRAINT import_log_message_check CHECK ((char_length(message) <= 500)),
    CONSTRAINT import_log_outcome_check CHECK ((outcome = ANY (ARRAY['added'::text, 'changed'::text, 'refused'::text])))
);
COMMENT ON TABLE import_log IS 'One record of a run, and whether it was added, changed or refused.';
COMMENT ON COLUMN import_log.line IS 'The line in the file. Null: the record has none.';
ALTER TABLE import_log ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY import_log ADD CONSTRAINT import_log_pkey PRIMARY KEY (id);
CREATE INDEX import_log_job_id_idx ON import_log USING btree (job_id, id);
ALTER TABLE ONLY import_log ADD CONSTRAINT import_log_job_id_fkey FOREIGN KEY (job_id) REFERENCES sync_jobs(id) ON DELETE CASCADE;
ALTER TABLE import_log ENABLE ROW LEVEL SECURITY;
CREATE POLICY import_log_admin ON import_log FOR SELECT TO mysetlist_request USING (( SELECT app_is_admin() AS app_is_admin));
GRANT SELECT ON TABLE import_log TO mysetlist_request;

-- ─────────────────────────────────────────────────────────────────────────────────────────────────────── installation

CREATE TABLE installation (
    is_only boolean DEFAULT true NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL
);
COMMENT ON TABLE installation IS 'One row, made by the first node: an id that no other database has. A dump and its restored copy share it, because they hold the same accounts.';
ALTER TABLE ONLY installation ADD CONSTRAINT installation_pkey PRIMARY KEY (is_only);

-- ───────────────────────────────────────────────────────────────────────────────────────────────────── ledger_entries

CREATE TABLE ledger_entries (
    show_id bigint NOT NULL,
    first bigint NOT NULL,
    count integer NOT NULL,
    first_ms bigint NOT NULL,
    last_ms bigint NOT NULL,
    leaves bytea,
    entries bytea NOT NULL,
    CONSTRAINT ledger_entries_check CHECK ((octet_length(leaves) = (32 * count))),
    CONSTRAINT ledger_entries_check1 CHECK ((octet_length(entries) = (58 * count))),
    CONSTRAINT ledger_entries_count_check CHECK (((count >= 1) AND (count <= 1024))),
    CONSTRAINT ledger_entries_first_check CHECK ((first >= 0))
);
ALTER TABLE ONLY ledger_entries ALTER COLUMN leaves SET STORAGE EXTERNAL;
ALTER TABLE ONLY ledger_entries ALTER COLUMN entries SET STORAGE EXTERNAL;
COMMENT ON TABLE ledger_entries IS 'Consecutive entries of a log: append-only, but for entries of erased fans.';
COMMENT ON COLUMN ledger_entries.first IS 'The index of the first entry.';
COMMENT ON COLUMN ledger_entries.first_ms IS 'The earliest time of an entry; last_ms: the latest one.';
COMMENT ON COLUMN ledger_entries.leaves IS 'The leaf hashes of the entries, stored before an entry is blank; null: they follow from the entries.';
COMMENT ON COLUMN ledger_entries.entries IS 'The entries, with their salts. One that an erasure has blanked is zeros; its leaf stays.';
ALTER TABLE ONLY ledger_entries ADD CONSTRAINT ledger_entries_pkey PRIMARY KEY (show_id, first);
CREATE TRIGGER ledger_entries_keep_leaves BEFORE UPDATE OF entries ON ledger_entries FOR EACH ROW EXECUTE FUNCTION keep_leaves();
ALTER TABLE ONLY ledger_entries ADD CONSTRAINT ledger_entries_show_id_fkey FOREIGN KEY (show_id) REFERENCES ledger_logs(show_id) ON DELETE CASCADE;
ALTER TABLE ledger_entries ENABLE ROW LEVEL SECURITY;

-- ────────────────────────────────────────────────────────────────────────────────────────────────────── ledger_epochs

CREATE TABLE ledger_epochs (
    id bigint NOT NULL,
    name text NOT NULL,
    origin text NOT NULL,
    public_key bytea NOT NULL,
    fingerprint text NOT NULL,
    reason ledger_reason NOT NULL,
    began_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ledger_epochs_origin_check CHECK ((origin !~ '[\s+]'::text)),
    CONSTRAINT ledger_epochs_public_key_check CHECK ((octet_length(public_key) = 32))
);
COMMENT ON TABLE ledger_epochs IS 'From when on logs are signed under an origin. A restored database begins another epoch: it may lack what was signed before.';
COMMENT ON COLUMN ledger_epochs.fingerprint IS 'The cluster, its timeline and the database: another one was restored or promoted.';
ALTER TABLE ledger_epochs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY ledger_epochs ADD CONSTRAINT ledger_epochs_name_key UNIQUE (name);
ALTER TABLE ONLY ledger_epochs ADD CONSTRAINT ledger_epochs_pkey PRIMARY KEY (id);
ALTER TABLE ledger_epochs ENABLE ROW LEVEL SECURITY;

-- ──────────────────────────────────────────────────────────────────────────────────────────────────────── ledger_logs

CREATE TABLE ledger_logs (
    show_id bigint NOT NULL,
    epoch_id bigint NOT NULL,
    size bigint NOT NULL,
    frontier bytea NOT NULL,
    was_opened boolean NOT NULL,
    checkpoint text NOT NULL,
    signed_at timestamp with time zone NOT NULL,
    CONSTRAINT ledger_logs_size_check CHECK ((size > 0))
)
WITH (fillfactor='50');
COMMENT ON TABLE ledger_logs IS 'The log of a show: its size and its newest signed checkpoint.';
COMMENT ON COLUMN ledger_logs.epoch_id IS 'Of ledger_epochs, where rows stay for ever.';
COMMENT ON COLUMN ledger_logs.frontier IS 'The hashes of the complete subtrees of the tree, from the smallest to the largest.';
COMMENT ON COLUMN ledger_logs.was_opened IS 'Voting has opened before, so it opens again.';
ALTER TABLE ONLY ledger_logs ADD CONSTRAINT ledger_logs_pkey PRIMARY KEY (show_id);
ALTER TABLE ONLY ledger_logs ADD CONSTRAINT ledger_logs_show_id_fkey FOREIGN KEY (show_id) REFERENCES shows(id) ON DELETE CASCADE;
ALTER TABLE ledger_logs ENABLE ROW LEVEL SECURITY;

-- ─────────────────────────────────────────────────────────────────────────────────────────────────────── ledger_nodes

CREATE TABLE ledger_nodes (
    show_id bigint NOT NULL,
    level smallint NOT NULL,
    number bigint NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT ledger_nodes_hash_check CHECK ((octet_length(hash) = 32)),
    CONSTRAINT ledger_nodes_level_check CHECK ((level > 0)),
    CONSTRAINT ledger_nodes_number_check CHECK ((number >= 0))
);
COMMENT ON TABLE ledger_nodes IS 'The hash of a full tile: one hash of a tile of this level.';
ALTER TABLE ONLY ledger_nodes ADD CONSTRAINT ledger_nodes_pkey PRIMARY KEY (show_id, level, number);
ALTER TABLE ONLY ledger_nodes ADD CONSTRAINT ledger_nodes_show_id_fkey FOREIGN KEY (show_id) REFERENCES ledger_logs(show_id) ON DELETE CASCADE;
ALTER TABLE ledger_nodes ENABLE ROW LEVEL SECURITY;

-- ─────────────────────────────────────────────────────────────────────────────────────────────────────── ledger_notes

CREATE TABLE ledger_notes (
    id bigint NOT NULL,
    kind ledger_note NOT NULL,
    show_id bigint NOT NULL,
    noted_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    user_id bigint,
    setlist_song_id bigint,
    choice vote_choice,
    at timestamp with time zone,
    count integer DEFAULT 1 NOT NULL,
    first_id bigint,
    last_id bigint,
    last_at timestamp with time zone,
    pseudonym bytea
);
COMMENT ON TABLE ledger_notes IS 'Something that a log has no entry for yet; the sequencer appends it within a second. Those of a show are in the order of their commits.';
COMMENT ON COLUMN ledger_notes.kind IS 'casts: rows of the history, first_id to last_id, cast from at to last_at; changed: a vote that something else than a cast has changed; all_votes: every vote of the show; inherited: a vote of an erased fan, which a nobody holds now; set_aside, counted: a ballot; erased: a fan, by the pseudonym; renewed: another epoch has begun.';
COMMENT ON COLUMN ledger_notes.count IS 'How many entries it makes, about.';
ALTER TABLE ledger_notes ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY ledger_notes ADD CONSTRAINT ledger_notes_pkey PRIMARY KEY (id);
CREATE INDEX ledger_notes_user_id_idx ON ledger_notes USING btree (user_id) WHERE (user_id IS NOT NULL);
ALTER TABLE ONLY ledger_notes ADD CONSTRAINT ledger_notes_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE ledger_notes ENABLE ROW LEVEL SECURITY;

-- ───────────────────────────────────────────────────────────────────────────────────────────────────── ledger_secrets

CREATE TABLE ledger_secrets (
    user_id bigint NOT NULL,
    secret bytea NOT NULL,
    show_ids bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    names bytea[] DEFAULT '{}'::bytea[] NOT NULL,
    CONSTRAINT ledger_secrets_check CHECK ((cardinality(names) = cardinality(show_ids))),
    CONSTRAINT ledger_secrets_secret_check CHECK ((octet_length(secret) = 32))
);
COMMENT ON TABLE ledger_secrets IS 'A random secret of a fan, from which the fan''s name in the log of each show follows. An erasure deletes it: then nobody can tell the names.';
COMMENT ON COLUMN ledger_secrets.show_ids IS 'Shows in which the fan has a name from before the secret; names: these names.';
ALTER TABLE ONLY ledger_secrets ADD CONSTRAINT ledger_secrets_pkey PRIMARY KEY (user_id);
ALTER TABLE ledger_secrets ENABLE ROW LEVEL SECURITY;

-- ────────────────────────────────────────────────────────────────────────────────────────────────────── level_minutes

CREATE TABLE level_minutes (
    minute timestamp with time zone NOT NULL,
    level text NOT NULL,
    event_count bigint NOT NULL,
    missed_count bigint NOT NULL,
    CONSTRAINT level_minutes_check CHECK (((missed_count >= 0) AND (missed_count <= event_count))),
    CONSTRAINT level_minutes_event_count_check CHECK ((event_count > 0)),
    CONSTRAINT level_minutes_level_check CHECK ((level = ANY (ARRAY['availability'::text, 'acknowledgement'::text, 'push'::text]))),
    CONSTRAINT level_minutes_minute_check CHECK ((minute = date_trunc('minute'::text, minute, 'UTC'::text)))
);
COMMENT ON TABLE level_minutes IS 'Events of a service level in one minute, over all nodes, and those that missed its objective.';
COMMENT ON COLUMN level_minutes.level IS 'availability: casts that were answered; acknowledgement, push: times between log, commit and watcher.';
ALTER TABLE ONLY level_minutes ADD CONSTRAINT level_minutes_pkey PRIMARY KEY (minute, level);
ALTER TABLE level_minutes ENABLE ROW LEVEL SECURITY;

-- ──────────────────────────────────────────────────────────────────────────────────────────────────────── log_commits

CREATE TABLE log_commits (
    id bigint NOT NULL,
    shard smallint NOT NULL,
    "position" bigint NOT NULL,
    entries bigint[] NOT NULL,
    committed_at timestamp with time zone DEFAULT now() NOT NULL,
    refused jsonb
);
COMMENT ON TABLE log_commits IS 'The log entries of a recent commit. A node that missed a notification reads here which of its casts are committed.';
COMMENT ON COLUMN log_commits.refused IS 'The votes and picks that the commit at this position refused: [show, fan, cast_ms, reason] each. Such a row has no entries. Null: none.';
ALTER TABLE log_commits ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY log_commits ADD CONSTRAINT log_commits_pkey PRIMARY KEY (id);
CREATE INDEX log_commits_committed_at_idx ON log_commits USING btree (committed_at);
CREATE INDEX log_commits_refused_idx ON log_commits USING btree (shard, "position") WHERE (refused IS NOT NULL);
CREATE INDEX log_commits_shard_idx ON log_commits USING btree (shard, "position");
ALTER TABLE ONLY log_commits ADD CONSTRAINT log_commits_shard_fkey FOREIGN KEY (shard) REFERENCES log_positions(shard);
GRANT SELECT,INSERT,DELETE ON TABLE log_commits TO mysetlist_writer;

-- ────────────────────────────────────────────────────────────────────────────────────────────────────── log_positions

CREATE TABLE log_positions (
    shard smallint NOT NULL,
    "position" bigint DEFAULT 0 NOT NULL,
    reset_position bigint DEFAULT 0 NOT NULL,
    CONSTRAINT log_positions_position_check CHECK (("position" >= 0)),
    CONSTRAINT log_positions_shard_check CHECK ((shard >= 0))
)
WITH (fillfactor='10');
COMMENT ON TABLE log_positions IS 'The position up to which a shard''s log is in this database. There is a row for each shard. The lock order begins here.';
COMMENT ON COLUMN log_positions.reset_position IS 'The position at which Valkey began again after a loss. Counts shown before it may have votes that Valkey has lost.';
ALTER TABLE ONLY log_positions ADD CONSTRAINT log_positions_pkey PRIMARY KEY (shard);
GRANT SELECT ON TABLE log_positions TO mysetlist_request;
GRANT SELECT,UPDATE ON TABLE log_positions TO mysetlist_writer;

-- ──────────────────────────────────────────────────────────────────────────────────────────────────────── merge_folds

CREATE TABLE merge_folds (
    id bigint NOT NULL,
    merge_id bigint NOT NULL,
    show_id bigint NOT NULL,
    gone_id bigint NOT NULL,
    kept_id bigint NOT NULL,
    gone jsonb NOT NULL,
    kept_played_at timestamp with time zone,
    played_at timestamp with time zone,
    history bigint[] NOT NULL
);
COMMENT ON TABLE merge_folds IS 'Two songs of one show that a merge made one. Kept until the merge cannot be undone any more.';
COMMENT ON COLUMN merge_folds.show_id IS 'The show; it may be gone, and then nothing of it comes back.';
COMMENT ON COLUMN merge_folds.kept_id IS 'The song in setlist_songs that has the votes of both.';
COMMENT ON COLUMN merge_folds.gone IS 'The row of the other song.';
COMMENT ON COLUMN merge_folds.kept_played_at IS 'When the song that stays had been played before the merge; played_at: after it.';
COMMENT ON COLUMN merge_folds.history IS 'The rows of vote_analytics that were about the other song.';
ALTER TABLE merge_folds ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY merge_folds ADD CONSTRAINT merge_folds_pkey PRIMARY KEY (id);
CREATE INDEX merge_folds_merge_id_idx ON merge_folds USING btree (merge_id);
ALTER TABLE ONLY merge_folds ADD CONSTRAINT merge_folds_merge_id_fkey FOREIGN KEY (merge_id) REFERENCES merges(id) ON DELETE CASCADE;
ALTER TABLE merge_folds ENABLE ROW LEVEL SECURITY;
CREATE POLICY merge_folds_read ON merge_folds FOR SELECT TO mysetlist_request USING (true);
GRANT SELECT ON TABLE merge_folds TO mysetlist_request;

-- ───────────────────────────────────────────────────────────────────────────────────────────────────────── merge_rows

CREATE TABLE merge_rows (
    id bigint NOT NULL,
    merge_id bigint NOT NULL,
    relation text NOT NULL,
    row_id bigint,
    user_id bigint,
    was jsonb NOT NULL
);
COMMENT ON TABLE merge_rows IS 'A row that a merge moved or deleted, as it was. Kept until the merge cannot be undone any more.';
COMMENT ON COLUMN merge_rows.user_id IS 'The user whose follow or review it is. Null: of nobody.';
ALTER TABLE merge_rows ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY merge_rows ADD CONSTRAINT merge_rows_pkey PRIMARY KEY (id);
CREATE INDEX merge_rows_merge_id_idx ON merge_rows USING btree (merge_id);
CREATE INDEX merge_rows_user_id_idx ON merge_rows USING btree (user_id) WHERE (user_id IS NOT NULL);
ALTER TABLE ONLY merge_rows ADD CONSTRAINT merge_rows_merge_id_fkey FOREIGN KEY (merge_id) REFERENCES merges(id) ON DELETE CASCADE;
ALTER TABLE ONLY merge_rows ADD CONSTRAINT merge_rows_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE merge_rows ENABLE ROW LEVEL SECURITY;
CREATE POLICY merge_rows_own ON merge_rows FOR SELECT TO mysetlist_request USING ((user_id = ( SELECT app_user_id() AS app_user_id)));
GRANT SELECT ON TABLE merge_rows TO mysetlist_request;

-- ──────────────────────────────────────────────────────────────────────────────────────────────────────── merge_votes

CREATE TABLE merge_votes (
    fold_id bigint NOT NULL,
    user_id bigint NOT NULL,
    choice vote_choice NOT NULL,
    cast_at timestamp with time zone NOT NULL,
    kept_choice vote_choice,
    kept_cast_at timestamp with time zone,
    CONSTRAINT merge_votes_kept CHECK (((kept_choice IS NULL) = (kept_cast_at IS NULL)))
);
COMMENT ON TABLE merge_votes IS 'A vote that a merge moved to the other song of the show, and the vote that it met there.';
ALTER TABLE ONLY merge_votes ADD CONSTRAINT merge_votes_pkey PRIMARY KEY (fold_id, user_id);
CREATE INDEX merge_votes_user_id_idx ON merge_votes USING btree (user_id);
ALTER TABLE ONLY merge_votes ADD CONSTRAINT merge_votes_fold_id_fkey FOREIGN KEY (fold_id) REFERENCES merge_folds(id) ON DELETE CASCADE;
ALTER TABLE ONLY merge_votes ADD CONSTRAINT merge_votes_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE merge_votes ENABLE ROW LEVEL SECURITY;
CREATE POLICY merge_votes_own ON merge_votes FOR SELECT TO mysetlist_request USING ((user_id = ( SELECT app_user_id() AS app_user_id)));
GRANT SELECT ON TABLE merge_votes TO mysetlist_request;

-- ───────────────────────────────────────────────────────────────────────────────────────────────────────────── merges

CREATE TABLE merges (
    id bigint NOT NULL,
    kind text NOT NULL,
    survivor_id bigint NOT NULL,
    duplicate_id bigint NOT NULL,
    slug text,
    duplicate jsonb NOT NULL,
    made_by bigint NOT NULL,
    made_at timestamp with time zone DEFAULT now() NOT NULL,
    undone_at timestamp with time zone,
    CONSTRAINT merges_kind_check CHECK ((kind = ANY (ARRAY['artist'::text, 'venue'::text, 'song'::text]))),
    CONSTRAINT merges_two CHECK ((survivor_id <> duplicate_id))
);
COMMENT ON TABLE merges IS 'Two entries that were one: the duplicate became the survivor. Its old id and slug lead there.';
COMMENT ON COLUMN merges.slug IS 'The slug of the duplicate. Null: songs have none.';
COMMENT ON COLUMN merges.duplicate IS 'The row of the duplicate.';
COMMENT ON COLUMN merges.made_by IS 'The account that merged; it stays when the account is erased.';
ALTER TABLE merges ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY merges ADD CONSTRAINT merges_pkey PRIMARY KEY (id);
CREATE INDEX merges_duplicate_idx ON merges USING btree (kind, duplicate_id) WHERE (undone_at IS NULL);
CREATE INDEX merges_slug_idx ON merges USING btree (kind, slug) WHERE ((undone_at IS NULL) AND (slug IS NOT NULL));
CREATE CONSTRAINT TRIGGER merges_revise_picked_shows AFTER INSERT OR UPDATE OF undone_at ON merges DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ((new.kind = 'song'::text)) EXECUTE FUNCTION revise_picked_shows();
ALTER TABLE merges ENABLE ROW LEVEL SECURITY;

-- ───────────────────────────────────────────────────────────────────────────────────────────────────── moderation_log

CREATE TABLE moderation_log (
    id bigint NOT NULL,
    moderator_id bigint,
    action text NOT NULL,
    subject text NOT NULL,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT moderation_log_action_check CHECK ((action ~ '^[a-z_]+\.[a-z_]+$'::text)),
    CONSTRAINT moderation_log_subject_check CHECK ((subject ~ '^[a-z_]+:[0-9]+$'::text))
);
COMMENT ON TABLE moderation_log IS 'Every decision of a moderator, for ever: append-only. The erasure of a user takes out what was decided about them.';
COMMENT ON COLUMN moderation_log.moderator_id IS 'The account that decided; it stays when the account is erased.';
COMMENT ON COLUMN moderation_log.subject IS 'For example review:7, profile:3, user:3, report:9.';
ALTER TABLE moderation_log ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY moderation_log ADD CONSTRAINT moderation_log_pkey PRIMARY KEY (id);
CREATE INDEX moderation_log_moderator_idx ON moderation_log USING btree (moderator_id) WHERE (moderator_id IS NOT NULL);
CREATE INDEX moderation_log_subject_idx ON moderation_log USING btree (subject, id);
CREATE TRIGGER moderation_log_append_only BEFORE DELETE OR UPDATE ON moderation_log FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER moderation_log_not_emptied BEFORE TRUNCATE ON moderation_log FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE moderation_log ENABLE ROW LEVEL SECURITY;
CREATE POLICY moderation_log_read ON moderation_log FOR SELECT TO mysetlist_request USING ((( SELECT app_is_staff() AS app_is_staff) OR (moderator_id = ( SELECT app_user_id() AS app_user_id))));
CREATE POLICY moderation_log_write ON moderation_log FOR INSERT TO mysetlist_request WITH CHECK ((( SELECT app_is_staff() AS app_is_staff) AND (moderator_id = ( SELECT app_user_id() AS app_user_id))));
GRANT SELECT,INSERT ON TABLE moderation_log TO mysetlist_request;

-- ───────────────────────────────────────────────────────────────────────────────────────────────────────── open_shows

CREATE TABLE open_shows (
    show_id bigint NOT NULL
);
COMMENT ON TABLE open_shows IS 'A show whose voting has opened and not closed since, as webhooks were told.';
ALTER TABLE ONLY open_shows ADD CONSTRAINT open_shows_pkey PRIMARY KEY (show_id);
CREATE TRIGGER open_shows_ledger_closed AFTER DELETE ON open_shows REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_voting_for_ledger('closed');
CREATE TRIGGER open_shows_ledger_opened AFTER INSERT ON open_shows REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_voting_for_ledger('opened');
ALTER TABLE ONLY open_shows ADD CONSTRAINT open_shows_show_id_fkey FOREIGN KEY (show_id) REFERENCES shows(id) ON DELETE CASCADE;

-- ─────────────────────────────────────────────────────────────────────────────────────────────────────── picked_shows

CREATE TABLE picked_shows (
    show_id bigint NOT NULL,
    "position" bigint NOT NULL
);
COMMENT ON TABLE picked_shows IS 'A show that fans have made picks for.';
COMMENT ON COLUMN picked_shows."position" IS 'The log position of the last commit that changed a pick. Nodes read the picks again when it moves.';
ALTER TABLE ONLY picked_shows ADD CONSTRAINT picked_shows_pkey PRIMARY KEY (show_id);
ALTER TABLE ONLY picked_shows ADD CONSTRAINT picked_shows_show_id_fkey FOREIGN KEY (show_id) REFERENCES shows(id) ON DELETE CASCADE;
ALTER TABLE picked_shows ENABLE ROW LEVEL SECURITY;
CREATE POLICY picked_shows_read ON picked_shows FOR SELECT TO mysetlist_request USING (true);
CREATE POLICY picked_shows_writer ON picked_shows TO mysetlist_writer USING (true) WITH CHECK (true);
GRANT SELECT,INSERT,UPDATE ON TABLE picked_shows TO mysetlist_writer;
GRANT SELECT ON TABLE picked_shows TO mysetlist_request;

-- ────────────────────────────────────────────────────────────────────────────────────────────────────────────── picks

CREATE TABLE picks (
    id bigint NOT NULL,
    show_id bigint NOT NULL,
    user_id bigint,
    song_ids bigint[] NOT NULL,
    opener bigint,
    closer bigint,
    encore bigint,
    picked_at timestamp with time zone NOT NULL,
    CONSTRAINT picks_places CHECK ((song_ids @> array_remove(ARRAY[opener, closer, encore], NULL::bigint))),
    CONSTRAINT picks_songs CHECK (((cardinality(song_ids) >= 1) AND (cardinality(song_ids) <= 10)))
)
WITH (fillfactor='80');
COMMENT ON TABLE picks IS 'A fan''s own bet on the songs of a show, made before it begins: one row for each fan and show.';
COMMENT ON COLUMN picks.user_id IS 'Null: the account was erased. The pick stays, so what the songs are worth does not change.';
COMMENT ON COLUMN picks.song_ids IS 'Up to ten songs, without foreign keys: a merge may take a song away (merges tells where it went).';
COMMENT ON COLUMN picks.opener IS 'The picked song that opens the show; closer: that ends it; encore: that is played in an encore. Null: none.';
ALTER TABLE picks ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY picks ADD CONSTRAINT picks_of_fan UNIQUE (user_id, show_id);
ALTER TABLE ONLY picks ADD CONSTRAINT picks_pkey PRIMARY KEY (id);
CREATE INDEX picks_show_idx ON picks USING btree (show_id, id);
CREATE TRIGGER picks_forget BEFORE UPDATE OF user_id ON picks FOR EACH ROW WHEN ((new.user_id IS NULL)) EXECUTE FUNCTION forget_picker();
ALTER TABLE ONLY picks ADD CONSTRAINT picks_show_id_fkey FOREIGN KEY (show_id) REFERENCES shows(id) ON DELETE CASCADE;
ALTER TABLE ONLY picks ADD CONSTRAINT picks_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE SET NULL;
ALTER TABLE picks ENABLE ROW LEVEL SECURITY;
CREATE POLICY picks_own ON picks FOR SELECT TO mysetlist_request USING (((user_id = ( SELECT app_user_id() AS app_user_id)) OR ( SELECT app_is_staff() AS app_is_staff)));
CREATE POLICY picks_writer ON picks TO mysetlist_writer USING (true) WITH CHECK (true);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE picks TO mysetlist_writer;
GRANT SELECT ON TABLE picks TO mysetlist_request;

-- ───────────────────────────────────────────────────────────────────────────────────────────────────── platform_hours

CREATE TABLE platform_hours (
    hour timestamp with time zone NOT NULL,
    up_count bigint NOT NULL,
    down_count bigint NOT NULL,
    withdrawn_count bigint NOT NULL,
    CONSTRAINT platform_hours_down_count_check CHECK ((down_count >= 0)),
    CONSTRAINT platform_hours_hour_check CHECK ((hour = date_trunc('hour'::text, hour, 'UTC'::text))),
    CONSTRAINT platform_hours_up_count_check CHECK ((up_count >= 0)),
    CONSTRAINT platform_hours_withdrawn_count_check CHECK ((withdrawn_count >= 0))
);
COMMENT ON TABLE platform_hours IS 'As vote_rollups, over all shows; deleted shows stay in it.';
ALTER TABLE ONLY platform_hours ADD CONSTRAINT platform_hours_pkey PRIMARY KEY (hour);
GRANT SELECT ON TABLE platform_hours TO mysetlist_request;
GRANT SELECT ON TABLE platform_hours TO mysetlist_writer;

-- ───────────────────────────────────────────────────────────────────────────────────────────────────── platform_stats

CREATE TABLE platform_stats (
    day date NOT NULL,
    user_count bigint NOT NULL,
    new_user_count bigint NOT NULL,
    vote_count bigint NOT NULL,
    withdrawn_count bigint NOT NULL,
    voted_show_count bigint NOT NULL,
    new_follow_count bigint NOT NULL,
    new_going_count bigint NOT NULL,
    new_review_count bigint NOT NULL,
    show_count bigint NOT NULL,
    refreshed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT platform_stats_new_follow_count_check CHECK ((new_follow_count >= 0)),
    CONSTRAINT platform_stats_new_going_count_check CHECK ((new_going_count >= 0)),
    CONSTRAINT platform_stats_new_review_count_check CHECK ((new_review_count >= 0)),
    CONSTRAINT platform_stats_new_user_count_check CHECK ((new_user_count >= 0)),
    CONSTRAINT platform_stats_show_count_check CHECK ((show_count >= 0)),
    CONSTRAINT platform_stats_user_count_check CHECK ((user_count >= 0)),
    CONSTRAINT platform_stats_vote_count_check CHECK ((vote_count >= 0)),
    CONSTRAINT platform_stats_voted_show_count_check CHECK ((voted_show_count >= 0)),
    CONSTRAINT platform_stats_withdrawn_count_check CHECK ((withdrawn_count >= 0))
);
COMMENT ON TABLE platform_stats IS 'Statistics of one day (UTC). A chore refreshes today and yesterday.';
COMMENT ON COLUMN platform_stats.user_count IS 'At the end of the day.';
COMMENT ON COLUMN platform_stats.vote_count IS 'Cast that day, withdrawals not included.';
COMMENT ON COLUMN platform_stats.show_count IS 'Shows on that local date.';
ALTER TABLE ONLY platform_stats ADD CONSTRAINT platform_stats_pkey PRIMARY KEY (day);
GRANT SELECT ON TABLE platform_stats TO mysetlist_request;
GRANT SELECT ON TABLE platform_stats TO mysetlist_writer;

-- ────────────────────────────────────────────────────────────────────────────────────────────────────── removed_songs

CREATE TABLE removed_songs (
    id bigint NOT NULL,
    show_id bigint NOT NULL,
    setlist_id bigint NOT NULL,
    song_id bigint NOT NULL,
    is_tape boolean NOT NULL,
    medley smallint,
    note text NOT NULL,
    vote_count bigint NOT NULL,
    removed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT removed_songs_vote_count_check CHECK ((vote_count > 0))
);
COMMENT ON TABLE removed_songs IS 'A song with votes that was removed from a set. It can be put back for 30 days.';
COMMENT ON COLUMN removed_songs.id IS 'The id that fans voted on, in setlist_songs.';
COMMENT ON COLUMN removed_songs.song_id IS 'The song; it may be gone, and then it cannot be put back.';
ALTER TABLE ONLY removed_songs ADD CONSTRAINT removed_songs_pkey PRIMARY KEY (id);
CREATE INDEX removed_songs_removed_at_idx ON removed_songs USING btree (removed_at);
CREATE INDEX removed_songs_show_id_idx ON removed_songs USING btree (show_id);
ALTER TABLE ONLY removed_songs ADD CONSTRAINT removed_songs_show_id_fkey FOREIGN KEY (show_id) REFERENCES shows(id) ON DELETE CASCADE;
ALTER TABLE removed_songs ENABLE ROW LEVEL SECURITY;
CREATE POLICY removed_songs_read ON removed_songs FOR SELECT TO mysetlist_request USING (true);
GRANT SELECT ON TABLE removed_songs TO mysetlist_request;

-- ────────────────────────────────────────────────────────────────────────────────────────────────────── removed_votes

CREATE TABLE removed_votes (
    id bigint NOT NULL,
    setlist_song_id bigint NOT NULL,
    user_id bigint,
    choice vote_choice NOT NULL,
    cast_at timestamp with time zone NOT NULL
);
COMMENT ON TABLE removed_votes IS 'A vote on a removed song.';
COMMENT ON COLUMN removed_votes.user_id IS 'Null: the user was erased. Such a vote is not put back.';
ALTER TABLE removed_votes ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY removed_votes ADD CONSTRAINT removed_votes_pkey PRIMARY KEY (id);
CREATE INDEX removed_votes_setlist_song_id_idx ON removed_votes USING btree (setlist_song_id);
CREATE INDEX removed_votes_user_id_idx ON removed_votes USING btree (user_id) WHERE (user_id IS NOT NULL);
ALTER TABLE ONLY removed_votes ADD CONSTRAINT removed_votes_setlist_song_id_fkey FOREIGN KEY (setlist_song_id) REFERENCES removed_songs(id) ON DELETE CASCADE;
ALTER TABLE ONLY removed_votes ADD CONSTRAINT removed_votes_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE SET NULL;
ALTER TABLE removed_votes ENABLE ROW LEVEL SECURITY;
CREATE POLICY removed_votes_own ON removed_votes FOR SELECT TO mysetlist_request USING ((user_id = ( SELECT app_user_id() AS app_user_id)));
GRANT SELECT ON TABLE removed_votes TO mysetlist_request;

-- ──────────────────────────────────────────────────────────────────────────────────────────────────────────── reports

CREATE TABLE reports (
    id bigint NOT NULL,
    reporter_id bigint,
    review_id bigint,
    profile_id bigint,
    reason text NOT NULL,
    priority priority_level DEFAULT 'normal'::priority_level NOT NULL,
    status report_status DEFAULT 'open'::report_status NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    decided_at timestamp with time zone,
    decided_by bigint,
    CONSTRAINT reports_decided CHECK (((status = 'open'::report_status) = (decided_at IS NULL))),
    CONSTRAINT reports_one_subject CHECK ((num_nonnulls(review_id, profile_id) = 1)),
    CONSTRAINT reports_reason_check CHECK (((char_length(reason) >= 1) AND (char_length(reason) <= 1000)))
);
COMMENT ON TABLE reports IS 'A reader''s complaint about a text.';
ALTER TABLE reports ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY reports ADD CONSTRAINT reports_pkey PRIMARY KEY (id);
CREATE INDEX reports_decided_by_idx ON reports USING btree (decided_by) WHERE (decided_by IS NOT NULL);
CREATE INDEX reports_profile_id_idx ON reports USING btree (profile_id) WHERE (profile_id IS NOT NULL);
CREATE UNIQUE INDEX reports_profile_key ON reports USING btree (reporter_id, profile_id) WHERE (status = 'open'::report_status);
CREATE INDEX reports_queue_idx ON reports USING btree (priority DESC, created_at, id) WHERE (status = 'open'::report_status);
CREATE INDEX reports_reporter_id_idx ON reports USING btree (reporter_id);
CREATE INDEX reports_review_id_idx ON reports USING btree (review_id) WHERE (review_id IS NOT NULL);
CREATE UNIQUE INDEX reports_review_key ON reports USING btree (reporter_id, review_id) WHERE (status = 'open'::report_status);
ALTER TABLE ONLY reports ADD CONSTRAINT reports_decided_by_fkey FOREIGN KEY (decided_by) REFERENCES users(id) ON DELETE SET NULL;
ALTER TABLE ONLY reports ADD CONSTRAINT reports_profile_id_fkey FOREIGN KEY (profile_id) REFERENCES user_profiles(user_id) ON DELETE CASCADE;
ALTER TABLE ONLY reports ADD CONSTRAINT reports_reporter_id_fkey FOREIGN KEY (reporter_id) REFERENCES users(id) ON DELETE SET NULL;
ALTER TABLE ONLY reports ADD CONSTRAINT reports_review_id_fkey FOREIGN KEY (review_id) REFERENCES venue_reviews(id) ON DELETE CASCADE;
ALTER TABLE reports ENABLE ROW LEVEL SECURITY;
CREATE POLICY reports_decide ON reports FOR UPDATE TO mysetlist_request USING (( SELECT app_is_staff() AS app_is_staff)) WITH CHECK (( SELECT app_is_staff() AS app_is_staff));
CREATE POLICY reports_own ON reports FOR INSERT TO mysetlist_request WITH CHECK (((reporter_id = ( SELECT app_user_id() AS app_user_id)) AND (status = 'open'::report_status)));
CREATE POLICY reports_read ON reports FOR SELECT TO mysetlist_request USING (((reporter_id = ( SELECT app_user_id() AS app_user_id)) OR ( SELECT app_is_staff() AS app_is_staff)));
GRANT SELECT,INSERT,UPDATE ON TABLE reports TO mysetlist_request;

-- ────────────────────────────────────────────────────────────────────────────────────────────────── scopes_to_recount

CREATE TABLE scopes_to_recount (
    scope statistics_scope NOT NULL,
    scope_id bigint NOT NULL
);
COMMENT ON TABLE scopes_to_recount IS 'Statistics whose shows have changed: a show was deleted, or moved to another artist or venue. A chore counts them again.';

-- ───────────────────────────────────────────────────────────────────────────────────────────────────── service_alerts

CREATE TABLE service_alerts (
    service text NOT NULL,
    status health_status NOT NULL,
    detail text DEFAULT ''::text NOT NULL,
    since timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT service_alerts_detail_check CHECK ((char_length(detail) <= 500)),
    CONSTRAINT service_alerts_service_check CHECK ((service ~ '^[a-z_]+$'::text))
);
COMMENT ON TABLE service_alerts IS 'The status of a service in its last alert. A change of status gives one alert.';
ALTER TABLE ONLY service_alerts ADD CONSTRAINT service_alerts_pkey PRIMARY KEY (service);

-- ───────────────────────────────────────────────────────────────────────────────────────────────────── service_health

CREATE TABLE service_health (
    service text NOT NULL,
    hour timestamp with time zone NOT NULL,
    ok_count integer DEFAULT 0 NOT NULL,
    degraded_count integer DEFAULT 0 NOT NULL,
    down_count integer DEFAULT 0 NOT NULL,
    cached_count integer DEFAULT 0 NOT NULL,
    latency_sum_ms double precision DEFAULT 0 NOT NULL,
    latency_max_ms double precision DEFAULT 0 NOT NULL,
    last_status health_status NOT NULL,
    last_detail text DEFAULT ''::text NOT NULL,
    last_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT service_health_cached_count_check CHECK ((cached_count >= 0)),
    CONSTRAINT service_health_degraded_count_check CHECK ((degraded_count >= 0)),
    CONSTRAINT service_health_down_count_check CHECK ((down_count >= 0)),
    CONSTRAINT service_health_hour_check CHECK ((hour = date_trunc('hour'::text, hour, 'UTC'::text))),
    CONSTRAINT service_health_last_detail_check CHECK ((char_length(last_detail) <= 500)),
    CONSTRAINT service_health_latency_max_ms_check CHECK ((latency_max_ms >= (0)::double precision)),
    CONSTRAINT service_health_latency_sum_ms_check CHECK ((latency_sum_ms >= (0)::double precision)),
    CONSTRAINT service_health_ok_count_check CHECK ((ok_count >= 0)),
    CONSTRAINT service_health_service_check CHECK ((service ~ '^[a-z_]+$'::text))
)
WITH (fillfactor='70');
COMMENT ON TABLE service_health IS 'Availability and latency of a service in one hour, over all nodes.';
COMMENT ON COLUMN service_health.service IS 'postgres, valkey, smtp, or a provider.';
COMMENT ON COLUMN service_health.cached_count IS 'The number of requests that external_cache answered instead of the service.';
ALTER TABLE ONLY service_health ADD CONSTRAINT service_health_pkey PRIMARY KEY (service, hour);
GRANT SELECT ON TABLE service_health TO mysetlist_request;
GRANT SELECT ON TABLE service_health TO mysetlist_writer;

-- ─────────────────────────────────────────────────────────────────────────────────────────────────────────── sessions

CREATE TABLE sessions (
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    kind session_kind NOT NULL,
    device text DEFAULT ''::text NOT NULL,
    address_hash bytea,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    opened_at timestamp with time zone,
    renewed_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    agent_hash bytea,
    subnet_hash bytea,
    code_hash bytea,
    CONSTRAINT sessions_address_hash_check CHECK ((octet_length(address_hash) = 16)),
    CONSTRAINT sessions_agent_hash_check CHECK ((octet_length(agent_hash) = 8)),
    CONSTRAINT sessions_code_hash_check CHECK ((octet_length(code_hash) = 32)),
    CONSTRAINT sessions_device_check CHECK ((char_length(device) <= 80)),
    CONSTRAINT sessions_subnet_hash_check CHECK ((octet_length(subnet_hash) = 8)),
    CONSTRAINT sessions_unlisted_ended CHECK (((kind <> 'unlisted'::session_kind) OR (ended_at IS NOT NULL)))
);
COMMENT ON TABLE sessions IS 'A sign-in of an account. A token names its session and is valid until the session expires or is ended.';
COMMENT ON COLUMN sessions.kind IS 'fan: an anonymous sign-in, extended at each renewal. link: by a sign-in link. command: by `mysetlist token`. unlisted: a sign-out of all tokens of the account that name no session, because an older version made them.';
COMMENT ON COLUMN sessions.address_hash IS 'HMAC of the address that a new account came from, with the secret of the nodes. Deleted after a day.';
COMMENT ON COLUMN sessions.opened_at IS 'When the link was used, which works once. Null: not yet, or no link.';
COMMENT ON COLUMN sessions.renewed_at IS 'When it was last renewed, exact to the day.';
COMMENT ON COLUMN sessions.agent_hash IS 'Equal hashes are one program (User-Agent), for sign-ups of one day; deleted after a day.';
COMMENT ON COLUMN sessions.subnet_hash IS 'Equal hashes are one network (/24, /48), for sign-ups of one day; deleted after a day.';
COMMENT ON COLUMN sessions.code_hash IS 'HMAC of the code that opens this session on another device, with the secret of the nodes. Null: no code, or it was used.';
ALTER TABLE sessions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY sessions ADD CONSTRAINT sessions_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX sessions_code_hash_idx ON sessions USING btree (code_hash) WHERE (code_hash IS NOT NULL);
CREATE INDEX sessions_ended_at_idx ON sessions USING btree (ended_at) WHERE (ended_at IS NOT NULL);
CREATE INDEX sessions_expires_at_idx ON sessions USING btree (expires_at);
CREATE INDEX sessions_newcomers_idx ON sessions USING btree (created_at) WHERE (address_hash IS NOT NULL);
CREATE INDEX sessions_user_id_idx ON sessions USING btree (user_id);
ALTER TABLE ONLY sessions ADD CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
CREATE POLICY sessions_end ON sessions FOR UPDATE TO mysetlist_request USING ((user_id = ( SELECT app_user_id() AS app_user_id))) WITH CHECK ((user_id = ( SELECT app_user_id() AS app_user_id)));
CREATE POLICY sessions_end_unlisted ON sessions FOR INSERT TO mysetlist_request WITH CHECK (((user_id = ( SELECT app_user_id() AS app_user_id)) AND (kind = 'unlisted'::session_kind)));
CREATE POLICY sessions_own ON sessions FOR SELECT TO mysetlist_request USING ((user_id = ( SELECT app_user_id() AS app_user_id)));
CREATE POLICY sessions_writer ON sessions FOR SELECT TO mysetlist_writer USING (true);
GRANT SELECT ON TABLE sessions TO mysetlist_writer;
GRANT SELECT,INSERT ON TABLE sessions TO mysetlist_request;
GRANT UPDATE(ended_at) ON TABLE sessions TO mysetlist_request;

-- ──────────────────────────────────────────────────────────────────────────────────────────────────── set_aside_hours

CREATE TABLE set_aside_hours (
    show_id bigint NOT NULL,
    hour timestamp with time zone NOT NULL,
    up_count bigint NOT NULL,
    down_count bigint NOT NULL,
    withdrawn_count bigint NOT NULL,
    CONSTRAINT set_aside_hours_hour_check CHECK ((hour = date_trunc('hour'::text, hour, 'UTC'::text)))
);
COMMENT ON TABLE set_aside_hours IS 'The part of vote_rollups that was cast with ballots that are set aside now. A trigger deletes the rows of a deleted show.';
ALTER TABLE ONLY set_aside_hours ADD CONSTRAINT set_aside_hours_pkey PRIMARY KEY (show_id, hour);
GRANT SELECT ON TABLE set_aside_hours TO mysetlist_request;
GRANT SELECT ON TABLE set_aside_hours TO mysetlist_writer;

-- ──────────────────────────────────────────────────────────────────────────────────────────────── set_asides_to_count

CREATE TABLE set_asides_to_count (
    show_id bigint NOT NULL
);
COMMENT ON TABLE set_asides_to_count IS 'Ballots of a show were set aside or count again, and the statistics do not know it yet. Rows may be equal.';

-- ────────────────────────────────────────────────────────────────────────────────────────────────────── setlist_songs

CREATE TABLE setlist_songs (
    id bigint NOT NULL,
    setlist_id bigint NOT NULL,
    show_id bigint NOT NULL,
    song_id bigint NOT NULL,
    "position" integer NOT NULL,
    is_tape boolean DEFAULT false NOT NULL,
    medley smallint,
    note text DEFAULT ''::text NOT NULL,
    played_at timestamp with time zone,
    up_count bigint DEFAULT 0 NOT NULL,
    down_count bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    set_aside_up_count bigint DEFAULT 0 NOT NULL,
    set_aside_down_count bigint DEFAULT 0 NOT NULL,
    CONSTRAINT setlist_songs_down_count_check CHECK ((down_count >= 0)),
    CONSTRAINT setlist_songs_medley_check CHECK ((medley > 0)),
    CONSTRAINT setlist_songs_note_check CHECK ((char_length(note) <= 200)),
    CONSTRAINT setlist_songs_position_check CHECK (("position" > 0)),
    CONSTRAINT setlist_songs_set_aside_down_count_check CHECK ((set_aside_down_count >= 0)),
    CONSTRAINT setlist_songs_set_aside_up_count_check CHECK ((set_aside_up_count >= 0)),
    CONSTRAINT setlist_songs_up_count_check CHECK ((up_count >= 0))
)
WITH (fillfactor='50');
COMMENT ON TABLE setlist_songs IS 'One song in a set: what fans vote on. up_count and down_count are its tally.';
COMMENT ON COLUMN setlist_songs.is_tape IS 'Played from tape, not by the band.';
COMMENT ON COLUMN setlist_songs.medley IS 'Songs of one medley are neighbours with the same number.';
COMMENT ON COLUMN setlist_songs.note IS 'For people to read: "acoustic", "with …".';
COMMENT ON COLUMN setlist_songs.set_aside_up_count IS 'Votes up that are set aside. They are not in up_count.';
COMMENT ON COLUMN setlist_songs.set_aside_down_count IS 'Votes down that are set aside. They are not in down_count.';
ALTER TABLE setlist_songs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY setlist_songs ADD CONSTRAINT setlist_songs_id_show_key UNIQUE (id, show_id);
ALTER TABLE ONLY setlist_songs ADD CONSTRAINT setlist_songs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY setlist_songs ADD CONSTRAINT setlist_songs_place_key UNIQUE (setlist_id, "position") DEFERRABLE;
ALTER TABLE ONLY setlist_songs ADD CONSTRAINT setlist_songs_song_key UNIQUE (setlist_id, song_id);
CREATE INDEX setlist_songs_set_aside_idx ON setlist_songs USING btree (show_id) WHERE ((set_aside_up_count + set_aside_down_count) > 0);
CREATE INDEX setlist_songs_show_id_idx ON setlist_songs USING btree (show_id);
CREATE INDEX setlist_songs_song_id_idx ON setlist_songs USING btree (song_id);
CREATE TRIGGER setlist_songs_count_deleted AFTER DELETE ON setlist_songs REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_deleted_setlist_songs();
CREATE TRIGGER setlist_songs_count_inserted AFTER INSERT ON setlist_songs REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_inserted_setlist_songs();
CREATE TRIGGER setlist_songs_count_updated AFTER UPDATE ON setlist_songs FOR EACH ROW WHEN (((old.song_id IS DISTINCT FROM new.song_id) OR (old.setlist_id IS DISTINCT FROM new.setlist_id))) EXECUTE FUNCTION count_changed_setlist_song();
CREATE TRIGGER setlist_songs_keep_removed BEFORE DELETE ON setlist_songs FOR EACH ROW WHEN (((((old.up_count + old.down_count) + old.set_aside_up_count) + old.set_aside_down_count) > 0)) EXECUTE FUNCTION keep_removed_song();
CREATE TRIGGER setlist_songs_revise_deleted AFTER DELETE ON setlist_songs REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION revise_shows_of_setlists();
CREATE TRIGGER setlist_songs_revise_inserted AFTER INSERT ON setlist_songs REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION revise_shows_of_setlists();
CREATE TRIGGER setlist_songs_revise_updated AFTER UPDATE ON setlist_songs FOR EACH ROW WHEN ((((((((old.setlist_id IS DISTINCT FROM new.setlist_id) OR (old.song_id IS DISTINCT FROM new.song_id)) OR (old."position" IS DISTINCT FROM new."position")) OR (old.played_at IS DISTINCT FROM new.played_at)) OR (old.is_tape IS DISTINCT FROM new.is_tape)) OR (old.medley IS DISTINCT FROM new.medley)) OR (old.note IS DISTINCT FROM new.note))) EXECUTE FUNCTION revise_show_of_row();
CREATE TRIGGER setlist_songs_score_deleted AFTER DELETE ON setlist_songs REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_shows_to_score();
CREATE TRIGGER setlist_songs_score_inserted AFTER INSERT ON setlist_songs REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_shows_to_score();
CREATE TRIGGER setlist_songs_score_updated AFTER UPDATE OF setlist_id, song_id, is_tape ON setlist_songs FOR EACH ROW WHEN ((((old.setlist_id IS DISTINCT FROM new.setlist_id) OR (old.song_id IS DISTINCT FROM new.song_id)) OR (old.is_tape IS DISTINCT FROM new.is_tape))) EXECUTE FUNCTION note_show_of_row();
CREATE CONSTRAINT TRIGGER setlist_songs_tell AFTER UPDATE ON setlist_songs DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((old.played_at IS NULL) AND (new.played_at IS NOT NULL))) EXECUTE FUNCTION tell_of_played_song();
ALTER TABLE ONLY setlist_songs ADD CONSTRAINT setlist_songs_setlist_fkey FOREIGN KEY (setlist_id, show_id) REFERENCES setlists(id, show_id) ON DELETE CASCADE;
ALTER TABLE ONLY setlist_songs ADD CONSTRAINT setlist_songs_song_id_fkey FOREIGN KEY (song_id) REFERENCES songs(id);
GRANT SELECT ON TABLE setlist_songs TO mysetlist_request;
GRANT SELECT,UPDATE ON TABLE setlist_songs TO mysetlist_writer;

-- ─────────────────────────────────────────────────────────────────────────────────────────────────────────── setlists

CREATE TABLE setlists (
    id bigint NOT NULL,
    show_id bigint NOT NULL,
    type setlist_type NOT NULL,
    "position" integer DEFAULT 1 NOT NULL,
    kind set_kind DEFAULT 'main'::set_kind NOT NULL,
    name text NOT NULL,
    artist_id bigint,
    vote_count bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT setlists_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 200))),
    CONSTRAINT setlists_position_check CHECK (("position" > 0)),
    CONSTRAINT setlists_vote_count_check CHECK ((vote_count >= 0))
)
WITH (fillfactor='70');
COMMENT ON TABLE setlists IS 'One set of a show: predicted or actual; main, encore or alternate.';
COMMENT ON COLUMN setlists.artist_id IS 'The act on the bill that plays the set. Null: the artist of the show.';
ALTER TABLE setlists ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY setlists ADD CONSTRAINT setlists_id_show_key UNIQUE (id, show_id);
ALTER TABLE ONLY setlists ADD CONSTRAINT setlists_pkey PRIMARY KEY (id);
ALTER TABLE ONLY setlists ADD CONSTRAINT setlists_place_key UNIQUE (show_id, type, "position");
CREATE TRIGGER setlists_count_updated AFTER UPDATE ON setlists FOR EACH ROW WHEN (((old.type IS DISTINCT FROM new.type) OR (old.artist_id IS DISTINCT FROM new.artist_id))) EXECUTE FUNCTION count_changed_setlist();
CREATE TRIGGER setlists_revise_deleted AFTER DELETE ON setlists REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION revise_shows_of_setlists();
CREATE TRIGGER setlists_revise_inserted AFTER INSERT ON setlists REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION revise_shows_of_setlists();
CREATE TRIGGER setlists_revise_updated AFTER UPDATE ON setlists FOR EACH ROW WHEN ((((((old.type IS DISTINCT FROM new.type) OR (old.name IS DISTINCT FROM new.name)) OR (old."position" IS DISTINCT FROM new."position")) OR (old.kind IS DISTINCT FROM new.kind)) OR (old.artist_id IS DISTINCT FROM new.artist_id))) EXECUTE FUNCTION revise_show_of_row();
CREATE TRIGGER setlists_score_deleted AFTER DELETE ON setlists REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_shows_without_set();
CREATE TRIGGER setlists_score_updated AFTER UPDATE OF type, artist_id ON setlists FOR EACH ROW WHEN (((old.type IS DISTINCT FROM new.type) OR (old.artist_id IS DISTINCT FROM new.artist_id))) EXECUTE FUNCTION note_show_of_row();
CREATE TRIGGER setlists_touch BEFORE UPDATE OF type, name, "position", kind, artist_id ON setlists FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
ALTER TABLE ONLY setlists ADD CONSTRAINT setlists_artist_fkey FOREIGN KEY (show_id, artist_id) REFERENCES show_artists(show_id, artist_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY setlists ADD CONSTRAINT setlists_show_id_fkey FOREIGN KEY (show_id) REFERENCES shows(id) ON DELETE CASCADE;
GRANT SELECT ON TABLE setlists TO mysetlist_request;
GRANT SELECT,UPDATE ON TABLE setlists TO mysetlist_writer;

-- ────────────────────────────────────────────────────────────────────────────────────────────────────── show_accuracy

CREATE TABLE show_accuracy (
    show_id bigint NOT NULL,
    offered integer NOT NULL,
    predicted integer NOT NULL,
    hits integer NOT NULL,
    played integer NOT NULL,
    "precision" double precision GENERATED ALWAYS AS (((hits)::double precision / (NULLIF(predicted, 0))::double precision)) STORED,
    recall double precision GENERATED ALWAYS AS (((hits)::double precision / (played)::double precision)) STORED NOT NULL,
    rank_correlation double precision,
    is_settled boolean DEFAULT false NOT NULL,
    scored_at timestamp with time zone DEFAULT now() NOT NULL,
    r_precision double precision GENERATED ALWAYS AS (((hits)::double precision / (GREATEST(predicted, played))::double precision)) STORED NOT NULL,
    last_show_hits integer,
    CONSTRAINT show_accuracy_check CHECK (((predicted >= 0) AND (predicted <= offered))),
    CONSTRAINT show_accuracy_check1 CHECK (((hits >= 0) AND (hits <= LEAST(predicted, played)))),
    CONSTRAINT show_accuracy_check2 CHECK (((last_show_hits >= 0) AND (last_show_hits <= played))),
    CONSTRAINT show_accuracy_offered_check CHECK ((offered > 0)),
    CONSTRAINT show_accuracy_played_check CHECK ((played > 0)),
    CONSTRAINT show_accuracy_rank_correlation_check CHECK (((rank_correlation >= ('-1'::integer)::double precision) AND (rank_correlation <= (1)::double precision)))
);
COMMENT ON TABLE show_accuracy IS 'How well the crowd of a show predicted the played songs.';
COMMENT ON COLUMN show_accuracy.offered IS 'Songs that could be voted on.';
COMMENT ON COLUMN show_accuracy.predicted IS 'Songs that the crowd predicted.';
COMMENT ON COLUMN show_accuracy.hits IS 'Predicted songs that were played.';
COMMENT ON COLUMN show_accuracy.is_settled IS 'The played setlist was deleted because it may not be kept: these scores stay.';
COMMENT ON COLUMN show_accuracy.last_show_hits IS 'Played songs among as many first songs of the artist''s show before; null: that setlist is unknown.';
ALTER TABLE ONLY show_accuracy ADD CONSTRAINT show_accuracy_pkey PRIMARY KEY (show_id);
ALTER TABLE ONLY show_accuracy ADD CONSTRAINT show_accuracy_show_id_fkey FOREIGN KEY (show_id) REFERENCES shows(id) ON DELETE CASCADE;
ALTER TABLE show_accuracy ENABLE ROW LEVEL SECURITY;
CREATE POLICY show_accuracy_read ON show_accuracy FOR SELECT TO mysetlist_request, mysetlist_writer USING (true);
GRANT SELECT ON TABLE show_accuracy TO mysetlist_request;
GRANT SELECT ON TABLE show_accuracy TO mysetlist_writer;

-- ─────────────────────────────────────────────────────────────────────────────────────────────────────── show_artists

CREATE TABLE show_artists (
    show_id bigint NOT NULL,
    artist_id bigint NOT NULL,
    billing billing NOT NULL,
    "position" smallint NOT NULL,
    CONSTRAINT show_artists_position_check CHECK (("position" > 0))
);
COMMENT ON TABLE show_artists IS 'One act on the bill of a show, in order. The artist of the show is the headliner.';
ALTER TABLE ONLY show_artists ADD CONSTRAINT show_artists_pkey PRIMARY KEY (show_id, artist_id);
ALTER TABLE ONLY show_artists ADD CONSTRAINT show_artists_place_key UNIQUE (show_id, "position") DEFERRABLE;
CREATE INDEX show_artists_artist_id_idx ON show_artists USING btree (artist_id, show_id);
CREATE UNIQUE INDEX show_artists_headliner_idx ON show_artists USING btree (show_id) WHERE (billing = 'headliner'::billing);
CREATE TRIGGER show_artists_revise_deleted AFTER DELETE ON show_artists REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION revise_shows_of_setlists();
CREATE TRIGGER show_artists_revise_inserted AFTER INSERT ON show_artists REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION revise_shows_of_setlists();
CREATE TRIGGER show_artists_words_deleted AFTER DELETE ON show_artists REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION refresh_words_of_bill();
CREATE TRIGGER show_artists_words_inserted AFTER INSERT ON show_artists REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION refresh_words_of_bill();
ALTER TABLE ONLY show_artists ADD CONSTRAINT show_artists_artist_id_fkey FOREIGN KEY (artist_id) REFERENCES artists(id);
ALTER TABLE ONLY show_artists ADD CONSTRAINT show_artists_show_id_fkey FOREIGN KEY (show_id) REFERENCES shows(id) ON DELETE CASCADE;
GRANT SELECT ON TABLE show_artists TO mysetlist_request;
GRANT SELECT ON TABLE show_artists TO mysetlist_writer;

-- ────────────────────────────────────────────────────────────────────────────────────────────────────────── show_days

CREATE TABLE show_days (
    show_id bigint NOT NULL,
    day date NOT NULL,
    vote_count bigint DEFAULT 0 NOT NULL,
    visit_count bigint DEFAULT 0 NOT NULL,
    CONSTRAINT show_days_visit_count_check CHECK ((visit_count >= 0)),
    CONSTRAINT show_days_vote_count_check CHECK ((vote_count >= 0))
);
COMMENT ON TABLE show_days IS 'One day (UTC) of a show: how many votes were cast, and how many connections began to watch it.';
COMMENT ON COLUMN show_days.visit_count IS 'Each node adds its own every few seconds; a node that is killed loses its last ones.';
ALTER TABLE ONLY show_days ADD CONSTRAINT show_days_pkey PRIMARY KEY (show_id, day);
CREATE INDEX show_days_day_idx ON show_days USING btree (day);
GRANT SELECT,INSERT,UPDATE ON TABLE show_days TO mysetlist_writer;
GRANT SELECT ON TABLE show_days TO mysetlist_request;

-- ──────────────────────────────────────────────────────────────────────────────────────────────────── show_identities

CREATE TABLE show_identities (
    service sync_service NOT NULL,
    external_id text NOT NULL,
    show_id bigint NOT NULL,
    url text DEFAULT ''::text NOT NULL,
    version text DEFAULT ''::text NOT NULL,
    confidence real NOT NULL,
    evidence text NOT NULL,
    songs bigint[],
    checked_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT show_identities_confidence_check CHECK (((confidence >= (0)::double precision) AND (confidence <= (1)::double precision))),
    CONSTRAINT show_identities_evidence_check CHECK (((char_length(evidence) >= 1) AND (char_length(evidence) <= 300))),
    CONSTRAINT show_identities_external_id_check CHECK (((char_length(external_id) >= 1) AND (char_length(external_id) <= 80))),
    CONSTRAINT show_identities_service_check CHECK ((service <> 'file'::sync_service)),
    CONSTRAINT show_identities_url_check CHECK ((char_length(url) <= 500)),
    CONSTRAINT show_identities_version_check CHECK ((char_length(version) <= 80))
);
COMMENT ON TABLE show_identities IS 'The id of a show or its setlist at another service, how sure the match is, and why.';
COMMENT ON COLUMN show_identities.version IS 'Changes when the record changes at the service.';
COMMENT ON COLUMN show_identities.songs IS 'The songs that were written here from the service''s played setlist, in order. Null: none were written.';
ALTER TABLE ONLY show_identities ADD CONSTRAINT show_identities_pkey PRIMARY KEY (service, external_id);
CREATE INDEX show_identities_show_id_idx ON show_identities USING btree (show_id);
CREATE TRIGGER show_identities_tell AFTER INSERT OR DELETE ON show_identities FOR EACH ROW EXECUTE FUNCTION tell_of_link();
CREATE TRIGGER show_identities_tell_changed AFTER UPDATE ON show_identities FOR EACH ROW WHEN (((old.show_id IS DISTINCT FROM new.show_id) OR (old.url IS DISTINCT FROM new.url))) EXECUTE FUNCTION tell_of_link();
ALTER TABLE ONLY show_identities ADD CONSTRAINT show_identities_show_id_fkey FOREIGN KEY (show_id) REFERENCES shows(id) ON DELETE CASCADE;
GRANT SELECT ON TABLE show_identities TO mysetlist_request;
GRANT SELECT ON TABLE show_identities TO mysetlist_writer;

-- ────────────────────────────────────────────────────────────────────────────────────────────────────────── show_news

CREATE TABLE show_news (
    id bigint NOT NULL,
    show_id bigint NOT NULL,
    change text NOT NULL,
    was_at timestamp with time zone NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT show_news_change_check CHECK ((change ~ '^(cancelled|\d{4,}-\d\d-\d\d)$'::text))
);
COMMENT ON TABLE show_news IS 'A show was cancelled or got another date. Kept for two days, so that its fans are told.';
COMMENT ON COLUMN show_news.change IS 'cancelled, or the new date.';
COMMENT ON COLUMN show_news.was_at IS 'The start that fans knew.';
ALTER TABLE show_news ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY show_news ADD CONSTRAINT show_news_pkey PRIMARY KEY (id);
CREATE INDEX show_news_show_id_idx ON show_news USING btree (show_id);
ALTER TABLE ONLY show_news ADD CONSTRAINT show_news_show_id_fkey FOREIGN KEY (show_id) REFERENCES shows(id) ON DELETE CASCADE;
ALTER TABLE show_news ENABLE ROW LEVEL SECURITY;

-- ─────────────────────────────────────────────────────────────────────────────────────────────────── show_predictions

CREATE TABLE show_predictions (
    show_id bigint NOT NULL,
    service sync_service DEFAULT 'setlistfm'::sync_service NOT NULL,
    songs bigint[] NOT NULL,
    basis integer NOT NULL,
    made_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT show_predictions_basis_check CHECK ((basis > 0)),
    CONSTRAINT show_predictions_service_check CHECK ((service <> 'file'::sync_service))
);
COMMENT ON TABLE show_predictions IS 'The setlist that was predicted for a show from earlier ones. It may be replaced while it is unchanged and has no votes.';
COMMENT ON COLUMN show_predictions.service IS 'The provider of the earlier setlists.';
COMMENT ON COLUMN show_predictions.basis IS 'The number of earlier setlists that it was made from.';
ALTER TABLE ONLY show_predictions ADD CONSTRAINT show_predictions_pkey PRIMARY KEY (show_id);
CREATE TRIGGER show_predictions_tell AFTER INSERT OR DELETE ON show_predictions FOR EACH ROW EXECUTE FUNCTION tell_of_link();
CREATE TRIGGER show_predictions_tell_changed AFTER UPDATE ON show_predictions FOR EACH ROW WHEN ((old.service IS DISTINCT FROM new.service)) EXECUTE FUNCTION tell_of_link();
ALTER TABLE ONLY show_predictions ADD CONSTRAINT show_predictions_show_id_fkey FOREIGN KEY (show_id) REFERENCES shows(id) ON DELETE CASCADE;
GRANT SELECT ON TABLE show_predictions TO mysetlist_request;
GRANT SELECT ON TABLE show_predictions TO mysetlist_writer;

-- ────────────────────────────────────────────────────────────────────────────────────────────────────── show_trending

CREATE TABLE show_trending (
    show_id bigint NOT NULL,
    artist_id bigint NOT NULL,
    heat double precision NOT NULL,
    is_ranked boolean NOT NULL
)
WITH (fillfactor='70');
COMMENT ON TABLE show_trending IS 'The heat of a show with votes; its trending score at any moment follows from it.';
COMMENT ON COLUMN show_trending.artist_id IS 'As in shows.';
COMMENT ON COLUMN show_trending.heat IS 'The logarithm (base 2) of the sum of 2^((cast - landmark) / half-life) over the votes that stand.';
COMMENT ON COLUMN show_trending.is_ranked IS 'The show is upcoming or live.';
ALTER TABLE ONLY show_trending ADD CONSTRAINT show_trending_pkey PRIMARY KEY (show_id);
CREATE INDEX show_trending_artist_id_idx ON show_trending USING btree (artist_id);
CREATE INDEX show_trending_heat_idx ON show_trending USING btree (heat DESC, show_id) WHERE is_ranked;
ALTER TABLE ONLY show_trending ADD CONSTRAINT show_trending_show_id_fkey FOREIGN KEY (show_id) REFERENCES shows(id) ON DELETE CASCADE;
GRANT SELECT ON TABLE show_trending TO mysetlist_request;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE show_trending TO mysetlist_writer;

-- ────────────────────────────────────────────────────────────────────────────────────────────────────────────── shows

CREATE TABLE shows (
    id bigint NOT NULL,
    slug text NOT NULL,
    artist_id bigint NOT NULL,
    venue_id bigint NOT NULL,
    name text NOT NULL,
    origin sync_service,
    local_date date NOT NULL,
    time_zone text NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    status show_status DEFAULT 'upcoming'::show_status NOT NULL,
    opens_at timestamp with time zone NOT NULL,
    closes_at timestamp with time zone NOT NULL,
    is_locked boolean DEFAULT false NOT NULL,
    requires_ticket boolean DEFAULT false NOT NULL,
    votes_per_user_max integer,
    results results_visibility DEFAULT 'live'::results_visibility NOT NULL,
    finalised_at timestamp with time zone,
    vote_count bigint DEFAULT 0 NOT NULL,
    attendance_count bigint DEFAULT 0 NOT NULL,
    "position" bigint DEFAULT 0 NOT NULL,
    revision bigint DEFAULT 0 NOT NULL,
    search_text text DEFAULT ''::text NOT NULL,
    search tsvector DEFAULT ''::tsvector NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    sets_groups_aside boolean DEFAULT false NOT NULL,
    ticket_source ticket_source DEFAULT 'code'::ticket_source NOT NULL,
    CONSTRAINT shows_attendance_count_check CHECK ((attendance_count >= 0)),
    CONSTRAINT shows_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 300))),
    CONSTRAINT shows_origin_check CHECK ((origin <> 'file'::sync_service)),
    CONSTRAINT shows_slug_format CHECK ((slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'::text)),
    CONSTRAINT shows_time_zone_check CHECK ((time_zone ~ '^[A-Za-z_]+(/[A-Za-z0-9_+-]+)*$'::text)),
    CONSTRAINT shows_vote_count_check CHECK ((vote_count >= 0)),
    CONSTRAINT shows_votes_per_user_max_check CHECK ((votes_per_user_max > 0)),
    CONSTRAINT shows_window CHECK ((opens_at < closes_at))
)
WITH (fillfactor='70');
ALTER TABLE ONLY shows ALTER COLUMN search_text SET STATISTICS 10;
COMMENT ON TABLE shows IS 'One night: artist, venue, date, voting window and rules; its counts and its log position.';
COMMENT ON COLUMN shows.origin IS 'The provider that listed it first; `mysetlist sync forget` deletes by it. Null: from a person, a file or sample data.';
COMMENT ON COLUMN shows.local_date IS 'The date on the ticket, in the zone of the venue.';
COMMENT ON COLUMN shows.votes_per_user_max IS 'The budget of a fan in this show. Null: no limit.';
COMMENT ON COLUMN shows.finalised_at IS 'The time when the log had passed closes_at. From then on the tally is final.';
COMMENT ON COLUMN shows."position" IS 'The log position of the last commit with votes on this show.';
COMMENT ON COLUMN shows.revision IS 'Grows with every change of the show, its bill or its setlists, but not with votes.';
COMMENT ON COLUMN shows.search_text IS 'Folded name, venue and acts. Triggers keep it up to date: a generated column would be computed again with every vote.';
COMMENT ON COLUMN shows.sets_groups_aside IS 'Groups of this show are set aside when they are found, without a person.';
COMMENT ON COLUMN shows.ticket_source IS 'How a fan gets a ticket: a code, work of the own device, or a confirmed email.';
ALTER TABLE shows ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY shows ADD CONSTRAINT shows_pkey PRIMARY KEY (id);
ALTER TABLE ONLY shows ADD CONSTRAINT shows_slug_key UNIQUE (slug);
CREATE INDEX shows_artist_id_idx ON shows USING btree (artist_id);
CREATE INDEX shows_created_at_idx ON shows USING btree (created_at);
CREATE INDEX shows_finalised_at_idx ON shows USING btree (finalised_at) WHERE (finalised_at IS NOT NULL);
CREATE INDEX shows_hidden_idx ON shows USING btree (id) WHERE ((results <> 'live'::results_visibility) AND (finalised_at IS NULL));
CREATE INDEX shows_list_idx ON shows USING btree (list_group(status), list_place(status, starts_at), id);
CREATE INDEX shows_local_date_idx ON shows USING btree (local_date);
CREATE INDEX shows_opens_at_idx ON shows USING btree (opens_at) WHERE (finalised_at IS NULL);
CREATE INDEX shows_search_idx ON shows USING gin (search) WITH (fastupdate=off);
CREATE INDEX shows_similar_idx ON shows USING gin (search_text gin_trgm_ops) WITH (fastupdate=off);
CREATE INDEX shows_status_idx ON shows USING btree (status, starts_at, id);
CREATE INDEX shows_unfinished_idx ON shows USING btree (closes_at) WHERE (finalised_at IS NULL);
CREATE INDEX shows_venue_id_idx ON shows USING btree (venue_id);
CREATE TRIGGER shows_bill AFTER INSERT ON shows REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION bill_headliners();
CREATE TRIGGER shows_count_deleted AFTER DELETE ON shows REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_shows();
CREATE TRIGGER shows_count_inserted AFTER INSERT ON shows REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_shows();
CREATE TRIGGER shows_count_moved AFTER UPDATE OF artist_id ON shows FOR EACH ROW WHEN ((old.artist_id IS DISTINCT FROM new.artist_id)) EXECUTE FUNCTION count_moved_show();
CREATE TRIGGER shows_count_songs AFTER UPDATE OF artist_id, local_date ON shows FOR EACH ROW WHEN (((old.artist_id IS DISTINCT FROM new.artist_id) OR (old.local_date IS DISTINCT FROM new.local_date))) EXECUTE FUNCTION count_changed_show();
CREATE TRIGGER shows_default_name BEFORE UPDATE OF artist_id, venue_id ON shows FOR EACH ROW WHEN ((((old.artist_id IS DISTINCT FROM new.artist_id) OR (old.venue_id IS DISTINCT FROM new.venue_id)) AND (old.name = new.name))) EXECUTE FUNCTION follow_default_name();
CREATE TRIGGER shows_news AFTER UPDATE OF status, local_date ON shows FOR EACH ROW WHEN ((((new.status = 'cancelled'::show_status) AND (old.status = ANY (ARRAY['upcoming'::show_status, 'live'::show_status]))) OR ((new.status = 'upcoming'::show_status) AND (new.local_date IS DISTINCT FROM old.local_date)))) EXECUTE FUNCTION note_show_news();
CREATE TRIGGER shows_note_boards AFTER UPDATE ON shows FOR EACH ROW WHEN (((old.revision IS DISTINCT FROM new.revision) AND ((old.status = 'finished'::show_status) OR (new.status = 'finished'::show_status)))) EXECUTE FUNCTION note_boards();
CREATE TRIGGER shows_note_boards_deleted AFTER DELETE ON shows FOR EACH ROW WHEN ((old.status = 'finished'::show_status)) EXECUTE FUNCTION note_boards();
CREATE TRIGGER shows_note_scopes_deleted AFTER DELETE ON shows FOR EACH ROW EXECUTE FUNCTION note_scopes();
CREATE TRIGGER shows_note_scopes_moved AFTER UPDATE OF artist_id, venue_id ON shows FOR EACH ROW WHEN (((old.artist_id IS DISTINCT FROM new.artist_id) OR (old.venue_id IS DISTINCT FROM new.venue_id))) EXECUTE FUNCTION note_scopes();
CREATE CONSTRAINT TRIGGER shows_note_voting AFTER UPDATE ON shows DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((old.opens_at IS DISTINCT FROM new.opens_at) OR (old.closes_at IS DISTINCT FROM new.closes_at) OR (old.status IS DISTINCT FROM new.status) OR (old.finalised_at IS DISTINCT FROM new.finalised_at))) EXECUTE FUNCTION note_voting_of_changed();
CREATE TRIGGER shows_note_voting_of_new AFTER INSERT ON shows REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION note_voting_of_new();
CREATE TRIGGER shows_notify AFTER UPDATE ON shows FOR EACH ROW WHEN ((old.revision IS DISTINCT FROM new.revision)) EXECUTE FUNCTION notify_show_revised();
CREATE TRIGGER shows_rank AFTER UPDATE OF status, artist_id ON shows FOR EACH ROW WHEN (((old.status IS DISTINCT FROM new.status) OR (old.artist_id IS DISTINCT FROM new.artist_id))) EXECUTE FUNCTION rank_show();
CREATE TRIGGER shows_rank_deleted AFTER DELETE ON shows FOR EACH ROW EXECUTE FUNCTION rank_show();
CREATE TRIGGER shows_rebill AFTER UPDATE OF artist_id ON shows FOR EACH ROW WHEN ((old.artist_id IS DISTINCT FROM new.artist_id)) EXECUTE FUNCTION rebill_headliner();
CREATE TRIGGER shows_revise BEFORE UPDATE ON shows FOR EACH ROW WHEN (((((((((((((((old.slug IS DISTINCT FROM new.slug) OR (old.artist_id IS DISTINCT FROM new.artist_id)) OR (old.venue_id IS DISTINCT FROM new.venue_id)) OR (old.name IS DISTINCT FROM new.name)) OR (old.local_date IS DISTINCT FROM new.local_date)) OR (old.time_zone IS DISTINCT FROM new.time_zone)) OR (old.starts_at IS DISTINCT FROM new.starts_at)) OR (old.status IS DISTINCT FROM new.status)) OR (old.opens_at IS DISTINCT FROM new.opens_at)) OR (old.closes_at IS DISTINCT FROM new.closes_at)) OR (old.is_locked IS DISTINCT FROM new.is_locked)) OR (old.finalised_at IS DISTINCT FROM new.finalised_at)) OR (old.votes_per_user_max IS DISTINCT FROM new.votes_per_user_max)) OR (old.revision IS DISTINCT FROM new.revision))) EXECUTE FUNCTION revise_show();
CREATE TRIGGER shows_revise_group_rule BEFORE UPDATE ON shows FOR EACH ROW WHEN ((old.sets_groups_aside IS DISTINCT FROM new.sets_groups_aside)) EXECUTE FUNCTION revise_show();
CREATE TRIGGER shows_revise_results BEFORE UPDATE ON shows FOR EACH ROW WHEN ((old.results IS DISTINCT FROM new.results)) EXECUTE FUNCTION revise_show();
CREATE TRIGGER shows_revise_ticket BEFORE UPDATE ON shows FOR EACH ROW WHEN ((old.requires_ticket IS DISTINCT FROM new.requires_ticket)) EXECUTE FUNCTION revise_show();
CREATE TRIGGER shows_revise_ticket_source BEFORE UPDATE ON shows FOR EACH ROW WHEN ((old.ticket_source IS DISTINCT FROM new.ticket_source)) EXECUTE FUNCTION revise_show();
CREATE TRIGGER shows_score_updated AFTER UPDATE OF finalised_at, artist_id ON shows FOR EACH ROW WHEN (((old.finalised_at IS DISTINCT FROM new.finalised_at) OR (old.artist_id IS DISTINCT FROM new.artist_id))) EXECUTE FUNCTION note_show();
CREATE CONSTRAINT TRIGGER shows_tell AFTER UPDATE ON shows DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((old.status IS DISTINCT FROM new.status) OR ((new.finalised_at IS NOT NULL) AND (old.finalised_at IS NULL)) OR ((new.vote_count > old.vote_count) AND (new.vote_count >= 10) AND (round_number(new.vote_count) > round_number(old.vote_count))))) EXECUTE FUNCTION tell_of_show();
CREATE CONSTRAINT TRIGGER shows_tell_new AFTER INSERT ON shows DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ((new.status = 'upcoming'::show_status)) EXECUTE FUNCTION tell_of_new_show();
CREATE TRIGGER shows_words AFTER UPDATE OF name, venue_id ON shows FOR EACH ROW WHEN (((old.name IS DISTINCT FROM new.name) OR (old.venue_id IS DISTINCT FROM new.venue_id))) EXECUTE FUNCTION refresh_words_of_show();
ALTER TABLE ONLY shows ADD CONSTRAINT shows_artist_id_fkey FOREIGN KEY (artist_id) REFERENCES artists(id);
ALTER TABLE ONLY shows ADD CONSTRAINT shows_venue_id_fkey FOREIGN KEY (venue_id) REFERENCES venues(id);
GRANT SELECT ON TABLE shows TO mysetlist_request;
GRANT SELECT,UPDATE ON TABLE shows TO mysetlist_writer;

-- ───────────────────────────────────────────────────────────────────────────────────────────────────── shows_to_score

CREATE TABLE shows_to_score (
    id bigint NOT NULL,
    show_id bigint NOT NULL
);
COMMENT ON TABLE shows_to_score IS 'A queue of shows to score again: one row for each reason. A change of a show adds a row and never waits for a lock; scoring deletes the rows that it has seen.';
COMMENT ON COLUMN shows_to_score.show_id IS 'Without a foreign key: a show may be deleted while it waits.';
ALTER TABLE shows_to_score ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY shows_to_score ADD CONSTRAINT shows_to_score_pkey PRIMARY KEY (id);

-- ───────────────────────────────────────────────────────────────────────────────────────────────────────── song_hours

CREATE TABLE song_hours (
    setlist_song_id bigint NOT NULL,
    hour timestamp with time zone NOT NULL,
    up_count bigint NOT NULL,
    down_count bigint NOT NULL,
    CONSTRAINT song_hours_down_count_check CHECK ((down_count >= 0)),
    CONSTRAINT song_hours_hour_check CHECK ((hour = date_trunc('hour'::text, hour, 'UTC'::text))),
    CONSTRAINT song_hours_up_count_check CHECK ((up_count >= 0))
);
COMMENT ON TABLE song_hours IS 'The counts of a song as they stood when they were last looked at in an hour. Hours in which they did not change have no row.';
ALTER TABLE ONLY song_hours ADD CONSTRAINT song_hours_pkey PRIMARY KEY (setlist_song_id, hour);
ALTER TABLE ONLY song_hours ADD CONSTRAINT song_hours_setlist_song_id_fkey FOREIGN KEY (setlist_song_id) REFERENCES setlist_songs(id) ON DELETE CASCADE;
GRANT SELECT ON TABLE song_hours TO mysetlist_request;
GRANT SELECT ON TABLE song_hours TO mysetlist_writer;

-- ──────────────────────────────────────────────────────────────────────────────────────────────────── song_identities

CREATE TABLE song_identities (
    service sync_service NOT NULL,
    external_id text NOT NULL,
    song_id bigint NOT NULL,
    url text DEFAULT ''::text NOT NULL,
    isrc text DEFAULT ''::text NOT NULL,
    checked_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT song_identities_external_id_check CHECK (((char_length(external_id) >= 1) AND (char_length(external_id) <= 80))),
    CONSTRAINT song_identities_isrc_check CHECK ((char_length(isrc) <= 20)),
    CONSTRAINT song_identities_service_check CHECK ((service <> 'file'::sync_service)),
    CONSTRAINT song_identities_url_check CHECK ((char_length(url) <= 500))
);
COMMENT ON TABLE song_identities IS 'A recording of a song at another service.';
COMMENT ON COLUMN song_identities.isrc IS 'The International Standard Recording Code: the same for all copies of a recording.';
ALTER TABLE ONLY song_identities ADD CONSTRAINT song_identities_pkey PRIMARY KEY (service, external_id);
CREATE INDEX song_identities_song_id_idx ON song_identities USING btree (song_id);
ALTER TABLE ONLY song_identities ADD CONSTRAINT song_identities_song_id_fkey FOREIGN KEY (song_id) REFERENCES songs(id) ON DELETE CASCADE;
GRANT SELECT ON TABLE song_identities TO mysetlist_request;

-- ─────────────────────────────────────────────────────────────────────────────────────────────────── song_suggestions

CREATE TABLE song_suggestions (
    id bigint NOT NULL,
    show_id bigint NOT NULL,
    user_id bigint NOT NULL,
    title text NOT NULL,
    folded text GENERATED ALWAYS AS (fold(title)) STORED NOT NULL,
    status suggestion_status DEFAULT 'pending'::suggestion_status NOT NULL,
    reasons text[] DEFAULT '{}'::text[] NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    decided_at timestamp with time zone,
    CONSTRAINT song_suggestions_decided CHECK (((status = 'pending'::suggestion_status) = (decided_at IS NULL))),
    CONSTRAINT song_suggestions_reason_check CHECK ((char_length(reason) <= 500)),
    CONSTRAINT song_suggestions_title_check CHECK (((char_length(title) >= 1) AND (char_length(title) <= 200)))
);
COMMENT ON TABLE song_suggestions IS 'One fan''s suggestion of a song for a show. A moderator decides all suggestions of one title together.';
COMMENT ON COLUMN song_suggestions.folded IS 'The folded title: titles that differ only in spelling are one song.';
COMMENT ON COLUMN song_suggestions.reasons IS 'Why the text screening asks a moderator to check the title.';
COMMENT ON COLUMN song_suggestions.reason IS 'The moderator''s reason for the decision.';
ALTER TABLE song_suggestions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY song_suggestions ADD CONSTRAINT song_suggestions_once UNIQUE (user_id, show_id, folded);
ALTER TABLE ONLY song_suggestions ADD CONSTRAINT song_suggestions_pkey PRIMARY KEY (id);
CREATE INDEX song_suggestions_pending_idx ON song_suggestions USING btree (id) WHERE (status = 'pending'::suggestion_status);
CREATE INDEX song_suggestions_show_idx ON song_suggestions USING btree (show_id, folded);
CREATE INDEX song_suggestions_waiting_idx ON song_suggestions USING btree (created_at, id) WHERE (status = 'pending'::suggestion_status);
ALTER TABLE ONLY song_suggestions ADD CONSTRAINT song_suggestions_show_id_fkey FOREIGN KEY (show_id) REFERENCES shows(id) ON DELETE CASCADE;
ALTER TABLE ONLY song_suggestions ADD CONSTRAINT song_suggestions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE song_suggestions ENABLE ROW LEVEL SECURITY;
CREATE POLICY song_suggestions_own ON song_suggestions FOR INSERT TO mysetlist_request WITH CHECK (((user_id = ( SELECT app_user_id() AS app_user_id)) AND (status = 'pending'::suggestion_status)));
CREATE POLICY song_suggestions_read ON song_suggestions FOR SELECT TO mysetlist_request USING (((user_id = ( SELECT app_user_id() AS app_user_id)) OR ( SELECT app_is_staff() AS app_is_staff)));
CREATE POLICY song_suggestions_withdraw ON song_suggestions FOR DELETE TO mysetlist_request USING (((user_id = ( SELECT app_user_id() AS app_user_id)) AND (status = 'pending'::suggestion_status)));
GRANT SELECT,INSERT,DELETE ON TABLE song_suggestions TO mysetlist_request;

-- ────────────────────────────────────────────────────────────────────────────────────────────────────────────── songs

CREATE TABLE songs (
    id bigint NOT NULL,
    artist_id bigint NOT NULL,
    title text NOT NULL,
    folded text GENERATED ALWAYS AS (fold(title)) STORED NOT NULL,
    search tsvector GENERATED ALWAYS AS (words_of(title)) STORED,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT songs_title_check CHECK (((char_length(title) >= 1) AND (char_length(title) <= 300)))
);
ALTER TABLE ONLY songs ALTER COLUMN folded SET STATISTICS 10;
COMMENT ON TABLE songs IS 'One song. It belongs to the artist who wrote it; a cover is a song of another artist.';
ALTER TABLE songs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY songs ADD CONSTRAINT songs_artist_title_key UNIQUE (artist_id, title);
ALTER TABLE ONLY songs ADD CONSTRAINT songs_pkey PRIMARY KEY (id);
CREATE INDEX songs_search_idx ON songs USING gin (search) WITH (fastupdate=off);
CREATE INDEX songs_similar_idx ON songs USING gin (folded gin_trgm_ops) WITH (fastupdate=off);
CREATE TRIGGER songs_touch BEFORE UPDATE ON songs FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
ALTER TABLE ONLY songs ADD CONSTRAINT songs_artist_id_fkey FOREIGN KEY (artist_id) REFERENCES artists(id);
GRANT SELECT ON TABLE songs TO mysetlist_request;
GRANT SELECT ON TABLE songs TO mysetlist_writer;

-- ────────────────────────────────────────────────────────────────────────────────────────────────────────── standings

CREATE TABLE standings (
    board board_kind NOT NULL,
    subject_id bigint NOT NULL,
    user_id bigint NOT NULL,
    points integer NOT NULL,
    show_count integer NOT NULL,
    rank integer NOT NULL,
    number integer NOT NULL,
    CONSTRAINT standings_check CHECK ((number >= rank)),
    CONSTRAINT standings_points_check CHECK ((points >= 0)),
    CONSTRAINT standings_rank_check CHECK ((rank > 0)),
    CONSTRAINT standings_show_count_check CHECK ((show_count > 0))
);
COMMENT ON TABLE standings IS 'A fan''s place on a leaderboard. Those of a show are its final points; the others are sums of them.';
COMMENT ON COLUMN standings.subject_id IS 'The show, the artist or the tour; of a season, the year.';
COMMENT ON COLUMN standings.rank IS 'The same points share a place; the places of erased fans stay empty.';
COMMENT ON COLUMN standings.number IS 'The number of the row in the list of this board, by which pages go on: it tells nobody who the fan is.';
ALTER TABLE ONLY standings ADD CONSTRAINT standings_pkey PRIMARY KEY (board, subject_id, user_id);
CREATE UNIQUE INDEX standings_number_idx ON standings USING btree (board, subject_id, number);
CREATE INDEX standings_user_id_idx ON standings USING btree (user_id);
ALTER TABLE ONLY standings ADD CONSTRAINT standings_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE standings ENABLE ROW LEVEL SECURITY;
CREATE POLICY standings_own ON standings FOR SELECT TO mysetlist_request USING (((user_id = ( SELECT app_user_id() AS app_user_id)) OR ( SELECT app_is_staff() AS app_is_staff)));
CREATE POLICY standings_writer ON standings FOR SELECT TO mysetlist_writer USING (true);
GRANT SELECT ON TABLE standings TO mysetlist_request;
GRANT SELECT ON TABLE standings TO mysetlist_writer;

-- ────────────────────────────────────────────────────────────────────────────────────────────────────────── sync_jobs

CREATE TABLE sync_jobs (
    id bigint NOT NULL,
    service sync_service NOT NULL,
    kind text NOT NULL,
    subject text DEFAULT ''::text NOT NULL,
    priority priority_level DEFAULT 'normal'::priority_level NOT NULL,
    status sync_status DEFAULT 'queued'::sync_status NOT NULL,
    cursor jsonb DEFAULT '{}'::jsonb NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    error text DEFAULT ''::text NOT NULL,
    run_at timestamp with time zone DEFAULT now() NOT NULL,
    lease_until timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    CONSTRAINT sync_jobs_attempts_check CHECK ((attempts >= 0)),
    CONSTRAINT sync_jobs_error_check CHECK ((char_length(error) <= 1000)),
    CONSTRAINT sync_jobs_kind_check CHECK (((char_length(kind) >= 1) AND (char_length(kind) <= 80))),
    CONSTRAINT sync_jobs_subject_check CHECK ((char_length(subject) <= 300))
);
COMMENT ON TABLE sync_jobs IS 'One run: a file that is imported, or a job that asks a provider.';
COMMENT ON COLUMN sync_jobs.kind IS 'import, artist, show and others.';
COMMENT ON COLUMN sync_jobs.subject IS 'The name of the file or the artist, or the id of what the job is about.';
COMMENT ON COLUMN sync_jobs.cursor IS 'Where another node continues the job if its node dies.';
COMMENT ON COLUMN sync_jobs.lease_until IS 'The node that runs the job renews the lease. An expired lease means that the node is dead; another node continues.';
ALTER TABLE sync_jobs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY sync_jobs ADD CONSTRAINT sync_jobs_pkey PRIMARY KEY (id);
CREATE INDEX sync_jobs_leased_idx ON sync_jobs USING btree (lease_until) WHERE ((status = 'running'::sync_status) AND (lease_until IS NOT NULL));
CREATE INDEX sync_jobs_recent_idx ON sync_jobs USING btree (id DESC) INCLUDE (status);
CREATE INDEX sync_jobs_subject_idx ON sync_jobs USING btree (service, kind, subject, created_at);
CREATE UNIQUE INDEX sync_jobs_waiting_idx ON sync_jobs USING btree (service, kind, subject) WHERE (status = 'queued'::sync_status);
ALTER TABLE sync_jobs ENABLE ROW LEVEL SECURITY;
CREATE POLICY sync_jobs_admin ON sync_jobs FOR SELECT TO mysetlist_request USING (( SELECT app_is_admin() AS app_is_admin));
GRANT SELECT ON TABLE sync_jobs TO mysetlist_request;

-- ──────────────────────────────────────────────────────────────────────────────────────────────────────── sync_pauses

CREATE TABLE sync_pauses (
    service sync_service NOT NULL,
    paused_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE sync_pauses IS 'A service whose jobs wait until an administrator resumes it.';
ALTER TABLE ONLY sync_pauses ADD CONSTRAINT sync_pauses_pkey PRIMARY KEY (service);

-- ────────────────────────────────────────────────────────────────────────────────────────────────────── sync_progress

CREATE TABLE sync_progress (
    job_id bigint NOT NULL,
    stage import_stage NOT NULL,
    done bigint DEFAULT 0 NOT NULL,
    total bigint NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT sync_progress_done_check CHECK ((done >= 0)),
    CONSTRAINT sync_progress_total_check CHECK ((total >= 0))
);
COMMENT ON TABLE sync_progress IS 'The progress of one stage of a run.';
ALTER TABLE ONLY sync_progress ADD CONSTRAINT sync_progress_pkey PRIMARY KEY (job_id, stage);
ALTER TABLE ONLY sync_progress ADD CONSTRAINT sync_progress_job_id_fkey FOREIGN KEY (job_id) REFERENCES sync_jobs(id) ON DELETE CASCADE;
ALTER TABLE sync_progress ENABLE ROW LEVEL SECURITY;
CREATE POLICY sync_progress_admin ON sync_progress FOR SELECT TO mysetlist_request USING (( SELECT app_is_admin() AS app_is_admin));
GRANT SELECT ON TABLE sync_progress TO mysetlist_request;

-- ───────────────────────────────────────────────────────────────────────────────────────────────────── sync_schedules

CREATE TABLE sync_schedules (
    name text NOT NULL,
    every_s integer NOT NULL,
    is_paused boolean DEFAULT false NOT NULL,
    next_at timestamp with time zone DEFAULT now() NOT NULL,
    last_at timestamp with time zone,
    CONSTRAINT sync_schedules_every_s_check CHECK (((every_s >= 60) AND (every_s <= 31536000))),
    CONSTRAINT sync_schedules_name_check CHECK ((name ~ '^[a-z-]{1,40}$'::text))
);
COMMENT ON TABLE sync_schedules IS 'A job that is queued at regular times.';
ALTER TABLE ONLY sync_schedules ADD CONSTRAINT sync_schedules_pkey PRIMARY KEY (name);

-- ─────────────────────────────────────────────────────────────────────────────────────────────────────── ticket_codes

CREATE TABLE ticket_codes (
    show_id bigint NOT NULL,
    code_hash bytea NOT NULL,
    user_id bigint,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    redeemed_at timestamp with time zone,
    is_keyed boolean DEFAULT true NOT NULL,
    CONSTRAINT ticket_codes_code_hash_check CHECK ((octet_length(code_hash) = 32)),
    CONSTRAINT ticket_codes_redeemed CHECK (((user_id IS NULL) OR (redeemed_at IS NOT NULL)))
);
COMMENT ON TABLE ticket_codes IS 'One code that binds a vote to an admission (docs/adr/0015). It stays redeemed, even when its user is erased.';
COMMENT ON COLUMN ticket_codes.code_hash IS 'HMAC, with the secret of the nodes, of the SHA-256 of the code, or of the mailbox that earned the ticket; random for work.';
COMMENT ON COLUMN ticket_codes.is_keyed IS 'False: code_hash is still the SHA-256 of an older version.';
ALTER TABLE ONLY ticket_codes ADD CONSTRAINT ticket_codes_pkey PRIMARY KEY (show_id, code_hash);
CREATE UNIQUE INDEX ticket_codes_holder_idx ON ticket_codes USING btree (user_id, show_id) WHERE (user_id IS NOT NULL);
CREATE INDEX ticket_codes_unkeyed_idx ON ticket_codes USING btree (show_id) WHERE (NOT is_keyed);
ALTER TABLE ONLY ticket_codes ADD CONSTRAINT ticket_codes_show_id_fkey FOREIGN KEY (show_id) REFERENCES shows(id) ON DELETE CASCADE;
ALTER TABLE ONLY ticket_codes ADD CONSTRAINT ticket_codes_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE SET NULL;
ALTER TABLE ticket_codes ENABLE ROW LEVEL SECURITY;
CREATE POLICY ticket_codes_admin ON ticket_codes FOR SELECT TO mysetlist_request USING (( SELECT app_is_admin() AS app_is_admin));
CREATE POLICY ticket_codes_make ON ticket_codes FOR INSERT TO mysetlist_request WITH CHECK ((( SELECT app_is_admin() AS app_is_admin) AND (user_id IS NULL) AND (redeemed_at IS NULL)));
CREATE POLICY ticket_codes_own ON ticket_codes FOR SELECT TO mysetlist_request USING ((user_id = ( SELECT app_user_id() AS app_user_id)));
CREATE POLICY ticket_codes_writer ON ticket_codes FOR SELECT TO mysetlist_writer USING (true);
GRANT SELECT ON TABLE ticket_codes TO mysetlist_writer;
GRANT SELECT,INSERT ON TABLE ticket_codes TO mysetlist_request;

-- ────────────────────────────────────────────────────────────────────────────────────────────────────────────── tours

CREATE TABLE tours (
    id bigint NOT NULL,
    artist_id bigint NOT NULL,
    name text NOT NULL,
    first_date date NOT NULL,
    last_date date NOT NULL,
    CONSTRAINT tours_dates CHECK ((first_date <= last_date)),
    CONSTRAINT tours_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 200)))
);
COMMENT ON TABLE tours IS 'A tour of an artist: all shows of the artist from its first to its last date, as tickets have them.';
ALTER TABLE tours ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY tours ADD CONSTRAINT tours_pkey PRIMARY KEY (id);
CREATE INDEX tours_artist_idx ON tours USING btree (artist_id, first_date);
CREATE TRIGGER tours_note AFTER INSERT OR DELETE OR UPDATE ON tours FOR EACH ROW EXECUTE FUNCTION note_tour();
ALTER TABLE ONLY tours ADD CONSTRAINT tours_artist_id_fkey FOREIGN KEY (artist_id) REFERENCES artists(id) ON DELETE CASCADE;
ALTER TABLE tours ENABLE ROW LEVEL SECURITY;
CREATE POLICY tours_read ON tours FOR SELECT TO mysetlist_request, mysetlist_writer USING (true);
GRANT SELECT ON TABLE tours TO mysetlist_request;
GRANT SELECT ON TABLE tours TO mysetlist_writer;

-- ────────────────────────────────────────────────────────────────────────────────────────────────────────── user_bans

CREATE TABLE user_bans (
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    kind ban_kind NOT NULL,
    reason text NOT NULL,
    banned_by bigint,
    banned_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    lifted_at timestamp with time zone,
    lifted_by bigint,
    CONSTRAINT user_bans_ends_later CHECK ((expires_at > banned_at)),
    CONSTRAINT user_bans_reason_check CHECK (((char_length(reason) >= 1) AND (char_length(reason) <= 1000)))
);
COMMENT ON TABLE user_bans IS 'A ban of an account: its kind says what is forbidden.';
COMMENT ON COLUMN user_bans.expires_at IS 'Null: the ban does not expire.';
ALTER TABLE user_bans ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY user_bans ADD CONSTRAINT user_bans_pkey PRIMARY KEY (id);
CREATE INDEX user_bans_banned_by_idx ON user_bans USING btree (banned_by) WHERE (banned_by IS NOT NULL);
CREATE INDEX user_bans_lifted_by_idx ON user_bans USING btree (lifted_by) WHERE (lifted_by IS NOT NULL);
CREATE INDEX user_bans_of_user_idx ON user_bans USING btree (user_id);
CREATE INDEX user_bans_user_id_idx ON user_bans USING btree (user_id) WHERE (lifted_at IS NULL);
ALTER TABLE ONLY user_bans ADD CONSTRAINT user_bans_banned_by_fkey FOREIGN KEY (banned_by) REFERENCES users(id) ON DELETE SET NULL;
ALTER TABLE ONLY user_bans ADD CONSTRAINT user_bans_lifted_by_fkey FOREIGN KEY (lifted_by) REFERENCES users(id) ON DELETE SET NULL;
ALTER TABLE ONLY user_bans ADD CONSTRAINT user_bans_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE user_bans ENABLE ROW LEVEL SECURITY;
CREATE POLICY user_bans_change ON user_bans FOR UPDATE TO mysetlist_request USING (( SELECT app_is_staff() AS app_is_staff)) WITH CHECK (( SELECT app_is_staff() AS app_is_staff));
CREATE POLICY user_bans_read ON user_bans FOR SELECT TO mysetlist_request USING (((user_id = ( SELECT app_user_id() AS app_user_id)) OR ( SELECT app_is_staff() AS app_is_staff)));
CREATE POLICY user_bans_staff ON user_bans FOR INSERT TO mysetlist_request WITH CHECK (( SELECT app_is_staff() AS app_is_staff));
CREATE POLICY user_bans_writer ON user_bans FOR SELECT TO mysetlist_writer USING (true);
GRANT SELECT ON TABLE user_bans TO mysetlist_writer;
GRANT SELECT,INSERT,UPDATE ON TABLE user_bans TO mysetlist_request;

-- ─────────────────────────────────────────────────────────────────────────────────────────────── user_follows_artists

CREATE TABLE user_follows_artists (
    user_id bigint NOT NULL,
    artist_id bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE user_follows_artists IS 'A fan follows an artist.';
ALTER TABLE ONLY user_follows_artists ADD CONSTRAINT user_follows_artists_pkey PRIMARY KEY (user_id, artist_id);
CREATE INDEX user_follows_artists_artist_id_idx ON user_follows_artists USING btree (artist_id, user_id);
CREATE INDEX user_follows_artists_created_at_idx ON user_follows_artists USING btree (created_at);
CREATE TRIGGER user_follows_artists_count_deleted AFTER DELETE ON user_follows_artists REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_follows('-1');
CREATE TRIGGER user_follows_artists_count_inserted AFTER INSERT ON user_follows_artists REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_follows('1');
CREATE TRIGGER user_follows_artists_count_moved_in AFTER UPDATE ON user_follows_artists REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_follows('1');
CREATE TRIGGER user_follows_artists_count_moved_out AFTER UPDATE ON user_follows_artists REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_follows('-1');
ALTER TABLE ONLY user_follows_artists ADD CONSTRAINT user_follows_artists_artist_id_fkey FOREIGN KEY (artist_id) REFERENCES artists(id) ON DELETE CASCADE;
ALTER TABLE ONLY user_follows_artists ADD CONSTRAINT user_follows_artists_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE user_follows_artists ENABLE ROW LEVEL SECURITY;
CREATE POLICY user_follows_artists_own ON user_follows_artists TO mysetlist_request USING ((user_id = ( SELECT app_user_id() AS app_user_id))) WITH CHECK ((user_id = ( SELECT app_user_id() AS app_user_id)));
CREATE POLICY user_follows_artists_staff ON user_follows_artists FOR SELECT TO mysetlist_request USING (( SELECT app_is_staff() AS app_is_staff));
CREATE POLICY user_follows_artists_writer ON user_follows_artists TO mysetlist_writer USING (true) WITH CHECK (true);
GRANT SELECT,INSERT,DELETE ON TABLE user_follows_artists TO mysetlist_writer;
GRANT SELECT ON TABLE user_follows_artists TO mysetlist_request;

-- ──────────────────────────────────────────────────────────────────────────────────────────────────── user_identities

CREATE TABLE user_identities (
    issuer text NOT NULL,
    subject text NOT NULL,
    user_id bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT user_identities_issuer_check CHECK ((char_length(issuer) <= 255)),
    CONSTRAINT user_identities_subject_check CHECK (((char_length(subject) >= 1) AND (char_length(subject) <= 255)))
);
COMMENT ON TABLE user_identities IS 'An account''s identity at an identity provider. Each identity is one account.';
COMMENT ON COLUMN user_identities.issuer IS 'Empty: the provider does not name an issuer in its tokens.';
ALTER TABLE ONLY user_identities ADD CONSTRAINT user_identities_pkey PRIMARY KEY (issuer, subject);
CREATE INDEX user_identities_user_id_idx ON user_identities USING btree (user_id);
ALTER TABLE ONLY user_identities ADD CONSTRAINT user_identities_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE user_identities ENABLE ROW LEVEL SECURITY;
CREATE POLICY user_identities_own ON user_identities FOR SELECT TO mysetlist_request USING ((user_id = ( SELECT app_user_id() AS app_user_id)));
GRANT SELECT ON TABLE user_identities TO mysetlist_request;

-- ────────────────────────────────────────────────────────────────────────────────────────────────────── user_profiles

CREATE TABLE user_profiles (
    user_id bigint NOT NULL,
    display_name text,
    bio text DEFAULT ''::text NOT NULL,
    city text DEFAULT ''::text NOT NULL,
    country text DEFAULT ''::text NOT NULL,
    is_public boolean DEFAULT false NOT NULL,
    status moderation_status DEFAULT 'approved'::moderation_status NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    language text DEFAULT ''::text NOT NULL,
    CONSTRAINT user_profiles_bio_check CHECK ((char_length(bio) <= 500)),
    CONSTRAINT user_profiles_city_check CHECK ((char_length(city) <= 120)),
    CONSTRAINT user_profiles_country_check CHECK (((country = ''::text) OR (country ~ '^[A-Z]{2}$'::text))),
    CONSTRAINT user_profiles_display_name_check CHECK (((char_length(display_name) >= 1) AND (char_length(display_name) <= 80))),
    CONSTRAINT user_profiles_language_check CHECK (((language = ''::text) OR (language ~ '^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}$'::text)))
);
COMMENT ON TABLE user_profiles IS 'The profile of an account. Others see it when it is public and approved. Many accounts have none.';
COMMENT ON COLUMN user_profiles.language IS 'Its tag, such as es or pt-BR, for emails and notifications. Empty: not chosen, so English.';
ALTER TABLE ONLY user_profiles ADD CONSTRAINT user_profiles_pkey PRIMARY KEY (user_id);
CREATE INDEX user_profiles_similar_idx ON user_profiles USING gin (fold(display_name) gin_trgm_ops) WITH (fastupdate=off);
CREATE TRIGGER user_profiles_touch BEFORE UPDATE ON user_profiles FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
ALTER TABLE ONLY user_profiles ADD CONSTRAINT user_profiles_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE user_profiles ENABLE ROW LEVEL SECURITY;
CREATE POLICY user_profiles_change ON user_profiles FOR UPDATE TO mysetlist_request USING (((user_id = ( SELECT app_user_id() AS app_user_id)) OR ( SELECT app_is_staff() AS app_is_staff))) WITH CHECK (((user_id = ( SELECT app_user_id() AS app_user_id)) OR ( SELECT app_is_staff() AS app_is_staff)));
CREATE POLICY user_profiles_delete ON user_profiles FOR DELETE TO mysetlist_request USING (((user_id = ( SELECT app_user_id() AS app_user_id)) OR ( SELECT app_is_admin() AS app_is_admin)));
CREATE POLICY user_profiles_own ON user_profiles FOR INSERT TO mysetlist_request WITH CHECK ((user_id = ( SELECT app_user_id() AS app_user_id)));
CREATE POLICY user_profiles_read ON user_profiles FOR SELECT TO mysetlist_request USING (((user_id = ( SELECT app_user_id() AS app_user_id)) OR ( SELECT app_is_staff() AS app_is_staff) OR (is_public AND (status = 'approved'::moderation_status))));
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE user_profiles TO mysetlist_request;

-- ─────────────────────────────────────────────────────────────────────────────────────────────── user_show_attendance

CREATE TABLE user_show_attendance (
    user_id bigint NOT NULL,
    show_id bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE user_show_attendance IS 'A fan goes to a show.';
ALTER TABLE ONLY user_show_attendance ADD CONSTRAINT user_show_attendance_pkey PRIMARY KEY (user_id, show_id);
CREATE INDEX user_show_attendance_created_at_idx ON user_show_attendance USING btree (created_at);
CREATE INDEX user_show_attendance_show_id_idx ON user_show_attendance USING btree (show_id, user_id);
CREATE TRIGGER user_show_attendance_count_deleted AFTER DELETE ON user_show_attendance REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_attendance('-1');
CREATE TRIGGER user_show_attendance_count_inserted AFTER INSERT ON user_show_attendance REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_attendance('1');
CREATE TRIGGER user_show_attendance_count_moved_in AFTER UPDATE ON user_show_attendance REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_attendance('1');
CREATE TRIGGER user_show_attendance_count_moved_out AFTER UPDATE ON user_show_attendance REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_attendance('-1');
ALTER TABLE ONLY user_show_attendance ADD CONSTRAINT user_show_attendance_show_id_fkey FOREIGN KEY (show_id) REFERENCES shows(id) ON DELETE CASCADE;
ALTER TABLE ONLY user_show_attendance ADD CONSTRAINT user_show_attendance_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE user_show_attendance ENABLE ROW LEVEL SECURITY;
CREATE POLICY user_show_attendance_own ON user_show_attendance TO mysetlist_request USING ((user_id = ( SELECT app_user_id() AS app_user_id))) WITH CHECK ((user_id = ( SELECT app_user_id() AS app_user_id)));
CREATE POLICY user_show_attendance_staff ON user_show_attendance FOR SELECT TO mysetlist_request USING (( SELECT app_is_staff() AS app_is_staff));
CREATE POLICY user_show_attendance_writer ON user_show_attendance TO mysetlist_writer USING (true) WITH CHECK (true);
GRANT SELECT,INSERT,DELETE ON TABLE user_show_attendance TO mysetlist_writer;
GRANT SELECT ON TABLE user_show_attendance TO mysetlist_request;

-- ─────────────────────────────────────────────────────────────────────────────────────────────────── user_vote_limits

CREATE TABLE user_vote_limits (
    user_id bigint NOT NULL,
    day date NOT NULL,
    spent integer NOT NULL,
    CONSTRAINT user_vote_limits_spent_check CHECK ((spent >= 0))
)
WITH (fillfactor='70');
COMMENT ON TABLE user_vote_limits IS 'The number of votes of the budget of a day (UTC) that a fan has spent. A fan who ever voted keeps the newest row.';
ALTER TABLE ONLY user_vote_limits ADD CONSTRAINT user_vote_limits_pkey PRIMARY KEY (user_id, day);
ALTER TABLE ONLY user_vote_limits ADD CONSTRAINT user_vote_limits_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE user_vote_limits ENABLE ROW LEVEL SECURITY;
CREATE POLICY user_vote_limits_read ON user_vote_limits FOR SELECT TO mysetlist_request USING (((user_id = ( SELECT app_user_id() AS app_user_id)) OR ( SELECT app_is_staff() AS app_is_staff)));
CREATE POLICY user_vote_limits_writer ON user_vote_limits TO mysetlist_writer USING (true) WITH CHECK (true);
GRANT SELECT,INSERT,UPDATE ON TABLE user_vote_limits TO mysetlist_writer;
GRANT SELECT ON TABLE user_vote_limits TO mysetlist_request;

-- ────────────────────────────────────────────────────────────────────────────────────────────────────────────── users

CREATE TABLE users (
    id bigint NOT NULL,
    role user_role DEFAULT 'user'::user_role NOT NULL,
    nobody integer,
    token_until timestamp with time zone DEFAULT (now() + '90 days'::interval) NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT users_nobody_check CHECK ((nobody > 0))
);
COMMENT ON TABLE users IS 'One account. Of a fan who only votes it holds no more than a number.';
COMMENT ON COLUMN users.nobody IS 'The number of a nobody: an account without data that holds votes of erased accounts. Null: a real account.';
COMMENT ON COLUMN users.token_until IS 'No token of this account is valid after this time. An account without data is deleted only then.';
ALTER TABLE users ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY users ADD CONSTRAINT users_pkey PRIMARY KEY (id);
CREATE INDEX users_created_at_idx ON users USING btree (created_at);
CREATE UNIQUE INDEX users_nobody_idx ON users USING btree (nobody) WHERE (nobody IS NOT NULL);
CREATE INDEX users_staff_idx ON users USING btree (role) WHERE (role <> 'user'::user_role);
CREATE TRIGGER users_forget_voter AFTER DELETE ON users FOR EACH ROW EXECUTE FUNCTION forget_voter();
CREATE TRIGGER users_ledger_erased BEFORE DELETE ON users FOR EACH ROW EXECUTE FUNCTION note_erased_fan_for_ledger();
CREATE TRIGGER users_touch BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
CREATE POLICY users_promote ON users FOR UPDATE TO mysetlist_request USING (( SELECT app_is_admin() AS app_is_admin)) WITH CHECK (( SELECT app_is_admin() AS app_is_admin));
CREATE POLICY users_read ON users FOR SELECT TO mysetlist_request USING (((id = ( SELECT app_user_id() AS app_user_id)) OR ( SELECT app_is_staff() AS app_is_staff)));
CREATE POLICY users_writer ON users FOR SELECT TO mysetlist_writer USING (true);
GRANT SELECT ON TABLE users TO mysetlist_writer;
GRANT SELECT ON TABLE users TO mysetlist_request;
GRANT UPDATE(role) ON TABLE users TO mysetlist_request;

-- ─────────────────────────────────────────────────────────────────────────────────────────────────── venue_identities

CREATE TABLE venue_identities (
    service sync_service NOT NULL,
    external_id text NOT NULL,
    venue_id bigint NOT NULL,
    url text DEFAULT ''::text NOT NULL,
    confidence real NOT NULL,
    evidence text NOT NULL,
    checked_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT venue_identities_confidence_check CHECK (((confidence >= (0)::double precision) AND (confidence <= (1)::double precision))),
    CONSTRAINT venue_identities_evidence_check CHECK (((char_length(evidence) >= 1) AND (char_length(evidence) <= 300))),
    CONSTRAINT venue_identities_external_id_check CHECK (((char_length(external_id) >= 1) AND (char_length(external_id) <= 80))),
    CONSTRAINT venue_identities_service_check CHECK ((service <> 'file'::sync_service)),
    CONSTRAINT venue_identities_url_check CHECK ((char_length(url) <= 500))
);
COMMENT ON TABLE venue_identities IS 'The id of a venue at another service, how sure the match is, and why.';
ALTER TABLE ONLY venue_identities ADD CONSTRAINT venue_identities_pkey PRIMARY KEY (service, external_id);
CREATE INDEX venue_identities_venue_id_idx ON venue_identities USING btree (venue_id);
ALTER TABLE ONLY venue_identities ADD CONSTRAINT venue_identities_venue_id_fkey FOREIGN KEY (venue_id) REFERENCES venues(id) ON DELETE CASCADE;
GRANT SELECT ON TABLE venue_identities TO mysetlist_request;

-- ────────────────────────────────────────────────────────────────────────────────────────────────────── venue_reviews

CREATE TABLE venue_reviews (
    id bigint NOT NULL,
    venue_id bigint NOT NULL,
    user_id bigint NOT NULL,
    rating smallint NOT NULL,
    body text DEFAULT ''::text NOT NULL,
    status moderation_status DEFAULT 'pending'::moderation_status NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT venue_reviews_body_check CHECK ((char_length(body) <= 2000)),
    CONSTRAINT venue_reviews_rating_check CHECK (((rating >= 1) AND (rating <= 5)))
);
COMMENT ON TABLE venue_reviews IS 'A fan''s review of a venue. Only approved reviews are shown and counted.';
ALTER TABLE venue_reviews ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY venue_reviews ADD CONSTRAINT venue_reviews_author_key UNIQUE (venue_id, user_id);
ALTER TABLE ONLY venue_reviews ADD CONSTRAINT venue_reviews_pkey PRIMARY KEY (id);
CREATE INDEX venue_reviews_created_at_idx ON venue_reviews USING btree (created_at);
CREATE INDEX venue_reviews_shown_idx ON venue_reviews USING btree (venue_id, updated_at DESC, id DESC) WHERE (status = 'approved'::moderation_status);
CREATE INDEX venue_reviews_user_id_idx ON venue_reviews USING btree (user_id);
CREATE TRIGGER venue_reviews_count_deleted AFTER DELETE ON venue_reviews REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION count_deleted_reviews();
CREATE TRIGGER venue_reviews_count_inserted AFTER INSERT ON venue_reviews REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION count_inserted_reviews();
CREATE TRIGGER venue_reviews_count_updated AFTER UPDATE ON venue_reviews REFERENCING OLD TABLE AS replaced NEW TABLE AS updated FOR EACH STATEMENT EXECUTE FUNCTION count_updated_reviews();
CREATE TRIGGER venue_reviews_touch BEFORE UPDATE OF rating, body ON venue_reviews FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
ALTER TABLE ONLY venue_reviews ADD CONSTRAINT venue_reviews_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE ONLY venue_reviews ADD CONSTRAINT venue_reviews_venue_id_fkey FOREIGN KEY (venue_id) REFERENCES venues(id) ON DELETE CASCADE;
ALTER TABLE venue_reviews ENABLE ROW LEVEL SECURITY;
CREATE POLICY venue_reviews_change ON venue_reviews FOR UPDATE TO mysetlist_request USING (((user_id = ( SELECT app_user_id() AS app_user_id)) OR ( SELECT app_is_staff() AS app_is_staff))) WITH CHECK (((user_id = ( SELECT app_user_id() AS app_user_id)) OR ( SELECT app_is_staff() AS app_is_staff)));
CREATE POLICY venue_reviews_delete ON venue_reviews FOR DELETE TO mysetlist_request USING (((user_id = ( SELECT app_user_id() AS app_user_id)) OR ( SELECT app_is_staff() AS app_is_staff)));
CREATE POLICY venue_reviews_own ON venue_reviews FOR INSERT TO mysetlist_request WITH CHECK ((user_id = ( SELECT app_user_id() AS app_user_id)));
CREATE POLICY venue_reviews_read ON venue_reviews FOR SELECT TO mysetlist_request USING (((status = 'approved'::moderation_status) OR (user_id = ( SELECT app_user_id() AS app_user_id)) OR ( SELECT app_is_staff() AS app_is_staff)));
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE venue_reviews TO mysetlist_request;

-- ───────────────────────────────────────────────────────────────────────────────────────────────────────────── venues

CREATE TABLE venues (
    id bigint NOT NULL,
    slug text NOT NULL,
    name text NOT NULL,
    city text NOT NULL,
    region text DEFAULT ''::text NOT NULL,
    country text NOT NULL,
    latitude double precision NOT NULL,
    longitude double precision NOT NULL,
    point cube GENERATED ALWAYS AS (earth_point(latitude, longitude)) STORED,
    time_zone text NOT NULL,
    capacity integer,
    origin sync_service,
    review_count bigint DEFAULT 0 NOT NULL,
    rating_sum bigint DEFAULT 0 NOT NULL,
    folded text GENERATED ALWAYS AS (fold(((name || ' '::text) || city))) STORED NOT NULL,
    search tsvector GENERATED ALWAYS AS (words_of(((((name || ' '::text) || city) || ' '::text) || region))) STORED,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    folded_name text GENERATED ALWAYS AS (fold(name)) STORED NOT NULL,
    CONSTRAINT venues_capacity_check CHECK ((capacity > 0)),
    CONSTRAINT venues_city_check CHECK (((char_length(city) >= 1) AND (char_length(city) <= 120))),
    CONSTRAINT venues_country_check CHECK ((country ~ '^[A-Z]{2}$'::text)),
    CONSTRAINT venues_latitude_check CHECK (((latitude >= ('-90'::integer)::double precision) AND (latitude <= (90)::double precision))),
    CONSTRAINT venues_longitude_check CHECK (((longitude >= ('-180'::integer)::double precision) AND (longitude <= (180)::double precision))),
    CONSTRAINT venues_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 200))),
    CONSTRAINT venues_origin_check CHECK ((origin <> 'file'::sync_service)),
    CONSTRAINT venues_rating_sum_check CHECK ((rating_sum >= 0)),
    CONSTRAINT venues_region_check CHECK ((char_length(region) <= 80)),
    CONSTRAINT venues_review_count_check CHECK ((review_count >= 0)),
    CONSTRAINT venues_slug_format CHECK ((slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'::text)),
    CONSTRAINT venues_time_zone_check CHECK ((time_zone ~ '^[A-Za-z_]+(/[A-Za-z0-9_+-]+)*$'::text))
);
ALTER TABLE ONLY venues ALTER COLUMN folded SET STATISTICS 10;
COMMENT ON TABLE venues IS 'One place where shows are played.';
COMMENT ON COLUMN venues.point IS 'The place as a point on a sphere of radius 1, for searches around a place.';
COMMENT ON COLUMN venues.origin IS 'The provider that listed it first; `mysetlist sync forget` deletes by it. Null: from a person, a file or sample data.';
COMMENT ON COLUMN venues.review_count IS 'Approved reviews.';
COMMENT ON COLUMN venues.rating_sum IS 'The sum of the ratings of approved reviews.';
COMMENT ON COLUMN venues.folded_name IS 'The folded name, to find the venue that a file names.';
ALTER TABLE venues ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY venues ADD CONSTRAINT venues_pkey PRIMARY KEY (id);
ALTER TABLE ONLY venues ADD CONSTRAINT venues_slug_key UNIQUE (slug);
CREATE INDEX venues_folded_name_idx ON venues USING hash (folded_name);
CREATE INDEX venues_latitude_idx ON venues USING btree (latitude);
CREATE INDEX venues_search_idx ON venues USING gin (search) WITH (fastupdate=off);
CREATE INDEX venues_similar_idx ON venues USING gin (folded gin_trgm_ops) WITH (fastupdate=off);
CREATE TRIGGER venues_default_names AFTER UPDATE OF name ON venues FOR EACH ROW WHEN ((old.name IS DISTINCT FROM new.name)) EXECUTE FUNCTION rename_shows_of_venue();
CREATE TRIGGER venues_touch BEFORE UPDATE OF slug, name, city, region, country, latitude, longitude, time_zone, capacity ON venues FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER venues_words AFTER UPDATE OF name, city, region ON venues FOR EACH ROW WHEN ((((old.name IS DISTINCT FROM new.name) OR (old.city IS DISTINCT FROM new.city)) OR (old.region IS DISTINCT FROM new.region))) EXECUTE FUNCTION refresh_words_of_venue();
GRANT SELECT ON TABLE venues TO mysetlist_request;
GRANT SELECT ON TABLE venues TO mysetlist_writer;

-- ───────────────────────────────────────────────────────────────────────────────────────────────────── vote_analytics

CREATE TABLE vote_analytics (
    id bigint NOT NULL,
    show_id bigint NOT NULL,
    setlist_song_id bigint NOT NULL,
    user_id bigint NOT NULL,
    previous vote_choice,
    choice vote_choice,
    cast_at timestamp with time zone NOT NULL,
    CONSTRAINT vote_analytics_change CHECK ((previous IS DISTINCT FROM choice))
)
PARTITION BY RANGE (cast_at);
COMMENT ON TABLE vote_analytics IS 'Every change of a vote, for ever: append-only, partitioned by month.';
COMMENT ON COLUMN vote_analytics.user_id IS 'User 0 stands for erased accounts.';
COMMENT ON COLUMN vote_analytics.previous IS 'Null: there was no vote.';
COMMENT ON COLUMN vote_analytics.choice IS 'Null: the vote was withdrawn.';
ALTER TABLE vote_analytics ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY vote_analytics ADD CONSTRAINT vote_analytics_pkey PRIMARY KEY (cast_at, id);
CREATE INDEX vote_analytics_show_idx ON ONLY vote_analytics USING btree (show_id, cast_at);
ALTER INDEX vote_analytics_pkey ATTACH PARTITION vote_analytics_default_pkey;
ALTER INDEX vote_analytics_show_idx ATTACH PARTITION vote_analytics_default_show_id_cast_at_idx;
CREATE TRIGGER vote_analytics_append_only BEFORE DELETE OR UPDATE ON vote_analytics FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER vote_analytics_ledger AFTER INSERT ON vote_analytics REFERENCING NEW TABLE AS added FOR EACH STATEMENT WHEN ((current_setting('app.counts_moved'::text, true) = 'on'::text)) EXECUTE FUNCTION note_casts_for_ledger();
CREATE TRIGGER vote_analytics_note_added AFTER INSERT ON vote_analytics REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION note_votes_to_count();
ALTER TABLE vote_analytics ENABLE ROW LEVEL SECURITY;
CREATE POLICY vote_analytics_read ON vote_analytics FOR SELECT TO mysetlist_request USING (((user_id = ( SELECT app_user_id() AS app_user_id)) OR ( SELECT app_is_staff() AS app_is_staff)));
CREATE POLICY vote_analytics_writer ON vote_analytics TO mysetlist_writer USING (true) WITH CHECK (true);
GRANT SELECT,INSERT ON TABLE vote_analytics TO mysetlist_writer;
GRANT SELECT ON TABLE vote_analytics TO mysetlist_request;

-- ───────────────────────────────────────────────────────────────────────────────────────────── vote_analytics_default

CREATE TABLE vote_analytics_default (
    id bigint CONSTRAINT vote_analytics_id_not_null NOT NULL,
    show_id bigint CONSTRAINT vote_analytics_show_id_not_null NOT NULL,
    setlist_song_id bigint CONSTRAINT vote_analytics_setlist_song_id_not_null NOT NULL,
    user_id bigint CONSTRAINT vote_analytics_user_id_not_null NOT NULL,
    previous vote_choice,
    choice vote_choice,
    cast_at timestamp with time zone CONSTRAINT vote_analytics_cast_at_not_null NOT NULL,
    CONSTRAINT vote_analytics_change CHECK ((previous IS DISTINCT FROM choice))
);
COMMENT ON TABLE vote_analytics_default IS 'Changes that no month covers, so that no vote waits for a partition.';
ALTER TABLE ONLY vote_analytics ATTACH PARTITION vote_analytics_default DEFAULT;
ALTER TABLE ONLY vote_analytics_default ADD CONSTRAINT vote_analytics_default_pkey PRIMARY KEY (cast_at, id);
CREATE INDEX vote_analytics_default_show_id_cast_at_idx ON vote_analytics_default USING btree (show_id, cast_at);

-- ───────────────────────────────────────────────────────────────────────────────────────────────── vote_group_members

CREATE TABLE vote_group_members (
    show_id bigint NOT NULL,
    user_id bigint NOT NULL,
    group_id bigint NOT NULL,
    is_set_aside boolean DEFAULT false NOT NULL,
    is_void boolean DEFAULT false NOT NULL,
    CONSTRAINT vote_group_members_void CHECK ((is_set_aside OR (NOT is_void)))
)
WITH (fillfactor='70');
COMMENT ON TABLE vote_group_members IS 'A ballot in a group. A ballot is in one group at most.';
COMMENT ON COLUMN vote_group_members.is_set_aside IS 'The votes of this ballot, later ones too, are in no tally.';
COMMENT ON COLUMN vote_group_members.is_void IS 'Its votes were withdrawn for good; later ones are set aside.';
ALTER TABLE ONLY vote_group_members ADD CONSTRAINT vote_group_members_pkey PRIMARY KEY (show_id, user_id);
CREATE INDEX vote_group_members_group_id_idx ON vote_group_members USING btree (group_id, user_id);
CREATE INDEX vote_group_members_user_id_idx ON vote_group_members USING btree (user_id);
CREATE TRIGGER vote_group_members_count_deleted AFTER DELETE ON vote_group_members REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION count_former_members();
CREATE TRIGGER vote_group_members_count_inserted AFTER INSERT ON vote_group_members REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION count_new_members();
CREATE TRIGGER vote_group_members_count_updated AFTER UPDATE ON vote_group_members REFERENCING OLD TABLE AS replaced NEW TABLE AS updated FOR EACH STATEMENT EXECUTE FUNCTION count_changed_members();
CREATE TRIGGER vote_group_members_ledger_deleted AFTER DELETE ON vote_group_members REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION note_former_members_for_ledger();
CREATE TRIGGER vote_group_members_ledger_inserted AFTER INSERT ON vote_group_members REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION note_new_members_for_ledger();
CREATE TRIGGER vote_group_members_ledger_updated AFTER UPDATE ON vote_group_members REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION note_changed_members_for_ledger();
ALTER TABLE ONLY vote_group_members ADD CONSTRAINT vote_group_members_group_id_fkey FOREIGN KEY (group_id) REFERENCES vote_groups(id) ON DELETE CASCADE;
ALTER TABLE ONLY vote_group_members ADD CONSTRAINT vote_group_members_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE vote_group_members ENABLE ROW LEVEL SECURITY;
CREATE POLICY vote_group_members_read ON vote_group_members FOR SELECT TO mysetlist_request USING (((user_id = ( SELECT app_user_id() AS app_user_id)) OR ( SELECT app_is_staff() AS app_is_staff)));
CREATE POLICY vote_group_members_writer ON vote_group_members FOR SELECT TO mysetlist_writer USING (true);
GRANT SELECT ON TABLE vote_group_members TO mysetlist_writer;
GRANT SELECT ON TABLE vote_group_members TO mysetlist_request;

-- ──────────────────────────────────────────────────────────────────────────────────────────────────────── vote_groups

CREATE TABLE vote_groups (
    id bigint NOT NULL,
    show_id bigint NOT NULL,
    state vote_group_state DEFAULT 'open'::vote_group_state NOT NULL,
    decision vote_group_state DEFAULT 'open'::vote_group_state NOT NULL,
    score real NOT NULL,
    reasons jsonb NOT NULL,
    ballot_count integer NOT NULL,
    began_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone NOT NULL,
    found_at timestamp with time zone DEFAULT now() NOT NULL,
    decided_by bigint,
    decided_at timestamp with time zone,
    CONSTRAINT vote_groups_ballot_count_check CHECK ((ballot_count > 0)),
    CONSTRAINT vote_groups_decided CHECK (((decided_at IS NULL) = (decision = 'open'::vote_group_state))),
    CONSTRAINT vote_groups_score_check CHECK ((score >= (0)::double precision)),
    CONSTRAINT vote_groups_times CHECK ((ended_at >= began_at))
);
COMMENT ON TABLE vote_groups IS 'Ballots of one show that look like the work of one hand.';
COMMENT ON COLUMN vote_groups.state IS 'Whether its votes count: they do when it is open or restored. It is open while a decision is applied in part.';
COMMENT ON COLUMN vote_groups.decision IS 'The state that somebody wants; it becomes the state when the commit of its log entry applies it.';
COMMENT ON COLUMN vote_groups.score IS 'The sum of what its reasons weigh (docs/abuse.md).';
COMMENT ON COLUMN vote_groups.reasons IS 'The signals that were found: kind, weight, and a sentence.';
COMMENT ON COLUMN vote_groups.ballot_count IS 'Its members when it was found.';
COMMENT ON COLUMN vote_groups.began_at IS 'The time of its first vote; ended_at: of its last one.';
COMMENT ON COLUMN vote_groups.decided_by IS 'Null: the rule of the show, or the account is gone.';
ALTER TABLE vote_groups ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY vote_groups ADD CONSTRAINT vote_groups_pkey PRIMARY KEY (id);
CREATE INDEX vote_groups_decided_by_idx ON vote_groups USING btree (decided_by) WHERE (decided_by IS NOT NULL);
CREATE INDEX vote_groups_open_idx ON vote_groups USING btree (show_id) WHERE (decision = 'open'::vote_group_state);
CREATE INDEX vote_groups_show_id_idx ON vote_groups USING btree (show_id);
CREATE INDEX vote_groups_undone_idx ON vote_groups USING btree (decided_at) WHERE (state <> decision);
CREATE TRIGGER vote_groups_tell AFTER INSERT ON vote_groups REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION tell_of_groups();
ALTER TABLE ONLY vote_groups ADD CONSTRAINT vote_groups_decided_by_fkey FOREIGN KEY (decided_by) REFERENCES users(id) ON DELETE SET NULL;
ALTER TABLE ONLY vote_groups ADD CONSTRAINT vote_groups_show_id_fkey FOREIGN KEY (show_id) REFERENCES shows(id) ON DELETE CASCADE;
ALTER TABLE vote_groups ENABLE ROW LEVEL SECURITY;
CREATE POLICY vote_groups_decide ON vote_groups FOR UPDATE TO mysetlist_request USING (( SELECT app_is_staff() AS app_is_staff)) WITH CHECK (( SELECT app_is_staff() AS app_is_staff));
CREATE POLICY vote_groups_read ON vote_groups FOR SELECT TO mysetlist_request USING ((( SELECT app_is_staff() AS app_is_staff) OR (EXISTS ( SELECT
   FROM vote_group_members m
  WHERE ((m.group_id = vote_groups.id) AND (m.user_id = ( SELECT app_user_id() AS app_user_id)))))));
CREATE POLICY vote_groups_writer ON vote_groups FOR SELECT TO mysetlist_writer USING (true);
GRANT SELECT ON TABLE vote_groups TO mysetlist_writer;
GRANT SELECT,UPDATE ON TABLE vote_groups TO mysetlist_request;

-- ─────────────────────────────────────────────────────────────────────────────────────────────────────── vote_minutes

CREATE TABLE vote_minutes (
    show_id bigint NOT NULL,
    minute timestamp with time zone NOT NULL,
    vote_count bigint NOT NULL,
    CONSTRAINT vote_minutes_vote_count_check CHECK ((vote_count >= 0))
);
COMMENT ON TABLE vote_minutes IS 'One minute of a show in the last two hours: how many votes were cast.';
ALTER TABLE ONLY vote_minutes ADD CONSTRAINT vote_minutes_pkey PRIMARY KEY (show_id, minute);
CREATE INDEX vote_minutes_minute_idx ON vote_minutes USING btree (minute);
GRANT SELECT ON TABLE vote_minutes TO mysetlist_request;
GRANT SELECT ON TABLE vote_minutes TO mysetlist_writer;

-- ─────────────────────────────────────────────────────────────────────────────────────────────────────── vote_rollups

CREATE TABLE vote_rollups (
    show_id bigint NOT NULL,
    hour timestamp with time zone NOT NULL,
    up_count bigint DEFAULT 0 NOT NULL,
    down_count bigint DEFAULT 0 NOT NULL,
    withdrawn_count bigint DEFAULT 0 NOT NULL,
    CONSTRAINT vote_rollups_down_count_check CHECK ((down_count >= 0)),
    CONSTRAINT vote_rollups_up_count_check CHECK ((up_count >= 0)),
    CONSTRAINT vote_rollups_whole_hour CHECK ((hour = date_trunc('hour'::text, hour, 'UTC'::text))),
    CONSTRAINT vote_rollups_withdrawn_count_check CHECK ((withdrawn_count >= 0))
)
WITH (fillfactor='70');
COMMENT ON TABLE vote_rollups IS 'One hour of a show: how many votes were cast up, cast down and withdrawn.';
ALTER TABLE ONLY vote_rollups ADD CONSTRAINT vote_rollups_pkey PRIMARY KEY (show_id, hour);
CREATE INDEX vote_rollups_hour_idx ON vote_rollups USING btree (hour);
ALTER TABLE ONLY vote_rollups ADD CONSTRAINT vote_rollups_show_id_fkey FOREIGN KEY (show_id) REFERENCES shows(id) ON DELETE CASCADE;
GRANT SELECT ON TABLE vote_rollups TO mysetlist_request;
GRANT SELECT,INSERT,UPDATE ON TABLE vote_rollups TO mysetlist_writer;

-- ───────────────────────────────────────────────────────────────────────────────────────────────────── voter_accuracy

CREATE TABLE voter_accuracy (
    user_id bigint NOT NULL,
    show_id bigint NOT NULL,
    predicted integer NOT NULL,
    hits integer NOT NULL,
    played integer NOT NULL,
    "precision" double precision GENERATED ALWAYS AS (((hits)::double precision / (NULLIF(predicted, 0))::double precision)) STORED,
    recall double precision GENERATED ALWAYS AS (((hits)::double precision / (played)::double precision)) STORED NOT NULL,
    rank_correlation double precision,
    CONSTRAINT voter_accuracy_check CHECK (((hits >= 0) AND (hits <= LEAST(predicted, played)))),
    CONSTRAINT voter_accuracy_played_check CHECK ((played > 0)),
    CONSTRAINT voter_accuracy_predicted_check CHECK ((predicted >= 0)),
    CONSTRAINT voter_accuracy_rank_correlation_check CHECK (((rank_correlation >= ('-1'::integer)::double precision) AND (rank_correlation <= (1)::double precision)))
);
COMMENT ON TABLE voter_accuracy IS 'How well one fan predicted a show. A show without a score has no rows here.';
ALTER TABLE ONLY voter_accuracy ADD CONSTRAINT voter_accuracy_pkey PRIMARY KEY (user_id, show_id);
CREATE INDEX voter_accuracy_show_id_idx ON voter_accuracy USING btree (show_id);
ALTER TABLE ONLY voter_accuracy ADD CONSTRAINT voter_accuracy_show_id_fkey FOREIGN KEY (show_id) REFERENCES show_accuracy(show_id) ON DELETE CASCADE;
ALTER TABLE ONLY voter_accuracy ADD CONSTRAINT voter_accuracy_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE voter_accuracy ENABLE ROW LEVEL SECURITY;
CREATE POLICY voter_accuracy_read ON voter_accuracy FOR SELECT TO mysetlist_request USING (((user_id = ( SELECT app_user_id() AS app_user_id)) OR ( SELECT app_is_staff() AS app_is_staff)));
GRANT SELECT ON TABLE voter_accuracy TO mysetlist_request;

-- ───────────────────────────────────────────────────────────────────────────────────────────────────────── voter_days

CREATE TABLE voter_days (
    show_id bigint NOT NULL,
    user_id bigint NOT NULL,
    day date NOT NULL,
    is_set_aside boolean DEFAULT false NOT NULL
);
COMMENT ON TABLE voter_days IS 'A fan cast a vote in a show on that day (UTC). Foreign keys would cost as much as all the rest of counting a voter: triggers delete the rows of a user or show that is deleted.';
COMMENT ON COLUMN voter_days.is_set_aside IS 'As the statistics know the ballot: set aside, so it counts only in raw numbers.';
ALTER TABLE ONLY voter_days ADD CONSTRAINT voter_days_pkey PRIMARY KEY (show_id, user_id, day);
CREATE INDEX voter_days_user_id_idx ON voter_days USING btree (user_id);
ALTER TABLE voter_days ENABLE ROW LEVEL SECURITY;
CREATE POLICY voter_days_writer ON voter_days FOR SELECT TO mysetlist_writer USING (true);
GRANT SELECT ON TABLE voter_days TO mysetlist_writer;

-- ──────────────────────────────────────────────────────────────────────────────────────────────────────── voter_links

CREATE TABLE voter_links (
    scope statistics_scope NOT NULL,
    scope_id bigint NOT NULL,
    day date NOT NULL,
    previous_day date NOT NULL,
    visit smallint NOT NULL,
    voter_count bigint NOT NULL,
    raw_voter_count bigint DEFAULT 0 NOT NULL,
    CONSTRAINT voter_links_visit_check CHECK (((visit >= 1) AND (visit <= 3)))
);
COMMENT ON TABLE voter_links IS 'How many fans voted on a day whose day of voting before was previous_day. Sums of it are the voters of any period.';
COMMENT ON COLUMN voter_links.scope_id IS 'The artist, venue or show; 0 for the platform.';
COMMENT ON COLUMN voter_links.previous_day IS '-infinity: it was their first day.';
COMMENT ON COLUMN voter_links.visit IS '1: their first day; 2: their second; 3: a later one.';
COMMENT ON COLUMN voter_links.raw_voter_count IS 'As voter_count, with ballots that are set aside. A link of voter_count goes by the days that count, one of this by all days.';
ALTER TABLE ONLY voter_links ADD CONSTRAINT voter_links_pkey PRIMARY KEY (scope, scope_id, day, previous_day, visit);
GRANT SELECT ON TABLE voter_links TO mysetlist_request;
GRANT SELECT ON TABLE voter_links TO mysetlist_writer;

-- ──────────────────────────────────────────────────────────────────────────────────────────────────── voters_to_count

CREATE TABLE voters_to_count (
    show_id bigint NOT NULL,
    user_id bigint NOT NULL,
    day date NOT NULL
);
COMMENT ON TABLE voters_to_count IS 'A fan cast their first vote of a day in a show, and the statistics do not know it yet. As votes_to_count; rows may be equal.';
ALTER TABLE voters_to_count ENABLE ROW LEVEL SECURITY;
CREATE POLICY voters_to_count_writer ON voters_to_count FOR INSERT TO mysetlist_writer WITH CHECK (true);
GRANT INSERT ON TABLE voters_to_count TO mysetlist_writer;

-- ────────────────────────────────────────────────────────────────────────────────────────────────────────────── votes

CREATE TABLE votes (
    setlist_song_id bigint NOT NULL,
    user_id bigint NOT NULL,
    show_id bigint NOT NULL,
    choice vote_choice NOT NULL,
    cast_at timestamp with time zone NOT NULL
)
WITH (fillfactor='80');
COMMENT ON TABLE votes IS 'A fan''s choice on a song. A vote is a state; a withdrawn vote has no row.';
ALTER TABLE ONLY votes ADD CONSTRAINT votes_pkey PRIMARY KEY (setlist_song_id, user_id);
CREATE INDEX votes_ballot_idx ON votes USING btree (user_id, show_id);
CREATE TRIGGER votes_count_deleted AFTER DELETE ON votes REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT WHEN ((current_setting('app.counts_moved'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION count_deleted_votes();
CREATE TRIGGER votes_count_inserted AFTER INSERT ON votes REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT WHEN ((current_setting('app.counts_moved'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION count_inserted_votes();
CREATE TRIGGER votes_count_updated AFTER UPDATE ON votes REFERENCING OLD TABLE AS replaced NEW TABLE AS updated FOR EACH STATEMENT WHEN ((current_setting('app.counts_moved'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION count_updated_votes();
CREATE TRIGGER votes_heat_deleted AFTER DELETE ON votes REFERENCING OLD TABLE AS changed FOR EACH STATEMENT WHEN ((current_setting('app.counts_moved'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION move_heat('-1');
CREATE TRIGGER votes_heat_inserted AFTER INSERT ON votes REFERENCING NEW TABLE AS changed FOR EACH STATEMENT WHEN ((current_setting('app.counts_moved'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION move_heat('1');
CREATE TRIGGER votes_heat_moved_in AFTER UPDATE ON votes REFERENCING NEW TABLE AS changed FOR EACH STATEMENT WHEN ((current_setting('app.counts_moved'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION move_heat('1');
CREATE TRIGGER votes_heat_moved_out AFTER UPDATE ON votes REFERENCING OLD TABLE AS changed FOR EACH STATEMENT WHEN ((current_setting('app.counts_moved'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION move_heat('-1');
CREATE TRIGGER votes_ledger_deleted AFTER DELETE ON votes REFERENCING OLD TABLE AS removed FOR EACH STATEMENT WHEN ((current_setting('app.counts_moved'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION note_removed_votes_for_ledger();
CREATE TRIGGER votes_ledger_inserted AFTER INSERT ON votes REFERENCING NEW TABLE AS added FOR EACH STATEMENT WHEN ((current_setting('app.counts_moved'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION note_added_votes_for_ledger();
CREATE TRIGGER votes_ledger_updated AFTER UPDATE ON votes REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT WHEN ((current_setting('app.counts_moved'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION note_changed_votes_for_ledger();
ALTER TABLE ONLY votes ADD CONSTRAINT votes_song_fkey FOREIGN KEY (setlist_song_id, show_id) REFERENCES setlist_songs(id, show_id) ON DELETE CASCADE;
ALTER TABLE ONLY votes ADD CONSTRAINT votes_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id);
ALTER TABLE votes ENABLE ROW LEVEL SECURITY;
CREATE POLICY votes_read ON votes FOR SELECT TO mysetlist_request USING (((user_id = ( SELECT app_user_id() AS app_user_id)) OR ( SELECT app_is_staff() AS app_is_staff)));
CREATE POLICY votes_writer ON votes TO mysetlist_writer USING (true) WITH CHECK (true);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE votes TO mysetlist_writer;
GRANT SELECT ON TABLE votes TO mysetlist_request;

-- ───────────────────────────────────────────────────────────────────────────────────────────────────── votes_to_count

CREATE TABLE votes_to_count (
    show_id bigint NOT NULL,
    minute timestamp with time zone NOT NULL,
    up_count integer NOT NULL,
    down_count integer NOT NULL,
    withdrawn_count integer NOT NULL,
    aside_up integer DEFAULT 0 NOT NULL,
    aside_down integer DEFAULT 0 NOT NULL,
    aside_withdrawn integer DEFAULT 0 NOT NULL
);
COMMENT ON TABLE votes_to_count IS 'Votes of one commit and minute of a show that the statistics do not have yet. It has no keys, because every commit adds rows; a chore takes them out again.';
COMMENT ON COLUMN votes_to_count.aside_up IS 'How many of up_count were cast with ballots that are set aside; the next ones likewise.';
GRANT SELECT,INSERT ON TABLE votes_to_count TO mysetlist_writer;
GRANT SELECT ON TABLE votes_to_count TO mysetlist_request;

-- ───────────────────────────────────────────────────────────────────────────────────────────────── webhook_deliveries

CREATE TABLE webhook_deliveries (
    id bigint NOT NULL,
    webhook_id bigint NOT NULL,
    event_id bigint NOT NULL,
    state webhook_delivery_state DEFAULT 'queued'::webhook_delivery_state NOT NULL,
    attempts smallint DEFAULT 0 NOT NULL,
    queued_at timestamp with time zone NOT NULL,
    not_before timestamp with time zone NOT NULL,
    tried_at timestamp with time zone,
    status smallint,
    took_ms integer,
    error text DEFAULT ''::text NOT NULL,
    CONSTRAINT webhook_deliveries_attempts_check CHECK ((attempts >= 0)),
    CONSTRAINT webhook_deliveries_error_check CHECK ((char_length(error) <= 300)),
    CONSTRAINT webhook_deliveries_status_check CHECK (((status >= 100) AND (status <= 999))),
    CONSTRAINT webhook_deliveries_took_ms_check CHECK ((took_ms >= 0))
);
COMMENT ON TABLE webhook_deliveries IS 'An event on its way to one webhook, and the result of the last attempt.';
COMMENT ON COLUMN webhook_deliveries.queued_at IS 'When it was queued, or sent again by a person.';
COMMENT ON COLUMN webhook_deliveries.not_before IS 'The next attempt is after this instant. While it is being sent, no other node takes it before.';
COMMENT ON COLUMN webhook_deliveries.status IS 'The HTTP status of the answer. Null: there was none.';
ALTER TABLE webhook_deliveries ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY webhook_deliveries ADD CONSTRAINT webhook_deliveries_once UNIQUE (event_id, webhook_id);
ALTER TABLE ONLY webhook_deliveries ADD CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (id);
CREATE INDEX webhook_deliveries_dead_idx ON webhook_deliveries USING btree (webhook_id, id) WHERE (state = 'dead'::webhook_delivery_state);
CREATE INDEX webhook_deliveries_due_idx ON webhook_deliveries USING btree (webhook_id, not_before, id) WHERE (state = ANY (ARRAY['queued'::webhook_delivery_state, 'sending'::webhook_delivery_state]));
CREATE INDEX webhook_deliveries_list_idx ON webhook_deliveries USING btree (webhook_id, id);
CREATE INDEX webhook_deliveries_tried_idx ON webhook_deliveries USING btree (webhook_id, tried_at) WHERE (tried_at IS NOT NULL);
CREATE INDEX webhook_deliveries_waiting_idx ON webhook_deliveries USING btree (queued_at) WHERE (state = ANY (ARRAY['queued'::webhook_delivery_state, 'sending'::webhook_delivery_state]));
ALTER TABLE ONLY webhook_deliveries ADD CONSTRAINT webhook_deliveries_event_id_fkey FOREIGN KEY (event_id) REFERENCES webhook_events(id) ON DELETE CASCADE;
ALTER TABLE ONLY webhook_deliveries ADD CONSTRAINT webhook_deliveries_webhook_id_fkey FOREIGN KEY (webhook_id) REFERENCES webhooks(id) ON DELETE CASCADE;

-- ───────────────────────────────────────────────────────────────────────────────────────────────────── webhook_events

CREATE TABLE webhook_events (
    id bigint NOT NULL,
    message_id uuid DEFAULT gen_random_uuid() NOT NULL,
    type webhook_event NOT NULL,
    show_id bigint NOT NULL,
    data jsonb NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    is_queued boolean DEFAULT false NOT NULL
);
COMMENT ON TABLE webhook_events IS 'Something that happened and that a webhook wanted to know. Kept for 30 days.';
COMMENT ON COLUMN webhook_events.message_id IS 'The same for each attempt and each webhook, so that a receiver knows what it has.';
COMMENT ON COLUMN webhook_events.show_id IS 'Without a foreign key: what happened stays true when the show is deleted.';
COMMENT ON COLUMN webhook_events.is_queued IS 'Whether its deliveries were made.';
ALTER TABLE webhook_events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY webhook_events ADD CONSTRAINT webhook_events_pkey PRIMARY KEY (id);
CREATE INDEX webhook_events_at_idx ON webhook_events USING btree (at);
CREATE INDEX webhook_events_new_idx ON webhook_events USING btree (id) WHERE (NOT is_queued);

-- ─────────────────────────────────────────────────────────────────────────────────────────────────────────── webhooks

CREATE TABLE webhooks (
    id bigint NOT NULL,
    url text NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    events webhook_event[] NOT NULL,
    is_enabled boolean DEFAULT true NOT NULL,
    why_disabled text DEFAULT ''::text NOT NULL,
    secret bytea NOT NULL,
    previous_secret bytea,
    previous_until timestamp with time zone,
    failing_since timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    revision bigint DEFAULT 0 NOT NULL,
    CONSTRAINT webhooks_description_check CHECK ((char_length(description) <= 200)),
    CONSTRAINT webhooks_events_check CHECK ((cardinality(events) > 0)),
    CONSTRAINT webhooks_previous CHECK (((previous_secret IS NULL) = (previous_until IS NULL))),
    CONSTRAINT webhooks_previous_secret_check CHECK (((octet_length(previous_secret) >= 24) AND (octet_length(previous_secret) <= 64))),
    CONSTRAINT webhooks_secret_check CHECK (((octet_length(secret) >= 24) AND (octet_length(secret) <= 64))),
    CONSTRAINT webhooks_url_check CHECK (((char_length(url) >= 1) AND (char_length(url) <= 2000))),
    CONSTRAINT webhooks_why_disabled_check CHECK ((char_length(why_disabled) <= 300))
);
COMMENT ON TABLE webhooks IS 'An address that is told of events. No role but the owner reads it, because of the secret.';
COMMENT ON COLUMN webhooks.why_disabled IS 'Why the sender disabled it. Empty: nobody did, or a person.';
COMMENT ON COLUMN webhooks.secret IS 'The key that signs; previous_secret signs too until previous_until.';
COMMENT ON COLUMN webhooks.failing_since IS 'The first attempt that failed after the last one that arrived.';
COMMENT ON COLUMN webhooks.revision IS 'Grows with every change of what an administrator sees, but not with deliveries.';
ALTER TABLE webhooks ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY webhooks ADD CONSTRAINT webhooks_pkey PRIMARY KEY (id);
CREATE TRIGGER webhooks_revise BEFORE UPDATE OF url, description, events, is_enabled, secret ON webhooks FOR EACH ROW WHEN ((((((old.url IS DISTINCT FROM new.url) OR (old.description IS DISTINCT FROM new.description)) OR (old.events IS DISTINCT FROM new.events)) OR (old.is_enabled IS DISTINCT FROM new.is_enabled)) OR (old.secret IS DISTINCT FROM new.secret))) EXECUTE FUNCTION revise_webhook();

-- ───────────────────────────────────────────────────────────────────────────────────────────────── webpush_deliveries

CREATE TABLE webpush_deliveries (
    id bigint NOT NULL,
    notice_id bigint NOT NULL,
    device_id bigint NOT NULL,
    attempts smallint DEFAULT 0 NOT NULL,
    not_before timestamp with time zone NOT NULL,
    CONSTRAINT webpush_deliveries_attempts_check CHECK ((attempts >= 0))
);
COMMENT ON TABLE webpush_deliveries IS 'A notice on its way to one device. The row is deleted when it is delivered or given up.';
COMMENT ON COLUMN webpush_deliveries.not_before IS 'The next attempt is after this instant. While it is being sent, no other node takes it before.';
ALTER TABLE webpush_deliveries ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY webpush_deliveries ADD CONSTRAINT webpush_deliveries_once UNIQUE (notice_id, device_id);
ALTER TABLE ONLY webpush_deliveries ADD CONSTRAINT webpush_deliveries_pkey PRIMARY KEY (id);
CREATE INDEX webpush_deliveries_device_id_idx ON webpush_deliveries USING btree (device_id);
CREATE INDEX webpush_deliveries_due_idx ON webpush_deliveries USING btree (not_before, id);
ALTER TABLE ONLY webpush_deliveries ADD CONSTRAINT webpush_deliveries_device_id_fkey FOREIGN KEY (device_id) REFERENCES webpush_devices(id) ON DELETE CASCADE;
ALTER TABLE ONLY webpush_deliveries ADD CONSTRAINT webpush_deliveries_notice_id_fkey FOREIGN KEY (notice_id) REFERENCES webpush_notices(id) ON DELETE CASCADE;

-- ──────────────────────────────────────────────────────────────────────────────────────────────────── webpush_devices

CREATE TABLE webpush_devices (
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    session_id bigint,
    endpoint text NOT NULL,
    public_key bytea NOT NULL,
    auth_secret bytea NOT NULL,
    kinds webpush_kind[] NOT NULL,
    time_zone text NOT NULL,
    quiet_from time without time zone,
    quiet_to time without time zone,
    failures smallint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT webpush_devices_auth_secret_check CHECK ((octet_length(auth_secret) = 16)),
    CONSTRAINT webpush_devices_endpoint_check CHECK (((char_length(endpoint) >= 1) AND (char_length(endpoint) <= 1000))),
    CONSTRAINT webpush_devices_failures_check CHECK ((failures >= 0)),
    CONSTRAINT webpush_devices_kinds_check CHECK (((cardinality(kinds) >= 1) AND (cardinality(kinds) <= 10))),
    CONSTRAINT webpush_devices_public_key_check CHECK ((octet_length(public_key) = 65)),
    CONSTRAINT webpush_devices_quiet CHECK ((((quiet_from IS NULL) = (quiet_to IS NULL)) AND COALESCE((quiet_from <> quiet_to), true))),
    CONSTRAINT webpush_devices_time_zone_check CHECK ((time_zone ~ '^[A-Za-z_]+(/[A-Za-z0-9_+-]+)*$'::text))
);
COMMENT ON TABLE webpush_devices IS 'A browser that a fan lets this service wake.';
COMMENT ON COLUMN webpush_devices.session_id IS 'The sign-in of that browser; when it ends, the device is told nothing any more. Null: a token without a session.';
COMMENT ON COLUMN webpush_devices.endpoint IS 'The address of the device at its push service. Who knows it can send to the device if they have the key too.';
COMMENT ON COLUMN webpush_devices.quiet_from IS 'From then to quiet_to, in its time zone, the device is told nothing. Null: it has no quiet hours.';
COMMENT ON COLUMN webpush_devices.failures IS 'Notices in a row that could not be delivered.';
ALTER TABLE webpush_devices ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY webpush_devices ADD CONSTRAINT webpush_devices_endpoint_key UNIQUE (endpoint);
ALTER TABLE ONLY webpush_devices ADD CONSTRAINT webpush_devices_pkey PRIMARY KEY (id);
CREATE INDEX webpush_devices_session_id_idx ON webpush_devices USING btree (session_id);
CREATE INDEX webpush_devices_user_id_idx ON webpush_devices USING btree (user_id);
ALTER TABLE ONLY webpush_devices ADD CONSTRAINT webpush_devices_session_id_fkey FOREIGN KEY (session_id) REFERENCES sessions(id) ON DELETE CASCADE;
ALTER TABLE ONLY webpush_devices ADD CONSTRAINT webpush_devices_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE webpush_devices ENABLE ROW LEVEL SECURITY;
CREATE POLICY webpush_devices_own ON webpush_devices FOR SELECT TO mysetlist_request USING ((user_id = ( SELECT app_user_id() AS app_user_id)));
GRANT SELECT ON TABLE webpush_devices TO mysetlist_request;

-- ──────────────────────────────────────────────────────────────────────────────────────────────────────── webpush_key

CREATE TABLE webpush_key (
    is_only boolean DEFAULT true NOT NULL,
    private_key bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT webpush_key_is_only_check CHECK (is_only),
    CONSTRAINT webpush_key_private_key_check CHECK ((octet_length(private_key) = 32))
);
COMMENT ON TABLE webpush_key IS 'The key of this service towards push services (VAPID). Devices are bound to it: with another one, all must ask again.';
COMMENT ON COLUMN webpush_key.private_key IS 'A number of the curve P-256. No role but the owner reads it.';
ALTER TABLE ONLY webpush_key ADD CONSTRAINT webpush_key_pkey PRIMARY KEY (is_only);

-- ──────────────────────────────────────────────────────────────────────────────────────────────────── webpush_notices

CREATE TABLE webpush_notices (
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    kind webpush_kind NOT NULL,
    show_id bigint NOT NULL,
    song text DEFAULT ''::text NOT NULL,
    made_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    setlist_song_id bigint DEFAULT 0 NOT NULL,
    CONSTRAINT webpush_notices_song_check CHECK ((char_length(song) <= 300))
);
COMMENT ON TABLE webpush_notices IS 'What a fan is told of a show: each kind once, and of songs each song once. Kept for 7 days, so that it is not told again.';
COMMENT ON COLUMN webpush_notices.show_id IS 'Without a foreign key: it would lock the show. A notice of a show that is gone is not sent.';
COMMENT ON COLUMN webpush_notices.expires_at IS 'From then on it is not sent any more.';
COMMENT ON COLUMN webpush_notices.setlist_song_id IS 'The song that is on; 0: the notice is about the show. Without a foreign key, as show_id.';
ALTER TABLE webpush_notices ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE ONLY webpush_notices ADD CONSTRAINT webpush_notices_once UNIQUE (user_id, kind, show_id, setlist_song_id);
ALTER TABLE ONLY webpush_notices ADD CONSTRAINT webpush_notices_pkey PRIMARY KEY (id);
CREATE INDEX webpush_notices_made_at_idx ON webpush_notices USING btree (made_at);
ALTER TABLE ONLY webpush_notices ADD CONSTRAINT webpush_notices_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE webpush_notices ENABLE ROW LEVEL SECURITY;
CREATE POLICY webpush_notices_own ON webpush_notices FOR SELECT TO mysetlist_request USING ((user_id = ( SELECT app_user_id() AS app_user_id)));
GRANT SELECT ON TABLE webpush_notices TO mysetlist_request;
