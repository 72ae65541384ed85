"""The state of a channel and its two forms on the wire: whole, and what changed since the last push; pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Protocol, Self

from server.protocol.channels import ACTIVITY_EVENTS_MAX
from server.protocol.embargo import OPEN, Audience, Embargo
from server.protocol.positions import SEQ_BITS, SEQ_MAX

Counts = Sequence[tuple[int, int, int]]


class State(Protocol):
    """The content of a channel as of position `at`, and its audience."""

    at: int
    embargo: Embargo

    def take(self, newer: Self) -> bool:
        """Takes over a newer state of the same channel; gives whether anything is new."""

    def whole(self) -> bytes:
        """The state as JSON, for a subscriber that joins."""

    def change(self) -> bytes:
        """The changes since the last call, as the fields of a JSON object without its braces."""

    def whole_fields(self) -> bytes:
        """The whole state as the fields of a JSON object without its braces, for a subscriber that missed a push."""


class TallyState:
    """The counts of a show's songs. Counts are absolute, so a lost or repeated change does no harm."""

    __slots__ = ("_changed", "_counts", "_whole", "at", "embargo", "missed_at", "total", "without_log")

    def __init__(
        self, at: int, total: int, counts: Counts, embargo: Embargo = OPEN, *, without_log: bool = False
    ) -> None:
        """Takes: without_log: Valkey was away when the counts were read, and its log may have newer ones."""
        self.at = at
        self.embargo = embargo
        self.without_log = without_log
        self.missed_at = 0  # the position of the last change that could not be applied
        self.total = total
        self._counts: dict[int, bytes] = {song: b"[%d,%d,%d]" % (song, up, down) for song, up, down in counts}
        self._changed: set[int] = set()
        self._whole: bytes | None = None

    @property
    def is_behind(self) -> bool:
        """Whether a change before a later one is missing, so that the counts must be read again."""
        return self.missed_at > self.at

    def apply(self, after: int, at: int, total: int, counts: Counts) -> bool:
        """Takes over newer counts of some songs, whole; gives whether anything is new.

        Takes: after, the position of the show's change before this one. A state that is older lacks that change: it
               stays as it is, and is behind until it is replaced
        """
        if at <= self.at:
            return False
        if after > self.at:
            self.missed_at = max(self.missed_at, at)
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
        """Takes over the counts of all songs and drops songs that are gone; gives whether anything is new."""
        return self.take(TallyState(at, total, counts))

    def take(self, newer: TallyState) -> bool:
        """`replace`, with the counts of another state.

        Other counts at the same position are those of other songs. They must wait for a position of their own: the state is
        behind until then.
        """
        if newer.at <= self.at:
            if newer.at == self.at and (newer._counts != self._counts or newer.total != self.total):
                self.missed_at = self.at + 1
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
        """The same fields, with the songs that changed since the last call."""
        changed = b",".join([self._counts[song] for song in self._changed])
        self._changed.clear()
        return b'"tally":[%b],"total":%d' % (changed, self.total)


class DocumentState:
    """A small JSON object that is always sent as a whole."""

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
        """`replace`, with the document of another state."""
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
    """The counts of one setlist song. show_id: the show whose votes change them; without_log: as in TallyState."""

    __slots__ = ("show_id", "without_log")

    def __init__(
        self, at: int, show_id: int, up: int, down: int, embargo: Embargo = OPEN, *, without_log: bool = False
    ) -> None:
        super().__init__(at, song_document(up, down), embargo)
        self.show_id = show_id
        self.without_log = without_log


class OverviewState(DocumentState):
    """The page Now of the console. For administrators."""

    __slots__ = ()

    def __init__(self, at: int, document: bytes) -> None:
        super().__init__(at, document, Embargo(audience=Audience.ADMINS))


def song_document(up: int, down: int) -> bytes:
    """The document of `song:`."""
    return b'{"up":%d,"down":%d}' % (up, down)


def followers_document(followers: int) -> bytes:
    """The document of `followers:`."""
    return b'{"followers":%d}' % followers


