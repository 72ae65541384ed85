-- Ticket codes.

-- name: fetch_tickets^
-- takes: show_id
-- gives: whether a vote requires a ticket, the number of codes and of redeemed codes; no row: no such show
select s.requires_ticket, s.ticket_source::text as source, count(t.show_id) as code_count, count(t.redeemed_at) as redeemed_count,
       s.revision
  from shows s
  left join ticket_codes t on t.show_id = s.id
 where s.id = :show_id::bigint
 group by s.id;

-- name: lock_show$
-- takes: show_id
-- gives: whether the show exists
-- locks: that row of shows
select lock_show(:show_id::bigint);

-- name: effect_of_tickets^
-- takes: show_id
-- gives: 1 row: the votes of the show; the fans who have voted and lack the ticket that a vote requires
with voters as (
    select v.user_id, count(*) as votes from setlist_songs e join votes v on v.setlist_song_id = e.id
     where e.show_id = :show_id::bigint
     group by v.user_id
)
select coalesce(sum(r.votes), 0)::bigint as votes_kept,
       count(*) filter (where w.requires_ticket and not exists (
           select from ticket_codes t where t.show_id = w.id and t.user_id = r.user_id)) as fans_stopped
  from voters r
  join shows w on w.id = :show_id;

-- name: require_ticket$
-- takes: show_id, is_required
-- gives: whether the show exists
-- locks: that row of shows
select require_ticket(:show_id::bigint, :is_required::boolean);

-- name: insert_codes$
-- takes: show_id; code_hashes; unkeyed_hashes, of the same codes as an older version stored them
-- gives: the number of new codes
with added as (
    insert into ticket_codes (show_id, code_hash)
    select :show_id::bigint, u.code_hash
      from unnest(:code_hashes::bytea[], :unkeyed_hashes::bytea[]) as u (code_hash, unkeyed_hash)
     where not exists (select from ticket_codes t where t.show_id = :show_id and t.code_hash = u.unkeyed_hash and not t.is_keyed)
     order by u.code_hash
    on conflict do nothing
    returning 1
)
select count(*) from added;

-- name: has_ticket$
-- takes: show_id, user_id bigint
-- gives: 0..1 value: whether the user redeemed a code of the show; none: no such show
select exists (select from ticket_codes where show_id = w.id and user_id = :user_id::bigint)
  from shows w where w.id = :show_id::bigint;

-- name: redeem_ticket$
-- takes: show_id, code_hash, unkeyed_hash
-- gives: redeemed, held or refused; see the function of that name in migrations
-- locks: that row of ticket_codes
select redeem_ticket(:show_id::bigint, :code_hash::bytea, :unkeyed_hash::bytea);

-- name: unkeyed_codes
-- takes: count
-- gives: 0..count rows: codes whose hash an older version stored
select show_id, code_hash from ticket_codes where not is_keyed order by show_id limit :count::bigint;

-- name: key_codes!
-- takes: show_ids, unkeyed_hashes and code_hashes: arrays of one length
-- locks: those rows of ticket_codes
update ticket_codes t
   set code_hash = u.code_hash, is_keyed = true
  from unnest(:show_ids::bigint[], :unkeyed_hashes::bytea[], :code_hashes::bytea[]) as u (show_id, unkeyed_hash, code_hash)
 where t.show_id = u.show_id and t.code_hash = u.unkeyed_hash and not t.is_keyed;

-- name: ticket_source$
-- takes: show_id
-- gives: 0..1 value: how a fan gets a ticket of the show
select ticket_source::text from shows where id = :show_id::bigint;

-- name: set_ticket_source$
-- takes: show_id, source
-- gives: whether the show exists
-- locks: that row of shows
select set_ticket_source(:show_id::bigint, :source::text::ticket_source);

-- name: confirmed_address$
-- takes: user_id
-- gives: 0..1 value: the address of the user; none: it is not confirmed
select address from email_preferences where user_id = :user_id::bigint and confirmed_at is not null;

-- name: give_ticket$
-- takes: show_id; earned; code_hash, of the mailbox, or random
-- gives: given, taken or refused; see the function of that name in migrations
select give_ticket(:show_id::bigint, :earned::text::ticket_source, :code_hash::bytea);
