"""Channels that do not exist, with a clock that a test moves."""

from __future__ import annotations

from server.live.states import TallyState
from server.live.unknown_channels import UNKNOWN_MAX, UNKNOWN_S, UnknownChannels
from tests.support.clock import FakeClock
from tests.support.hub_rig import Rig


async def test_an_unknown_channel_is_read_once_a_second(rig: Rig) -> None:
    """Who asks again is refused without a read, until the answer is a second old; then the channel may exist."""
    for _ in range(3):
        assert (await rig.hub.prepare(["votes:9"], {}))["votes:9"].code == "not_found"
    assert rig.loads == [("votes", 9)]
    assert not rig.hub.must_load(["votes:9"])
    rig.states["votes", 9] = TallyState(1, 0, [])
    await rig.pass_time(UNKNOWN_S)
    assert rig.hub.must_load(["votes:9"])
    assert await rig.hub.prepare(["votes:9"], {}) == {}


def test_names_have_a_bound() -> None:
    """Past it all are forgotten."""
    unknown = UnknownChannels(FakeClock())
    for number in range(UNKNOWN_MAX + 1):
        unknown.add(f"votes:{number}")
    assert "votes:0" not in unknown
    assert f"votes:{UNKNOWN_MAX}" in unknown
