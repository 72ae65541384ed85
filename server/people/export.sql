-- The sections of an export. Each query takes user_id and count, and gives the number of rows (count: there may be more)
-- and the rows as JSON. The queries run as the user, so row security repeats every `where`.

-- name: extend_timeout!
-- The vote history has no index by user.
set local statement_timeout = '60s';

-- name: account^
select 1 as row_count, to_json(s)::text as rows
  from (select id, role, token_until, created_at, updated_at from users where id = :user_id::bigint limit :count::bigint) s;

-- name: identities^
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select issuer, subject, created_at
          from user_identities where user_id = :user_id::bigint
         order by created_at desc, issuer, subject limit :count::bigint) s;

-- name: sessions^
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select id, kind, device, created_at, opened_at, renewed_at, expires_at, ended_at
          from sessions where user_id = :user_id::bigint order by id desc limit :count::bigint) s;

-- name: profile^
select 1 as row_count, to_json(s)::text as rows
  from (select display_name, bio, city, country, is_public, status, language, created_at, updated_at
          from user_profiles where user_id = :user_id::bigint limit :count::bigint) s;

-- name: votes^
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select v.show_id, w.name as show_name, v.setlist_song_id as song_id, g.title as song_title, v.choice, v.cast_at
          from votes v
          join shows w on w.id = v.show_id
          join setlist_songs e on e.id = v.setlist_song_id
          join songs g on g.id = e.song_id
         where v.user_id = :user_id::bigint
         order by v.cast_at desc, v.setlist_song_id
         limit :count::bigint) s;

-- name: removed_votes^
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select w.id as show_id, w.name as show_name, r.setlist_song_id as song_id, g.title as song_title, r.choice, r.cast_at
          from removed_votes r
          join removed_songs m on m.id = r.setlist_song_id
          join shows w on w.id = m.show_id
          join songs g on g.id = m.song_id
         where r.user_id = :user_id::bigint
         order by r.cast_at desc, r.id
         limit :count::bigint) s;

-- name: vote_groups^
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select m.show_id, w.name as show_name, m.is_set_aside, m.is_void, g.reasons, g.found_at, g.decided_at
          from vote_group_members m
          join vote_groups g on g.id = m.group_id
          join shows w on w.id = m.show_id
         where m.user_id = :user_id::bigint
         order by g.found_at desc, m.show_id
         limit :count::bigint) s;

-- name: merged_votes^
-- The song is the one that is gone: its votes were moved to another song of the show.
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select f.show_id, w.name as show_name, f.gone_id as song_id, v.choice, v.cast_at, v.kept_choice, v.kept_cast_at
          from merge_votes v
          join merge_folds f on f.id = v.fold_id
          join shows w on w.id = f.show_id
         where v.user_id = :user_id::bigint
         order by v.cast_at desc, v.fold_id
         limit :count::bigint) s;

-- name: merged_rows^
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select relation, row_id, was from merge_rows where user_id = :user_id::bigint order by id desc limit :count::bigint) s;

-- name: accuracy^
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select a.show_id, w.name as show_name, a.predicted, a.hits, a.played, a.precision, a.recall, a.rank_correlation
          from voter_accuracy a join shows w on w.id = a.show_id
         where a.user_id = :user_id::bigint order by a.show_id desc limit :count::bigint) s;

-- name: vote_history^
-- The name is null when the show or song is gone. The history of a user who never voted is not read.
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select h.show_id, w.name as show_name, h.setlist_song_id as song_id, g.title as song_title, h.previous, h.choice,
               h.cast_at
          from (select * from vote_analytics where user_id = :user_id::bigint
                   and exists (select from user_vote_limits l where l.user_id = :user_id)
                 order by cast_at desc, id desc limit :count::bigint) h
          left join shows w on w.id = h.show_id
          left join setlist_songs e on e.id = h.setlist_song_id
          left join songs g on g.id = e.song_id
         order by h.cast_at desc, h.id desc) s;

-- name: day_budgets^
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select day, spent from user_vote_limits where user_id = :user_id::bigint order by day desc limit :count::bigint) s;

-- name: follows^
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select f.artist_id, a.name as artist_name, f.created_at
          from user_follows_artists f join artists a on a.id = f.artist_id
         where f.user_id = :user_id::bigint order by f.created_at desc, f.artist_id limit :count::bigint) s;

