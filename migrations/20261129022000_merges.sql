-- migrate:up
-- Duplicates of the catalogue are merged, and a merge can be undone for a day.
-- Over 400 lines: merging and undoing mirror each other step by step, and are read together.

set local lock_timeout = '1s';
-- A commit begins at log_positions, so a writer waits here and holds no other lock.
lock table log_positions in exclusive mode;

create table merges (
    id           bigint      generated always as identity primary key,
    kind         text        not null check (kind in ('artist', 'venue', 'song')),
    survivor_id  bigint      not null,
    duplicate_id bigint      not null,
    slug         text,
    duplicate    jsonb       not null,
    made_by      bigint      not null,
    made_at      timestamptz not null default now(),
    undone_at    timestamptz,
    constraint merges_two check (survivor_id <> duplicate_id)
);
comment on table merges is 'Two entries that were one: the duplicate became the survivor. Its old id and slug lead there.';
comment on column merges.slug is 'The slug of the duplicate. Null: songs have none.';
comment on column merges.duplicate is 'The row of the duplicate.';
comment on column merges.made_by is 'The account that merged; it stays when the account is erased.';

create table merge_rows (
    id       bigint generated always as identity primary key,
    merge_id bigint not null references merges (id) on delete cascade,
    relation text   not null,
    row_id   bigint,
    user_id  bigint references users (id) on delete cascade,
    was      jsonb  not null
);
comment on table merge_rows is 'A row that a merge moved or deleted, as it was. Kept until the merge cannot be undone any more.';
comment on column merge_rows.user_id is 'The user whose follow or review it is. Null: of nobody.';

create table merge_folds (
    id               bigint      generated always as identity primary key,
    merge_id         bigint      not null references merges (id) on delete cascade,
    show_id          bigint      not null,
    gone_id          bigint      not null,
    kept_id          bigint      not null,
    gone             jsonb       not null,
    kept_played_at   timestamptz,
    played_at        timestamptz,
    history          bigint[]    not null
);
comment on table merge_folds is 'Two songs of one show that a merge made one. Kept until the merge cannot be undone any more.';
comment on column merge_folds.show_id is 'The show; it may be gone, and then nothing of it comes back.';
comment on column merge_folds.kept_id is 'The song in setlist_songs that has the votes of both.';
comment on column merge_folds.gone is 'The row of the other song.';
comment on column merge_folds.kept_played_at is 'When the song that stays had been played before the merge; played_at: after it.';
comment on column merge_folds.history is 'The rows of vote_analytics that were about the other song.';

create table merge_votes (
    fold_id      bigint      not null references merge_folds (id) on delete cascade,
    user_id      bigint      not null references users (id) on delete cascade,
    choice       vote_choice not null,
    cast_at      timestamptz not null,
    kept_choice  vote_choice,
    kept_cast_at timestamptz,
    primary key (fold_id, user_id),
    constraint merge_votes_kept check ((kept_choice is null) = (kept_cast_at is null))
);
comment on table merge_votes is 'A vote that a merge moved to the other song of the show, and the vote that it met there.';

create index merges_duplicate_idx on merges (kind, duplicate_id) where undone_at is null;
create index merges_slug_idx on merges (kind, slug) where undone_at is null and slug is not null;
create index merge_rows_merge_id_idx on merge_rows (merge_id);
create index merge_rows_user_id_idx on merge_rows (user_id) where user_id is not null;
create index merge_folds_merge_id_idx on merge_folds (merge_id);
create index merge_votes_user_id_idx on merge_votes (user_id);

alter table merges enable row level security;
alter table merge_rows enable row level security;
alter table merge_folds enable row level security;
alter table merge_votes enable row level security;
create policy merge_rows_own on merge_rows for select to mysetlist_request using (user_id = (select app_user_id()));
create policy merge_folds_read on merge_folds for select to mysetlist_request using (true);
create policy merge_votes_own on merge_votes for select to mysetlist_request using (user_id = (select app_user_id()));
grant select on merge_rows, merge_folds, merge_votes to mysetlist_request;

