"""The server's messages over `/ws`, as types: the AsyncAPI document is made from them, and tests compare real traffic
with it. The server itself builds its frames by hand, because a push goes to thousands.
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
from server.protocol.overview import Overview


class Error(msgspec.Struct, frozen=True):
    """The refusal of a request or of one of its channels; `code` is for programs."""

    code: Code
    message: str
    retry_after_ms: int | None


class ErrorReply(msgspec.Struct, frozen=True):
    """A refusal; `re` is null if it answers no request, or one whose id could not be read."""

    re: RequestId | None
    error: Error


class User(msgspec.Struct, frozen=True):
    """The user of the connection."""

    id: Id
    role: Role


class Greeting(msgspec.Struct, frozen=True):
    """The identity of the connection, the node, its database, its clock [ms since 1970], and the silence after which it pings."""

    user: User | None
    role: Literal["reader"] | Role
    node: str
    installation: str
    time_ms: int
    ping_ms: int


class Nothing(msgspec.Struct, frozen=True):
    """An empty object."""


class Receipt(msgspec.Struct, frozen=True):
    """A cast was taken; `remaining` is null if the show has no budget. The keys of the ballot are setlist songs."""

    at: Position
    durability: Literal["committed", "accepted"]
    ballot: dict[str, Choice]
    remaining: int | None


class MarkReceipt(msgspec.Struct, frozen=True):
    """A mark was taken, at this position of the log."""

    at: Position
    durability: Literal["committed", "accepted"]


class BallotState(msgspec.Struct, frozen=True):
    """The fan's choices in one show; `order` is the greatest of its casts, left out if none had one."""

    ballot: dict[str, Choice]
    remaining: int | None
    order: int = 0


class Time(msgspec.Struct, frozen=True):
    """The server's clock [ms since 1970]."""

    time_ms: int


# ── notices


class CommittedAt(msgspec.Struct, frozen=True):
    """The show or the artist, and the position in the earlier answer."""

    at: Position
    show: Id | None = None
    artist: Id | None = None


class Committed(msgspec.Struct, frozen=True):
    """A cast or mark that was answered as `accepted` is durable now."""

    committed: CommittedAt


class DrainPause(msgspec.Struct, frozen=True):
    """The range of times after which to come back; each client draws its own."""

    min_ms: int
    max_ms: int


class Drain(msgspec.Struct, frozen=True):
    """The node is stopping; it closes with 4000 right after."""

    drain: DrainPause


class TokenEnd(msgspec.Struct, frozen=True):
    """The time for which the token is still valid."""

    in_ms: int


class Expiring(msgspec.Struct, frozen=True):
    """The connection's token ends soon; send `hello` with a newer one."""

    expiring: TokenEnd


class ChannelNames(msgspec.Struct, frozen=True):
    """Names of channels."""

    channels: list[str]


class Unsubscribed(msgspec.Struct, frozen=True):
    """This connection was unsubscribed from channels, by an administrator or because the audience of their counts is smaller
    now; it may subscribe again.
    """

    unsubscribed: ChannelNames


NOTICES: tuple[type[msgspec.Struct], ...] = (Committed, Drain, Expiring, Unsubscribed)


# ── states of channels


class VotesState(msgspec.Struct, frozen=True):
    """Counts of a show's songs as [setlist song, up, down], and the number of all votes; a push has the changed songs only."""

    tally: list[tuple[Id, int, int]]
    total: int


class Artist(msgspec.Struct, frozen=True):
    """The artist of a set."""

    id: Id
    slug: str
    name: str


class CoveredArtist(msgspec.Struct, frozen=True):
    """The original artist of a cover."""

    id: Id
    name: str


class Song(msgspec.Struct, frozen=True):
    """A song of a set; neighbours with the same medley number are one medley. song_id: of the song in the catalogue. was_played:
    whether it is in a played set; null: unknown, or it is a tape.
    """

    id: Id
    song_id: Id
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
    """A page at another service to link to: about the show, about its artist, or the artist's page that the prediction is
    based on.
    """

    service: str
    url: str
    about: Literal["show", "prediction", "artist"]


