"""A person who looks on: one connection, one channel, as cheap as it can be."""

from __future__ import annotations

import time
from collections.abc import Sequence
from random import Random

import msgspec
from picows import WSFrame, WSTransport

from server.client import wire
from server.client.websocket import Line
from server.load.counts import Counts
from server.load.view import View, Views

now_s = time.monotonic


class Watcher(Line):
    """Subscribed to `votes:<show>`; holds the state the pushes make."""

    def __init__(self, url: str, rng: Random, counts: Counts, views: Views, view: View) -> None:
        super().__init__(url, None, rng, counts)
        self.view = view
        self._views = views
        self._counts = counts
        self._channel = f"votes:{view.show_id}"

    def channels(self) -> Sequence[str]:
        """The one channel."""
        return (self._channel,)

    def since(self) -> dict[str, int]:
        """The position held, after a loss."""
        return {self._channel: self.view.at} if self.view.has_state else {}

    def joined(self, reply: bytes) -> None:
        """Takes the state."""
        join(self.view, self._channel, reply)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A push nearly always, and then one that another watcher has had decoded."""
        payload = frame.get_payload_as_bytes()
        try:
            push = self._views.push(payload)
        except msgspec.DecodeError:
            super().on_ws_frame(transport, frame)
            return
        if push is None or push.show_id != self.view.show_id:
            return
        counts = self._counts
        counts.frames += 1
        counts.frame_bytes += len(payload)
        if not self.view.take(push, now_s()):
            counts.backward += 1


def join(view: View, channel: str, reply: bytes) -> None:
    """Gives a view its state out of the reply to a subscribe.

    Raises: Refused: the server would not let us subscribe; ConnectionError: the reply does not name the channel
    """
    joined = wire.decode_subscribe_reply(reply).ok.channels.get(channel)
    if joined is None:
        raise ConnectionError(f"the reply to a subscribe does not name {channel}")
    if joined.error is not None:
        raise joined.error.refused()
    view.join(joined, now_s())
