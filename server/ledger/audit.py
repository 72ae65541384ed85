"""Recounts a show from the public files of its ledger, and compares the counts with the published results. It trusts no server.

The files may come from a server or from a copy of them in a folder: only `fetch` knows. They are read one after the other, so what an
audit holds in memory are the hashes of one tile, and the last choice of each fan and song.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from server.ledger.entries import Kind, entries_of
from server.ledger.notes import Checkpoint, NoteError, VerifierKey, read
from server.ledger.recount import Audit, Recount, Results, check_continued, compare
from server.ledger.tiles import Tile, is_tile, tiles_of
from server.ledger.tree import Frontier, leaf_hash, split

SETTLE_S = 2.0
# A server may name any size: twice the largest ledger there may be is where an audit stops believing it.
ENTRIES_MAX = 20_000_000

Get = Callable[[str], Awaitable[bytes]]


class Hidden(Exception):
    """A file is not public yet."""


class Missing(Exception):
    """A file cannot be read."""


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
    if before is not None and before.standing != "final":
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
    found.size = now.size
    found.facts.append(f"ledger {now.origin}: {now.size} entries, signed by {signer}")
    if now.size > ENTRIES_MAX:
        found.complain(
            f"The checkpoint has {now.size} entries. This program reads at most {ENTRIES_MAX}: no show has so many."
        )
        return found
    if signer.name != now.origin:
        found.complain(f"The checkpoint is of the log {now.origin}, and the key is of {signer.name}.")
    if kept is not None and _show_of(kept) != _show_of(now):
        found.complain(f"Your checkpoint is of another show: {kept.origin}. Give one of this show: {now.origin}.")
        kept = None
    _check_show(found, show, now, before)
    recount = await _read(get, folder, now, found, kept)
    if recount is None:
        found.facts.append(
            "its entries are hidden until everybody may see the counts; the votes cannot be recounted yet"
        )
        if before is not None:
            found.complain("The results are public, but the server hides the entries that they come from.")
        return found
    found.counts = recount.finish(found)
    after = await _results(get, show)
    if before is None or after is None:
        found.facts.append("the results are hidden; they were not compared")
    elif before.counts() == after.counts():
        compare(found, after)
    else:
        await asyncio.sleep(settle_s)
        if (await get(f"{folder}/checkpoint")).decode(errors="replace") == found.checkpoint:
            found.complain("The published counts have changed during the audit, and the ledger has no entry of it.")
        found.facts.append("votes came in meanwhile, so the counts were not compared; the result is final later")
    return found


def _check_show(found: Audit, show: str, now: Checkpoint, results: Results | None) -> None:
    """Whether the ledger and the results are of the show that was asked for."""
    if show.isdecimal() and show != _show_of(now):
        found.complain(f"You asked for show {show}, and the ledger is of show {_show_of(now)}.")
    if results is not None:
        found.facts.append(f"show {results.show.id}: {results.show.name}")
        if str(results.show.id) != _show_of(now):
            found.complain(f"The results are of show {results.show.id}, and the ledger is of show {_show_of(now)}.")


async def _read(get: Get, folder: str, now: Checkpoint, found: Audit, kept: Checkpoint | None) -> Recount | None:
    """Reads all tiles and checks them against each other and the signed root; reads the entries, and checks each against its leaf.

    Gives: None: the entries are hidden
    """
    frontier, nodes = Frontier(), dict[tuple[int, int], bytes]()
    recount: Recount | None = Recount(_show_of(now))
    kept_root = None
    for tile in tiles_of(0, now.size):
        hashes = await _hashes(get, folder, tile, found)
        if kept is not None and frontier.size < kept.size <= frontier.size + len(hashes):
            kept_root = _root_after(frontier, hashes[: kept.size - frontier.size])
        if recount is not None:
            try:
                entries = await _entries(get, folder, tile, hashes, found)
            except Hidden:
                recount = None
            else:
                _apply(recount, entries, hashes, frontier, found)
        nodes |= frontier.append(hashes)
    await _check_upper_tiles(get, folder, now.size, nodes, found)
    if frontier.root() != now.root:
        found.complain("The tiles do not give the root that the checkpoint signs. Hashes were altered.")
    if kept is not None:
        _compare_kept(found, now, kept, kept_root)
    return recount


def _apply(recount: Recount, entries: list[bytes | None], leaves: list[bytes], before: Frontier, found: Audit) -> None:
    """Recounts the entries of a tile. Takes: before, the tree before it."""
    for place, data in enumerate(entries):
        entry = recount.add(before.size + place, data, found)
        if entry is not None and entry.kind == Kind.CONTINUED:
            check_continued(before.size + place, entry, _root_after(before, leaves[:place]), found)


async def _check_upper_tiles(
    get: Get, folder: str, size: int, nodes: dict[tuple[int, int], bytes], found: Audit
) -> None:
    for level in range(1, 1 + max((level for level, _ in nodes), default=0)):
        for tile in tiles_of(level, size):
            for place, hash_ in enumerate(await _hashes(get, folder, tile, found)):
                if hash_ != nodes[level, tile.first + place]:
                    found.complain(
                        f"{tile.path}: hash {place} does not follow from the tiles below it. One of them was altered."
                    )


async def _hashes(get: Get, folder: str, tile: Tile, found: Audit) -> list[bytes]:
    """The hashes of a tile, as many as it has; those that are missing are zeros."""
    content = await get(f"{folder}/{tile.path}")
    if not is_tile(tile, content):
        found.complain(f"{tile.path} has {len(content)} bytes; its {tile.width} hashes have {32 * tile.width}.")
        content = content.ljust(32 * tile.width, b"\0")[: 32 * tile.width]
    return split(content)


async def _entries(get: Get, folder: str, tile: Tile, leaves: list[bytes], found: Audit) -> list[bytes | None]:
    """The entries of these leaves, each checked against its leaf; None: it is blank or missing. Raises: Hidden."""
    path = Tile(None, tile.number, tile.width).path
    try:
        bundle = entries_of(await get(f"{folder}/{path}"))
    except ValueError as error:
        found.complain(f"{path} cannot be read: {error}.")
        bundle = []
    if len(bundle) != tile.width:
        found.complain(f"{path} has {len(bundle)} entries instead of {tile.width}.")
    bundle = (bundle + [b""] * tile.width)[: tile.width]
    for index, (data, leaf) in enumerate(zip(bundle, leaves, strict=True), start=tile.first):
        if data and leaf_hash(data) != leaf:
            found.complain(f"Entry {index} is not the one that was signed. It was altered or moved.")
    return [data or None for data in bundle]


def _root_after(frontier: Frontier, hashes: list[bytes]) -> bytes:
    """The root of a tree with some more leaves."""
    longer = Frontier.parse(frontier.size, frontier.packed())
    longer.append(hashes)
    return longer.root()


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


async def _results(get: Get, show: str) -> Results | None:
    """The published results; None: they are hidden. Raises: Missing."""
    path = f"api/shows/{show}/results"
    try:
        return msgspec.json.decode(await get(path), type=Results)
    except Hidden:
        return None
    except msgspec.DecodeError as error:
        raise Missing(f"{path} is no result of a show: {error}") from error


def _show_of(checkpoint: Checkpoint) -> str:
    return checkpoint.origin.rpartition("/shows/")[2]
