"""The tests of a file that shares a node share it indeed: a second node would cost the suite minutes."""

from __future__ import annotations

from server.node.node import Node
from tests.support import one_node

database_url, redis_url, node = one_node.database_url, one_node.redis_url, one_node.node

found: list[Node] = []


async def test_the_first_test_starts_a_node(node: Node) -> None:
    """Its node is remembered for the next test."""
    found.append(node)


def test_a_test_without_a_loop_ends_nothing() -> None:
    """Between the others."""


async def test_the_next_test_has_the_same(node: Node) -> None:
    """Neither its loop nor its fixtures have ended meanwhile."""
    assert node is found[0]
    assert node.rooms.why_not_ready() == []
