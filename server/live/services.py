"""What a connection needs from the other rooms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from server.clock import Clock
from server.live.connection_limits import ConnectionLimits
from server.live.hub import Hub
from server.protocol.embargo import HasVoted
from server.protocol.identity import Identity
from server.protocol.outcomes import Marked


class Mark(Protocol):
    """Hands on what a fan says of a show or an artist."""

    async def __call__(self, marked: Marked, subject_id: int, user_id: int, waiter: Any, /, *, wanted: bool) -> None:
        """The waiter hears of it later."""


@dataclass(frozen=True, slots=True)
class Services:
    """What a connection needs from the other rooms; app hands it over.

    submit:       (show, user, votes, waiter), voting.Intake.submit
    mark:         (show or artist, id, user, waiter, wanted=), people.Marks.submit; raises Refused, StoreUnavailable
    authenticate: token or API key -> Identity; raises Refused(unauthenticated), StoreUnavailable
    why_banned:   user -> why they may not be connected, None: they may
    count_entry:  user -> counts one of their connections on all nodes; raises Refused(rate_limited)
    has_voted:    (show, user) -> whether they hold a vote in it
    ballot_json:  packed ballot -> JSON
    """

    hub: Hub
    connection_limits: ConnectionLimits
    clock: Clock
    node: str
    submit: Callable[[int, int, Sequence[tuple[int, str]], Any], None]
    mark: Mark
    authenticate: Callable[[str], Awaitable[Identity]]
    why_banned: Callable[[int], str | None]
    count_entry: Callable[[int], Awaitable[None]]
    has_voted: HasVoted
    ballot_json: Callable[[str], bytes]
