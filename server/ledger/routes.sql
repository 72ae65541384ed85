-- What everybody reads of a log, by functions that decide what may be seen.

-- name: fetch_log^
-- takes: show_id
-- gives: 0..1 row
select size, checkpoint, origin, public_key, is_open from ledger_log(:show_id);

-- name: fetch_hashes$
-- takes: show_id; level; first, the number of the first hash; end_number, after the last one
-- gives: the hashes; null: there are none
select ledger_hashes(:show_id, :level::integer, :first, :end_number);

-- name: fetch_entries$
-- takes: show_id; first; end_number
-- gives: the entries; null: there are none, or nobody may see them yet
select ledger_opened(:show_id, :first, :end_number);

-- name: fetch_own_votes
-- takes: show_id; user_id, who is acting
-- gives: the songs of the user's votes in the show, each with its choice
select setlist_song_id, choice::text as choice from votes where show_id = :show_id and user_id = :user_id;

-- name: fetch_own
-- takes: show_id
-- gives: 0..n rows: entries among which are those of the acting user's votes
select pseudonym, first, entries from ledger_own(:show_id) order by first;
