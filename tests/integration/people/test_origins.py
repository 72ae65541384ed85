"""What a new account leaves: hashes of its address, its program and its network, and none of them itself."""

from __future__ import annotations

from server.people.session_routes import hash_address, origin_of, subnet_of
from tests.support.people import People
from tests.support.row_factory import RowFactory
from tests.support.running_node import SECRET


async def test_a_new_account_leaves_hashes(people: People, factory: RowFactory) -> None:
    """Equal for one address and program."""
    nobody = people.nobody()
    for _ in range(2):
        await nobody.ok("POST", "/api/session", status=201)
    rows = await factory.sql.fetch("select distinct address_hash, agent_hash, subnet_hash from sessions")
    ((address, agent, subnet),) = [tuple(row) for row in rows]
    assert address == hash_address(SECRET, "127.0.0.1")
    assert (len(agent), len(subnet)) == (8, 8)
    assert agent != subnet


def test_hashes_of_two_days_cannot_be_compared() -> None:
    """One network has one hash a day; another network, program or day has another."""
    first = origin_of("s", "198.51.100.7", "Firefox", 20_000)
    near = origin_of("s", "198.51.100.9", "Firefox", 20_000)
    assert (near.subnet_hash, near.agent_hash) == (first.subnet_hash, first.agent_hash)
    assert near.address_hash != first.address_hash
    later = origin_of("s", "198.51.100.7", "Firefox", 20_001)
    assert {later.subnet_hash, later.agent_hash}.isdisjoint({first.subnet_hash, first.agent_hash})
    assert subnet_of("2001:db8:1:2::3") == subnet_of("2001:db8:1:ffff::1") != subnet_of("2001:db8:2::1")
    assert subnet_of("unknown") == "unknown"