-- takes: the kind, and the old id or slug of an entry
-- gives: the id that it leads to now; null: it was never merged
create function merged_into(wanted_kind text, old_id bigint, old_slug text) returns bigint
language sql stable security definer set search_path = public, pg_temp as $$
    with recursive way (id, steps) as (
        (select m.survivor_id, 1 from merges m
          where m.kind = wanted_kind and m.undone_at is null and (m.duplicate_id = old_id or m.slug = old_slug)
          order by m.id desc limit 1)
        union all
        (select m.survivor_id, w.steps + 1
           from way w join merges m on m.kind = wanted_kind and m.undone_at is null and m.duplicate_id = w.id
          where w.steps < 20)
    )
    select id from way order by steps desc limit 1
$$;

-- takes: a merge that has not happened yet
-- gives: the pairs of songs that become one; of two artists, their songs of one title
create function songs_of_merge(wanted_kind text, survivor bigint, duplicate bigint) returns table (gone bigint, kept bigint)
language sql stable set search_path = public, pg_temp as $$
    select duplicate, survivor where wanted_kind = 'song'
    union all
    select g.id, k.id
      from songs g
      join lateral (select min(id) as id from songs where artist_id = survivor and folded = g.folded) k on k.id is not null
     where wanted_kind = 'artist' and g.artist_id = duplicate
     order by 1
$$;

-- takes: two songs that become one
-- gives: the songs in sets that become one: of one set; or of two predicted sets that one act plays in one show
create function folds_of_songs(wanted_gone bigint, wanted_kept bigint)
returns table (show_id bigint, gone_id bigint, kept_id bigint)
language sql stable set search_path = public, pg_temp as $$
    select e.show_id, e.id, k.id
      from setlist_songs e
      join setlists l on l.id = e.setlist_id
      join lateral (select o.id
                      from setlist_songs o
                      join setlists ol on ol.id = o.setlist_id
                     where o.show_id = e.show_id and o.song_id = wanted_kept and ol.type = l.type
                       and (o.setlist_id = e.setlist_id
                            or l.type = 'predicted' and ol.artist_id is not distinct from l.artist_id)
                     order by o.setlist_id <> e.setlist_id, ol.position, o.position, o.id
                     limit 1) k on true
     where e.song_id = wanted_gone
$$;

-- takes: songs of one show whose votes were moved
-- Adds what the history lacks, so that it gives the votes again. Votes of nobodies are those of user 0.
create function balance_history(wanted_show bigint, songs bigint[]) returns void
language sql set search_path = public, pg_temp as $$
    with standing as (
        select id from setlist_songs where id = any(songs)
    ), counted as (
        select v.setlist_song_id, case when u.nobody is null then v.user_id else 0 end as user_id, v.choice, count(*) as n
          from standing s
          join votes v on v.setlist_song_id = s.id
          join users u on u.id = v.user_id
         group by 1, 2, 3
    ), told as (
        select h.setlist_song_id, h.user_id, c.choice, sum(c.step) as n
          from vote_analytics h
          join standing s on s.id = h.setlist_song_id
         cross join lateral (values (h.choice, 1), (h.previous, -1)) as c (choice, step)
         where h.show_id = wanted_show and c.choice is not null
         group by 1, 2, 3
    ), missing as (
        select setlist_song_id, user_id, choice, coalesce(counted.n, 0) - coalesce(told.n, 0) as n
          from counted full join told using (setlist_song_id, user_id, choice)
         where coalesce(counted.n, 0) <> coalesce(told.n, 0)
    ), lines as (
        select m.* from missing m, generate_series(1, abs(m.n)::int)
    ), hours as (
        insert into vote_rollups (show_id, hour, up_count, down_count, withdrawn_count)
        select wanted_show, date_trunc('hour', now(), 'UTC'), count(*) filter (where n > 0 and choice = 'up'),
               count(*) filter (where n > 0 and choice = 'down'), count(*) filter (where n < 0)
          from lines
        having count(*) > 0
            on conflict (show_id, hour) do update
           set up_count = vote_rollups.up_count + excluded.up_count,
               down_count = vote_rollups.down_count + excluded.down_count,
               withdrawn_count = vote_rollups.withdrawn_count + excluded.withdrawn_count
    )
    insert into vote_analytics (show_id, setlist_song_id, user_id, previous, choice, cast_at)
    select wanted_show, setlist_song_id, user_id, case when n < 0 then choice end, case when n > 0 then choice end, now()
      from lines;
$$;

-- takes: rows of the vote history, and the song that they are about from now on
create function move_history(wanted_show bigint, wanted_from bigint, wanted_to bigint, rows bigint[]) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
    -- The history is append-only, but for erasures and merges.
    perform set_config('app.erasing', 'on', true);
    update vote_analytics set setlist_song_id = wanted_to
     where show_id = wanted_show and setlist_song_id = wanted_from and id = any(rows);
    perform set_config('app.erasing', '', true);
