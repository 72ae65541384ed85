"""The devices of a fan over HTTP, with a whole node."""

from __future__ import annotations

import base64
from typing import Any

from tests.support import one_node
from tests.support.people import People, Person
from tests.support.webpush import Keys

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people = one_node.node, one_node.factory, one_node.people

ENDPOINT = "https://push.example.org/send/"


async def devices(person: Person) -> list[dict[str, Any]]:
    """The devices that the fan sees."""
    items: list[dict[str, Any]] = (await person.ok("GET", "/api/me/push"))["items"]
    return items


async def test_the_key_is_one_for_all(people: People) -> None:
    """It is a point of P-256, the same in every answer, and clients may keep it."""
    fan = await people.person()
    first = await fan.ok("GET", "/api/push/key")
    point = base64.urlsafe_b64decode(first["key"] + "=")
    assert (len(point), point[0]) == (65, 4)
    assert await fan.ok("GET", "/api/push/key") == first
    assert await people.factory.sql.fetchval("select count(*) from webpush_key") == 1


async def test_a_device_is_added_changed_and_deleted(people: People) -> None:
    """The same endpoint is the same device; other fans neither see nor delete it."""
    fan, other = await people.person(), await people.person()
    keys = Keys()
    body = keys.body(ENDPOINT + "1", quiet_from="22:30", quiet_to="07:00", time_zone="europe/berlin")
    added = await fan.ok("PUT", "/api/me/push", body)
    assert (added["time_zone"], added["quiet_from"], added["quiet_to"]) == ("Europe/Berlin", "22:30", "07:00")
    changed = await fan.ok("PUT", "/api/me/push", keys.body(ENDPOINT + "1", kinds=["song_on", "song_on"]))
    assert (changed["id"], changed["kinds"], changed["quiet_from"]) == (added["id"], ["song_on"], None)
    assert await devices(fan) == [changed]
    assert await devices(other) == []
    assert await other.refused("DELETE", f"/api/me/push/{added['id']}") == "not_found"
    await fan.ok("DELETE", f"/api/me/push/{added['id']}", status=204)
    assert await fan.refused("DELETE", f"/api/me/push/{added['id']}") == "not_found"
    assert await devices(fan) == []


async def test_a_browser_passes_to_the_account_that_uses_it(people: People) -> None:
    """Who shows the keys of the browser gets it; who only knows its address does not."""
    first, second, thief = await people.person(), await people.person(), await people.person()
    keys = Keys()
    await first.ok("PUT", "/api/me/push", keys.body(ENDPOINT + "2"))
    await second.ok("PUT", "/api/me/push", keys.body(ENDPOINT + "2"))
    assert (await devices(first), len(await devices(second))) == ([], 1)
    assert await thief.refused("PUT", "/api/me/push", Keys().body(ENDPOINT + "2")) == "conflict"
    assert len(await devices(second)) == 1


async def test_what_is_no_device_is_refused(people: People) -> None:
    """Each refusal names what is wrong."""
    fan = await people.person()
    good = Keys().body(ENDPOINT + "3")
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("https://", good | {"endpoint": "http://push.example.org/x"}),
        ("`endpoint`", good | {"endpoint": "no address"}),
        ("password", good | {"endpoint": "https://me:pw@push.example.org/x"}),
        ("`keys`", good | {"keys": {"p256dh": "A" * 87, "auth": "A" * 22}}),
        ("`keys`", good | {"keys": {**good["keys"], "auth": "A" * 23}}),
        ("kinds", good | {"kinds": []}),
        ("kinds", good | {"kinds": ["everything"]}),
        ("time zone", good | {"time_zone": "Mars/Olympus"}),
        ("quiet_to", good | {"quiet_from": "22:00"}),
        ("different times", good | {"quiet_from": "22:00", "quiet_to": "22:00"}),
        ("quiet_from", good | {"quiet_from": "24:00", "quiet_to": "07:00"}),
    ]
    for word, body in wrong:
        status, problem = await fan.ask("PUT", "/api/me/push", body)
        assert (status, problem["code"]) == (400, "bad_request"), word
        assert word in problem["detail"], (word, problem["detail"])
    assert await devices(fan) == []


async def test_a_fan_has_ten_devices(people: People) -> None:
    """The one that was added first goes."""
    fan = await people.person()
    for number in range(11):
        await fan.ok("PUT", "/api/me/push", Keys().body(f"{ENDPOINT}4/{number}"))
    assert [one["endpoint"].rpartition("/")[2] for one in await devices(fan)] == [str(n) for n in range(10, 0, -1)]
