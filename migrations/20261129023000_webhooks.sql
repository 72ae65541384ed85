-- migrate:up
-- Webhooks. What happens is noted in the transaction that makes it true, and sent from here (docs/webhooks.md).

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

create type webhook_event as enum ('show.opened', 'show.closed', 'show.final', 'show.milestone', 'song.played', 'group.flagged');
create type webhook_delivery_state as enum ('queued', 'sending', 'delivered', 'dead');

create table webhooks (
    id              bigint          generated always as identity primary key,
    url             text            not null check (char_length(url) between 1 and 2000),
    description     text            not null default '' check (char_length(description) <= 200),
    events          webhook_event[] not null check (cardinality(events) > 0),
    is_enabled      boolean         not null default true,
    why_disabled    text            not null default '' check (char_length(why_disabled) <= 300),
    secret          bytea           not null check (octet_length(secret) between 24 and 64),
    previous_secret bytea           check (octet_length(previous_secret) between 24 and 64),
    previous_until  timestamptz,
    failing_since   timestamptz,
    created_at      timestamptz     not null default now(),
    constraint webhooks_previous check ((previous_secret is null) = (previous_until is null))
);
comment on table webhooks is 'An address that is told of events. No role but the owner reads it, because of the secret.';
comment on column webhooks.why_disabled is 'Why the sender disabled it. Empty: nobody did, or a person.';
comment on column webhooks.secret is 'The key that signs; previous_secret signs too until previous_until.';
comment on column webhooks.failing_since is 'The first attempt that failed after the last one that arrived.';

create table webhook_events (
    id         bigint        generated always as identity primary key,
    message_id uuid          not null default gen_random_uuid(),
    type       webhook_event not null,
    show_id    bigint        not null,
    data       jsonb         not null,
    at         timestamptz   not null default now(),
    is_queued  boolean       not null default false
);
comment on table webhook_events is 'Something that happened and that a webhook wanted to know. Kept for 30 days.';
comment on column webhook_events.message_id is 'The same for each attempt and each webhook, so that a receiver knows what it has.';
comment on column webhook_events.show_id is 'Without a foreign key: what happened stays true when the show is deleted.';
comment on column webhook_events.is_queued is 'Whether its deliveries were made.';
create index webhook_events_new_idx on webhook_events (id) where not is_queued;
create index webhook_events_at_idx on webhook_events (at);

create table webhook_deliveries (
    id         bigint                 generated always as identity primary key,
    webhook_id bigint                 not null references webhooks (id) on delete cascade,
    event_id   bigint                 not null references webhook_events (id) on delete cascade,
    state      webhook_delivery_state not null default 'queued',
    attempts   smallint               not null default 0 check (attempts >= 0),
    queued_at  timestamptz            not null,
    not_before timestamptz            not null,
    tried_at   timestamptz,
    status     smallint               check (status between 100 and 999),
    took_ms    integer                check (took_ms >= 0),
    error      text                   not null default '' check (char_length(error) <= 300),
    constraint webhook_deliveries_once unique (event_id, webhook_id)
);
comment on table webhook_deliveries is 'An event on its way to one webhook, and the result of the last attempt.';
comment on column webhook_deliveries.queued_at is 'When it was queued, or sent again by a person.';
comment on column webhook_deliveries.not_before is 'The next attempt is after this instant. While it is being sent, no other node takes it before.';
comment on column webhook_deliveries.status is 'The HTTP status of the answer. Null: there was none.';
create index webhook_deliveries_list_idx on webhook_deliveries (webhook_id, id);
create index webhook_deliveries_dead_idx on webhook_deliveries (webhook_id, id) where state = 'dead';
create index webhook_deliveries_tried_idx on webhook_deliveries (webhook_id, tried_at) where tried_at is not null;
create index webhook_deliveries_due_idx on webhook_deliveries (webhook_id, not_before, id) where state in ('queued', 'sending');
create index webhook_deliveries_waiting_idx on webhook_deliveries (queued_at) where state in ('queued', 'sending');

