"""Doubtful identities: both sides with the evidence, page by page, and a decision that stores the id."""

from __future__ import annotations

from tests.support.people import People, Person
from tests.support.row_factory import RowFactory

PATH = "/api/admin/identities"


async def test_both_sides_are_listed_and_decided(people: People, moderator: Person, factory: RowFactory) -> None:
    """An artist with songs and known ids, a venue with its place; `same` moves the id, `different` keeps it away."""
    boss = await people.person("admin")
    await factory.show(7)
    await factory.sql.execute(
        "insert into artists (slug, name) values ('other', 'Other');"
        "insert into artist_identities (service, external_id, artist_id, confidence, evidence)"
        " values ('musicbrainz', 'm', 1, 1, 'e'), ('spotify', 'x', 2, 0.6, 'e');"
        "insert into identity_reviews (service, external_id, name, url, artist_id, venue_id, confidence, evidence) values"
        " ('spotify', 'x', 'The Band', 'https://example.org/x', 1, null, 0.5, 'its name alone'),"
        " ('ticketmaster', 'v', 'The Hall', '', null, 1, 0.75, 'the same place, another name')"
    )
    assert await moderator.refused("GET", PATH) == "forbidden"
    artist, venue = await boss.pages(PATH, 1)
    assert (artist["kind"], artist["confidence"], artist["evidence"]) == ("artist", 0.5, "its name alone")
    assert artist["ours"] == {
        "id": 1, "slug": "band", "name": "Band", "country": "", "genre": "", "city": None, "latitude": None,
        "longitude": None, "show_count": 1, "known": {"musicbrainz": ["m"]}, "songs": ["Song 0", "Song 1", "Song 2"],
    }  # fmt: skip
    assert artist["theirs"] == {
        "service": "spotify", "external_id": "x", "name": "The Band", "url": "https://example.org/x", "held_by": 2,
    }  # fmt: skip
    assert (venue["ours"]["city"], venue["ours"]["show_count"], venue["theirs"]["held_by"]) == ("Boston", 1, None)
    assert [one["kind"] for one in (await boss.ok("GET", f"{PATH}?kind=venue"))["items"]] == ["venue"]
    previewed = await boss.ok("POST", f"{PATH}/{artist['id']}?preview=true", {"verdict": "same"})
    assert previewed == {"id": artist["id"], "verdict": "same", "loses": 2, "is_preview": True}
    await boss.ok("POST", f"{PATH}/{artist['id']}", {"verdict": "same", "reason": "same songs"})
    await boss.ok("POST", f"{PATH}/{venue['id']}", {"verdict": "different"})
    assert await boss.refused("POST", f"{PATH}/{venue['id']}", {"verdict": "same"}) == "not_found"
    assert await factory.sql.fetchval("select artist_id from artist_identities where external_id = 'x'") == 1
    assert await factory.sql.fetchval("select count(*) from venue_identities") == 0
    log = await factory.sql.fetch("select action, subject, detail ->> 'reason' from audit_log order by id")
    assert [tuple(row) for row in log] == [
        ("identity.same", "artist:1", "same songs"), ("identity.different", "venue:1", None),
    ]  # fmt: skip
