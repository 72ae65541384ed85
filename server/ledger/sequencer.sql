-- Reads notes and votes for the sequencer, and appends to ledgers, in one transaction.

-- name: try_lock_ledger$
-- gives: whether this connection has the turn now; it keeps the turn until it closes
select pg_try_advisory_lock(hashtext('mysetlist.ledger'));

-- name: behind_s$
-- gives: the age of the oldest note [s]; 0: there is none
select coalesce(extract(epoch from clock_timestamp() - (select noted_at from ledger_notes order by id limit 1))::float8, 0);

-- name: fetch_epoch^
-- gives: 0..1 row: the epoch that began last
select id, origin, public_key, fingerprint from ledger_epochs order by id desc limit 1;

-- name: fetch_fingerprint$
-- gives: what differs between this database, a restored one and a promoted replica: the cluster, its timeline, the database
select (select system_identifier from pg_control_system()) || ':' || left(pg_walfile_name(pg_current_wal_lsn()), 8) || ':'
       || (select oid from pg_database where datname = current_database());

-- name: insert_epoch^
-- takes: name; origin; public_key; fingerprint; reason
-- gives: 1 row
insert into ledger_epochs (name, origin, public_key, fingerprint, reason)
values (:name, :origin, :public_key, :fingerprint, :reason::ledger_reason)
returning id, origin, public_key, fingerprint;

-- name: note_epoch!
-- takes: epoch_id, the new epoch, in which every log is signed from now on
insert into ledger_notes (kind, show_id)
select 'renewed', show_id from ledger_logs where epoch_id <> :epoch_id order by show_id;

-- name: lock_notes
-- takes: count, the most notes that it locks; entry_count: it stops after about so many entries
-- locks: rows of ledger_notes; it fails when an erasure holds one
-- gives: 0..count rows in the order of the oldest note: the ids of notes, and what they say. Notes of casts are one row as long as nothing
--        else of their show, and no erasure, comes between. Times: ms since 1970; choice: 0 none, 1 up, 2 down; count: of entries, roughly
with held as materialized (
    select id, kind, show_id, noted_at, user_id, setlist_song_id, choice, at, count, last_at, pseudonym
      from ledger_notes
     order by id
     limit :count::bigint
       for update nowait
), numbered as (
    select *, count(*) filter (where kind <> 'casts') over (partition by show_id order by id) as part,
           count(*) filter (where kind = 'erased') over (order by id) as erasures, sum(count) over (order by id) - count as entries_before
      from held
)
select array_agg(id order by id) as ids, kind::text as kind, show_id, round(date_part('epoch', min(noted_at)) * 1000)::bigint as noted_ms,
       min(user_id) as user_id, coalesce(min(setlist_song_id), 0) as setlist_song_id,
       case min(choice) when 'up' then 1 when 'down' then 2 else 0 end as choice,
       round(date_part('epoch', min(at)) * 1000)::bigint as at_ms, round(date_part('epoch', max(last_at)) * 1000)::bigint as last_ms,
       sum(count)::bigint as count, (array_agg(pseudonym))[1] as pseudonym
  from numbered
 where entries_before < :entry_count::bigint
 group by show_id, part, erasures, kind
 order by min(id);

-- name: delete_notes!
-- takes: ids
-- locks: those rows
delete from ledger_notes where id = any (:ids::bigint[]);

-- name: fetch_casts
-- takes: ids, of notes of casts; numbers, a number for each of them; show_ids, of all these notes
-- gives: a row for each number: its casts in the order of the notes; null: none is left. A cast is the song * 4 + the choice (0 none, 1 up,
--        2 down), the fan and the time, 8 bytes each. They are bytes, because arrays cost twice as much on both sides
-- The + 0 keeps PostgreSQL from the index by time alone, in which it would read the casts of all shows.
-- In a note each fan has at most one cast for a song, so the order in a note makes no difference. A merge may have changed the song of a
-- row since. Rows that an erasure has renamed are missing: their fans are gone.
select r.number, string_agg(v.votes, '' order by n.id) as votes
  from unnest(:ids::bigint[], :numbers::integer[]) as r (id, number)
  join ledger_notes n on n.id = r.id
 cross join lateral (
       select string_agg(int8send(4 * case when (select exists (select from merge_folds where show_id = any (:show_ids::bigint[])))
                                           then coalesce((select f.gone_id from merge_folds f
                                                           where f.show_id = h.show_id and h.id = any (f.history)
                                                           order by f.id limit 1),
                                                         h.setlist_song_id)
                                           else h.setlist_song_id end
                                  + case h.choice when 'up' then 1 when 'down' then 2 else 0 end)
                         || int8send(h.user_id) || timestamptz_send(h.cast_at), '') as votes
         from vote_analytics h
        where h.show_id = n.show_id and h.cast_at between n.at and n.last_at and h.id + 0 between n.first_id and n.last_id
          and h.user_id <> 0) v
 group by r.number;

-- name: fetch_all_votes^
-- takes: show_id
-- gives: 1 row: all votes of the show as in fetch_casts, null: there are none; the times between which they are [ms]
select string_agg(int8send(4 * v.setlist_song_id + case v.choice when 'up' then 1 else 2 end) || int8send(v.user_id)
                  || timestamptz_send(v.cast_at), '' order by v.cast_at, v.setlist_song_id, v.user_id) as votes,
       round(date_part('epoch', min(v.cast_at)) * 1000)::bigint as first_ms,
       round(date_part('epoch', max(v.cast_at)) * 1000)::bigint as last_ms
  from setlist_songs s
  join votes v on v.setlist_song_id = s.id
 where s.show_id = :show_id;

