-- The chain of hashes over the audit log (docs/adr/0048).

-- name: chain_acts$
-- takes: most: the number of entries that it takes at once
-- gives: 1 row: how many entries got their place in the chain
-- locks: the chain (mysetlist.audit_chain) and those rows of acts_to_chain, until the transaction ends
select chain_acts(:most::int);

-- name: head^
-- gives: 0..1 row: the end of the chain
select position, encode(hash, 'hex') as hash from audit_chain order by position desc limit 1;

-- name: links
-- takes: after_position; count
-- gives: 0..count rows: a place in the chain with its entry, which is null when the entry is missing. `about` is null when an
--        erasure has removed it; `is_blank`: the erasure has left nothing else in its place
select c.position, c.entry_id, c.about_hash, c.hash,
       case when l.id is not null then audit_entry_text(l) end as entry,
       case when l.salt is not null then audit_about_text(l) end as about,
       coalesce(l.subject = 'user:0' and l.detail = '{}', false) as is_blank
  from audit_chain c left join audit_log l on l.id = c.entry_id
 where c.position > :after_position
 order by c.position
 limit :count::bigint;

-- name: strays
-- takes: count
-- gives: 0..count rows: entries that are not in the chain and do not wait for it, and waiting entries that are missing
select coalesce(l.id, t.entry_id) as entry_id, l.id is null as is_missing
  from audit_log l
  full join acts_to_chain t on t.entry_id = l.id
 where l.id is null
    or (t.entry_id is null and not exists (select from audit_chain c where c.entry_id = l.id))
 order by 1
 limit :count::bigint;
