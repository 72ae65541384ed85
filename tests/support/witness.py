"""A witness: a small program that watches ledgers, and cosigns a checkpoint that only adds to the one before."""

from __future__ import annotations

import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.ledger.audit import Get
from server.ledger.notes import Checkpoint, VerifierKey, cosign, cosigning_key, read
from server.ledger.tiles import Hashes
from server.ledger.tree import check_consistency


class Refusal(Exception):
    """The witness does not cosign, and says why."""


class Witness:
    """Keeps the last checkpoint of each ledger. It publishes what it has cosigned; the server does not collect it."""

    def __init__(self, name: str = "witness.example/w1") -> None:
        self._name = name
        self._private = Ed25519PrivateKey.generate()
        self._last: dict[str, Checkpoint] = {}

    @property
    def key(self) -> VerifierKey:
        """The key for those who check its cosignatures."""
        return cosigning_key(self._name, self._private)

    async def visit(self, get: Get, show: str, key: VerifierKey) -> str:
        """Reads a ledger's checkpoint, checks that it only adds, and gives it cosigned.

        Raises: Refusal
        """
        note = (await get(f"api/shows/{show}/ledger/checkpoint")).decode()
        now = read(note, key)
        last = self._last.get(now.origin)
        if last is not None:
            hashes = Hashes(now.size, lambda tile: get(f"api/shows/{show}/ledger/{tile.path}"))
            if last.size > now.size:
                raise Refusal(f"{now.origin} had {last.size} entries, and now has {now.size}")
            proof = await hashes.consistency(last.size)
            if not check_consistency(last.size, now.size, proof, last.root, now.root):
                raise Refusal(f"the first {last.size} entries of {now.origin} were rewritten")
        self._last[now.origin] = now
        return cosign(note, self._name, self._private, int(time.time()))
