-- migrate:up

-- What must always hold, asked of the rows; and forgetting somebody.

set local lock_timeout = '1s';  -- votes wait behind us; the start tries again

-- gives: every count that differs from the rows it counts; none: all is well
create function miscounts()
returns table (subject text, id bigint, count_of text, stored bigint, counted bigint, show_id bigint)
language sql stable as $$
    with song as materialized (
        select setlist_song_id as id, count(*) filter (where choice = 'up') as up,
               count(*) filter (where choice = 'down') as down
          from votes group by 1
    ), counted_song as materialized (
        select s.id, s.setlist_id, s.show_id, s.up_count, s.down_count, coalesce(v.up, 0) as up, coalesce(v.down, 0) as down
          from setlist_songs s left join song v on v.id = s.id
    )
    select 'song', s.id, 'up', s.up_count, s.up, s.show_id from counted_song s where s.up_count <> s.up
    union all
    select 'song', s.id, 'down', s.down_count, s.down, s.show_id from counted_song s where s.down_count <> s.down
    union all
    select 'setlist', l.id, 'votes', l.vote_count, coalesce(v.votes, 0), l.show_id
      from setlists l
      left join (select setlist_id, sum(up + down)::bigint as votes from counted_song group by 1) v on v.setlist_id = l.id
     where l.vote_count <> coalesce(v.votes, 0)
    union all
    select 'show', w.id, 'votes', w.vote_count, coalesce(v.votes, 0), w.id
      from shows w
      left join (select show_id, sum(up + down)::bigint as votes from counted_song group by 1) v on v.show_id = w.id
     where w.vote_count <> coalesce(v.votes, 0)
    union all
    select 'show', w.id, 'attendance', w.attendance_count, coalesce(g.going, 0), w.id
      from shows w
      left join (select show_id, count(*) as going from user_show_attendance group by 1) g on g.show_id = w.id
     where w.attendance_count <> coalesce(g.going, 0)
    union all
    select 'artist', a.artist_id, 'followers', a.follower_count, coalesce(f.followers, 0), null
      from artist_stats a
      left join (select artist_id, count(*) as followers from user_follows_artists group by 1) f on f.artist_id = a.artist_id
     where a.follower_count <> coalesce(f.followers, 0)
    union all
    select 'artist', a.artist_id, 'shows', a.show_count, coalesce(w.shows, 0), null
      from artist_stats a
      left join (select artist_id, count(*) as shows from shows group by 1) w on w.artist_id = a.artist_id
     where a.show_count <> coalesce(w.shows, 0)
    union all
    select 'venue', v.id, 'reviews', v.review_count, coalesce(r.reviews, 0), null
      from venues v
      left join (select venue_id, count(*) as reviews from venue_reviews where status = 'approved' group by 1) r
        on r.venue_id = v.id
     where v.review_count <> coalesce(r.reviews, 0)
    union all
    select 'venue', v.id, 'ratings', v.rating_sum, coalesce(r.ratings, 0), null
      from venues v
      left join (select venue_id, sum(rating) as ratings from venue_reviews where status = 'approved' group by 1) r
        on r.venue_id = v.id
     where v.rating_sum <> coalesce(r.ratings, 0)
$$;

-- takes: nothing; makes every count that miscounts() tells of right
-- gives: how many rows were changed
-- locks: all rows of log_positions, so that no writer commits meanwhile; then the rows with wrong counts, in the usual
--        order: whoever changes what they count waits for them, so what is counted afterwards is all there is
create function repair_counts() returns bigint language plpgsql as $$
declare
    song_ids bigint[]; setlist_ids bigint[]; show_ids bigint[]; artist_ids bigint[]; venue_ids bigint[];
    repaired bigint := 0;
    step bigint;
begin
    perform from log_positions order by shard for update;
    select array_agg(m.id) filter (where m.subject = 'song'), array_agg(m.id) filter (where m.subject = 'setlist'),
           array_agg(m.id) filter (where m.subject = 'show'), array_agg(m.id) filter (where m.subject = 'artist'),
           array_agg(m.id) filter (where m.subject = 'venue')
      into song_ids, setlist_ids, show_ids, artist_ids, venue_ids
      from miscounts() m;
    perform from setlist_songs where id = any(song_ids) order by id for update;
    perform from setlists where id = any(setlist_ids) order by id for update;
    perform from shows where id = any(show_ids) order by id for update;
    perform from artist_stats where artist_id = any(artist_ids) order by artist_id for update;
    perform from venues where id = any(venue_ids) order by id for update;

    update setlist_songs s
       set (up_count, down_count) =
           (select count(*) filter (where v.choice = 'up'), count(*) filter (where v.choice = 'down')
              from votes v where v.setlist_song_id = s.id)
     where s.id = any(song_ids);
    get diagnostics step = row_count; repaired := repaired + step;
    update setlists l
       set vote_count = (select coalesce(sum(s.up_count + s.down_count), 0) from setlist_songs s where s.setlist_id = l.id)
     where l.id = any(setlist_ids);
    get diagnostics step = row_count; repaired := repaired + step;
    update shows w
       set vote_count = (select coalesce(sum(s.up_count + s.down_count), 0) from setlist_songs s where s.show_id = w.id),
           attendance_count = (select count(*) from user_show_attendance g where g.show_id = w.id)
     where w.id = any(show_ids);
    get diagnostics step = row_count; repaired := repaired + step;
    update artist_stats a
       set follower_count = (select count(*) from user_follows_artists f where f.artist_id = a.artist_id),
           show_count = (select count(*) from shows w where w.artist_id = a.artist_id)
     where a.artist_id = any(artist_ids);
    get diagnostics step = row_count; repaired := repaired + step;
    update venues v
       set (review_count, rating_sum) =
           (select count(*), coalesce(sum(r.rating), 0) from venue_reviews r where r.venue_id = v.id and r.status = 'approved')
     where v.id = any(venue_ids);
    get diagnostics step = row_count;
    return repaired + step;
