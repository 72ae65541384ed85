"""Trees against a naive tree, and against the known roots of RFC 6962."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.ledger.tiles import Hashes, Tile, tiles_of
from server.ledger.tree import EMPTY_ROOT, Frontier, check_consistency, check_inclusion, leaf_hash, root_of

# The leaves and roots by which implementations of RFC 6962 are compared.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def naive_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962, section 2.1, over leaf hashes."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else sha256(b"").digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + naive_root(leaves[:half]) + naive_root(leaves[half:])).digest()


def hashes_of(count: int) -> list[bytes]:
    return [leaf_hash(number.to_bytes(4)) for number in range(count)]


class Files:
    """The tiles of a tree, as the definition of tlog-tiles says."""

    def __init__(self, leaves: list[bytes]) -> None:
        self._leaves = leaves

    async def fetch(self, tile: Tile) -> bytes:
        """The content of a tile."""
        assert tile.level is not None
        span = 256**tile.level
        starts = range(tile.first * span, (tile.first + tile.width) * span, span)
        assert starts[-1] + span <= len(self._leaves), "a tile that this tree does not have"
        return b"".join(naive_root(self._leaves[start : start + span]) for start in starts)


def test_known_roots() -> None:
    """The roots of the first one to eight known leaves are the known ones."""
    assert Frontier().root() == EMPTY_ROOT == sha256(b"").digest()
    for count, root in enumerate(ROOTS, start=1):
        assert root_of([leaf_hash(leaf) for leaf in LEAVES[:count]]).hex() == root


@given(st.lists(st.integers(0, 300), min_size=1, max_size=6))
def test_appending_in_parts(counts: list[int]) -> None:
    """However leaves are divided, root, frontier and nodes are those of the naive tree."""
    leaves = hashes_of(sum(counts))
    frontier, nodes, start = Frontier(), dict[tuple[int, int], bytes](), 0
    for count in counts:
        nodes |= frontier.append(leaves[start : start + count])
        start += count
        frontier = Frontier.parse(frontier.size, frontier.packed())
    assert frontier.root() == naive_root(leaves)
    assert nodes == {(1, n): naive_root(leaves[n * 256 : n * 256 + 256]) for n in range(len(leaves) // 256)}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 255, 256, 257, 513, 1025])
async def test_proofs(size: int) -> None:
    """Proofs from tiles are accepted, and are not for another leaf, index, size or root."""
    leaves = hashes_of(size)
    root = naive_root(leaves)
    hashes = Hashes(size, Files(leaves).fetch)
    for index in {0, size // 2, size - 1}:
        proof = await hashes.inclusion(index)
        assert check_inclusion(index, size, leaves[index], proof, root)
        assert not check_inclusion(index, size, leaf_hash(b"another"), proof, root)
        assert not check_inclusion((index + 1) % size if size > 1 else 1, size, leaves[index], proof, root)
        assert not check_inclusion(index, size, leaves[index], [*proof, root], root)
    assert await hashes.root() == root
    for old_size in {1, size // 2, size - 1, size} - {0}:
        old_root, proof = naive_root(leaves[:old_size]), await hashes.consistency(old_size)
        assert await hashes.root(old_size) == old_root
        assert check_consistency(old_size, size, proof, old_root, root)
        assert not check_consistency(old_size, size, proof, leaf_hash(b"another"), root)
        if old_size < size:
            assert not check_consistency(old_size, size, proof, old_root, old_root)
            assert not check_consistency(old_size, size, [], old_root, root)


def test_paths() -> None:
    """Tiles have the paths of tlog-tiles, each only one; a size tells which tiles there are."""
    for tile, path in {
        Tile(0, 0): "tile/0/000",
        Tile(None, 7, 3): "tile/entries/007.p/3",
        Tile(1, 999): "tile/1/999",
        Tile(0, 1000): "tile/0/x001/000",
        Tile(2, 1_234_067, 255): "tile/2/x001/x234/067.p/255",
    }.items():
        assert tile.path == path
        assert Tile.parse(path.removeprefix("tile/")) == tile
    for wrong in (
        "", "0", "0/0", "00/000", "0/000.p/256", "0/000.p/0", "0/000.p/01", "0/x000/001", "0/1000", "5/000", "0/000/", "e/000",
        "0/٠٠٠", "-1/000", "0/000.p/", "0/000\n",
    ):  # fmt: skip
        assert Tile.parse(wrong) is None, wrong
    size = 70_000
    assert list(tiles_of(0, size))[272:] == [Tile(0, 272), Tile(0, 273, 112)]
    assert next(tiles_of(0, 10**18)) == Tile(0, 0)
    assert list(tiles_of(1, size)) == [Tile(1, 0), Tile(1, 1, 17)]
    assert list(tiles_of(2, size)) == [Tile(2, 0, 1)]
    assert list(tiles_of(1, 255)) == []
