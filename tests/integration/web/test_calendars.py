"""Calendars of artists and of fans, as a calendar program reads them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from icalendar import Calendar

from server.protocol.calendars import sequence_of
from tests.support import one_node
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people = one_node.node, one_node.emptied, one_node.people


async def read(person: Person, path: str, *, status: int = 200) -> Any:
    """The calendar at a path, read without any sign-in; None: it is refused."""
    async with person.http.get(person.url + path) as response:
        assert response.status == status
        if status != 200:
            return None
        assert response.content_type == "text/calendar"
        return Calendar.from_ical(await response.text())


def events_of(calendar: Any) -> dict[str, Any]:
    """The events by their names."""
    return {str(event["SUMMARY"]): event for event in calendar.walk("VEVENT")}


async def test_an_artists_calendar_has_the_shows(people: People, factory: RowFactory) -> None:
    """On the clock of the venue, with its zone, escaped, also cancelled ones; a change keeps the UID and raises the sequence."""
    fan = await people.person()
    for show_id in (1, 2, 3):
        await factory.show(show_id, song_count=0)
    name = "One, two; three\\four\nfive"
    await factory.sql.execute(
        "update shows set name = $1, starts_at = date_trunc('day', now()) + interval '2 days 23 hours' where id = 1",
        name,
    )
    await factory.sql.execute("update shows set name = 'Gone', status = 'cancelled' where id = 2")
    await factory.sql.execute("update shows set name = 'Long ago', starts_at = now() - interval '90 days' where id = 3")
    calendar = await read(fan, "/artists/band.ics")
    events = events_of(calendar)
    assert events.keys() == {name, "Gone"}
    assert (str(events[name]["STATUS"]), str(events["Gone"]["STATUS"])) == ("CONFIRMED", "CANCELLED")
    assert [str(zone["TZID"]) for zone in calendar.walk("VTIMEZONE")] == ["America/New_York"]
    starts_at = events[name]["DTSTART"].dt
    assert starts_at.tzinfo.key == "America/New_York"
    assert starts_at == await factory.sql.fetchval("select starts_at from shows where id = 1")
    assert str(events[name]["LOCATION"]) == "Hall, Boston, US"
    before = events[name]
    await factory.sql.execute("update shows set starts_at = starts_at + interval '7 days' where id = 1")
    after = events_of(await read(fan, "/artists/1.ics"))[name]
    assert after["UID"] == before["UID"]
    assert after["DTSTART"].dt == starts_at + timedelta(days=7)
    assert int(after["SEQUENCE"]) >= int(before["SEQUENCE"]) > 0
    await read(fan, "/artists/nobody.ics", status=404)


async def test_a_calendar_speaks_the_language_of_its_address(people: People, factory: RowFactory) -> None:
    """A show without a name is its artist and its venue in words of that language; the invitation to vote is too."""
    fan = await people.person()
    await factory.show(1, song_count=0)
    await factory.sql.execute("update shows set name = 'Band at Hall' where id = 1")
    path = (await fan.ok("POST", "/api/me/calendar"))["path"]
    await factory.sql.execute(f"insert into user_show_attendance values ({fan.id}, 1)")
    for lang, summary, invitation in (
        ("en", "Band at Hall", "Vote on the setlist: "),
        ("es", "Band en Hall", "Vota las canciones del setlist: "),
        ("ja", "Band、Hall", "セットリストの曲に投票："),
    ):
        for calendar in ("/artists/band.ics", path):
            (event,) = events_of(await read(fan, f"{calendar}?lang={lang}")).items()
            assert (event[0], str(event[1]["DESCRIPTION"])) == (summary, f"{invitation}{fan.url}/shows/show-1")


async def test_an_unchanged_calendar_is_not_sent_again(people: People, factory: RowFactory) -> None:
    """Programs ask every hour: the same shows are the same file."""
    fan = await people.person()
    await factory.show(1, song_count=0)
    async with fan.http.get(f"{fan.url}/artists/band.ics") as response:
        etag = response.headers["ETag"]
    async with fan.http.get(f"{fan.url}/artists/band.ics", headers={"If-None-Match": etag}) as response:
        assert response.status == 304


def test_a_sequence_fits_into_31_bits() -> None:
    """Sequences are 32-bit integers with a sign (RFC 5545), and revisions have 51 bits: they grow by the second until 2094."""
    assert sequence_of(0) == sequence_of(5) == 0
    in_2093 = 3_900_000_000_000 << 10
    assert sequence_of(in_2093) < sequence_of(in_2093 + (1000 << 10)) < 2**31


async def test_a_fans_calendar_opens_with_its_address_alone(people: People, factory: RowFactory) -> None:
    """It has the shows to which the fan goes, and as tentative those of followed artists. A renewed address ends the one before."""
    ann, bob = await people.person(), await people.person()
    await factory.show(1, song_count=0)
    await factory.sql.execute(
        "insert into artists (slug, name) values ('other', 'Other');"
        "insert into shows (id, slug, artist_id, venue_id, name, local_date, time_zone, starts_at, opens_at, closes_at)"
        " overriding system value values (2, 'other', 2, 1, 'Other show', current_date, 'America/New_York',"
        " now() + interval '2 days', now(), now() + interval '1 day');"
        f"insert into user_show_attendance values ({ann.id}, 1);"
        f"insert into user_follows_artists values ({ann.id}, 1), ({ann.id}, 2), ({bob.id}, 1)"
    )
    assert await ann.ok("GET", "/api/me/calendar") == {"path": None}
    first = (await ann.ok("POST", "/api/me/calendar"))["path"]
    assert await ann.ok("GET", "/api/me/calendar") == {"path": first}
    events = events_of(await read(bob, first))
    assert {name: str(event["STATUS"]) for name, event in events.items()} == {
        "Show": "CONFIRMED",
        "Other show": "TENTATIVE",
    }
    of_bob = (await bob.ok("POST", "/api/me/calendar"))["path"]
    assert {str(event["STATUS"]) for event in events_of(await read(ann, of_bob)).values()} == {"TENTATIVE"}
    second = (await ann.ok("POST", "/api/me/calendar"))["path"]
    assert first != second
    await read(bob, first, status=404)
    await read(bob, second)
    token = second.removeprefix("/calendars/").removesuffix(".ics")
    mac = token.partition("-")[2]
    for guess in (f"{bob.id}-{mac}", f"{ann.id}-{mac[:-1]}", f"{ann.id}", "none", "0-0", f"{ann.id}-%C3%A9"):
        await read(bob, f"/calendars/{guess}.ics", status=404)
    await ann.ok("DELETE", "/api/me/calendar", status=204)
    await read(bob, second, status=404)
    await bob.ok("DELETE", "/api/me", status=204)
    await read(ann, of_bob, status=404)
