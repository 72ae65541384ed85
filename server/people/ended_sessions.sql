-- The sessions that were ended before they expired. Every node reads the newest ones once a second.

-- name: ended_sessions^
-- takes: within_s: only sessions that ended within these seconds; null: all; count
-- gives: 1 row: session_ids, and user_ids of users whose tokens without a session have ended. When there are more than count, it
--        leaves out the sessions of fans that ended first
select coalesce(array_agg(s.id) filter (where s.kind <> 'unlisted'), '{}') as session_ids,
       coalesce(array_agg(s.user_id) filter (where s.kind = 'unlisted'), '{}') as user_ids
  from (select id, user_id, kind
          from sessions
         where ended_at is not null and expires_at > now()
           and (:within_s::float8 is null or ended_at > now() - make_interval(secs => :within_s))
         order by kind = 'fan', ended_at desc
         limit :count::bigint) s;
