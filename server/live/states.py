"""The state of a channel and its two forms on the wire: whole, and what changed since the last push; pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

Counts = Iterable[tuple[int, int, int]]


class State(Protocol):
    """What a channel shows, as of position `at`."""

    at: int

    def whole(self) -> bytes:
        """The state as JSON."""

    def change(self) -> bytes:
        """What is new since the last call, as the fields of a JSON object without its braces."""

    def whole_fields(self) -> bytes:
        """All of it, as the fields of a JSON object without its braces."""


class TallyState:
    """The counts of a show's songs. Counts are absolute, so a lost or repeated change does no harm."""

    __slots__ = ("_changed", "_counts", "_whole", "at", "total")

    def __init__(self, at: int, total: int, counts: Counts) -> None:
        self.at = at
        self.total = total
        self._counts: dict[int, bytes] = {song: b"[%d,%d,%d]" % (song, up, down) for song, up, down in counts}
        self._changed: set[int] = set()
        self._whole: bytes | None = None

    def apply(self, at: int, total: int, counts: Counts) -> bool:
        """Takes over newer counts of some songs; gives whether anything is new.

        One position may come in several parts, so an equal one is taken and only an older one dropped.
        """
        if at < self.at:
            return False
        is_new = False
        for song, up, down in counts:
            entry = b"[%d,%d,%d]" % (song, up, down)
            if self._counts.get(song) != entry:
                self._counts[song] = entry
                self._changed.add(song)
                is_new = True
        self.at = at
        if is_new or total != self.total:
            self.total = total
            self._whole = None
            return True
        return False

    def replace(self, at: int, total: int, counts: Counts) -> bool:
        """Takes over the counts of all songs, also of songs that are gone; gives whether anything is new."""
        if at < self.at:
            return False
        rows = list(counts)
        gone = self._counts.keys() - {song for song, _, _ in rows}
        for song in gone:
            del self._counts[song]
            self._changed.discard(song)
        self._whole = None
        return self.apply(at, total, rows) or bool(gone)

    def whole_fields(self) -> bytes:
        """The fields `"tally":[[song,up,down],…],"total":n`."""
        if self._whole is None:
            self._whole = b'"tally":[%b],"total":%d' % (b",".join(self._counts.values()), self.total)
        return self._whole

    def whole(self) -> bytes:
        """The object `{"tally":[[song,up,down],…],"total":n}`."""
        return b"{%b}" % self.whole_fields()

    def change(self) -> bytes:
        """The same fields with the songs changed since the last call."""
        changed = b",".join([self._counts[song] for song in self._changed])
        self._changed.clear()
        return b'"tally":[%b],"total":%d' % (changed, self.total)


class DocumentState:
    """A small JSON object that is always sent whole."""

    __slots__ = ("_document", "at")

    def __init__(self, at: int, document: bytes) -> None:
        self.at = at
        self._document = document

    def replace(self, at: int, document: bytes) -> bool:
        """Takes over a newer document; gives whether anything is new."""
        if at < self.at:
            return False
        is_new = document != self._document
        self.at, self._document = at, document
        return is_new

    def whole_fields(self) -> bytes:
        """The document without its braces."""
        return self._document[1:-1]

    def whole(self) -> bytes:
        """The document."""
        return self._document

    def change(self) -> bytes:
        """The document without its braces."""
        return self._document[1:-1]
