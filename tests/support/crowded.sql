-- A large catalogue with a large audience, for checking plans. It is made in seconds, because triggers are off. This file
-- makes the rows that triggers would make and that plans depend on: bills, search words, statistics of artists. Tallies stay 0.

set session_replication_role = replica;
set maintenance_work_mem = '256MB';

-- An index that is made of all rows at once costs less than one that grows row by row.
create temporary table later as
select i.indexrelid::regclass::text as name, replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ') as definition
  from pg_index i join pg_class c on c.oid = i.indrelid
 where c.relnamespace = 'public'::regnamespace and not c.relispartition and not i.indisunique;
do $$
declare
    name text;
begin
    for name in select l.name from later l loop
        execute 'drop index ' || name;
    end loop;
end $$;

insert into artists (slug, name, genre, country)
select 'artist-' || n, initcap(substr(md5(n::text), 1, 6)) || ' ' || initcap(substr(md5('b' || n), 1, 8)), 'Rock', 'GB'
  from generate_series(1, 4000) n;

insert into artist_stats (artist_id, follower_count, show_count, heat)
select id, id % 100, 10, case when id % 10 = 0 then trending_heat(now()) + id % 7 end from artists;

insert into venues (slug, name, city, region, country, latitude, longitude, time_zone, capacity)
select 'venue-' || n, 'Hall ' || substr(md5(n::text), 1, 8), initcap(substr(md5((n % 500)::text), 1, 7)), 'NY', 'US',
       degrees(asin(2 * mod(n * 0.618034, 1)::float8 - 1)), mod(n * 0.7548776662, 1)::float8 * 360 - 180, 'UTC', n
  from generate_series(1, 4000) n;

-- As in real titles, some words are common: without them PostgreSQL has no statistics of words.
insert into songs (artist_id, title)
select 1 + n % 4000, initcap(substr(md5(n::text), 1, 5)) || ' ' || substr(md5('t' || n), 1, 6) || ' Word' || n % 150
       || case when n % 9 = 0 then ' Love' else '' end
  from generate_series(1, 10000) n;

insert into users (created_at, updated_at) select now() - n * interval '30 minutes', now() from generate_series(1, 25000) n;
update users set role = 'admin' where id <= 5;
insert into users (nobody) select n from generate_series(1, 50) n;
insert into sessions (user_id, kind, address_hash, created_at, expires_at, ended_at)
select id, 'fan', case when id % 100 = 0 then substr(sha256(id::text::bytea), 1, 16) end, created_at,
       created_at + interval '3000 days', case when id % 50 = 0 then created_at end
  from users where nobody is null;

update sessions set code_hash = sha256(('code' || user_id)::bytea) where user_id % 100 = 0;

insert into exports (user_id, asked_at, document)
select id, now() - id * interval '2 seconds', case when id % 1000 <> 0 then '{}' end from users where id <= 20000;

-- Ten years of shows: 30 live, 1,500 upcoming, the others finished, every thirtieth cancelled.
insert into shows (slug, artist_id, venue_id, name, local_date, time_zone, starts_at, status, opens_at, closes_at,
                   finalised_at, created_at)
select 'show-' || n, 1 + n % 4000, 1 + (n * 7) % 4000, 'Tour of ' || substr(md5(n::text), 1, 6), s.at::date, 'UTC', s.at,
       case when n % 30 = 0 then 'cancelled' when n > 12530 then 'upcoming' when n > 12500 then 'live' else 'finished' end::show_status,
       s.at - interval '30 days', s.at, case when n <= 12500 then s.at end, s.at - interval '40 days'
  from generate_series(1, 14000) n
 cross join lateral (select date_trunc('minute', now()) + case when n > 12530 then (n - 12530) * interval '3 hours'
                                        when n > 12500 then interval '0' else (n - 12501) * interval '5 hours' end as at) s;

insert into show_artists (show_id, artist_id, billing, position) select id, artist_id, 'headliner', 1 from shows;
insert into show_artists (show_id, artist_id, billing, position)
select id, 1 + (artist_id + 13) % 4000, 'support', 2 from shows where id % 3 = 0;
select refresh_show_words((select array_agg(id) from shows));

