"""The receipt with which tests/unit/js/receipt.test.mjs tests the page is one that the server would make."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from server.ledger.entries import Choice, Kind
from server.ledger.notes import Checkpoint, VerifierKey, sign
from server.ledger.tiles import Hashes, Tile
from server.ledger.tree import leaf_hash
from tests.support.ledger_files import KEY, ORIGIN, SHOW, entry

FILE = Path(__file__).parents[1] / "js" / "receipt.json"


async def test_the_receipt_of_the_page() -> None:
    """Entries, proofs, checkpoint and key are what the file has."""
    entries = [entry(fan, 101, Choice.UP, salt=fan, time_ms=1_900_000_000_000 + fan) for fan in range(10)]
    entries.append(entry(2, 102, Choice.DOWN, salt=99, time_ms=1_900_000_000_099))
    entries.append(entry(2, 102, Choice.DOWN, kind=Kind.INHERITED, salt=98, time_ms=1_900_000_000_099))
    leaves = [leaf_hash(data) for data in entries]

    async def fetch(tile: Tile) -> bytes:
        return b"".join(leaves[tile.first : tile.first + tile.width])

    hashes = Hashes(len(entries), fetch)

    async def votes(*given: tuple[int, str, int]) -> list[dict[str, Any]]:
        return [
            {
                "song": song,
                "choice": choice,
                "index": index,
                "entry": base64.b64encode(entries[index]).decode(),
                "proof": [base64.b64encode(hash_).decode() for hash_ in await hashes.inclusion(index)],
            }
            for song, choice, index in given
        ]

    receipt = {
        "show": SHOW,
        "checkpoint": sign(Checkpoint(ORIGIN, len(entries), await hashes.root()), KEY),
        "key": str(VerifierKey(ORIGIN, KEY.public_key().public_bytes_raw())),
        "size": len(entries),
        "votes": await votes((101, "up", 2), (102, "down", 10)),
    }
    # The vote of another fan, and an entry that is no vote of a fan.
    foreign = await votes((101, "up", 5), (102, "down", 11))
    assert json.loads(FILE.read_text()) == {"receipt": receipt, "foreign": foreign}
