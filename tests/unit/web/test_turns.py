"""Reads that take turns."""

from __future__ import annotations

import pytest

from server.errors import ReplicaLost, StoreUnavailable
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.store.turns import Turns
from server.web.routing import take_turns


async def test_a_read_that_lost_its_replica_is_repeated_once() -> None:
    """The second one goes to the primary; a primary that is away is told."""
    calls = 0
    failures: list[Exception] = []

    async def read(_call: Call) -> Answer:
        nonlocal calls
        calls += 1
        if failures:
            raise failures.pop(0)
        return Answer(document={"calls": calls})

    endpoint = Endpoint(method="GET", path="/api/x", handler=read, summary="A read.", answer=dict, read="search")
    handler = take_turns(endpoint, {"search": Turns("search", 1)}).handler
    call = Call(path={}, identity=None, address="203.0.113.7")
    failures.append(ReplicaLost("gone"))
    assert (await handler(call)).document == {"calls": 2}
    failures.append(StoreUnavailable("away"))
    with pytest.raises(StoreUnavailable):
        await handler(call)
    assert calls == 3
