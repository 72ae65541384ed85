-- migrate:up
-- Votes that were cast after their song was played: the integrity check finds them, and they do not count for accuracy.

set local lock_timeout = '1s';

-- gives: every violation of these rules; none: all rules hold
-- rules: tally      a stored count differs from the rows it counts
--        history    the history of a song's votes does not add up to its tally
--        rollup     an hour's roll-up differs from the history of that hour
--        window     votes were cast before voting opened or after it closed (also after the window was moved)
--        final      votes were cast after the result became final
--        played     votes were cast after their song was marked as played
--        budget     a fan has more votes in a show than it allows (also after the budget was lowered)
--        position   a show's position is ahead of its shard's log
--        bill       a show's own artist is not the headliner of its bill
create or replace function integrity_check() returns table (rule text, subject text, detail text) language sql stable as $$
    select 'tally', m.subject || ':' || m.id, format('%s is %s, the rows say %s', m.count_of, m.stored, m.counted)
      from miscounts() m
    union all
    select 'history', 'song:' || s.id,
           format('tally %s/%s, history %s/%s', s.up_count, s.down_count, coalesce(h.up, 0), coalesce(h.down, 0))
      from setlist_songs s
      left join (select setlist_song_id,
                        count(*) filter (where choice = 'up') - count(*) filter (where previous = 'up') as up,
                        count(*) filter (where choice = 'down') - count(*) filter (where previous = 'down') as down
                   from vote_analytics group by 1) h on h.setlist_song_id = s.id
     where (s.up_count, s.down_count) is distinct from (coalesce(h.up, 0), coalesce(h.down, 0))
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

-- takes: a show; calculates its scores and those of its voters again, or deletes them when no artist of an actual set has
--        a predicted one
-- locks: the rows of both tables; on the show only a lock against its deletion
-- A vote on a song that was known to be played says nothing about how well the fan predicted it: known_at.
create or replace function score_show(wanted bigint) returns void language plpgsql as $$
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

-- migrate:down

set local lock_timeout = '1s';

create or replace function integrity_check() returns table (rule text, subject text, detail text) language sql stable as $$
    select 'tally', m.subject || ':' || m.id, format('%s is %s, the rows say %s', m.count_of, m.stored, m.counted)
      from miscounts() m
    union all
    select 'history', 'song:' || s.id,
           format('tally %s/%s, history %s/%s', s.up_count, s.down_count, coalesce(h.up, 0), coalesce(h.down, 0))
      from setlist_songs s
      left join (select setlist_song_id,
                        count(*) filter (where choice = 'up') - count(*) filter (where previous = 'up') as up,
                        count(*) filter (where choice = 'down') - count(*) filter (where previous = 'down') as down
                   from vote_analytics group by 1) h on h.setlist_song_id = s.id
     where (s.up_count, s.down_count) is distinct from (coalesce(h.up, 0), coalesce(h.down, 0))
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

create or replace function score_show(wanted bigint) returns void language plpgsql as $$
begin
    -- erase_user() takes this lock first too, so a user who is being erased gets no score meanwhile.
    perform pg_advisory_xact_lock(hashtext('mysetlist.erase_user'));
    -- The show is locked before its scores, because a sync that deletes the played setlist locks them in this order.
    perform from shows where id = wanted for key share;
    delete from show_accuracy where show_id = wanted;
    with place as materialized (
        select e.id, e.song_id, l.type, coalesce(l.artist_id, w.artist_id) as act_id, e.up_count - e.down_count as net
          from shows w
          join setlists l on l.show_id = w.id
          join setlist_songs e on e.setlist_id = l.id
         where w.id = wanted and not e.is_tape
    ), played as materialized (
        select distinct song_id from place where type = 'actual'
    ), offered as materialized (
        select id, song_id, net, song_id in (select song_id from played) as was_played
          from place
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
          join votes v on v.setlist_song_id = o.id
          join users u on u.id = v.user_id and u.nobody is null
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
