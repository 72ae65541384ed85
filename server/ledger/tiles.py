"""Tiles: the paths of a log's files, and proofs that are calculated from tiles.

Source: C2SP, tlog-tiles
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple

from server.ledger.tree import HASH_BYTES, node_hash, root_of, split

TILE_HEIGHT = 8
TILE_HASHES = 1 << TILE_HEIGHT
# A log of 2**40 entries is far beyond a show.
LEVEL_MAX = 4
NUMBER_MAX = 1 << 32


class Tile(NamedTuple):
    """A tile: hashes of one level side by side. Takes: level, None: of entries; width, how many, 256: it is full."""

    level: int | None
    number: int
    width: int = TILE_HASHES

    @property
    def first(self) -> int:
        """The number of its first hash in its level."""
        return self.number * TILE_HASHES

    @property
    def path(self) -> str:
        """The path below the address of the log."""
        digits = f"{self.number:03}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        parts = [digits[start : start + 3] for start in range(0, len(digits), 3)]
        level = "entries" if self.level is None else str(self.level)
        partial = "" if self.width == TILE_HASHES else f".p/{self.width}"
        return f"tile/{level}/{''.join(f'x{part}/' for part in parts[:-1])}{parts[-1]}{partial}"

    @classmethod
    def parse(cls, path: str) -> Tile | None:
        """Reads a path below `tile/`; None: it is none."""
        found = re.fullmatch(
            r"(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,3}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", path, re.ASCII
        )
        if found is None:
            return None
        level = None if found[1] == "entries" else int(found[1])
        tile = cls(level, int(found[2].replace("x", "").replace("/", "")), int(found[3] or TILE_HASHES))
        # One path for each tile: no zeroes in front, and no full tile by its width.
        is_known = (level or 0) <= LEVEL_MAX and tile.number < NUMBER_MAX
        return tile if is_known and tile.path == f"tile/{path}" else None


def tiles_of(level: int | None, size: int) -> Iterator[Tile]:
    """The tiles of a level in a tree of this size, the last one perhaps partial."""
    count = size >> TILE_HEIGHT * (level or 0)
    full, rest = divmod(count, TILE_HASHES)
    yield from (Tile(level, number) for number in range(full))
    if rest:
        yield Tile(level, full, rest)


Fetch = Callable[[Tile], Awaitable[bytes]]


class Hashes:
    """The hashes of a tree, read from its tiles, each once.

    Takes: size, of the tree; fetch, gives the content of a tile
    """

    def __init__(self, size: int, fetch: Fetch) -> None:
        self.size = size
        self._fetch = fetch
        self._tiles: dict[Tile, list[bytes]] = {}

    async def inclusion(self, index: int) -> list[bytes]:
        """The proof that a leaf is in the tree, from the leaf up (RFC 6962, section 2.1.1)."""
        return await self._path(index, 0, self.size)

    async def consistency(self, old_size: int) -> list[bytes]:
        """The proof that the tree of this size is the beginning (RFC 6962, section 2.1.2)."""
        if old_size in (0, self.size):
            return []
        return await self._subproof(old_size, 0, self.size, is_whole=True)

    async def root(self, size: int | None = None) -> bytes:
        """The root of the tree, or of its beginning."""
        return await self._range(0, self.size if size is None else size)

    async def _path(self, index: int, start: int, end: int) -> list[bytes]:
        if end - start == 1:
            return []
        middle = start + _half(end - start)
        if index < middle:
            return [*await self._path(index, start, middle), await self._range(middle, end)]
        return [*await self._path(index, middle, end), await self._range(start, middle)]

    async def _subproof(self, old_size: int, start: int, end: int, *, is_whole: bool) -> list[bytes]:
        if old_size == end:
            return [] if is_whole else [await self._range(start, end)]
        middle = start + _half(end - start)
        if old_size <= middle:
            return [
                *await self._subproof(old_size, start, middle, is_whole=is_whole),
                await self._range(middle, end),
            ]
        return [
            *await self._subproof(old_size, middle, end, is_whole=False),
            await self._range(start, middle),
        ]

    async def _range(self, start: int, end: int) -> bytes:
        """The hash over the leaves from start to end, a subtree as proofs divide the tree."""
        count = end - start
        if count & (count - 1) == 0:
            return await self._complete(count.bit_length() - 1, start)
        middle = start + _half(count)
        return node_hash(await self._range(start, middle), await self._range(middle, end))

    async def _complete(self, level: int, start: int) -> bytes:
        """The hash of a complete subtree of 2**level leaves: that of a few hashes of one tile."""
        tile_level, rest = divmod(level, TILE_HEIGHT)
        first = start >> TILE_HEIGHT * tile_level
        number = first // TILE_HASHES
        width = min(TILE_HASHES, (self.size >> TILE_HEIGHT * tile_level) - number * TILE_HASHES)
        tile = Tile(tile_level, number, width)
        if tile not in self._tiles:
            self._tiles[tile] = split(await self._fetch(tile))
        place = first % TILE_HASHES
        return root_of(self._tiles[tile][place : place + (1 << rest)])


def _half(count: int) -> int:
    """The largest power of two below a count."""
    return 1 << (count - 1).bit_length() - 1


def is_tile(tile: Tile, content: bytes) -> bool:
    """Whether a content has the length of this tile of hashes."""
    return len(content) == HASH_BYTES * tile.width
