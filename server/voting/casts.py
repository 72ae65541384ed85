"""A cast on its way to the script, and the script's answers to it."""

from __future__ import annotations

from enum import IntEnum

from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.outcomes import Waiter
from server.telemetry import CASTS, CLIENT_GONE
from server.voting.rules import MARK, PICK


class Cast:
    """One cast, mark or pick, packed for cast.lua; a cast without songs asks for the ballot.

    user_id: the fan; weight: the work that it is, in votes: a mark and a question for the ballot are about one, its order is none
    needs_show: a warm-up for it reads the show too, not only the fan's ballot
    """

    __slots__ = (
        "may_be_logged", "needs_show", "number", "packed", "subject_id", "tries", "user_id", "waiter", "weight",
    )  # fmt: skip

    def __init__(self, number: int, subject_id: int, packed: list[int], waiter: Waiter) -> None:
        self.number = number  # in the sequence of arrival
        self.subject_id = subject_id  # the show; for a follow, the artist. It decides the shard
        self.packed = packed
        self.waiter = waiter
        self.tries = 0  # the number of times it was sent again after a warm-up
        self.may_be_logged = False  # an answer of the script was lost: a refusal would say nothing about that time
        self.needs_show = True
        # Read several times for each cast.
        self.user_id = packed[2] if packed[0] == MARK else packed[1]
        count = len(packed) // 2 - 1
        self.weight = max(1, count - 1 if count and packed[-2] < 0 else count)

    @property
    def is_abandoned(self) -> bool:
        """Whether its client is gone, and nothing says where it belongs among the client's other casts.

        Nobody was told that it counts, and the client may have cast the opposite elsewhere meanwhile.
        """
        packed = self.packed
        return len(packed) > 2 and packed[-2] >= 0 and self.waiter.is_gone

    @property
    def ruled_by(self) -> int:
        """The show whose rules decide it. A mark follows no rules: 0."""
        packed = self.packed
        return packed[3] if packed[0] == MARK and packed[1] == PICK else packed[0]

    @property
    def ballot_key(self) -> tuple[int, int]:
        """(show, user). A mark has no ballot; its key matches no show."""
        return self.ruled_by, self.user_id

    def refuse(self, error: Refused) -> None:
        """Counts the refusal, and hands it to the waiter."""
        if self.may_be_logged:
            message = "Nobody knows whether this vote counts. Send it again."
            error = Refused(Code.UNAVAILABLE, message, retry_after_ms=100)
        CASTS.labels(error.code).inc()
        self.waiter.refused(error)

    def drop(self) -> None:
        """Ends a cast whose client is gone: no answer of the service is missing."""
        CASTS.labels(CLIENT_GONE).inc()
        self.waiter.refused(Refused(Code.UNAVAILABLE, "The client is gone."))


class ScriptCode(IntEnum):
    """The first part of cast.lua's answer to a cast."""

    OK = 0
    COLD_SHOW = 1
    COLD_BALLOT = 2
    CLOSED = 3
    LOCKED = 4
    SONG = 5
    SHOW_BUDGET = 6
    DAY_BUDGET = 7
    TICKET = 8
    HELD = 9
    PLAYED = 10
    OVERTAKEN = 11
    PICKS_LOCKED = 12


# The code and the sentence of each refusal; "{}" stands for what the script's answer adds.
_REFUSALS: dict[int | str, tuple[Code, str]] = {
    ScriptCode.CLOSED: (Code.CLOSED, "Voting for this show is closed."),
    ScriptCode.LOCKED: (Code.LOCKED, "Voting for this show is locked."),
    ScriptCode.SONG: (Code.NOT_FOUND, "Song {} is not in a setlist of this show."),
    ScriptCode.SHOW_BUDGET: (Code.BUDGET, "This show gives each fan {} votes. Withdraw one first."),
    ScriptCode.DAY_BUDGET: (Code.BUDGET, "You have used up your votes for today. They come back at midnight UTC."),
    ScriptCode.TICKET: (Code.FORBIDDEN, "Voting in this show needs a ticket. Redeem your ticket code first."),
    ScriptCode.PLAYED: (Code.CLOSED, "Song {} has been played, so votes on it are closed."),
    ScriptCode.OVERTAKEN: (
        Code.CONFLICT,
        "Your ballot has a later vote already. Read your ballot, and send this vote again with a greater `order`.",
    ),
    ScriptCode.PICKS_LOCKED: (
        Code.LOCKED,
        "Picks of this show are locked, because it has begun or is cancelled.",
    ),
}


def refusal(answer: list[int | str]) -> Refused:
    """Translates an answer of cast.lua into a refusal."""
    if answer[0] not in _REFUSALS:
        raise ValueError(f"cast.lua answered {answer!r}")
    code, sentence = _REFUSALS[answer[0]]
    return Refused(code, sentence.format(*answer[1:]))