insert into setlists (show_id, type, name, position, kind)
select w.id, t.type, 'Main set', 1, 'main'
  from shows w cross join unnest(enum_range(null::setlist_type)) as t (type)
 where t.type = 'predicted' or w.status = 'finished';
update setlists set artist_id = 1 + (show_id + 13) % 4000 where id % 200 = 0;

insert into setlist_songs (setlist_id, show_id, song_id, position, played_at)
select l.id, l.show_id, 1 + (l.show_id % 4000 + 4000 * p) % 10000, p, case when l.type = 'actual' then now() end
  from setlists l cross join generate_series(1, 5) p;

insert into artist_songs (artist_id, song_id, predicted_count, played_count, last_played_on)
select 1 + id % 4000, id, id % 20, id % 7, current_date from songs;

-- Ballots of 2,000 fans: four songs of each set in three shows.
insert into votes (setlist_song_id, user_id, show_id, choice, cast_at)
select e.id, u.id, e.show_id, case when (e.id + u.id) % 4 = 0 then 'down' else 'up' end::vote_choice,
       now() - (u.id % 5000) * interval '5 minutes'
  from generate_series(1, 10000, 5) as u (id)
 cross join generate_series(0, 2) as k
  join setlist_songs e on e.show_id = 1 + (u.id * 3 + k * 2001) % 10000 and e.position <= 4
    on conflict do nothing;
insert into vote_analytics (show_id, setlist_song_id, user_id, previous, choice, cast_at)
select show_id, setlist_song_id, user_id, null, choice, cast_at from votes order by cast_at;
insert into vote_rollups (show_id, hour, up_count, down_count)
select show_id, date_trunc('hour', cast_at, 'UTC'), count(*) filter (where choice = 'up'),
       count(*) filter (where choice = 'down')
  from votes group by 1, 2;
insert into platform_hours (hour, up_count, down_count, withdrawn_count)
select hour, sum(up_count), sum(down_count), 0 from vote_rollups group by 1;
insert into show_days (show_id, day, vote_count)
select show_id, (hour at time zone 'UTC')::date, sum(up_count + down_count) from vote_rollups group by 1, 2;
insert into vote_minutes (show_id, minute, vote_count)
select id, date_trunc('minute', now()) - m * interval '1 minute', 1 from shows, generate_series(1, 120, 40) m where id > 5000;
insert into song_hours (setlist_song_id, hour, up_count, down_count)
select setlist_song_id, date_trunc('hour', cast_at, 'UTC'), count(*), 0 from votes group by 1, 2;
insert into voter_days (show_id, user_id, day) select distinct show_id, user_id, cast_at::date from votes;
insert into voter_links (scope, scope_id, day, previous_day, visit, voter_count)
select 'show'::statistics_scope, show_id, day, date '-infinity', 1, count(*) from voter_days group by 1, 2, 3;
insert into set_aside_hours (show_id, hour, up_count, down_count, withdrawn_count)
select show_id, hour, 1, 0, 0 from vote_rollups where show_id % 50 = 0;
insert into set_asides_to_count select id from shows where id % 50 = 0 limit 2;
insert into votes_to_count select show_id, date_trunc('minute', now()), 1, 0, 0 from voter_days limit 100;
insert into voters_to_count select show_id, user_id, current_date + 1 from voter_days limit 100;
insert into user_vote_limits (user_id, day, spent) select id, current_date - (id % 30)::int, 20 from users where id <= 25000;
insert into vote_groups (show_id, score, reasons, ballot_count, began_at, ended_at, found_at, decided_by, decided_at, decision)
select id, 9, '[]', 40, starts_at, starts_at, now() - id * interval '1 hour', case when id % 7 = 0 then 1 + id % 5 end,
       case when id % 7 = 0 then starts_at end, case when id % 7 = 0 then 'set_aside' else 'open' end::vote_group_state
  from shows where id % 3 = 0;
update vote_groups set state = decision where id % 50 <> 0;
insert into vote_group_members (show_id, user_id, group_id)
select b.show_id, b.user_id, g.id from (select distinct show_id, user_id from votes) b join vote_groups g on g.show_id = b.show_id
 where b.user_id % 2 = 0;
