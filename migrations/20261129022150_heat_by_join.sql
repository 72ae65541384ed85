-- migrate:up
-- Which votes are set aside is asked once for all votes of a statement, not by a call for each vote.

set local lock_timeout = '1s';

-- takes: shows; gives: the heat of each show with votes that are not set aside, from the rows
-- This function and move_heat() are the two that say which votes count.
create or replace function heats_of_shows(show_ids bigint[]) returns table (show_id bigint, heat float8) language sql stable as $$
    select s.show_id, sum_of_heats(array_agg(trending_heat(v.cast_at)))
      from setlist_songs s join votes v on v.setlist_song_id = s.id
     where s.show_id = any(show_ids)
       and not exists (select from vote_group_members m
                        where m.show_id = v.show_id and m.user_id = v.user_id and m.is_set_aside)
     group by s.show_id
$$;

-- Adds the heat of changed votes to their shows, or takes it away. takes: 1 or -1
create or replace function move_heat() returns trigger language plpgsql as $$
declare
    newest float8; show_ids bigint[]; heats float8[];
begin
    select trending_heat(max(cast_at)) into newest from changed;
    if newest is null then
        return null;
    end if;
    -- As sum_of_heats(), which costs more for each show.
    select array_agg(c.show_id), array_agg(c.heat) into show_ids, heats
      from (select show_id, newest + ln(sum(power(2.0::float8, greatest(trending_heat(cast_at) - newest, -1000))))
                                     / ln(2.0::float8) as heat
              from changed v
             where not exists (select from vote_group_members m
                                where m.show_id = v.show_id and m.user_id = v.user_id and m.is_set_aside)
             group by show_id order by show_id) c;
    if show_ids is not null then
        perform shift_heat(show_ids, heats, tg_argv[0]::integer);
    end if;
    return null;
end $$;

drop function ballot_counts;

-- migrate:down

set local lock_timeout = '1s';

create function ballot_counts(of_show bigint, of_user bigint) returns boolean language sql stable parallel safe
return not exists (select from vote_group_members m where m.show_id = of_show and m.user_id = of_user and m.is_set_aside);

create or replace function heats_of_shows(show_ids bigint[]) returns table (show_id bigint, heat float8) language sql stable as $$
    select s.show_id, sum_of_heats(array_agg(trending_heat(v.cast_at)))
      from setlist_songs s join votes v on v.setlist_song_id = s.id
     where s.show_id = any(show_ids) and ballot_counts(v.show_id, v.user_id)
     group by s.show_id
$$;

create or replace function move_heat() returns trigger language plpgsql as $$
declare
    newest float8; show_ids bigint[]; heats float8[];
begin
    select trending_heat(max(cast_at)) into newest from changed;
    if newest is null then
        return null;
    end if;
    -- As sum_of_heats(), which costs more for each show.
    select array_agg(c.show_id), array_agg(c.heat) into show_ids, heats
      from (select show_id, newest + ln(sum(power(2.0::float8, greatest(trending_heat(cast_at) - newest, -1000))))
                                     / ln(2.0::float8) as heat
              from changed where ballot_counts(show_id, user_id) group by show_id order by show_id) c;
    if show_ids is not null then
        perform shift_heat(show_ids, heats, tg_argv[0]::integer);
    end if;
    return null;
end $$;
