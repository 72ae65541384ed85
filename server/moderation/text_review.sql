-- Puts a text that an author wrote into the queue of the moderators, or takes it out. The queries run with the rights of the
-- author.

-- name: leave_queue
-- takes: review bigint or null, profile bigint or null; exactly one is given
-- locks: the row of content_moderation that is deleted
select leave_queue(:review::bigint, :profile::bigint);

-- name: enter_queue!
-- takes: review bigint or null, profile bigint or null; exactly one is given; priority, reasons text[]
insert into content_moderation (review_id, profile_id, priority, reasons)
values (:review::bigint, :profile::bigint, :priority::text::priority_level, :reasons::text[]);
