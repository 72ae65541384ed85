-- migrate:up
-- The accuracy of a show has its standard name, R-precision, and a simple way of predicting to compare it with.

set local lock_timeout = '1s';

alter table show_accuracy
    add column r_precision float8 not null generated always as (hits / greatest(predicted, played)::float8) stored,
    add column last_show_hits integer check (last_show_hits between 0 and played);
comment on column show_accuracy.last_show_hits is
    'Played songs among as many first songs of the artist''s show before; null: that setlist is unknown.';

-- takes: a show
-- gives: its accuracy, rounded, as JSON; null: it has none. baseline: the R-precision of the setlist of the show before
create or replace function accuracy_of(wanted bigint) returns json language sql stable parallel safe
return (select json_build_object('r_precision', round(a.r_precision::numeric, 4),
                                 'baseline', round(a.last_show_hits::numeric / a.played, 4),
                                 'precision', round(a.precision::numeric, 4), 'recall', round(a.recall::numeric, 4),
                                 'rank_correlation', round(a.rank_correlation::numeric, 4),
                                 'hits', a.hits, 'played', a.played, 'predicted', a.predicted)
          from show_accuracy a where a.show_id = wanted);

-- migrate:down

set local lock_timeout = '1s';

create or replace function accuracy_of(wanted bigint) returns json language sql stable parallel safe
return (select json_build_object('precision', round(a.precision::numeric, 4), 'recall', round(a.recall::numeric, 4),
                                 'rank_correlation', round(a.rank_correlation::numeric, 4),
                                 'hits', a.hits, 'played', a.played, 'predicted', a.predicted)
          from show_accuracy a where a.show_id = wanted);

alter table show_accuracy drop column r_precision, drop column last_show_hits;
