"""A client for programs: shows and results over HTTP; counts, votes and marks over one websocket that comes back by itself.

docs/clients.md has a complete example.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from random import Random
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec
import structlog

from server.client import wire
from server.client.answers import Ballot, Closed, MarkReceipt, Receipt, Update, merged
from server.client.http import Show, Web
from server.client.websocket import Line, websocket_url
from server.errors import MysetlistError, Refused

log = structlog.get_logger()

Answer = TypeVar("Answer")

# How long a request is tried, over losses of the connection and refusals that pass.
REQUEST_TIMEOUT_S = 30.0
# The server pings after 25 s; a phone that has lost its signal is told by nobody.
QUIET_S = 30.0
# A whole hall that is taken off a channel must not ask again at once.
ASK_AGAIN_MAX_S = 2.0


class _Joined(msgspec.Struct):
    at: int = 0
    state: dict[str, Any] | None = None
    error: wire.Fault | None = None


class _Channels(msgspec.Struct):
    channels: dict[str, _Joined]


class _Reply(msgspec.Struct):
    ok: msgspec.Raw


class _Watch:
    """One `watch` under way: the newest state of each of its channels that was not given yet."""

    def __init__(self, channels: Sequence[str]) -> None:
        self.channels = channels
        self.news: dict[str, Update] = {}
        self.error: Exception | None = None
        self.has_news = asyncio.Event()

    def tell(self, update: Update) -> None:
        """A newer state takes the place of one that nobody has fetched."""
        self.news[update.channel] = update
        self.has_news.set()

    def fail(self, error: Exception) -> None:
        """The watch ends with this."""
        self.error = error
        self.has_news.set()


class Client:
    """One user of one server, or a reader without a token.

    Takes: url, of a node or a balancer, `http://host:8080`; token, a session's or an API key; renew, gives a newer token
           before the present one ends (default: the server renews its own session tokens); connected, told when the
           connection is there (True) and when it was lost (False)
    Owns:  one websocket, opened when it is first needed; close it with `async with` or `close`
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        renew: Callable[[], Awaitable[str]] | None = None,
        connected: Callable[[bool], object] = lambda _: None,
    ) -> None:
        self._web = Web(url)
        self._rng = Random()  # noqa: S311  delays, not secrets
        self._renew = renew or self._renew_session
        self._connected = connected
        self._line = _Live(websocket_url(url), token, self._rng, self)
        self._opening: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._watches: list[_Watch] = []
        self._held: dict[str, Update] = {}
        self._ready = asyncio.Event()  # the line is, or will never be again

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Hangs up; watches and requests under way end with Closed."""
        self._line.close()
        self.is_over("closed by us")
        tasks = [*self._tasks, *([] if self._opening is None else [self._opening])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._web.close()

    @property
    def token(self) -> str | None:
        """What the client speaks with now."""
        return self._line.token

    # ── HTTP

    async def sign_in(self) -> int:
        """Becomes a new anonymous user, whose id it gives.

        Raises: Unreachable; Refused: as hello
        """
        session = await self._web.sign_in()
        await self._speak_with(session.token)
        return session.user.id

    async def open_shows(self) -> list[int]:
        """Ids of all shows whose voting is open.

        Raises: Unreachable
        """
        return await self._web.open_shows()

    async def show(self, show: int | str) -> Show:
        """A show by id or slug, with its sets and, if they are for this user, its counts.

        Raises: SetupError: there is no such show; Unreachable
        """
        return await self._web.show(show, self.token)

    async def results(self, show: int | str) -> dict[str, Any]:
        """A show's result, as `GET /api/shows/{show}/results` tells it.

        Raises: Unreachable: no answer, or a refusal
        """
        return await self._web.results(show, self.token)

    # ── the websocket

    async def watch(self, *channels: str) -> AsyncIterator[Update]:
        """States of channels: each as it stands, then whole again whenever it has changed; over losses of the connection.

        Whoever is slower than the changes is given the newest state.

        Raises: Refused: a channel is refused for good (not_found, forbidden, too_large); Closed
        """
        watch = _Watch(channels)
        self._watches.append(watch)
        try:
            known = [name for name in channels if name in self._held]
            for name in known:
                watch.tell(self._held[name])
            if self._line.is_ready:
                await self._subscribe([name for name in channels if name not in known])
            else:
                self._open()
            while True:
                await watch.has_news.wait()
                watch.has_news.clear()
                news, watch.news = watch.news, {}
                for update in news.values():
                    yield update
                if watch.error is not None:
                    raise watch.error
        finally:
            self._watches.remove(watch)
            self._leave([name for name in channels if name not in self.channels()])

    async def cast(self, show: int, votes: Mapping[int, str]) -> Receipt:
        """Sets choices, setlist song -> up, down or none; all or none is taken. Returns once they are safe.

        Raises: Refused: closed, locked, budget, not_found, forbidden, unauthenticated, bad_request; or what did not pass
                within REQUEST_TIMEOUT_S; Closed; TimeoutError
        """
        return await self.ask("cast", Receipt, show=show, votes=list(votes.items()))

    async def ballot(self, show: int) -> Ballot:
        """One's own choices in a show.

        Raises: as cast
        """
        return await self.ask("ballot", Ballot, show=show)

    async def attend(self, show: int, *, going: bool = True) -> MarkReceipt:
        """Says that one goes to a show, or not.

        Raises: as cast
        """
        return await self.ask("attend", MarkReceipt, show=show, going=going)

    async def follow(self, artist: int, *, following: bool = True) -> MarkReceipt:
        """Says that one follows an artist, or not.

        Raises: as cast
        """
        return await self.ask("follow", MarkReceipt, artist=artist, following=following)

    async def ask(self, op: str, answer: type[Answer], **fields: Any) -> Answer:
        """Any request. It is sent again when the connection was lost under it: everything it can say is a state.

        Raises: as cast
        """
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            while True:
                await self._wait_until_ready()
                try:
                    reply = await self._line.ask(lambda request_id: wire.request_frame(request_id, op, fields))
                except (ConnectionError, TimeoutError):
                    continue
                except Refused as error:
                    if error.retry_after_ms is None:
                        raise
                    await asyncio.sleep(error.retry_after_ms / 1000 * (1 + self._rng.random()))
                    continue
                return _ok(reply, answer)

    # ── what the line tells

    def channels(self) -> list[str]:
        """What is watched."""
        return list(dict.fromkeys(name for watch in self._watches for name in watch.channels))

    def positions(self) -> dict[str, int]:
        """What is held of it."""
        return {name: self._held[name].at for name in self.channels() if name in self._held}

    def take_states(self, reply: bytes) -> None:
        """The reply to a subscribe; a state that has not changed is left out of it."""
        again = []
        for name, joined in _ok(reply, _Channels).channels.items():
            if joined.error is not None:
                self._held.pop(name, None)
                if joined.error.retry_after_ms is None:
                    self._fail(joined.error.refused(), name)
                else:
                    again.append(name)
            elif joined.state is not None:
                self._hold(Update(name, joined.at, joined.state))
        self._ask_again(again)

    def take_push(self, payload: bytes) -> None:
        """News of a channel."""
        push = msgspec.json.decode(payload)
        name, at = push.pop("ch"), push.pop("at")
        held = self._held.get(name)
        if held is not None and at >= held.at:
            self._hold(Update(name, at, merged(name, held.state, push)))

    def take_notice(self, message: wire.Inbound) -> None:
        """What nobody asked for."""
        if message.expiring is not None:
            self._start(self._take_new_token(), "client-renew")
        elif message.unsubscribed is not None:
            for name in message.unsubscribed.channels:
                self._held.pop(name, None)
            self._ask_again(message.unsubscribed.channels)

    def is_back(self) -> None:
        """The line is ready, for the first time or again."""
        self._ready.set()
        self._connected(True)
        # Whoever began to watch while the line was being opened came too late for its subscribe.
        if missing := [name for name in self.channels() if name not in self._held]:
            self._start(self._subscribe(missing), "client-subscribe")

    def is_lost(self) -> None:
        """The line was lost, and comes back."""
        self._ready.clear()
        self._connected(False)

    def is_over(self, reason: str) -> None:
        """The line will not come back."""
        self._line.why_finished = self._line.why_finished or reason
        self._ready.set()
        for watch in self._watches:
            watch.fail(Closed(f"The connection ended for good: {self._line.why_finished}."))

    # ── within

    def _open(self) -> None:
        if self._line.is_finished:
            raise Closed("The client is closed.")
        if self._opening is None:
            self._opening = asyncio.create_task(self._line.keep_open(), name="client-open")

    async def _wait_until_ready(self) -> None:
        self._open()
        await self._ready.wait()
        if self._line.is_finished:
            raise Closed(f"The connection ended for good: {self._line.why_finished}.")

    def _hold(self, update: Update) -> None:
        self._held[update.channel] = update
        for watch in self._watches:
            if update.channel in watch.channels:
                watch.tell(update)

    def _fail(self, error: Refused, name: str) -> None:
        for watch in self._watches:
            if name in watch.channels:
                watch.fail(error)

    async def _subscribe(self, names: Sequence[str]) -> None:
        if not names:
            return
        try:
            self.take_states(await self._line.ask(lambda request_id: wire.subscribe_frame(request_id, names, {})))
        except (ConnectionError, TimeoutError):
            # Subscribed to again with the next connection.
            return
        except Refused as error:
            if error.retry_after_ms is None:
                for name in names:
                    self._fail(error, name)
            else:
                self._ask_again(names)

    def _ask_again(self, names: Iterable[str]) -> None:
        if wanted := [name for name in names if name in self.channels()]:
            self._start(self._subscribe_later(wanted), "client-subscribe")

    async def _subscribe_later(self, names: Sequence[str]) -> None:
        await asyncio.sleep(self._rng.random() * ASK_AGAIN_MAX_S)
        if self._line.is_ready:
            await self._subscribe([name for name in names if name in self.channels()])

    def _leave(self, names: Sequence[str]) -> None:
        for name in names:
            self._held.pop(name, None)
        if names and self._line.is_ready:
            self._start(self._unsubscribe(names), "client-unsubscribe")

    async def _unsubscribe(self, names: Sequence[str]) -> None:
        try:
            await self._line.ask(
                lambda request_id: wire.request_frame(request_id, "unsubscribe", {"channels": list(names)})
            )
        except (ConnectionError, TimeoutError, Refused) as error:
            log.info("client.not_unsubscribed", error=str(error))

    async def _take_new_token(self) -> None:
        try:
            await self._speak_with(await self._renew())
        except (MysetlistError, OSError, TimeoutError) as error:
            # The server closes with 4401 when the old one ends, which whoever watches or asks is told.
            log.warning("client.not_renewed", error=str(error))

    async def _renew_session(self) -> str:
        return (await self._web.sign_in(keep=self.token)).token

    async def _speak_with(self, token: str) -> None:
        self._line.token = token
        if self._line.is_ready:
            await self._line.ask(lambda request_id: wire.hello_frame(request_id, token))

    def _start(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _ok(reply: bytes, answer: type[Answer]) -> Answer:
    """What a reply holds."""
    return msgspec.json.decode(msgspec.json.decode(reply, type=_Reply).ok, type=answer)


class _Live(Line):
    """The client's line; a line counts its losses, and is its own count here."""

    quiet_s = QUIET_S

    def __init__(self, url: str, token: str | None, rng: Random, client: Client) -> None:
        super().__init__(url, token, rng, self)
        self._client = client
        self.reconnects = 0
        self.why_finished = ""

    def fault(self, code: str) -> None:
        self.why_finished = code

    def channels(self) -> Sequence[str]:
        return self._client.channels()

    def since(self) -> dict[str, int]:
        return self._client.positions()

    def joined(self, reply: bytes) -> None:
        self._client.take_states(reply)

    def pushed(self, payload: bytes) -> None:
        self._client.take_push(payload)

    def announced(self, message: wire.Inbound) -> None:
        self._client.take_notice(message)

    def entered(self) -> None:
        self.why_finished = ""
        self._client.is_back()

    def dropped(self) -> None:
        self._client.is_lost()

    def finished(self) -> None:
        self._client.is_over("the server said not to return")