end $$;

-- takes: two songs in sets of one show that become one
-- The last choice of a fan on either of them stands; of two at one instant, that on the song that stays.
create function fold_songs(wanted_merge bigint, wanted_show bigint, wanted_gone bigint, wanted_kept bigint) returns void
language plpgsql set search_path = public, pg_temp as $$
declare
    fold bigint;
    place setlist_songs;
    marked_at timestamptz;
begin
    insert into merge_folds (merge_id, show_id, gone_id, kept_id, gone, kept_played_at, history)
    select wanted_merge, wanted_show, wanted_gone, wanted_kept, '{}', k.played_at,
           coalesce((select array_agg(h.id) from vote_analytics h
                      where h.show_id = wanted_show and h.setlist_song_id = wanted_gone), '{}')
      from setlist_songs k where k.id = wanted_kept
    returning id into fold;
    insert into merge_votes (fold_id, user_id, choice, cast_at, kept_choice, kept_cast_at)
    select fold, v.user_id, v.choice, v.cast_at, o.choice, o.cast_at
      from votes v
      left join votes o on o.setlist_song_id = wanted_kept and o.user_id = v.user_id
     where v.setlist_song_id = wanted_gone;
    delete from votes where setlist_song_id = wanted_gone;
    insert into votes (setlist_song_id, user_id, show_id, choice, cast_at)
    select wanted_kept, user_id, wanted_show, choice, cast_at from merge_votes where fold_id = fold order by user_id
        on conflict (setlist_song_id, user_id) do update set choice = excluded.choice, cast_at = excluded.cast_at
     where votes.cast_at < excluded.cast_at;
    delete from setlist_songs where id = wanted_gone returning * into place;
    update setlist_songs set position = position - 1 where setlist_id = place.setlist_id and position > place.position;
    -- The earlier mark stands, unless a fan voted after it.
    select case when least(k.played_at, place.played_at) is not null
                then greatest(least(k.played_at, place.played_at),
                              (select max(cast_at) from votes where setlist_song_id = wanted_kept) + interval '1 millisecond')
           end into marked_at
      from setlist_songs k where k.id = wanted_kept;
    update setlist_songs set played_at = marked_at where id = wanted_kept and played_at is distinct from marked_at;
    update merge_folds set gone = to_jsonb(place), played_at = marked_at where id = fold;
    perform move_history(wanted_show, wanted_gone, wanted_kept, (select history from merge_folds where id = fold));
    perform balance_history(wanted_show, array[wanted_kept]);
end $$;

-- takes: two songs that become one
create function merge_song(wanted_merge bigint, gone bigint, kept bigint) returns void
language plpgsql set search_path = public, pg_temp as $$
declare
    fold record;
begin
    for fold in select * from folds_of_songs(gone, kept) order by 1, 2 loop
        perform fold_songs(wanted_merge, fold.show_id, fold.gone_id, fold.kept_id);
    end loop;
    insert into merge_rows (merge_id, relation, row_id, was)
    select wanted_merge, 'setlist_songs', id, jsonb_build_object('song', gone, 'to', kept) from setlist_songs where song_id = gone;
    update setlist_songs set song_id = kept where song_id = gone;
    insert into merge_rows (merge_id, relation, row_id, was)
    select wanted_merge, 'removed_songs', id, jsonb_build_object('song', gone, 'to', kept) from removed_songs where song_id = gone;
    update removed_songs set song_id = kept where song_id = gone;
    insert into merge_rows (merge_id, relation, was)
    select wanted_merge, 'song_identities',
           jsonb_build_object('service', service, 'external_id', external_id, 'song', gone, 'to', kept)
      from song_identities where song_id = gone;
    update song_identities set song_id = kept where song_id = gone;
    insert into merge_rows (merge_id, relation, row_id, was)
    select wanted_merge, 'songs', id, jsonb_build_object('artist', artist_id, 'title', title, 'created_at', created_at)
      from songs where id = gone;
    delete from songs where id = gone;
end $$;

