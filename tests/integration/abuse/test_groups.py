"""Staff see groups with their reasons, and decide on them; the counts follow at once, and the audit log has it."""

from __future__ import annotations

from server.node.node import Node
from tests.support import one_node
from tests.support.people import People
from tests.support.row_factory import RowFactory, Show
from tests.support.running_node import until

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people = one_node.node, one_node.emptied, one_node.people

PATH = "/api/admin/groups"
REASONS = [
    {"kind": "agents", "weight": 4.5, "words": "100% of them use the same 1 of the programs; 3% of the others do."},
    {"kind": "target", "weight": 0, "words": "All of them vote song 1 up.", "song": 1, "choice": "up"},
]


async def voted(people: People, factory: RowFactory) -> tuple[Show, int, int]:
    """A show with votes of two cheats, who are in a group, and of a fan. Gives also the group and one of the cheats."""
    show = await factory.show(7)
    cheats = [await people.person() for _ in range(2)]
    for person in (*cheats, await people.person()):
        await person.ok("POST", "/api/shows/7/votes", {"votes": [[show.first, "up"]]})
    group = await factory.vote_group(7, [person.id for person in cheats])
    await factory.sql.execute("update vote_groups set reasons = $1", str(REASONS).replace("'", '"'))
    return show, group, cheats[0].id


async def test_a_group_is_set_aside_restored_and_voided(people: People, factory: RowFactory) -> None:
    """Each answer comes when the counts have it; results tell both numbers; what is void stays void."""
    show, group, cheat = await voted(people, factory)
    moderator = await people.person("moderator")

    async def counts() -> tuple[int, int, int]:
        results = await moderator.ok("GET", "/api/shows/7/results")
        return results["songs"][0]["up"], results["songs"][0]["set_aside_up"], results["raw_total"]

    assert await counts() == (3, 0, 3)
    detail = await moderator.ok("GET", f"{PATH}/{group}")
    assert detail["votes"] == [{"song_id": show.first, "title": "Song 0", "up": 2, "down": 0}]
    assert detail["group"]["reasons"][0] == REASONS[0]
    told = {"decision": "set_aside", "reason": "One script."}
    previewed = await moderator.ok("POST", f"{PATH}/{group}?preview=true", told)
    assert await counts() == (3, 0, 3)
    effect = {"is_preview": False, "ballots": 2, "up": 2, "down": 0, "withdrawn": 0}
    assert previewed == {
        "id": group, "decision": "set_aside", "at": None, "durability": None, "effect": effect | {"is_preview": True},
    }  # fmt: skip
    answer = await moderator.ok("POST", f"{PATH}/{group}", told)
    assert answer["effect"] == effect
    assert (answer["id"], answer["decision"], answer["durability"]) == (group, "set_aside", "committed")
    assert await counts() == (1, 2, 3)
    shown = await moderator.ok("GET", "/api/shows/7")
    assert shown["at"] == answer["at"]
    (member, _) = (await moderator.ok("GET", f"{PATH}/{group}/members"))["items"]
    assert (member["user_id"], member["is_set_aside"], member["votes"]) == (cheat, True, [[show.first, "up"]])
    # Whoever repeats a request gets its answer again; another person learns that they were late.
    repeated = await moderator.ok("POST", f"{PATH}/{group}", {"decision": "set_aside"})
    assert repeated == answer | {"effect": None}
    other = await people.person("moderator")
    assert await other.refused("POST", f"{PATH}/{group}", {"decision": "set_aside"}) == "conflict"
    voided = await moderator.ok("POST", f"{PATH}/{group}?preview=true", {"decision": "void"})
    assert voided["effect"] == effect | {"is_preview": True, "ballots": 0, "up": 0, "withdrawn": 2}
    restored = await moderator.ok("POST", f"{PATH}/{group}", {"decision": "restored"})
    assert restored["effect"] == effect
    assert await counts() == (3, 0, 3)
    await moderator.ok("POST", f"{PATH}/{group}", {"decision": "void", "reason": "They said so."})
    assert await counts() == (1, 0, 1)
    assert await moderator.refused("POST", f"{PATH}/{group}", {"decision": "restored"}) == "conflict"
    assert await factory.audit_log(f"group:{group}") == [
        ("group.set-aside", {"show": 7, "reason": "One script."}),
        ("group.restore", {"show": 7, "reason": ""}),
        ("group.void", {"show": 7, "reason": "They said so."}),
    ]