-- name: attendance^
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select g.show_id, w.name as show_name, g.created_at
          from user_show_attendance g join shows w on w.id = g.show_id
         where g.user_id = :user_id::bigint order by g.created_at desc, g.show_id limit :count::bigint) s;

-- name: picks^
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select p.show_id, w.name as show_name, p.song_ids, p.opener, p.closer, p.encore, p.picked_at, f.points, f.rank
          from picks p
          join shows w on w.id = p.show_id
          left join standings f on f.board = 'show' and f.subject_id = p.show_id and f.user_id = p.user_id
         where p.user_id = :user_id::bigint order by p.picked_at desc, p.show_id limit :count::bigint) s;

-- name: crews^
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select c.name, c.code, m.joined_at
          from crew_members m join crews c on c.id = m.crew_id
         where m.user_id = :user_id::bigint order by m.joined_at desc, m.crew_id limit :count::bigint) s;

-- name: ledger_names^
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select n.show_id, w.name as show_name, encode(n.name, 'hex') as name
          from ledger_own_names() n join shows w on w.id = n.show_id
         where :user_id::bigint = app_user_id() order by n.show_id desc limit :count::bigint) s;

-- name: tickets^
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select t.show_id, w.name as show_name, t.created_at, t.redeemed_at
          from ticket_codes t join shows w on w.id = t.show_id
         where t.user_id = :user_id::bigint order by t.redeemed_at desc, t.show_id limit :count::bigint) s;

-- name: suggestions^
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select g.id, g.show_id, w.name as show_name, g.title, g.status, g.reasons, g.reason, g.created_at, g.decided_at
          from song_suggestions g join shows w on w.id = g.show_id
         where g.user_id = :user_id::bigint order by g.id desc limit :count::bigint) s;

-- name: reviews^
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select r.id, r.venue_id, v.name as venue_name, r.rating, r.body, r.status, r.created_at, r.updated_at
          from venue_reviews r join venues v on v.id = r.venue_id
         where r.user_id = :user_id::bigint order by r.id desc limit :count::bigint) s;

-- name: reports_made^
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select id, review_id, profile_id, reason, priority, status, created_at, decided_at
          from reports where reporter_id = :user_id::bigint order by id desc limit :count::bigint) s;

-- name: moderation_of_own_texts^
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select m.id, m.review_id, m.profile_id, m.status, m.priority, m.reasons, m.note, m.created_at, m.decided_at
          from content_moderation m
         where m.profile_id = :user_id::bigint
            or m.review_id in (select r.id from venue_reviews r where r.user_id = :user_id)
         order by m.id desc limit :count::bigint) s;

-- name: bans^
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select id, kind, reason, banned_at, expires_at, lifted_at
          from user_bans where user_id = :user_id::bigint order by id desc limit :count::bigint) s;

-- name: email_preferences^
select 1 as row_count, to_json(s)::text as rows
  from (select address, confirmed_at, frequency, kinds, host, created_at, updated_at
          from email_preferences where user_id = :user_id::bigint limit :count::bigint) s;

-- name: email_queue^
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select id, kind, about, priority, status, attempts, not_before, created_at
          from email_queue where user_id = :user_id::bigint order by id desc limit :count::bigint) s;

-- name: email_log^
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select id, kind, status, detail, at
          from email_log where user_id = :user_id::bigint order by id desc limit :count::bigint) s;

-- name: push_devices^
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select id, endpoint, kinds, time_zone, quiet_from, quiet_to, created_at
          from webpush_devices where user_id = :user_id::bigint order by id desc limit :count::bigint) s;

-- name: push_notices^
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select kind, show_id, setlist_song_id as song_id, song, made_at
          from webpush_notices where user_id = :user_id::bigint order by id desc limit :count::bigint) s;

-- name: api_keys^
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select id, name, role, created_at, expires_at, last_used_at, revoked_at
          from api_keys where user_id = :user_id::bigint order by id desc limit :count::bigint) s;

-- name: moderation_log^
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select id, action, subject, detail, at
          from moderation_log where moderator_id = :user_id::bigint order by id desc limit :count::bigint) s;

-- name: audit_log^
select count(*) as row_count, coalesce(json_agg(s), '[]')::text as rows
  from (select id, action, subject, detail, at
          from audit_log where actor_id = :user_id::bigint order by id desc limit :count::bigint) s;