-- takes: pairs of songs that became one, and the provider's lists that named them, as merge_rows keeps them
-- A list that was the set of the show is the set again; in another one the survivor takes the place.
create function rename_listed_songs(wanted_merge bigint) returns void
language sql set search_path = public, pg_temp as $$
    with pairs as (
        select row_id as gone, (select s.was ->> 'to' from merge_rows s
                                 where s.merge_id = wanted_merge and s.relation = 'pair' and s.row_id = g.row_id)::bigint as kept
          from merge_rows g where g.merge_id = wanted_merge and g.relation = 'pair'
    ), listed as (
        select r.id, r.relation, r.row_id, r.was,
               case when (r.was ->> 'stands')::boolean
                    then songs_in_order(r.row_id, case r.relation when 'show_identities' then 'actual' else 'predicted' end::setlist_type)
                    else array(select coalesce(p.kept, s.song)
                                 from jsonb_array_elements_text(r.was -> 'songs') with ordinality as t (text, place)
                                cross join lateral (select t.text::bigint as song) s
                                 left join pairs p on p.gone = s.song
                                order by t.place) end as songs
          from merge_rows r
         where r.merge_id = wanted_merge and r.relation in ('show_identities', 'show_predictions')
    ), kept as (
        update merge_rows r set was = r.was || jsonb_build_object('after', to_jsonb(l.songs)) from listed l where r.id = l.id
    ), identities as (
        update show_identities i set songs = l.songs from listed l
         where l.relation = 'show_identities' and i.show_id = l.row_id and i.service = (l.was ->> 'service')::sync_service
           and i.external_id = l.was ->> 'external_id'
    )
    update show_predictions p set songs = l.songs from listed l where l.relation = 'show_predictions' and p.show_id = l.row_id;
$$;

create function merge_songs(wanted_merge bigint, wanted_kind text, survivor bigint, duplicate bigint) returns void
language plpgsql set search_path = public, pg_temp as $$
declare
    pair record;
    gone_songs bigint[];
begin
    insert into merge_rows (merge_id, relation, row_id, was)
    select wanted_merge, 'pair', gone, jsonb_build_object('to', kept) from songs_of_merge(wanted_kind, survivor, duplicate);
    select coalesce(array_agg(row_id), '{}') into gone_songs
      from merge_rows where merge_id = wanted_merge and relation = 'pair';
    insert into merge_rows (merge_id, relation, row_id, was)
    select wanted_merge, 'show_identities', show_id,
           jsonb_build_object('service', service, 'external_id', external_id, 'songs', to_jsonb(songs),
                              'stands', songs = songs_in_order(show_id, 'actual'))
      from show_identities
     where songs && gone_songs
    union all
    select wanted_merge, 'show_predictions', show_id,
           jsonb_build_object('songs', to_jsonb(songs), 'stands', songs = songs_in_order(show_id, 'predicted'))
      from show_predictions
     where songs && gone_songs;
    for pair in select row_id as gone, (was ->> 'to')::bigint as kept
                  from merge_rows where merge_id = wanted_merge and relation = 'pair' order by id loop
        perform merge_song(wanted_merge, pair.gone, pair.kept);
    end loop;
    perform rename_listed_songs(wanted_merge);
end $$;

