"""The channels that a client watches, and the newest state of each. Pure: no I/O."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from server.client import wire
from server.client.answers import Update, merged

Answer = TypeVar("Answer")


class _Reply(msgspec.Struct):
    ok: msgspec.Raw


class _SubscribedChannel(msgspec.Struct):
    at: int = 0
    state: dict[str, Any] | None = None
    error: wire.ErrorReply | None = None


class _SubscribeOk(msgspec.Struct):
    channels: dict[str, _SubscribedChannel]


def decode_ok(reply: bytes, answer: type[Answer]) -> Answer:
    """The `ok` of a reply."""
    return msgspec.json.decode(msgspec.json.decode(reply, type=_Reply).ok, type=answer)


class Watch:
    """One running `Client.watch`: the newest unread state of each of its channels."""

    def __init__(self, channels: Sequence[str]) -> None:
        self.channels = channels
        self.unread: dict[str, Update] = {}
        self.make_error: Callable[[], Exception] | None = None  # makes the error that ended it
        self.has_news = asyncio.Event()

    def put(self, update: Update) -> None:
        """Adds a state; it replaces an older unread state of the same channel."""
        self.unread[update.channel] = update
        self.has_news.set()

    def fail(self, make_error: Callable[[], Exception]) -> None:
        """Ends the watch with an error, made for it alone."""
        self.make_error = make_error
        self.has_news.set()


class Channels:
    """All watches of a client, and the states they share.

    Owns:   channel -> newest state, as long as a watch has the channel
    """

    def __init__(self) -> None:
        self.watches: list[Watch] = []
        self._states: dict[str, Update] = {}

    def names(self) -> list[str]:
        """All watched channels, each once."""
        return list(dict.fromkeys(name for watch in self.watches for name in watch.channels))

    def positions(self) -> dict[str, int]:
        """The position of each watched channel with a state."""
        return {name: self._states[name].at for name in self.names() if name in self._states}

    def missing(self) -> list[str]:
        """The watched channels without a state."""
        return [name for name in self.names() if name not in self._states]

    def add(self, names: Sequence[str]) -> Watch:
        """Starts a watch; it gets the states that are known already."""
        watch = Watch(names)
        self.watches.append(watch)
        for name in names:
            if name in self._states:
                watch.put(self._states[name])
        return watch

    def remove(self, watch: Watch) -> list[str]:
        """Ends a watch. Gives the channels that nobody watches any more; their states are forgotten."""
        self.watches.remove(watch)
        watched = set(self.names())
        unwatched = [name for name in watch.channels if name not in watched]
        self.forget(unwatched)
        return unwatched

    def take_subscribed(self, reply: bytes) -> list[str]:
        """Takes the reply to a subscribe. The reply leaves out a state that has not changed.

        Gives:  the channels that the server refused only for now; the caller subscribes to them again
        """
        refused_for_now = []
        for name, channel in decode_ok(reply, _SubscribeOk).channels.items():
            if channel.error is not None:
                self.forget([name])
                if channel.error.retry_after_ms is None:
                    self.fail([name], channel.error.refused)
                else:
                    refused_for_now.append(name)
            elif channel.state is not None:
                self._put(Update(name, channel.at, channel.state))
        return refused_for_now

    def take_push(self, payload: bytes) -> None:
        """Takes a push; one that is older than the state changes nothing."""
        push = msgspec.json.decode(payload)
        name, at = push.pop("ch"), push.pop("at")
        state = self._states.get(name)
        if state is not None and at >= state.at:
            self._put(Update(name, at, merged(name, state.state, push)))

    def forget(self, names: Iterable[str]) -> None:
        """Forgets the states of channels."""
        for name in names:
            self._states.pop(name, None)

    def fail(self, names: Iterable[str], make_error: Callable[[], Exception]) -> None:
        """Ends every watch of these channels with an error."""
        failed = set(names)
        for watch in self.watches:
            if not failed.isdisjoint(watch.channels):
                watch.fail(make_error)

    def _put(self, update: Update) -> None:
        self._states[update.channel] = update
        for watch in self.watches:
            if update.channel in watch.channels:
                watch.put(update)
