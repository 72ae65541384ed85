"""The HTTP requests of a client: sessions, shows, ballots and results."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

import httpx
import msgspec

from server.clock import backoff_s
from server.errors import MysetlistError, SetupError

# More requests at once are slower, not faster: httpx searches its pool for each of them (1,500 sessions take 1.5 s with
# 4 connections, 4.8 s with 32; measured 2026-11-23).
CONNECTIONS_MAX = 6
ATTEMPTS_MAX = 8
RETRY_DELAY_MAX_S = 5.0
# A server that asks for a longer wait is tried again nevertheless.
RETRY_AFTER_MAX_S = 30.0
PAGE_SIZE = 100
TIMEOUT_S = 20.0

_RETRYABLE = frozenset({429, 502, 503, 504})

Result = TypeVar("Result")
Tally = dict[int, tuple[int, int]]  # song -> (up, down)


class _User(msgspec.Struct):
    id: int


class Session(msgspec.Struct):
    """An anonymous session: its token and its user."""

    token: str
    user: _User


class _Listed(msgspec.Struct):
    id: int
    voting: str = ""


class _Page(msgspec.Struct):
    items: list[_Listed]
    next: str | None = None


class Song(msgspec.Struct):
    """A song of a setlist, and its counts."""

    id: int
    up: int | None = 0  # None: hidden from this user, or not yet public
    down: int | None = 0
    title: str = ""
    played_at: str | None = None


class Setlist(msgspec.Struct):
    """The songs of one setlist."""

    songs: list[Song] = []
    type: str = "predicted"
    name: str = ""


class Show(msgspec.Struct):
    """The fields of `GET /api/shows/{id}` that a client uses."""

    id: int
    voting: str = ""
    status: str = ""
    name: str = ""
    votes_per_user_max: int | None = None
    setlists: list[Setlist] = []
    at: int = 0
    results: str = "live"

    def tally(self) -> Tally:
        """The counts of all songs; hidden counts are 0."""
        return {song.id: (song.up or 0, song.down or 0) for setlist in self.setlists for song in setlist.songs}

    def predicted(self) -> list[Setlist]:
        """The setlists that people vote on: the predicted ones, or all if none is predicted."""
        return [setlist for setlist in self.setlists if setlist.type == "predicted"] or self.setlists

    def titles(self) -> dict[int, str]:
        """Song -> title, in the order of the setlists."""
        return {song.id: song.title for setlist in self.setlists for song in setlist.songs}


class _Ballot(msgspec.Struct):
    ballot: dict[int, str] = {}


_session = msgspec.json.Decoder(Session)
_page = msgspec.json.Decoder(_Page)
_show = msgspec.json.Decoder(Show)
_ballot = msgspec.json.Decoder(_Ballot)
_document = msgspec.json.Decoder(dict[str, Any])


class Unreachable(MysetlistError):
    """The server gave no answer, or one that is not usable. The message is one line."""


class HttpClient:
    """HTTP requests to one server.

    Takes:  url, `http://host:port` of a node or a load balancer
    Limits: CONNECTIONS_MAX connections; ATTEMPTS_MAX attempts of a request, TIMEOUT_S each
    """

    def __init__(self, url: str) -> None:
        limits = httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX)
        self._http = httpx.AsyncClient(base_url=url.rstrip("/"), limits=limits, timeout=TIMEOUT_S)

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def sign_in(self, keep: str | None = None) -> Session:
        """Creates an anonymous user, or renews a token.

        Takes:  keep, the token to renew; None: creates a new user
        Raises: Unreachable: no answer, or a refusal that a retry does not change
        """
        body = None if keep is None else {"keep": True}
        return _decoded(_session, await self._request("POST", "/api/session", headers=_bearer(keep), body=body))

    async def open_shows(self) -> list[int]:
        """Ids of all shows with open voting.

        Raises: Unreachable: as sign_in
        """
        found: list[int] = []
        params: dict[str, str | int] = {"limit": PAGE_SIZE}
        while True:
            page = _decoded(_page, await self._request("GET", "/api/shows", params=params))
            found += [item.id for item in page.items if item.voting == "open"]
            if page.next is None:
                return found
            params["cursor"] = page.next

    async def show(self, show: int | str, token: str | None = None) -> Show:
        """A show by id or slug, with the counts that the user of the token may see.

        Raises: SetupError: the show does not exist; Unreachable: as sign_in
        """
        response = await self._request("GET", f"/api/shows/{show}", headers=_bearer(token), missing_ok=True)
        if response.status_code == httpx.codes.NOT_FOUND:
            raise SetupError(f"There is no show {show}.")
        return _decoded(_show, response)

    async def ballot(self, show_id: int, token: str) -> dict[int, str]:
        """The choices of the token's user: song -> `up` or `down`.

        Raises: Unreachable: as sign_in
        """
        path = f"/api/shows/{show_id}/ballot"
        return _decoded(_ballot, await self._request("GET", path, headers=_bearer(token))).ballot

    async def results(self, show: int | str, token: str | None) -> dict[str, Any]:
        """The JSON of a show's results.

        Raises: Unreachable: as sign_in
        """
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
            wait_s = backoff_s(attempt, first_s=0.1, max_s=RETRY_DELAY_MAX_S)
            try:
                response = await self._http.request(method, path, params=params, headers=headers, json=body)
            except httpx.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
            else:
                if response.is_success or (missing_ok and response.status_code == httpx.codes.NOT_FOUND):
                    return response
                problem = f"{response.status_code} {response.text[:200]}"
                if response.status_code not in _RETRYABLE:
                    break
                wait_s = _retry_after_s(response, wait_s)
            if attempt < ATTEMPTS_MAX:
                await asyncio.sleep(wait_s)
        raise Unreachable(f"{method} {str(self._http.base_url).rstrip('/')}{path}: {problem}")


def _bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def _decoded(decoder: msgspec.json.Decoder[Result], response: httpx.Response) -> Result:
    try:
        return decoder.decode(response.content)
    except msgspec.DecodeError as error:
        raise Unreachable(f"{response.request.method} {response.url}: {error}") from error


def _retry_after_s(response: httpx.Response, otherwise_s: float) -> float:
    try:
        asked_s = float(response.headers["retry-after"])
    except (KeyError, ValueError):
        return otherwise_s
    # Also for "nan": max() then gives its first argument.
    return min(max(0.0, asked_s), RETRY_AFTER_MAX_S)
