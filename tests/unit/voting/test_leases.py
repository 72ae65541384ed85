"""Which node a shard prefers."""

from __future__ import annotations

import random

import pytest

from server.voting.leases import preferred_node

SHARDS = range(16)
NODES = random.Random(7).sample(range(2**31), 8)


def plan(nodes: list[int], shard_count: int = 16) -> dict[int, int]:
    return {shard: preferred_node(nodes, shard) for shard in range(shard_count)}


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_all_nodes_agree_in_any_order(count: int) -> None:
    """Every node makes the plan by itself, so it must not depend on the order in which it learns of the others."""
    nodes = NODES[:count]
    assert plan(nodes) == plan(nodes[::-1]) == plan(sorted(nodes))


@pytest.mark.parametrize("count", range(2, 9))
def test_a_node_that_leaves_moves_only_its_own_shards(count: int) -> None:
    """The other nodes keep their shards."""
    nodes = NODES[:count]
    before = plan(nodes)
    for gone in nodes:
        after = plan([node for node in nodes if node != gone])
        assert all(after[shard] == holder for shard, holder in before.items() if holder != gone)


@pytest.mark.parametrize("count", range(1, 8))
def test_a_new_node_only_takes_shards(count: int) -> None:
    """No shard moves between two nodes that were there before."""
    before, after = plan(NODES[:count]), plan(NODES[: count + 1])
    assert all(after[shard] in (holder, NODES[count]) for shard, holder in before.items())


def test_the_work_is_spread() -> None:
    """Over many shards no node holds twice its share or less than half of it."""
    shard_count = 4_096
    held = list(plan(NODES, shard_count).values())
    share = shard_count / len(NODES)
    assert all(share / 2 < held.count(node) < share * 2 for node in NODES)
