"""The contract between a crowd and its processes: the steps, the options and the results."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from server.client.http import Tally
from server.load.verify import Difference


class PollSpec(msgspec.Struct):
    """A show to vote in. votes_max: the votes that one user may have, None: no limit."""

    show_id: int
    songs: list[int]
    votes_max: int | None


class ProcessOptions(msgspec.Struct):
    """The share of one process in the crowd.

    first_voter, first_watcher: the index of its first voter and watcher in the whole crowd; rate_per_s: its casts a
    second, 0: as many as the server acknowledges.
    """

    url: str
    polls: list[PollSpec]
    seed: int
    voters: int = 0
    first_voter: int = 0
    watchers: int = 0
    first_watcher: int = 0
    rate_per_s: float = 0.0
    in_flight_max: int = 1
    votes_per_cast: int = 1
    ramp_s: float = 0.0
    natural: bool = False
    subscribe: bool = False


class BallotAudit(msgspec.Struct):
    """The result of comparing ballots. `changes`: how these ballots change the tallies, show -> song -> (up, down)."""

    changes: dict[int, dict[int, tuple[int, int]]]
    differences: list[Difference]
    ballots: int
    unanswered: int
    unconfirmed: int


class ViewAudit(msgspec.Struct):
    """The result of comparing views. `final_s`: when the last push reached the last view [monotonic s]."""

    differences: list[Difference]
    views: int
    final_s: float


class CrowdProcess(Protocol):
    """The voters and watchers of one process. The crowd calls the steps in this order."""

    async def open(self) -> None:
        """Signs in and connects all voters and watchers.

        Raises: Unreachable: no sign-in succeeds
        Cancel: `close` must still be called
        """

    async def start_casting(self) -> None:
        """Starts casting."""

    async def clear_counts(self) -> None:
        """Sets all counts to zero, because the warm-up is over."""

    async def settle(self, timeout_s: float) -> None:
        """Stops casting, and waits until every cast is answered and committed, at most `timeout_s`."""

    async def audit_ballots(self) -> BallotAudit:
        """Compares the ballot of each user with the acknowledgements."""

    async def audit_views(self, after: dict[int, Tally], timeout_s: float) -> ViewAudit:
        """Compares the views with the final tallies; the last pushes have `timeout_s` to arrive."""

    async def result(self) -> dict[str, Any]:
        """The measurements so far, as JSON values."""

    def progress(self) -> dict[str, int]:
        """The numbers of the progress line."""

    async def close(self) -> None:
        """Closes every connection. It may be called at any time, and twice."""
