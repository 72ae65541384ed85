"""HTTP for everyone who reads the catalogue."""

from __future__ import annotations

from server.catalog.artists_venues_songs import fetch_artist, fetch_song, fetch_venue, list_artists, list_venues
from server.catalog.documents import Artist, ArtistPage, SearchResults, Show, ShowPage, Song, Venue, VenuePage
from server.catalog.parameters import ListQuery, NearQuery, SearchQuery, ShowQuery
from server.catalog.playlists import Playlist, PlaylistQuery, as_text, fetch_playlist
from server.catalog.results import Results, ResultsQuery, as_csv, fetch_results
from server.catalog.rotation import SHOWS_MAX, VOTED_SHOWS_MAX, Rotation, fetch_rotation
from server.catalog.search import search
from server.catalog.shows import fetch_show, list_shows
from server.clock import Clock, utc_now
from server.protocol.codes import Code
from server.protocol.embargo import WhyHidden
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.store.reads import Readable


class CatalogRoutes:
    """HTTP for everyone who reads the catalogue. Takes: why_hidden, which refuses counts."""

    def __init__(self, db: Readable, clock: Clock, why_hidden: WhyHidden) -> None:
        self._db = db
        self._clock = clock
        self._why_hidden = why_hidden

    def endpoints(self) -> list[Endpoint]:
        """The routes, for web to serve."""
        missing = (Code.NOT_FOUND,)
        return [
            Endpoint(
                method="GET", path="/api/shows", handler=self.get_shows, query=ShowQuery, answer=ShowPage,
                summary="Shows: live, then upcoming, then finished, then cancelled.", is_revalidated=True,
            ),
            Endpoint(
                method="GET", path="/api/shows/{show}", handler=self.get_show, answer=Show, codes=missing, slugs=("show",),
                summary="One show with its setlists, songs, tallies and voting window.", is_revalidated=True,
            ),
            Endpoint(
                method="GET", path="/api/shows/{show}/results", handler=self.get_results, query=ResultsQuery, answer=Results,
                other_media_type="text/csv", codes=(*missing, Code.FORBIDDEN), slugs=("show",), is_revalidated=True,
                summary="The result of a show: every song with counts, score, rank and share.",
            ),
            Endpoint(
                method="GET", path="/api/shows/{show}/playlist", handler=self.get_playlist, query=PlaylistQuery, answer=Playlist,
                other_media_type="text/plain", codes=missing, slugs=("show",), is_revalidated=True,
                summary="The recordings of a show's songs at Spotify, with ISRC: what was played, else what is predicted.",
                description="A list of links, because only the listener's own account can make a playlist. With `format=text`, paste "
                "the lines into a playlist of Spotify's desktop program.",
            ),
            Endpoint(
                method="GET", path="/api/artists", handler=self.get_artists, query=ListQuery, answer=ArtistPage,
                summary="Artists by slug.", is_revalidated=True,
            ),
            Endpoint(
                method="GET", path="/api/artists/{artist}", handler=self.get_artist, answer=Artist, codes=missing,
                slugs=("artist",), summary="One artist with the next shows and the songs played most often.",
                is_revalidated=True,
            ),
            Endpoint(
                method="GET", path="/api/artists/{artist}/rotation", handler=self.get_rotation, answer=Rotation,
                codes=missing, slugs=("artist",), is_revalidated=True,
                summary="The last shows of an artist with their accuracy, the songs played in them, and the songs by votes.",
                description=f"Of the last {SHOWS_MAX} finished shows whose played set is known, and of the votes in the newest "
                f"{VOTED_SHOWS_MAX} shows whose counts everyone may see; sets of support acts are left out.",
            ),
            Endpoint(
                method="GET", path="/api/venues", handler=self.get_venues, query=NearQuery, answer=VenuePage,
                summary="Venues by slug, or with `near` the nearest first.", is_revalidated=True,
            ),
            Endpoint(
                method="GET", path="/api/venues/{venue}", handler=self.get_venue, answer=Venue, codes=missing,
                slugs=("venue",), summary="One venue with its next shows.", is_revalidated=True,
            ),
            Endpoint(
                method="GET", path="/api/songs/{song}", handler=self.get_song, answer=Song, codes=missing,
                summary="One song with the artists who play it and the latest setlists that have it.", is_revalidated=True,
            ),
            Endpoint(
                method="GET", path="/api/search", handler=self.get_search, query=SearchQuery, answer=SearchResults,
                read="search", summary="Search artists, songs, venues and shows by words, best match first.", is_revalidated=True,
                description="An entry matches when it has all words; the last letters of each may be missing. A kind "
                "without a match gives its most similar entries.",
            ),
        ]  # fmt: skip

    async def get_shows(self, call: Call) -> Answer:
        """`GET /api/shows`."""
        return Answer(document=await list_shows(self._db, call.query, now=utc_now(self._clock)))

    async def get_show(self, call: Call) -> Answer:
        """`GET /api/shows/{show}`."""
        return Answer(
            document=await fetch_show(
                self._db, call.reference("show"), call.identity, self._why_hidden, now=utc_now(self._clock)
            )
        )

    async def get_results(self, call: Call) -> Answer:
        """`GET /api/shows/{show}/results`."""
        audience, results = await fetch_results(self._db, call.reference("show"))
        hidden = await self._why_hidden(audience, results["show"]["id"], call.identity)
        if hidden is not None:
            raise hidden
        if call.query.format == "json":
            return Answer(document=results)
        headers = {"Content-Disposition": f'attachment; filename="{results["show"]["slug"]}.csv"'}
        return Answer(document=as_csv(results).encode(), media_type="text/csv", headers=headers)

    async def get_playlist(self, call: Call) -> Answer:
        """`GET /api/shows/{show}/playlist`."""
        playlist = await fetch_playlist(self._db, call.reference("show"))
        if call.query.format == "json":
            return Answer(document=playlist)
        return Answer(document=as_text(playlist).encode(), media_type="text/plain")

    async def get_artists(self, call: Call) -> Answer:
        """`GET /api/artists`."""
        return Answer(document=await list_artists(self._db, call.query))

    async def get_artist(self, call: Call) -> Answer:
        """`GET /api/artists/{artist}`."""
        return Answer(document=await fetch_artist(self._db, call.reference("artist"), now=utc_now(self._clock)))

    async def get_rotation(self, call: Call) -> Answer:
        """`GET /api/artists/{artist}/rotation`."""
        return Answer(document=await fetch_rotation(self._db, call.reference("artist")))

    async def get_venues(self, call: Call) -> Answer:
        """`GET /api/venues`."""
        return Answer(document=await list_venues(self._db, call.query))

    async def get_venue(self, call: Call) -> Answer:
        """`GET /api/venues/{venue}`."""
        return Answer(document=await fetch_venue(self._db, call.reference("venue"), now=utc_now(self._clock)))

    async def get_song(self, call: Call) -> Answer:
        """`GET /api/songs/{song}`."""
        return Answer(document=await fetch_song(self._db, call.id("song")))

    async def get_search(self, call: Call) -> Answer:
        """`GET /api/search`."""
        return Answer(document=await search(self._db, call.query, now=utc_now(self._clock)))