insert into cast_orders (user_id, show_id, cast_order) select user_id, show_id, max(id) from vote_analytics group by 1, 2;
insert into show_trending (show_id, artist_id, heat, is_ranked)
select id, artist_id, trending_heat(now()) + id % 7, status in ('upcoming', 'live') from shows;
insert into show_accuracy (show_id, offered, predicted, hits, played) select id, 5, 4, 3, 5 from shows where status = 'finished';
insert into voter_accuracy (user_id, show_id, predicted, hits, played)
select distinct v.user_id, v.show_id, 3, 2, 5 from votes v join show_accuracy a on a.show_id = v.show_id;
insert into shows_to_score (show_id) select id from shows;
insert into log_commits (shard, position, entries, committed_at)
select n % 16, n, array[n], now() - n * interval '30 milliseconds' from generate_series(1, 20000) n;
update log_positions set position = 20000;

insert into user_profiles (user_id, display_name, is_public) select id, 'Fan ' || substr(md5(id::text), 1, 8), id % 2 = 0 from users where id <= 25000 and id % 2 = 0;
insert into user_follows_artists (user_id, artist_id, created_at)
select n, 1 + (n * k * 17) % 4000, now() - (n % 9000) * interval '1 hour' from generate_series(1, 25000, 3) n, generate_series(1, 4) k
    on conflict do nothing;
insert into user_show_attendance (user_id, show_id, created_at)
select n, 1 + (n * k * 17) % 10000, now() - (n % 9000) * interval '1 hour' from generate_series(1, 25000, 3) n, generate_series(1, 4) k
    on conflict do nothing;
insert into picks (show_id, user_id, song_ids, picked_at)
select 1 + n % 10000, n, array[1 + n % 10000], now() from generate_series(1, 25000) n;
insert into picked_shows select distinct show_id, 1 from picks;
insert into standings (board, subject_id, user_id, points, show_count, rank, number)
select b.board, b.subject_id, n, 1, 1, n, n
  from generate_series(1, 25000) n,
       lateral (values ('show'::board_kind, 1 + n % 10000), ('artist', 1 + n % 4000), ('season', 2026 - n % 2)) as b (board, subject_id);
insert into tours (artist_id, name, first_date, last_date)
select 1 + n % 4000, 'Tour', current_date - n, current_date - n + 60 from generate_series(1, 5000) n;
insert into boards_to_count (board, subject_id) select 'show', n from generate_series(1, 10000) n;
insert into crews (code, name) select lpad(n::text, 16, '0'), 'Crew' from generate_series(1, 5000) n;
insert into crew_members (crew_id, user_id) select 1 + n % 5000, n from generate_series(1, 25000) n;
insert into venue_reviews (venue_id, user_id, rating, body, status, created_at, updated_at)
select 1 + (n * 7) % 4000, n, 1 + n % 5, 'Good', case when n % 40 = 0 then 'pending' else 'approved' end::moderation_status,
       now() - n * interval '1 hour', now() - n * interval '1 hour'
  from generate_series(1, 10000) n;
insert into content_moderation (review_id, status, decided_at, decided_by)
select id, case when id % 40 = 0 then 'pending' else 'approved' end::moderation_status,
       case when id % 40 <> 0 then now() end, case when id % 40 <> 0 then 1 + id % 5 end
  from venue_reviews;
insert into content_moderation (profile_id, status, decided_at, decided_by)
select user_id, case when user_id % 40 = 0 then 'pending' else 'approved' end::moderation_status,
       case when user_id % 40 <> 0 then now() end, case when user_id % 40 <> 0 then 1 + user_id % 5 end
  from user_profiles where user_id <= 10000;
insert into reports (reporter_id, review_id, reason, status, decided_at, decided_by)
select id * 2, id, 'Rude', case when id % 20 = 0 then 'open' else 'dismissed' end::report_status,
       case when id % 20 <> 0 then now() end, case when id % 20 <> 0 then 1 + id % 5 end
  from venue_reviews where id <= 5000;
insert into reports (reporter_id, profile_id, reason, status, decided_at, decided_by)
select user_id + 1, user_id, 'Rude', case when user_id % 20 = 0 then 'open' else 'dismissed' end::report_status,
       case when user_id % 20 <> 0 then now() end, case when user_id % 20 <> 0 then 1 + user_id % 5 end
  from user_profiles where user_id <= 10000;
