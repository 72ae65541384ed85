"""Items of a provider's response are decoded one by one: a faulty one is named and left out, and the others stay."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from server.sync.clients import musicbrainz, setlistfm, spotify, ticketmaster
from server.sync.clients.responses import ItemFault, Response, classify_response, decode

WRONG: tuple[Any, ...] = (None, 7, "x", True, [], {}, [None], [7], {"id": None})


def _setlist(number: int) -> dict[str, Any]:
    artist = {"mbid": "a", "name": "A", "url": "u"}
    song = {"name": "Alpha", "info": "short", "cover": artist, "tape": False}
    city = {
        "name": "C",
        "state": "S",
        "coords": {"lat": 1.5, "long": 2.5},
        "country": {"code": "DE", "name": "Germany"},
    }
    return {
        "id": f"setlist{number}", "versionId": "g1", "eventDate": "05-09-2026", "artist": artist, "info": "i", "url": "u",
        "venue": {"id": "v", "name": "V", "url": "u", "city": city}, "tour": {"name": "T"},
        "sets": {"set": [{"song": [song, song], "name": "Set 1", "encore": 1}]},
    }  # fmt: skip


def _attraction(number: int) -> dict[str, Any]:
    links = {"musicbrainz": [{"id": "m", "url": "u"}], "spotify": [{"url": "u"}], "wiki": [{"url": 7}]}
    return {"id": f"attraction{number}", "name": "A", "url": "u", "externalLinks": links}


def _event(number: int) -> dict[str, Any]:
    start = {
        "localDate": "2027-03-12",
        "localTime": "20:00:00",
        "dateTBA": False,
        "timeTBA": False,
        "noSpecificTime": False,
    }
    venue = {
        "id": "v", "name": "V", "url": "u", "timezone": "Europe/Berlin", "city": {"name": "C"}, "country": {"name": "G", "countryCode": "DE"},
        "state": {"name": "S", "stateCode": "BE"}, "location": {"latitude": "52.5", "longitude": "13.4"},
    }  # fmt: skip
    return {
        "id": f"event{number}", "name": "A", "url": "u", "test": False,
        "dates": {"start": start, "initialStartDate": start, "timezone": "Europe/Berlin", "status": {"code": "onsale"}},
        "_embedded": {"venues": [venue], "attractions": [_attraction(9)]},
    }  # fmt: skip


def _track(number: int) -> dict[str, Any]:
    return {
        "id": f"track{number}", "name": "T", "artists": [{"id": "s", "name": "A"}], "external_ids": {"isrc": "I"},
        "external_urls": {"spotify": "u"},
    }  # fmt: skip


def _artist(number: int) -> dict[str, Any]:
    return {
        "id": f"artist{number}", "name": "A", "country": "DE", "disambiguation": "d", "score": 100, "aliases": [{"name": "B"}],
        "genres": [{"name": "rock", "count": 2}], "tags": [{"name": "rock", "count": 2}],
        "relations": [{"url": {"resource": "https://x"}, "ended": False}],
    }  # fmt: skip


PAGE = {"size": 3, "totalElements": 3, "totalPages": 1, "number": 0}
# For each response: its type, a good one, and the path of the list of its items.
RESPONSES: dict[str, tuple[Any, dict[str, Any], tuple[str, ...]]] = {
    "setlists": (
        setlistfm.Page,
        {"total": 3, "page": 1, "itemsPerPage": 20, "setlist": [_setlist(n) for n in range(3)]},
        ("setlist",),
    ),
    "events": (ticketmaster._Found, {"page": PAGE, "_embedded": {"events": [_event(n) for n in range(3)]}}, ("_embedded", "events")),
    "attractions": (
        ticketmaster._Found,
        {"page": PAGE, "_embedded": {"attractions": [_attraction(n) for n in range(3)]}},
        ("_embedded", "attractions"),
    ),
    "tracks": (spotify._TrackList, {"tracks": [_track(n) for n in range(3)]}, ("tracks",)),
    "found tracks": (spotify._Search, {"tracks": {"items": [_track(n) for n in range(3)]}}, ("tracks", "items")),
    "found artists": (
        spotify._Search,
        {"artists": {"items": [{"id": f"artist{n}", "name": "A"} for n in range(3)]}},
        ("artists", "items"),
    ),
    "artists": (musicbrainz._Found, {"artists": [_artist(n) for n in range(3)]}, ("artists",)),
}  # fmt: skip
SINGLE: dict[str, tuple[Any, dict[str, Any]]] = {
    "event": (ticketmaster.Event, _event(1)),
    "venue": (ticketmaster.Venue, _event(1)["_embedded"]["venues"][0]),
    "artist": (musicbrainz.Artist, _artist(1)),
}


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """All paths of a JSON value, the root too."""
    yield path
    for key, one in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from paths_of(one, (*path, key))


def changed(good: dict[str, Any], path: tuple[Any, ...], value: Any) -> Any:
    """A copy with another value at a path."""
    document = copy.deepcopy(good)
    if not path:
        return value
    holder: Any = document
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return document


def at(document: Any, path: tuple[str, ...]) -> list[Any]:
    """The decoded items."""
    for name in path:
        document = getattr(document, name.strip("_"))
    return list(document)


def classified(document: Any, into: Any) -> Any:
    """What the response means."""
    response = Response("/", 200, httpx.Headers(), msgspec.json.encode(document))
    return classify_response(response, into, has_etag=False, now=dt.datetime.now(dt.UTC), redact=str)


@pytest.mark.parametrize("name", RESPONSES)
def test_a_fault_at_any_path_leaves_the_other_items(name: str) -> None:
    """Null and wrong types at every path: the other items are read, the faulty one is named, and it is no failure."""
    into, good, where = RESPONSES[name]
    all_of = at(decode(msgspec.json.encode(good), into, []), where)
    assert len(all_of) == 3
    for path in paths_of(good):
        for value in WRONG:
            bad = changed(good, path, value)
            failure = classified(bad, into)
            # Only the failure `busy` counts at the gate. Without any item known, the whole may be asked again.
            assert failure is None or (failure.kind == "malformed" and len(path) <= len(where)), (path, value, failure)
            if failure is not None or len(path) <= len(where):
                continue
            faults: list[ItemFault] = []
            items = at(decode(msgspec.json.encode(bad), into, faults), where)
            number = path[len(where)] if path[: len(where)] == where else None
            others = [one for index, one in enumerate(all_of) if index != number]
            assert [one for one in items if one in others] == others, (path, value)
            if number is not None and len(items) < 3:
                assert len(faults) == 1, (path, value)
                assert path[-1] in ("id", number) or str(number) in faults[0].item, (path, value, faults)


@pytest.mark.parametrize("name", RESPONSES)
def test_null_is_the_default_of_what_is_optional(name: str) -> None:
    """Null for all fields but the ids and names that we need: every item is there, and nothing is faulty."""
    into, good, where = RESPONSES[name]
    for path in paths_of(good):
        if (
            len(path) > len(where) + 1
            and path[-1] not in ("id", "mbid", "name", "resource")
            and isinstance(path[-1], str)
        ):
            faults: list[ItemFault] = []
            items = at(decode(msgspec.json.encode(changed(good, path, None)), into, faults), where)
            assert (len(items), faults) == (3, []), path


@pytest.mark.parametrize("name", SINGLE)
def test_one_faulty_item_is_named(name: str) -> None:
    """The only item of a response: its fault has its id, is asked once, and is no failure of the provider."""
    into, good = SINGLE[name]
    for path in paths_of(good):
        for value in WRONG:
            failure = classified(changed(good, path, value), into)
            assert failure is None or failure.kind == "unreadable", (path, value)
            if failure is not None and path and path[0] != "id":
                assert good["id"] in failure.fault.item
                assert good["id"] in failure.reason


def test_texts_are_unescaped_and_can_be_stored() -> None:
    """Entities of HTML, escaped once or twice, are their characters; a NUL, which PostgreSQL refuses, is left out."""
    body = rb'{"id": "1", "name": "Simon &amp; Garfunkel &amp;amp; &quot;Friends&quot; &#39;n&#x27; AT&T R&B \u0000&lt;3", "url": "u?a=1&b=2"}'
    read = decode(body, ticketmaster.Venue, [])
    assert read == ticketmaster.Venue(id="1", name="Simon & Garfunkel & \"Friends\" 'n' AT&T R&B <3", url="u?a=1&b=2")


def test_what_is_no_json_is_a_failure_of_the_provider() -> None:
    """HTML, a cut body, or nesting without end is busy, also beside a wrong type."""
    for body in (b"<html>", b'{"setlist": [{"id": 7}', b"[" * 100_000, b'{"setlist": [{"id": "\xff"}]}'):
        failure = classify_response(
            Response("/", 200, httpx.Headers(), body),
            setlistfm.Page,
            has_etag=False,
            now=dt.datetime.now(dt.UTC),
            redact=str,
        )
        assert failure is not None, body[:30]
        assert failure.kind == "busy", body[:30]
