"""An invented world of music: artists, their recordings and concerts, with the difficulties of the real one.

Deterministic: the same seed and day give the same world. Tests change it under way.
"""

from __future__ import annotations

import datetime as dt
import random
import uuid
from dataclasses import dataclass, field

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
FIRST = ("Silver", "Paper", "Midnight", "Velvet", "Broken", "Golden", "Electric", "Hollow", "Crimson", "Northern")
SECOND = ("Harbour", "Lanterns", "Foxes", "Parade", "Engines", "Choir", "Orchard", "Satellites", "Tides", "Mirrors")
WORDS = (
    "River", "Window", "Ember", "Summer", "Signal", "Ghost", "Letter", "Ocean", "Mirror", "Winter", "Paper", "Thunder",
    "Island", "Candle", "Harvest", "Engine", "Shadow", "Garden", "Compass", "Morning", "Valley", "Satellite",
)  # fmt: skip


@dataclass(frozen=True)
class Venue:
    """A venue; its name differs between services, and setlist.fm has the city's centre as its place."""

    number: int
    name: str
    name_at_setlistfm: str
    city: str
    state: str
    state_code: str
    country: str
    country_name: str
    latitude: float
    longitude: float
    time_zone: str

    @property
    def ticketmaster_id(self) -> str:
        """Its id there."""
        return f"KovZ{self.number:05d}v"

    @property
    def setlistfm_id(self) -> str:
        """Its id there."""
        return f"{0x6BD6CA00 + self.number:x}"


VENUES = (
    Venue(1, "The Grand Ballroom", "Grand Ballroom", "New York", "New York", "NY", "US", "United States", 40.7505, -73.9934, "America/New_York"),
    Venue(2, "Lakeside Amphitheatre", "Lakeside Amphitheater", "Chicago", "Illinois", "IL", "US", "United States", 41.8676, -87.6140, "America/Chicago"),
    Venue(3, "Palladium presented by Acme Bank", "Palladium", "Los Angeles", "California", "CA", "US", "United States", 34.0983, -118.3240, "America/Los_Angeles"),
    Venue(4, "Royal Exchange Hall", "Royal Exchange Hall", "London", "England", "", "GB", "United Kingdom", 51.5009, -0.1774, "Europe/London"),
    Venue(5, "Halle am Fluss", "Halle am Fluß", "Berlin", "Berlin", "", "DE", "Germany", 52.5063, 13.4434, "Europe/Berlin"),
    Venue(6, "Auditorio Nacional del Sur", "Auditorio Nacional del Sur", "Mexico City", "Distrito Federal", "", "MX", "Mexico", 19.4247, -99.1949, "America/Mexico_City"),
)  # fmt: skip


@dataclass
class Song:
    """A song: its title on stage, and its recordings."""

    title: str
    spotify_title: str
    track_id: str
    isrc: str
    cover_of: str | None = None  # number of an artist of COVERED


@dataclass
class Artist:
    """An artist with its ids at services; None: none there."""

    number: int
    name: str
    mbid: str
    spotify_ids: list[str]
    attraction_id: str | None
    songs: list[Song]
    country: str = "US"
    is_linked_at_ticketmaster: bool = True
    is_linked_to_spotify_there: bool = False
    is_linked_at_musicbrainz: bool = True
    name_at_musicbrainz: str | None = None  # None: the same name


@dataclass
class Played:
    """A concert as setlist.fm has it. `sets` None: nobody has written it down yet."""

    id: str
    artist: Artist
    venue: Venue
    date: dt.date
    sets: list[dict[str, object]] | None
    version: int = 1
    has_city: bool = True
    tour: str | None = None


@dataclass
class Event:
    """A concert as Ticketmaster lists it. `date` None: postponed without a new one."""

    id: str
    name: str
    artists: list[Artist]
    venue: Venue
    date: dt.date | None
    time: dt.time | None = dt.time(20)
    status: str = "onsale"
    first_date: dt.date | None = None
    is_resale: bool = False
    has_zone: bool = True
    packages: list[str] = field(default_factory=list)  # other attractions, listed before the artists
    test: bool = False


