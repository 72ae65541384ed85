-- Fans are told by email when a show that concerns them is cancelled or gets another date, whoever changed it.

-- migrate:up

set local lock_timeout = '1s';
-- A commit begins at log_positions, so a writer waits here and holds no other lock.
lock table log_positions in exclusive mode;

create table show_news (
    id      bigint      generated always as identity primary key,
    show_id bigint      not null references shows (id) on delete cascade,
    change  text        not null check (change ~ '^(cancelled|\d{4,}-\d\d-\d\d)$'),
    was_at  timestamptz not null,
    at      timestamptz not null default now()
);
comment on table show_news is 'A show was cancelled or got another date. Kept for two days, so that its fans are told.';
comment on column show_news.change is 'cancelled, or the new date.';
comment on column show_news.was_at is 'The start that fans knew.';

create index show_news_show_id_idx on show_news (show_id);

alter table show_news enable row level security;

create function note_show_news() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into show_news (show_id, change, was_at)
    values (new.id, case when new.status = 'cancelled' then 'cancelled' else new.local_date::text end, old.starts_at);
    return null;
end $$;

create trigger shows_news after update of status, local_date on shows for each row
    when ((new.status = 'cancelled' and old.status in ('upcoming', 'live'))
          or (new.status = 'upcoming' and new.local_date is distinct from old.local_date))
    execute function note_show_news();

-- takes: a show, and what happened to it, as in show_news
-- gives: the fans who get an email about it and have not got it yet: they go, voted, or follow an act of the bill. It belongs to the
--        kind of emails that told them of the show: reminders, else announcements
create function fans_to_tell(wanted_show bigint, wanted_change text)
returns table (user_id bigint, kind email_kind, frequency email_frequency)
language sql stable set search_path = public, pg_temp as $$
    select p.user_id, k.kind, p.frequency
      from (select c.user_id, bool_or(c.is_concerned) as is_concerned, bool_or(not c.is_concerned) as is_following
              from (select a.user_id, true as is_concerned from user_show_attendance a where a.show_id = wanted_show
                     union all
                    select v.user_id, true from setlist_songs s join votes v on v.setlist_song_id = s.id
                     where s.show_id = wanted_show
                     union all
                    select f.user_id, false from show_artists b join user_follows_artists f on f.artist_id = b.artist_id
                     where b.show_id = wanted_show) c
             group by c.user_id) fans
      join email_preferences p on p.user_id = fans.user_id and p.confirmed_at is not null and p.frequency <> 'never'
     cross join lateral (
           select case when fans.is_concerned and 'show_reminder' = any (p.kinds) then 'show_reminder'::email_kind
                       when fans.is_following and 'show_announced' = any (p.kinds) then 'show_announced' end as kind) k
     where k.kind is not null
       and not exists (select from email_unsubscribes n
                        where n.address_hash = sha256(convert_to(lower(p.address), 'UTF8')))
       and not exists (select from email_queue q
                        where q.user_id = p.user_id and q.kind in ('show_reminder', 'show_announced')
                          and q.about = 'show:' || wanted_show || ':' || wanted_change)
$$;

revoke execute on function note_show_news, fans_to_tell from public;

-- migrate:down

drop trigger shows_news on shows;
drop function fans_to_tell;
drop function note_show_news;
drop table show_news;
