"""Event streams among the subscribers of the hub."""

from __future__ import annotations

from server.live.sse import EventFormat, EventStream
from tests.support.hub_rig import Rig
from tests.support.transport import RecordingTransport


async def test_the_id_of_an_event_claims_no_event_that_is_not_written_yet(rig: Rig) -> None:
    """Two channels change at the same moment. A stream that is cut after the first event comes back for the second."""
    wire = EventFormat()
    transports = [RecordingTransport() for _ in range(2)]
    for transport in transports:
        stream = EventStream(transport, rig.clock, None, wire, address="")
        assert await rig.hub.prepare(["votes:7", "status:7"], {}) == {}
        states = {name: rig.hub.join(stream, name) for name in ("votes:7", "status:7")}
        wire.joined({name: state.at for name, state in states.items() if state is not None})
    rig.vote(101, (1, 1, 0))
    rig.hub.replace_document("status:7", 51, b'{"voting":"locked"}')
    await rig.settle()
    for transport in transports:
        assert [frame.split(b"id: ")[1].strip() for frame in transport.frames] == [
            b"votes:7@101,status:7@50", b"votes:7@101,status:7@51",
        ]  # fmt: skip