@dataclass
class World:
    """Everything that exists in this world."""

    today: dt.date
    artists: list[Artist] = field(default_factory=list)
    played: list[Played] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    merged: dict[str, str] = field(default_factory=dict)  # MusicBrainz id -> the id it was merged into

    @classmethod
    def make(cls, *, artists: int = 50, seed: int = 1, today: dt.date | None = None) -> World:
        """Makes a world with so many artists, each with past and coming concerts."""
        chance = random.Random(seed)
        world = cls(today or dt.datetime.now(dt.UTC).date())
        for number in range(artists):
            world.add_artist(_name(number), chance)
        for artist in list(world.artists):
            world._tour(artist, chance)
        return world

    def add_artist(self, name: str, chance: random.Random | None = None) -> Artist:
        """Adds an artist with twelve songs, without concerts."""
        chance = chance or random.Random(name)
        number = len(self.artists)
        songs = [_song(number, place, chance) for place in range(12)]
        artist = Artist(
            number=number,
            name=name,
            mbid=str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            spotify_ids=[_base62(chance) for _ in range(2 if number % 9 == 4 else 1)],
            attraction_id=None if number % 12 == 11 else f"K8vZ917{number:04d}",
            songs=songs,
            is_linked_at_ticketmaster=number % 4 != 3,
            is_linked_to_spotify_there=number % 2 == 0,
            is_linked_at_musicbrainz=number % 7 != 5,
        )
        self.artists.append(artist)
        return artist

    def artist(self, name: str) -> Artist:
        """The artist with this name."""
        return next(artist for artist in self.artists if artist.name == name)

    def add_played(self, artist: Artist, venue: Venue, date: dt.date, titles: list[str] | None) -> Played:
        """Adds a concert; without titles nobody has written it down yet."""
        sets: list[dict[str, object]] | None = None
        if titles is not None:
            sets = [{"song": [{"name": title} for title in titles]}]
        number = len(self.played)
        # Seven or eight digits.
        one = Played(f"{0x3BD6000 + number * 0x1111:x}", artist, venue, date, sets)
        self.played.append(one)
        return one

    def edit(self, played: Played, titles: list[str]) -> None:
        """Corrects a setlist, as a person would."""
        played.sets = [{"song": [{"name": title} for title in titles]}]
        played.version += 1

    def add_event(self, artist: Artist, venue: Venue, date: dt.date | None, **more: object) -> Event:
        """Adds a listing."""
        number = len(self.events)
        event = Event(f"vvG1{number:05d}Z_-"[: 12 + number % 2], artist.name, [artist], venue, date, **more)  # type: ignore[arg-type]
        self.events.append(event)
        return event

    def _tour(self, artist: Artist, chance: random.Random) -> None:
        titles = [song.title for song in artist.songs]
        for back in range(18):
            date = self.today - dt.timedelta(days=4 + back * 6)
            chosen = [title for title in titles[:10] if chance.random() < 0.85]
            one = self.add_played(artist, VENUES[(artist.number + back) % len(VENUES)], date, chosen)
            one.sets = _sets(chosen, artist)
            one.tour = "No Tour Assigned" if back % 5 == 0 else "Long Way Round"
        # A soundcheck without songs and coming concerts are listed too.
        self.add_played(artist, VENUES[artist.number % len(VENUES)], self.today - dt.timedelta(days=2), None)
        for ahead in range(3):
            date = self.today + dt.timedelta(days=5 + ahead * 9 + artist.number % 5)
            venue = VENUES[(artist.number + ahead) % len(VENUES)]
            self.add_played(artist, venue, date, None)
            if artist.attraction_id is not None:
                event = self.add_event(artist, venue, date, has_zone=ahead != 1)
                if ahead == 0:
                    self.add_event(artist, venue, date, is_resale=True, has_zone=False)
                    self.add_event(artist, venue, date).name = f"{artist.name} - VIP Package"
                if ahead == 1 and artist.number % 3 == 0:
                    event.packages.append("Hella Summer Megaticket")
                if ahead == 2 and artist.number % 5 == 0:
                    event.time = None


def _name(number: int) -> str:
    """Fifty names of two words, then the same with a number; two are hard to write."""
    if number == 6:
        return "Chicago"
    if number == 8:
        return "!!!"
    if number == 9:
        return "Mötley Lanterns & The Tide"
    base = f"{FIRST[number % 10]} {SECOND[(number // 10 + number) % 10]}"
    return base if number < 100 else f"{base} {number}"


def _song(artist: int, place: int, chance: random.Random) -> Song:
    title = f"{WORDS[(artist * 5 + place) % len(WORDS)]} {WORDS[(artist * 3 + place * 7 + 1) % len(WORDS)]}"
    if place == 3:
        title = f"{WORDS[artist % len(WORDS)]} Fishes/Arpeggi"
    shown = title
    if place % 4 == 1:
        shown = f"{title} - Remastered 2011"
    elif place % 4 == 2:
        shown = f"{title} (feat. Somebody Else)"
    return Song(title, shown, _base62(chance), f"QZMS{artist:03d}{place:05d}", "covered" if place == 9 else None)


def _sets(titles: list[str], artist: Artist) -> list[dict[str, object]]:
    """A main set, encores by name or by number, tape, an unknown song, a VIP set."""
    songs: list[dict[str, object]] = [{"name": "Intro Music", "tape": True}]
    for title in titles[:-2]:
        song: dict[str, object] = {"name": title}
        if any(own.title == title and own.cover_of for own in artist.songs):
            song["cover"] = covered()
        songs.append(song)
    songs.insert(3, {"name": ""})
    encore: dict[str, object] = {"song": [{"name": title} for title in titles[-2:]]}
    encore |= {"name": "Encore:"} if artist.number % 2 else {"encore": 1}
    return [{"name": "VIP Preshow (Acoustic)", "song": [{"name": "Only For A Few"}]}, {"song": songs}, encore]


def covered() -> dict[str, object]:
    """The artist that everybody covers."""
    return {
        "mbid": "b10bbbfc-cf9e-42e0-be17-e2c3e1d2600d", "name": "The Cover Originals", "sortName": "Cover Originals, The",
        "disambiguation": "", "url": "https://www.setlist.fm/setlists/the-cover-originals-23d6a88b.html",
    }  # fmt: skip


def _base62(chance: random.Random) -> str:
    return "".join(chance.choice(ALPHABET) for _ in range(22))
