-- migrate:up
-- Insight: what is trending, the statistics and the accuracy of shows, and the activity feed.
-- Over 400 lines: tables, functions and triggers of one topic are read together, and a migration is one file.

set local lock_timeout = '1s';
-- A commit begins at log_positions, so a writer waits here and holds no other lock.
lock table log_positions in exclusive mode;

-- ─────────────────────────────────────────────────────────────────────── trending
-- Exponential decay by the hour: a vote counts 2^(-age / half-life), and all votes of an hour alike. So the hourly
-- roll-ups give the same score each time it is computed (forward decay: Cormode et al., 2009).

create table show_trending (
    show_id      bigint      primary key references shows (id) on delete cascade,
    score        float8      not null check (score > 0),
    votes_24h    bigint      not null check (votes_24h >= 0),
    refreshed_at timestamptz not null
) with (fillfactor = 70);
comment on table show_trending is 'The trending score of an upcoming or live show, refreshed every minute.';

create index show_trending_score_idx on show_trending (score desc, show_id);

create function trending_half_life() returns interval language sql immutable parallel safe return interval '24 hours';

-- Older votes weigh less than 1/16,000 and are left out.
create function trending_horizon() returns interval language sql immutable parallel safe return interval '14 days';

create function trending_weight(hour timestamptz, as_of timestamptz) returns float8 language sql immutable parallel safe
return power(2.0::float8, extract(epoch from hour - as_of)::float8 / extract(epoch from trending_half_life())::float8);

-- takes: the instant to weigh for
-- gives: how many shows have a score
-- locks: show_trending rows, then artist_stats rows, both in the order of their keys
-- Only upcoming and live shows have a score.
create function update_trending_scores(as_of timestamptz default now()) returns integer language plpgsql as $$
declare
    scored_count integer;
begin
    delete from show_trending t
     where not exists (select from shows w where w.id = t.show_id and w.status in ('upcoming', 'live'))
        or not exists (select from vote_rollups r
                        where r.show_id = t.show_id and r.hour > as_of - trending_horizon() and r.hour <= as_of
                          and r.up_count + r.down_count > 0);
    insert into show_trending (show_id, score, votes_24h, refreshed_at)
    select w.id, sum((r.up_count + r.down_count) * trending_weight(r.hour, as_of)),
           coalesce(sum(r.up_count + r.down_count) filter (where r.hour > as_of - interval '24 hours'), 0), as_of
      from shows w
      join vote_rollups r on r.show_id = w.id
     where w.status in ('upcoming', 'live') and r.hour > as_of - trending_horizon() and r.hour <= as_of
       and r.up_count + r.down_count > 0
     group by w.id
     order by w.id
        on conflict (show_id) do update
       set score = excluded.score, votes_24h = excluded.votes_24h, refreshed_at = excluded.refreshed_at;
    get diagnostics scored_count = row_count;

    -- Follows update the same rows at the same time, so the rows are locked in the order of their keys first.
    with counted as (
        select a.artist_id, coalesce(sum(t.score), 0) as score, coalesce(sum(w.vote_count), 0) as vote_count
          from artist_stats a
          left join shows w on w.artist_id = a.artist_id
          left join show_trending t on t.show_id = w.id
         group by a.artist_id
    ), changed as (
        select a.artist_id, n.score, n.vote_count
          from artist_stats a
          join counted n on n.artist_id = a.artist_id
         where (a.score, a.vote_count) is distinct from (n.score, n.vote_count)
         order by a.artist_id
           for update of a
    )
    update artist_stats a
       set score = c.score, vote_count = c.vote_count, refreshed_at = as_of
      from changed c
     where a.artist_id = c.artist_id;
    return scored_count;
end $$;

-- gives: the shows with the highest scores, with the parts of each score; as of the last refresh
create function get_trending_shows(count integer default 20)
returns table (rank bigint, show_id bigint, slug text, name text, status show_status, starts_at timestamptz,
               artist_id bigint, artist_name text, venue_id bigint, venue_name text, score float8,
               vote_count bigint, votes_24h bigint, votes_this_hour bigint, attendance_count bigint, refreshed_at timestamptz)
language sql stable as $$
    select row_number() over (order by t.score desc, t.show_id), w.id, w.slug, w.name, w.status, w.starts_at,
           a.id, a.name, v.id, v.name, t.score, w.vote_count, t.votes_24h,
           coalesce(r.up_count + r.down_count, 0), w.attendance_count, t.refreshed_at
      from (select * from show_trending order by score desc, show_id limit least(greatest(count, 0), 100)) t
      join shows w on w.id = t.show_id
      join artists a on a.id = w.artist_id
      join venues v on v.id = w.venue_id
      left join vote_rollups r on r.show_id = t.show_id and r.hour = date_trunc('hour', now(), 'UTC')
     order by t.score desc, t.show_id