insert into user_bans (user_id, kind, reason, banned_by, banned_at, expires_at, lifted_at, lifted_by)
select n * 5, 'vote', 'Spam', 1 + n % 5, now() - n * interval '1 hour', null, case when n % 50 <> 0 then now() end,
       case when n % 50 <> 0 then 1 + n % 5 end
  from generate_series(1, 5000) n;
insert into moderation_log (moderator_id, action, subject)
select 1 + n % 5, 'review.approve', 'review:' || n from generate_series(1, 10000) n;
insert into audit_log (actor_id, action, subject, at)
select 1 + n % 5, 'show.lock', 'show:' || n, now() - n * interval '1 minute' from generate_series(1, 10000) n;
insert into audit_chain (position, entry_id, about_hash, hash)
select id, id, sha256(''), sha256('') from audit_log;
truncate acts_to_chain;

insert into email_preferences (user_id, address, confirmed_at, frequency)
select id, 'fan' || id || '@example.org', now(), case id % 4 when 0 then 'daily' when 1 then 'weekly' else 'immediately' end::email_frequency
  from users where id <= 25000 and id % 2 = 1;
insert into email_queue (user_id, kind, about, priority, status, not_before, created_at)
select id, 'show_announced', 'show:' || 1 + id % 10000, 'normal', case when id % 100 = 1 then 'queued' else 'sent' end::email_status,
       now() - id * interval '1 minute', now() - id * interval '1 minute'
  from users where id <= 25000 and id % 2 = 1;
insert into email_queue (user_id, kind, about, priority, status, not_before, created_at)
select id, 'confirm_address', 'address:' || md5(id::text) || ':1', 'high', 'sent', now(), now() - id * interval '1 hour'
  from users where id <= 5000 and id % 2 = 1;
insert into email_log (queue_id, user_id, kind, status, at)
select id, user_id, kind, 'sent', created_at from email_queue where status = 'sent' order by created_at;
insert into email_unsubscribes (address_hash, reason)
select sha256(convert_to('gone' || n, 'UTF8')), 'link' from generate_series(1, 5000) n;
insert into ticket_codes (show_id, code_hash, user_id, redeemed_at)
select 1 + n % 200, sha256(convert_to('code' || n, 'UTF8')), case when n <= 25000 then n end, case when n <= 25000 then now() end
  from generate_series(1, 50000) n;
insert into song_suggestions (show_id, user_id, title, status, decided_at)
select 1 + n % 2000, 1 + n % 5000, 'Song ' || n, case when n % 10 = 0 then 'pending' else 'declined' end::suggestion_status,
       case when n % 10 = 0 then null else now() end
  from generate_series(1, 10000) n;
insert into user_identities (issuer, subject, user_id)
select 'https://id.example', 'fan' || n, n from generate_series(1, 25000) n;
insert into api_keys (name, key_hash, role, user_id)
select 'Key', sha256(convert_to('key' || n, 'UTF8')), 'user', n from generate_series(1, 3000) n;

insert into sync_jobs (service, kind, subject, status, created_at)
select 'file', 'import', 'artists.csv', case when n > 4990 then 'running' else 'succeeded' end::sync_status, now() - (5000 - n) * interval '1 hour'
  from generate_series(1, 5000) n;
insert into sync_progress (job_id, stage, done, total)
select id, stage, 10, 10 from sync_jobs, unnest(enum_range(null::import_stage)) as stage;
insert into import_log (job_id, stage, line, outcome, message)
select id, 'artists', p, 'added', 'Somebody' from sync_jobs, generate_series(1, 6) p;
insert into activity (position, previous, kind, show_id, artist_id, name, created_at)
select n, n - 1, 'live', 1 + n % 10000, 1 + n % 4000, 'Show', now() - (10000 - n) * interval '1 minute' from generate_series(1, 10000) n
    on conflict do nothing;
insert into external_cache (service, asked, kind, body, fresh_until)
select 'musicbrainz', '/ws/2/artist/' || n, 'artist', convert_to(repeat('x', 300), 'UTF8'), now() + n * interval '1 minute' - interval '30 days'
  from generate_series(1, 10000) n;