-- name: fetch_set_aside
-- takes: show_id
-- gives: the fans of the show whose ballots are set aside
select user_id from vote_group_members where show_id = :show_id and is_set_aside order by user_id;

-- name: put_secrets
-- takes: user_ids; secrets, one after the other, for those who have none
-- locks: rows of users against deletion, but waits for none
-- gives: a row whose user_id is null: ids and secrets of fans, 40 bytes each; and a row for each fan with names from before the secret.
--        A fan who is being erased is missing
with wanted as (
    select user_id, substr(:secrets::bytea, 32 * number::integer - 31, 32) as secret
      from unnest(:user_ids::bigint[]) with ordinality as w (user_id, number)
), known as materialized (
    select s.user_id, s.secret, s.show_ids, s.names from wanted w join ledger_secrets s on s.user_id = w.user_id
), held as materialized (
    select u.id
      from users u
     where u.id in (select user_id from wanted except select user_id from known)
       for key share skip locked
), made as (
    insert into ledger_secrets (user_id, secret)
    select w.user_id, w.secret from wanted w join held h on h.id = w.user_id
    returning user_id, secret, show_ids, names
), found as (
    select * from known union all select * from made
)
select null::bigint as user_id, string_agg(int8send(user_id) || secret, '') as secrets, null::bigint[] as show_ids, null::bytea[] as names
  from found where show_ids = '{}'
 union all
select user_id, secret, show_ids, names from found where show_ids <> '{}';

-- name: users_left$
-- takes: user_ids
-- gives: whether one of them is still there
select exists (select from users where id = any (:user_ids::bigint[]));

-- name: lock_logs
-- takes: show_ids
-- locks: rows of ledger_logs, in the order of shows; it fails when another transaction holds one: if it waited, an erasure would
--        meanwhile wait for the notes
-- gives: 0..n rows: the logs of these shows
select show_id, epoch_id, size, frontier, was_opened
  from ledger_logs
 where show_id = any (:show_ids::bigint[])
 order by show_id
   for update nowait;

-- name: shows_left
-- takes: show_ids
-- gives: those that are still there
select id from shows where id = any (:show_ids::bigint[]) order by id;

-- name: put_logs$
-- takes: show_ids, old_sizes, of the logs before; sizes, frontiers, were_opened and checkpoints now; epoch_id; signed_at
-- gives: how many logs were written; fewer than there are: another sequencer was faster
-- locks: those rows of ledger_logs
with grown as materialized (
    select *
      from unnest(:show_ids::bigint[], :old_sizes::bigint[], :sizes::bigint[], :frontiers::bytea[], :were_opened::boolean[],
                  :checkpoints::text[]) as n (show_id, old_size, size, frontier, was_opened, checkpoint)
), changed as (
    update ledger_logs l
       set epoch_id = :epoch_id, size = g.size, frontier = g.frontier, was_opened = g.was_opened, checkpoint = g.checkpoint,
           signed_at = :signed_at::timestamptz
      from grown g
     where l.show_id = g.show_id and l.size = g.old_size
    returning 1
), made as (
    insert into ledger_logs (show_id, epoch_id, size, frontier, was_opened, checkpoint, signed_at)
    select g.show_id, :epoch_id, g.size, g.frontier, g.was_opened, g.checkpoint, :signed_at::timestamptz
      from grown g
     where g.old_size = 0
     order by g.show_id
        on conflict (show_id) do nothing
    returning 1
)
select (select count(*) from changed) + (select count(*) from made);

-- name: insert_entries!
-- takes: show_ids, firsts, counts, first_ms, last_ms, leaves: each has one item for each row; leaves that follow from the entries are null;
--        entries: those of all rows, one after the other, because an array of so many bytes costs more
insert into ledger_entries (show_id, first, count, first_ms, last_ms, leaves, entries)
select show_id, first, count, first_ms, last_ms, leaves,
       substr(:entries::bytea, (1 + 58 * (sum(count) over (order by number) - count))::integer, 58 * count)
  from unnest(:show_ids::bigint[], :firsts::bigint[], :counts::integer[], :first_ms::bigint[], :last_ms::bigint[], :leaves::bytea[])
       with ordinality as r (show_id, first, count, first_ms, last_ms, leaves, number);

-- name: insert_nodes!
-- takes: show_ids, levels, numbers, hashes
insert into ledger_nodes (show_id, level, number, hash)
select * from unnest(:show_ids::bigint[], :levels::smallint[], :numbers::bigint[], :hashes::bytea[]);

-- name: entries_of_fans
-- takes: show_id; pseudonyms
-- gives: the rows in which one of these fans has an entry
select first, entries
  from ledger_entries
 where show_id = :show_id
   and exists (select from unnest(:pseudonyms::bytea[]) as p (pseudonym) where position(p.pseudonym in entries) > 0)
 order by first;

-- name: update_entries!
-- takes: show_id; first; entries, some of them blank
-- locks: that row of ledger_entries
update ledger_entries set entries = :entries where show_id = :show_id and first = :first;
