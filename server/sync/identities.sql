-- The ids that our artists, venues, shows and songs have at services, and matches that wait for a person's decision.

-- name: find_artists_by_id
-- takes: service, external_ids
-- gives: artists with those ids at that service
select i.external_id, i.artist_id, a.slug, a.name
  from artist_identities i join artists a on a.id = i.artist_id
 where i.service = :service::sync_service and i.external_id = any(:external_ids::text[]);

-- name: fetch_artist^
-- takes: artist_id
-- gives: 0..1 row: an artist with its ids: {service: [ids, the most certain first]}
select a.id, a.slug, a.name,
       coalesce((select jsonb_object_agg(service, ids)
                   from (select service, jsonb_agg(external_id order by confidence desc, external_id) as ids
                           from artist_identities where artist_id = a.id group by service) i), '{}')::text as identities
  from artists a
 where a.id = :artist_id;

-- name: list_without_details
-- takes: count
-- gives: artists without details from MusicBrainz, with their ids there
select i.external_id, i.artist_id, a.slug, a.name
  from artist_identities i join artists a on a.id = i.artist_id
 where i.lacks_details and i.service = 'musicbrainz'
 order by i.external_id
 limit :count;

-- name: set_lacks_details!
-- takes: external_id at MusicBrainz, lacks_details
-- locks: that row
update artist_identities set lacks_details = :lacks_details
 where service = 'musicbrainz' and external_id = :external_id and lacks_details <> :lacks_details;

-- name: delete_identity!
-- takes: service, external_id
-- locks: that row
delete from artist_identities where service = :service::sync_service and external_id = :external_id;

-- name: fetch_titles
-- takes: artist_id, count
-- gives: titles of an artist's songs, the oldest first
select id, title from songs where artist_id = :artist_id order by id limit :count;

-- name: put_venue_identity!
-- takes: service, external_id, venue_id, url, confidence, evidence
-- locks: that row, when there is one
-- A match with another venue is replaced only by one that is at least as certain.
insert into venue_identities as i (service, external_id, venue_id, url, confidence, evidence)
values (:service::sync_service, :external_id, :venue_id, left(:url, 500), :confidence, left(:evidence, 300))
    on conflict (service, external_id) do update
   set venue_id = excluded.venue_id, url = excluded.url, confidence = excluded.confidence, evidence = excluded.evidence,
       checked_at = now()
 where i.venue_id = excluded.venue_id or i.confidence <= excluded.confidence;

-- name: find_venue_by_id^
-- takes: service, external_id
select v.id, v.slug, v.name, v.city, v.country, v.latitude, v.longitude, v.time_zone, i.evidence
  from venue_identities i join venues v on v.id = i.venue_id
 where i.service = :service::sync_service and i.external_id = :external_id;

-- name: venue_by_slug^
-- takes: slug
select id, slug, name, city, country, latitude, longitude, time_zone from venues where slug = :slug;

-- name: touch_venue!
-- takes: service, external_id
-- locks: that row
-- Records that the service has just listed the venue.
update venue_identities set checked_at = now() where service = :service::sync_service and external_id = :external_id;

-- name: venues_around
-- takes: latitude, longitude, radius_km
-- gives: venues within the radius; the caller compares them
select v.id, v.slug, v.name, v.city, v.country, v.latitude, v.longitude, v.time_zone
  from venues v
 where v.latitude between :latitude - :radius_km::float8 / 111 and :latitude + :radius_km / 111 -- a degree is 111.2 km
   and earth_km(v.point, earth_point(:latitude::float8, :longitude::float8)) <= :radius_km
 order by v.id;

-- name: put_show_identity!
-- takes: service, external_id, show_id, url, version, confidence, evidence
-- locks: that row, when there is one
insert into show_identities (service, external_id, show_id, url, version, confidence, evidence)
values (:service::sync_service, :external_id, :show_id, left(:url, 500), left(:version, 80), :confidence, left(:evidence, 300))
    on conflict (service, external_id) do update
   set show_id = excluded.show_id, url = excluded.url, version = excluded.version, confidence = excluded.confidence,
       evidence = excluded.evidence, checked_at = now();

-- name: put_played_songs!
-- takes: service, external_id of a show whose actual setlist was just written
-- locks: that row
-- Keeps the setlist as the service gave it, so that changes made here can be recognised later.
update show_identities set songs = songs_in_order(show_id, 'actual')
 where service = :service::sync_service and external_id = :external_id;