class AttendanceState:
    """How many fans go to a show, with positions of its shard's log, and how many connections watch it, with positions of
    presence's clock.

    Both sources share one scale of positions: a count that is older than the last one of its own source is dropped, and the
    channel's position grows with either source. Nodes get the counts in different orders, so the last bits of a position
    are made of the counts: two nodes with the same position show the same counts.
    """

    __slots__ = ("_going", "_going_at", "_watching", "_watching_at", "at", "embargo")

    def __init__(self, going_at: int, going: int, watching_at: int, watching: int) -> None:
        self._going_at, self._going = going_at, going
        self._watching_at, self._watching = watching_at, watching
        self.at = self._position_after(max(going_at, watching_at))
        self.embargo = OPEN

    def apply_going(self, at: int, going: int) -> bool:
        """Takes over a newer count of fans who go; gives whether it changed."""
        if at < self._going_at:
            return False
        is_new = going != self._going
        self._going_at, self._going = at, going
        return self._move(at, is_new=is_new)

    def apply_watching(self, at: int, watching: int) -> bool:
        """Takes over a newer count of watching connections; gives whether it changed."""
        if at < self._watching_at:
            return False
        is_new = watching != self._watching
        self._watching_at, self._watching = at, watching
        return self._move(at, is_new=is_new)

    def take(self, newer: AttendanceState) -> bool:
        """Takes over both counts of another state."""
        is_other_going = self.apply_going(newer._going_at, newer._going)
        is_other_watching = self.apply_watching(newer._watching_at, newer._watching)
        if newer.at > self.at:
            self.at = self._position_after(newer.at)
        return is_other_going or is_other_watching

    def _move(self, at: int, *, is_new: bool) -> bool:
        # A new count must come after the state shown before, though its own source may be a little behind the other one.
        if is_new:
            self.at = self._position_after(max(self.at, at))
        return is_new

    def _position_after(self, at: int) -> int:
        # Counts that two nodes show in the same millisecond differ by a few; such pairs never give the same bits.
        return ((at >> SEQ_BITS) + 1) << SEQ_BITS | (31 * self._going + self._watching) & SEQ_MAX

    def whole_fields(self) -> bytes:
        """The fields `"going":n,"watching":n`."""
        return b'"going":%d,"watching":%d' % (self._going, self._watching)

    def whole(self) -> bytes:
        """The object `{"going":n,"watching":n}`."""
        return b"{%b}" % self.whole_fields()

    def change(self) -> bytes:
        """Both counts: they are too small to be sent one by one."""
        return self.whole_fields()


Event = tuple[int, bytes]  # its position and its JSON


class ActivityState:
    """The last events. Takes: at, the position of the newest event in the database; events, oldest first."""

    __slots__ = ("_has_gap", "_kept", "_new", "at", "embargo")

    def __init__(self, at: int, events: Iterable[Event]) -> None:
        self.at = at
        self.embargo = OPEN
        self._kept: deque[Event] = deque(events, ACTIVITY_EVENTS_MAX)
        self._new: list[Event] = []
        self._has_gap = False

    def apply(self, event: Event, previous_at: int) -> bool:
        """Takes over the next event, unless it is known already or an event before it is missing; gives whether it did.

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
        """Takes over the last events, loaded again; gives whether there are new ones."""
        newer = [event for event in events if event[0] > self.at]
        # As many new events as are kept: there may have been more, and those are lost.
        self._has_gap = self._has_gap or len(newer) >= ACTIVITY_EVENTS_MAX
        self._kept.extend(newer)
        self._new.extend(newer)
        self.at = max(self.at, at)
        return bool(newer)

    def take(self, newer: ActivityState) -> bool:
        """`replace`, with the events of another state."""
        return self.replace(newer.at, newer._kept)

    def whole_fields(self) -> bytes:
        """All kept events, for a subscriber that missed pushes; `"gap":true` says that more may be missing."""
        return b'"events":[%b],"gap":true' % b",".join([event for _, event in self._kept])

    def whole(self) -> bytes:
        """The object `{"events":[…]}`, oldest first."""
        return b'{"events":[%b]}' % b",".join([event for _, event in self._kept])

    def change(self) -> bytes:
        """The events since the last call; all kept events and the gap, if there were more than are kept."""
        new, self._new = self._new, []
        has_gap, self._has_gap = self._has_gap or len(new) > ACTIVITY_EVENTS_MAX, False
        return self.whole_fields() if has_gap else b'"events":[%b]' % b",".join([event for _, event in new])