insert into artist_identities (service, external_id, artist_id, confidence, evidence)
select s.service, a.id::text, a.id, 0.9, 'its name' from artists a, unnest(array['musicbrainz', 'spotify']::sync_service[]) as s (service);
insert into venue_identities (service, external_id, venue_id, confidence, evidence)
select 'ticketmaster', 'v' || id, id, 0.9, 'its name' from venues;
insert into show_identities (service, external_id, show_id, version, confidence, evidence)
select s.service, left(s.service::text, 1) || w.id, w.id, '1', 0.9, 'listed' from shows w, unnest(array['ticketmaster', 'setlistfm']::sync_service[]) as s (service);
insert into song_identities (service, external_id, song_id)
select 'spotify', 't' || id, id from songs;
insert into show_predictions (show_id, songs, basis) select id, '{}', 1 from shows;
insert into identity_reviews (service, external_id, name, artist_id, confidence, evidence, verdict, decided_at, decided_by)
select 'spotify', 'r' || n, 'Somebody', 1 + n % 4000, 0.5, 'its name alone', case when n % 10 = 0 then 'open' else 'different' end::review_verdict,
       case when n % 10 = 0 then null else now() end, case when n % 10 = 0 then null else 1 + n % 5 end
  from generate_series(1, 10000) n;
insert into identity_reviews (service, external_id, name, venue_id, confidence, evidence)
select 'ticketmaster', 'w' || n, 'Somewhere', 1 + n % 1000, 0.5, 'its name alone' from generate_series(1, 2000) n;
insert into sync_schedules (name, every_s) values ('shows', 3600), ('played', 900);
insert into sync_pauses (service) values ('spotify');
insert into sync_jobs (service, kind, subject, status, priority, run_at, lease_until)
select s.service, k.kind, n::text, case when n > 1000 then 'queued' when n > 990 then 'running' else 'succeeded' end::sync_status, 'low',
       now() + (n - 1500) * interval '1 minute', case when n between 991 and 1000 then now() + interval '1 minute' end
  from (values ('ticketmaster', 'shows'), ('setlistfm', 'setlists'), ('setlistfm', 'played'), ('spotify', 'songs'), ('musicbrainz', 'artist'))
       as k (service, kind), lateral (select k.service::sync_service) s (service), generate_series(1, 4000) n;
insert into service_health (service, hour, ok_count, last_status)
select service, date_trunc('hour', now(), 'UTC') - n * interval '1 hour', 60, 'ok'
  from unnest(array['postgres', 'valkey', 'smtp']) as service, generate_series(0, 4000) n;
insert into show_news (show_id, change, was_at, at)
select id, 'cancelled', now(), now() - id * interval '30 minutes' from shows where id <= 1800;
insert into backups (made_at, file_name, size_bytes, host)
select now() - n * interval '1 hour', 'a.dump', 1000, 'h' from generate_series(1, 5000) n;
insert into level_minutes (minute, level, event_count, missed_count)
select date_trunc('minute', now(), 'UTC') - n * interval '1 minute', level, 600, n % 5
  from unnest(array['availability', 'acknowledgement', 'push']) as level, generate_series(0, 5000) n;
insert into service_alerts (service, status) values ('postgres', 'ok'), ('spotify', 'down');
insert into database_operations (operation, status, started_at, finished_at, started_by)
select 'vacuum', 'succeeded', now() - n * interval '1 hour', now(), 1 + n % 5 from generate_series(1, 3000) n;
insert into platform_stats (day, user_count, new_user_count, vote_count, withdrawn_count, voted_show_count,
                            new_follow_count, new_going_count, new_review_count, show_count)
select current_date - n, 0, 0, 0, 0, 0, 0, 0, 0, 0 from generate_series(0, 3000) n;

insert into removed_songs (id, show_id, setlist_id, song_id, is_tape, note, vote_count, removed_at)
select 1000000 + id, show_id, id, 10000, false, '', 10, now() - id * interval '1 minute' from setlists where id <= 3000;
insert into removed_votes (setlist_song_id, user_id, choice, cast_at)
select r.id, 1 + (r.id * 10 + u) % 25000, 'up', now() from removed_songs r, generate_series(1, 10) u;