-- name: put_show_origin!
-- takes: show_id; service, which listed the show first
-- locks: that row of shows
update shows set origin = :service::sync_service where id = :show_id;

-- name: put_venue_origin!
-- takes: venue_id; service, which listed the venue first
-- locks: that row of venues
update venues set origin = :service::sync_service where id = :venue_id;

-- name: touch_show!
-- takes: service, external_id
-- locks: that row
-- Records that the service has just listed the show, unchanged.
update show_identities set checked_at = now() where service = :service::sync_service and external_id = :external_id;

-- name: find_shows_by_id
-- takes: service, external_ids
-- gives: shows with those ids at that service
select i.external_id, i.version, s.id, s.slug, s.artist_id, s.local_date, s.starts_at, s.opens_at, s.closes_at, s.status::text
  from show_identities i join shows s on s.id = i.show_id
 where i.service = :service::sync_service and i.external_id = any(:external_ids::text[]);

-- name: shows_of_artist
-- takes: artist_id; first and last, local dates
-- gives: shows with the artist on the bill, with their venues and their ids at services
select s.id, s.slug, s.artist_id, s.local_date, s.starts_at, s.opens_at, s.closes_at, s.status::text, s.vote_count,
       v.id as venue_id, v.name as venue_name, v.city, v.country, v.latitude, v.longitude,
       coalesce((select jsonb_object_agg(i.service || ' ' || i.external_id, i.version)
                   from show_identities i where i.show_id = s.id), '{}')::text as identities
  from show_artists b
  join shows s on s.id = b.show_id
  join venues v on v.id = s.venue_id
 where b.artist_id = :artist_id and s.local_date between :first::date and :last::date
 order by s.local_date, s.id;

-- name: fetch_show^
-- takes: show_id
select s.id, s.slug, s.artist_id, s.local_date, s.starts_at, s.opens_at, s.closes_at, s.status::text, s.vote_count,
       v.id as venue_id, v.name as venue_name, v.city, v.country, v.latitude, v.longitude, a.name as artist_name,
       coalesce((select jsonb_object_agg(i.service || ' ' || i.external_id, i.version)
                   from show_identities i where i.show_id = s.id), '{}')::text as identities
  from shows s
  join venues v on v.id = s.venue_id
  join artists a on a.id = s.artist_id
 where s.id = :show_id;

-- name: find_show_id$
-- takes: slug
select id from shows where slug = :slug;

-- name: put_song_identities!
-- takes: service, external_ids, song_ids, urls, isrcs: arrays of one length
-- locks: those rows that are there, in the order of their keys
insert into song_identities as i (service, external_id, song_id, url, isrc)
select :service::sync_service, w.external_id, w.song_id, left(w.url, 500), left(w.isrc, 20)
  from unnest(:external_ids::text[], :song_ids::bigint[], :urls::text[], :isrcs::text[]) as w (external_id, song_id, url, isrc)
 order by w.external_id
    on conflict (service, external_id) do update
   set song_id = excluded.song_id, url = excluded.url, isrc = excluded.isrc, checked_at = now();

-- name: put_review!
-- takes: service, external_id, name, url, artist_id, venue_id (exactly one of them null), confidence, evidence
-- A match that was once put up for decision is not put up again.
insert into identity_reviews as r (service, external_id, name, url, artist_id, venue_id, confidence, evidence)
values (:service::sync_service, :external_id, left(:name, 300), left(:url, 500), :artist_id, :venue_id, :confidence,
        left(:evidence, 300))
    on conflict do nothing;

-- name: fetch_verdict$
-- takes: service, external_id, artist_id, venue_id
-- gives: the verdict of a person; no row: no person was asked
select verdict::text from identity_reviews
 where service = :service::sync_service and external_id = :external_id
   and (artist_id = :artist_id::bigint or venue_id = :venue_id::bigint);

-- name: list_reviews
-- takes: after_id, count
-- gives: matches that wait for a decision, the oldest first
select r.id, r.service::text, r.external_id, r.name, r.url, r.confidence, r.evidence, r.created_at,
       case when r.artist_id is not null then 'artist' else 'venue' end as kind,
       coalesce(r.artist_id, r.venue_id) as our_id, coalesce(a.name, v.name) as our_name
  from identity_reviews r
  left join artists a on a.id = r.artist_id
  left join venues v on v.id = r.venue_id
 where r.verdict = 'open' and r.id > :after_id
 order by r.id
 limit :count;

