"""The state of a channel and its two forms on the wire: whole, and what changed since the last push; pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Protocol, Self

from server.protocol.channels import ACTIVITY_EVENTS_MAX
from server.protocol.embargo import OPEN, Embargo
from server.protocol.positions import SEQ_BITS, SEQ_MAX

Counts = Sequence[tuple[int, int, int]]


class State(Protocol):
    """What a channel shows, as of position `at`, and whom it shows that to."""

    at: int
    embargo: Embargo

    def take(self, newer: Self) -> bool:
        """Takes over the state of the same channel, read anew; gives whether anything is new."""

    def whole(self) -> bytes:
        """The state as JSON, for somebody who joins."""

    def change(self) -> bytes:
        """What is new since the last call, as the fields of a JSON object without its braces."""

    def whole_fields(self) -> bytes:
        """All of it, as the fields of a JSON object without its braces, for somebody who missed a push."""


class TallyState:
    """The counts of a show's songs. Counts are absolute, so a lost or repeated change does no harm."""

    __slots__ = ("_changed", "_counts", "_whole", "at", "embargo", "total")

    def __init__(self, at: int, total: int, counts: Counts, embargo: Embargo = OPEN) -> None:
        self.at = at
        self.embargo = embargo
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
        return self.take(TallyState(at, total, counts))

    def take(self, newer: TallyState) -> bool:
        """The same, of another state."""
        if newer.at < self.at:
            return False
        known, self._counts = self._counts, newer._counts
        changed = {song for song, entry in self._counts.items() if known.get(song) != entry}
        is_new = bool(changed or known.keys() - self._counts.keys() or newer.total != self.total)
        self._changed = (self._changed & self._counts.keys()) | changed
        self.at, self.total, self._whole = newer.at, newer.total, None
        return is_new

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

    __slots__ = ("_document", "at", "embargo")

    def __init__(self, at: int, document: bytes, embargo: Embargo = OPEN) -> None:
        self.at = at
        self.embargo = embargo
        self._document = document

    def replace(self, at: int, document: bytes) -> bool:
        """Takes over a newer document; gives whether anything is new."""
        if at < self.at:
            return False
        is_new = document != self._document
        self.at, self._document = at, document
        return is_new

    def take(self, newer: DocumentState) -> bool:
        """The same, of another state."""
        return self.replace(newer.at, newer._document)

    def whole_fields(self) -> bytes:
        """The document without its braces."""
        return self._document[1:-1]

    def whole(self) -> bytes:
        """The document."""
        return self._document

    def change(self) -> bytes:
        """The document without its braces."""
        return self._document[1:-1]


class SongState(DocumentState):
    """The counts of one thing to vote on. show_id: whose votes move them."""

    __slots__ = ("show_id",)

    def __init__(self, at: int, show_id: int, up: int, down: int, embargo: Embargo = OPEN) -> None:
        super().__init__(at, song_document(up, down), embargo)
        self.show_id = show_id


def song_document(up: int, down: int) -> bytes:
    """What `song:` shows."""
    return b'{"up":%d,"down":%d}' % (up, down)


def followers_document(followers: int) -> bytes:
    """What `followers:` shows."""
    return b'{"followers":%d}' % followers


