-- Counts in a table that a trigger of each row keeps: the design that most tutorials for votes end in.
create table songs (
    id bigint primary key,
    up bigint not null default 0,
    down bigint not null default 0
);

create table votes (
    user_id bigint not null,
    song_id bigint not null references songs,
    choice text not null check (choice in ('up', 'down')),
    primary key (user_id, song_id)
);

create function count_vote() returns trigger language plpgsql as $$
begin
    if tg_op <> 'INSERT' then
        update songs set up = up - (old.choice = 'up')::int, down = down - (old.choice = 'down')::int where id = old.song_id;
    end if;
    if tg_op <> 'DELETE' then
        update songs set up = up + (new.choice = 'up')::int, down = down + (new.choice = 'down')::int where id = new.song_id;
    end if;
    return null;
end $$;

create trigger votes_count after insert or update or delete on votes for each row execute function count_vote();