end $$;

-- gives: every violation of what must always hold that the rows can show; none: all is well
-- rules: tally      a stored count differs from the rows it counts
--        history    the history of a song's votes does not add up to its tally
--        rollup     an hour's roll-up differs from the history of that hour
--        window     votes were cast before voting opened or after it closed (also after the window was moved)
--        budget     a fan has more votes in a show than it allows (also after the budget was lowered)
--        position   a show's position is ahead of its shard's log
--        bill       a show's own artist is not the headliner of its bill
create function integrity_check() returns table (rule text, subject text, detail text) language sql stable as $$
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

-- takes: a user
-- gives: how much was erased; the ballots that were handed on, and the positions they stand at, so that the hot copy can
--        be held against them (docs/adr/0009); null: no such user
-- locks: all rows of log_positions, then in the usual order; one erasure at a time
-- Counts stay exact: votes pass to nobodies, users without any data, drawn anew for every show, so that nothing ties the
-- ballots of one person together; the history is user 0's. Instants are rounded down to the hour.
-- Everything else of the user is deleted, and the name taken out of the logs of moderators and staff.
create function erase_user(wanted bigint) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    began_at timestamptz := clock_timestamp();
    written_since timestamptz;
    history_count bigint;
    later_count bigint;
    vote_count bigint;
    ballots jsonb;
    show_ids bigint[];
    heir_ids bigint[] := '{}';
    nobody_count integer;
    drawn integer;
    heir_id bigint;
    inherited bigint;
begin
    -- Here the current user is the owner, whose rights this runs with; who called is in `role` and the session's user.
    if (current_setting('role') = 'mysetlist_request' or not pg_has_role(session_user, current_user, 'member'))
       and coalesce(current_setting('app.role', true), '') <> 'admin'
       and not coalesce(wanted = nullif(current_setting('app.user_id', true), '')::bigint, false) then
        raise exception 'only oneself' using errcode = 'insufficient_privilege';
    end if;
    perform pg_advisory_xact_lock(hashtext('mysetlist.erase_user'));
    if not exists (select from users where id = wanted and nobody is null) then
        return null;
    end if;
    -- For the rest of this call. As a clause of the function it would take a superuser to make it.
    perform set_config('app.erasing', 'on', true);
    -- The history is read from end to end, while the writers go on.
    with renamed as (
        update vote_analytics set user_id = 0, cast_at = date_trunc('hour', cast_at, 'UTC') where user_id = wanted returning 1
    )
    select count(*) into history_count from renamed;
    perform from log_positions order by shard for update;
    -- What was written meanwhile, however old the log it waited in. A commit that the first look did not see began
    -- less than a statement's timeout before it.
    select to_timestamp((min(entries[1]) >> 10) / 1000.0) into written_since
      from log_commits where committed_at > began_at - interval '1 minute';
    with renamed as (
        update vote_analytics set user_id = 0, cast_at = date_trunc('hour', cast_at, 'UTC')
         where user_id = wanted and cast_at >= written_since returning 1
    )
    select count(*) into later_count from renamed;

    select coalesce(jsonb_object_agg(show_id, ballot), '{}'), coalesce(array_agg(show_id), '{}')
      into ballots, show_ids
      from (select show_id, string_agg(setlist_song_id || left(choice::text, 1), '' order by setlist_song_id) as ballot
              from votes where user_id = wanted group by show_id) b;
    -- No show needs more nobodies than there were erasures; a hundred more leave chance a choice.
    if show_ids <> '{}' then
        select coalesce(max(nobody), 0) into nobody_count from users;
        insert into users (nobody) select generate_series(nobody_count + 1, greatest(nobody_count + 1, 100));
        select max(nobody) into nobody_count from users;
    end if;
    foreach inherited in array show_ids loop
        loop
            drawn := 1 + floor(random() * nobody_count);
            select u.id into heir_id
              from users u
             where u.nobody = drawn
               and not exists (select from votes v where v.user_id = u.id and v.show_id = inherited);
            exit when found;
        end loop;
        heir_ids := heir_ids || heir_id;
    end loop;
    with handed_on as (
        update votes v
           set user_id = h.user_id, cast_at = greatest(date_trunc('hour', v.cast_at, 'UTC'), w.opens_at)
          from unnest(show_ids, heir_ids) as h (show_id, user_id)
          join shows w on w.id = h.show_id
         where v.user_id = wanted and v.show_id = h.show_id
     returning 1
    )
    select count(*) into vote_count from handed_on;

    update moderation_log set subject = split_part(subject, ':', 1) || ':0', detail = '{}'
     where subject in (select unnest(array['user:' || wanted, 'profile:' || wanted])
                       union all select 'review:' || id from venue_reviews where user_id = wanted
                       union all select 'report:' || id from reports where reporter_id = wanted);
    update audit_log set subject = 'user:0', detail = '{}' where subject = 'user:' || wanted;
    delete from reports where reporter_id = wanted;
    -- These would go with the user too, but not in the order of locks.
    delete from user_show_attendance where user_id = wanted;
    delete from user_follows_artists where user_id = wanted;
    delete from venue_reviews where user_id = wanted;
    delete from users where id = wanted;
    perform set_config('app.erasing', '', true);
    return jsonb_build_object(
        'votes', vote_count, 'history', history_count + later_count, 'ballots', ballots,
        'positions', (select jsonb_object_agg(shard, position) from log_positions));
end $$;

-- migrate:down

set local lock_timeout = '1s';

drop function erase_user, integrity_check, repair_counts, miscounts;
