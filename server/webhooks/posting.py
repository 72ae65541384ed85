"""Posts one message to a webhook, signed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from server.outgoing.addresses import LookUp, look_up
from server.outgoing.posting import TIMEOUT_S, CheckedPoster, Posted
from server.protocol.http.addresses import Network
from server.protocol.http.signatures import signed_headers


@dataclass(frozen=True, slots=True)
class Message:
    """What is posted. Takes: id, the same for each attempt; body, JSON."""

    id: str
    body: bytes


class Poster:
    """Posts messages.

    Takes: allowed, private networks that may be reached, also without TLS; look_up, resolves a host
    """

    def __init__(
        self, allowed: Sequence[Network] = (), *, look_up: LookUp = look_up, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._poster = CheckedPoster(
            allowed, setting="MYSETLIST_WEBHOOK_NETWORKS", look_up=look_up, timeout_s=timeout_s
        )

    async def check(self, text: str) -> None:
        """Checks the address of a new webhook.

        Raises: ValueError: a sentence that says why it cannot be used
        """
        await self._poster.check(text)

    async def post(self, url: str, message: Message, keys: Sequence[bytes]) -> Posted:
        """Posts a message once. It raises nothing: whatever goes wrong is in the result.

        Takes: keys, each signs
        """
        headers = signed_headers(message.id, dt.datetime.now(dt.UTC), message.body, keys)
        return await self._poster.post(url, message.body, headers | {"Content-Type": "application/json"})

    async def close(self) -> None:
        """Closes all connections."""
        await self._poster.close()


def message_id_of(uuid: str) -> str:
    """The header `webhook-id` of an event."""
    return f"msg_{uuid.replace('-', '')}"
