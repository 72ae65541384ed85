-- What providers answered.

-- name: fetch_answer^
-- takes: service, asked
-- gives: the answer kept, and whether it is still fresh; none: nobody asked
select body, etag, fresh_until > now() as is_fresh
  from external_cache
 where service = :service::sync_service and asked = :asked;

-- name: put_answer!
-- takes: service, asked, kind, body (null: there is no such thing), etag, ttl_s
insert into external_cache (service, asked, kind, body, etag, fresh_until)
values (:service::sync_service, :asked, :kind, :body, left(:etag, 300), now() + make_interval(secs => :ttl_s))
    on conflict (service, asked) do update
   set kind = excluded.kind, body = excluded.body, etag = excluded.etag, fetched_at = now(),
       fresh_until = excluded.fresh_until;

-- name: renew_answer!
-- takes: service, asked, ttl_s
-- The provider says that nothing has changed.
update external_cache
   set fetched_at = now(), fresh_until = now() + make_interval(secs => :ttl_s)
 where service = :service::sync_service and asked = :asked;
