"""Merkle trees: hashes, roots, proofs. No I/O.

Source: RFC 6962, section 2.1; the checks of proofs are those of RFC 9162, section 2.1
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from struct import Struct

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
# A copy costs less than another beginning.
_LEAF, _NODE = sha256(b"\x00"), sha256(b"\x01")


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf."""
    return sha256(b"\x00" + entry).digest()


def leaf_hashes(entries: bytes, entry_bytes: int) -> list[bytes]:
    """The hashes of leaves that stand one after the other, for little each."""
    hashes = []
    for (entry,) in Struct(f"{entry_bytes}s").iter_unpack(entries):
        hash_ = _LEAF.copy()
        hash_.update(entry)
        hashes.append(hash_.digest())
    return hashes


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node over two others."""
    return sha256(b"\x01" + left + right).digest()


def _node_hashes(nodes: Sequence[bytes]) -> list[bytes]:
    hashes = []
    for left, right in zip(nodes[::2], nodes[1::2], strict=True):
        hash_ = _NODE.copy()
        hash_.update(left)
        hash_.update(right)
        hashes.append(hash_.digest())
    return hashes


class Frontier:
    """The right edge of a tree: enough to append, and to know the root.

    Takes: size, of the tree; hashes, of its complete subtrees, one for each bit of the size, from the smallest subtree on
    """

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        self.size = size
        levels = [level for level in range(size.bit_length()) if size >> level & 1]
        self._by_level = dict(zip(levels, hashes, strict=True))

    @classmethod
    def parse(cls, size: int, data: bytes) -> Frontier:
        """Reads a frontier as `packed` gives it."""
        return cls(size, split(data))

    def packed(self) -> bytes:
        """The hashes, one after the other."""
        return b"".join(self._by_level[level] for level in sorted(self._by_level))

    def append(self, leaves: Sequence[bytes], *, kept_every: int = 8) -> dict[tuple[int, int], bytes]:
        """Appends leaf hashes.

        Takes: kept_every, of which levels the new complete nodes are given
        Gives: (level in multiples of kept_every, number in it) -> hash, for each complete node above the leaves that is new
        Cost:  about one hash for each leaf
        """
        kept: dict[tuple[int, int], bytes] = {}
        size, nodes, level = self.size, list(leaves), 0
        while nodes:
            if level and level % kept_every == 0:
                first = size >> level
                kept |= {(level // kept_every, first + number): node for number, node in enumerate(nodes)}
            before = self._by_level.pop(level, None)
            if before is not None:
                nodes.insert(0, before)
            if len(nodes) % 2:
                self._by_level[level] = nodes.pop()
            nodes = _node_hashes(nodes)
            level += 1
        self.size += len(leaves)
        return kept

    def root(self) -> bytes:
        """The hash of the whole tree."""
        root = None
        for level in sorted(self._by_level):
            root = self._by_level[level] if root is None else node_hash(self._by_level[level], root)
        return EMPTY_ROOT if root is None else root


def split(data: bytes) -> list[bytes]:
    """Takes hashes apart that stand one after the other."""
    return [data[start : start + HASH_BYTES] for start in range(0, len(data), HASH_BYTES)]


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root over hashes, which are leaf hashes or complete subtrees of one size."""
    frontier = Frontier()
    frontier.append(hashes)
    return frontier.root()


def check_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether a proof shows that a leaf is in a tree at an index."""
    if not 0 <= index < size:
        return False
    number, last, found = index, size - 1, leaf
    for hash_ in proof:
        if last == 0:
            return False
        if number & 1 or number == last:
            found = node_hash(hash_, found)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            found = node_hash(found, hash_)
        number, last = number >> 1, last >> 1
    return last == 0 and found == root


def check_consistency(old_size: int, size: int, proof: Sequence[bytes], old_root: bytes, root: bytes) -> bool:
    """Whether a proof shows that a tree is the beginning of another one."""
    if not 0 < old_size <= size:
        return False
    if old_size == size:
        return not proof and old_root == root
    # A complete subtree is its own first hash.
    hashes = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    if not hashes:
        return False
    number, last = old_size - 1, size - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    old = new = hashes[0]
    for hash_ in hashes[1:]:
        if last == 0:
            return False
        if number & 1 or number == last:
            old, new = node_hash(hash_, old), node_hash(hash_, new)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            new = node_hash(new, hash_)
        number, last = number >> 1, last >> 1
    return last == 0 and old == old_root and new == root
