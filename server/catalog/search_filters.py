"""Decides for a search which rows match: rows with all of its words, or else the rows most similar to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from server.catalog.documents import EntryKind
from server.catalog.parameters import check_word_count
from server.catalog.queries import search as queries

if TYPE_CHECKING:
    from server.store.database import Connection

# A search by similarity has at most so many words. One of them has at least so many letters, and few rows have it.
SIMILAR_WORDS_MAX = 4
SIMILAR_LETTERS_MIN = 3
SIMILAR_ROWS_MAX = 1_000
SIMILAR_TRIES_MAX = 2
# The same number as the pool's pg_trgm.word_similarity_threshold, which decides what the indexes find.
CLOSENESS_MIN = 0.5


class SearchFilter(msgspec.Struct, frozen=True, kw_only=True):
    """The condition on rows of one kind, as the queries take it (search.sql); all None means every row."""

    words: str | None = None
    like: str | None = None
    similar: list[str] | None = None
    closeness: float | None = None

    def parameters(self) -> dict[str, Any]:
        """The parameters of the queries."""
        return msgspec.structs.asdict(self)


async def choose_filters(
    connection: Connection, q: str | None, kinds: Sequence[EntryKind]
) -> dict[EntryKind, SearchFilter]:
    """The filter for each kind that has a match; a kind without one is left out.

    The filters of a search are the same on every page of a list, as long as the catalogue does not change.

    Raises: Refused: bad_request, too many words
    """
    if q is None:
        return dict.fromkeys(kinds, SearchFilter())
    check_word_count(q)
    found = await queries.kinds_with_words(connection, q=q, kinds=kinds)
    words = found["words"]
    if not words:
        return {}
    filters = {kind: SearchFilter(words=q) for kind in kinds if found[kind]}
    missing = [kind for kind in kinds if kind not in filters]
    if not missing or len(words) > SIMILAR_WORDS_MAX:
        return filters
    likes = queries.choose_similar_words(
        connection,
        words=words,
        kinds=missing,
        letters_min=SIMILAR_LETTERS_MIN,
        rows_max=SIMILAR_ROWS_MAX,
        count=SIMILAR_TRIES_MAX,
    )
    for like in [row["word"] async for row in likes]:
        # One letter less is too much of a short word, as in "perl jam": then the other word finds the rows.
        left = [kind for kind in missing if kind not in filters]
        if not left:
            break
        closest = await queries.best_closeness(connection, words=words, like=like, kinds=left)
        for kind in left:
            closeness = closest[kind]
            if closeness is not None and closeness >= CLOSENESS_MIN:
                filters[kind] = SearchFilter(like=like, similar=words, closeness=closeness)
    return filters
