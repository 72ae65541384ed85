"""The history of a show's votes: hour by hour, and the counts of its leading songs, for the charts on its page."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from server.errors import Refused
from server.insight.queries import statistics as queries
from server.protocol.codes import Code
from server.protocol.embargo import Audience, WhyHidden
from server.protocol.http.parameters import Reference
from server.protocol.identity import Identity
from server.store.reads import Readable

# Voting is open for some weeks; of a longer time the newest hours are told.
HOURS_MAX = 2_400
# More lines could not be told apart on a phone.
SONGS_MAX = 5
SONG_HOURS_MAX = 800


class VoteHour(msgspec.Struct, frozen=True):
    """The votes cast in the hour that begins at `hour`. A changed vote counts again."""

    hour: dt.datetime
    votes: int


class SongHour(msgspec.Struct, frozen=True):
    """The counts of a song as they stood in the hour that begins at `hour`, after its votes."""

    hour: dt.datetime
    up: int
    down: int


class SongHistory(msgspec.Struct, frozen=True):
    """A leading song: its counts now, and the hours in which they had changed, oldest first."""

    id: int
    title: str
    up: int
    down: int
    hours: list[SongHour]


class VoteHistory(msgspec.Struct, frozen=True):
    """The hours in which votes were cast in a show, oldest first. Hours without votes are left out. songs: the leading ones,
    the best first; null for who may not see the show's counts.
    """

    show: int
    hours: list[VoteHour]
    songs: list[SongHistory] | None


async def fetch_history(
    db: Readable, reference: Reference, identity: Identity | None, why_hidden: WhyHidden
) -> VoteHistory:
    """The history of a show's votes. The hours tell no song and no direction, so they are for everyone.

    Raises: Refused: not_found; as WhyHidden; StoreUnavailable
    """
    async with db.snapshot() as connection:
        show = await queries.show_of_reference(connection, id=reference.id, slug=reference.slug)
        if show is None:
            raise Refused(Code.NOT_FOUND, "No such show. Check its id or slug.")
        rows = [row async for row in queries.hours_of_show(connection, show_id=show["id"], count=HOURS_MAX)]
        leading = queries.leading_songs(connection, show_id=show["id"], count=SONGS_MAX, hours=SONG_HOURS_MAX)
        songs = [row async for row in leading]
    is_hidden = await why_hidden(Audience(show["audience"]), show["id"], identity) is not None
    hours = [VoteHour(row["hour"], row["votes"]) for row in reversed(rows)]
    return VoteHistory(show["id"], hours, None if is_hidden else [_song(row) for row in songs])


def _song(row: Any) -> SongHistory:
    hours = msgspec.json.decode(row["hours"], type=list[SongHour])
    return SongHistory(row["id"], row["title"], row["up"], row["down"], hours)
