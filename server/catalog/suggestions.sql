-- Songs that fans suggest for a show.

-- name: song_in_show^
-- takes: show_id, title
-- gives: 0..1 row: the song of a predicted set that has this title, whatever its case and accents
select e.id, g.title
  from setlist_songs e
  join setlists l on l.id = e.setlist_id and l.type = 'predicted'
  join songs g on g.id = e.song_id
 where e.show_id = :show_id::bigint and g.folded = fold(:title::text)
 order by l.position limit 1;

-- name: decision_on_suggestion$
-- takes: show_id, title
-- gives: the decision about this title in this show; null while there is none
select decision_on_suggestion(:show_id::bigint, :title::text)::text;

-- name: own_suggestions
-- takes: show_id, user_id
-- gives: the suggestions of this user, oldest first
select id, title, status::text as status, reason, created_at, decided_at
  from song_suggestions
 where user_id = :user_id::bigint and show_id = :show_id::bigint
 order by id;

-- name: insert_suggestion^
-- takes: show_id, user_id, title, reasons, pending_max
-- gives: the suggestion; none when it exists, or when pending_max suggestions of this user are pending in this show
insert into song_suggestions (show_id, user_id, title, reasons)
select :show_id::bigint, :user_id::bigint, :title::text, :reasons::text[]
 where (select count(*) from song_suggestions
         where user_id = :user_id and show_id = :show_id and status = 'pending') < :pending_max::int
    on conflict do nothing
returning id, title, status::text as status, reason, created_at, decided_at;

-- name: own_suggestion_of_title^
-- takes: show_id, user_id, title
-- gives: 0..1 row
select id, title, status::text as status, reason, created_at, decided_at
  from song_suggestions
 where user_id = :user_id::bigint and show_id = :show_id::bigint and folded = fold(:title::text);

-- name: delete_suggestion$
-- takes: id, show_id, user_id
-- gives: its id; null when this user has no such pending suggestion
-- locks: that row
delete from song_suggestions
 where id = :id::bigint and show_id = :show_id::bigint and user_id = :user_id::bigint and status = 'pending'
returning id;

-- name: pending_suggestions
-- takes: show_id, or null for all shows; after_id, 0 for the first page; count
-- gives: 0..count pending songs, by their oldest suggestion: its id, how many fans suggest the song, the reasons of screening
select s.id, s.show_id, w.name as show_name, s.title, s.created_at,
       (select count(*) from song_suggestions x
         where x.show_id = s.show_id and x.folded = s.folded and x.status = 'pending') as fan_count,
       s.reasons
  from song_suggestions s
  join shows w on w.id = s.show_id
 where s.status = 'pending' and s.id > :after_id::bigint and (:show_id::bigint is null or s.show_id = :show_id)
   and not exists (select from song_suggestions e
                    where e.show_id = s.show_id and e.folded = s.folded and e.status = 'pending' and e.id < s.id)
 order by s.id
 limit :count::bigint;

-- name: suggestion_by_id^
-- takes: id
-- gives: 0..1 row
select id, show_id, title, status::text as status from song_suggestions where id = :id::bigint;

-- name: decide_suggestions$
-- takes: show_id, title, status, reason
-- gives: how many fans' suggestions are decided now
-- locks: those rows
with decided as (
    update song_suggestions
       set status = :status::text::suggestion_status, reason = :reason::text, decided_at = now()
     where show_id = :show_id::bigint and folded = fold(:title::text) and status = 'pending'
 returning 1
)
select count(*) from decided;
