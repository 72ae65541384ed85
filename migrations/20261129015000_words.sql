-- migrate:up
-- Names are compared in Unicode's composed form, and only accents of Latin, Greek and Cyrillic are folded. A word keeps
-- all marks of its letters: the text parser of PostgreSQL ends a word at a vowel sign, so that दिल and दाल were one.

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

-- takes: a name as people write it
-- gives: the form in which names are compared: lower case, no accents, no apostrophes ("Don't" becomes "dont"),
--        $ as s ("A$AP" becomes "asap"), other punctuation and spaces as one space ("AC/DC" becomes "ac dc")
-- Apostrophes and invisible characters go first, because the compatible form (NFKC) makes a space of some.
-- unaccent knows accents of Latin and Greek, Ё, and the loose marks U+0300 to U+036F.
-- The schema is named, because pg_restore evaluates this function with an empty search_path.
create or replace function fold(words text) returns text language sql immutable strict parallel safe
return btrim(regexp_replace(
    translate(lower(public.unaccent('public.unaccent'::regdictionary, normalize(translate(words,
        E'''`´‘’‛ʹʻʼʽ′＇\u00ad\u034f\u200b\u200c\u200d\u200e\u200f\u2060\ufe0e\ufe0f\ufeff', ''), NFKC))), '$ς''`', 'sσ'),
    E'[-\\s/\\\\|_.,:;!?¡¿()\\[\\]{}<>&+*#@%=^~"“”„«»‹›‚‐‑‒–—―−…·•‧・｡。､、「」『』【】〈〉《》〔〕〜،؛؟۔।॥־׳״՝՞՛՚†‡§¶©®™°]+', ' ', 'g'));

-- gives: the folded words for full-text search
create or replace function words_of(words text) returns tsvector language sql immutable strict parallel safe
return array_to_tsvector(array(select left(word, 500) from unnest(string_to_array(public.fold(words), ' ')) as w (word)
                                where word <> ''));

-- Titles that are one now: the decided suggestion stays, else the first one.
delete from song_suggestions s
 using song_suggestions o
 where o.user_id = s.user_id and o.show_id = s.show_id and o.id <> s.id and fold(o.title) = fold(s.title)
   and (o.status = 'pending', o.id) < (s.status = 'pending', s.id);

-- The words that are stored are made again, without the triggers that follow a change by a person.
alter table artists disable trigger user;
alter table venues disable trigger user;
alter table songs disable trigger user;
alter table shows disable trigger user;
alter table song_suggestions disable trigger user;
update artists set name = name where (folded, search) is distinct from (fold(name), words_of(name));
update venues set name = name
 where (folded, search) is distinct from (fold(name || ' ' || city), words_of(name || ' ' || city || ' ' || region));
update songs set title = title where (folded, search) is distinct from (fold(title), words_of(title));
update song_suggestions set title = title where folded <> fold(title);
select refresh_show_words(array_agg(id)) from shows;
update shows set search = words_of(search_text) where search <> words_of(search_text);
alter table artists enable trigger user;
alter table venues enable trigger user;
alter table songs enable trigger user;
alter table shows enable trigger user;
alter table song_suggestions enable trigger user;
reindex index user_profiles_similar_idx;

-- migrate:down

set local lock_timeout = '1s';
lock table log_positions in exclusive mode;

create or replace function fold(words text) returns text language sql immutable strict parallel safe
return translate(lower(public.unaccent('public.unaccent'::regdictionary, words)),
                 '$/\|-_.,:;!?¡¿()[]{}<>&+*#@%=^~"“”„«»–—…·•`´''’‘', 's' || repeat(' ', 41));

create or replace function words_of(words text) returns tsvector language sql immutable strict parallel safe
return to_tsvector('pg_catalog.simple'::regconfig, public.fold(words));

delete from song_suggestions s
 using song_suggestions o
 where o.user_id = s.user_id and o.show_id = s.show_id and o.id <> s.id and fold(o.title) = fold(s.title)
   and (o.status = 'pending', o.id) < (s.status = 'pending', s.id);

alter table artists disable trigger user;
alter table venues disable trigger user;
alter table songs disable trigger user;
alter table shows disable trigger user;
alter table song_suggestions disable trigger user;
update artists set name = name where (folded, search) is distinct from (fold(name), words_of(name));
update venues set name = name
 where (folded, search) is distinct from (fold(name || ' ' || city), words_of(name || ' ' || city || ' ' || region));
update songs set title = title where (folded, search) is distinct from (fold(title), words_of(title));
update song_suggestions set title = title where folded <> fold(title);
select refresh_show_words(array_agg(id)) from shows;
update shows set search = words_of(search_text) where search <> words_of(search_text);
alter table artists enable trigger user;
alter table venues enable trigger user;
alter table songs enable trigger user;
alter table shows enable trigger user;
alter table song_suggestions enable trigger user;
reindex index user_profiles_similar_idx;