create function merge_artists(wanted_merge bigint, survivor bigint, duplicate bigint) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
    perform merge_songs(wanted_merge, 'artist', survivor, duplicate);
    insert into merge_rows (merge_id, relation, row_id, was)
    select wanted_merge, 'songs_of_artist', id, '{}' from songs where artist_id = duplicate;
    update songs set artist_id = survivor where artist_id = duplicate;
    insert into merge_rows (merge_id, relation, row_id, was)
    select wanted_merge, 'sets_of_artist', id, '{}' from setlists where artist_id = duplicate;
    update setlists set artist_id = survivor where artist_id = duplicate;

    -- As the headliner; an act that stood behind itself on the bill is there once.
    insert into merge_rows (merge_id, relation, row_id, was)
    select wanted_merge, 'support', b.show_id, jsonb_build_object('artist', b.artist_id, 'position', b.position, 'met', true)
      from show_artists b join shows w on w.id = b.show_id
     where b.artist_id = survivor and w.artist_id = duplicate;
    insert into merge_rows (merge_id, relation, row_id, was)
    select wanted_merge, 'shows_of_artist', id, '{}' from shows where artist_id = duplicate;
    update shows set artist_id = survivor where artist_id = duplicate;
    -- As a support act.
    insert into merge_rows (merge_id, relation, row_id, was)
    select wanted_merge, 'support', b.show_id,
           jsonb_build_object('artist', duplicate, 'position', b.position,
                              'met', exists (select from show_artists o where o.show_id = b.show_id and o.artist_id = survivor))
      from show_artists b where b.artist_id = duplicate;
    delete from show_artists where artist_id = duplicate;
    insert into show_artists (show_id, artist_id, billing, position)
    select row_id, survivor, 'support', (was ->> 'position')::smallint
      from merge_rows
     where merge_id = wanted_merge and relation = 'support' and (was ->> 'artist')::bigint = duplicate
       and not (was ->> 'met')::boolean;

    insert into merge_rows (merge_id, relation, was)
    select wanted_merge, 'artist_identities', jsonb_build_object('service', service, 'external_id', external_id)
      from artist_identities where artist_id = duplicate;
    update artist_identities set artist_id = survivor where artist_id = duplicate;
    insert into merge_rows (merge_id, relation, row_id, user_id, was)
    select wanted_merge, 'follow', duplicate, f.user_id,
           jsonb_build_object('created_at', f.created_at,
                              'met', exists (select from user_follows_artists o where o.user_id = f.user_id and o.artist_id = survivor))
      from user_follows_artists f where f.artist_id = duplicate;
    delete from user_follows_artists where artist_id = duplicate;
    insert into user_follows_artists (user_id, artist_id, created_at)
    select user_id, survivor, (was ->> 'created_at')::timestamptz
      from merge_rows
     where merge_id = wanted_merge and relation = 'follow' and not (was ->> 'met')::boolean
     order by user_id
        on conflict do nothing;
    insert into merge_rows (merge_id, relation, row_id, was)
    select wanted_merge, 'activity', position, '{}' from activity where artist_id = duplicate;
    update activity set artist_id = survivor where artist_id = duplicate;
    delete from artists where id = duplicate;
end $$;

create function merge_venues(wanted_merge bigint, survivor bigint, duplicate bigint) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
    insert into merge_rows (merge_id, relation, row_id, was)
    select wanted_merge, 'shows_of_venue', id, '{}' from shows where venue_id = duplicate;
    update shows set venue_id = survivor where venue_id = duplicate;
    insert into merge_rows (merge_id, relation, was)
    select wanted_merge, 'venue_identities', jsonb_build_object('service', service, 'external_id', external_id)
      from venue_identities where venue_id = duplicate;
    update venue_identities set venue_id = survivor where venue_id = duplicate;

    -- A fan has one review of a venue: the later of two stays.
    insert into merge_rows (merge_id, relation, row_id, user_id, was)
    select wanted_merge, 'review_gone', o.id, o.user_id, to_jsonb(o)
      from venue_reviews o
      join venue_reviews n on n.user_id = o.user_id and n.venue_id in (survivor, duplicate) and n.id <> o.id
     where o.venue_id in (survivor, duplicate) and (o.updated_at, o.id) < (n.updated_at, n.id);
    delete from venue_reviews
     where id in (select row_id from merge_rows where merge_id = wanted_merge and relation = 'review_gone');
    insert into merge_rows (merge_id, relation, row_id, user_id, was)
    select wanted_merge, 'review', id, user_id, jsonb_build_object('updated_at', updated_at)
      from venue_reviews where venue_id = duplicate;
    update venue_reviews set venue_id = survivor where venue_id = duplicate;
    delete from venues where id = duplicate;
end $$;

-- takes: the kind, the entry that stays, the one that is the same, and the administrator
-- gives: the id of the merge; null: one of the two is missing
-- locks: imports and syncs, all shards, and the two entries: no vote, follow or set changes meanwhile
create function merge_entries(wanted_kind text, survivor bigint, duplicate bigint, actor bigint) returns bigint
language plpgsql set search_path = public, pg_temp as $$
declare
    made bigint;
    gone jsonb;
