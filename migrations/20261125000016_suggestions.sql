-- migrate:up

-- Songs that fans miss in a show's sets; a moderator decides, and all who said the same are decided at once.

create type suggestion_status as enum ('pending', 'approved', 'declined');

-- One row is one fan's wish. However a title is written, it is one song: `folded`.
create table song_suggestions (
    id         bigint generated always as identity primary key,
    show_id    bigint            not null references shows (id) on delete cascade,
    user_id    bigint            not null references users (id) on delete cascade,
    title      text              not null check (char_length(title) between 1 and 200),
    folded     text              not null generated always as (fold(title)) stored,
    status     suggestion_status not null default 'pending',
    reasons    text[]            not null default '{}',  -- why a moderator should look twice (people/screening.py)
    reason     text              not null default '' check (char_length(reason) <= 500),
    created_at timestamptz       not null default now(),
    decided_at timestamptz,
    constraint song_suggestions_once unique (user_id, show_id, folded),
    constraint song_suggestions_decided check ((status = 'pending') = (decided_at is null))
);

create index song_suggestions_show_idx on song_suggestions (show_id, folded);
create index song_suggestions_pending_idx on song_suggestions (id) where status = 'pending';

alter table song_suggestions enable row level security;
grant select, insert, delete on song_suggestions to mysetlist_request;
create policy song_suggestions_read on song_suggestions for select to mysetlist_request
    using (user_id = (select app_user_id()) or (select app_is_staff()));
create policy song_suggestions_own on song_suggestions for insert to mysetlist_request
    with check (user_id = (select app_user_id()) and status = 'pending');
create policy song_suggestions_withdraw on song_suggestions for delete to mysetlist_request
    using (user_id = (select app_user_id()) and status = 'pending');

-- takes: a show, a title; gives: what was decided about it last, whoever suggested it; null: nothing yet
-- Others' wishes are hidden from a fan, what became of them is not.
create function decision_on_suggestion(wanted_show bigint, wanted_title text) returns suggestion_status
language sql stable security definer set search_path = public, pg_temp as $$
    select status from song_suggestions
     where show_id = wanted_show and folded = fold(wanted_title) and status <> 'pending'
     order by decided_at desc limit 1
$$;
revoke execute on function decision_on_suggestion from public;
grant execute on function decision_on_suggestion to mysetlist_request;

-- migrate:down

drop function decision_on_suggestion;
drop table song_suggestions;
drop type suggestion_status;
