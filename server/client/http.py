"""The HTTP a client needs before and after its websocket: sessions, shows, ballots."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import httpx
import msgspec

from server.clock import backoff_s
from server.errors import MysetlistError, SetupError

# More requests at once are slower, not faster: httpx walks its pool for each of them (1,500 sessions take 1.5 s with
# 4 connections, 4.8 s with 32; measured 2026-11-23).
SIGNING_IN_MAX = 6
FETCHING_MAX = 8
ATTEMPTS_MAX = 8
PAGE_SIZE = 100
TIMEOUT_S = 20.0

_HTTP_RETRY = frozenset({429, 502, 503, 504})

Item = TypeVar("Item")
Result = TypeVar("Result")
Tally = dict[int, tuple[int, int]]  # song -> (up, down)


class _User(msgspec.Struct):
    id: int


class Session(msgspec.Struct):
    """An anonymous sign-in."""

    token: str
    user: _User


class _Listed(msgspec.Struct):
    id: int
    voting: str = ""


class _Page(msgspec.Struct):
    items: list[_Listed]
    next: str | None = None


class Song(msgspec.Struct):
    """One thing to vote on, and how it stands."""

    id: int
    up: int | None = 0  # None: not for whoever asks, or not yet
    down: int | None = 0
    title: str = ""


class Setlist(msgspec.Struct):
    """Songs under one heading."""

    songs: list[Song] = []
    type: str = "predicted"
    name: str = ""


class Show(msgspec.Struct):
    """A show as `GET /api/shows/{id}` tells it; the fields a client uses."""

    id: int
    voting: str = ""
    status: str = ""
    name: str = ""
    votes_per_user_max: int | None = None
    setlists: list[Setlist] = []
    at: int = 0
    results: str = "live"

    def tally(self) -> Tally:
        """The counts of all its songs, 0 where they are hidden."""
        return {song.id: (song.up or 0, song.down or 0) for setlist in self.setlists for song in setlist.songs}

    def predicted(self) -> list[Setlist]:
        """The setlists people vote on: what was played is not a matter of votes, unless there is nothing else."""
        return [setlist for setlist in self.setlists if setlist.type == "predicted"] or self.setlists

    def titles(self) -> dict[int, str]:
        """Song -> title, in the setlists' order."""
        return {song.id: song.title for setlist in self.setlists for song in setlist.songs}


class _Ballot(msgspec.Struct):
    ballot: dict[int, str] = {}


_session = msgspec.json.Decoder(Session)
_page = msgspec.json.Decoder(_Page)
_show = msgspec.json.Decoder(Show)
_ballot = msgspec.json.Decoder(_Ballot)
_document = msgspec.json.Decoder(dict[str, Any])


class Unreachable(MysetlistError):
    """The server did not answer, or not in a way that can be used; one line."""


class Web:
    """HTTP against one server.

    Takes:  url, `http://host:port`; may be the address of one node or of a balancer
    Limits: SIGNING_IN_MAX connections
    """

    def __init__(self, url: str) -> None:
        limits = httpx.Limits(max_connections=SIGNING_IN_MAX, max_keepalive_connections=SIGNING_IN_MAX)
        self._http = httpx.AsyncClient(base_url=url.rstrip("/"), limits=limits, timeout=TIMEOUT_S)

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def sign_in(self, keep: str | None = None) -> Session:
        """A new anonymous user; with `keep`, a newer token of the user whose token that is.

        Raises: Unreachable: no answer, or a refusal that waiting does not cure
        """
        body = None if keep is None else {"keep": True}
        return _decoded(_session, await self._request("POST", "/api/session", headers=_bearer(keep), body=body))

    async def sign_in_many(self, count: int) -> list[Session]:
        """New anonymous users, SIGNING_IN_MAX at a time; len == count."""
        return await in_turns(range(count), lambda _: self.sign_in(), SIGNING_IN_MAX)

    async def open_shows(self) -> list[int]:
        """Ids of all shows whose voting is open."""
        found: list[int] = []
        params: dict[str, str | int] = {"limit": PAGE_SIZE}
        while True:
            page = _decoded(_page, await self._request("GET", "/api/shows", params=params))
            found += [item.id for item in page.items if item.voting == "open"]
            if page.next is None:
                return found
            params["cursor"] = page.next

    async def show(self, show: int | str, token: str | None = None) -> Show:
        """One show by id or slug, as somebody sees it.

        Raises: SetupError: there is no such show; Unreachable: as above
        """
        response = await self._request("GET", f"/api/shows/{show}", headers=_bearer(token), missing_ok=True)
        if response.status_code == httpx.codes.NOT_FOUND:
            raise SetupError(f"There is no show {show}.")
        return _decoded(_show, response)

    async def shows(self, ids: Iterable[int]) -> dict[int, Show]:
        """Several shows by id."""
        found = await in_turns(ids, self.show, FETCHING_MAX)
        return {show.id: show for show in found}

    async def ballot(self, show_id: int, token: str) -> dict[int, str]:
        """One user's choices: song -> `up` or `down`."""
        path = f"/api/shows/{show_id}/ballot"
        return _decoded(_ballot, await self._request("GET", path, headers=_bearer(token))).ballot

    async def results(self, show: int | str, token: str | None) -> dict[str, Any]:
        """A show's result, as it is told."""
        return _decoded(_document, await self._request("GET", f"/api/shows/{show}/results", headers=_bearer(token)))

    async def _request(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str | int] | None = None,
        headers: dict[str, str] | None = None,
        body: dict[str, bool] | None = None,
        missing_ok: bool = False,
    ) -> httpx.Response:
        problem = "no answer"
        for attempt in range(1, ATTEMPTS_MAX + 1):
            wait_s = backoff_s(attempt, first_s=0.1, max_s=5.0)
            try:
                response = await self._http.request(method, path, params=params, headers=headers, json=body)
            except httpx.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
            else:
                if response.is_success or (missing_ok and response.status_code == httpx.codes.NOT_FOUND):
                    return response
                problem = f"{response.status_code} {response.text[:200]}"
                if response.status_code not in _HTTP_RETRY:
                    break
                wait_s = _retry_after_s(response, wait_s)
            await asyncio.sleep(wait_s)
        raise Unreachable(f"{method} {str(self._http.base_url).rstrip('/')}{path}: {problem}")


async def in_turns(items: Iterable[Item], work: Callable[[Item], Awaitable[Result]], at_once: int) -> list[Result]:
    """`work` for every item, `at_once` of them at a time; results in the items' order.

    Raises: whatever the first failing `work` raises, unwrapped; the others are cancelled
    """
    todo = list(enumerate(items))[::-1]
    results: dict[int, Result] = {}

    async def take() -> None:
        while todo:
            index, item = todo.pop()
            results[index] = await work(item)

    takers = [asyncio.ensure_future(take()) for _ in range(min(at_once, len(todo)))]
    try:
        await asyncio.gather(*takers)
    finally:
        for taker in takers:
            taker.cancel()
        await asyncio.gather(*takers, return_exceptions=True)
    return [results[index] for index in range(len(results))]


def _bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def _decoded(decoder: msgspec.json.Decoder[Result], response: httpx.Response) -> Result:
    try:
        return decoder.decode(response.content)
    except msgspec.DecodeError as error:
        raise Unreachable(f"{response.request.method} {response.url}: {error}") from error


def _retry_after_s(response: httpx.Response, otherwise_s: float) -> float:
    try:
        return float(response.headers["retry-after"])
    except (KeyError, ValueError):
        return otherwise_s