$$;

-- gives: the artists with the highest scores; as of the last refresh
create function get_trending_artists(count integer default 20)
returns table (rank bigint, artist_id bigint, slug text, name text, score float8, vote_count bigint,
               follower_count bigint, show_count bigint, refreshed_at timestamptz)
language sql stable as $$
    select row_number() over (order by t.score desc, t.artist_id), a.id, a.slug, a.name, t.score, t.vote_count,
           t.follower_count, t.show_count, t.refreshed_at
      from (select * from artist_stats where score > 0
             order by score desc, artist_id limit least(greatest(count, 0), 100)) t
      join artists a on a.id = t.artist_id
     order by t.score desc, t.artist_id
$$;

-- ────────────────────────────────────────────────────────────────────── statistics

-- takes: a show, and the instant that counts as now
-- gives: no row: no such show; else totals; songs by setlist, ranked (equal scores share a rank); votes an hour over the
--        last 24 hours, oldest first, quiet hours included; votes by hour of the day in the show's zone; distinct voters;
--        the instant of the last vote that was not a withdrawal
-- Runs with its owner's rights, because it counts the votes of all fans; it gives numbers only.
create function get_vote_stats(wanted bigint, as_of timestamptz default now())
returns table (show_id bigint, vote_count bigint, up_count bigint, down_count bigint, voter_count bigint,
               last_vote_at timestamptz, songs jsonb, velocity jsonb, pattern jsonb)
language sql stable security definer set search_path = public, pg_temp as $$
    select w.id, w.vote_count, t.up_count, t.down_count,
           (select count(distinct v.user_id) from setlist_songs s join votes v on v.setlist_song_id = s.id
             where s.show_id = w.id),
           (select h.cast_at from vote_analytics h
             where h.show_id = w.id and h.choice is not null order by h.cast_at desc limit 1),
           t.songs,
           (select jsonb_agg(jsonb_build_object('hour', h.hour, 'votes', coalesce(r.up_count + r.down_count, 0),
                                                'withdrawn', coalesce(r.withdrawn_count, 0)) order by h.hour)
              from generate_series(date_trunc('hour', as_of, 'UTC') - interval '23 hours',
                                   date_trunc('hour', as_of, 'UTC'), interval '1 hour') as h (hour)
              left join vote_rollups r on r.show_id = w.id and r.hour = h.hour),
           (select jsonb_agg(jsonb_build_object('hour', h.hour, 'votes', coalesce(p.votes, 0)) order by h.hour)
              from generate_series(0, 23) as h (hour)
              left join (select extract(hour from r.hour at time zone w.time_zone)::int as hour,
                                sum(r.up_count + r.down_count)::bigint as votes
                           from vote_rollups r where r.show_id = w.id group by 1) p on p.hour = h.hour)
      from shows w
     cross join lateral (
           select coalesce(sum(s.up_count), 0)::bigint as up_count, coalesce(sum(s.down_count), 0)::bigint as down_count,
                  coalesce(jsonb_agg(jsonb_build_object(
                      'id', s.id, 'setlist', s.setlist_id, 'title', s.title, 'up', s.up_count, 'down', s.down_count,
                      'score', s.up_count - s.down_count, 'rank', s.rank) order by s.type, s.place, s.rank, s.id), '[]') as songs
             from (select e.*, l.type, l.position as place, g.title,
                          rank() over (partition by e.setlist_id order by e.up_count - e.down_count desc) as rank
                     from setlist_songs e
                     join setlists l on l.id = e.setlist_id
                     join songs g on g.id = e.song_id
                    where e.show_id = w.id) s) t
     where w.id = wanted
$$;

-- ──────────────────────────────────────────────────────────────────────── accuracy
-- How well the crowd of a show, and each voter, predicted the played songs: docs/accuracy.md.

create table show_accuracy (
    show_id          bigint      primary key references shows (id) on delete cascade,
    offered          integer     not null check (offered > 0),
    predicted        integer     not null check (predicted between 0 and offered),
    hits             integer     not null check (hits between 0 and least(predicted, played)),
    played           integer     not null check (played > 0),
    precision        float8      generated always as (hits / nullif(predicted, 0)::float8) stored,
    recall           float8      not null generated always as (hits / played::float8) stored,
    rank_correlation float8      check (rank_correlation between -1 and 1),
    is_settled       boolean     not null default false,
    scored_at        timestamptz not null default now()
);
comment on table show_accuracy is 'How well the crowd of a show predicted the played songs.';
comment on column show_accuracy.offered is 'Songs that could be voted on.';
comment on column show_accuracy.predicted is 'Songs that the crowd predicted.';
comment on column show_accuracy.hits is 'Predicted songs that were played.';
comment on column show_accuracy.is_settled is
    'The played setlist was deleted because it may not be kept: these scores stay.';

