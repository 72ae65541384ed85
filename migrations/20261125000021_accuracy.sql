-- migrate:up

-- How well a show's crowd, and each voter, foresaw what was played. What the numbers mean: docs/accuracy.md.

set local lock_timeout = '1s';  -- votes wait behind us; the start tries again
lock table log_positions in exclusive mode;

create table show_accuracy (
    show_id          bigint      primary key references shows (id) on delete cascade,
    offered          integer     not null check (offered > 0),
    predicted        integer     not null check (predicted between 0 and offered),
    hits             integer     not null check (hits between 0 and least(predicted, played)),
    played           integer     not null check (played > 0),
    precision        float8      generated always as (hits / nullif(predicted, 0)::float8) stored,
    recall           float8      not null generated always as (hits / played::float8) stored,
    rank_correlation float8      check (rank_correlation between -1 and 1),
    scored_at        timestamptz not null default now()
);

-- Refers to the show by its score: without one nobody has any.
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

create index voter_accuracy_show_id_idx on voter_accuracy (show_id);

-- Shows whose scores have to be made anew: a row a reason. Only ever added to by whoever changes a show, so that they wait
-- for nobody; what was scored is taken out by its number. Without a foreign key: a show may go while it waits.
create table shows_to_score (
    id      bigint generated always as identity primary key,
    show_id bigint not null
);

-- takes: a show
-- gives: its accuracy as it is shown; null: it has none
create function accuracy_of(wanted bigint) returns json language sql stable parallel safe
return (select json_build_object('precision', round(a.precision::numeric, 4), 'recall', round(a.recall::numeric, 4),
                                 'rank_correlation', round(a.rank_correlation::numeric, 4),
                                 'hits', a.hits, 'played', a.played, 'predicted', a.predicted)
          from show_accuracy a where a.show_id = wanted);

-- takes: a show; makes its scores and its voters' anew, or takes them away: no actual set is there, or nothing to match
-- locks: the rows of both tables, and against every change of a show that has scores only its deletion
create function score_show(wanted bigint) returns void language plpgsql as $$
begin
    -- As erase_user() does before it locks anything: who is being erased is not given a score meanwhile.
    perform pg_advisory_xact_lock(hashtext('mysetlist.erase_user'));
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
        -- A song that is offered twice is chosen by what its places add up to. Nobodies are nobody.
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
           -- Pairs in the right order less those in the wrong one: up before none before down.
           (v.met_up * (c.offered - c.met - v.missed_up) + (c.met - v.met_up - v.met_down) * v.missed_down
            - v.missed_up * (c.met - v.met_up) - v.met_down * (c.offered - c.met - v.missed_up - v.missed_down))
           / nullif(c.met * (c.offered - c.met), 0)::float8
      from voter v, crowd c
     order by v.user_id;
end $$;

-- Whatever scores follow from, but votes: those are in once a result is final. The triggers' names come after those that
-- revise a show and so wait for whoever else is changing it: what that one did is seen here.
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
-- By column: counting votes names none of these, and passes.
create trigger setlist_songs_score_updated after update of setlist_id, song_id, is_tape on setlist_songs for each row
    when (row(old.setlist_id, old.song_id, old.is_tape) is distinct from row(new.setlist_id, new.song_id, new.is_tape))
    execute function note_show_of_row();
create trigger setlists_score_updated after update of type, artist_id on setlists for each row
    when (row(old.type, old.artist_id) is distinct from row(new.type, new.artist_id))
    execute function note_show_of_row();
create trigger shows_score_updated after update of finalised_at, artist_id on shows for each row
    when (row(old.finalised_at, old.artist_id) is distinct from row(new.finalised_at, new.artist_id))
    execute function note_show();

insert into shows_to_score (show_id) select distinct show_id from setlists where type = 'actual';

alter table show_accuracy enable row level security;
grant select on show_accuracy to mysetlist_request, mysetlist_writer;
create policy show_accuracy_read on show_accuracy for select to mysetlist_request, mysetlist_writer using (true);

alter table voter_accuracy enable row level security;
grant select on voter_accuracy to mysetlist_request;
create policy voter_accuracy_read on voter_accuracy for select to mysetlist_request
    using (user_id = (select app_user_id()) or (select app_is_staff()));

revoke execute on function score_show from public;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

drop trigger shows_score_updated on shows;
drop trigger setlists_score_updated on setlists;
drop trigger setlist_songs_score_updated on setlist_songs;
drop trigger setlists_score_deleted on setlists;
drop trigger setlist_songs_score_deleted on setlist_songs;
drop trigger setlist_songs_score_inserted on setlist_songs;
drop function note_show, note_show_of_row, note_shows_without_set, note_shows_to_score, score_show, accuracy_of;
drop table shows_to_score, voter_accuracy, show_accuracy;