create table open_shows (
    show_id bigint primary key references shows (id) on delete cascade
);
comment on table open_shows is 'A show whose voting has opened and not closed since, as webhooks were told.';

create index shows_opens_at_idx on shows (opens_at) where finalised_at is null;

create function instant_text(instant timestamptz) returns text language sql stable parallel safe
return to_char(instant at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

-- takes: event; the shows that it is about; what else it tells
-- locks: nothing, so the transaction that calls it waits for no webhook
create function queue_webhook_events(event webhook_event, show_ids bigint[], detail jsonb) returns void
language plpgsql as $$
begin
    if not exists (select from webhooks h where h.is_enabled and event = any (h.events)) then
        return;
    end if;
    insert into webhook_events (type, show_id, data)
    select event, w.id,
           jsonb_build_object('show', jsonb_build_object(
               'id', w.id, 'slug', w.slug, 'name', w.name, 'artist', a.name, 'venue', v.name,
               'starts_at', instant_text(w.starts_at), 'opens_at', instant_text(w.opens_at),
               'closes_at', instant_text(w.closes_at))) || detail
      from shows w
      join artists a on a.id = w.artist_id
      join venues v on v.id = w.venue_id
     where w.id = any (show_ids)
     order by w.id;
end $$;

-- Compares the voting of shows with what webhooks were told, and tells the difference.
-- takes: shows; the caller holds their shards, or has made them
create function note_voting(show_ids bigint[]) returns void
language plpgsql as $$
declare
    instant timestamptz := clock_timestamp();
    opened bigint[];
    closed bigint[];
begin
    with told as (
        insert into open_shows (show_id)
        select w.id from shows w
         where w.id = any (show_ids) and w.opens_at <= instant and w.closes_at > instant
           and w.status <> 'cancelled' and w.finalised_at is null
         order by w.id
            on conflict do nothing
        returning show_id
    )
    select array_agg(show_id) into opened from told;
    with told as (
        delete from open_shows o using shows w
         where o.show_id = any (show_ids) and w.id = o.show_id
           and (w.opens_at > instant or w.closes_at <= instant or w.status = 'cancelled' or w.finalised_at is not null)
        returning o.show_id
    )
    select array_agg(show_id) into closed from told;
    if opened is not null then
        perform queue_webhook_events('show.opened', opened, '{}');
    end if;
    if closed is not null then
        perform queue_webhook_events('show.closed', closed, '{}');
    end if;
end $$;

-- Notes voting that opened or closed by the clock alone.
-- takes: since, of the call before; null: looks at all shows
-- gives: the instant for the next call
-- locks: the log_positions rows of the shards of those shows, in order; then their rows of open_shows
create function note_due_voting(since timestamptz) returns timestamptz
language plpgsql as $$
declare
    instant timestamptz := clock_timestamp();
    -- A transaction may have begun before the last call and become visible after it.
    first timestamptz := coalesce(since - interval '1 minute', '-infinity');
    due bigint[];
begin
    select array_agg(found.id) into due from (
        select w.id from shows w
         where w.opens_at > first and w.opens_at <= instant and w.finalised_at is null and w.closes_at > instant
           and w.status <> 'cancelled' and not exists (select from open_shows o where o.show_id = w.id)
        union all
        select w.id from shows w
         where w.closes_at > first and w.closes_at <= instant and w.finalised_at is null
           and exists (select from open_shows o where o.show_id = w.id)) found;
    if due is not null then
        perform from log_positions
          where shard in (select id % (select count(*) from log_positions) from unnest(due) as id)
          order by shard for update;
        perform note_voting(due);
    end if;
    return instant;
end $$;

create function note_voting_of_new() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform note_voting(array_agg(id)) from inserted having count(*) > 0;
    return null;
end $$;

create trigger shows_note_voting_of_new after insert on shows referencing new table as inserted for each statement
    execute function note_voting_of_new();

create function note_voting_of_changed() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform note_voting(array[new.id]);
    return null;
end $$;

-- Deferred: the change of the rules of a show takes its instant after the transaction has begun. Its name comes before
-- shows_tell, so that voting is closed before the result is final.
create constraint trigger shows_note_voting after update on shows deferrable initially deferred for each row
    when (old.opens_at is distinct from new.opens_at or old.closes_at is distinct from new.closes_at
          or old.status is distinct from new.status or old.finalised_at is distinct from new.finalised_at)
    execute function note_voting_of_changed();

create or replace function tell_of_show() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    reached bigint := round_number(new.vote_count);
begin
    if new.status is distinct from old.status and new.status in ('live', 'cancelled') then
        perform add_activity(new.status::text::activity_kind, new.id, new.artist_id, new.name, '', 0);
    end if;
    if new.finalised_at is not null and old.finalised_at is null then
        perform add_activity('final', new.id, new.artist_id, new.name, '', 0);
        perform queue_webhook_events('show.final', array[new.id], jsonb_build_object('votes', new.vote_count, 'songs', (
            select coalesce(jsonb_agg(jsonb_build_object('id', t.id, 'title', t.title, 'up', t.up_count, 'down', t.down_count)
                                      order by t.up_count - t.down_count desc, t.up_count desc, t.id), '[]')
              from (select e.id, s.title, e.up_count, e.down_count
                      from setlist_songs e join songs s on s.id = e.song_id
                     where e.show_id = new.id and e.up_count + e.down_count > 0
                     order by e.up_count - e.down_count desc, e.up_count desc, e.id
                     limit 10) t)));
    end if;
    -- Each number becomes one event, even if votes are withdrawn and cast again.
    if reached > round_number(old.vote_count)
       and not exists (select from activity a where a.show_id = new.id and a.kind = 'votes' and a.count >= reached) then
        perform add_activity('votes', new.id, new.artist_id, new.name, '', reached);
        if reached >= 100 then
            perform queue_webhook_events('show.milestone', array[new.id], jsonb_build_object('votes', reached));
        end if;
    end if;
    return null;
end $$;

create or replace function tell_of_played_song() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    title text := (select s.title from songs s where s.id = new.song_id);
begin
    perform add_activity('played', w.id, w.artist_id, w.name, title, 0) from shows w where w.id = new.show_id;
    perform queue_webhook_events('song.played', array[new.show_id], jsonb_build_object(
        'song', jsonb_build_object('id', new.id, 'title', title, 'played_at', instant_text(new.played_at))));
    return null;
end $$;

-- A group's song is left out: a show's counts may be hidden.
create function tell_of_groups() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform queue_webhook_events('group.flagged', array[g.show_id], jsonb_build_object('group', jsonb_build_object(
                'id', g.id, 'ballots', g.ballot_count, 'score', g.score, 'is_set_aside', g.decision = 'set_aside',
                'signs', (select coalesce(jsonb_agg(r ->> 'kind'), '[]') from jsonb_array_elements(g.reasons) r where r ->> 'kind' <> 'target'))))
       from inserted g;
    return null;
end $$;

create trigger vote_groups_tell after insert on vote_groups referencing new table as inserted for each statement
    execute function tell_of_groups();

revoke execute on function queue_webhook_events, note_voting, note_due_voting, note_voting_of_new, note_voting_of_changed,
    tell_of_groups from public;

-- What opened before is no news.
insert into open_shows (show_id)
select id from shows
 where opens_at <= now() and closes_at > now() and status <> 'cancelled' and finalised_at is null;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

drop trigger vote_groups_tell on vote_groups;
drop trigger shows_note_voting on shows;
drop trigger shows_note_voting_of_new on shows;

create or replace function tell_of_played_song() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform add_activity('played', w.id, w.artist_id, w.name, s.title, 0)
       from shows w, songs s where w.id = new.show_id and s.id = new.song_id;
    return null;
end $$;

create or replace function tell_of_show() returns trigger
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

drop function tell_of_groups, note_voting_of_changed, note_voting_of_new, note_due_voting, note_voting, queue_webhook_events, instant_text;
drop index shows_opens_at_idx;
drop table open_shows, webhook_deliveries, webhook_events, webhooks;
drop type webhook_delivery_state, webhook_event;
