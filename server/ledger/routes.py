"""The endpoints of the ledger: a log's files, and a fan's own receipt."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec

from server.errors import Refused
from server.ledger.entries import FAN_AT, FAN_BYTES, Choice, Entry, Kind, bundle_of, entries_in
from server.ledger.notes import VerifierKey
from server.ledger.queries import routes as queries
from server.ledger.tiles import TILE_HEIGHT, Hashes, Tile
from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.store.database import Database

# A tile never changes. Entries do, when their fan is erased.
_KEPT_FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable"}
_KEPT_A_MINUTE = {"Cache-Control": "public, max-age=60"}
_TEXT = {"Content-Type": "text/plain; charset=utf-8"}
_NO_LOG = "This show has no ledger yet. It begins within a second of the first vote."
_OF_VOTES = (Kind.CAST, Kind.CHANGED)
_CHOICES: dict[int, Literal["up", "down"]] = {Choice.UP: "up", Choice.DOWN: "down"}


class ReceiptVote(msgspec.Struct, frozen=True):
    """The last entry of one of your votes: its number in the ledger, from 0 on, the entry itself, and the hashes that lead from its
    leaf to the root (RFC 6962), in base64.
    """

    song: int
    choice: Literal["up", "down"]
    index: int
    entry: str
    proof: list[str]


class Receipt(msgspec.Struct, frozen=True):
    """What proves that your votes are in the ledger: the signed checkpoint, the key that it is signed with, and the votes that you
    hold. One of the last second may be missing.
    """

    show: int
    checkpoint: str
    key: str
    size: int
    votes: list[ReceiptVote]


class LedgerRoutes:
    """The endpoints.

    Takes: requests, its database; find_show, show id or slug -> show id; raises Refused(not_found)
    """

    def __init__(self, requests: Database, find_show: Callable[[str], Awaitable[int]]) -> None:
        self._requests = requests
        self._find_show = find_show

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        missing = (Code.NOT_FOUND,)
        return [
            Endpoint(
                method="GET", path="/api/shows/{show}/ledger/checkpoint", handler=self.get_checkpoint, answer=str,
                media_type="text/plain", codes=missing, slugs=("show",),
                summary="The size and root of a show's ledger, signed (C2SP tlog-checkpoint).",
            ),
            Endpoint(
                method="GET", path="/api/shows/{show}/ledger/key", handler=self.get_key, answer=str,
                media_type="text/plain", codes=missing, slugs=("show",),
                summary="The key that signs a show's ledger (C2SP signed-note).",
            ),
            Endpoint(
                method="GET", path="/api/shows/{show}/ledger/tile/{tile}", rests=("tile",), handler=self.get_tile, answer=str,
                media_type="application/octet-stream", codes=(*missing, Code.FORBIDDEN), slugs=("show",),
                summary="A tile of a show's ledger, or its entries once everybody may see the counts (C2SP tlog-tiles).",
            ),
            Endpoint(
                method="GET", path="/api/shows/{show}/receipt", handler=self.get_receipt, access="user", answer=Receipt,
                codes=missing, slugs=("show",), summary="The proof that your votes are in a show's ledger.",
            ),
        ]  # fmt: skip

    async def get_checkpoint(self, call: Call) -> Answer:
        """`GET /api/shows/{show}/ledger/checkpoint`."""
        _, found = await self._log(call)
        return Answer(document=found["checkpoint"].encode(), headers=_TEXT | {"Cache-Control": "no-cache"})

    async def get_key(self, call: Call) -> Answer:
        """`GET /api/shows/{show}/ledger/key`."""
        _, found = await self._log(call)
        return Answer(document=f"{_key(found)}\n".encode(), headers=_TEXT | {"Cache-Control": "no-cache"})

    async def get_tile(self, call: Call) -> Answer:
        """`GET /api/shows/{show}/ledger/tile/{tile}`."""
        tile = Tile.parse(call.path["tile"])
        if tile is None:
            raise Refused(
                Code.NOT_FOUND,
                "No such tile. Tiles are at tile/0/000, tile/entries/000, and so on, partial ones with .p/ and a width.",
            )
        show_id, found = await self._log(call)
        if tile.first + tile.width > found["size"] >> TILE_HEIGHT * (tile.level or 0):
            raise Refused(Code.NOT_FOUND, "The ledger does not have so many entries yet. Read its checkpoint first.")
        if tile.level is not None:
            return Answer(document=await self._hashes(show_id, tile), headers=_KEPT_FOR_GOOD)
        if not found["is_open"]:
            raise Refused(
                Code.FORBIDDEN, "The entries of this ledger are hidden until everybody may see the counts of the show."
            )
        async with self._requests.acting(None) as connection:
            entries = await queries.fetch_entries(
                connection, show_id=show_id, first=tile.first, end_number=tile.first + tile.width
            )
        if entries is None:
            raise Refused(Code.FORBIDDEN, "The entries of this ledger have just been hidden.")
        return Answer(document=bundle_of(entries), headers=_KEPT_A_MINUTE)

    async def get_receipt(self, call: Call) -> Answer:
        """`GET /api/shows/{show}/receipt`."""
        show_id, found = await self._log(call)
        async with self._requests.acting(call.user) as connection:
            choices = {
                row["setlist_song_id"]: row["choice"]
                async for row in queries.fetch_own_votes(connection, show_id=show_id, user_id=call.user.user_id)
            }
            rows = [row async for row in queries.fetch_own(connection, show_id=show_id)]
        last: dict[int, tuple[int, bytes, Entry]] = {}
        for row in rows:
            for index, data in enumerate(entries_in(row["entries"]), start=row["first"]):
                # Later entries than the checkpoint have no proof yet.
                if data[FAN_AT : FAN_AT + FAN_BYTES] == row["pseudonym"] and index < found["size"]:
                    entry = Entry.parse(data)
                    assert entry is not None
                    if entry.kind in _OF_VOTES and _CHOICES.get(entry.choice) == choices.get(entry.song):
                        last[entry.song] = (index, data, entry)
        hashes = Hashes(found["size"], lambda tile: self._hashes(show_id, tile))
        votes = [
            ReceiptVote(
                song=song,
                choice=_CHOICES[entry.choice],
                index=index,
                entry=_base64(data),
                proof=[_base64(hash_) for hash_ in await hashes.inclusion(index)],
            )
            for song, (index, data, entry) in sorted(last.items())
            if song in choices
        ]
        return Answer(document=Receipt(show_id, found["checkpoint"], str(_key(found)), found["size"], votes))

    async def _log(self, call: Call) -> tuple[int, Any]:
        """The show of a call and its log. Raises: Refused: not_found."""
        show_id = await self._find_show(call.path["show"])
        async with self._requests.acting(None) as connection:
            found = await queries.fetch_log(connection, show_id=show_id)
        if found is None:
            raise Refused(Code.NOT_FOUND, _NO_LOG)
        return show_id, found

    async def _hashes(self, show_id: int, tile: Tile) -> bytes:
        async with self._requests.acting(None) as connection:
            hashes: bytes | None = await queries.fetch_hashes(
                connection, show_id=show_id, level=tile.level, first=tile.first, end_number=tile.first + tile.width
            )
        return hashes or b""


def _key(found: Any) -> VerifierKey:
    return VerifierKey(found["origin"], found["public_key"])


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