async def test_a_decision_that_was_answered_as_unavailable_is_repeated(
    node: Node, people: People, factory: RowFactory
) -> None:
    """The decision is stored and its note is not in the log yet: the same request hands it in, and tells nobody twice."""
    show, group, _ = await voted(people, factory)
    moderator, wanted = await people.person("moderator"), {"decision": "set_aside", "reason": "One script."}
    node.rooms.intake.refuse_new()
    try:
        assert await moderator.refused("POST", f"{PATH}/{group}", wanted) == "unavailable"
    finally:
        node.rooms.intake._is_draining = False
    answer = await moderator.ok("POST", f"{PATH}/{group}", wanted)
    assert (answer["decision"], answer["durability"]) == ("set_aside", "committed")
    assert (await factory.tally(7))[0] == [show.first, 1, 0]
    assert len(await factory.audit_log(f"group:{group}")) == 1


async def test_a_large_group_is_applied_in_several_commits_before_the_answer(
    people: People, factory: RowFactory
) -> None:
    """Each commit has one ballot here; the answer comes when the last one is applied."""
    show, group, _ = await voted(people, factory)
    moderator = await people.person("moderator")
    positions = await factory.sql.fetchval("select count(*) from log_commits where shard = 7")
    await factory.set_decision_rows_max(1)
    try:
        answer = await moderator.ok("POST", f"{PATH}/{group}", {"decision": "set_aside"})
    finally:
        await factory.set_decision_rows_max(10_000)
    assert answer["durability"] == "committed"
    assert (await factory.aside_tally(7))[0] == [show.first, 2, 0]
    assert await factory.sql.fetchval("select count(*) from log_commits where shard = 7") == positions + 2


async def test_groups_are_listed_by_show_and_state_for_staff_alone(people: People, factory: RowFactory) -> None:
    """The newest first, in pages; a fan sees none of it."""
    _, group, _ = await voted(people, factory)
    await factory.show(8)
    other = await factory.vote_group(8, (await factory.users(2))[:1])
    moderator, fan = await people.person("moderator"), await people.person()
    assert [item["id"] for item in await moderator.pages(PATH, 1)] == [other, group]
    (item,) = (await moderator.ok("GET", "/api/admin/shows/7/groups?state=open"))["items"]
    assert (item["id"], item["state"], item["ballot_count"], item["show_name"]) == (group, "open", 2, "Show")
    assert (await moderator.ok("GET", f"{PATH}?state=void"))["items"] == []
    assert await moderator.refused("GET", f"{PATH}/999") == "not_found"
    assert await moderator.refused("GET", f"{PATH}/999/members") == "not_found"
    assert await moderator.refused("POST", f"{PATH}/999", {"decision": "void"}) == "not_found"
    for unknown in ("none", "999"):
        assert await moderator.refused("GET", f"/api/admin/shows/{unknown}/groups") == "not_found"
    for path in (PATH, f"{PATH}/{group}", f"{PATH}/{group}/members", "/api/admin/shows/7/group-rule"):
        assert await fan.refused("GET", path) == "forbidden"
    rule = "/api/admin/shows/7/group-rule"
    before = await moderator.ok("GET", rule)
    assert before == {"show_id": 7, "is_automatic": False, "revision": before["revision"]}
    told = {"is_automatic": True, "revision": before["revision"]}
    after = await moderator.ok("PUT", rule, told)
    assert after == {"show_id": 7, "is_automatic": True, "revision": after["revision"]}
    assert await moderator.ok("GET", rule) == after
    # Who saw the rule of before learns of the change.
    assert await moderator.refused("PUT", rule, told | {"is_automatic": False}) == "conflict"
    assert await moderator.ok("PUT", rule, {"is_automatic": True}) == after
    assert await moderator.refused("PUT", rule.replace("7", "999"), told) == "not_found"


async def test_a_lost_note_of_a_decision_is_handed_in_again(people: People, factory: RowFactory) -> None:
    """A decision that is only in the database is applied within seconds."""
    show, group, _ = await voted(people, factory)
    await factory.decide(group, "set_aside")
    await factory.sql.execute("update vote_groups set decided_at = now() - interval '1 minute'")

    async def is_applied() -> bool:
        return await factory.tally(7) != [[song, 3 * (song == show.first), 0] for song in show.songs]

    await until(is_applied)
    assert (await factory.aside_tally(7))[0] == [show.first, 2, 0]
