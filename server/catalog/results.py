"""The result of a show: every song with its counts, for programs, spreadsheets and the command line."""

from __future__ import annotations

from typing import Literal, TypedDict

import msgspec

from server.catalog.queries import catalogue as queries
from server.catalog.shows import find_show
from server.protocol.accuracy import Accuracy, read_accuracy
from server.protocol.embargo import Audience
from server.protocol.http import spreadsheets
from server.protocol.http.parameters import Reference
from server.store.reads import Readable

Format = Literal["json", "csv"]


class ResultsQuery(msgspec.Struct, frozen=True):
    """The format of a result."""

    format: Format = "json"


class ResultSong(TypedDict):
    """One song. `score` is up - down; `rank` 1 is the best score of its set; `share` is its part of the show's votes, 0 to 1.

    `set_aside_up` and `set_aside_down` are votes that staff set aside; no other number holds them. `isrc` is the code of a recording of
    the song, `artist_mbid` the id of the artist who wrote it at MusicBrainz; what is not known is null.
    """

    title: str
    setlist: str
    position: int
    up: int
    down: int
    score: int
    rank: int
    share: float
    id: int
    song_id: int
    set_aside_up: int
    set_aside_down: int
    artist: str
    artist_mbid: str | None
    isrc: str | None


class ResultShow(TypedDict):
    """The show of a result."""

    id: int
    slug: str
    name: str


class Results(TypedDict):
    """The result of a show as of position `at`. `raw_total` is `total` and the votes that staff set aside.

    `standing` is final once voting is over and every vote is counted. `accuracy` says how well the votes predicted the played
    sets; null means not known yet.
    """

    show: ResultShow
    at: int
    total: int
    raw_total: int
    standing: Literal["provisional", "final"]
    accuracy: Accuracy | None
    songs: list[ResultSong]


async def fetch_results(db: Readable, reference: Reference) -> tuple[Audience, Results]:
    """The result of a show, its songs by set and position, and the audience that may see it.

    Raises: Refused: not_found; StoreUnavailable
    """
    async with db.snapshot() as connection:
        row = await find_show(connection, reference)
        total = row["vote_count"]
        songs: list[ResultSong] = [
            {
                "title": song["title"],
                "setlist": song["setlist_name"],
                "position": song["position"],
                "up": song["up_count"],
                "down": song["down_count"],
                "score": song["score"],
                "rank": song["rank"],
                "share": round((song["up_count"] + song["down_count"]) / total, 4) if total else 0.0,
                "id": song["id"],
                "song_id": song["song_id"],
                "set_aside_up": song["set_aside_up_count"],
                "set_aside_down": song["set_aside_down_count"],
                "artist": song["artist_name"],
                "artist_mbid": song["artist_mbid"],
                "isrc": song["isrc"],
            }
            async for song in queries.tallies_of_show(connection, show_id=row["id"])
        ]
    return Audience(row["audience"]), {
        "show": {"id": row["id"], "slug": row["slug"], "name": row["name"]},
        "at": row["position"],
        "total": total,
        "raw_total": total + sum(song["set_aside_up"] + song["set_aside_down"] for song in songs),
        "standing": "final" if row["is_final"] else "provisional",
        "accuracy": read_accuracy(row["accuracy"]),
        "songs": songs,
    }


def as_csv(results: Results) -> str:
    """A header, then one line for each song. No cell begins a formula."""
    return spreadsheets.as_csv(ResultSong.__annotations__, results["songs"])
