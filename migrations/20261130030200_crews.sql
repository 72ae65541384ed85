-- migrate:up
-- A crew is a group of fans with a leaderboard of their own; who knows its code may join (docs/game.md).

create table crews (
    id         bigint generated always as identity primary key,
    code       text not null constraint crews_code_key unique check (code ~ '^[A-Za-z0-9_-]{16}$'),
    name       text not null check (char_length(name) between 1 and 60),
    created_at timestamptz not null default now()
);
comment on table crews is 'Fans who compare their points among themselves. It is deleted with its last member.';
comment on column crews.code is 'A part of the link by which fans join.';

create table crew_members (
    crew_id   bigint not null references crews (id) on delete cascade,
    user_id   bigint not null references users (id) on delete cascade,
    joined_at timestamptz not null default now(),
    constraint crew_members_pkey primary key (crew_id, user_id)
);
comment on table crew_members is 'A fan is in a crew.';
create index crew_members_user_id_idx on crew_members (user_id, joined_at desc);

alter table crews enable row level security;
create policy crews_own on crews for select to mysetlist_request
    using (exists (select from crew_members m where m.crew_id = id and m.user_id = (select app_user_id())));
grant select on crews to mysetlist_request;
alter table crew_members enable row level security;
create policy crew_members_own on crew_members for select to mysetlist_request using (user_id = (select app_user_id()));
grant select on crew_members to mysetlist_request;

-- The name of a crew is what its last member leaves behind.
create function drop_empty_crews() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
    -- A fan who joins at this moment keeps the crew: this waits for nobody.
    delete from crews
     where id in (select c.id from crews c
                   where c.id in (select crew_id from changed)
                     and not exists (select from crew_members m where m.crew_id = c.id)
                     for update skip locked);
    return null;
end $$;
create trigger crew_members_drop_empty after delete on crew_members referencing old table as changed
    for each statement execute function drop_empty_crews();

-- takes: a code that nobody has; how many crews a fan may be in
-- gives: whether the crew was made, with the current user as its first member; false: the user is in as many crews as may be
create function make_crew(wanted_code text, wanted_name text, crews_max integer) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    made_id bigint;
begin
    if (select count(*) from crew_members where user_id = app_user_id()) >= crews_max then
        return false;
    end if;
    insert into crews (code, name) values (wanted_code, wanted_name) returning id into made_id;
    insert into crew_members (crew_id, user_id) values (made_id, app_user_id());
    return true;
end $$;

-- gives: "joined", also for a member; "full", the crew has members_max; "many", the user is in crews_max crews; null: no such crew
create function join_crew(wanted_code text, members_max integer, crews_max integer) returns text
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    found_id bigint;
begin
    select id into found_id from crews where code = wanted_code for update;
    if found_id is null then
        return null;
    end if;
    if exists (select from crew_members where crew_id = found_id and user_id = app_user_id()) then
        return 'joined';
    end if;
    if (select count(*) from crew_members where crew_id = found_id) >= members_max then
        return 'full';
    end if;
    if (select count(*) from crew_members where user_id = app_user_id()) >= crews_max then
        return 'many';
    end if;
    insert into crew_members (crew_id, user_id) values (found_id, app_user_id());
    return 'joined';
end $$;

create function leave_crew(wanted_code text) returns void
language sql security definer set search_path = public, pg_temp as $$
    delete from crew_members
     where user_id = app_user_id() and crew_id = (select id from crews where code = wanted_code)
$$;

-- gives: 0..1 row: what an invitation shows to whoever has the link
create function show_crew(wanted_code text) returns table (name text, member_count bigint, is_member boolean)
language sql stable security definer set search_path = public, pg_temp as $$
    select c.name, (select count(*) from crew_members m where m.crew_id = c.id),
           exists (select from crew_members m where m.crew_id = c.id and m.user_id = app_user_id())
      from crews c where c.code = wanted_code
$$;

-- gives: the members of a crew with the sum of their final points, the best first; nothing to who is no member
create function crew_standings(wanted_code text)
returns table (user_id bigint, points bigint, show_count bigint, rank bigint, display_name text)
language sql stable security definer set search_path = public, pg_temp as $$
    with member as materialized (
        select m.user_id
          from crews c join crew_members m on m.crew_id = c.id
         where c.code = wanted_code
           and exists (select from crew_members o where o.crew_id = c.id and o.user_id = app_user_id())
    ), summed as materialized (
        select m.user_id, coalesce(sum(s.points), 0)::bigint as points, count(s.user_id) as show_count
          from member m
          left join standings s on s.user_id = m.user_id and s.board = 'show'
         group by m.user_id
    )
    select s.user_id, s.points, s.show_count, rank() over (order by s.points desc), n.display_name
      from summed s
      left join public_names((select array_agg(user_id) from member)) n on n.user_id = s.user_id
     order by s.points desc, s.user_id
$$;

revoke execute on function make_crew, join_crew, leave_crew, show_crew, crew_standings from public;
grant execute on function make_crew, join_crew, leave_crew, show_crew, crew_standings to mysetlist_request;

-- migrate:down

drop function make_crew, join_crew, leave_crew, show_crew, crew_standings;
drop table crew_members, crews;
drop function drop_empty_crews;