begin
    perform pg_advisory_xact_lock(hashtext('mysetlist.sync'));
    perform from log_positions order by shard for update;
    -- Whoever refers to one of the entries ends first; after that, nobody can before the end.
    perform from venue_reviews where wanted_kind = 'venue' and venue_id in (survivor, duplicate) order by id for update;
    perform from artists where wanted_kind = 'artist' and id in (survivor, duplicate) order by id for update;
    perform from venues where wanted_kind = 'venue' and id in (survivor, duplicate) order by id for update;
    perform from songs where wanted_kind = 'song' and id in (survivor, duplicate) order by id for update;
    set constraints setlist_songs_place_key deferred;
    case wanted_kind
        when 'artist' then
            select to_jsonb(a) into gone from artists a where a.id = duplicate
               and exists (select from artists s where s.id = survivor);
        when 'venue' then
            select to_jsonb(v) into gone from venues v where v.id = duplicate
               and exists (select from venues s where s.id = survivor);
        else
            select to_jsonb(g) into gone from songs g where g.id = duplicate
               and exists (select from songs s where s.id = survivor);
    end case;
    if gone is null then
        return null;
    end if;
    insert into merges (kind, survivor_id, duplicate_id, slug, duplicate, made_by)
    values (wanted_kind, survivor, duplicate, gone ->> 'slug', gone, actor) returning id into made;
    -- A question about both asks about one from now on.
    insert into merge_rows (merge_id, relation, row_id, was)
    select made, 'identity_review', r.id,
           to_jsonb(r) || jsonb_build_object('met', exists (
               select from identity_reviews o
                where o.service = r.service and o.external_id = r.external_id
                  and (wanted_kind = 'artist' and o.artist_id = survivor or wanted_kind = 'venue' and o.venue_id = survivor)))
      from identity_reviews r
     where wanted_kind = 'artist' and r.artist_id = duplicate or wanted_kind = 'venue' and r.venue_id = duplicate;
    delete from identity_reviews
     where id in (select row_id from merge_rows
                   where merge_id = made and relation = 'identity_review' and (was ->> 'met')::boolean);
    case wanted_kind
        when 'artist' then
            update identity_reviews set artist_id = survivor where artist_id = duplicate;
            perform merge_artists(made, survivor, duplicate);
        when 'venue' then
            update identity_reviews set venue_id = survivor where venue_id = duplicate;
            perform merge_venues(made, survivor, duplicate);
        else
            perform merge_songs(made, 'song', survivor, duplicate);
    end case;
    return made;
end $$;

-- takes: a fold
-- A fan who voted on the survivor since the merge keeps that vote there, and so does one whose budget has no room for two.
create function unfold_songs(fold merge_folds) returns void
language plpgsql set search_path = public, pg_temp as $$
declare
    wanted_set bigint := (fold.gone ->> 'setlist_id')::bigint;
    place integer;
    fans bigint[];
begin
    if not exists (select from setlists where id = wanted_set and show_id = fold.show_id) then
        return;
    end if;
    select least((fold.gone ->> 'position')::integer, count(*) + 1) into place from setlist_songs where setlist_id = wanted_set;
    update setlist_songs set position = position + 1 where setlist_id = wanted_set and position >= place;
    insert into setlist_songs overriding system value
    select (jsonb_populate_record(null::setlist_songs, fold.gone || jsonb_build_object('position', place))).*;
    select coalesce(array_agg(m.user_id), '{}') into fans
      from merge_votes m
      join shows w on w.id = fold.show_id
      join votes v on v.setlist_song_id = fold.kept_id and v.user_id = m.user_id
       and (v.choice, v.cast_at) = (case when m.kept_cast_at >= m.cast_at then m.kept_choice else m.choice end,
                                    greatest(m.kept_cast_at, m.cast_at))
     where m.fold_id = fold.id
       and (w.votes_per_user_max is null or m.kept_choice is null
            or (select count(*) from votes o where o.user_id = m.user_id and o.show_id = fold.show_id) < w.votes_per_user_max);
    delete from votes v using merge_votes m
     where v.setlist_song_id = fold.kept_id and v.user_id = any(fans)
       and m.fold_id = fold.id and m.user_id = v.user_id and m.kept_choice is null;
    update votes v set choice = m.kept_choice, cast_at = m.kept_cast_at
      from merge_votes m
     where v.setlist_song_id = fold.kept_id and v.user_id = any(fans)
       and m.fold_id = fold.id and m.user_id = v.user_id and m.kept_choice is not null;
    insert into votes (setlist_song_id, user_id, show_id, choice, cast_at)
    select fold.gone_id, user_id, fold.show_id, choice, cast_at
      from merge_votes where fold_id = fold.id and user_id = any(fans) order by user_id;
    update setlist_songs set played_at = fold.kept_played_at
     where id = fold.kept_id and played_at is not distinct from fold.played_at and played_at is distinct from fold.kept_played_at;
    perform move_history(fold.show_id, fold.kept_id, fold.gone_id, fold.history);
    perform balance_history(fold.show_id, array[fold.kept_id, fold.gone_id]);
