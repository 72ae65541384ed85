-- Ticket codes.

-- name: fetch_tickets^
-- takes: show_id
-- gives: whether a vote requires a ticket, the number of codes and of redeemed codes; no row: no such show
select s.requires_ticket, count(t.show_id) as code_count, count(t.redeemed_at) as redeemed_count
  from shows s
  left join ticket_codes t on t.show_id = s.id
 where s.id = :show_id::bigint
 group by s.id;

-- name: require_ticket$
-- takes: show_id, is_required
-- gives: whether the show exists
select require_ticket(:show_id::bigint, :is_required::boolean);

-- name: insert_codes$
-- takes: show_id, code_hashes
-- gives: the number of new codes
with added as (
    insert into ticket_codes (show_id, code_hash)
    select :show_id::bigint, h from unnest(:code_hashes::bytea[]) as u (h)
    on conflict do nothing
    returning 1
)
select count(*) from added;

-- name: has_ticket$
-- takes: show_id, user_id bigint
-- gives: whether the user redeemed a code of the show
select exists (select from ticket_codes where show_id = :show_id::bigint and user_id = :user_id::bigint);

-- name: redeem_ticket$
-- takes: show_id, code_hash
-- gives: redeemed, held, used or unknown; see the function of that name in migrations
select redeem_ticket(:show_id::bigint, :code_hash::bytea);
