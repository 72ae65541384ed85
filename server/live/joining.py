"""The answer to `subscribe`: the client joins channels, and gets the state of each that it does not hold yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from server.errors import Refused
from server.live.admission import prepare
from server.live.connection import ClientConnection
from server.live.replies import error_object
from server.live.services import Services
from server.protocol.codes import Code


async def join(
    services: Services, connection: ClientConnection, names: Sequence[str], since: Mapping[str, int]
) -> bytes:
    """Joins channels. The caller replies without waiting, so that no push can come before the state it follows.

    Takes:  since, the positions of the states that the client holds
    Gives:  the JSON of the answer
    """
    prepared = await prepare(services, connection.identity, connection.address, names, since)
    # From here to the reply nothing is awaited.
    parts = []
    for name in names:
        quoted = orjson.dumps(name)
        found = prepared[name]
        state = None if isinstance(found, Refused) else services.hub.join(connection, name, found)
        if state is None:
            again = Refused(Code.UNAVAILABLE, "The channel changed meanwhile. Try again.", retry_after_ms=100)
            error = found if isinstance(found, Refused) else again
            parts.append(b'%b:{"error":%b}' % (quoted, orjson.dumps(error_object(error))))
        elif since.get(name) == state.at:
            parts.append(b'%b:{"at":%d}' % (quoted, state.at))
        else:
            parts.append(b'%b:{"at":%d,"state":%b}' % (quoted, state.at, state.whole()))
    return b'{"channels":{%b}}' % b",".join(parts)