end $$;

create function undo_merge_of_songs(wanted bigint) returns void
language plpgsql set search_path = public, pg_temp as $$
declare
    fold merge_folds;
begin
    insert into songs (id, artist_id, title, created_at) overriding system value
    select row_id, (was ->> 'artist')::bigint, was ->> 'title', (was ->> 'created_at')::timestamptz
      from merge_rows where merge_id = wanted and relation = 'songs';
    update setlist_songs e set song_id = (r.was ->> 'song')::bigint
      from merge_rows r
     where r.merge_id = wanted and r.relation = 'setlist_songs' and e.id = r.row_id and e.song_id = (r.was ->> 'to')::bigint;
    update removed_songs e set song_id = (r.was ->> 'song')::bigint
      from merge_rows r
     where r.merge_id = wanted and r.relation = 'removed_songs' and e.id = r.row_id and e.song_id = (r.was ->> 'to')::bigint;
    update song_identities i set song_id = (r.was ->> 'song')::bigint
      from merge_rows r
     where r.merge_id = wanted and r.relation = 'song_identities' and i.service = (r.was ->> 'service')::sync_service
       and i.external_id = r.was ->> 'external_id' and i.song_id = (r.was ->> 'to')::bigint;
    for fold in select * from merge_folds where merge_id = wanted order by id desc loop
        perform unfold_songs(fold);
    end loop;
    update show_identities i set songs = array(select jsonb_array_elements_text(r.was -> 'songs')::bigint)
      from merge_rows r
     where r.merge_id = wanted and r.relation = 'show_identities' and i.show_id = r.row_id
       and i.service = (r.was ->> 'service')::sync_service and i.external_id = r.was ->> 'external_id'
       and to_jsonb(i.songs) = r.was -> 'after';
    update show_predictions p set songs = array(select jsonb_array_elements_text(r.was -> 'songs')::bigint)
      from merge_rows r
     where r.merge_id = wanted and r.relation = 'show_predictions' and p.show_id = r.row_id
       and to_jsonb(p.songs) = r.was -> 'after';
end $$;

create function undo_merge_of_artists(wanted bigint, survivor bigint, wanted_duplicate bigint) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
    insert into artists (id, slug, name, genre, country, created_at) overriding system value
    select d.id, d.slug, d.name, d.genre, d.country, d.created_at
      from merges m, jsonb_populate_record(null::artists, m.duplicate) d where m.id = wanted;
    update songs s set artist_id = wanted_duplicate
      from merge_rows r where r.merge_id = wanted and r.relation = 'songs_of_artist' and s.id = r.row_id and s.artist_id = survivor;
    perform undo_merge_of_songs(wanted);
    update setlists l set artist_id = wanted_duplicate
      from merge_rows r where r.merge_id = wanted and r.relation = 'sets_of_artist' and l.id = r.row_id and l.artist_id = survivor;
    update shows w set artist_id = wanted_duplicate
      from merge_rows r where r.merge_id = wanted and r.relation = 'shows_of_artist' and w.id = r.row_id and w.artist_id = survivor;
    delete from show_artists b using merge_rows r
     where r.merge_id = wanted and r.relation = 'support' and not (r.was ->> 'met')::boolean
       and b.show_id = r.row_id and b.artist_id = survivor and b.billing = 'support';
    insert into show_artists (show_id, artist_id, billing, position)
    select w.id, (r.was ->> 'artist')::bigint, 'support',
           case when exists (select from show_artists o where o.show_id = w.id and o.position = (r.was ->> 'position')::smallint)
                then (select max(o.position) + 1 from show_artists o where o.show_id = w.id)
                else (r.was ->> 'position')::smallint end
      from merge_rows r join shows w on w.id = r.row_id
     where r.merge_id = wanted and r.relation = 'support'
        on conflict (show_id, artist_id) do nothing;
    update artist_identities i set artist_id = wanted_duplicate
      from merge_rows r
     where r.merge_id = wanted and r.relation = 'artist_identities' and i.artist_id = survivor
       and i.service = (r.was ->> 'service')::sync_service and i.external_id = r.was ->> 'external_id';
    -- A fan who has unfollowed the survivor since follows neither.
    insert into user_follows_artists (user_id, artist_id, created_at)
    select r.user_id, wanted_duplicate, (r.was ->> 'created_at')::timestamptz
      from merge_rows r
      join user_follows_artists f on f.user_id = r.user_id and f.artist_id = survivor
     where r.merge_id = wanted and r.relation = 'follow'
     order by r.user_id;
    delete from user_follows_artists f using merge_rows r
     where r.merge_id = wanted and r.relation = 'follow' and not (r.was ->> 'met')::boolean
       and f.user_id = r.user_id and f.artist_id = survivor and f.created_at = (r.was ->> 'created_at')::timestamptz;
    update activity a set artist_id = wanted_duplicate
      from merge_rows r where r.merge_id = wanted and r.relation = 'activity' and a.position = r.row_id;
