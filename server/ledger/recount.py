"""Recounts votes from the entries of a ledger, and compares the counts with the published results. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from server.ledger.entries import FAN_BYTES, Choice, Entry, Kind

PROBLEMS_MAX = 50

_KINDS, _CHOICES = frozenset(Kind), frozenset(Choice)

Counts = dict[int, tuple[int, int, int, int]]  # song -> up, down, and both of ballots that are set aside


@dataclass(slots=True)
class Audit:
    """What an audit has found. `problems` are sentences; empty: everything that could be checked is right.

    `checkpoint` is the signed text, `facts` say what was checked, and what was not.
    """

    checkpoint: str = ""
    size: int = 0
    problems: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    counts: Counts | None = None  # None: the entries are hidden

    def complain(self, problem: str) -> None:
        """Adds a problem, up to a limit."""
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)
        elif len(self.problems) == PROBLEMS_MAX:
            self.problems.append("There are more problems, which are not listed.")


class ResultShow(msgspec.Struct, frozen=True):
    """The show of published results, as far as an audit reads it."""

    id: int
    slug: str
    name: str


class ResultSong(msgspec.Struct, frozen=True):
    """A song of published results, as far as an audit reads it."""

    id: int
    title: str
    up: int
    down: int
    set_aside_up: int
    set_aside_down: int

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """The counts, as in Counts."""
        return self.up, self.down, self.set_aside_up, self.set_aside_down


class Results(msgspec.Struct, frozen=True):
    """Published results, as far as an audit reads them."""

    show: ResultShow
    standing: str
    total: int
    songs: list[ResultSong]

    def counts(self) -> Counts:
        """The counts of each song."""
        return {song.id: song.counts for song in self.songs}


class Recount:
    """Applies entries in their order: the last choice of each fan and song counts. Takes: show, the id in the origin."""

    def __init__(self, show: str) -> None:
        self._show = show
        self._choices: dict[tuple[bytes, int], int] = {}
        self._aside: set[bytes] = set()
        self._kinds: dict[int, int] = {}
        self._blank_count = 0
        self._erased_count = 0
        self._closed_ms: int | None = None
        self._late_count = 0

    def add(self, index: int, data: bytes | None, found: Audit) -> Entry | None:
        """Applies an entry. Takes: data, None: the entry is blank. Gives: the entry; None: it is blank or wrong."""
        if data is None:
            self._blank_count += 1
            return None
        entry = Entry.parse(data)
        if entry is None or entry.kind not in _KINDS or entry.choice not in _CHOICES:
            found.complain(f"Entry {index} cannot be read. Install the newest version of this program.")
            return None
        if str(entry.show) != self._show:
            found.complain(f"Entry {index} is of show {entry.show}, in the ledger of show {self._show}.")
            return None
        self._kinds[entry.kind] = self._kinds.get(entry.kind, 0) + 1
        if entry.kind in (Kind.CAST, Kind.CHANGED, Kind.INHERITED):
            self._choices[entry.fan, entry.song] = entry.choice
        if entry.kind == Kind.CAST and self._closed_ms is not None and entry.time_ms > self._closed_ms:
            self._late_count += 1
        elif entry.kind == Kind.SET_ASIDE:
            self._aside.add(entry.fan)
        elif entry.kind == Kind.COUNTED:
            self._aside.discard(entry.fan)
        elif entry.kind == Kind.ERASED:
            self._erased_count += entry.song
        elif entry.kind in (Kind.OPENED, Kind.CLOSED, Kind.REOPENED):
            self._closed_ms = entry.time_ms if entry.kind == Kind.CLOSED else None
        return entry

    def finish(self, found: Audit) -> Counts:
        """Gives the counts, and makes the checks that need all entries."""
        if self._blank_count != self._erased_count:
            found.complain(
                f"{self._blank_count} entries are blank, and the ledger tells of {self._erased_count} that erasures have blanked."
            )
        inherited = self._kinds.get(Kind.INHERITED, 0)
        if inherited > self._erased_count:
            found.complain(
                f"{inherited} votes are counted for erased fans, whose {self._erased_count} entries cannot have been so many votes."
            )
        names = {kind: name for kind, name in _FACTS.items() if self._kinds.get(kind)}
        found.facts += [name.format(count=self._kinds[kind]) for kind, name in names.items()]
        if self._late_count:
            found.facts.append(
                f"votes with a time after voting had closed: {self._late_count}; the clocks of the server differed, or it took late votes"
            )
        if self._blank_count:
            found.facts.append(
                f"entries of erased fans: {self._blank_count}; of their votes {inherited} count, which rests on the word of the server"
            )
        counts: dict[int, list[int]] = {}
        for (fan, song), choice in self._choices.items():
            if choice != Choice.NONE:
                of_song = counts.setdefault(song, [0, 0, 0, 0])
                of_song[(choice == Choice.DOWN) + 2 * (fan in self._aside)] += 1
        return {song: (up, down, aside_up, aside_down) for song, (up, down, aside_up, aside_down) in counts.items()}


_FACTS = {
    Kind.CAST: "votes cast: {count}",
    Kind.CHANGED: "votes that something else than their fan has changed (sample data, a song removed, restored or merged, a group voided): {count}",
    Kind.SET_ASIDE: "ballots that were set aside: {count}",
    Kind.COUNTED: "ballots that count again: {count}",
    Kind.OPENED: "voting opened: {count}",
    Kind.REOPENED: "voting opened again: {count}",
    Kind.CLOSED: "voting closed: {count}",
    Kind.CONTINUED: "restored databases, after which the ledger has another origin: {count}",
}


def check_continued(index: int, entry: Entry, root: bytes, found: Audit) -> None:
    """Checks that the entry of a new origin names the size and the root of the tree before it. Takes: root, of this tree."""
    if (entry.song, entry.fan) != (index, root[:FAN_BYTES]):
        found.complain(f"Entry {index} says that the ledger goes on after a restore, but not after these entries.")


def compare(found: Audit, results: Results) -> None:
    """Compares the recount with the results."""
    assert found.counts is not None
    published, titles = results.counts(), {song.id: song.title for song in results.songs}
    if len(published) < len(results.songs):
        found.complain("The published results have a song twice.")
    for song in sorted(found.counts.keys() | published.keys()):
        counted, shown = found.counts.get(song, (0, 0, 0, 0)), published.get(song, (0, 0, 0, 0))
        if counted != shown:
            title = titles.get(song, "which is not in the results")
            found.complain(
                f"Song {song} ({title}): the ledger counts {_words(counted)}; published are {_words(shown)}."
            )
    total = sum(song.up + song.down for song in results.songs)
    if results.total != total:
        found.complain(f"The published total is {results.total}, and the published counts of the songs are {total}.")
    if not found.problems:
        found.facts.append(
            f"the {results.standing} result has the same counts: {total} votes on {len(published)} songs"
        )


def _words(counts: tuple[int, int, int, int]) -> str:
    up, down, aside_up, aside_down = counts
    aside = f" ({aside_up} up and {aside_down} down set aside)" if aside_up or aside_down else ""
    return f"{up} up and {down} down{aside}"
