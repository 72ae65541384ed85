"""A watcher: a connection that only watches one show, as cheaply as possible."""

from __future__ import annotations

import time
from collections.abc import Sequence
from random import Random

import msgspec
from picows import WSFrame, WSTransport

from server.client.websocket import ReconnectingWebsocket
from server.load import wire
from server.load.counts import Counts
from server.load.view import View, Views

now_s = time.monotonic


class Watcher(ReconnectingWebsocket):
    """A subscriber of `votes:<show>`; the pushes keep its view up to date."""

    def __init__(self, url: str, rng: Random, counts: Counts, views: Views, view: View) -> None:
        super().__init__(url, None, rng, counts)
        self.view = view
        self._views = views
        self._counts = counts
        self._channel = f"votes:{view.show_id}"

    def channels(self) -> Sequence[str]:
        """The one channel."""
        return (self._channel,)

    def positions(self) -> dict[str, int]:
        """The position of the view, once it has a state."""
        return {self._channel: self.view.at} if self.view.has_state else {}

    def on_subscribed(self, reply: bytes) -> None:
        """Takes the state."""
        start_view(self.view, self._channel, reply)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Takes a frame. Nearly every frame is a push that another watcher has had decoded already."""
        payload = frame.get_payload_as_bytes()
        try:
            push = self._views.decode(payload)
        except msgspec.DecodeError:
            super().on_ws_frame(transport, frame)
            return
        if push is None or push.show_id != self.view.show_id:
            return
        counts = self._counts
        counts.frames += 1
        counts.frame_bytes += len(payload)
        if not self.view.apply(push, now_s()):
            counts.backward += 1


def start_view(view: View, channel: str, reply: bytes) -> None:
    """Gives a view its state from the reply to a subscribe.

    Raises: Refused: the server refused the channel; ConnectionError: the reply does not name the channel
    """
    state = wire.decode_subscribe_reply(reply).ok.channels.get(channel)
    if state is None:
        raise ConnectionError(f"the reply to a subscribe does not name {channel}")
    if state.error is not None:
        raise state.error.refused()
    view.start_at(state, now_s())