end $$;

create function undo_merge_of_venues(wanted bigint, survivor bigint, wanted_duplicate bigint) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
    insert into venues (id, slug, name, city, region, country, latitude, longitude, time_zone, capacity, origin, created_at)
    overriding system value
    select d.id, d.slug, d.name, d.city, d.region, d.country, d.latitude, d.longitude, d.time_zone, d.capacity, d.origin, d.created_at
      from merges m, jsonb_populate_record(null::venues, m.duplicate) d where m.id = wanted;
    update shows w set venue_id = wanted_duplicate
      from merge_rows r where r.merge_id = wanted and r.relation = 'shows_of_venue' and w.id = r.row_id and w.venue_id = survivor;
    update venue_identities i set venue_id = wanted_duplicate
      from merge_rows r
     where r.merge_id = wanted and r.relation = 'venue_identities' and i.venue_id = survivor
       and i.service = (r.was ->> 'service')::sync_service and i.external_id = r.was ->> 'external_id';
    update venue_reviews v set venue_id = wanted_duplicate
      from merge_rows r
     where r.merge_id = wanted and r.relation = 'review' and v.id = r.row_id
       and v.updated_at = (r.was ->> 'updated_at')::timestamptz;
    insert into venue_reviews overriding system value
    select (jsonb_populate_record(null::venue_reviews, r.was)).*
      from merge_rows r where r.merge_id = wanted and r.relation = 'review_gone'
        on conflict do nothing;
end $$;

-- takes: a merge that is not undone, of the last day
-- Gives back what the merge moved, unless it was changed since.
-- locks: as merge_entries()
create function undo_merge(wanted bigint) returns void
language plpgsql set search_path = public, pg_temp as $$
declare
    merge merges;
begin
    perform pg_advisory_xact_lock(hashtext('mysetlist.sync'));
    perform from log_positions order by shard for update;
    set constraints setlist_songs_place_key, show_artists_place_key deferred;
    select * into merge from merges where id = wanted for update;
    case merge.kind
        when 'artist' then perform undo_merge_of_artists(wanted, merge.survivor_id, merge.duplicate_id);
        when 'venue' then perform undo_merge_of_venues(wanted, merge.survivor_id, merge.duplicate_id);
        else perform undo_merge_of_songs(wanted);
    end case;
    update identity_reviews i
       set artist_id = case merge.kind when 'artist' then merge.duplicate_id end,
           venue_id = case merge.kind when 'venue' then merge.duplicate_id end
      from merge_rows r
     where r.merge_id = wanted and r.relation = 'identity_review' and not (r.was ->> 'met')::boolean and i.id = r.row_id;
    insert into identity_reviews overriding system value
    select (jsonb_populate_record(null::identity_reviews, r.was)).*
      from merge_rows r where r.merge_id = wanted and r.relation = 'identity_review' and (r.was ->> 'met')::boolean
        on conflict do nothing;
    update merges set undone_at = now() where id = wanted;
    delete from merge_rows where merge_id = wanted;
    delete from merge_folds where merge_id = wanted;
end $$;

revoke execute on function merged_into, songs_of_merge, folds_of_songs, balance_history, move_history, fold_songs, merge_song,
    rename_listed_songs, merge_songs, merge_artists, merge_venues, merge_entries, unfold_songs, undo_merge_of_songs,
    undo_merge_of_artists, undo_merge_of_venues, undo_merge from public;
grant execute on function merged_into to mysetlist_request;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

drop function undo_merge, undo_merge_of_venues, undo_merge_of_artists, undo_merge_of_songs, unfold_songs, merge_entries,
    merge_venues, merge_artists, merge_songs, rename_listed_songs, merge_song, fold_songs, move_history, balance_history,
    folds_of_songs, songs_of_merge, merged_into;
drop table merge_votes, merge_folds, merge_rows, merges;
