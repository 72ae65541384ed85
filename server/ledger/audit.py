"""Recounts a show from the public files of its ledger, and compares the counts with the published results. It trusts no server.

The files may come from a server or from a copy of them in a folder: only `fetch` knows.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from server.ledger.entries import Choice, Entry, Kind, entries_of
from server.ledger.notes import Checkpoint, NoteError, VerifierKey, read
from server.ledger.tiles import is_tile, tiles_of
from server.ledger.tree import Frontier, leaf_hash, split

PROBLEMS_MAX = 50
SETTLE_S = 2.0

_KINDS, _CHOICES = frozenset(Kind), frozenset(Choice)

Counts = dict[int, tuple[int, int, int, int]]  # song -> up, down, and both of ballots that are set aside
Get = Callable[[str], Awaitable[bytes]]


class Hidden(Exception):
    """A file is not public yet."""


class Missing(Exception):
    """A file cannot be read."""


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


async def audit(
    get: Get,
    show: str,
    *,
    key: VerifierKey | None = None,
    earlier: str | None = None,
    witness: VerifierKey | None = None,
    settle_s: float = SETTLE_S,
) -> Audit:
    """Audits a show.

    Takes:  get, gives a public file by its path below the address of the server; raises Hidden, Missing; key, that signs the
            ledger, None: as the server gives it; earlier, a checkpoint of this ledger that was kept, to which it must only have added;
            witness, the key that must have cosigned `earlier`; settle_s, in which votes of a running show reach the ledger
    Raises: Missing
    """
    found = Audit()
    folder = f"api/shows/{show}/ledger"
    before = await _results(get, show)
    if before is not None and before["standing"] != "final":
        await asyncio.sleep(settle_s)
    found.checkpoint = (await get(f"{folder}/checkpoint")).decode(errors="replace")
    try:
        signer = key or VerifierKey.parse((await get(f"{folder}/key")).decode(errors="replace"))
        now = read(found.checkpoint, signer)
        kept = None if earlier is None else read(earlier, *([witness] if witness else []))
        if kept is not None and kept.origin == signer.name:
            read(earlier or "", signer)
    except NoteError as error:
        found.complain(str(error))
        return found
    if signer.name != now.origin:
        found.complain(f"The checkpoint is of the log {now.origin}, and the key is of {signer.name}.")
    if kept is not None and _show_of(kept) != _show_of(now):
        found.complain(f"Your checkpoint is of another show: {kept.origin}. Give one of this show: {now.origin}.")
        kept = None
    found.size = now.size
    found.facts.append(f"ledger {now.origin}: {now.size} entries, signed by {signer}")
    leaves = await _leaves(get, folder, now, found, kept)
    try:
        blobs = await _entries(get, folder, leaves, found)
    except Hidden:
        found.facts.append(
            "its entries are hidden until everybody may see the counts; the votes cannot be recounted yet"
        )
        return found
    recount = _Recount(now)
    for index, blob in enumerate(blobs):
        recount.add(index, blob, found)
    found.counts = recount.finish(found)
    after = await _results(get, show)
    _compare(found, before, after)
    return found


async def _leaves(get: Get, folder: str, now: Checkpoint, found: Audit, kept: Checkpoint | None) -> list[bytes]:
    """The leaf hashes, after all tiles were checked against each other and the signed root."""
    frontier, nodes, leaves = Frontier(), dict[tuple[int, int], bytes](), list[bytes]()
    kept_root = None
    for tile in tiles_of(0, now.size):
        content = await get(f"{folder}/{tile.path}")
        if not is_tile(tile, content):
            found.complain(f"{tile.path} has {len(content)} bytes; its {tile.width} hashes have {32 * tile.width}.")
            content = content.ljust(32 * tile.width, b"\0")[: 32 * tile.width]
        hashes = split(content)
        if kept is not None and frontier.size < kept.size <= frontier.size + len(hashes):
            part = Frontier.parse(frontier.size, frontier.packed())
            part.append(hashes[: kept.size - frontier.size])
            kept_root = part.root()
        nodes |= frontier.append(hashes)
        leaves += hashes
    for level in range(1, 1 + max((level for level, _ in nodes), default=0)):
        for tile in tiles_of(level, now.size):
            hashes = split(await get(f"{folder}/{tile.path}"))
            for place in range(tile.width):
                if hashes[place : place + 1] != [nodes[level, tile.first + place]]:
                    found.complain(
                        f"{tile.path}: hash {place} does not follow from the tiles below it. One of them was altered."
                    )
    if frontier.root() != now.root:
        found.complain("The tiles do not give the root that the checkpoint signs. Hashes were altered.")
    if kept is not None:
        _compare_kept(found, now, kept, kept_root)
    return leaves


def _compare_kept(found: Audit, now: Checkpoint, kept: Checkpoint, kept_root: bytes | None) -> None:
    if kept.origin != now.origin:
        found.facts.append(
            f"it goes on under the origin {now.origin}, your checkpoint is of {kept.origin}: the server says that its database was restored"
        )
    if kept_root is None and kept.size:
        found.complain(
            f"The ledger has {now.size} entries now, and your checkpoint {kept.size}. Entries were taken out."
        )
    elif kept.size and kept_root != kept.root:
        found.complain(
            f"The first {kept.size} entries are not those of your checkpoint. The ledger was rewritten: keep both checkpoints, they prove it."
        )
    else:
        found.facts.append(f"the first {kept.size} entries are those of your checkpoint")


async def _entries(get: Get, folder: str, leaves: list[bytes], found: Audit) -> list[bytes | None]:
    """The entries, each checked against its leaf; None: it is blank or wrong. Raises: Hidden."""
    entries: list[bytes | None] = []
    for tile in tiles_of(None, len(leaves)):
        try:
            bundle = entries_of(await get(f"{folder}/{tile.path}"))
        except ValueError as error:
            found.complain(f"{tile.path} cannot be read: {error}.")
            bundle = []
        if len(bundle) != tile.width:
            found.complain(f"{tile.path} has {len(bundle)} entries instead of {tile.width}.")
        bundle = (bundle + [b""] * tile.width)[: tile.width]
        for index, data in enumerate(bundle, start=tile.first):
            if data and leaf_hash(data) != leaves[index]:
                found.complain(f"Entry {index} is not the one that was signed. It was altered or moved.")
            entries.append(data or None)
    return entries


class _Recount:
    """Applies entries in their order: the last choice of each fan and song counts."""

    def __init__(self, now: Checkpoint) -> None:
        self._show = _show_of(now)
        self._choices: dict[tuple[bytes, int], int] = {}
        self._aside: set[bytes] = set()
        self._kinds: dict[int, int] = {}
        self._blank_count = 0
        self._erased_count = 0

    def add(self, index: int, data: bytes | None, found: Audit) -> None:
        """Applies one entry."""
        if data is None:
            self._blank_count += 1
            return
        entry = Entry.parse(data)
        if entry is None or entry.kind not in _KINDS or entry.choice not in _CHOICES:
            found.complain(f"Entry {index} cannot be read. Install the newest version of this program.")
            return
        if str(entry.show) != self._show:
            found.complain(f"Entry {index} is of show {entry.show}, in the ledger of show {self._show}.")
            return
        self._kinds[entry.kind] = self._kinds.get(entry.kind, 0) + 1
        if entry.kind in (Kind.CAST, Kind.CHANGED, Kind.INHERITED):
            self._choices[entry.fan, entry.song] = entry.choice
        elif entry.kind == Kind.SET_ASIDE:
            self._aside.add(entry.fan)
        elif entry.kind == Kind.COUNTED:
            self._aside.discard(entry.fan)
        elif entry.kind == Kind.ERASED:
            self._erased_count += entry.song

    def finish(self, found: Audit) -> Counts:
        """The counts; checks what only the whole tells."""
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


async def _results(get: Get, show: str) -> Any:
    """The published results; None: they are hidden. Raises: Missing."""
    try:
        data = await get(f"api/shows/{show}/results")
    except Hidden:
        return None
    try:
        return json.loads(data)
    except ValueError:
        raise Missing(f"api/shows/{show}/results is no JSON") from None


def _compare(found: Audit, before: Any, after: Any) -> None:
    """Compares the recount with the results."""
    if before is None or after is None:
        found.facts.append("the results are hidden; they were not compared")
        return
    published, titles = _counts(after)
    if _counts(before)[0] != published:
        found.facts.append("votes came in meanwhile, so the counts were not compared; the result is final later")
        return
    assert found.counts is not None
    for song in sorted(found.counts.keys() | published.keys()):
        counted, shown = found.counts.get(song, (0, 0, 0, 0)), published.get(song, (0, 0, 0, 0))
        if counted != shown:
            title = titles.get(song, "which is not in the results")
            found.complain(
                f"Song {song} ({title}): the ledger counts {_words(counted)}; published are {_words(shown)}."
            )
    if not found.problems:
        total = sum(up + down for up, down, _, _ in published.values())
        found.facts.append(
            f"the {after['standing']} result has the same counts: {total} votes on {len(published)} songs"
        )


def _counts(results: Any) -> tuple[Counts, dict[int, str]]:
    songs = results["songs"]
    return (
        {song["id"]: (song["up"], song["down"], song["set_aside_up"], song["set_aside_down"]) for song in songs},
        {song["id"]: song["title"] for song in songs},
    )


def _show_of(checkpoint: Checkpoint) -> str:
    return checkpoint.origin.rpartition("/shows/")[2]


def _words(counts: tuple[int, int, int, int]) -> str:
    up, down, aside_up, aside_down = counts
    aside = f" ({aside_up} up and {aside_down} down set aside)" if aside_up or aside_down else ""
    return f"{up} up and {down} down{aside}"
