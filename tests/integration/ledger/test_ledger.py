"""The ledger of a node: every kind of change has its entries, and the public files give the published counts."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.ledger.audit import Hidden, audit
from server.ledger.entries import Choice, Entry, Kind, entries_of
from server.ledger.files import public_files
from server.ledger.notes import VerifierKey, read
from server.ledger.recount import Audit
from server.ledger.tree import check_inclusion, leaf_hash
from server.node.node import Node
from tests.support import one_node
from tests.support.commands import run_command
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory
from tests.support.running_node import until
from tests.support.witness import Witness

database_url, redis_url, node, factory = one_node.database_url, one_node.redis_url, one_node.node, one_node.factory
people, sql = one_node.people, one_node.sql


async def appended(sql: Any) -> None:
    """Waits until the ledgers have everything that is committed."""

    async def is_empty() -> bool:
        return not await sql.fetchval("select exists (select from ledger_notes)")

    await until(is_empty)


async def audited(node: Node, show: int, earlier: str | None = None) -> Audit:
    async with public_files(node.url) as get:
        return await audit(get, str(show), earlier=earlier, settle_s=0)


async def entries(node: Node, show: int) -> list[Entry | None]:
    """All entries of a small ledger; None: it is blank."""
    async with public_files(node.url) as get:
        checkpoint = read((await get(f"api/shows/{show}/ledger/checkpoint")).decode())
        return [
            Entry.parse(data)
            for data in entries_of(await get(f"api/shows/{show}/ledger/tile/entries/000.p/{checkpoint.size}"))
        ]


async def kinds(node: Node, show: int) -> list[int]:
    return [-1 if entry is None else entry.kind for entry in await entries(node, show)]


async def vote(person: Person, show: int, *votes: tuple[int, str]) -> None:
    await person.ok("POST", f"/api/shows/{show}/votes", {"votes": [list(one) for one in votes]})


async def test_votes_and_receipts(node: Node, factory: RowFactory, people: People, sql: Any) -> None:
    """Each cast has an entry in its order; a fan's receipt leads to the signed root, and shows nobody else's votes."""
    show = await factory.show(7)
    first, second = await people.persons(2)
    await vote(first, 7, (show.first, "up"), (show.songs[1], "up"))
    await vote(second, 7, (show.first, "down"))
    await vote(first, 7, (show.first, "none"), (show.songs[1], "down"))
    await appended(sql)
    found = await audited(node, 7)
    assert found.problems == []
    assert found.counts == {show.first: (0, 1, 0, 0), show.songs[1]: (0, 1, 0, 0)}
    told = [entry for entry in await entries(node, 7) if entry is not None]
    assert [entry.kind for entry in told] == [Kind.OPENED, *[Kind.CAST] * 5]
    names = {entry.fan for entry in told[1:]}
    assert len(names) == 2
    assert [entry.choice for entry in told if entry.song == show.first] == [Choice.UP, Choice.DOWN, Choice.NONE]

    receipt = await first.ok("GET", "/api/shows/show-7/receipt")
    checkpoint = read(receipt["checkpoint"], VerifierKey.parse(receipt["key"]))
    assert (receipt["size"], checkpoint.size) == (6, 6)
    # A vote that was taken back is none.
    assert [(one["song"], one["choice"], one["index"]) for one in receipt["votes"]] == [(show.songs[1], "down", 5)]
    for one in receipt["votes"]:
        leaf = leaf_hash(base64.b64decode(one["entry"]))
        proof = [base64.b64decode(hash_) for hash_ in one["proof"]]
        assert check_inclusion(one["index"], 6, leaf, proof, checkpoint.root)
    assert len((await second.ok("GET", "/api/shows/7/receipt"))["votes"]) == 1
    assert (await (await people.person()).ok("GET", "/api/shows/7/receipt"))["votes"] == []
    assert await people.nobody().refused("GET", "/api/shows/7/receipt") == "unauthenticated"


async def test_votes_that_staff_changes(node: Node, factory: RowFactory, people: People, sql: Any) -> None:
    """Opening, closing, ballots set aside, songs removed, put back and merged: the recount follows each of them."""
    show = await factory.show(8)
    fans = await people.persons(3)
    for fan in fans:
        await vote(fan, 8, (show.first, "up"), (show.songs[1], "down"))
    await sql.execute("update shows set closes_at = now() - interval '1 second' where id = 8")
    await sql.execute("update shows set closes_at = now() + interval '1 hour' where id = 8")
    await appended(sql)
    assert [kind for kind in await kinds(node, 8) if kind != Kind.CAST] == [Kind.OPENED, Kind.CLOSED, Kind.REOPENED]
    async with public_files(node.url) as get:
        earlier = (await get("api/shows/8/ledger/checkpoint")).decode()

    group = await sql.fetchval(
        "insert into vote_groups (show_id, score, reasons, ballot_count, began_at, ended_at) values (8, 9, '[]', 2, now(), now()) returning id"
    )
    await sql.execute(
        "insert into vote_group_members (show_id, user_id, group_id, is_set_aside) values (8, $1, $3, true), (8, $2, $3, true)",
        fans[0].id, fans[1].id, group,
    )  # fmt: skip
    await sql.execute("update vote_group_members set is_set_aside = false where user_id = $1", fans[1].id)
    await appended(sql)
    found = await audited(node, 8, earlier)
    assert found.problems == []
    assert found.counts == {show.first: (2, 0, 1, 0), show.songs[1]: (0, 2, 0, 1)}

    await sql.execute("delete from setlist_songs where id = $1", show.first)
    await appended(sql)
    assert (await audited(node, 8, earlier)).counts == {show.songs[1]: (0, 2, 0, 1)}
    await sql.execute("select restore_song($1, 8)", show.first)
    await sql.execute("delete from vote_groups where id = $1", group)
    await appended(sql)
    found = await audited(node, 8, earlier)
    assert found.problems == []
    assert found.counts == {show.first: (3, 0, 0, 0), show.songs[1]: (0, 3, 0, 0)}

    gone, kept = await sql.fetchrow(
        "select min(song_id) filter (where id = $1), min(song_id) filter (where id = $2) from setlist_songs",
        show.first, show.songs[1],
    )  # fmt: skip
    merge = await sql.fetchval("select merge_entries('song', $1, $2, $3)", kept, gone, fans[0].id)
    await appended(sql)
    found = await audited(node, 8, earlier)
    assert found.problems == []
    assert found.counts is not None
    assert list(found.counts) == [show.songs[1]]
    await sql.execute("select undo_merge($1)", merge)
    await appended(sql)
    assert (await audited(node, 8, earlier)).problems == []


async def test_an_erased_fan(node: Node, factory: RowFactory, people: People, sql: Any) -> None:
    """The entries of an erased fan are blank, the name is gone, the leaves and the counts stay."""
    show = await factory.show(9)
    leaver, stayer = await people.persons(2)
    await vote(leaver, 9, (show.first, "up"), (show.songs[1], "down"))
    await vote(leaver, 9, (show.songs[1], "none"))
    await vote(stayer, 9, (show.first, "up"))
    await appended(sql)
    async with public_files(node.url) as get:
        earlier = (await get("api/shows/9/ledger/checkpoint")).decode()
    name = await sql.fetchval("select ledger_name(s, 9) from ledger_secrets s where user_id = $1", leaver.id)
    assert await sql.fetchval("select exists (select from ledger_entries where position($1 in entries) > 0)", name)
    await leaver.ok("DELETE", "/api/me", status=204)
    await appended(sql)
    assert not await sql.fetchval("select exists (select from ledger_secrets s where ledger_name(s, 9) = $1)", name)
    assert not await sql.fetchval("select exists (select from ledger_entries where position($1 in entries) > 0)", name)
    found = await audited(node, 9, earlier)
    assert found.problems == []
    assert found.counts == {show.first: (2, 0, 0, 0)}
    assert "entries of erased fans: 3; of their votes 1 count, which rests on the word of the server" in found.facts
    assert sorted(await kinds(node, 9)) == [-1, -1, -1, Kind.CAST, Kind.INHERITED, Kind.OPENED, Kind.ERASED]


async def test_a_fan_who_is_erased_at_once(node: Node, factory: RowFactory, people: People, sql: Any) -> None:
    """A vote whose fan is erased before it is in the ledger has a leaf too, blank from the start, so an audit finds nothing wrong."""
    show = await factory.show(18)
    leaver, stayer = await people.persons(2)
    await vote(stayer, 18, (show.first, "up"))
    await appended(sql)
    async with sql.transaction():
        await sql.execute("select from ledger_logs where show_id = 18 for update")
        await vote(leaver, 18, (show.first, "up"), (show.songs[1], "up"))
        await leaver.ok("DELETE", "/api/me", status=204)
    await appended(sql)
    found = await audited(node, 18)
    assert found.problems == []
    assert found.counts == {show.first: (2, 0, 0, 0), show.songs[1]: (1, 0, 0, 0)}
    told = sorted(await kinds(node, 18))
    assert told == [-1, -1, Kind.CAST, Kind.INHERITED, Kind.INHERITED, Kind.OPENED, Kind.ERASED]


async def test_hidden_counts(node: Node, factory: RowFactory, people: People, sql: Any) -> None:
    """Before everybody may see the counts, hashes and receipts are public, and entries are not."""
    show = await factory.show(10)
    await sql.execute("update shows set results = 'after_closing' where id = 10")
    fan = await people.person()
    await vote(fan, 10, (show.first, "up"))
    await appended(sql)
    async with public_files(node.url) as get:
        size = read((await get("api/shows/10/ledger/checkpoint")).decode()).size
        assert len(await get(f"api/shows/10/ledger/tile/0/000.p/{size}")) == 32 * size
        with pytest.raises(Hidden):
            await get(f"api/shows/10/ledger/tile/entries/000.p/{size}")
    found = await audited(node, 10)
    assert (found.problems, found.counts) == ([], None)
    assert len((await fan.ok("GET", "/api/shows/10/receipt"))["votes"]) == 1
    await sql.execute("update shows set closes_at = now() - interval '1 minute', finalised_at = now() where id = 10")
    await appended(sql)
    found = await audited(node, 10)
    assert found.problems == []
    assert found.counts == {show.first: (1, 0, 0, 0)}


async def test_many_votes(node: Node, factory: RowFactory, sql: Any) -> None:
    """Votes that were there before the ledger, more than a row and a tile hold, are in it; partial tiles stay after it has grown."""
    show = await factory.show(11, song_count=2)
    users = await factory.users(1_500)
    await sql.execute(
        "insert into votes (setlist_song_id, user_id, show_id, choice, cast_at) select $1, u, 11, 'up', now() from unnest($2::bigint[]) u",
        show.first, users,
    )  # fmt: skip
    await appended(sql)
    witness = Witness()
    async with public_files(node.url) as get:
        key = VerifierKey.parse((await get("api/shows/11/ledger/key")).decode())
        cosigned = await witness.visit(get, "11", key)
        size = read(cosigned, key, witness.key).size
        assert size == 1_501
        before = await get("api/shows/11/ledger/tile/0/005.p/221")
        await sql.execute(
            "insert into votes (setlist_song_id, user_id, show_id, choice, cast_at) values ($1, $2, 11, 'down', now())",
            show.songs[1],
            users[0],
        )
        await appended(sql)
        assert await get("api/shows/11/ledger/tile/0/005.p/221") == before
        assert read(await witness.visit(get, "11", key)).size == 1_502
    found = await audited(node, 11, cosigned)
    assert found.problems == []
    assert found.counts == {show.first: (1_500, 0, 0, 0), show.songs[1]: (0, 1, 0, 0)}


async def test_the_command(node: Node, factory: RowFactory, people: People, sql: Any, tmp_path: Path) -> None:
    """`mysetlist audit` prints what it has found, keeps the checkpoint, and ends with 1 when the counts differ."""
    show = await factory.show(17)
    await vote(await people.person(), 17, (show.first, "up"))
    await sql.execute("update shows set closes_at = now() - interval '1 minute', finalised_at = now() where id = 17")
    await appended(sql)
    kept = tmp_path / "kept"
    words = ("audit", "show-17", "--url", node.url)
    code, output, errors = await run_command(*words, "--keep", str(kept), environ=dict(os.environ))
    assert (code, errors) == (0, "")
    assert "the final result has the same counts: 1 votes on 3 songs" in output
    code, _, errors = await run_command(*words, "--keep", str(tmp_path), environ=dict(os.environ))
    assert (code, f"--keep: {tmp_path} cannot be written" in errors, "Traceback" in errors) == (1, True, False)
    await sql.execute("update setlist_songs set up_count = 2 where id = $1", show.first)
    code, output, _ = await run_command(*words, "--checkpoint", str(kept), environ=dict(os.environ))
    assert code == 1
    assert f"Song {show.first} (" in output
    for wrong, told in (
        (("show-17", "--head", "1:00"), "--head is for --log"),
        (("--log", "--keep", "x"), "--keep is for the ledger of a show"),
    ):
        code, _, errors = await run_command("audit", *wrong, environ=dict(os.environ))
        assert (code, told in errors) == (2, True)
    code, _, errors = await run_command("audit", "nowhere", "--url", node.url, environ=dict(os.environ))
    assert (code, "Look at --url and the show." in errors) == (1, True)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("show-12/ledger/checkpoint", 404), ("12/receipt", 401), ("15/ledger/tile/0/001", 404), ("15/ledger/tile/0/000", 404),
        ("15/ledger/tile/0/000.p/2", 404), ("15/ledger/tile/1/000.p/1", 404), ("15/ledger/tile/entries/000.p/200", 404),
        ("15/ledger/tile/x/000", 404), ("15/ledger/tile/0/..", 404), ("nowhere/ledger/key", 404), ("15/ledger/tile/0/000.p/1", 200),
    ],
)  # fmt: skip
async def test_paths(node: Node, factory: RowFactory, sql: Any, path: str, status: int) -> None:
    """Only tiles that a checkpoint covers are there; the rest is refused with a sentence."""
    if not await sql.fetchval("select exists (select from shows where id = 15)"):
        await factory.show(15)
    await appended(sql)
    await factory.sql.execute(
        "insert into shows (id, slug, artist_id, venue_id, name, local_date, time_zone, starts_at, opens_at, closes_at)"
        " overriding system value select 12, 'show-12', 1, 1, 'Show', current_date, 'UTC', now() + interval '9 days',"
        " now() + interval '1 day', now() + interval '8 days' where not exists (select from shows where id = 12)"
    )
    async with aiohttp.ClientSession() as http, http.get(f"{node.url}/api/shows/{path}") as answer:
        assert answer.status == status, await answer.text()
        if status == 200:
            assert "immutable" in answer.headers["Cache-Control"]
        else:
            assert answer.content_type == "application/problem+json"


async def test_a_restored_database(node: Node, factory: RowFactory, people: People, sql: Any) -> None:
    """A database that is not the one that was signed goes on under another origin, and says so in the ledger."""
    show = await factory.show(13)
    await factory.show(14)
    fan = await people.person()
    await vote(fan, 13, (show.first, "up"))
    await appended(sql)
    async with public_files(node.url) as get:
        earlier = (await get("api/shows/13/ledger/checkpoint")).decode()
        other = (await get("api/shows/14/ledger/checkpoint")).decode()
    await sql.execute("update ledger_epochs set fingerprint = 'another cluster'")
    await vote(fan, 13, (show.first, "down"))
    await appended(sql)
    found = await audited(node, 13, earlier)
    assert found.problems == []
    assert any("goes on under the origin" in fact for fact in found.facts)
    assert await kinds(node, 13) == [Kind.OPENED, Kind.CAST, Kind.CONTINUED, Kind.CAST]
    # Also a ledger that nothing was added to.
    assert await kinds(node, 14) == [Kind.OPENED, Kind.CONTINUED]
    assert read(other).origin != read((await audited(node, 14, other)).checkpoint).origin
    # A node remembers what it has signed, whatever the database says that it is.
    await sql.execute("delete from ledger_logs where show_id = 13")
    await vote(fan, 13, (show.first, "up"))
    await appended(sql)
    problems = (await audited(node, 13, found.checkpoint)).problems
    assert any("Entries were taken out" in problem for problem in problems), problems