-- name: list_reviews_with_evidence
-- takes: kind, artist or venue, null: both; after_id, count
-- gives: matches that wait for a decision, the oldest first, with what we know of our entry, and who has their id now
select r.id, r.service::text, r.external_id, r.name, r.url, r.confidence, r.evidence, r.created_at,
       case when r.artist_id is not null then 'artist' else 'venue' end as kind,
       coalesce(r.artist_id, r.venue_id) as our_id, coalesce(a.slug, v.slug) as our_slug, coalesce(a.name, v.name) as our_name,
       coalesce(a.country, v.country) as country, a.genre, v.city, v.latitude, v.longitude,
       (select count(*) from show_artists b where b.artist_id = r.artist_id)
       + (select count(*) from shows w where w.venue_id = r.venue_id) as show_count,
       coalesce((select jsonb_object_agg(k.service, k.ids)
                   from (select i.service, jsonb_agg(i.external_id order by i.external_id) as ids
                           from (select service, external_id from artist_identities where artist_id = r.artist_id
                                 union all
                                 select service, external_id from venue_identities where venue_id = r.venue_id) i
                          group by i.service) k), '{}')::text as known,
       array(select s.title from artist_songs p join songs s on s.id = p.song_id
              where p.artist_id = r.artist_id order by p.played_count desc, p.predicted_count desc, s.id limit 10) as songs,
       coalesce((select i.artist_id from artist_identities i
                  where r.artist_id is not null and i.service = r.service and i.external_id = r.external_id),
                (select i.venue_id from venue_identities i
                  where r.venue_id is not null and i.service = r.service and i.external_id = r.external_id)) as held_by
  from identity_reviews r
  left join artists a on a.id = r.artist_id
  left join venues v on v.id = r.venue_id
 where r.verdict = 'open' and r.id > :after_id
   and (:kind::text is null or (:kind = 'artist') = (r.artist_id is not null))
 order by r.id
 limit :count;

-- name: decide_review^
-- takes: id, verdict, decided_by
-- gives: the match; no row: it was not open
-- locks: that row
update identity_reviews
   set verdict = :verdict::review_verdict, decided_by = :decided_by, decided_at = now()
 where id = :id and verdict = 'open'
returning service::text, external_id, url, artist_id, venue_id;

-- name: fetch_prediction^
-- takes: show_id
-- gives: the songs of the last prediction (written), the number of setlists behind it (basis), the songs in the predicted sets
--        now (standing), and the number of votes, also of those that are set aside
select p.songs as written, p.basis,
       songs_in_order(:show_id, 'predicted') as standing,
       (select coalesce(sum(e.up_count + e.down_count + e.set_aside_up_count + e.set_aside_down_count), 0)::bigint
          from setlist_songs e where e.show_id = :show_id) as vote_count
  from (select 1) one left join show_predictions p on p.show_id = :show_id;

-- name: put_prediction!
-- takes: show_id; service, whose data the prediction uses; basis, the number of setlists behind it
-- locks: that row, when there is one
-- Keeps the songs that are in the predicted sets now as the prediction.
insert into show_predictions (show_id, songs, service, basis)
values (:show_id, songs_in_order(:show_id, 'predicted'), :service::sync_service, :basis)
    on conflict (show_id) do update set songs = excluded.songs, service = excluded.service, basis = excluded.basis, made_at = now();

-- name: cancel_show!
-- takes: show_id
-- locks: the show
update shows set status = 'cancelled' where id = :show_id and status = 'upcoming';

-- name: fetch_canonical_titles
-- takes: artist_id; mbids of artists that this artist covers
-- gives: titles, the oldest first; mbid: of the artist who wrote the song, null: the artist's own song
select null as mbid, s.id, s.title from songs s where s.artist_id = :artist_id
union all
select i.external_id, s.id, s.title
  from artist_identities i join songs s on s.artist_id = i.artist_id
 where i.service = 'musicbrainz' and i.external_id = any(:mbids::text[])
 order by id;

-- name: holder_of_review$
-- takes: id of a match
-- gives: another artist or venue of ours that has the provider's id now; null: none has it
select case when r.artist_id is not null
            then (select i.artist_id from artist_identities i
                   where i.service = r.service and i.external_id = r.external_id and i.artist_id <> r.artist_id)
            else (select i.venue_id from venue_identities i
                   where i.service = r.service and i.external_id = r.external_id and i.venue_id <> r.venue_id) end
  from identity_reviews r
 where r.id = :id::bigint;
