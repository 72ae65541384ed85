"""The public files of a ledger in a folder, made from entries, so that a test can be an honest or a dishonest operator."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.ledger.entries import ENTRY, Kind, bundle_of
from server.ledger.notes import Checkpoint, VerifierKey, sign
from server.ledger.tiles import tiles_of
from server.ledger.tree import Frontier, leaf_hash

ORIGIN = "example.org/ledger/1/shows/7"
SHOW = 7
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))


def entry(
    fan: int, song: int, choice: int, *, kind: int = Kind.CAST, salt: int = 0, show: int = SHOW, time_ms: int = 1
) -> bytes:
    """One entry. Takes: fan, a number for its pseudonym."""
    return ENTRY.pack(salt.to_bytes(16), kind, choice, show, song, fan.to_bytes(16), time_ms)


def publish(
    folder: Path,
    entries: Sequence[bytes],
    counts: dict[int, tuple[int, int, int, int]],
    *,
    leaves: Sequence[bytes] | None = None,
    origin: str = ORIGIN,
    standing: str = "final",
) -> str:
    """Writes the files, and gives the checkpoint. Takes: counts, the published results; leaves, of entries that are blank."""
    hashes = list(leaves or [leaf_hash(data) for data in entries])
    frontier = Frontier()
    nodes = frontier.append(hashes)
    checkpoint = sign(Checkpoint(origin, frontier.size, frontier.root()), KEY)
    ledger = folder / "api/shows/7/ledger"
    files: dict[str, bytes] = {
        "checkpoint": checkpoint.encode(),
        "key": str(VerifierKey(origin, KEY.public_key().public_bytes_raw())).encode(),
    }
    for tile in tiles_of(0, frontier.size):
        files[tile.path] = b"".join(hashes[tile.first : tile.first + tile.width])
    for tile in tiles_of(1, frontier.size):
        files[tile.path] = b"".join(nodes[1, number] for number in range(tile.first, tile.first + tile.width))
    for tile in tiles_of(None, frontier.size):
        files[tile.path] = bundle_of(b"".join(entries[tile.first : tile.first + tile.width]))
    for path, content in files.items():
        (ledger / path).parent.mkdir(parents=True, exist_ok=True)
        (ledger / path).write_bytes(content)
    songs = [
        {
            "id": song,
            "title": f"Song {song}",
            "up": up,
            "down": down,
            "set_aside_up": aside_up,
            "set_aside_down": aside_down,
        }
        for song, (up, down, aside_up, aside_down) in counts.items()
    ]
    (folder / "api/shows/7/results").write_text(
        json.dumps(
            {
                "show": {"id": SHOW, "slug": "show-7", "name": "Show"},
                "standing": standing,
                "total": sum(up + down for up, down, _, _ in counts.values()),
                "songs": songs,
            }
        )
    )
    return checkpoint
