"""What the server sends over `/ws`, as types: the AsyncAPI document is made from them, and tests hold real traffic
against it. Frames are built by hand, since a push goes to thousands; nothing here is on their way.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

import msgspec

from server.protocol.accuracy import Accuracy
from server.protocol.codes import Code
from server.protocol.embargo import Results
from server.protocol.identity import Role
from server.protocol.messages import (
    Attend,
    Ballot,
    Cast,
    Choice,
    Follow,
    Hello,
    Id,
    Ping,
    Position,
    RequestId,
    Subscribe,
    Unsubscribe,
)


class Error(msgspec.Struct, frozen=True):
    """Why a request, or one channel of it, was refused; programs go by the code."""

    code: Code
    message: str
    retry_after_ms: int | None


class ErrorReply(msgspec.Struct, frozen=True):
    """A refusal; `re` is null when it answers no request, or one whose id could not be read."""

    re: RequestId | None
    error: Error


class User(msgspec.Struct, frozen=True):
    """Who speaks."""

    id: Id
    role: Role


class Greeting(msgspec.Struct, frozen=True):
    """Who speaks, which node answers, its clock [ms since 1970], and after how much silence it pings."""

    user: User | None
    role: Literal["reader"] | Role
    node: str
    time_ms: int
    ping_ms: int


class Nothing(msgspec.Struct, frozen=True):
    """An empty object."""


class Receipt(msgspec.Struct, frozen=True):
    """A cast was taken; `remaining` is null when the show has no budget. Keys of the ballot are setlist songs."""

    at: Position
    durability: Literal["committed", "accepted"]
    ballot: dict[str, Choice]
    remaining: int | None


class MarkReceipt(msgspec.Struct, frozen=True):
    """Going or following was taken, at this position of the log."""

    at: Position
    durability: Literal["committed", "accepted"]


class BallotState(msgspec.Struct, frozen=True):
    """The choices of whoever asks, in one show."""

    ballot: dict[str, Choice]
    remaining: int | None


class Time(msgspec.Struct, frozen=True):
    """The server's clock [ms since 1970]."""

    time_ms: int


# ── what nobody asked for


class CommittedAt(msgspec.Struct, frozen=True):
    """The show or the artist, and the position that was answered."""

    at: Position
    show: Id | None = None
    artist: Id | None = None


class Committed(msgspec.Struct, frozen=True):
    """What was answered as `accepted` is durable now."""

    committed: CommittedAt


class DrainPause(msgspec.Struct, frozen=True):
    """Come back after a time drawn from this range."""

    min_ms: int
    max_ms: int


class Drain(msgspec.Struct, frozen=True):
    """The node goes away; it hangs up with 4000 right after."""

    drain: DrainPause


class TokenEnd(msgspec.Struct, frozen=True):
    """How long the token is still good."""

    in_ms: int


class Expiring(msgspec.Struct, frozen=True):
    """The connection's token ends soon; say `hello` with a newer one."""

    expiring: TokenEnd


class ChannelNames(msgspec.Struct, frozen=True):
    """Their names."""

    channels: list[str]


class Unsubscribed(msgspec.Struct, frozen=True):
    """This connection was taken off channels, by an administrator or because their counts are for fewer now; it may ask for
    them again.
    """

    unsubscribed: ChannelNames


NOTICES: tuple[type[msgspec.Struct], ...] = (Committed, Drain, Expiring, Unsubscribed)


# ── states of channels


class VotesState(msgspec.Struct, frozen=True):
    """Counts of a show's songs as [setlist song, up, down], and of all its votes; a push has the changed songs only."""

    tally: list[tuple[Id, int, int]]
    total: int


class Artist(msgspec.Struct, frozen=True):
    """Who plays a set."""

    id: Id
    slug: str
    name: str


class CoveredArtist(msgspec.Struct, frozen=True):
    """Whose song it is that somebody else plays."""

    id: Id
    name: str


class Song(msgspec.Struct, frozen=True):
    """A song of a set; neighbours with the same medley number are one. was_played: whether it is in a set that was played;
    null: not known here, or it is a tape.
    """

    id: Id
    title: str
    position: int
    played_at: dt.datetime | None
    was_played: bool | None
    is_tape: bool
    medley: int | None
    note: str
    cover_of: CoveredArtist | None


class Set(msgspec.Struct, frozen=True):
    """A set of a show."""

    id: Id
    type: str
    kind: str
    name: str
    artist: Artist
    songs: list[Song]


class ShowSource(msgspec.Struct, frozen=True):
    """A page at another service to link back to: about the show itself, or about its artist, by which its sets were predicted
    or not.
    """

    service: str
    url: str
    about: Literal["show", "prediction", "artist"]