create table voter_accuracy (
    user_id          bigint  not null references users (id) on delete cascade,
    show_id          bigint  not null references show_accuracy (show_id) on delete cascade,
    predicted        integer not null check (predicted >= 0),
    hits             integer not null check (hits between 0 and least(predicted, played)),
    played           integer not null check (played > 0),
    precision        float8  generated always as (hits / nullif(predicted, 0)::float8) stored,
    recall           float8  not null generated always as (hits / played::float8) stored,
    rank_correlation float8  check (rank_correlation between -1 and 1),
    constraint voter_accuracy_pkey primary key (user_id, show_id)
);
comment on table voter_accuracy is 'How well one fan predicted a show. A show without a score has no rows here.';

create table shows_to_score (
    id      bigint generated always as identity primary key,
    show_id bigint not null
);
comment on table shows_to_score is
    'A queue of shows to score again: one row for each reason. A change of a show adds a row and never waits for a lock;'
    ' scoring deletes the rows that it has seen.';
comment on column shows_to_score.show_id is 'Without a foreign key: a show may be deleted while it waits.';

create index voter_accuracy_show_id_idx on voter_accuracy (show_id);

-- takes: a show
-- gives: its accuracy, rounded, as JSON; null: it has none
create function accuracy_of(wanted bigint) returns json language sql stable parallel safe
return (select json_build_object('precision', round(a.precision::numeric, 4), 'recall', round(a.recall::numeric, 4),
                                 'rank_correlation', round(a.rank_correlation::numeric, 4),
                                 'hits', a.hits, 'played', a.played, 'predicted', a.predicted)
          from show_accuracy a where a.show_id = wanted);

-- takes: a show; calculates its scores and those of its voters again, or deletes them when no artist of an actual set has
--        a predicted one
-- locks: the rows of both tables; on the show only a lock against its deletion
create function score_show(wanted bigint) returns void language plpgsql as $$
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

-- These triggers note changes of everything that scores depend on, except votes: votes are complete when a result is
-- final. PostgreSQL fires triggers in the order of their names. These names sort after the triggers that revise a show.
-- Those wait for other transactions that change the show, so the triggers here see the changes of those transactions.
create function note_shows_to_score() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into shows_to_score (show_id)
    select distinct c.show_id from changed c
     where exists (select from setlists l where l.show_id = c.show_id and l.type = 'actual');
    return null;
end $$;

create function note_shows_without_set() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into shows_to_score (show_id) select distinct show_id from changed where type = 'actual';
    return null;
end $$;

create function note_show_of_row() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into shows_to_score (show_id) values (new.show_id);
    return null;
end $$;

create function note_show() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into shows_to_score (show_id)
    select new.id where exists (select from setlists l where l.show_id = new.id and l.type = 'actual');
    return null;
end $$;

create trigger setlist_songs_score_inserted after insert on setlist_songs
    referencing new table as changed for each statement execute function note_shows_to_score();
create trigger setlist_songs_score_deleted after delete on setlist_songs
    referencing old table as changed for each statement execute function note_shows_to_score();
create trigger setlists_score_deleted after delete on setlists
    referencing old table as changed for each statement execute function note_shows_without_set();

-- By column: an update that counts votes names none of these columns and does not fire them.
create trigger setlist_songs_score_updated after update of setlist_id, song_id, is_tape on setlist_songs for each row
    when (row(old.setlist_id, old.song_id, old.is_tape) is distinct from row(new.setlist_id, new.song_id, new.is_tape))
    execute function note_show_of_row();
create trigger setlists_score_updated after update of type, artist_id on setlists for each row
    when (row(old.type, old.artist_id) is distinct from row(new.type, new.artist_id))
    execute function note_show_of_row();
create trigger shows_score_updated after update of finalised_at, artist_id on shows for each row
    when (row(old.finalised_at, old.artist_id) is distinct from row(new.finalised_at, new.artist_id))
    execute function note_show();

-- ──────────────────────────────────────────────────────────────────────── activity
-- Public events. No event names a person.

create table activity_clock (
    id       smallint primary key default 1,
    position bigint   not null default 0
);
comment on table activity_clock is
    'One row: the position of the last event. A transaction that adds an event locks the row until its end, so that'
    ' events become visible in the order of their positions. The row is the last in the lock order.';
insert into activity_clock default values;

create table activity (
    position   bigint        primary key,
    previous   bigint        not null,
    kind       activity_kind not null,
    show_id    bigint        references shows (id) on delete cascade,
    artist_id  bigint        references artists (id) on delete cascade,
    name       text          not null check (char_length(name) <= 300),
    detail     text          not null default '' check (char_length(detail) <= 300),
    count      bigint        not null default 0,
    created_at timestamptz   not null default now()
);
comment on table activity is 'One event of the activity feed.';
comment on column activity.position is 'On the scale of log positions (ms << 10).';
comment on column activity.previous is 'The position of the event before it.';
comment on column activity.name is 'The name of the show or the artist at that time.';
comment on column activity.detail is 'For a played song: its title.';
comment on column activity.count is 'For votes and followers: the round number that was reached.';

