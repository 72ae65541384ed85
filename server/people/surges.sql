-- Crowds of new accounts of one address that vote for one song.

-- name: find_surges
-- takes: window_s, how old the accounts are at most; count_min, of the accounts
-- gives: a row for each new surge and each that has grown; is_new
-- cost:  reads the votes of new accounts whose address made at least count_min of them
-- A crowd that shares an address and votes for its favourites spreads over the songs. Here one song has most of the votes.
with crowds as (
    select address_hash
      from sessions
     where address_hash is not null and created_at > now() - make_interval(secs => :window_s::float8)
     group by address_hash
    having count(*) >= :count_min::bigint
), cast_votes as (
    select s.address_hash, v.show_id, v.setlist_song_id, count(*) as accounts, min(s.created_at) as began_at,
           sum(count(*)) over (partition by s.address_hash, v.show_id) as votes
      from sessions s
      join votes v on v.user_id = s.user_id
     where s.address_hash in (select address_hash from crowds) and s.created_at > now() - make_interval(secs => :window_s)
     group by s.address_hash, v.show_id, v.setlist_song_id
)
insert into vote_surges as g (show_id, setlist_song_id, address_hash, account_count, began_at)
select show_id, setlist_song_id, address_hash, accounts, began_at
  from cast_votes
 where accounts >= :count_min and accounts * 2 > votes
 order by setlist_song_id, address_hash
    on conflict (setlist_song_id, address_hash) do update
   set account_count = excluded.account_count, seen_at = now()
 where g.account_count < excluded.account_count
returning show_id, setlist_song_id as song_id, account_count, xmax = 0 as is_new;

-- name: list_surges
-- takes: after_id (null: first page); count
-- gives: 0..count rows, newest first
select g.id, g.show_id, w.name as show_name, g.setlist_song_id as song_id, s.title as song_title, g.account_count,
       encode(g.address_hash, 'hex') as address, g.began_at, g.seen_at
  from vote_surges g
  join shows w on w.id = g.show_id
  join setlist_songs e on e.id = g.setlist_song_id
  join songs s on s.id = e.song_id
 where :after_id::bigint is null or g.id < :after_id
 order by g.id desc
 limit :count::bigint;