class SetlistState(msgspec.Struct, frozen=True):
    """The sets of a show, in order, how well the crowd foresaw what was played (null: that is not known, or not everyone's
    yet), and where all that is from.
    """

    setlists: list[Set]
    accuracy: Accuracy | None
    sources: list[ShowSource]


class StatusState(msgspec.Struct, frozen=True):
    """How a show and its voting stand; `now_playing` is a setlist song. `results`: whom counts are shown to while it is not
    final: everyone, those who have voted, staff alone. `accuracy`: how well the crowd foresaw what was played; null: that is
    not known, or not everyone's yet.
    """

    status: str
    voting: Literal["open", "locked", "closed", "final"]
    opens_at: dt.datetime
    closes_at: dt.datetime
    now_playing: Id | None
    results: Results
    accuracy: Accuracy | None


class SongState(msgspec.Struct, frozen=True):
    """Counts of one song of a setlist."""

    up: int
    down: int


class AttendanceState(msgspec.Struct, frozen=True):
    """How many go to a show, and how many connections watch it, on all nodes."""

    going: int
    watching: int


class FollowersState(msgspec.Struct, frozen=True):
    """How many follow an artist."""

    followers: int


class Ranked(msgspec.Struct, frozen=True):
    """A show or an artist among those that are voted on most."""

    id: Id
    score: float
    rank: int


class TrendingState(msgspec.Struct, frozen=True):
    """The first twenty of each, as of the last refresh."""

    shows: list[Ranked]
    artists: list[Ranked]


class Event(msgspec.Struct, frozen=True):
    """Something that happened: `song` is the title of one that is played, `count` the round number that was reached."""

    at: Position
    kind: Literal["announced", "live", "cancelled", "final", "played", "votes", "followers"]
    name: str
    time_ms: int
    show: Id | None = None
    artist: Id | None = None
    song: str | None = None
    count: int | None = None


class ActivityState(msgspec.Struct, frozen=True):
    """The last fifty events, oldest first; a push has the new ones. `gap`: some were missed, and these are the last."""

    events: list[Event]
    gap: Literal[True] | None = None


# ── what belongs together


@dataclass(frozen=True, slots=True)
class Operation:
    """One op.

    Takes: ok, what its reply holds, None: the channels of a `subscribe`, each as its kind has it;
           codes, what it may be refused with beside those of every op
    """

    request: type[msgspec.Struct]
    ok: type[msgspec.Struct] | None
    codes: tuple[Code, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of channel. Takes: subject, what the number in its name is the id of, None: it has none; state, what it
    shows.
    """

    subject: str | None
    state: type[msgspec.Struct]


# What any op may be refused with: it cannot be read, or comes too soon after the one before.
COMMON_CODES = (Code.BAD_REQUEST, Code.RATE_LIMITED)
_WAY_IN_CODES = (Code.UNAUTHENTICATED, Code.OVERLOADED, Code.UNAVAILABLE)
# What one channel of a `subscribe` may be refused with, in its own place; the others stand.
CHANNEL_CODES = (Code.NOT_FOUND, Code.FORBIDDEN, Code.UNAVAILABLE, Code.OVERLOADED, Code.UNAUTHENTICATED)

OPERATIONS: dict[str, Operation] = {
    "hello": Operation(Hello, Greeting, (*_WAY_IN_CODES, Code.FORBIDDEN)),
    "subscribe": Operation(Subscribe, None, (Code.TOO_LARGE,)),
    "unsubscribe": Operation(Unsubscribe, Nothing, ()),
    "cast": Operation(
        Cast,
        Receipt,
        (*_WAY_IN_CODES, Code.FORBIDDEN, Code.NOT_FOUND, Code.CLOSED, Code.LOCKED, Code.BUDGET),
    ),
    "ballot": Operation(Ballot, BallotState, (*_WAY_IN_CODES, Code.NOT_FOUND)),
    "attend": Operation(Attend, MarkReceipt, (*_WAY_IN_CODES, Code.NOT_FOUND)),
    "follow": Operation(Follow, MarkReceipt, (*_WAY_IN_CODES, Code.NOT_FOUND)),
    "ping": Operation(Ping, Time, ()),
}

KINDS: dict[str, Kind] = {
    "votes": Kind("show", VotesState),
    "song": Kind("song", SongState),
    "setlist": Kind("show", SetlistState),
    "status": Kind("show", StatusState),
    "attendance": Kind("show", AttendanceState),
    "followers": Kind("artist", FollowersState),
    "trending": Kind(None, TrendingState),
    "activity": Kind(None, ActivityState),
}