class AttendanceState:
    """Who goes to a show, by its shard's log, and how many watch it, by the clock of presence.

    Two sources on one scale of positions: what is older than the last word of its own source is dropped, and the
    channel's position grows with either. Every node hears them in an order of its own, so the last bits of a position
    are made of the counts: whoever comes from another node with the same position has seen the same.
    """

    __slots__ = ("_going", "_going_at", "_watching", "_watching_at", "at", "embargo")

    def __init__(self, going_at: int, going: int, watching_at: int, watching: int) -> None:
        self._going_at, self._going = going_at, going
        self._watching_at, self._watching = watching_at, watching
        self.at = self._position_after(max(going_at, watching_at))
        self.embargo = OPEN

    def apply_going(self, at: int, going: int) -> bool:
        """Takes over a newer count of who goes; gives whether it is another."""
        if at < self._going_at:
            return False
        is_new = going != self._going
        self._going_at, self._going = at, going
        return self._move(at, is_new=is_new)

    def apply_watching(self, at: int, watching: int) -> bool:
        """Takes over a newer count of who watches; gives whether it is another."""
        if at < self._watching_at:
            return False
        is_new = watching != self._watching
        self._watching_at, self._watching = at, watching
        return self._move(at, is_new=is_new)

    def take(self, newer: AttendanceState) -> bool:
        """Takes over both."""
        is_other_going = self.apply_going(newer._going_at, newer._going)
        is_other_watching = self.apply_watching(newer._watching_at, newer._watching)
        if newer.at > self.at:
            self.at = self._position_after(newer.at)
        return is_other_going or is_other_watching

    def _move(self, at: int, *, is_new: bool) -> bool:
        # What is new must come after what was shown, though its own source may be a little behind the other one.
        if is_new:
            self.at = self._position_after(max(self.at, at))
        return is_new

    def _position_after(self, at: int) -> int:
        # Counts that two nodes show in the same millisecond differ by a few, which never come to the same bits.
        return ((at >> SEQ_BITS) + 1) << SEQ_BITS | (31 * self._going + self._watching) & SEQ_MAX

    def whole_fields(self) -> bytes:
        """The fields `"going":n,"watching":n`."""
        return b'"going":%d,"watching":%d' % (self._going, self._watching)

    def whole(self) -> bytes:
        """The object `{"going":n,"watching":n}`."""
        return b"{%b}" % self.whole_fields()

    def change(self) -> bytes:
        """Both counts: they are too small to be sent apart."""
        return self.whole_fields()


Event = tuple[int, bytes]  # its position and its JSON


class ActivityState:
    """The last events. Takes: at, the position of the newest one there is; events, oldest first."""

    __slots__ = ("_has_gap", "_kept", "_new", "at", "embargo")

    def __init__(self, at: int, events: Iterable[Event]) -> None:
        self.at = at
        self.embargo = OPEN
        self._kept: deque[Event] = deque(events, ACTIVITY_EVENTS_MAX)
        self._new: list[Event] = []
        self._has_gap = False

    def apply(self, event: Event, previous_at: int) -> bool:
        """Takes over the next event; gives whether it did: not what is known, nor what others before it are missing of.

        Takes: previous_at, the position of the event before it
        """
        at, _ = event
        if at <= self.at or previous_at > self.at:
            return False
        self._kept.append(event)
        self._new.append(event)
        self.at = at
        return True

    def replace(self, at: int, events: Iterable[Event]) -> bool:
        """Takes over the last events, read anew; gives whether there are new ones."""
        newer = [event for event in events if event[0] > self.at]
        # As many as are kept, and all new: there may have been more, which nobody will be told.
        self._has_gap = self._has_gap or len(newer) >= ACTIVITY_EVENTS_MAX
        self._kept.extend(newer)
        self._new.extend(newer)
        self.at = max(self.at, at)
        return bool(newer)

    def take(self, newer: ActivityState) -> bool:
        """The same, of another state."""
        return self.replace(newer.at, newer._kept)

    def whole_fields(self) -> bytes:
        """All that is kept, for somebody who has missed pushes: `"gap":true` says that more may be missing."""
        return b'"events":[%b],"gap":true' % b",".join([event for _, event in self._kept])

    def whole(self) -> bytes:
        """The object `{"events":[…]}`, oldest first."""
        return b'{"events":[%b]}' % b",".join([event for _, event in self._kept])

    def change(self) -> bytes:
        """What came since the last call; all that is kept, and the gap, when there was more than that."""
        new, self._new = self._new, []
        has_gap, self._has_gap = self._has_gap or len(new) > ACTIVITY_EVENTS_MAX, False
        return self.whole_fields() if has_gap else b'"events":[%b]' % b",".join([event for _, event in new])
