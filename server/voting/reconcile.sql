-- Comparing what is counted with what is there.

-- name: fetch_miscounts
-- gives: every count that differs from the rows it counts
select 'song' as subject, s.id, 'up' as count_of, s.up_count as stored, coalesce(v.up, 0) as counted, s.show_id
  from setlist_songs s
  left join (select setlist_song_id, count(*) filter (where choice = 'up') as up from votes group by 1) v
    on v.setlist_song_id = s.id
 where s.up_count <> coalesce(v.up, 0)
union all
select 'song', s.id, 'down', s.down_count, coalesce(v.down, 0), s.show_id
  from setlist_songs s
  left join (select setlist_song_id, count(*) filter (where choice = 'down') as down from votes group by 1) v
    on v.setlist_song_id = s.id
 where s.down_count <> coalesce(v.down, 0)
union all
select 'setlist', l.id, 'votes', l.vote_count, coalesce(v.votes, 0), l.show_id
  from setlists l
  left join (select s.setlist_id, count(*) as votes
               from votes v join setlist_songs s on s.id = v.setlist_song_id group by 1) v on v.setlist_id = l.id
 where l.vote_count <> coalesce(v.votes, 0)
union all
select 'show', w.id, 'votes', w.vote_count, coalesce(v.votes, 0), w.id
  from shows w
  left join (select show_id, count(*) as votes from votes group by 1) v on v.show_id = w.id
 where w.vote_count <> coalesce(v.votes, 0)
order by 1, 2, 3;

-- name: lock_positions
-- locks: every row of log_positions, so that no writer commits until the transaction ends
select shard from log_positions order by shard for update;

-- name: recount_songs!
update setlist_songs s
   set up_count = v.up, down_count = v.down
  from (select s.id, count(v.*) filter (where v.choice = 'up') as up, count(v.*) filter (where v.choice = 'down') as down
          from setlist_songs s left join votes v on v.setlist_song_id = s.id group by s.id) v
 where v.id = s.id and (s.up_count, s.down_count) is distinct from (v.up, v.down);

-- name: recount_setlists!
update setlists l
   set vote_count = v.votes
  from (select l.id, coalesce(sum(s.up_count + s.down_count), 0) as votes
          from setlists l left join setlist_songs s on s.setlist_id = l.id group by l.id) v
 where v.id = l.id and l.vote_count <> v.votes;

-- name: recount_shows!
update shows w
   set vote_count = v.votes
  from (select w.id, coalesce(sum(s.up_count + s.down_count), 0) as votes
          from shows w left join setlist_songs s on s.show_id = w.id group by w.id) v
 where v.id = w.id and w.vote_count <> v.votes;

-- name: fetch_shard_tallies
-- takes: shows of one shard, shard
-- gives: the shard's position and the counts of the shows' songs, in one snapshot
select p.position, s.show_id, s.id, s.up_count, s.down_count
  from log_positions p
  left join setlist_songs s on s.show_id = any(:show_ids::bigint[])
 where p.shard = :shard;

-- name: fetch_ballots
-- takes: show
-- gives: every voter's choices
select user_id, setlist_song_id, choice::text as choice from votes where show_id = :show_id;