insert into merges (kind, survivor_id, duplicate_id, slug, duplicate, made_by)
select 'artist', 1 + n % 1000, 1000000 + n, 'gone-' || n, '{}', 1 from generate_series(1, 3000) n;
insert into merge_rows (merge_id, relation, row_id, user_id, was)
select 1 + n % 3000, 'follow', n, 1 + n % 25000, '{}' from generate_series(1, 15000) n;
insert into merge_folds (merge_id, show_id, gone_id, kept_id, gone, history)
select 1 + n % 3000, 1 + n % 3000, n, n, '{}', '{}' from generate_series(1, 3000) n;
insert into merge_votes (fold_id, user_id, choice, cast_at)
select 1 + n % 3000, 1 + n % 25000, 'up', now() from generate_series(1, 15000) n;

insert into webhooks (url, events, secret, is_enabled)
select 'https://hooks.example.org/' || n, enum_range(null::webhook_event), sha256('x'), n % 10 > 0 from generate_series(1, 50) n;
insert into webhook_events (type, show_id, data, at, is_queued)
select 'song.played', 1 + n % 10000, '{}', now() - n * interval '2 minutes', n > 20 from generate_series(1, 10000) n;
insert into webhook_deliveries (webhook_id, event_id, state, attempts, queued_at, not_before, tried_at)
select w, n, case when n > 100 then case n % 100 when 0 then 'dead' else 'delivered' end when n > 90 then 'sending' else 'queued' end::webhook_delivery_state,
       1, now() - n * interval '2 minutes', now() + (n - 50) * interval '1 minute', now() - n * interval '2 minutes'
  from generate_series(21, 10000) n, generate_series(1, 3) w;
truncate ledger_notes;
insert into ledger_notes (kind, show_id, user_id, at) select 'set_aside', 1 + n % 10000, n, now() from generate_series(1, 10000) n;
insert into ledger_epochs (name, origin, public_key, fingerprint, reason) values ('1', 'example.org/ledger/1', sha256('x'), '', 'first');
insert into ledger_logs select n, 1, 1, sha256('x'), true, '', now() from generate_series(1, 10000) n;
insert into ledger_entries select n, 0, 1, 1, 1, sha256('x'), substr(sha512('x'), 1, 58) from generate_series(1, 10000) n;
insert into ledger_nodes select n, 1, 0, sha256('x') from generate_series(1, 10000) n;
insert into ledger_secrets select n, sha256(n::text::bytea) from generate_series(1, 10000) n;
insert into webpush_devices (user_id, endpoint, public_key, auth_secret, kinds, time_zone, quiet_from, quiet_to)
select n, 'https://push.example.org/' || n, sha512('x') || '\x00', substr(sha256('x'), 1, 16), enum_range(null::webpush_kind), 'UTC',
       case n % 5 when 0 then '22:00'::time end, case n % 5 when 0 then '07:00'::time end
  from generate_series(1, 10000) n;
insert into webpush_notices (user_id, kind, show_id, made_at, expires_at)
select n, k, 1 + n % 10000, now() - n * interval '30 seconds', now() from generate_series(1, 10000) n, unnest(enum_range(null::webpush_kind)) k;
insert into webpush_deliveries (notice_id, device_id, not_before)
select n.id, d.id, now() + n.id * interval '1 second'
  from webpush_notices n join webpush_devices d on d.user_id = n.user_id where n.id % 3 = 0;
insert into open_shows (show_id)
select id from shows where opens_at <= now() and closes_at > now() and status <> 'cancelled' and finalised_at is null;

-- Counts that the tested statements change.
update artist_stats a set follower_count = f.count
  from (select artist_id, count(*) from user_follows_artists group by 1) f where f.artist_id = a.artist_id;
update shows w set attendance_count = g.count
  from (select show_id, count(*) from user_show_attendance group by 1) g where g.show_id = w.id;
update venues v set review_count = r.count, rating_sum = r.sum
  from (select venue_id, count(*), sum(rating) from venue_reviews where status = 'approved' group by 1) r
 where r.venue_id = v.id;

do $$
declare
    definition text;
begin
    for definition in select l.definition from later l loop
        execute definition;
    end loop;
end $$;
drop table later;

set session_replication_role = origin;
