"""Remembers which fans have no ticket in the database, so that it is not asked again for each of their casts."""

from __future__ import annotations

from server.clock import Clock
from server.voting.casts import Cast

ASK_AGAIN_S = 5.0
REMEMBERED_MAX = 10_000


class MissingTickets:
    """The fans of whom the database said lately that they have no ticket.

    Valkey may have lost a fan's ticket. So before a cast is refused because the ticket is missing, the database is asked, at most
    once in ASK_AGAIN_S for each fan and show.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ask_again_s: dict[tuple[int, int], float] = {}  # (show, user) -> when the database may be asked again

    def should_ask(self, cast: Cast) -> bool:
        """Whether the database may know of a ticket that Valkey does not, for a cast that Valkey refused for it."""
        now_s = self._clock.monotonic_s()
        if cast.tries == 0:
            return now_s >= self._ask_again_s.get(cast.ballot_key, 0.0)
        # The warm-up before this try read the fan's ticket from the database: there is none.
        if len(self._ask_again_s) >= REMEMBERED_MAX:
            self._ask_again_s.clear()
        self._ask_again_s[cast.ballot_key] = now_s + ASK_AGAIN_S
        return False
