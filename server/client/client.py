"""The client for programs: shows and results over HTTP; counts, votes and marks over a websocket that reconnects.

docs/clients.md has a complete example.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from random import Random
from types import TracebackType
from typing import Any, Self, TypeVar

import structlog

from server.client import wire
from server.client.answers import Ballot, Closed, MarkReceipt, Receipt, Update
from server.client.channels import Channels, decode_ok
from server.client.http import HttpClient, Show
from server.client.websocket import ReconnectingWebsocket, websocket_url
from server.errors import MysetlistError, Refused
from server.protocol.codes import Code

log = structlog.get_logger()

Answer = TypeVar("Answer")

# The time for one request, with its repetitions after lost connections and temporary refusals.
REQUEST_TIMEOUT_S = 30.0
# A connection that is silent for so long is taken for lost. The server pings after 25 s, and a phone that loses its signal
# reports no error.
QUIET_S = 30.0
# Clients that the server unsubscribes at the same moment must not all subscribe again at the same moment.
RESUBSCRIBE_DELAY_MAX_S = 2.0


class Client:
    """One user of one server, or a reader without a token.

    Takes: url, of a node or a load balancer, `http://host:8080`; token, of a session or an API key; renew, gives a newer
           token before the present one expires (default: the server renews its own session tokens); connected, called
           with True when the connection is ready and with False when it is lost
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
        self._http = HttpClient(url)
        self._rng = Random()  # noqa: S311  delays, not secrets
        self._renew = renew or self._renew_session
        self._connected = connected
        self._channels = Channels()
        self._websocket = _ClientWebsocket(websocket_url(url), token, self._rng, self, self._channels)
        self._opening: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._orders: dict[int, int] = {}  # show -> the greatest known order of a cast
        self._ready = asyncio.Event()  # the websocket is ready, or finished

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections. Running watches and requests end with Closed."""
        self._websocket.close()
        self.on_finished("closed by us")
        tasks = [*self._tasks, *([] if self._opening is None else [self._opening])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._http.close()

    @property
    def token(self) -> str | None:
        """The present token."""
        return self._websocket.token

    # ── HTTP

    async def sign_in(self) -> int:
        """Becomes a new anonymous user; gives the user's id.

        Raises: Unreachable; Refused: the server refused the hello
        """
        session = await self._http.sign_in()
        await self._use_token(session.token)
        return session.user.id

    async def open_shows(self) -> list[int]:
        """Ids of all shows with open voting.

        Raises: Unreachable
        """
        return await self._http.open_shows()

    async def show(self, show: int | str) -> Show:
        """A show by id or slug, with its setlists and the counts that this user may see.

        Raises: SetupError: the show does not exist; Unreachable
        """
        return await self._http.show(show, self.token)

    async def results(self, show: int | str) -> dict[str, Any]:
        """The JSON of `GET /api/shows/{show}/results`.

        Raises: Unreachable: no answer, or a refusal
        """
        return await self._http.results(show, self.token)

    # ── the websocket

    async def watch(self, *channels: str) -> AsyncIterator[Update]:
        """Gives the state of each channel, and the whole state again after each change. A lost connection does not end it.

        A reader that is slower than the changes gets only the newest state.

        Raises: Refused: a channel is refused for good (not_found, forbidden, too_large); Closed
        """
        watch = self._channels.add(channels)
        try:
            if self._websocket.is_ready:
                await self._subscribe([name for name in channels if name not in watch.unread])
            else:
                self._open()
            while True:
                await watch.has_news.wait()
                watch.has_news.clear()
                updates, watch.unread = watch.unread, {}
                for update in updates.values():
                    yield update
                if watch.make_error is not None:
                    raise watch.make_error()
        finally:
            unwatched = self._channels.remove(watch)
            if unwatched and self._websocket.is_ready:
                self._start(self._unsubscribe(unwatched), "client-unsubscribe")

    async def cast(self, show: int, votes: Mapping[int, str]) -> Receipt:
        """Sets choices: setlist song -> up, down or none. The server takes all of them or none. Returns once they are safe.

        Raises: Refused: closed, locked, budget, not_found, forbidden, unauthenticated, bad_request; or any other code
                that lasts for REQUEST_TIMEOUT_S; Closed; TimeoutError
        """

        def fields() -> dict[str, Any]:
            # Each attempt has a greater order, so the server refuses a late copy of an earlier one.
            order = self._orders[show] = max(self._orders.get(show, 0) + 1, round(time.time() * 1000))
            return {"show": show, "votes": list(votes.items()), "order": order}

        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            while True:
                try:
                    return await self._ask("cast", Receipt, fields)
                except Refused as error:
                    if error.code != Code.CONFLICT:
                        raise
                # Another device of this user has cast with a greater order.
                self._orders[show] = (await self.ballot(show)).order

    async def ballot(self, show: int) -> Ballot:
        """The user's own choices in a show.

        Raises: as cast
        """
        return await self.ask("ballot", Ballot, show=show)

    async def attend(self, show: int, *, going: bool = True) -> MarkReceipt:
        """Marks that the user goes to a show, or does not.

        Raises: as cast
        """
        return await self.ask("attend", MarkReceipt, show=show, going=going)

    async def follow(self, artist: int, *, following: bool = True) -> MarkReceipt:
        """Marks that the user follows an artist, or does not.

        Raises: as cast
        """
        return await self.ask("follow", MarkReceipt, artist=artist, following=following)

    async def ask(self, op: str, answer: type[Answer], **fields: Any) -> Answer:
        """Sends any request, and sends it again after a lost connection. A request sets a state, so a repetition changes nothing.

        Raises: as cast
        """
        return await self._ask(op, answer, lambda: fields)

    async def _ask(self, op: str, answer: type[Answer], fields: Callable[[], Mapping[str, Any]]) -> Answer:
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            while True:
                await self._wait_until_ready()
                try:
                    reply = await self._websocket.ask(lambda request_id: wire.request_frame(request_id, op, fields()))
                except (ConnectionError, TimeoutError):
                    continue
                except Refused as error:
                    if error.retry_after_ms is None:
                        raise
                    await asyncio.sleep(error.retry_after_ms / 1000 * (1 + self._rng.random()))
                    continue
                return decode_ok(reply, answer)

    def channels(self) -> list[str]:
        """The watched channels."""
        return self._channels.names()

    # ── events of the websocket

    def on_subscribed(self, reply: bytes) -> None:
        """The reply to a subscribe came."""
        self._subscribe_again(self._channels.take_subscribed(reply))

    def on_notice(self, message: wire.Inbound) -> None:
        """A message came that is neither a reply nor a push."""
        if message.expiring is not None:
            self._start(self._renew_token(), "client-renew")
        elif message.unsubscribed is not None:
            self._channels.forget(message.unsubscribed.channels)
            self._subscribe_again(message.unsubscribed.channels)

    def on_ready(self) -> None:
        """The websocket is ready, for the first time or again."""
        self._ready.set()
        self._connected(True)
        # The first subscribe lacks the channels of a watch that began while the websocket was opening.
        if missing := self._channels.missing():
            self._start(self._subscribe(missing), "client-subscribe")

    def on_lost(self) -> None:
        """The websocket is lost, and reconnects."""
        self._ready.clear()
        self._connected(False)

    def on_finished(self, reason: str) -> None:
        """The websocket will not reconnect."""
        self._websocket.finish_reason = self._websocket.finish_reason or reason
        self._ready.set()
        for watch in self._channels.watches:
            watch.fail(self._closed)

    # ── inside

    def _closed(self) -> Closed:
        return Closed(f"The connection is closed for good: {self._websocket.finish_reason}.")

    def _open(self) -> None:
        if self._websocket.is_finished:
            raise Closed("The client is closed.")
        if self._opening is None:
            self._opening = asyncio.create_task(self._websocket.open_with_retries(), name="client-open")

    async def _wait_until_ready(self) -> None:
        self._open()
        await self._ready.wait()
        if self._websocket.is_finished:
            raise self._closed()

    async def _subscribe(self, names: Sequence[str]) -> None:
        if not names:
            return
        try:
            await self._websocket.subscribe(names, {})
        except (ConnectionError, TimeoutError):
            # The next connection subscribes to them.
            return
        except Refused as error:
            if error.retry_after_ms is None:
                self._channels.fail(names, wire.ErrorReply(error.code, error.message).refused)
            else:
                self._subscribe_again(names)

    def _subscribe_again(self, names: Iterable[str]) -> None:
        watched = set(self._channels.names())
        if wanted := [name for name in names if name in watched]:
            self._start(self._subscribe_later(wanted), "client-subscribe")

    async def _subscribe_later(self, names: Sequence[str]) -> None:
        await asyncio.sleep(self._rng.random() * RESUBSCRIBE_DELAY_MAX_S)
        if self._websocket.is_ready:
            watched = set(self._channels.names())
            await self._subscribe([name for name in names if name in watched])

    async def _unsubscribe(self, names: Sequence[str]) -> None:
        try:
            await self._websocket.ask(
                lambda request_id: wire.request_frame(request_id, "unsubscribe", {"channels": list(names)})
            )
        except (ConnectionError, TimeoutError, Refused) as error:
            log.info("client.not_unsubscribed", error=str(error))

    async def _renew_token(self) -> None:
        try:
            await self._use_token(await self._renew())
        except (MysetlistError, OSError, TimeoutError) as error:
            # The server closes with 4401 when the old token expires; then watches and requests end with Closed.
            log.warning("client.not_renewed", error=str(error))

    async def _renew_session(self) -> str:
        return (await self._http.sign_in(keep=self.token)).token

    async def _use_token(self, token: str) -> None:
        self._websocket.token = token
        if self._websocket.is_ready:
            await self._websocket.ask(lambda request_id: wire.hello_frame(request_id, token))

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _ClientWebsocket(ReconnectingWebsocket):
    """Passes the events of the websocket to the client, and keeps the reason why the connection ended for good."""

    quiet_s = QUIET_S

    def __init__(self, url: str, token: str | None, rng: Random, client: Client, channels: Channels) -> None:
        super().__init__(url, token, rng, self)
        self._client = client
        self._watched = channels
        self.reconnects = 0
        self.finish_reason = ""

    def count_error(self, code: str) -> None:
        self.finish_reason = code

    def channels(self) -> Sequence[str]:
        return self._watched.names()

    def positions(self) -> dict[str, int]:
        return self._watched.positions()

    def on_subscribed(self, reply: bytes) -> None:
        self._client.on_subscribed(reply)

    def on_push(self, payload: bytes) -> None:
        self._watched.take_push(payload)

    def on_notice(self, message: wire.Inbound) -> None:
        self._client.on_notice(message)

    def on_ready(self) -> None:
        self.finish_reason = ""
        self._client.on_ready()

    def on_lost(self) -> None:
        self._client.on_lost()

    def on_finished(self) -> None:
        self._client.on_finished("the server said not to come back")
