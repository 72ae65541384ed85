-- migrate:up

-- Names are kept folded, so that a search for something misspelt folds nothing but what was asked for.
--
-- fold() rests on a dictionary, which PostgreSQL calls stable, so it is never put in the place of its call: each row that
-- might be meant paid for a function of its own, twice a search and planned each time under a request's settings.

set local lock_timeout = '1s';  -- votes wait behind us; the start tries again

-- Nobody commits votes from here on. Whoever does takes log_positions first, so they hold none of these tables now.
lock table log_positions in exclusive mode;

drop index artists_similar_idx, songs_similar_idx, venues_similar_idx;
alter table artists add column folded text not null generated always as (fold(name)) stored;
alter table songs   add column folded text not null generated always as (fold(title)) stored;
alter table venues  add column folded text not null generated always as (fold(name || ' ' || city)) stored;
create index artists_similar_idx on artists using gin (folded gin_trgm_ops) with (fastupdate = off);
create index songs_similar_idx   on songs   using gin (folded gin_trgm_ops) with (fastupdate = off);
create index venues_similar_idx  on venues  using gin (folded gin_trgm_ops) with (fastupdate = off);

-- As for the expressions before: to plan a search is to compare with every value of the statistics.
alter table artists alter column folded set statistics 10;
alter table songs   alter column folded set statistics 10;
alter table venues  alter column folded set statistics 10;

-- takes: a folded name; one to four folded words
-- gives: how close the name is to them, 0.3 to 1: the mean of each word's likeness; null: one of them is not in it at all
-- One expression without a query in it, and not strict, so that PostgreSQL puts it in the place of its call.
create or replace function closeness(folded text, words text[]) returns float8 language sql immutable parallel safe
return case when least(public.word_similarity(words[1], folded), public.word_similarity(words[2], folded),
                       public.word_similarity(words[3], folded), public.word_similarity(words[4], folded)) >= 0.3
            then (public.word_similarity(words[1], folded)
                  + coalesce(public.word_similarity(words[2], folded), 0)
                  + coalesce(public.word_similarity(words[3], folded), 0)
                  + coalesce(public.word_similarity(words[4], folded), 0))::float8 / cardinality(words) end;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

create or replace function closeness(folded text, words text[]) returns float8 language sql immutable strict parallel safe
return (select case when min(w.similarity) >= 0.3 then avg(w.similarity) end
          from (select public.word_similarity(word, folded) as similarity from unnest(words) as u (word)) w);

alter table artists drop column folded;
alter table songs drop column folded;
alter table venues drop column folded;
create index artists_similar_idx on artists using gin (fold(name) gin_trgm_ops) with (fastupdate = off);
create index songs_similar_idx   on songs   using gin (fold(title) gin_trgm_ops) with (fastupdate = off);
create index venues_similar_idx  on venues  using gin (fold(name || ' ' || city) gin_trgm_ops) with (fastupdate = off);
alter index artists_similar_idx alter column 1 set statistics 10;
alter index songs_similar_idx   alter column 1 set statistics 10;
alter index venues_similar_idx  alter column 1 set statistics 10;