class SetlistState(msgspec.Struct, frozen=True):
    """The sets of a show in order, the accuracy of its prediction (null: unknown or not public yet), and the sources of the
    sets.
    """

    setlists: list[Set]
    accuracy: Accuracy | None
    sources: list[ShowSource]


class StatusState(msgspec.Struct, frozen=True):
    """The status of a show and its voting; `now_playing` is a setlist song. `results`: the audience of its counts until they
    are final: everyone (`live`), fans who have voted (`after_vote`), staff (`after_closing`). `accuracy`: of its prediction;
    null: unknown or not public yet. `revision` grows with every change of the show, its bill, its rules or its setlists.
    """

    status: str
    voting: Literal["open", "locked", "closed", "final"]
    opens_at: dt.datetime
    closes_at: dt.datetime
    now_playing: Id | None
    results: Results
    accuracy: Accuracy | None
    revision: Position


class SongState(msgspec.Struct, frozen=True):
    """Counts of one song of a setlist."""

    up: int
    down: int


class AttendanceState(msgspec.Struct, frozen=True):
    """The fans who go to a show, and the connections that watch it, on all nodes."""

    going: int
    watching: int


class FollowersState(msgspec.Struct, frozen=True):
    """The fans who follow an artist."""

    followers: int


class Ranked(msgspec.Struct, frozen=True):
    """A show or an artist among those with the most votes."""

    id: Id
    score: float
    rank: int


class TrendingState(msgspec.Struct, frozen=True):
    """The first twenty of each, as of the last refresh."""

    shows: list[Ranked]
    artists: list[Ranked]


class Event(msgspec.Struct, frozen=True):
    """An event: `song` is the title of the played song, `count` the round number that was reached."""

    at: Position
    kind: Literal["announced", "live", "cancelled", "final", "played", "votes", "followers"]
    name: str
    time_ms: int
    show: Id | None = None
    artist: Id | None = None
    song: str | None = None
    count: int | None = None


class ActivityState(msgspec.Struct, frozen=True):
    """The last fifty events, oldest first; a push has the new ones. `gap`: some are missing before these."""

    events: list[Event]
    gap: Literal[True] | None = None


# ── operations and channels


@dataclass(frozen=True, slots=True)
class Operation:
    """One op.

    Takes: ok, the type of its reply, None: the channels of a `subscribe`, each with the type of its kind;
           codes, its refusals beside those of every op
    """

    request: type[msgspec.Struct]
    ok: type[msgspec.Struct] | None
    codes: tuple[Code, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of channel. Takes: subject, of the id in its name, None: it has no id; state, the type of its state."""

    subject: str | None
    state: type[msgspec.Struct]


# Refusals of every op: it is malformed, or it comes too soon after the one before.
COMMON_CODES = (Code.BAD_REQUEST, Code.RATE_LIMITED)
_INTAKE_CODES = (Code.UNAUTHENTICATED, Code.OVERLOADED, Code.UNAVAILABLE)
# Refusals of one channel of a `subscribe`; the other channels stand.
CHANNEL_CODES = (Code.NOT_FOUND, Code.FORBIDDEN, Code.UNAVAILABLE)

OPERATIONS: dict[str, Operation] = {
    "hello": Operation(Hello, Greeting, (*_INTAKE_CODES, Code.FORBIDDEN)),
    "subscribe": Operation(Subscribe, None, (Code.OVERLOADED, Code.TOO_LARGE)),
    "unsubscribe": Operation(Unsubscribe, Nothing, ()),
    "cast": Operation(
        Cast,
        Receipt,
        (*_INTAKE_CODES, Code.FORBIDDEN, Code.NOT_FOUND, Code.CLOSED, Code.LOCKED, Code.BUDGET, Code.CONFLICT),
    ),
    "ballot": Operation(Ballot, BallotState, (*_INTAKE_CODES, Code.NOT_FOUND)),
    "attend": Operation(Attend, MarkReceipt, (*_INTAKE_CODES, Code.NOT_FOUND)),
    "follow": Operation(Follow, MarkReceipt, (*_INTAKE_CODES, Code.NOT_FOUND)),
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
    "overview": Kind(None, Overview),
}