create index activity_created_at_idx on activity (created_at);
create index activity_show_id_idx on activity (show_id);
create index activity_artist_id_idx on activity (artist_id);

-- gives: an event as the channel shows it
create function activity_json(event activity) returns text language sql stable parallel safe
return jsonb_strip_nulls(jsonb_build_object(
    'at', event.position, 'kind', event.kind, 'show', event.show_id, 'artist', event.artist_id, 'name', event.name,
    'song', nullif(event.detail, ''), 'count', nullif(event.count, 0),
    'time_ms', floor(extract(epoch from event.created_at) * 1000)::bigint))::text;

-- takes: an event without its positions; adds it and notifies all nodes
-- locks: the row of activity_clock
create function add_activity(kind activity_kind, show_id bigint, artist_id bigint, name text, detail text, count bigint)
returns void language plpgsql as $$
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

-- gives: the largest power of ten that is not above n; below ten, 0. The first vote that reaches it becomes an event
create function round_number(n bigint) returns bigint language sql immutable parallel safe
return case when n < 10 then 0 else (10 ^ floor(log(n)))::bigint end;

-- The triggers are deferred to the end of the transaction, because before it the transaction may take locks that come
-- before the clock's in the lock order.
create function tell_of_show() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    reached bigint := round_number(new.vote_count);
begin
    if new.status is distinct from old.status and new.status in ('live', 'cancelled') then
        perform add_activity(new.status::text::activity_kind, new.id, new.artist_id, new.name, '', 0);
    end if;
    if new.finalised_at is not null and old.finalised_at is null then
        perform add_activity('final', new.id, new.artist_id, new.name, '', 0);
    end if;
    -- Each number becomes one event, even if votes are withdrawn and cast again.
    if reached > round_number(old.vote_count)
       and not exists (select from activity a where a.show_id = new.id and a.kind = 'votes' and a.count >= reached) then
        perform add_activity('votes', new.id, new.artist_id, new.name, '', reached);
    end if;
    return null;
end $$;

-- Counts change with every batch; a change that is no event costs only these comparisons.
create constraint trigger shows_tell after update on shows deferrable initially deferred for each row
    when (old.status is distinct from new.status
          or (new.finalised_at is not null and old.finalised_at is null)
          or (new.vote_count > old.vote_count and new.vote_count >= 10
              and round_number(new.vote_count) > round_number(old.vote_count)))
    execute function tell_of_show();

-- At most ten new shows of one transaction become events.
create function tell_of_new_show() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if (select count(*) from activity where created_at = now() and kind = 'announced') < 10 then
        perform add_activity('announced', new.id, new.artist_id, new.name, '', 0);
    end if;
    return null;
end $$;

create constraint trigger shows_tell_new after insert on shows deferrable initially deferred for each row
    when (new.status = 'upcoming')
    execute function tell_of_new_show();

create function tell_of_played_song() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform add_activity('played', w.id, w.artist_id, w.name, s.title, 0)
       from shows w, songs s where w.id = new.show_id and s.id = new.song_id;
    return null;
end $$;

create constraint trigger setlist_songs_tell after update on setlist_songs deferrable initially deferred for each row
    when (old.played_at is null and new.played_at is not null)
    execute function tell_of_played_song();

create function tell_of_followers() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
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

create constraint trigger artist_stats_tell after update on artist_stats deferrable initially deferred for each row
    when (new.follower_count > old.follower_count and new.follower_count >= 10
          and round_number(new.follower_count) > round_number(old.follower_count))
    execute function tell_of_followers();

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;
drop trigger artist_stats_tell on artist_stats;
drop trigger setlist_songs_tell on setlist_songs;
drop trigger shows_tell_new on shows;
drop trigger shows_tell on shows;
drop trigger shows_score_updated on shows;
drop trigger setlists_score_updated on setlists;
drop trigger setlists_score_deleted on setlists;
drop trigger setlist_songs_score_updated on setlist_songs;
drop trigger setlist_songs_score_deleted on setlist_songs;
drop trigger setlist_songs_score_inserted on setlist_songs;
drop function tell_of_followers, tell_of_played_song, tell_of_new_show, tell_of_show, round_number, add_activity,
              activity_json, note_show, note_show_of_row, note_shows_without_set, note_shows_to_score, score_show,
              accuracy_of, get_vote_stats, get_trending_artists, get_trending_shows, update_trending_scores,
              trending_weight, trending_horizon, trending_half_life;
drop table activity, activity_clock, shows_to_score, voter_accuracy, show_accuracy, show_trending;
