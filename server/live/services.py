"""The functions of other rooms that a connection needs; server/node supplies them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from server.clock import Clock
from server.live.connection_limits import ConnectionLimits
from server.live.hub import Hub
from server.protocol.embargo import WhyHidden
from server.protocol.identity import Identity
from server.protocol.outcomes import Marked, Waiter
from server.store.turns import Turns

# Finds the identity in a request's header or cookie; None: it has neither. Raises: Refused: unauthenticated
Identify = Callable[[web.Request], Awaitable[Identity | None]]
# Gives the client's address, by which connections are limited.
AddressOf = Callable[[web.Request], str]
# Gives the id of the show for an id or slug in a path. Raises: Refused: not_found
FindShow = Callable[[str], Awaitable[int]]


class SubmitCast(Protocol):
    """Submits a cast; a cast without votes only asks for the ballot (voting.Intake.submit)."""

    def __call__(
        self, show_id: int, user_id: int, votes: Sequence[tuple[int, str]], waiter: Waiter, order: int | None, /
    ) -> None:
        """The waiter gets the outcome later. Raises: Refused."""


class SubmitMark(Protocol):
    """Submits a mark: whether a fan goes to a show or follows an artist (people.Marks.submit)."""

    async def __call__(self, marked: Marked, subject_id: int, user_id: int, waiter: Waiter, /, *, wanted: bool) -> None:
        """The waiter gets the outcome later. Raises: Refused, StoreUnavailable."""


class Authenticate(Protocol):
    """Finds the identity behind a token or an API key (people.Authenticator.identify)."""

    async def __call__(self, token: str, /) -> Identity:
        """Raises: Refused: unauthenticated; StoreUnavailable."""


class WhyBanned(Protocol):
    """Gives the reason why a user may not connect (people.AccessMonitor.why_banned)."""

    def __call__(self, user_id: int, /) -> str | None:
        """Gives the reason as the user reads it; None: the user may connect."""


class CountEntry(Protocol):
    """Counts a new connection of a user on all nodes together (node.RateLimits.count_entry)."""

    async def __call__(self, user_id: int, /) -> None:
        """Raises: Refused: rate_limited."""


class BallotJson(Protocol):
    """Writes a packed ballot as JSON (voting.rules.ballot_json)."""

    def __call__(self, packed: str, /) -> bytes:
        """`{"101":"up"}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of a node that a connection uses. Takes: node, the name of this node; installation, of its
    database; load_turns, of clients that ask for channels that must be loaded.
    """

    hub: Hub
    connection_limits: ConnectionLimits
    clock: Clock
    node: str
    installation: str
    submit: SubmitCast
    mark: SubmitMark
    authenticate: Authenticate
    why_banned: WhyBanned
    count_entry: CountEntry
    why_hidden: WhyHidden
    load_turns: Turns
    ballot_json: BallotJson
