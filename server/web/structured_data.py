"""What pages tell search engines (JSON-LD, the words of schema.org)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from server.catalog.documents import (
    Artist,
    ArtistName,
    Setlist,
    Show,
    ShowItem,
    ShowStatus,
    Song,
    Source,
    Venue,
    VenueName,
)
from server.words.show_names import name_of_show
from server.words.texts import Language

Data = dict[str, Any]

_VOCABULARY = "https://schema.org"
# A show that gets another day keeps no earlier one, so it is scheduled for the new day.
_EVENT_STATUS: Mapping[ShowStatus, str] = {
    "upcoming": "EventScheduled",
    "live": "EventScheduled",
    "finished": "EventScheduled",
    "cancelled": "EventCancelled",
}
_RATING_MAX = 5


def of_service(name: str, base: str) -> Data:
    """The service, and the address of its search."""
    return {
        "@context": _VOCABULARY,
        "@type": "WebSite",
        "name": name,
        "url": f"{base}/",
        "potentialAction": {
            "@type": "SearchAction",
            "target": {"@type": "EntryPoint", "urlTemplate": f"{base}/?q={{search_term_string}}"},
            "query-input": "required name=search_term_string",
        },
    }


def of_show(show: Show, base: str, words: Language, *, description: str, card: str) -> Data:
    """A show as a MusicEvent, with its bill and, once songs were played, what was played. Takes: card, a path."""
    acts: Sequence[ArtistName] = show["bill"] or [show["artist"]]
    data = {
        "@context": _VOCABULARY,
        **_event(show, base, words),
        "description": description,
        "image": [f"{base}{card}"],
        "location": _place(show["venue"], base),
        "performer": [_group(act, base) for act in acts],
    }
    played = _played(show["setlists"], base)
    return data | {"workPerformed": played} if played else data


def of_artist(artist: Artist, base: str, words: Language) -> Data:
    """An artist as a MusicGroup, with the next shows and the songs played most often."""
    data: Data = {"@context": _VOCABULARY, **_group(artist, base)}
    if artist["genre"]:
        data["genre"] = artist["genre"]
    if artist["songs"]:
        data["track"] = [
            {"@type": "MusicRecording", "name": song["title"], "url": f"{base}/songs/{song['id']}"}
            for song in artist["songs"]
        ]
    return data | _events(artist["shows"], base, words) | _same_as(artist["sources"])


def of_venue(venue: Venue, base: str, words: Language) -> Data:
    """A venue as a MusicVenue, with the next shows and its rating."""
    data: Data = {"@context": _VOCABULARY, **_place(venue, base)}
    if venue["rating"] is not None:
        data["aggregateRating"] = {
            "@type": "AggregateRating",
            "ratingValue": venue["rating"],
            "bestRating": _RATING_MAX,
            "reviewCount": venue["review_count"],
        }
    return data | _events(venue["shows"], base, words) | _same_as(venue["sources"])


def of_song(song: Song, base: str) -> Data:
    """A song as a MusicComposition, with its recordings at other services."""
    writer = _group(song["artist"], base)
    data: Data = {
        "@context": _VOCABULARY,
        "@type": "MusicComposition",
        "name": song["title"],
        "url": f"{base}/songs/{song['id']}",
        "composer": writer,
    }
    if song["sources"]:
        recording = {"@type": "MusicRecording", "name": song["title"], "byArtist": writer}
        data["recordedAs"] = [recording | {"url": source["url"]} for source in song["sources"]]
    return data


def _event(show: ShowItem, base: str, words: Language) -> Data:
    starts_at = datetime.fromisoformat(show["starts_at"]).astimezone(ZoneInfo(show["time_zone"]))
    return {
        "@type": "MusicEvent",
        "name": name_of_show(show["name"], show["artist"]["name"], show["venue"]["name"], words),
        "url": f"{base}/shows/{show['slug']}",
        "startDate": starts_at.isoformat(timespec="seconds"),
        "eventStatus": f"{_VOCABULARY}/{_EVENT_STATUS[show['status']]}",
        "eventAttendanceMode": f"{_VOCABULARY}/OfflineEventAttendanceMode",
    }


def _events(shows: Sequence[ShowItem], base: str, words: Language) -> Data:
    events = [
        _event(show, base, words)
        | {"location": _place(show["venue"], base), "performer": [_group(show["artist"], base)]}
        for show in shows
    ]
    return {"event": events} if events else {}


def _group(artist: ArtistName, base: str) -> Data:
    return {"@type": "MusicGroup", "name": artist["name"], "url": f"{base}/artists/{artist['slug']}"}


def _place(venue: VenueName, base: str) -> Data:
    address: Data = {
        "@type": "PostalAddress",
        "addressLocality": venue["city"],
        "addressCountry": venue["country"],
    }
    if venue["region"]:
        address["addressRegion"] = venue["region"]
    data: Data = {
        "@type": "MusicVenue",
        "name": venue["name"],
        "url": f"{base}/venues/{venue['slug']}",
        "address": address,
        "geo": {"@type": "GeoCoordinates", "latitude": venue["latitude"], "longitude": venue["longitude"]},
    }
    if venue["capacity"] is not None:
        data["maximumAttendeeCapacity"] = venue["capacity"]
    return data


def _played(setlists: Sequence[Setlist], base: str) -> list[Data]:
    return [
        {"@type": "MusicComposition", "name": song["title"], "url": f"{base}/songs/{song['song_id']}"}
        for setlist in setlists
        if setlist["type"] == "actual"
        for song in setlist["songs"]
        if not song["is_tape"]
    ]


def _same_as(sources: Sequence[Source]) -> Data:
    return {"sameAs": [source["url"] for source in sources]} if sources else {}
