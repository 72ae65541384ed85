-- Staff's changes to a show. Every change raises the revision of the show, which tells all nodes.

-- name: lock_shard$
-- takes: id bigint or null, slug text or null of a show; exactly one is given
-- gives: the shard
-- locks: the log_positions row of its shard. Until the transaction ends no vote of the show is written, so songs and votes
--        are locked in one order (migrations/schema.sql)
select p.shard
  from log_positions p
 where p.shard = (select s.id % (select count(*) from log_positions) from shows s
                   where s.id = :id::bigint or s.slug = :slug::text)
   for update;

-- name: lock_show_row$
-- takes: id bigint or null, slug text or null; exactly one is given
-- gives: the id, or null
-- locks: that row of shows, until the transaction ends
select id from shows where id = :id::bigint or slug = :slug::text for update;

-- name: show_settings^
-- takes: id bigint or null, slug text or null; exactly one is given
-- gives: 0..1 row; bill: the acts as JSON, in order
select w.id, w.slug, w.name, w.artist_id, w.venue_id, w.local_date, w.starts_at, w.revision, w.status::text as status, w.opens_at,
       w.closes_at, w.is_locked, w.finalised_at is not null as is_final, w.votes_per_user_max, w.results::text as results,
       w.time_zone, w.requires_ticket, w.vote_count, w.attendance_count,
       (select coalesce(jsonb_agg(jsonb_build_object('id', a.id, 'slug', a.slug, 'name', a.name, 'billing', b.billing)
                                  order by b.position), '[]')::text
          from show_artists b join artists a on a.id = b.artist_id where b.show_id = w.id) as bill
  from shows w
 where w.id = :id::bigint or w.slug = :slug::text;

-- name: take_turn$
-- gives: null
-- locks: all imports, syncs and other transactions that count the songs of many sets, until the transaction ends
select pg_advisory_xact_lock(hashtext('mysetlist.sync'));

-- name: this_instant$
-- gives: the present instant of the database's clock
select clock_timestamp();

-- name: update_show!
-- takes: id, and the new value of every setting
-- locks: that row of shows
update shows
   set name = :name, venue_id = :venue_id::bigint, time_zone = :time_zone, starts_at = :starts_at, local_date = :local_date,
       opens_at = :opens_at, closes_at = :closes_at, is_locked = :is_locked, status = :status::show_status,
       votes_per_user_max = :votes_per_user_max, results = :results::results_visibility,
       finalised_at = case when :is_final::boolean then finalised_at end
 where id = :id::bigint;

-- name: count_fans_to_tell$
-- takes: show_id
-- gives: the number of fans who get an email about what this transaction did to the show; 0: it is no news
select count(distinct f.user_id)
  from show_news n
  join shows w on w.id = n.show_id and w.starts_at > now()
 cross join lateral fans_to_tell(n.show_id, n.change) f
 where n.show_id = :show_id::bigint and n.at = now();

-- name: time_zone_of_venue$
-- takes: id
-- gives: the time zone of the venue, or null
select time_zone from venues where id = :id::bigint;

-- name: empty_bill!
-- takes: show_id
-- locks: those rows of show_artists
delete from show_artists where show_id = :show_id::bigint and billing = 'support';

-- name: fill_bill!
-- takes: show_id; artist_ids, the support acts in order, behind the headliner
insert into show_artists (show_id, artist_id, billing, position)
select :show_id::bigint, a.id, 'support',
       a.place + (select b.position from show_artists b where b.show_id = :show_id and b.billing = 'headliner')
  from unnest(:artist_ids::bigint[]) with ordinality as a (id, place);

-- name: check_bill!
-- An act that plays a set of a show is on its bill. The key is checked at the commit; this checks it now.
set constraints setlists_artist_fkey immediate;

-- name: mark_played$
-- takes: show_id, id of a song of its sets, is_played, at: the instant of the mark
-- gives: the id; null when the song is not in a set of this show
-- locks: that row of setlist_songs
update setlist_songs
   set played_at = case when :is_played::boolean then coalesce(played_at, :at::timestamptz) end
 where id = :id::bigint and show_id = :show_id::bigint
returning id;
