"""What a search looks for: rows that have its words, else those closest to what may have been meant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from server.catalog.documents import EntryKind
from server.catalog.parameters import check_word_count
from server.store.queries import load_queries

if TYPE_CHECKING:
    from server.store.database import Connection

queries = load_queries(Path(__file__).with_name("search.sql"))

# What is looked for by likeness: so many words at most; one of them of so many letters, that not too many rows have.
SIMILAR_WORDS_MAX = 4
SIMILAR_LETTERS_MIN = 3
SIMILAR_ROWS_MAX = 1_000
# The same number as the pool's pg_trgm.word_similarity_threshold, which decides what the indexes find.
CLOSENESS_MIN = 0.5


class SearchFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows of one kind are wanted, as the queries take it (search.sql); all None: every row is."""

    words: str | None = None
    like: str | None = None
    similar: list[str] | None = None
    closeness: float | None = None

    def parameters(self) -> dict[str, Any]:
        """The queries' parameters."""
        return msgspec.structs.asdict(self)


async def choose_filters(
    connection: Connection, q: str | None, kinds: Sequence[EntryKind]
) -> dict[EntryKind, SearchFilter]:
    """What to ask of each kind for a search; a kind that is left out has nothing to offer.

    The same question gets the same answer on every page of a list, while the catalogue stands still.

    Raises: Refused: bad_request, too many words
    """
    if q is None:
        return dict.fromkeys(kinds, SearchFilter())
    check_word_count(q)
    found = await queries.kinds_with_words(connection, q=q, kinds=kinds)
    words = found["words"]
    if not words:
        return {}
    wanted = {kind: SearchFilter(words=q) for kind in kinds if found[kind]}
    missing = [kind for kind in kinds if kind not in wanted]
    if missing and len(words) <= SIMILAR_WORDS_MAX:
        like = await queries.choose_similar_word(
            connection, words=words, kinds=missing, letters_min=SIMILAR_LETTERS_MIN, rows_max=SIMILAR_ROWS_MAX
        )
        closest = await queries.best_closeness(connection, words=words, like=like, kinds=missing)
        for kind in missing:
            closeness = closest[kind]
            if closeness is not None and closeness >= CLOSENESS_MIN:
                wanted[kind] = SearchFilter(like=like, similar=words, closeness=closeness)
    return wanted
