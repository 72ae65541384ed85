"""The watch stores what the detector finds, and sets a group aside by itself only where the show says so."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from structlog.testing import capture_logs

from server.abuse.watch import GroupWatch
from server.clock import SystemClock
from server.errors import StoreError
from server.store.database import Database
from tests.support.row_factory import RowFactory

CHEATS, FANS = 30, 60


async def crowd(
    factory: RowFactory, show_id: int, songs: list[int]
) -> tuple[list[int], list[tuple[int, list[list[int]]]]]:
    """Fans, and cheats of one program and network who vote for one song. Gives the cheats, and the casts of all by their times."""
    users = await factory.users(CHEATS + FANS)
    cheats = users[:CHEATS]
    await factory.sql.execute(
        "insert into sessions (user_id, kind, agent_hash, subnet_hash, expires_at)"
        " select u, 'fan', decode(lpad(to_hex(case when u = any($2) then 1 else u end), 16, '0'), 'hex'),"
        " decode(lpad(to_hex(case when u = any($2) then 1 else u end), 16, '0'), 'hex'), now() + interval '1 day'"
        " from unnest($1::bigint[]) u",
        users, cheats,
    )  # fmt: skip
    now_ms = SystemClock().now_ms()
    random, casts = Random(3), []
    for user in users:
        wanted = [songs[0]] if user in cheats else random.sample(songs[1:], random.choice((1, 2)))
        casts.append((now_ms + random.randrange(9_000), [[show_id, user, song, 1, 20_000, 1] for song in wanted]))
    return cheats, sorted(casts, key=lambda cast: cast[0])


async def test_a_found_group_is_stored_told_and_grows(factory: RowFactory, database: Database) -> None:
    """Once, with its members and reasons; nobody sets it aside. Later members join; a group that was decided on takes none."""
    show = await factory.show(7, song_count=6)
    handed_in: list[Any] = []
    watch = GroupWatch(database, lambda *note: handed_in.append(note))
    cheats, casts = await crowd(factory, 7, show.songs)
    for cast in casts:
        watch.take(*cast)
    with capture_logs() as logged:
        await look(watch)
    (told,) = [entry for entry in logged if entry["event"] == "votes.group"]
    assert (told["show"], told["ballots"]) == (7, CHEATS)
    group = await factory.sql.fetchrow("select * from vote_groups")
    assert (group["state"], group["decision"], group["ballot_count"]) == ("open", "open", CHEATS)
    assert {"agents", "subnets", "one_song", "target"} <= {reason["kind"] for reason in json.loads(group["reasons"])}
    assert await members(factory) == {group["id"]: cheats}
    assert handed_in == []
    late, more = await crowd(factory, 7, show.songs)
    for cast in more:
        watch.take(*cast)
    await look(watch)
    assert await members(factory) == {group["id"]: cheats + late}
    # Another node takes over, and knows the group.
    await factory.decide(group["id"], "restored")
    other = GroupWatch(database, lambda *note: handed_in.append(note))
    for cast in casts + more:
        other.take(*cast)
    await look(other)
    assert await members(factory) == {group["id"]: cheats + late}


async def test_a_show_may_set_groups_aside_without_a_person(factory: RowFactory, database: Database) -> None:
    """Then the group is decided on when it is found, the audit log has it, and its note goes to the log."""
    show = await factory.show(7, song_count=6)
    await factory.sql.execute("update shows set sets_groups_aside = true")
    handed_in: list[Any] = []
    watch = GroupWatch(database, lambda *note: handed_in.append(note))
    _, casts = await crowd(factory, 7, show.songs)
    for cast in casts:
        watch.take(*cast)
    await look(watch)
    group = await factory.sql.fetchrow("select * from vote_groups")
    assert (group["state"], group["decision"], group["decided_by"]) == ("open", "set_aside", None)
    assert handed_in == [(group["id"], 7)]
    assert await factory.audit_log(f"group:{group['id']}") == [
        ("group.set-aside", {"by": "the rule of the show", "show": 7})
    ]


async def test_a_group_counts_only_the_members_that_it_gets(factory: RowFactory, database: Database) -> None:
    """Another node's watch was faster with some ballots, or with all: a ballot is in one group at most."""
    show = await factory.show(7, song_count=6)
    watch = GroupWatch(database, lambda _group, _show: None)
    cheats, casts = await crowd(factory, 7, show.songs)
    await read_groups(watch, cheats, casts)
    theirs = await factory.vote_group(7, cheats[:5])
    for cast in casts:
        if user_of(cast) in cheats:
            watch.take(*cast)
    await look(watch)
    ours = await factory.sql.fetchval("select max(id) from vote_groups")
    assert await members(factory) == {theirs: cheats[:5], ours: cheats[5:]}
    assert await counts(factory) == {theirs: 5, ours: CHEATS - 5}
    late, more = await crowd(factory, 7, show.songs)
    also_theirs = await factory.vote_group(7, late[:10])
    for cast in more:
        watch.take(*cast)
    await look(watch)
    assert await counts(factory) == {theirs: 5, ours: 2 * CHEATS - 15, also_theirs: 10}


async def test_a_group_without_a_member_is_none(factory: RowFactory, database: Database) -> None:
    """Two nodes find the same group at once: the slower one stores nothing and tells nothing."""
    show = await factory.show(7, song_count=6)
    fast, slow = (GroupWatch(database, lambda _group, _show: None) for _ in range(2))
    cheats, casts = await crowd(factory, 7, show.songs)
    for watch in (fast, slow):
        await read_groups(watch, cheats, casts)
        for cast in casts:
            if user_of(cast) in cheats:
                watch.take(*cast)
    await look(fast)
    with capture_logs() as logged:
        await look(slow)
    assert [entry for entry in logged if entry["event"] == "votes.group"] == []
    assert list((await counts(factory)).values()) == [CHEATS]


async def test_a_group_that_could_not_be_stored_is_found_again(factory: RowFactory, database: Database) -> None:
    """The database fails for one pass; the next pass finds and stores the group, without a new vote."""
    show = await factory.show(7, song_count=6)
    watch = GroupWatch(database, lambda _group, _show: None)
    cheats, casts = await crowd(factory, 7, show.songs)
    for cast in casts:
        watch.take(*cast)
    await factory.sql.execute("alter table vote_groups add constraint fails check (false) not valid")
    try:
        with pytest.raises(StoreError):
            await look(watch)
    finally:
        await factory.sql.execute("alter table vote_groups drop constraint fails")
    await look(watch)
    (found,) = (await members(factory)).values()
    assert found == cheats


def user_of(cast: tuple[int, list[list[int]]]) -> int:
    """The fan of a cast."""
    return cast[1][0][1]


async def read_groups(watch: GroupWatch, cheats: list[int], casts: list[tuple[int, list[list[int]]]]) -> None:
    """Lets a watch see the honest fans of a show, so that it has read the groups: there are none yet."""
    for cast in casts:
        if user_of(cast) not in cheats:
            watch.take(*cast)
    await look(watch)


async def look(watch: GroupWatch) -> None:
    """One pass."""
    await watch._take_waiting()
    await watch._look()


async def members(factory: RowFactory) -> dict[int, list[int]]:
    """The members of all groups."""
    rows = await factory.sql.fetch(
        "select group_id, array_agg(user_id order by user_id) from vote_group_members group by 1"
    )
    return {row[0]: row[1] for row in rows}


async def counts(factory: RowFactory) -> dict[int, int]:
    """The number of ballots that each group says it has."""
    return {row[0]: row[1] for row in await factory.sql.fetch("select id, ballot_count from vote_groups order by id")}
